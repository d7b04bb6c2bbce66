/* Pictures made on the spot: the formula picture of images.md 3.6, as JPEG, WebP and GIF by their libraries and as
 * PNG put together by hand. */
#ifndef BT_TESTS_IMAGE_FIXTURES_H
#define BT_TESTS_IMAGE_FIXTURES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>
#include <jpeglib.h>
#include <webp/encode.h>
#include <zlib.h>

#include "libcommon/base/hash.h"
#include "libcommon/image/image.h"
#include "tests/test.h"

struct bytes {
    unsigned char data[1 << 15];
    unsigned long size;
};

static inline void formula_picture(uint8_t *rgb, int width, int height)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            *rgb++ = (uint8_t)(7 * x + 13 * y);
            *rgb++ = (uint8_t)(x * x + 3 * y);
            *rgb++ = (uint8_t)((x ^ y) * 5);
        }
    }
}

/* What `cjpeg -quality 90 [-progressive]` makes of it; at most 64 x 64. */
static inline struct bytes jpeg_of(const uint8_t *rgb, int width, int height, bool progressive)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    struct bytes out = { .size = 0 };
    unsigned char *memory = NULL;
    unsigned long size = 0;

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &memory, &size);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 90, TRUE);
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)y * (size_t)width * 3);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    if (size <= sizeof out.data) {
        memcpy(out.data, memory, size);
        out.size = size;
    }
    free(memory);
    return out;
}

static inline struct bytes formula_jpeg(int width, int height, bool progressive)
{
    uint8_t rgb[64 * 64 * 3];

    formula_picture(rgb, width, height);
    return jpeg_of(rgb, width, height, progressive);
}

static inline void add_bytes(struct bytes *to, const void *data, size_t size)
{
    if (to->size + size > sizeof to->data)
        abort();
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static inline void add_u32(struct bytes *to, uint32_t v)
{
    unsigned char four[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                              (unsigned char)v };
    add_bytes(to, four, 4);
}

static inline void add_chunk(struct bytes *to, const char *type, const void *data, size_t size)
{
    unsigned long begin;

    add_u32(to, (uint32_t)size);
    begin = to->size;
    add_bytes(to, type, 4);
    if (size)
        add_bytes(to, data, size);
    add_u32(to, (uint32_t)crc32(crc32(0, Z_NULL, 0), to->data + begin, (uInt)(to->size - begin)));
}

/* A PNG of rows without filter: `rows` holds height rows of row_bytes. extra is one more chunk before
 * IDAT, or NULL. */
static inline struct bytes png_of(int width, int height, int depth, int type, const void *rows,
                                  size_t row_bytes, const char *extra, const void *extra_data,
                                  size_t extra_size)
{
    struct bytes png = { .size = 0 }, raw = { .size = 0 };
    unsigned char header[13] = { 0,
                                 0,
                                 0,
                                 (unsigned char)width,
                                 0,
                                 0,
                                 0,
                                 (unsigned char)height,
                                 (unsigned char)depth,
                                 (unsigned char)type,
                                 0,
                                 0,
                                 0 };
    unsigned char packed[4096];
    uLongf packed_size = sizeof packed;

    for (int y = 0; y < height; y++) {
        add_bytes(&raw, "", 1);
        add_bytes(&raw, (const char *)rows + (size_t)y * row_bytes, row_bytes);
    }
    if (compress(packed, &packed_size, raw.data, raw.size) != Z_OK)
        abort();
    add_bytes(&png, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(&png, "IHDR", header, sizeof header);
    if (extra)
        add_chunk(&png, extra, extra_data, extra_size);
    add_chunk(&png, "IDAT", packed, packed_size);
    add_chunk(&png, "IEND", NULL, 0);
    return png;
}

/* What `cwebp -lossless` makes of it, with `-exact` or without. */
static inline struct bytes webp_of(const uint8_t *rgba, int width, int height, bool exact)
{
    WebPMemoryWriter writer;
    WebPConfig config;
    WebPPicture picture;
    struct bytes out = { .size = 0 };

    if (!WebPConfigInit(&config) || !WebPPictureInit(&picture))
        abort();
    config.lossless = 1;
    config.exact = exact;
    picture.use_argb = 1;
    picture.width = width;
    picture.height = height;
    WebPMemoryWriterInit(&writer);
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
    if (!WebPPictureImportRGBA(&picture, rgba, width * 4) || !WebPEncode(&config, &picture))
        abort();
    add_bytes(&out, writer.mem, writer.size);
    WebPPictureFree(&picture);
    WebPMemoryWriterClear(&writer);
    return out;
}

static inline int gif_write(GifFileType *gif, const GifByteType *data, int size)
{
    add_bytes(gif->UserData, data, (size_t)size);
    return size;
}

/* A frame of a grey ramp at (left, top), index x + 16 y, of 256 colours (v, 255 - v, 7). */
static inline struct bytes gif_of(int screen_width, int screen_height, int left, int top, int width, int height,
                                  int transparent)
{
    struct bytes out = { .size = 0 };
    ColorMapObject *map = GifMakeMapObject(256, NULL);
    GraphicsControlBlock control = { .TransparentColor = transparent };
    GifByteType extension[4];
    GifFileType *gif = EGifOpen(&out, gif_write, NULL);

    if (!gif || !map)
        abort();
    for (int v = 0; v < 256; v++)
        map->Colors[v] = (GifColorType){ (GifByteType)v, (GifByteType)(255 - v), 7 };
    EGifSetGifVersion(gif, true);
    if (EGifPutScreenDesc(gif, screen_width, screen_height, 256, 3, map) == GIF_ERROR)
        abort();
    EGifGCBToExtension(&control, extension);
    if (transparent >= 0 && EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, 4, extension) == GIF_ERROR)
        abort();
    if (EGifPutImageDesc(gif, left, top, width, height, false, NULL) == GIF_ERROR)
        abort();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (EGifPutPixel(gif, (GifPixelType)(x + 16 * y)) == GIF_ERROR)
                abort();
    EGifCloseFile(gif, NULL);
    GifFreeMapObject(map);
    return out;
}

/* The first 16 hex digits of sha256. */
static inline const char *short_hash(const void *data, size_t size)
{
    static char hex[65];
    uint8_t digest[32];

    bt_sha256(data, size, digest);
    bt_hex(hex, digest, 32);
    hex[16] = 0;
    return hex;
}

/* Decodes; the code when refused, else the short hash of the pixels. */
static inline const char *decoded(const struct bytes *file, const struct bt_image_options *options)
{
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    const char *answer;

    if (bt_image_decode(&image, file->data, file->size, options, &reject))
        return reject.code;
    answer = short_hash(image.rgb, (size_t)image.width * (size_t)image.height * 3);
    bt_image_free(&image);
    return answer;
}

#endif
