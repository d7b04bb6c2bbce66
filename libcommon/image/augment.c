/* The operations, then their choice. See augment.h. The order of floating-point operations is part of the result. */
#include "libcommon/image/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct picture {
    uint8_t *rgb;
    int width, height;
};

static size_t pixels(const struct picture *p)
{
    return (size_t)p->width * (size_t)p->height;
}

static void look_up(struct picture *p, int channel, const uint8_t table[256])
{
    uint8_t *v = p->rgb + channel;

    for (size_t n = pixels(p); n > 0; n--, v += 3)
        *v = table[*v];
}

static void look_up_all(struct picture *p, const uint8_t table[256])
{
    for (int c = 0; c < 3; c++)
        look_up(p, c, table);
}

static void count_values(const struct picture *p, int channel, uint64_t histogram[256])
{
    const uint8_t *v = p->rgb + channel;

    memset(histogram, 0, 256 * sizeof *histogram);
    for (size_t n = pixels(p); n > 0; n--, v += 3)
        histogram[*v]++;
}

static uint8_t clip(double value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ---- point operations, images.md 5.3 ---- */

static void auto_contrast(struct picture *p, bool intended)
{
    for (int c = 0; c < 3; c++) {
        uint64_t histogram[256];
        uint8_t table[256];
        int lo = 0, hi = 255;
        double scale, offset;

        count_values(p, c, histogram);
        while (lo < 255 && !histogram[lo])
            lo++;
        while (hi > lo && !histogram[hi])
            hi--;
        if (hi <= lo)
            continue;
        scale = 255.0 / (hi - lo);
        offset = (intended ? -lo : (256 - lo) % 256) * scale; /* as run: the minus of an unsigned byte */
        for (int v = 0; v < 256; v++)
            table[v] = clip(v * scale + offset);
        look_up(p, c, table);
    }
}

static void equalize(struct picture *p)
{
    for (int c = 0; c < 3; c++) {
        uint64_t histogram[256], step, sum;
        uint8_t table[256];
        int last = 255;

        count_values(p, c, histogram);
        while (last > 0 && !histogram[last])
            last--;
        step = (pixels(p) - histogram[last]) / 255;
        if (step == 0)
            continue;
        sum = step / 2;
        for (int v = 0; v < 256; v++) {
            uint64_t value = sum / step;
            table[v] = (uint8_t)(value > 255 ? 255 : value);
            sum += histogram[v];
        }
        look_up(p, c, table);
    }
}

static void brightness(struct picture *p, double factor)
{
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = clip((float)v * (float)factor);
    look_up_all(p, table);
}

static void solarize(struct picture *p, double threshold)
{
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)(v < threshold ? v : 255 - v);
    look_up_all(p, table);
}

static void posterize(struct picture *p, double bits)
{
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)(v & (0xff00 >> (int)bits));
    look_up_all(p, table);
}

static double mean(const struct picture *p, int channel)
{
    uint64_t histogram[256], sum = 0;

    count_values(p, channel, histogram);
    for (uint64_t v = 0; v < 256; v++)
        sum += v * histogram[v];
    return (double)sum / (double)pixels(p);
}

/* The weights are those of blue, green, red, and meet red, green, blue. */
static void contrast(struct picture *p, double factor)
{
    double middle = mean(p, 0) * 0.114 + mean(p, 1) * 0.587 + mean(p, 2) * 0.299;
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = clip((v - middle) * factor + middle);
    look_up_all(p, table);
}

static void color(struct picture *p, double factor)
{
    static const float blend[3][3] = { { 0.886f, -0.114f, -0.114f },
                                       { -0.587f, 0.413f, -0.587f },
                                       { -0.299f, -0.299f, 0.701f } };
    static const float grey[3] = { 0.114f, 0.587f, 0.299f };
    uint8_t *v = p->rgb;

    for (size_t n = pixels(p); n > 0; n--, v += 3) {
        float out[3];

        for (int c = 0; c < 3; c++) {
            out[c] = 0;
            for (int from = 0; from < 3; from++)
                out[c] += (float)v[from] * (blend[from][c] * (float)factor + grey[from]);
        }
        for (int c = 0; c < 3; c++)
            v[c] = clip(out[c]);
    }
}

