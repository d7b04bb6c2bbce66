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

enum {
    TOGETHER = 32, /* rows of the horizontal pass */
    TURNED = 16,
    PIXEL = 3 * TOGETHER, /* bytes of a pixel of all of them */
    BEHIND = 32,          /* bytes that the vector path may read behind a row */
    APART = 32,           /* rows that are read lie a multiple of it apart */
};

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

static void split(int8_t *restrict high, int16_t *restrict low, const int32_t *restrict k, size_t taps)
{
    for (size_t t = 0; t < taps; t++) {
        low[t] = (int16_t)(uint16_t)k[t];
        high[t] = (int8_t)((k[t] - low[t]) >> LOW_BITS);
    }
}

static int axis_split(struct axis *a, int out, struct bt_err *err)
{
    size_t taps = (size_t)out * (size_t)a->stride;

    a->high = bt_alloc(taps, sizeof *a->high, err);
    a->low = bt_alloc(taps, sizeof *a->low, err);
    if (!a->high || !a->low)
        return BT_ERR_MEMORY;
    split(a->high, a->low, a->k, taps);
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

/* Two rows a round, 32 bytes across; returns how many bytes it did. */
__attribute__((target("avx2"))) static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in,
                                                          size_t row_bytes, const int8_t *k_of_high, const int16_t *k_of_low,
                                                          int count)
{
    const __m256i zero = _mm256_setzero_si256(), round = _mm256_set1_epi32(ROUND);
    size_t x = 0;

    for (; x + 32 <= bytes; x += 32) {
        __m256i low[4] = { round, round, round, round }, high[2] = { zero, zero };

#pragma GCC unroll 3
        for (int j = 0; j < count; j += 2) {
            const uint8_t *p = in + (size_t)j * row_bytes + x;
            __m256i above = _mm256_loadu_si256((const __m256i *)(const void *)p);
            __m256i below = _mm256_loadu_si256((const __m256i *)(const void *)(p + row_bytes)); /* times 0 where there is none */
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

/* Sixteen rows of sixteen bytes become columns, in each half: four times, each row is shuffled with the one eight further. */
__attribute__((target("avx2"))) static inline void turn(__m256i v[TURNED])
{
    __m256i t[TURNED];

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < TURNED / 2; i++) {
            t[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + TURNED / 2]);
            t[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + TURNED / 2]);
        }
        memcpy(v, t, sizeof t);
    }
}

/* The bytes of TOGETHER rows, those at one place side by side. Reads and writes up to a multiple of TURNED bytes of a row. */
__attribute__((target("avx2"))) static void to_columns(uint8_t *columns, const uint8_t *const rows[TOGETHER], size_t bytes)
{
    for (size_t at = 0; at < bytes; at += TURNED, columns += TURNED * TOGETHER) {
        __m256i v[TURNED];

        for (int i = 0; i < TURNED; i++)
            v[i] = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(rows[i] + at))),
                _mm_loadu_si128((const __m128i *)(const void *)(rows[i + TURNED] + at)), 1);
        turn(v);
        for (int i = 0; i < TURNED; i++)
            _mm256_storeu_si256((__m256i *)(void *)(columns + i * TOGETHER), v[i]);
    }
}

/* And back, the first `count` rows. */
__attribute__((target("avx2"))) static void to_rows(uint8_t *rows, size_t bytes, int count, const uint8_t *columns)
{
    for (size_t at = 0; at < bytes; at += TURNED, columns += TURNED * TOGETHER, rows += TURNED) {
        size_t size = bytes - at < TURNED ? bytes - at : TURNED;
        __m256i v[TURNED];

        for (int i = 0; i < TURNED; i++)
            v[i] = _mm256_loadu_si256((const __m256i *)(const void *)(columns + i * TOGETHER));
        turn(v);
        if (count == TOGETHER && size == TURNED) {
            for (int i = 0; i < TURNED; i++) {
                _mm_storeu_si128((__m128i *)(void *)(rows + (size_t)i * bytes), _mm256_castsi256_si128(v[i]));
                _mm_storeu_si128((__m128i *)(void *)(rows + (size_t)(i + TURNED) * bytes), _mm256_extracti128_si256(v[i], 1));
            }
            continue;
        }
        for (int i = 0; i < count; i++)
            memcpy(rows + (size_t)i * bytes, (const uint8_t *)&v[i % TURNED] + (i < TURNED ? 0 : TURNED), size);
    }
}

