/* Images: bytes to RGB as Pillow gives them, bicubic resize equal to Pillow's to the bit, the crops and
 * tensors of BLIP-2. Thread-safe; nothing is kept between calls.
 *
 * Decoding follows Pillow 9.4 on libjpeg-turbo 2.1 and libwebp 1.2: no rotation by EXIF, no colour profile, alpha dropped,
 * 16-bit grey clipped, CMYK always inverted. It refuses more than Pillow does: what the library warns of
 * as corrupt, every cut file, and what exceeds the limits. Source: images.md 2 to 4, formats.md 8 and 11. */
#ifndef BT_IMAGE_IMAGE_H
#define BT_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/rng.h"
#include "libcommon/image/augment.h"

/* Pixels as packed RGB, rows top down: [height][width][3]. */
struct bt_image {
    int width, height;
    uint8_t *rgb;    /* owned after bt_image_decode; may be borrowed where a function only reads */
    int orientation; /* EXIF tag 0x0112 as it stands in the file, 1 when absent or malformed */
    bool rotated;    /* ... and it was applied (exif_rotate) */
    bool grey, cmyk; /* JPEG of one component, of four */
    bool alpha;      /* the file has transparency: dropped, or composited over the background */
    bool grey16;     /* 16-bit grey, clipped to 8 unless scale_grey16 */
    bool damaged;    /* accepted only because of allow_truncated or allow_corrupt */
};

/* Why a file was refused: a code of formats.md 4, and one phrase for people. */
struct bt_image_reject {
    const char *code; /* "IMG_TRUNCATED"; lives for ever */
    char detail[200];
};

struct bt_image_options {
    uint64_t max_pixels;  /* 0: 100 000 000 */
    bool allow_truncated; /* take a cut file as far as it goes, as Pillow's LOAD_TRUNCATED_IMAGES does */
    bool allow_corrupt;   /* take what the library only warns of, and wrong PNG checksums, as Pillow does */
    bool exif_rotate;     /* turn the pixels the way EXIF says; Pillow's convert does not */
    bool scale_grey16;    /* keep the high byte of 16-bit grey, where Pillow clips */
    bool composite;       /* put transparent pictures over `background`, where Pillow drops alpha */
    uint8_t background[3];
};

/* The picture in `bytes`, its kind judged by content: JPEG, PNG, WebP or GIF (animations: the first frame);
 * other kinds are refused by name, with the way to convert them where there is one. The
 * limits are checked against the header, before any pixel memory is taken. options may be NULL. On
 * failure: BT_ERR_IMAGE, *reject says why and *image is unchanged. The caller frees with bt_image_free. */
int bt_image_decode(struct bt_image *image, const void *bytes, size_t size,
                    const struct bt_image_options *options, struct bt_image_reject *reject);
void bt_image_free(struct bt_image *image);

/* A rectangle of whole pixels inside a picture. */
struct bt_crop {
    int top, left, height, width;
};

/* Says which part is wanted of a picture of that size; inside it. */
typedef struct bt_crop bt_crop_chooser(int width, int height, void *context);
/* The pixels of one part (choose NULL: all), those of bt_image_decode without options. Of a JPEG no more is decoded than they need, so damage beneath
 * them goes unnoticed: for files that were decoded whole before. Otherwise as bt_image_decode. */
int bt_image_decode_part(struct bt_image *part, const void *bytes, size_t size, bt_crop_chooser *choose, void *context,
                         struct bt_image_reject *reject);

/* What the bytes look like, for people: "JPEG", "PNG", "WebP", "an HTML page", "an empty file", ... */
const char *bt_image_kind(const void *bytes, size_t size);
/* True for the pictures this library knows by name, decodable here or not. */
bool bt_image_is_picture(const void *bytes, size_t size);

/* The picture as a JPEG file, in memory that the caller frees; quality 1 to 100, chroma at half size as the library does by
 * default. The same pixels give the same bytes. E_MEMORY. */
