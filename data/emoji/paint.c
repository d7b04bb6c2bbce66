/* Painting a scene. */
#include "data/emoji/paint.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { SIDE = PICTURE_SIDE };
static const double pi = 3.14159265358979323846;

static double uniform(struct bt_draw *draw, double low, double high)
{
    return low + (high - low) * (double)bt_draw_uniform(draw);
}

/* A whole number from low to high. */
static int within(struct bt_draw *draw, int low, int high)
{
    return low + (int)bt_draw_below(draw, (uint64_t)(high - low + 1));
}

static void add_light(float *pixel, double light)
{
    for (int c = 0; c < 3; c++)
        pixel[c] += (float)light;
}

/* Textures that no caption names: none, stripes, dots, noise. */
static void paint_texture(float *canvas, struct bt_draw *draw)
{
    uint64_t texture = bt_draw_below(draw, 4);
    double angle = uniform(draw, 0, pi), turns = 2 * pi * uniform(draw, 4, 10) / SIDE;
    double turns_x = turns * cos(angle), turns_y = turns * sin(angle);
    int dot_x = within(draw, 0, 15), dot_y = within(draw, 0, 15);

    for (int y = 0; texture > 0 && y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float *pixel = canvas + (y * SIDE + x) * 3;
            int dx = (x + dot_x) % 16 - 8, dy = (y + dot_y) % 16 - 8;

            if (texture == 1)
                add_light(pixel, sin(x * turns_x + y * turns_y) >= 0 ? 5 : -5);
            else if (texture == 2)
                add_light(pixel, dx * dx + dy * dy <= 16 ? 10 : 0);
            else
                add_light(pixel, 5 * bt_draw_normal(draw));
        }
}

/* The colour, a little off, under a linear shade. */
static void paint_background(float *canvas, const struct color *color, struct bt_draw *draw)
{
    double rgb[3], amplitude = uniform(draw, 0, 24) / SIDE, angle = uniform(draw, 0, 2 * pi);
    double slope_x = amplitude * cos(angle), slope_y = amplitude * sin(angle);

    for (int c = 0; c < 3; c++)
        rgb[c] = color->rgb[c] + uniform(draw, -14, 14);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                canvas[(y * SIDE + x) * 3 + c] =
                    (float)(rgb[c] + slope_x * (x - SIDE / 2) + slope_y * (y - SIDE / 2));
    paint_texture(canvas, draw);
}

static int inside(int at, int size)
{
    int last = SIDE - size;

    return at < 0 ? 0 : at > last ? last : at;
}

/* A glyph about (x, y), moved inside the canvas. */
static int paint_glyph(float *canvas, const struct glyph *glyph, int longer, int x, int y, struct bt_err *err)
{
    struct glyph scaled;
    int rc = glyph_scale(&scaled, glyph, longer, err);

    if (rc)
        return rc;
    x = inside(x - scaled.width / 2, scaled.width);
    y = inside(y - scaled.height / 2, scaled.height);
    for (int row = 0; row < scaled.height; row++)
        for (int column = 0; column < scaled.width; column++) {
            const float *ink = scaled.rgba + (row * scaled.width + column) * 4;
            float *pixel = canvas + ((y + row) * SIDE + x + column) * 3;

            for (int c = 0; c < 3; c++)
                pixel[c] = pixel[c] * (1 - ink[3]) + 255 * ink[c];
        }
    glyph_free(&scaled);
    return BT_OK;
}

/* Two glyphs, the first to the left of or above the second. */
static int paint_pair(float *canvas, const struct glyph *first, const struct glyph *second, bool above,
                      struct bt_draw *draw, struct bt_err *err)
{
    const struct glyph *pair[2] = { first, second };
    int rc = BT_OK;

    for (int i = 0; !rc && i < 2; i++) {
        int longer = within(draw, 52, 64), across = within(draw, 48, 80);
        int along = (i == 0 ? 34 : 94) + within(draw, -5, 5);

        rc = paint_glyph(canvas, pair[i], longer, above ? across : along, above ? along : across, err);
    }
    return rc;
}

