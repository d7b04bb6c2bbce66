/* Drawing emoji by Pango and Cairo, and scaling them. */
#include "data/emoji/glyph.h"

#include <math.h>
#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

/* The font's one strike is 136 x 128 pixels at 109 pixels per em; at that size nothing is scaled. */
enum { STRIKE_PPEM = 109, SURFACE = 192, MARGIN = 24, WIDEST = 144 };
static const char family[] = "Noto Color Emoji";

static int check_font(PangoContext *context, const PangoFontDescription *font, struct bt_err *err)
{
    PangoFont *found = pango_context_load_font(context, font);
    PangoFontDescription *is = found ? pango_font_describe(found) : NULL;
    bool same = is && strcmp(pango_font_description_get_family(is), family) == 0;

    if (is)
        pango_font_description_free(is);
    if (found)
        g_object_unref(found);
    if (same)
        return BT_OK;
    return bt_fail(err, BT_ERR_NOINPUT, "font '%s': not found; install fonts-noto-color-emoji", family);
}

/* The inked part of the surface. */
static int cut_out(struct glyph *glyph, const uint8_t *pixels, int stride, const char *name,
                   struct bt_err *err)
{
    int left = SURFACE, right = -1, top = SURFACE, bottom = -1;

    for (int y = 0; y < SURFACE; y++)
        for (int x = 0; x < SURFACE; x++)
            if (pixels[y * stride + x * 4 + 3] > 0) {
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y;
            }
    if (right < 0 || right - left >= WIDEST)
        return bt_fail(err, BT_ERR_INPUT,
                       "font '%s': does not draw '%s' as one glyph; install its version 2.042", family, name);
    glyph->width = right - left + 1;
    glyph->height = bottom - top + 1;
    glyph->rgba = bt_alloc((uint64_t)(glyph->width * glyph->height), 4 * sizeof *glyph->rgba, err);
    if (!glyph->rgba)
        return BT_ERR_MEMORY;
    for (int y = 0; y < glyph->height; y++)
        for (int x = 0; x < glyph->width; x++) {
            float *to = glyph->rgba + (y * glyph->width + x) * 4;
            uint32_t argb; /* Cairo's pixel is a word: no byte order to mind */

            memcpy(&argb, pixels + (top + y) * stride + (left + x) * 4, sizeof argb);
            to[0] = (float)(argb >> 16 & 255) / 255.0f;
            to[1] = (float)(argb >> 8 & 255) / 255.0f;
            to[2] = (float)(argb & 255) / 255.0f;
            to[3] = (float)(argb >> 24) / 255.0f;
        }
    return BT_OK;
}

static int draw(struct glyph *glyph, PangoLayout *layout, cairo_t *cr, const char *emoji, const char *name,
                struct bt_err *err)
{
    cairo_surface_t *surface = cairo_get_target(cr);

    cairo_set_operator(cr, CAIRO_OPERATOR_CLEAR);
    cairo_paint(cr);
    cairo_set_operator(cr, CAIRO_OPERATOR_OVER);
    cairo_move_to(cr, MARGIN, MARGIN);
    pango_layout_set_text(layout, emoji, -1);
    if (pango_layout_get_unknown_glyphs_count(layout) > 0)
        return bt_fail(err, BT_ERR_INPUT, "font '%s': has no '%s'; install its version 2.042", family, name);
    pango_cairo_show_layout(cr, layout);
    cairo_surface_flush(surface);
    return cut_out(glyph, cairo_image_surface_get_data(surface), cairo_image_surface_get_stride(surface),
                   name, err);
}

static int draw_all(struct glyphs *glyphs, const struct source *source, PangoLayout *layout, cairo_t *cr,
                    struct bt_err *err)
{
    struct glyph *person = &glyphs->person[0][0][0];
    const char *const *person_emoji = &source->person_emoji[0][0][0];
    int rc = BT_OK;

    for (int i = 0; !rc && i < THING_COUNT; i++)
        rc = draw(&glyphs->thing[i], layout, cr, source->thing_emoji[i], things[i].name, err);
    for (int i = 0; !rc && i < JOB_COUNT * GENDER_COUNT * TONE_COUNT; i++)
        rc = draw(&person[i], layout, cr, person_emoji[i], jobs[i / (GENDER_COUNT * TONE_COUNT)], err);
    return rc;
}

