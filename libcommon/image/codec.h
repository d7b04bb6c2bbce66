/* What the decoders share inside this folder. */
#ifndef BT_IMAGE_CODEC_H
#define BT_IMAGE_CODEC_H

#include "libcommon/image/image.h"

enum { BT_IMAGE_MAX_SIDE = 32768, BT_IMAGE_MAX_SCANS = 100, BT_IMAGE_MAX_CHUNKS = 1000 };

/* Each has recognised its own signature by the time it is called. */
int bt_jpeg_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                   const struct bt_image_options *options, struct bt_image_reject *reject);
int bt_png_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                  const struct bt_image_options *options, struct bt_image_reject *reject);

/* Forms the reject and returns BT_ERR_IMAGE. */
int bt_image_refuse(struct bt_image_reject *reject, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Checks the limits and takes the pixel memory, zeroed: [height][width][3]. */
int bt_image_take(uint8_t **rgb, uint64_t width, uint64_t height, const struct bt_image_options *options,
                  struct bt_image_reject *reject);

/* The orientation in the Exif segment of a JPEG: 1..8, or 1 when there is none that makes sense. */
int bt_exif_orientation(const uint8_t *bytes, size_t size);

#endif
