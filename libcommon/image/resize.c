/* Bicubic resize of RGB, byte for byte that of Pillow 4.3 to 12.1: coefficients of 22 fractional bits, a
 * horizontal pass into 8 bits, then a vertical one. Source: images.md 3.
 *
 * The vector path multiplies in halves of 16 bits (k = high * 2^15 + low, pairs of taps by one
 * multiply-add) and lets 32-bit sums wrap: additions are exact modulo 2^32 and the true sum fits, so the
 * bytes are those of the plain path. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { FRACTION_BITS = 22, ROUND = 1 << (FRACTION_BITS - 1), LOW_BITS = 15, LOW_MASK = (1 << LOW_BITS) - 1 };

/* The taps of one axis: output i is the sum of source lo[i] .. lo[i] + count[i] - 1 times k[i * stride
 * ..]. */
struct axis {
    int *lo, *count;
    int32_t *k;
    int stride; /* a multiple of 4; the taps behind count are 0 */
    /* vector path: for each 4 taps 16 low halves, then 16 high ones, as row_avx2 multiplies them */
    int16_t *split;
};

/* Pixels of which a part is read: the crop is a shift of the first row. */
struct view {
    const uint8_t *rgb;
    size_t row_bytes;
    int width, height;
};

static double cubic(double x)
{
    x = fabs(x);
    if (x < 1.0)
        return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5;
    return 0.0;
}

static void axis_free(struct axis *a)
{
    free(a->lo);
    free(a->count);
    free(a->k);
    free(a->split);
}

