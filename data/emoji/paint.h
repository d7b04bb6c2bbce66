/* A scene as a JPEG picture. Source: demo.md 2 (drawing). */
#ifndef EMOJI_PAINT_H
#define EMOJI_PAINT_H

#include "data/emoji/glyph.h"
#include "data/emoji/scene.h"

enum { PICTURE_SIDE = 128, JPEG_QUALITY = 90 };

/* Background colour, shade, texture, sizes and places all follow from the origin alone; several threads may
 * paint. The caller frees *jpeg. */
int paint_scene(uint8_t **jpeg, size_t *size, const struct scene *scene, const struct origin *origin,
                const struct glyphs *glyphs, struct bt_err *err);

#endif
