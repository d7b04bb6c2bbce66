/* Which decoder a file needs, and the names of those it has none for. See image.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"

int bt_image_refuse(struct bt_image_reject *reject, const char *code, const char *fmt, ...)
{
    va_list args;

    reject->code = code;
    va_start(args, fmt);
    vsnprintf(reject->detail, sizeof reject->detail, fmt, args);
    va_end(args);
    return BT_ERR_IMAGE;
}

int bt_image_check(uint64_t width, uint64_t height, const struct bt_image_options *options, struct bt_image_reject *reject)
{
    uint64_t limit = options->max_pixels ? options->max_pixels : 100000000;

    if (width > BT_IMAGE_MAX_SIDE || height > BT_IMAGE_MAX_SIDE)
        return bt_image_refuse(reject, "IMG_TOO_LARGE", "%llu x %llu pixels, a side may have %d",
                               (unsigned long long)width, (unsigned long long)height, BT_IMAGE_MAX_SIDE);
    if (width * height > limit)
        return bt_image_refuse(reject, "IMG_TOO_LARGE", "%llu x %llu pixels, the limit is %llu in all",
                               (unsigned long long)width, (unsigned long long)height,
                               (unsigned long long)limit);
    return BT_OK;
}

int bt_image_take(uint8_t **rgb, uint64_t width, uint64_t height, const struct bt_image_options *options,
                  struct bt_image_reject *reject)
{
    int rc = bt_image_check(width, height, options, reject);

    if (rc)
        return rc;
    *rgb = calloc((size_t)(width * height), 3);
    if (!*rgb)
        return bt_image_refuse(reject, "DECODE_MEM", "no memory for %llu x %llu pixels",
                               (unsigned long long)width, (unsigned long long)height);
    return BT_OK;
}

typedef int decode_fn(struct bt_image *image, const uint8_t *bytes, size_t size,
                      const struct bt_image_options *options, struct bt_image_reject *reject);

struct signature {
    const char *name, *magic;
    size_t size, offset;
    bool picture;
    decode_fn *decode; /* NULL: none */
};

/* In order: the first that fits names the file. */
static const struct signature signatures[] = {
    { "PNG", "\x89PNG\r\n\x1a\n", 8, 0, true, bt_png_decode },
    { "WebP", "WEBP", 4, 8, true, bt_webp_decode },
    { "GIF", "GIF87a", 6, 0, true, bt_gif_decode },
    { "GIF", "GIF89a", 6, 0, true, bt_gif_decode },
    { "AVIF", "ftypavi", 7, 4, true, NULL },
    { "HEIC", "ftyphe", 6, 4, true, NULL },
    { "HEIF", "ftypmi", 6, 4, true, NULL },
    { "TIFF", "II*\0", 4, 0, true, NULL },
    { "TIFF", "MM\0*", 4, 0, true, NULL },
    { "BMP", "BM", 2, 0, true, NULL },
    { "JPEG 2000", "\0\0\0\x0cjP  ", 8, 0, true, NULL },
    { "JPEG 2000", "\xff\x4f\xff\x51", 4, 0, true, NULL },
    { "JPEG XL", "\xff\x0a", 2, 0, true, NULL },
    { "JPEG XL", "\0\0\0\x0cJXL ", 8, 0, true, NULL },
    { "a PDF document", "%PDF", 4, 0, false, NULL },
    { "gzip data", "\x1f\x8b", 2, 0, false, NULL },
    { "a zip archive", "PK\3\4", 4, 0, false, NULL },
    { "a Git LFS pointer", "version https://git-lfs", 23, 0, false, NULL },
};

static bool begins(const char *text, size_t size, const char *word)
{
    size_t length = strlen(word);

    return size >= length && strncasecmp(text, word, length) == 0;
}

static const char *text_kind(const char *text, size_t size)
{
    size_t at = 0;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    text += at;
    size -= at;
    if (begins(text, size, "<!doctype html") || begins(text, size, "<html") || begins(text, size, "<head"))
        return "an HTML page";
    if (begins(text, size, "<svg"))
        return "SVG";
    if (begins(text, size, "<"))
        return "XML";
    if (size && (*text == '{' || *text == '['))
        return "JSON text";
    if (size >= 2 && *text == 'P' && text[1] >= '1' && text[1] <= '7')
        return "PNM";
    for (size_t i = 0; i < size && i < 512; i++)
        if ((unsigned char)text[i] < 32 && !(text[i] && strchr("\t\r\n\f\b", text[i])))
            return NULL;
    return size ? "text" : NULL;
}