/* images.md 3.2, step by step: the order of the double operations is part of the result. */
static int axis_make(struct axis *a, int in, int out, float begin, float end, struct bt_err *err)
{
    double scale = (double)(end - begin) / out, filter = scale < 1.0 ? 1.0 : scale;
    double support = 2.0 * filter, inverse = 1.0 / filter;
    double *w;

    a->stride = ((int)ceil(support) * 2 + 1 + 3) & ~3;
    a->lo = bt_alloc((uint64_t)out, sizeof *a->lo, err);
    a->count = bt_alloc((uint64_t)out, sizeof *a->count, err);
    a->k = bt_alloc((uint64_t)out * (uint64_t)a->stride, sizeof *a->k, err);
    w = bt_alloc((uint64_t)a->stride, sizeof *w, err);
    if (!a->lo || !a->count || !a->k || !w) {
        free(w);
        return BT_ERR_MEMORY;
    }
    for (int i = 0; i < out; i++) {
        double center = begin + (i + 0.5) * scale, sum = 0.0;
        int lo = (int)(center - support + 0.5), hi = (int)(center + support + 0.5);
        int32_t *k = a->k + (size_t)i * (size_t)a->stride;

        lo = lo < 0 ? 0 : lo;
        hi = hi > in ? in : hi;
        for (int j = 0; j < hi - lo; j++) {
            w[j] = cubic((j + lo - center + 0.5) * inverse);
            sum += w[j];
        }
        for (int j = 0; j < hi - lo; j++) {
            double weight = (sum != 0.0 ? w[j] / sum : w[j]) * (1 << FRACTION_BITS);
            k[j] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        a->lo[i] = lo;
        a->count[i] = hi - lo;
    }
    free(w);
    return BT_OK;
}

/* Taps (0 1 0 1 0 1 0 1)(2 3 2 3 2 3 2 3), in halves. */
static int axis_split(struct axis *a, int out, struct bt_err *err)
{
    size_t taps = (size_t)out * (size_t)a->stride;
    int16_t *to = a->split = bt_alloc(taps, 8 * sizeof *a->split, err);

    if (!to)
        return BT_ERR_MEMORY;
    for (size_t t = 0; t < taps; t += 4, to += 32) {
        for (size_t i = 0; i < 16; i++) {
            int32_t k = a->k[t + (i / 8) * 2 + i % 2];
            to[i] = (int16_t)(k & LOW_MASK);
            to[16 + i] = (int16_t)(k >> LOW_BITS);
        }
    }
    return BT_OK;
}

static uint8_t clip(int32_t sum)
{
    int32_t value = sum >> FRACTION_BITS;

    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ---- the plain path ---- */

static void row_plain(uint8_t *out, int width, const uint8_t *in, const struct axis *a)
{
    for (int x = 0; x < width; x++, out += 3) {
        const int32_t *k = a->k + (size_t)x * (size_t)a->stride;
        const uint8_t *p = in + (size_t)a->lo[x] * 3;
        uint32_t r = ROUND, g = ROUND, b = ROUND;

        for (int j = 0; j < a->count[x]; j++, p += 3) {
            r += p[0] * (uint32_t)k[j];
            g += p[1] * (uint32_t)k[j];
            b += p[2] * (uint32_t)k[j];
        }
        out[0] = clip((int32_t)r);
        out[1] = clip((int32_t)g);
        out[2] = clip((int32_t)b);
    }
}

/* One output row from `count` rows at `in`, for the bytes from `first` on. */
static void column_plain(uint8_t *out, size_t first, size_t bytes, const uint8_t *in, size_t row_bytes,
                         const int32_t *k, int count)
{
    for (size_t x = first; x < bytes; x++) {
        uint32_t sum = ROUND;

        for (int j = 0; j < count; j++)
            sum += in[(size_t)j * row_bytes + x] * (uint32_t)k[j];
        out[x] = clip((int32_t)sum);
    }
}

/* ---- the vector path ---- */

#if defined(__x86_64__)
static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* Four taps a round: their twelve bytes become (r0 r1 g0 g1 b0 b1 - -)(r2 r3 g2 g3 b2 b3 - -) in 16 bits.
 * Reads up to 3 pixels and 4 bytes behind the last tap. */
__attribute__((target("avx2"))) static void row_avx2(uint8_t *out, int width, const uint8_t *in,
                                                     const struct axis *a)
{
    const __m128i order = _mm_setr_epi8(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1);

    for (int x = 0; x < width; x++, out += 3) {
        const __m256i *k = (const __m256i *)(a->split + (size_t)x * (size_t)a->stride * 8);
        const uint8_t *p = in + (size_t)a->lo[x] * 3;
        __m256i low = _mm256_setzero_si256(), high = low, sum;
        __m128i half;

        for (int j = 0; j < a->count[x]; j += 4, p += 12, k += 2) {
            __m256i pixels =
                _mm256_cvtepu8_epi16(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), order));

            low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, _mm256_loadu_si256(k)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, _mm256_loadu_si256(k + 1)));
        }
        sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS));
        half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_srai_epi32(_mm_add_epi32(half, _mm_set1_epi32(ROUND)), FRACTION_BITS);
        half = _mm_packus_epi16(_mm_packs_epi32(half, half), half);
        out[0] = (uint8_t)_mm_extract_epi8(half, 0);
        out[1] = (uint8_t)_mm_extract_epi8(half, 1);
        out[2] = (uint8_t)_mm_extract_epi8(half, 2);
    }
}

