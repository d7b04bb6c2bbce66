/* GIF by giflib: the first frame on Pillow's canvas (images.md 2.5). The canvas is as large as the screen and the
 * frame together; what the frame does not cover has the transparent colour's index or 0, never the background's.
 * Where Pillow's own LZW reader goes on over damage, giflib gives up, and so do we. */
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#include "libcommon/image/codec.h"

struct decoder {
    const struct bt_image_options *options;
    struct bt_image_reject *reject;
    const uint8_t *bytes;
    size_t size, at;
    bool ended;      /* the bytes ran out */
    int transparent; /* index; -1: none */
    GifFileType *gif;
};

static int on_read(GifFileType *gif, GifByteType *to, int count)
{
    struct decoder *d = gif->UserData;
    size_t left = d->size - d->at, n = (size_t)count < left ? (size_t)count : left;

    memcpy(to, d->bytes + d->at, n);
    d->at += n;
    d->ended = d->ended || n < (size_t)count;
    return (int)n;
}

static int cut(struct decoder *d)
{
    return bt_image_refuse(d->reject, "IMG_TRUNCATED", "the file of %zu bytes ends before its trailer", d->size);
}

static int failed(struct decoder *d, int error)
{
    const char *text = GifErrorString(error);

    if (d->ended)
        return cut(d);
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM)
        return bt_image_refuse(d->reject, "DECODE_MEM", "out of memory");
    return bt_image_refuse(d->reject, "IMG_CORRUPT", "%s", text ? text : "damaged");
}

/* An extension and its blocks; of a graphics control only the transparent index counts. */
static bool read_extension(struct decoder *d)
{
    GifByteType *block = NULL;
    int code = 0, ok = DGifGetExtension(d->gif, &code, &block);

    if (ok && code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1))
        d->transparent = block[4];
    while (ok && block)
        ok = DGifGetExtensionNext(d->gif, &block);
    return ok;
}

/* As far as the first frame's descriptor. */
static int find_frame(struct decoder *d)
{
    GifRecordType type = UNDEFINED_RECORD_TYPE;

    while (DGifGetRecordType(d->gif, &type)) {
        if (type == TERMINATE_RECORD_TYPE)
            return bt_image_refuse(d->reject, "IMG_CORRUPT", "no frame");
        if (type == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(d->gif) ? BT_OK : failed(d, d->gif->Error);
        if (type == EXTENSION_RECORD_TYPE && !read_extension(d))
            break;
    }
    return failed(d, d->gif->Error);
}

/* The rows of the frame into the canvas of indices. */
static int read_rows(struct decoder *d, uint8_t *canvas, size_t width)
{
    static const int first[4] = { 0, 4, 2, 1 }, step[4] = { 8, 8, 4, 2 };
    const GifImageDesc *frame = &d->gif->Image;
    int passes = frame->Interlace ? 4 : 1;

    for (int pass = 0; pass < passes; pass++) {
        for (int y = passes == 1 ? 0 : first[pass]; y < frame->Height; y += passes == 1 ? 1 : step[pass]) {
            uint8_t *row = canvas + (size_t)(frame->Top + y) * width + (size_t)frame->Left;

            if (!DGifGetLine(d->gif, row, frame->Width))
                return d->ended && d->options->allow_truncated ? BT_OK : failed(d, d->gif->Error);
        }
    }
    return BT_OK;
}

/* Later frames and extensions are passed over to see that the file has its end. */
static bool has_trailer(const struct decoder *d)
{
    const uint8_t *bytes = d->bytes;
    size_t at = d->at, size = d->size;

    while (at < size && bytes[at] != 0x3b) {
        uint8_t kind = bytes[at++];

        if (kind == 0x2c && size - at > 9) /* descriptor, palette, code size */
            at += 9 + (bytes[at + 8] & 0x80 ? (size_t)3 << ((bytes[at + 8] & 7) + 1) : 0) + 1;
        else if (kind == 0x21)
            at++;
        else
            continue;
        while (at < size && bytes[at]) /* data blocks, up to the empty one */
            at += (size_t)bytes[at] + 1;
        at++;
    }
    return at < size;
}

/* Indices beyond the palette are grey, as in Pillow's. */
static void to_rgb(const struct decoder *d, uint8_t *rgb, const uint8_t *canvas, size_t pixels)
{
    const ColorMapObject *map = d->gif->Image.ColorMap ? d->gif->Image.ColorMap : d->gif->SColorMap;

    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        int index = canvas[i];

        if (map && index < map->ColorCount)
            memcpy(rgb, (const uint8_t[]){ map->Colors[index].Red, map->Colors[index].Green, map->Colors[index].Blue },
                   3);
        else
            memset(rgb, index, 3);
        if (d->options->composite && index == d->transparent)
            memcpy(rgb, d->options->background, 3);
    }
}

static int decode(struct decoder *d, struct bt_image *image)
{
    size_t width, height;
    uint8_t *canvas;
    int rc = find_frame(d);

    if (rc)
        return rc;
    width = (size_t)(d->gif->Image.Left + d->gif->Image.Width);
    height = (size_t)(d->gif->Image.Top + d->gif->Image.Height);
    width = width > (size_t)d->gif->SWidth ? width : (size_t)d->gif->SWidth;
    height = height > (size_t)d->gif->SHeight ? height : (size_t)d->gif->SHeight;
    if (width == 0 || height == 0)
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "%zu x %zu pixels", width, height);
    rc = bt_image_take(&image->rgb, width, height, d->options, d->reject);
    if (rc)
        return rc;
    canvas = malloc(width * height);
    if (!canvas)
        return bt_image_refuse(d->reject, "DECODE_MEM", "out of memory");
    memset(canvas, d->transparent < 0 ? 0 : d->transparent, width * height);
    rc = read_rows(d, canvas, width);
    if (!rc && !d->ended && !has_trailer(d)) {
        d->ended = true;
        rc = d->options->allow_truncated ? BT_OK : cut(d);
    }
    if (!rc)
        to_rgb(d, image->rgb, canvas, width * height);
    free(canvas);
    image->width = (int)width;
    image->height = (int)height;
    image->orientation = 1;
    image->alpha = d->transparent >= 0;
    image->damaged = d->ended;
    return rc;
}

int bt_gif_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                  const struct bt_image_options *options, struct bt_image_reject *reject)
{
    struct decoder d = { options, reject, bytes, size, 0, false, -1, NULL };
    int error = 0, rc;

    d.gif = DGifOpen(&d, on_read, &error);
    rc = d.gif ? decode(&d, image) : failed(&d, error);
    if (d.gif)
        DGifCloseFile(d.gif, NULL);
    return rc;
}
