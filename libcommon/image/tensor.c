/* Random crops and normalised tensors. Source: images.md 4. */
#include <math.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/image.h"

/* ---- crops ---- */

bool bt_crop_try(struct bt_crop *crop, int width, int height, double area_fraction, float log_ratio)
{
    double area = (double)width * height * area_fraction, ratio = (double)expf(log_ratio);
    double w = rint(sqrt(area * ratio)),
           h = rint(sqrt(area / ratio)); /* rint: half to even, as Python rounds */

    if (!(w > 0 && w <= width && h > 0 && h <= height))
        return false;
    *crop = (struct bt_crop){ 0, 0, (int)h, (int)w };
    return true;
}

struct bt_crop bt_crop_central(int width, int height)
{
    double ratio = (double)width / height;
    int w = width, h = height;

    if (ratio < 3.0 / 4.0)
        h = (int)rint(width / (3.0 / 4.0));
    else if (ratio > 4.0 / 3.0)
        w = (int)rint(height * (4.0 / 3.0));
    return (struct bt_crop){ (height - h) / 2, (width - w) / 2, h, w };
}

struct bt_crop bt_crop_draw(int width, int height, double scale_min, struct bt_draw *draw)
{
    const float low = (float)scale_min, log_low = logf(0.75f), log_high = logf((float)(4.0 / 3.0));
    struct bt_crop crop;

    for (int i = 0; i < 10; i++) {
        float fraction = bt_draw_uniform(draw) * (1.0f - low) + low;
        float log_ratio = bt_draw_uniform(draw) * (log_high - log_low) + log_low;

        if (bt_crop_try(&crop, width, height, (double)fraction, log_ratio)) {
            crop.top = (int)bt_draw_below(draw, (uint64_t)(height - crop.height) + 1);
            crop.left = (int)bt_draw_below(draw, (uint64_t)(width - crop.width) + 1);
            return crop;
        }
    }
    return bt_crop_central(width, height);
}

/* ---- tensors ---- */

void bt_image_tensor_table(float table[3][256])
{
    static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
    static const float deviation[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

    for (int c = 0; c < 3; c++)
        for (int u = 0; u < 256; u++)
            table[c][u] = ((float)u / 255.0f - mean[c]) / deviation[c];
}

int bt_image_to_tensor(float *chw, int side, const struct bt_image *image, const struct bt_crop *crop,
                       bool flip, struct bt_err *err)
{
    float table[3][256];
    size_t n = (size_t)side;
    uint8_t *rgb = bt_alloc(n * n, 3, err);
    int rc = rgb ? bt_image_resize(rgb, side, side, image, crop, err) : BT_ERR_MEMORY;

    if (!rc) {
        bt_image_tensor_table(table);
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < n; y++)
                for (size_t x = 0; x < n; x++)
                    chw[(c * n + y) * n + x] = table[c][rgb[(y * n + (flip ? n - 1 - x : x)) * 3 + c]];
    }
    free(rgb);
    return rc;
}

int bt_image_train_tensor(float *chw, int side, const struct bt_image *image, uint64_t seed, uint32_t epoch,
                          uint64_t index, struct bt_err *err)
{
    struct bt_draw crop_draw = bt_draw(seed, BT_DRAW_CROP, epoch, index);
    struct bt_draw flip_draw = bt_draw(seed, BT_DRAW_FLIP, epoch, index);
    struct bt_crop crop = bt_crop_draw(image->width, image->height, 0.5, &crop_draw);

    return bt_image_to_tensor(chw, side, image, &crop, bt_draw_uniform(&flip_draw) < 0.5f, err);
}

static int decode(struct bt_image *image, const void *bytes, size_t size, const char *place,
                  struct bt_err *err)
{
    struct bt_image_reject reject;

    if (bt_image_decode(image, bytes, size, NULL, &reject) == BT_OK)
        return BT_OK;
    return bt_fail(err, BT_ERR_IMAGE, "%s: %s (%s)", place, reject.detail, reject.code);
}

int bt_image_load_train(float *chw, int side, const void *bytes, size_t size, const char *place,
                        uint64_t seed, uint32_t epoch, uint64_t index, struct bt_err *err)
{
    struct bt_image image;
    int rc = decode(&image, bytes, size, place, err);

    if (rc)
        return rc;
    rc = bt_image_train_tensor(chw, side, &image, seed, epoch, index, err);
    bt_image_free(&image);
    return rc;
}

int bt_image_load_eval(float *chw, int side, const void *bytes, size_t size, const char *place,
                       struct bt_err *err)
{
    struct bt_image image;
    int rc = decode(&image, bytes, size, place, err);

    if (rc)
        return rc;
    rc = bt_image_to_tensor(chw, side, &image, NULL, false, err);
    bt_image_free(&image);
    return rc;
}