/* Copies in some cells of a 2 x 2 grid. */
static int paint_copies(float *canvas, const struct glyph *glyph, int number, struct bt_draw *draw,
                        struct bt_err *err)
{
    int cell[4] = { 0, 1, 2, 3 }, rc = BT_OK;

    for (int i = 0; !rc && i < number; i++) {
        int j = within(draw, i, 3), chosen = cell[j], longer = within(draw, 42, 52);
        int x = (chosen % 2 ? 92 : 36) + within(draw, -5, 5);
        int y = (chosen / 2 ? 92 : 36) + within(draw, -5, 5);

        cell[j] = cell[i];
        rc = paint_glyph(canvas, glyph, longer, x, y, err);
    }
    return rc;
}

static int paint_alone(float *canvas, const struct glyph *glyph, int smallest, int largest,
                       struct bt_draw *draw, struct bt_err *err)
{
    int longer = within(draw, smallest, largest), half = longer / 2;
    int x = within(draw, half, SIDE - half), y = within(draw, half, SIDE - half);

    return paint_glyph(canvas, glyph, longer, x, y, err);
}

static int paint_content(float *canvas, const struct scene *scene, const struct glyphs *glyphs,
                         struct bt_draw *draw, struct bt_err *err)
{
    const struct glyph *first = scene->thing[0] >= 0 ? &glyphs->thing[scene->thing[0]] : NULL, *person;

    switch (scene->type) {
    case SCENE_TWO:
        return paint_pair(canvas, first, &glyphs->thing[scene->thing[1]], scene->above, draw, err);
    case SCENE_COUNT_OF:
        return paint_copies(canvas, first, scene->number, draw, err);
    case SCENE_ONE:
        return paint_alone(canvas, first, scene->large ? 84 : 38, scene->large ? 104 : 50, draw, err);
    default:
        person = &glyphs->person[scene->job][scene->gender][scene->tone];
        if (!first)
            return paint_alone(canvas, person, 70, 100, draw, err);
        if (scene->person_left)
            return paint_pair(canvas, person, first, false, draw, err);
        return paint_pair(canvas, first, person, false, draw, err);
    }
}

struct jpeg_failure {
    struct jpeg_error_mgr base;
    jmp_buf jump;
};

static void jpeg_failed(j_common_ptr info)
{
    longjmp(((struct jpeg_failure *)info->err)->jump, 1);
}

/* What libjpeg allocates is the caller's, so that it can be freed after the jump. */
static int compress(unsigned char **bytes, unsigned long *size, uint8_t *rgb, struct bt_err *err)
{
    struct jpeg_compress_struct info;
    struct jpeg_failure failure;

    info.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = jpeg_failed;
    if (setjmp(failure.jump)) {
        jpeg_destroy_compress(&info);
        return bt_fail(err, BT_ERR_MEMORY, "picture: libjpeg does not encode it");
    }
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, bytes, size);
    info.image_width = info.image_height = SIDE;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, JPEG_QUALITY, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < SIDE) {
        JSAMPROW row = rgb + info.next_scanline * SIDE * 3;

        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return BT_OK;
}

int paint_scene(uint8_t **jpeg, size_t *size, const struct scene *scene, const struct origin *origin,
                const struct glyphs *glyphs, struct bt_err *err)
{
    struct bt_draw draw = origin_draw(origin, USE_PAINT);
    float canvas[SIDE * SIDE * 3];
    uint8_t rgb[SIDE * SIDE * 3];
    unsigned char *bytes = NULL;
    unsigned long byte_count = 0;
    int rc;

    paint_background(canvas, &colors[scene->color], &draw);
    rc = paint_content(canvas, scene, glyphs, &draw, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof rgb; i++) {
        float v = roundf(canvas[i]);

        rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    rc = compress(&bytes, &byte_count, rgb, err);
    if (rc) {
        free(bytes);
        return rc;
    }
    *jpeg = bytes;
    *size = byte_count;
    return BT_OK;
}