/* The horizontal pass is the vertical one of columns that are turned into rows. */
static void rows_avx2(uint8_t *out, int width, const uint8_t *const in[TOGETHER], size_t in_bytes, int count,
                      const struct axis *a, uint8_t *columns, uint8_t *made)
{
    to_columns(columns, in, in_bytes);
    for (int x = 0; x < width; x++) {
        size_t taps = (size_t)x * (size_t)a->stride;

        column_avx2(made + (size_t)x * PIXEL, PIXEL, columns + (size_t)a->lo[x] * PIXEL, PIXEL, a->high + taps, a->low + taps,
                    a->count[x]);
    }
    to_rows(out, (size_t)width * 3, count, made);
}
#else
static bool have_avx2(void)
{
    return false;
}
static void rows_avx2(uint8_t *out, int width, const uint8_t *const in[TOGETHER], size_t in_bytes, int count,
                      const struct axis *a, uint8_t *columns, uint8_t *made)
{
    (void)out, (void)width, (void)in, (void)in_bytes, (void)count, (void)a, (void)columns, (void)made;
}
static size_t column_avx2(uint8_t *out, size_t bytes, const uint8_t *in, size_t row_bytes, const int8_t *k_of_high,
                          const int16_t *k_of_low, int count)
{
    (void)out, (void)bytes, (void)in, (void)row_bytes, (void)k_of_high, (void)k_of_low, (void)count;
    return 0;
}
#endif

/* ---- the two passes ---- */

static size_t row_apart(const struct view *v)
{
    return ((size_t)v->width * 3 + BEHIND + APART - 1) / APART * APART;
}

/* Where `count` rows from y on lie, with room behind them; the last stands for those that are fewer than TOGETHER. Rows that are read, and those at the end of the pixels, behind which
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
    for (int i = count; i < TOGETHER; i++)
        in[i] = in[count - 1];
    return v->read ? v->read(v->context, copies, apart, count) : BT_OK;
}

/* One picture's work. Rows pass through the axis across, wait in `window` until all that an output row needs are there, and
 * pass through the axis down. */
struct work {
    const struct view *v;
    uint8_t *out;
    int width, height;
    bool across, down, vector;
    struct axis x, y;
    int first, rows;         /* of the view: those that are needed */
    uint8_t *memory;         /* of all that follows: */
    uint8_t *copies;         /* TOGETHER rows of the view */
    uint8_t *columns, *made; /* the vector path's, of the rows and of what is made of them */
    uint8_t *window;
    int top, held;           /* the rows in the window */
    int next;                /* the output row that is made next */
};

static int make_axes(struct work *w, const float box[4], struct bt_err *err)
{
    const struct view *v = w->v;
    int rc = BT_OK;

    w->across = w->width != v->width || box[0] != 0 || box[2] != (float)w->width;
    w->down = w->height != v->height || box[1] != 0 || box[3] != (float)w->height;
    w->rows = v->height;
    if (w->down) {
        rc = axis_make(&w->y, v->height, w->height, box[1], box[3], err);
        if (!rc) {
            w->first = w->y.lo[0];
            w->rows = w->y.lo[w->height - 1] + w->y.count[w->height - 1] - w->first;
        }
    }
    if (!rc && w->across)
        rc = axis_make(&w->x, v->width, w->width, box[0], box[2], err);
    if (!rc && w->across && w->vector)
        rc = axis_split(&w->x, w->width, err);
    if (!rc && w->down && w->vector)
        rc = axis_split(&w->y, w->height, err);
    return rc;
}

static int take_memory(struct work *w, struct bt_err *err)
{
    bool turned = w->across && w->vector;
    uint64_t capacity = 0;
    size_t columns = turned ? row_apart(w->v) * TOGETHER : 0, made = turned ? ((size_t)w->width * 3 + BEHIND) * TOGETHER : 0,
           window = w->down ? (size_t)(w->y.stride + TOGETHER + 1) * (size_t)w->width * 3 : 0, copies = TOGETHER * row_apart(w->v);
    int rc = bt_grow(&w->memory, &capacity, APART + columns + made + window + copies + BT_ASKEW, 1, err);

    if (rc)
        return rc;
    w->columns = w->memory + (APART - (uintptr_t)w->memory % APART);
    w->made = w->columns + columns;
    w->window = w->made + made;
    w->copies = bt_image_askew(w->window + window);
    return BT_OK;
}

