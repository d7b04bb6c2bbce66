/* Bicubic resize of RGB, byte for byte that of Pillow 4.3 to 12.1: coefficients of 22 fractional bits, a
 * horizontal pass into 8 bits, then a vertical one. Source: images.md 3.
 *
 * The vector path multiplies by halves, k = high * 2^16 + low, pairs of taps by one multiply-add, and lets sums of 32 bits
 * wrap: additions are exact modulo 2^32 and the true sum fits, so the bytes are those of the plain path. The high halves are
 * below 2^7 and their sums with pixels need 16 bits: over all sizes the high halves of an output add up to at most 87. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { FRACTION_BITS = 22, ROUND = 1 << (FRACTION_BITS - 1), LOW_BITS = 16 };

/* The taps of one axis: output i is the sum of source lo[i] .. lo[i] + count[i] - 1 times k[i * stride
 * ..]. */
struct axis {
    int *lo, *count;
    int32_t *k;
    int stride; /* a multiple of 4; the taps behind count are 0 */
    int8_t *high; /* vector path: the halves of k */
    int16_t *low;
};

/* Pixels of which a part is read: the crop is a shift of the first row. Or, with `read`, rows that come in order. */
struct view {
    const uint8_t *rgb;
    size_t row_bytes;
    int width, height;
    bt_row_reader *read;
    void *context;
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
    free(a->high);
    free(a->low);
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
        sum = sum != 0.0 ? sum : 1.0;
        for (int j = 0; j < hi - lo; j++) {
            double weight = w[j] / sum * (1 << FRACTION_BITS);
            k[j] = (int32_t)(weight + copysign(0.5, weight));
        }
        a->lo[i] = lo;
        a->count[i] = hi - lo;
    }
    free(w);
    return BT_OK;
}

static int axis_split(struct axis *a, int out, struct bt_err *err)
{
    size_t taps = (size_t)out * (size_t)a->stride;

    a->high = bt_alloc(taps, sizeof *a->high, err);
    a->low = bt_alloc(taps, sizeof *a->low, err);
    if (!a->high || !a->low)
        return BT_ERR_MEMORY;
    for (size_t t = 0; t < taps; t++) {
        a->low[t] = (int16_t)(uint16_t)a->k[t];
        a->high[t] = (int8_t)((a->k[t] - a->low[t]) >> LOW_BITS);
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

static inline int32_t word(const void *from)
{
    int32_t w;

    memcpy(&w, from, sizeof w);
    return w;
}

static inline int16_t half_word(const void *from)
{
    int16_t w;

    memcpy(&w, from, sizeof w);
    return w;
}

/* Sixteen bytes of each of two rows. */
__attribute__((target("avx2"))) static inline __m256i load_two(const uint8_t *a, const uint8_t *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)),
                                   _mm_loadu_si128((const __m128i *)(const void *)b), 1);
}

/* Sums of four taps more, in each half those of one row: high as words (r0+r1 r2+r3 g0+g1 g2+g3 b0+b1 b2+b3 - -), low as (r g b -). */
#define ADD_TAPS(pixels, high, low)                                                                                \
    do {                                                                                                           \
        __m256i p_ = (pixels);                                                                                     \
        high = _mm256_add_epi16(high, _mm256_maddubs_epi16(_mm256_shuffle_epi8(p_, all), k_high));                 \
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_shuffle_epi8(p_, first), k_first));                   \
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_shuffle_epi8(p_, second), k_second));                 \
    } while (0)

/* Both sums together, shifted: (r g b -) of one row in each half. */
__attribute__((target("avx2"))) static inline __m256i end_taps(__m256i high, __m256i low)
{
    high = _mm256_slli_epi32(_mm256_madd_epi16(high, _mm256_set1_epi16(1)), LOW_BITS);
    return _mm256_srai_epi32(_mm256_add_epi32(low, high), FRACTION_BITS);
}

static void put_word(uint8_t *p, int word)
{
    memcpy(p, &word, 4);
}

/* Four rows at once, so that taps are loaded once for all. Reads up to 3 pixels and 4 bytes behind the last tap,
 * and writes 1 byte behind each output row but the width. */
