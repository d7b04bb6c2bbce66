/* What the decoders share inside this folder. */
#ifndef BT_IMAGE_CODEC_H
#define BT_IMAGE_CODEC_H

#include "libcommon/image/image.h"

enum { BT_IMAGE_MAX_SIDE = 32768, BT_IMAGE_MAX_SCANS = 100, BT_IMAGE_MAX_CHUNKS = 1000 };

/* Each has recognised its own signature by the time it is called. */
bool bt_is_jpeg(const uint8_t *bytes, size_t size);
int bt_jpeg_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                   const struct bt_image_options *options, struct bt_image_reject *reject);
/* A JPEG by rows: those of the part that `choose` names (NULL: all), see bt_image_decode_part. bytes, options and context outlive
 * it. Only when finish succeeds are the rows that were read those of a good file. */
struct bt_jpeg;
int bt_jpeg_open(struct bt_jpeg **jpeg, const uint8_t *bytes, size_t size, bt_crop_chooser *choose, void *context,
                 const struct bt_image_options *options, struct bt_image_reject *reject);
const struct bt_crop *bt_jpeg_part(const struct bt_jpeg *jpeg);
/* The next `count` rows of the part, row_bytes apart. */
int bt_jpeg_read(struct bt_jpeg *jpeg, uint8_t *rgb, size_t row_bytes, int count, struct bt_image_reject *reject);
int bt_jpeg_finish(struct bt_jpeg *jpeg, struct bt_image_reject *reject);
void bt_jpeg_close(struct bt_jpeg *jpeg);

int bt_jpeg_decode_part(struct bt_image *image, const uint8_t *bytes, size_t size, bt_crop_chooser *choose, void *context,
                        const struct bt_image_options *options, struct bt_image_reject *reject);
int bt_png_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                  const struct bt_image_options *options, struct bt_image_reject *reject);

int bt_webp_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                   const struct bt_image_options *options, struct bt_image_reject *reject);
int bt_gif_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                  const struct bt_image_options *options, struct bt_image_reject *reject);

/* Resizes a picture of width x height whose rows come one after the other from `read`: the next `count`, row_bytes apart. A
 * status that it returns ends the work and is returned. */
typedef int bt_row_reader(void *context, uint8_t *rgb, size_t row_bytes, int count);
int bt_image_resize_rows(uint8_t *rgb, int to_width, int to_height, int width, int height, bt_row_reader *read, void *context,
                         struct bt_err *err);

/* Forms the reject and returns BT_ERR_IMAGE. */
int bt_image_refuse(struct bt_image_reject *reject, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a picture of that size is within the limits. */
int bt_image_check(uint64_t width, uint64_t height, const struct bt_image_options *options, struct bt_image_reject *reject);
/* Checks the limits and takes the pixel memory, zeroed: [height][width][3]. */
int bt_image_take(uint8_t **rgb, uint64_t width, uint64_t height, const struct bt_image_options *options,
                  struct bt_image_reject *reject);

/* Where rows for libjpeg-turbo begin, in memory with BT_ASKEW bytes to spare: those aligned to 32 bytes it writes past the cache,
 * though they are read next. */
enum { BT_ASKEW = 32 + 8 };
static inline uint8_t *bt_image_askew(uint8_t *memory)
{
    return memory + (32 - (uintptr_t)memory % 32) + 8;
}

/* A pixel over the background, rounded as Pillow's paste rounds. */
static inline void bt_image_blend(uint8_t rgb[3], unsigned alpha, const uint8_t background[3])
{
    for (int c = 0; c < 3; c++) {
        unsigned sum = rgb[c] * alpha + background[c] * (255 - alpha) + 128;
        rgb[c] = (uint8_t)(((sum >> 8) + sum) >> 8);
    }
}

/* The orientation in Exif data (TIFF, with "Exif\0\0" in front or not): 1..8, or 1 when there is none that
 * makes sense; of a whole JPEG, that of its Exif segment. */
int bt_exif_orientation(const uint8_t *data, size_t size);
int bt_exif_orientation_of_jpeg(const uint8_t *bytes, size_t size);
/* Turns the pixels from the way they are stored (orientation 2..8) to the way they are seen. */
int bt_exif_apply(struct bt_image *image, struct bt_image_reject *reject);

#endif