int glyphs_load(struct glyphs *glyphs, const struct source *source, struct bt_err *err)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, SURFACE, SURFACE);
    cairo_t *cr = cairo_create(surface);
    PangoLayout *layout = pango_cairo_create_layout(cr);
    PangoFontDescription *font = pango_font_description_from_string(family);
    int rc;

    *glyphs = (struct glyphs){ 0 };
    pango_font_description_set_absolute_size(font, STRIKE_PPEM * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    rc = check_font(pango_layout_get_context(layout), font, err);
    if (!rc)
        rc = draw_all(glyphs, source, layout, cr, err);
    pango_font_description_free(font);
    g_object_unref(layout);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return rc;
}

void glyph_free(struct glyph *glyph)
{
    free(glyph->rgba);
    *glyph = (struct glyph){ 0 };
}

void glyphs_free(struct glyphs *glyphs)
{
    struct glyph *person = &glyphs->person[0][0][0];

    for (int i = 0; i < THING_COUNT; i++)
        glyph_free(&glyphs->thing[i]);
    for (int i = 0; i < JOB_COUNT * GENDER_COUNT * TONE_COUNT; i++)
        glyph_free(&person[i]);
}

static double bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Weights of the input pixels first..first+count-1 for output pixel `at`; count <= limit. */
struct taps {
    int first, count;
    float weight[32];
};

static void taps_at(struct taps *taps, int at, int from_size, int to_size)
{
    double scale = (double)from_size / to_size, stretch = scale > 1 ? scale : 1;
    double centre = (at + 0.5) * scale, sum = 0;
    int last = (int)(centre + 2 * stretch + 0.5);

    taps->first = (int)(centre - 2 * stretch + 0.5);
    taps->first = taps->first > 0 ? taps->first : 0;
    last = last < from_size ? last : from_size;
    taps->count = last - taps->first;
    for (int i = 0; i < taps->count; i++)
        sum += bicubic((taps->first + i + 0.5 - centre) / stretch);
    for (int i = 0; i < taps->count; i++)
        taps->weight[i] = (float)(bicubic((taps->first + i + 0.5 - centre) / stretch) / sum);
}

static float between(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

/* One direction of the scaling: lines of from_size pixels become lines of to_size; a step leads from pixel to
 * pixel, a line from line to line, in floats. */
static void scale_lines(float *to, const float *from, int from_size, int to_size, int lines, int from_step,
                        int from_line, int to_step, int to_line)
{
    for (int i = 0; i < to_size; i++) {
        struct taps taps;

        taps_at(&taps, i, from_size, to_size);
        for (int line = 0; line < lines; line++) {
            float sum[4] = { 0 };

            for (int k = 0; k < taps.count; k++)
                for (int c = 0; c < 4; c++)
                    sum[c] += taps.weight[k] * from[line * from_line + (taps.first + k) * from_step + c];
            memcpy(to + line * to_line + i * to_step, sum, sizeof sum);
        }
    }
}

int glyph_scale(struct glyph *out, const struct glyph *glyph, int longer, struct bt_err *err)
{
    int most = glyph->width > glyph->height ? glyph->width : glyph->height;
    int width = (int)lround((double)glyph->width * longer / most);
    int height = (int)lround((double)glyph->height * longer / most);
    float *narrow = bt_alloc((uint64_t)(width * glyph->height), 4 * sizeof *narrow, err);
    float *rgba = bt_alloc((uint64_t)(width * height), 4 * sizeof *rgba, err);

    if (!narrow || !rgba) {
        free(narrow);
        free(rgba);
        return BT_ERR_MEMORY;
    }
    scale_lines(narrow, glyph->rgba, glyph->width, width, glyph->height, 4, glyph->width * 4, 4, width * 4);
    scale_lines(rgba, narrow, glyph->height, height, width, width * 4, 4, width * 4, 4);
    for (int i = 0; i < width * height; i++) { /* the filter overshoots */
        float *pixel = rgba + i * 4;

        pixel[3] = between(pixel[3], 0, 1);
        for (int c = 0; c < 3; c++)
            pixel[c] = between(pixel[c], 0, pixel[3]);
    }
    free(narrow);
    *out = (struct glyph){ width, height, rgba };
    return BT_OK;
}