bool bt_is_jpeg(const uint8_t *bytes, size_t size)
{
    /* Three bytes as Pillow; a file of two that begins like one is a cut JPEG rather than an unknown. */
    return size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8 && (size == 2 || bytes[2] == 0xff);
}

static const struct signature *find_signature(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (size >= s->offset + s->size && memcmp(bytes + s->offset, s->magic, s->size) == 0)
            return s;
    }
    return NULL;
}

const char *bt_image_kind(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    const struct signature *s;
    const char *name;

    if (size == 0)
        return "an empty file";
    if (bt_is_jpeg(b, size))
        return "JPEG";
    s = find_signature(b, size);
    if (s)
        return s->name;
    for (size_t i = 1; i <= 4 && i + 3 <= size; i++)
        if (bt_is_jpeg(b + i, size - i))
            return "a JPEG with other bytes in front";
    name = text_kind(bytes, size);
    return name ? name : "no known kind of picture";
}

bool bt_image_is_picture(const void *bytes, size_t size)
{
    const struct signature *s = find_signature(bytes, size);

    return bt_is_jpeg(bytes, size) || (s && s->picture);
}

static decode_fn *find_decoder(const uint8_t *bytes, size_t size)
{
    const struct signature *s = find_signature(bytes, size);

    if (bt_is_jpeg(bytes, size))
        return bt_jpeg_decode;
    return s ? s->decode : NULL;
}

static int refuse_kind(const void *bytes, size_t size, struct bt_image_reject *reject)
{
    if (bt_image_is_picture(bytes, size))
        return bt_image_refuse(reject, "IMG_FORMAT", "%s; convert it to PNG or JPEG, which are read, as are "
                                                     "WebP and GIF", bt_image_kind(bytes, size));
    return bt_image_refuse(reject, "IMG_FORMAT", "%s; JPEG, PNG, WebP and GIF are read", bt_image_kind(bytes, size));
}

static const struct bt_image_options strict = { .max_pixels = 0 };

int bt_image_decode(struct bt_image *image, const void *bytes, size_t size,
                    const struct bt_image_options *options, struct bt_image_reject *reject)
{
    decode_fn *decode = find_decoder(bytes, size);
    struct bt_image made = { 0 };
    int rc;

    if (!options)
        options = &strict;
    if (!decode)
        return refuse_kind(bytes, size, reject);
    rc = decode(&made, bytes, size, options, reject);
    if (!rc && options->exif_rotate && made.orientation > 1)
        rc = bt_exif_apply(&made, reject);
    if (rc)
        bt_image_free(&made);
    else
        *image = made;
    return rc;
}

/* Moves the rows of the part to the front. */
static void keep_part(struct bt_image *image, const struct bt_crop *part)
{
    size_t row = (size_t)image->width * 3, bytes = (size_t)part->width * 3;
    const uint8_t *from = image->rgb + (size_t)part->top * row + (size_t)part->left * 3;

    for (size_t y = 0; y < (size_t)part->height; y++)
        memmove(image->rgb + y * bytes, from + y * row, bytes);
    image->width = part->width;
    image->height = part->height;
}

int bt_image_decode_part(struct bt_image *part, const void *bytes, size_t size, bt_crop_chooser *choose, void *context,
                         struct bt_image_reject *reject)
{
    struct bt_crop crop;
    int rc;

    if (bt_is_jpeg(bytes, size))
        return bt_jpeg_decode_part(part, bytes, size, choose, context, &strict, reject);
    rc = bt_image_decode(part, bytes, size, NULL, reject);
    if (rc || !choose)
        return rc;
    crop = choose(part->width, part->height, context);
    keep_part(part, &crop);
    return BT_OK;
}

void bt_image_free(struct bt_image *image)
{
    if (!image)
        return;
    free(image->rgb);
    *image = (struct bt_image){ 0 };
}