/* The rows from `y` on, as wide as the output. */
static int across_rows(struct work *w, uint8_t *to, int y, int count)
{
    size_t bytes = (size_t)w->width * 3;
    const uint8_t *in[TOGETHER];
    int rc = take_rows(in, w->v, y, count, w->copies);

    if (rc)
        return rc;
    if (w->across && w->vector) {
        rows_avx2(to, w->width, in, (size_t)w->v->width * 3, count, &w->x, w->columns, w->made);
        return BT_OK;
    }
    for (int i = 0; i < count; i++)
        if (w->across)
            row_plain(to + (size_t)i * bytes, w->width, in[i], &w->x);
        else
            memcpy(to + (size_t)i * bytes, in[i], bytes);
    return BT_OK;
}

static void down_row(struct work *w)
{
    const struct axis *a = &w->y;
    size_t bytes = (size_t)w->width * 3, taps = (size_t)w->next * (size_t)a->stride, done = 0;
    const uint8_t *in = w->window + (size_t)(a->lo[w->next] - w->top) * bytes;
    uint8_t *out = w->out + (size_t)w->next * bytes;

    if (w->vector)
        done = column_avx2(out, bytes, in, bytes, a->high + taps, a->low + taps, a->count[w->next]);
    column_plain(out, done, bytes, in, bytes, a->k + taps, a->count[w->next]);
}

/* The output rows for which all is in the window; then what no later one needs leaves it. */
static void down_rows(struct work *w)
{
    const struct axis *a = &w->y;
    size_t bytes = (size_t)w->width * 3;
    int gone;

    for (; w->next < w->height && a->lo[w->next] + a->count[w->next] <= w->top + w->held; w->next++)
        down_row(w);
    gone = w->next < w->height ? a->lo[w->next] - w->top : w->held;
    gone = gone < w->held ? gone : w->held;
    memmove(w->window, w->window + (size_t)gone * bytes, (size_t)(w->held - gone) * bytes);
    w->top += gone;
    w->held -= gone;
}

static int all_rows(struct work *w)
{
    size_t bytes = (size_t)w->width * 3;
    int rc = BT_OK;

    w->top = w->first;
    for (int y = 0; y < w->rows && !rc; y += TOGETHER) {
        int count = w->rows - y < TOGETHER ? w->rows - y : TOGETHER;

        rc = across_rows(w, w->down ? w->window + (size_t)w->held * bytes : w->out + (size_t)y * bytes, w->first + y, count);
        w->held += count;
        if (!rc && w->down)
            down_rows(w);
    }
    return rc;
}

static int resize(uint8_t *rgb, int width, int height, const struct view *v, const float box[4], bool vector,
                  struct bt_err *err)
{
    struct work w = { .v = v, .out = rgb, .width = width, .height = height, .vector = vector };
    int rc = make_axes(&w, box, err);

    if (!rc)
        rc = take_memory(&w, err);
    if (!rc)
        rc = all_rows(&w);
    free(w.memory);
    axis_free(&w.x);
    axis_free(&w.y);
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
                  &(struct view){ .rgb = image->rgb + (size_t)c->top * row_bytes + (size_t)c->left * 3,
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
                  &(struct view){ .rgb = image->rgb, .row_bytes = (size_t)image->width * 3, .width = image->width,
                                 .height = image->height },
                  box, have_avx2(), err);
}

int bt_image_resize_rows(uint8_t *rgb, int to_width, int to_height, int width, int height, bt_row_reader *read, void *context,
                         struct bt_err *err)
{
    struct view v = { .width = width, .height = height, .read = read, .context = context };
    int rc = check_size(to_width, to_height, err);

    if (rc)
        return rc;
    return resize(rgb, to_width, to_height, &v, (const float[4]){ 0, 0, (float)width, (float)height }, have_avx2(), err);
}