/* Two rows a round, sixteen bytes across; returns how many bytes it did. */
__attribute__((target("avx2"))) static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in,
                                                          size_t row_bytes, const int32_t *k, int count)
{
    size_t x = 0;

    for (; x + 16 <= bytes; x += 16) {
        __m256i low0 = _mm256_setzero_si256(), low1 = low0, high0 = low0, high1 = low0, packed;
        const __m256i round = _mm256_set1_epi32(ROUND);

        for (int j = 0; j < count; j += 2) {
            const uint8_t *p = in + (size_t)j * row_bytes + x;
            bool pair = j + 1 < count;
            __m128i first = _mm_loadu_si128((const __m128i *)p);
            __m128i second = pair ? _mm_loadu_si128((const __m128i *)(p + row_bytes)) : _mm_setzero_si128();
            __m256i a = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
            __m256i b = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
            int32_t k0 = k[j], k1 = pair ? k[j + 1] : 0;
            __m256i k_low = _mm256_set1_epi32((k0 & LOW_MASK) | (k1 & LOW_MASK) << 16);
            __m256i k_high = _mm256_set1_epi32(
                (int32_t)((uint32_t)(k0 >> LOW_BITS & 0xffff) | (uint32_t)(k1 >> LOW_BITS) << 16));

            low0 = _mm256_add_epi32(low0, _mm256_madd_epi16(a, k_low));
            low1 = _mm256_add_epi32(low1, _mm256_madd_epi16(b, k_low));
            high0 = _mm256_add_epi32(high0, _mm256_madd_epi16(a, k_high));
            high1 = _mm256_add_epi32(high1, _mm256_madd_epi16(b, k_high));
        }
        low0 = _mm256_add_epi32(_mm256_add_epi32(low0, _mm256_slli_epi32(high0, LOW_BITS)), round);
        low1 = _mm256_add_epi32(_mm256_add_epi32(low1, _mm256_slli_epi32(high1, LOW_BITS)), round);
        packed = _mm256_packs_epi32(_mm256_srai_epi32(low0, FRACTION_BITS),
                                    _mm256_srai_epi32(low1, FRACTION_BITS));
        packed =
            _mm256_permute4x64_epi64(packed, 0xd8); /* packing works in lanes: put the quarters in order */
        _mm_storeu_si128((__m128i *)(out + x), _mm_packus_epi16(_mm256_castsi256_si128(packed),
                                                                _mm256_extracti128_si256(packed, 1)));
    }
    return x;
}
#else
static bool have_avx2(void)
{
    return false;
}
static void row_avx2(uint8_t *out, int width, const uint8_t *in, const struct axis *a)
{
    row_plain(out, width, in, a);
}
static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in, size_t row_bytes, const int32_t *k,
                          int count)
{
    (void)out, (void)bytes, (void)in, (void)row_bytes, (void)k, (void)count;
    return 0;
}
#endif

/* ---- the two passes ---- */

/* Rows first .. first + rows - 1 of the view, `width` wide, into out. Each row is copied to where reading
 * on behind its end is harmless. */
static int horizontal(uint8_t *out, int width, const struct view *v, int first, int rows,
                      const struct axis *a, bool vector, struct bt_err *err)
{
    uint8_t *row = bt_alloc((uint64_t)v->width * 3 + 32, 1, err);

    if (!row)
        return BT_ERR_MEMORY;
    for (int y = 0; y < rows; y++) {
        const uint8_t *in = v->rgb + (size_t)(first + y) * v->row_bytes;
        uint8_t *to = out + (size_t)y * (size_t)width * 3;

        if (vector) {
            memcpy(row, in, (size_t)v->width * 3);
            row_avx2(to, width, row, a);
        } else {
            row_plain(to, width, in, a);
        }
    }
    free(row);
    return BT_OK;
}

static void vertical(uint8_t *out, int width, int height, const struct view *v, int first,
                     const struct axis *a, bool vector)
{
    size_t bytes = (size_t)width * 3;

    for (int y = 0; y < height; y++, out += bytes) {
        const uint8_t *in = v->rgb + (size_t)(a->lo[y] - first) * v->row_bytes;
        const int32_t *k = a->k + (size_t)y * (size_t)a->stride;
        size_t done = vector ? column_avx2(out, bytes, in, v->row_bytes, k, a->count[y]) : 0;

        column_plain(out, done, bytes, in, v->row_bytes, k, a->count[y]);
    }
}

static void copy(uint8_t *out, const struct view *v)
{
    size_t bytes = (size_t)v->width * 3;

    for (int y = 0; y < v->height; y++)
        memcpy(out + (size_t)y * bytes, v->rgb + (size_t)y * v->row_bytes, bytes);
}