static int reflect(int at, int size) /* the border is mirrored about its last pixel */
{
    if (size == 1)
        return 0;
    return at < 0 ? -at : at >= size ? 2 * size - 2 - at : at;
}

/* Eight neighbours and five times the pixel, by 13. */
static uint8_t blurred(const struct picture *p, int x, int y, int channel)
{
    int sum = 0;

    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            size_t at = (size_t)reflect(y + dy, p->height) * (size_t)p->width + (size_t)reflect(x + dx, p->width);
            sum += p->rgb[at * 3 + (size_t)channel] * (dx == 0 && dy == 0 ? 5 : 1);
        }
    return (uint8_t)rint(sum / 13.0);
}

/* Factor 0 is the blurred picture, border included; else only the inside is sharpened, modulo 256. */
static int sharpness(struct picture *p, double factor, struct bt_err *err)
{
    float f = (float)factor;
    uint8_t *out, *to;

    if (factor == 1)
        return BT_OK;
    to = out = bt_alloc(pixels(p), 3, err);
    if (!out)
        return BT_ERR_MEMORY;
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            bool inside = x > 0 && y > 0 && x < p->width - 1 && y < p->height - 1;
            const uint8_t *v = p->rgb + (size_t)(to - out);

            for (int c = 0; c < 3; c++) {
                float blur = blurred(p, x, y, c);
                if (factor == 0)
                    *to++ = (uint8_t)blur;
                else
                    *to++ = inside ? (uint8_t)(int)(blur + f * (v[c] - blur)) : v[c];
            }
        }
    }
    memcpy(p->rgb, out, pixels(p) * 3);
    free(out);
    return BT_OK;
}

/* ---- the affine warp, images.md 5.4 ---- */

/* A row of a 2 x 3 matrix: a x + b y + c. */
struct plane {
    double a, b, c;
};

/* As OpenCV inverts. */
static void invert(struct plane m[2])
{
    double determinant = m[0].a * m[1].b - m[0].b * m[1].a;
    double d = determinant != 0 ? 1.0 / determinant : 0;
    double a00 = m[1].b * d, a01 = -m[0].b * d, a10 = -m[1].a * d, a11 = m[0].a * d;
    double b0 = -a00 * m[0].c - a01 * m[1].c, b1 = -a10 * m[0].c - a11 * m[1].c;

    m[0] = (struct plane){ a00, a01, b0 };
    m[1] = (struct plane){ a10, a11, b1 };
}

/* Position along one axis, in 1/32 pixel. */
static int64_t position(const struct plane *m, int x, int y)
{
    return ((int64_t)rint((m->b * y + m->c) * 1024) + 16 + (int64_t)rint(m->a * x * 1024)) >> 5;
}

static const uint8_t *pixel_at(const struct picture *p, int64_t x, int64_t y, const uint8_t fill[3])
{
    if (x < 0 || y < 0 || x >= p->width || y >= p->height)
        return fill;
    return p->rgb + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
}

static int warp(struct picture *p, struct plane m[2], const uint8_t fill[3], struct bt_err *err)
{
    uint8_t *out = bt_alloc(pixels(p), 3, err), *to = out;

    if (!out)
        return BT_ERR_MEMORY;
    invert(m);
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            int64_t at_x = position(&m[0], x, y), at_y = position(&m[1], x, y);
            int64_t left = at_x >> 5, top = at_y >> 5;
            int fx = (int)(at_x & 31), fy = (int)(at_y & 31);
            const uint8_t *p00 = pixel_at(p, left, top, fill), *p01 = pixel_at(p, left + 1, top, fill);
            const uint8_t *p10 = pixel_at(p, left, top + 1, fill), *p11 = pixel_at(p, left + 1, top + 1, fill);

            for (int c = 0; c < 3; c++)
                *to++ = (uint8_t)((((p00[c] * (32 - fx) + p01[c] * fx) * (32 - fy) +
                                    (p10[c] * (32 - fx) + p11[c] * fx) * fy) * 32 + 16384) >> 15);
        }
    }
    memcpy(p->rgb, out, pixels(p) * 3);
    free(out);
    return BT_OK;
}