__attribute__((target("avx2"))) static void rows_avx2(uint8_t *const out[4], int width, const uint8_t *const in[4],
                                                      const struct axis *a)
{
    const __m256i all = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i second = _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const uint8_t *in0 = in[0], *in1 = in[1], *in2 = in[2], *in3 = in[3]; /* bytes stored might change the arrays */
    uint8_t *out0 = out[0], *out1 = out[1], *out2 = out[2], *out3 = out[3];
    const int8_t *k_of_high = a->high;
    const int16_t *k_of_low = a->low;
    const int *lo = a->lo, *count = a->count, stride = a->stride;

    for (int x = 0; x < width; x++, k_of_high += stride, k_of_low += stride) {
        size_t at = (size_t)lo[x] * 3, to = (size_t)x * 3;
        __m256i high01 = _mm256_setzero_si256(), high23 = high01, low01 = _mm256_set1_epi32(ROUND), low23 = low01, bytes;

        for (int j = 0; j < count[x]; j += 4, at += 12) {
            __m256i k_high = _mm256_set1_epi32(word(k_of_high + j));
            __m256i k_first = _mm256_set1_epi32(word(k_of_low + j)), k_second = _mm256_set1_epi32(word(k_of_low + j + 2));

            ADD_TAPS(load_two(in0 + at, in1 + at), high01, low01);
            ADD_TAPS(load_two(in2 + at, in3 + at), high23, low23);
        }
        bytes = _mm256_packs_epi32(end_taps(high01, low01), end_taps(high23, low23));
        bytes = _mm256_packus_epi16(bytes, bytes); /* rows 0 and 2, twice; 1 and 3, twice */
        put_word(out0 + to, _mm256_extract_epi32(bytes, 0));
        put_word(out1 + to, _mm256_extract_epi32(bytes, 4));
        put_word(out2 + to, _mm256_extract_epi32(bytes, 1));
        put_word(out3 + to, _mm256_extract_epi32(bytes, 5));
    }
}

/* Two rows a round, 32 bytes across; returns how many bytes it did. */
__attribute__((target("avx2"))) static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in,
                                                          size_t row_bytes, const int8_t *k_of_high, const int16_t *k_of_low,
                                                          int count)
{
    const __m256i zero = _mm256_setzero_si256(), round = _mm256_set1_epi32(ROUND);
    size_t x = 0;

    for (; x + 32 <= bytes; x += 32) {
        __m256i low[4] = { round, round, round, round }, high[2] = { zero, zero };

        for (int j = 0; j < count; j += 2) {
            const uint8_t *p = in + (size_t)j * row_bytes + x;
            __m256i above = _mm256_loadu_si256((const __m256i *)(const void *)p);
            __m256i below = j + 1 < count ? _mm256_loadu_si256((const __m256i *)(const void *)(p + row_bytes)) : zero;
            const __m256i pairs[2] = { _mm256_unpacklo_epi8(above, below), _mm256_unpackhi_epi8(above, below) };
            __m256i k_high = _mm256_set1_epi16(half_word(k_of_high + j)), k_low = _mm256_set1_epi32(word(k_of_low + j));

            for (int i = 0; i < 2; i++) {
                __m256i left = _mm256_unpacklo_epi8(pairs[i], zero), right = _mm256_unpackhi_epi8(pairs[i], zero);

                high[i] = _mm256_add_epi16(high[i], _mm256_maddubs_epi16(pairs[i], k_high));
                low[2 * i] = _mm256_add_epi32(low[2 * i], _mm256_madd_epi16(left, k_low));
                low[2 * i + 1] = _mm256_add_epi32(low[2 * i + 1], _mm256_madd_epi16(right, k_low));
            }
        }
        for (int i = 0; i < 2; i++) { /* a word above zeros is that word shifted by LOW_BITS */
            low[2 * i] = _mm256_add_epi32(low[2 * i], _mm256_unpacklo_epi16(zero, high[i]));
            low[2 * i + 1] = _mm256_add_epi32(low[2 * i + 1], _mm256_unpackhi_epi16(zero, high[i]));
        }
        for (int i = 0; i < 4; i++)
            low[i] = _mm256_srai_epi32(low[i], FRACTION_BITS);
        low[0] = _mm256_packus_epi16(_mm256_packs_epi32(low[0], low[1]), _mm256_packs_epi32(low[2], low[3]));
        _mm256_storeu_si256((__m256i *)(void *)(out + x), low[0]);
    }
    return x;
}
#else
static bool have_avx2(void)
{
    return false;
}
static void rows_avx2(uint8_t *const out[4], int width, const uint8_t *const in[4], const struct axis *a)
{
    for (int i = 0; i < 4; i++)
        row_plain(out[i], width, in[i], a);
}
static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in, size_t row_bytes, const int8_t *k_of_high,
                          const int16_t *k_of_low, int count)
{
    (void)out, (void)bytes, (void)in, (void)row_bytes, (void)k_of_high, (void)k_of_low, (void)count;
    return 0;
}
#endif

/* ---- the two passes ---- */

enum {
    TOGETHER = 4, /* rows */
    BEHIND = 32,  /* bytes that the vector path may touch behind a row */
    APART = 32,   /* rows that are read lie a multiple of it apart, */
    ASKEW = 8,    /* and begin so far behind one: rows that are aligned libjpeg-turbo writes past the cache, where they are read next */
};

static size_t row_apart(const struct view *v)
{
    return ((size_t)v->width * 3 + BEHIND + APART - 1) / APART * APART;
}

/* Where `count` rows from y on lie, with room behind them. Rows that are read, and those at the end of the pixels, behind which
 * there may be nothing, lie in `copies`. */
