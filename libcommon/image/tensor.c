/* Pictures as normalised tensors. Source: images.md 4.3. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float deviation[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

void bt_image_tensor_table(float table[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int u = 0; u < 256; u++)
            table[c][u] = ((float)u / 255.0f - mean[c]) / deviation[c];
}

#if defined(__x86_64__)
/* The quotient as division rounds it, for all bytes and means: a product, corrected by what it leaves over. */
__attribute__((target("avx2,fma"))) static inline __m256 divide(__m256 a, float by)
{
    __m256 inverse = _mm256_set1_ps(1.0f / by), q = _mm256_mul_ps(a, inverse);

    return _mm256_fmadd_ps(_mm256_fnmadd_ps(q, _mm256_set1_ps(by), a), inverse, q);
}

/* Eight pixels a round, as long as there are two more behind them; returns how many it did. */
__attribute__((target("avx2,fma"))) static size_t row_avx2(float *const planes[3], size_t n, const uint8_t *rgb, bool flip)
{
    const __m256i order = flip ? _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0) : _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i reds = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1));
    size_t x = 0;

    for (; x + 10 <= n; x += 8, rgb += 24) {
        __m256i pixels = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)rgb)),
            _mm_loadu_si128((const __m128i *)(const void *)(rgb + 12)), 1);

        for (int c = 0; c < 3; c++) { /* the places of a colour are those of red, c further; -1 stays negative */
            __m256i bytes = _mm256_shuffle_epi8(pixels, _mm256_add_epi8(reds, _mm256_set1_epi32(c)));
            __m256 value = divide(_mm256_cvtepi32_ps(bytes), 255.0f);

            value = divide(_mm256_sub_ps(value, _mm256_set1_ps(mean[c])), deviation[c]);
            _mm256_storeu_ps(planes[c] + (flip ? n - 8 - x : x), _mm256_permutevar8x32_ps(value, order));
        }
    }
    return x;
}

static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static size_t row_avx2(float *const planes[3], size_t n, const uint8_t *rgb, bool flip)
{
    (void)planes, (void)n, (void)rgb, (void)flip;
    return 0;
}

static bool have_avx2(void)
{
    return false;
}
#endif

/* Interleaved bytes to planes of floats, mirrored when `flip`. */
static void normalise(float *chw, size_t n, const uint8_t *rgb, bool flip)
{
    const bool vector = have_avx2();
    float table[3][256];

    bt_image_tensor_table(table);
    for (size_t y = 0; y < n; y++, rgb += n * 3) {
        float *const planes[3] = { chw + y * n, chw + (n + y) * n, chw + (2 * n + y) * n };

        for (size_t i = vector ? row_avx2(planes, n, rgb, flip) : 0; i < n; i++)
            for (size_t c = 0; c < 3; c++)
                planes[c][flip ? n - 1 - i : i] = table[c][rgb[3 * i + c]];
    }
}

static void mirror(uint8_t *rgb, size_t n)
{
    for (size_t y = 0; y < n; y++, rgb += n * 3) {
        for (size_t x = 0; x < n / 2; x++) {
            uint8_t *a = rgb + x * 3, *b = rgb + (n - 1 - x) * 3, kept[3];

            memcpy(kept, a, 3);
            memcpy(a, b, 3);
            memcpy(b, kept, 3);
        }
    }
}

/* From a square of its final size. What the operations change must also have its direction; without any, the mirroring costs
 * nothing. */
static int square_to_tensor(float *chw, int side, uint8_t *rgb, bool flip, const struct bt_augment_step *steps, int step_count,
                            struct bt_err *err)
{
    size_t n = (size_t)side;
    int rc = BT_OK;

    if (flip && step_count)
        mirror(rgb, n);
    for (int i = 0; !rc && i < step_count; i++)
        rc = bt_augment_apply(rgb, side, side, &steps[i], err);
    if (!rc)
        normalise(chw, n, rgb, flip && !step_count);
    return rc;
}

int bt_image_augmented_tensor(float *chw, int side, const struct bt_image *image, const struct bt_crop *crop, bool flip,
                              const struct bt_augment_step *steps, int step_count, struct bt_err *err)
{
    uint8_t *rgb = bt_alloc((uint64_t)side * (uint64_t)side, 3, err);
    int rc = rgb ? bt_image_resize(rgb, side, side, image, crop, err) : BT_ERR_MEMORY;

    if (!rc)
        rc = square_to_tensor(chw, side, rgb, flip, steps, step_count, err);
    free(rgb);
    return rc;
}

int bt_image_to_tensor(float *chw, int side, const struct bt_image *image, const struct bt_crop *crop,
                       bool flip, struct bt_err *err)
{
    return bt_image_augmented_tensor(chw, side, image, crop, flip, NULL, 0, err);
}

int bt_image_clip_tensor(float *chw, int side, const struct bt_image *image, struct bt_err *err)
{
    struct bt_image middle = { 0 };
    struct bt_crop window;
    int size[2], rc;

    bt_crop_clip(image->width, image->height, side, size, &window);
    if (size[0] > BT_IMAGE_MAX_SIDE || size[1] > BT_IMAGE_MAX_SIDE)
        return bt_fail(err, BT_ERR_LIMIT, "a picture of %d x %d is too thin to have %d pixels on its shorter side",
                       image->width, image->height, side);
    middle.width = size[0];
    middle.height = size[1];
    middle.rgb = bt_alloc((uint64_t)size[0] * (uint64_t)size[1], 3, err);
    rc = middle.rgb ? bt_image_resize(middle.rgb, size[0], size[1], image, NULL, err) : BT_ERR_MEMORY;
    if (!rc)
        rc = bt_image_to_tensor(chw, side, &middle, &window, false, err);
    bt_image_free(&middle);
    return rc;
}