int bt_image_write_jpeg(uint8_t **data, size_t *size, const struct bt_image *image, int quality, struct bt_err *err);

/* Crops (NULL: all of it), then resizes to width x height, bicubic, into rgb [height][width][3]. The
 * filter never reads beyond the crop. Both sizes are 1..32768. E_MEMORY, E_BUG for a crop that is not
 * inside. */
int bt_image_resize(uint8_t *rgb, int width, int height, const struct bt_image *image,
                    const struct bt_crop *crop, struct bt_err *err);
/* Resizes the part (x0, y0, x1, y1), in fractions of pixels, without cropping first: the filter reads
 * around it. */
int bt_image_resize_box(uint8_t *rgb, int width, int height, const struct bt_image *image, const float box[4],
                        struct bt_err *err);
/* The plain path, whatever the processor can do; the same bytes (for tests). */
int bt_image_resize_plain(uint8_t *rgb, int width, int height, const struct bt_image *image,
                          const struct bt_crop *crop, struct bt_err *err);

/* torchvision's RandomResizedCrop (images.md 4.2) with area from scale_min to 1 and aspect from 3/4 to
 * 4/3: up to ten tries, each of two uniforms and, when the size fits, top and left; then the central crop. */
struct bt_crop bt_crop_draw(int width, int height, double scale_min, struct bt_draw *draw);
/* One try: the size that area fraction and log aspect give; false when it does not fit the picture. */
bool bt_crop_try(struct bt_crop *crop, int width, int height, double area_fraction, float log_ratio);
struct bt_crop bt_crop_central(int width, int height);
/* clip_image_eval: the size of which the shorter side is `side`, and the central window of side x side in it. */
void bt_crop_clip(int width, int height, int side, int resized[2], struct bt_crop *window);

/* Crop (NULL: all), resize to side x side, mirror when `flip`, then the normalised float32 tensor chw
 * [3][side][side]: (u / 255 - mean) / std, each step rounded to float32, with the constants of CLIP. */
int bt_image_to_tensor(float *chw, int side, const struct bt_image *image, const struct bt_crop *crop,
                       bool flip, struct bt_err *err);
/* The same with operations applied to the mirrored square before it is normalised. */
int bt_image_augmented_tensor(float *chw, int side, const struct bt_image *image, const struct bt_crop *crop, bool flip,
                              const struct bt_augment_step *steps, int step_count, struct bt_err *err);
/* The 768 values of which every tensor consists: [3][256]. */
void bt_image_tensor_table(float table[3][256]);

/* clip_image_eval: the shorter side to `side`, then its central window. E_LIMIT for a strip so thin that the
 * longer side would exceed 32768. */
int bt_image_clip_tensor(float *chw, int side, const struct bt_image *image, struct bt_err *err);

/* LAVIS's processors for training: random crop of 0.5 to 1 of the area and random mirror (blip2_image_train);
 * with RandomAugment behind them (blip_image_train), as LAVIS runs it or as it was meant. */
enum bt_augment { BT_AUGMENT_NONE, BT_AUGMENT_AS_RUN, BT_AUGMENT_INTENDED };

/* The tensor of one sample as a function of (seed, epoch, index), through BT_DRAW_CROP, BT_DRAW_FLIP and
 * BT_DRAW_AUGMENT. */
int bt_image_train_tensor(float *chw, int side, const struct bt_image *image, enum bt_augment augment,
                          uint64_t seed, uint32_t epoch, uint64_t index, struct bt_err *err);
/* Bytes to tensor in one call, for training and for evaluation (blip_image_eval: squashed to the square).
 * A file that does not decode is E_IMAGE, its message "place: detail". Training decodes by bt_image_decode_part. */
int bt_image_load_train(float *chw, int side, const void *bytes, size_t size, const char *place,
                        enum bt_augment augment, uint64_t seed, uint32_t epoch, uint64_t index,
                        struct bt_err *err);
int bt_image_load_eval(float *chw, int side, const void *bytes, size_t size, const char *place,
                       struct bt_err *err);

#endif