static int take_rows(const uint8_t *in[TOGETHER], const struct view *v, int y, int count, uint8_t *copies)
{
    size_t bytes = (size_t)v->width * 3, apart = row_apart(v);

    for (int i = 0; i < count; i++) {
        uint8_t *copy = copies + (size_t)i * apart;

        in[i] = v->read ? copy : v->rgb + (size_t)(y + i) * v->row_bytes;
        if (!v->read && (size_t)(v->height - 1 - y - i) * v->row_bytes < BEHIND)
            in[i] = memcpy(copy, in[i], bytes);
    }
    return v->read ? v->read(v->context, copies, apart, count) : BT_OK;
}

/* Rows by the vector path, fewer than TOGETHER as well; output goes through rows with room behind them. */
static void rows_vector(uint8_t *out, int width, const uint8_t *in[TOGETHER], int count, const struct axis *a, uint8_t *scratch)
{
    size_t bytes = (size_t)width * 3;
    uint8_t *to[TOGETHER];

    for (int i = 0; i < TOGETHER; i++)
        to[i] = scratch + (size_t)i * (bytes + BEHIND);
    for (int i = count; i < TOGETHER; i++)
        in[i] = in[0];
    rows_avx2(to, width, in, a);
    for (int i = 0; i < count; i++)
        memcpy(out + (size_t)i * bytes, to[i], bytes);
}

/* Rows first .. first + rows - 1 of the view, `width` wide, into out. */
static int horizontal(uint8_t *out, int width, const struct view *v, int first, int rows,
                      const struct axis *a, bool vector, struct bt_err *err)
{
    size_t out_bytes = (size_t)width * 3, copies_bytes = TOGETHER * row_apart(v);
    uint8_t *memory = bt_alloc(APART + ASKEW + copies_bytes + TOGETHER * (out_bytes + BEHIND), 1, err);
    uint8_t *scratch = memory ? memory + (APART - (uintptr_t)memory % APART) + ASKEW : NULL;
    int rc = scratch ? BT_OK : BT_ERR_MEMORY;

    for (int y = 0; y < rows && !rc; y += TOGETHER) {
        int count = rows - y < TOGETHER ? rows - y : TOGETHER;
        uint8_t *to = out + (size_t)y * out_bytes;
        const uint8_t *in[TOGETHER];

        rc = take_rows(in, v, first + y, count, scratch);
        if (!rc && vector)
            rows_vector(to, width, in, count, a, scratch + copies_bytes);
        for (int i = 0; i < count && !rc && !vector; i++)
            row_plain(to + (size_t)i * out_bytes, width, in[i], a);
    }
    free(memory);
    return rc;
}

static void vertical(uint8_t *out, int width, int height, const struct view *v, int first,
                     const struct axis *a, bool vector)
{
    size_t bytes = (size_t)width * 3;

    for (int y = 0; y < height; y++, out += bytes) {
        const uint8_t *in = v->rgb + (size_t)(a->lo[y] - first) * v->row_bytes;
        size_t taps = (size_t)y * (size_t)a->stride, done = 0;

        if (vector)
            done = column_avx2(out, bytes, in, v->row_bytes, a->high + taps, a->low + taps, a->count[y]);
        column_plain(out, done, bytes, in, v->row_bytes, a->k + taps, a->count[y]);
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
    if (!rc && down && vector)
        rc = axis_split(&y, height, err);
    if (!rc && across && down) {
        middle = bt_alloc((uint64_t)rows * (uint64_t)width, 3, err);
        rc = middle ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc && across)
        rc = horizontal(middle ? middle : rgb, width, &v, first, rows, &x, vector, err);
    if (!rc && down) {
        struct view between = { .rgb = middle, .row_bytes = (size_t)width * 3, .width = width, .height = rows };
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
                  (struct view){ .rgb = image->rgb + (size_t)c->top * row_bytes + (size_t)c->left * 3,
                                 .row_bytes = row_bytes, .width = c->width, .height = c->height },
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
                  (struct view){ .rgb = image->rgb, .row_bytes = (size_t)image->width * 3, .width = image->width,
                                 .height = image->height },
                  box, have_avx2(), err);
}

/* Without a horizontal pass there is none that would take the rows as they come. */
static int resize_all_rows(uint8_t *rgb, int to_width, int to_height, const struct view *v, struct bt_err *err)
{
    struct bt_image image = { .width = v->width, .height = v->height };
    int rc;

    image.rgb = bt_alloc((uint64_t)v->width * (uint64_t)v->height, 3, err);
    rc = image.rgb ? v->read(v->context, image.rgb, (size_t)v->width * 3, v->height) : BT_ERR_MEMORY;
    if (!rc)
        rc = bt_image_resize(rgb, to_width, to_height, &image, NULL, err);
    bt_image_free(&image);
    return rc;
}

int bt_image_resize_rows(uint8_t *rgb, int to_width, int to_height, int width, int height, bt_row_reader *read, void *context,
                         struct bt_err *err)
{
    struct view v = { .width = width, .height = height, .read = read, .context = context };
    int rc = check_size(to_width, to_height, err);

    if (rc)
        return rc;
    if (to_width == width)
        return resize_all_rows(rgb, to_width, to_height, &v, err);
    return resize(rgb, to_width, to_height, v, (const float[4]){ 0, 0, (float)width, (float)height }, have_avx2(), err);
}