static int resize(uint8_t *rgb, int width, int height, struct view v, const float box[4], bool vector,
                  struct bt_err *err)
{
    bool across = width != v.width || box[0] != 0 || box[2] != (float)width;
    bool down = height != v.height || box[1] != 0 || box[3] != (float)height;
    struct axis x = { 0 }, y = { 0 };
    uint8_t *middle = NULL;
    int first = 0, rows = v.height, rc = BT_OK;

    if (!across && !down) {
        copy(rgb, &v);
        return BT_OK;
    }
    if (down) {
        rc = axis_make(&y, v.height, height, box[1], box[3], err);
        if (!rc) {
            first = y.lo[0];
            rows = y.lo[height - 1] + y.count[height - 1] - first;
        }
    }
    if (!rc && across)
        rc = axis_make(&x, v.width, width, box[0], box[2], err);
    if (!rc && across && vector)
        rc = axis_split(&x, width, err);
    if (!rc && across && down) {
        middle = bt_alloc((uint64_t)rows * (uint64_t)width, 3, err);
        rc = middle ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc && across)
        rc = horizontal(middle ? middle : rgb, width, &v, first, rows, &x, vector, err);
    if (!rc && down) {
        struct view between = { middle, (size_t)width * 3, width, rows };
        if (middle)
            vertical(rgb, width, height, &between, first, &y, vector);
        else
            vertical(rgb, width, height, &v, 0, &y, vector);
    }
    free(middle);
    axis_free(&x);
    axis_free(&y);
    return rc;
}

static int check_size(int width, int height, struct bt_err *err)
{
    if (width < 1 || height < 1 || width > BT_IMAGE_MAX_SIDE || height > BT_IMAGE_MAX_SIDE)
        return bt_fail(err, BT_ERR_BUG, "resize to %d x %d", width, height);
    return BT_OK;
}

static int resize_crop(uint8_t *rgb, int width, int height, const struct bt_image *image,
                       const struct bt_crop *crop, bool vector, struct bt_err *err)
{
    struct bt_crop all = { 0, 0, image->height, image->width };
    const struct bt_crop *c = crop ? crop : &all;
    size_t row_bytes = (size_t)image->width * 3;
    int rc = check_size(width, height, err);

    if (rc)
        return rc;
    if (c->top < 0 || c->left < 0 || c->height < 1 || c->width < 1 || c->height > image->height - c->top ||
        c->width > image->width - c->left)
        return bt_fail(err, BT_ERR_BUG, "crop of %d x %d at (%d, %d) in a picture of %d x %d", c->width,
                       c->height, c->left, c->top, image->width, image->height);
    return resize(rgb, width, height,
                  (struct view){ image->rgb + (size_t)c->top * row_bytes + (size_t)c->left * 3, row_bytes,
                                 c->width, c->height },
                  (const float[4]){ 0, 0, (float)c->width, (float)c->height }, vector, err);
}

int bt_image_resize(uint8_t *rgb, int width, int height, const struct bt_image *image,
                    const struct bt_crop *crop, struct bt_err *err)
{
    return resize_crop(rgb, width, height, image, crop, have_avx2(), err);
}

int bt_image_resize_plain(uint8_t *rgb, int width, int height, const struct bt_image *image,
                          const struct bt_crop *crop, struct bt_err *err)
{
    return resize_crop(rgb, width, height, image, crop, false, err);
}

int bt_image_resize_box(uint8_t *rgb, int width, int height, const struct bt_image *image, const float box[4],
                        struct bt_err *err)
{
    int rc = check_size(width, height, err);

    if (rc)
        return rc;
    if (!(box[0] >= 0 && box[1] >= 0 && box[0] < box[2] && box[1] < box[3] && box[2] <= (float)image->width &&
          box[3] <= (float)image->height))
        return bt_fail(err, BT_ERR_BUG, "resize of a box that is not inside the picture");
    return resize(rgb, width, height,
                  (struct view){ image->rgb, (size_t)image->width * 3, image->width, image->height }, box,
                  have_avx2(), err);
}