static int affine(struct picture *p, const struct bt_augment_step *step, struct bt_err *err)
{
    double v = (double)(float)step->argument, angle = step->argument * M_PI / 180;
    double cosine = cos(angle), sine = sin(angle), x = p->width / 2.0, y = p->height / 2.0;
    struct plane m[2] = { { 1, 0, 0 }, { 0, 1, 0 } };

    switch (step->op) {
    case BT_OP_SHEAR_X:
        m[0].b = v;
        break;
    case BT_OP_SHEAR_Y:
        m[1].a = v;
        break;
    case BT_OP_TRANSLATE_X:
        m[0].c = -v;
        break;
    case BT_OP_TRANSLATE_Y:
        m[1].c = -v;
        break;
    default: /* rotation about the centre */
        m[0] = (struct plane){ cosine, sine, (1 - cosine) * x - sine * y };
        m[1] = (struct plane){ -sine, cosine, sine * x + (1 - cosine) * y };
        break;
    }
    return warp(p, m, step->fill, err);
}

/* ---- */

const char *bt_augment_name(enum bt_augment_op op)
{
    static const char *const names[BT_OP_COUNT] = {
        "Identity", "AutoContrast", "Brightness", "Sharpness", "Equalize", "ShearX", "ShearY",
        "TranslateX", "TranslateY", "Rotate", "Solarize", "Posterize", "Contrast", "Color",
    };
    return names[op];
}

int bt_augment_apply(uint8_t *rgb, int width, int height, const struct bt_augment_step *step, struct bt_err *err)
{
    struct picture p = { rgb, width, height };

    switch (step->op) {
    case BT_OP_AUTO_CONTRAST:
        auto_contrast(&p, step->intended);
        break;
    case BT_OP_BRIGHTNESS:
        brightness(&p, step->argument);
        break;
    case BT_OP_SHARPNESS:
        return sharpness(&p, step->argument, err);
    case BT_OP_EQUALIZE:
        equalize(&p);
        break;
    case BT_OP_SOLARIZE:
        solarize(&p, step->argument);
        break;
    case BT_OP_POSTERIZE:
        posterize(&p, step->argument);
        break;
    case BT_OP_CONTRAST:
        contrast(&p, step->argument);
        break;
    case BT_OP_COLOR:
        color(&p, step->argument);
        break;
    case BT_OP_IDENTITY:
    case BT_OP_COUNT:
        break;
    default:
        return affine(&p, step, err);
    }
    return BT_OK;
}

/* images.md 5.2 at level 5: Brightness and Sharpness of 1 change nothing. */
static double argument(enum bt_augment_op op, struct bt_draw *draw)
{
    double size = op == BT_OP_ROTATE                                 ? 15
                  : op == BT_OP_TRANSLATE_X || op == BT_OP_TRANSLATE_Y ? 5
                                                                     : 0.15;
    float u;

    if (op < BT_OP_SHEAR_X)
        return 1;
    u = bt_draw_uniform(draw);
    return (op == BT_OP_ROTATE ? u < 0.5f : u > 0.5f) ? -size : size;
}

int bt_augment_draw(struct bt_augment_step steps[2], bool intended, struct bt_draw *draw)
{
    enum bt_augment_op ops[2];
    int count = 0;

    for (int i = 0; i < 2; i++)
        ops[i] = (enum bt_augment_op)bt_draw_below(draw, BT_OP_LISTED);
    for (int i = 0; i < 2; i++)
        if (bt_draw_uniform(draw) <= 0.5f)
            steps[count++] =
                (struct bt_augment_step){ ops[i], argument(ops[i], draw), { 128, 128, 128 }, intended };
    return count;
}