/* ---- files ---- */

struct stream {
    struct bt_jpeg *jpeg;
    struct bt_image_reject *reject;
};

static int read_rows(void *context, uint8_t *rgb, size_t row_bytes, int count)
{
    const struct stream *s = context;

    return bt_jpeg_read(s->jpeg, rgb, row_bytes, count, s->reject);
}

/* Row by row: what was decoded is still in the nearest cache when it is resized. */
static int load_jpeg(uint8_t *rgb, int side, const void *bytes, size_t size, bt_crop_chooser *choose, void *context,
                     struct bt_image_reject *reject, struct bt_err *err)
{
    static const struct bt_image_options strict = { .max_pixels = 0 };
    struct stream s = { NULL, reject };
    int rc = bt_jpeg_open(&s.jpeg, bytes, size, choose, context, &strict, reject);

    if (!rc)
        rc = bt_image_resize_rows(rgb, side, side, bt_jpeg_part(s.jpeg)->width, bt_jpeg_part(s.jpeg)->height, read_rows, &s, err);
    if (!rc)
        rc = bt_jpeg_finish(s.jpeg, reject);
    bt_jpeg_close(s.jpeg);
    return rc;
}

static int load_other(uint8_t *rgb, int side, const void *bytes, size_t size, bt_crop_chooser *choose, void *context,
                      struct bt_image_reject *reject, struct bt_err *err)
{
    struct bt_image part = { 0 };
    int rc = bt_image_decode_part(&part, bytes, size, choose, context, reject);

    if (!rc)
        rc = bt_image_resize(rgb, side, side, &part, NULL, err);
    bt_image_free(&part);
    return rc;
}

/* The part that `choose` names, at side x side, in memory that the caller frees, also on failure. */
static int load_square(uint8_t **rgb, int side, const void *bytes, size_t size, const char *place, bt_crop_chooser *choose,
                       void *context, struct bt_err *err)
{
    struct bt_image_reject reject;
    int rc;

    *rgb = bt_alloc((uint64_t)side * (uint64_t)side, 3, err);
    if (!*rgb)
        return BT_ERR_MEMORY;
    rc = (bt_is_jpeg(bytes, size) ? load_jpeg : load_other)(*rgb, side, bytes, size, choose, context, &reject, err);
    return rc == BT_ERR_IMAGE ? bt_fail(err, rc, "%s: %s (%s)", place, reject.detail, reject.code) : rc;
}

int bt_image_load_eval(float *chw, int side, const void *bytes, size_t size, const char *place,
                       struct bt_err *err)
{
    uint8_t *rgb;
    int rc = load_square(&rgb, side, bytes, size, place, NULL, NULL, err);

    if (!rc)
        rc = square_to_tensor(chw, side, rgb, false, NULL, 0, err);
    free(rgb);
    return rc;
}

/* ---- training ---- */

struct key {
    uint64_t seed, index;
    uint32_t epoch;
};

static struct bt_crop draw_crop(int width, int height, void *context)
{
    const struct key *k = context;
    struct bt_draw draw = bt_draw(k->seed, BT_DRAW_CROP, k->epoch, k->index);

    return bt_crop_draw(width, height, 0.5, &draw);
}

static bool draw_flip(const struct key *k)
{
    struct bt_draw draw = bt_draw(k->seed, BT_DRAW_FLIP, k->epoch, k->index);

    return bt_draw_uniform(&draw) < 0.5f;
}

static int draw_steps(struct bt_augment_step steps[2], enum bt_augment augment, const struct key *k)
{
    struct bt_draw draw = bt_draw(k->seed, BT_DRAW_AUGMENT, k->epoch, k->index);

    return augment ? bt_augment_draw(steps, augment == BT_AUGMENT_INTENDED, &draw) : 0;
}

int bt_image_train_tensor(float *chw, int side, const struct bt_image *image, enum bt_augment augment,
                          uint64_t seed, uint32_t epoch, uint64_t index, struct bt_err *err)
{
    struct key key = { seed, index, epoch };
    struct bt_crop crop = draw_crop(image->width, image->height, &key);
    struct bt_augment_step steps[2];
    int count = draw_steps(steps, augment, &key);

    return bt_image_augmented_tensor(chw, side, image, &crop, draw_flip(&key), steps, count, err);
}

int bt_image_load_train(float *chw, int side, const void *bytes, size_t size, const char *place,
                        enum bt_augment augment, uint64_t seed, uint32_t epoch, uint64_t index,
                        struct bt_err *err)
{
    struct key key = { seed, index, epoch };
    struct bt_augment_step steps[2];
    int count = draw_steps(steps, augment, &key);
    uint8_t *rgb;
    int rc = load_square(&rgb, side, bytes, size, place, draw_crop, &key, err);

    if (!rc)
        rc = square_to_tensor(chw, side, rgb, draw_flip(&key), steps, count, err);
    free(rgb);
    return rc;
}
