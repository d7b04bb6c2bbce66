/* Emoji as pictures: drawn once each by Pango at the size the font stores, then scaled as often as needed.
 * Source: demo.md 1, 2. */
#ifndef EMOJI_GLYPH_H
#define EMOJI_GLYPH_H

#include "data/emoji/source.h"

/* Colour times opacity, and opacity, 0..1, cut to what is inked. */
struct glyph {
    int width, height;
    float *rgba; /* [height, width, 4] */
};

struct glyphs {
    struct glyph thing[THING_COUNT];
    struct glyph person[JOB_COUNT][GENDER_COUNT][TONE_COUNT];
};

/* Not for several threads at a time. A missing font is E_NOINPUT, an emoji that it does not have E_INPUT.
 * Ends with glyphs_free, also after a failure. */
int glyphs_load(struct glyphs *glyphs, const struct source *source, struct bt_err *err);
void glyphs_free(struct glyphs *glyphs);

/* Scales to `longer` pixels on the longer side by a bicubic filter that widens as it shrinks (images.md 3),
 * into memory the caller frees. */
int glyph_scale(struct glyph *out, const struct glyph *glyph, int longer, struct bt_err *err);
void glyph_free(struct glyph *glyph);

#endif
