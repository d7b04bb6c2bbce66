/* One decoder on any bytes that begin like its kind: no crash, no leak, nothing beyond the limits, and what is
 * accepted is whole. */
#ifndef BT_FUZZ_PICTURE_H
#define BT_FUZZ_PICTURE_H

#include <stdlib.h>
#include <string.h>

#include "libcommon/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_decode(const uint8_t *data, size_t size, const struct bt_image_options *options)
{
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    unsigned sum = 0;

    if (bt_image_decode(&image, data, size, options, &reject)) {
        if (image.rgb || !reject.code || !reject.detail[0])
            abort();
        return;
    }
    if (image.width < 1 || image.height < 1 || (uint64_t)image.width * (uint64_t)image.height > options->max_pixels ||
        image.orientation < 1 || image.orientation > 8)
        abort();
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height * 3; i++)
        sum += image.rgb[i]; /* all of it is there */
    if (sum > (unsigned)image.width * (unsigned)image.height * 765u)
        abort();
    bt_image_free(&image);
}

static inline int fuzz_picture(const uint8_t *data, size_t size, const char *kind)
{
    static const struct bt_image_options options[] = {
        { .max_pixels = 1 << 20 },
        { .max_pixels = 1 << 20, .allow_truncated = true, .allow_corrupt = true },
        { .max_pixels = 1 << 20, .exif_rotate = true, .scale_grey16 = true, .composite = true, .allow_truncated = true },
    };

    if (strcmp(bt_image_kind(data, size), kind) != 0)
        return 0;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        fuzz_decode(data, size, &options[i]);
    return 0;
}

#endif
