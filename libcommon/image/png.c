/* PNG by libpng, which is shown only what makes pixels.
 *
 * The file's chunks are walked here first, under Pillow's rules for checksums and under our limits; libpng
 * then reads a view of the file that holds IHDR, PLTE, the IDATs and an IEND, with its own checksum tests
 * off. Text, profiles, gamma and transparency never reach it: they change no pixel (images.md 2.5, 2.6;
 * formats.md 8). */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "libcommon/image/codec.h"

enum { MAX_INFLATED = 4 << 20 };

struct piece {
    const uint8_t *data;
    size_t size;
};

struct decoder {
    const struct bt_image_options *options;
    struct bt_image_reject *reject;
    struct piece
        pieces[BT_IMAGE_MAX_CHUNKS + 5]; /* the view for libpng: signature, chunks, a cut one, our IEND */
    int piece_count, piece_at;
    size_t piece_used;
    uint8_t cut_header[8];
    bool seen_palette, seen_idat, seen_end;
    bool cut, corrupt;      /* accepted only under an option */
    const uint8_t *palette; /* PLTE, three bytes an entry */
    unsigned palette_count;
    const uint8_t *transparency; /* tRNS: alpha of palette entries, or the one transparent colour */
    size_t transparency_size;
    int orientation;
    png_structp png;
    png_infop info;
    char message[120]; /* libpng's error, or its first warning */
    bool warned;
    uint8_t *rgb, *row, *all;
};

static const uint8_t end_chunk[12] = { 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82 };

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- the walk ---- */

static int damage(struct decoder *d, bool *flag, bool allowed, const char *code, const char *what)
{
    *flag = true;
    return allowed ? BT_OK : bt_image_refuse(d->reject, code, "%s", what);
}

static int cut_short(struct decoder *d, const char *what)
{
    return damage(d, &d->cut, d->options->allow_truncated, "IMG_TRUNCATED", what);
}

static void add_piece(struct decoder *d, const uint8_t *data, size_t size)
{
    d->pieces[d->piece_count++] = (struct piece){ data, size };
}

/* A compressed side chunk is inflated as far as the limit and thrown away: a bomb is refused, damage is
 * Pillow's business no more than ours. */
static int check_inflated(struct decoder *d, const char *type, const uint8_t *data, size_t size)
{
    uint8_t out[8192];
    z_stream z = { .next_in = (Bytef *)data, .avail_in = (uInt)size };
    int status = inflateInit(&z);

    while (status == Z_OK && z.total_out <= MAX_INFLATED) {
        z.next_out = out;
        z.avail_out = sizeof out;
        status = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    if (z.total_out > MAX_INFLATED)
        return bt_image_refuse(d->reject, "IMG_CHUNK", "%s chunk inflates beyond %d bytes", type,
                               MAX_INFLATED);
    return BT_OK;
}

/* Where the compressed part of a side chunk begins; 0: there is none. */
static size_t compressed_at(const char *type, const uint8_t *data, size_t size)
{
    const uint8_t *name_end = memchr(data, 0, size), *end = data + size, *p;

    if (!name_end || end - name_end < 3)
        return 0;
    if (strcmp(type, "zTXt") == 0 || strcmp(type, "iCCP") == 0)
        return (size_t)(name_end + 2 - data);
    if (strcmp(type, "iTXt") != 0 || name_end[1] != 1)
        return 0;
    p = memchr(name_end + 3, 0, (size_t)(end - name_end - 3)); /* language */
    p = p ? memchr(p + 1, 0, (size_t)(end - p - 1)) : NULL;    /* translated keyword */
    return p ? (size_t)(p + 1 - data) : 0;
}

static int check_header(struct decoder *d, const uint8_t *data, size_t size)
{
    static const uint8_t depths[7] = { 0x1f, 0, 0x18, 0x0f, 0x18, 0, 0x18 }; /* bit n: depth 2^n */
    unsigned depth, type;
    uint32_t width, height;

    if (size != 13)
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "header chunk of %zu bytes", size);
    width = u32(data);
    height = u32(data + 4);
    depth = data[8];
    type = data[9];
    if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX)
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "size %u x %u", width, height);
    if (type > 6 || depth == 0 || depth > 16 || (depth & (depth - 1)) != 0 ||
        !(depths[type] >> __builtin_ctz(depth) & 1))
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "colour type %u with %u bits", type, depth);
    if (data[10] || data[11] || data[12] > 1)
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "unknown compression, filter or interlace method");
    return bt_image_take(&d->rgb, width, height, d->options, d->reject);
}

/* One chunk whose bytes are all there. `first`: it follows the signature. */
static int check_chunk(struct decoder *d, const uint8_t *chunk, size_t size, bool first)
{
    char type[5] = { (char)chunk[4], (char)chunk[5], (char)chunk[6], (char)chunk[7], 0 };
    const uint8_t *data = chunk + 8;
    bool crc_good = crc32(crc32(0, Z_NULL, 0), chunk + 4, (uInt)size + 4) == u32(data + size);
    size_t at;

    if (first != (strcmp(type, "IHDR") == 0))
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "the header chunk is not the first, or comes twice");
    if (strcmp(type, "IDAT") == 0) {
        d->seen_idat = true;
        add_piece(d, chunk, size + 12);
        return crc_good ? BT_OK
                        : damage(d, &d->corrupt, d->options->allow_corrupt, "IMG_CORRUPT",
                                 "wrong checksum on pixel data");
    }
    if (strcmp(type, "IEND") == 0)
        d->seen_end = true;
    if (strcmp(type, "eXIf") == 0 && crc_good)
        d->orientation = bt_exif_orientation(data, size);
    if (d->seen_idat) /* what follows the pixels cannot change them */
        return BT_OK;
    if (!crc_good)
        return bt_image_refuse(d->reject, "IMG_CORRUPT", "wrong checksum on chunk %s", type);
    if (first) {
        add_piece(d, chunk, size + 12);
        return check_header(d, data, size);
    }
    if (strcmp(type, "PLTE") == 0 && !d->seen_palette) {
        d->seen_palette = true;
        d->palette = data;
        d->palette_count = (unsigned)size / 3;
        add_piece(d, chunk, size + 12);
    }
    if (strcmp(type, "tRNS") == 0) {
        d->transparency = data;
        d->transparency_size = size;
    }
    at = compressed_at(type, data, size);
    return at ? check_inflated(d, type, data + at, size - at) : BT_OK;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The last chunk of a cut file: libpng gets the part of an IDAT that is there, as a chunk of that length.
 * The four zeros more are for libpng, which wants input before it takes the rows that inflate has ready. */
static int last_chunk(struct decoder *d, const uint8_t *chunk, size_t left)
{
    static const uint8_t tail[8]; /* the zeros, and a checksum that is not tested */
    uint32_t length = (uint32_t)left - 8 + 4;
    int rc = cut_short(d, "the file ends inside a chunk");

    if (rc == BT_OK && left > 8 && memcmp(chunk + 4, "IDAT", 4) == 0) {
        for (int i = 0; i < 4; i++)
            d->cut_header[i] = (uint8_t)(length >> (24 - 8 * i));
        memcpy(d->cut_header + 4, "IDAT", 4);
        d->seen_idat = true;
        add_piece(d, d->cut_header, 8);
        add_piece(d, chunk + 8, left - 8);
        add_piece(d, tail, sizeof tail);
    }
    return rc;
}

static int walk(struct decoder *d, const uint8_t *bytes, size_t size)
{
    size_t at = 8;
    int rc = BT_OK;

    add_piece(d, bytes, at);
    for (int count = 0; rc == BT_OK && !d->seen_end && at < size; count++) {
        size_t left = size - at, length;

        if (count == BT_IMAGE_MAX_CHUNKS)
            return bt_image_refuse(d->reject, "IMG_CHUNK", "more than %d chunks", BT_IMAGE_MAX_CHUNKS);
        if (left < 8)
            return last_chunk(d, bytes + at, left);
        for (int i = 4; i < 8; i++)
            if (!is_letter(bytes[at + (size_t)i]))
                return bt_image_refuse(d->reject, "IMG_CORRUPT", "chunk name is not letters at byte %zu", at);
        length = u32(bytes + at);
        if (length > INT32_MAX)
            return bt_image_refuse(d->reject, "IMG_CORRUPT", "chunk of %zu bytes at byte %zu", length, at);
        if (length + 12 > left)
            return last_chunk(d, bytes + at, left);
        rc = check_chunk(d, bytes + at, length, count == 0);
        at += length + 12;
    }
    if (rc == BT_OK && !d->seen_end)
        rc = cut_short(d, "the file ends without its end chunk");
    return rc;
}

/* ---- libpng ---- */

static void on_error(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);

    snprintf(d->message, sizeof d->message, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);

    if (!d->warned)
        snprintf(d->message, sizeof d->message, "%s", text);
    d->warned = true;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct decoder *d = png_get_io_ptr(png);

    while (size > 0) {
        const struct piece *p = &d->pieces[d->piece_at];
        size_t count;

        if (d->piece_at == d->piece_count)
            png_error(png, "Not enough data");
        count = p->size - d->piece_used < size ? p->size - d->piece_used : size;
        memcpy(to, p->data + d->piece_used, count);
        to += count;
        size -= count;
        d->piece_used += count;
        if (d->piece_used == p->size) {
            d->piece_at++;
            d->piece_used = 0;
        }
    }
}

/* One row as libpng gives it, to RGB by Pillow's rules: alpha and transparency dropped, the high byte of
 * 16 bits, but 16-bit grey clipped; palette indices beyond PLTE are grey. */
static void row_to_rgb(const struct decoder *d, uint8_t *rgb, const uint8_t *row, uint32_t width, int type,
                       int depth)
{
    size_t sample = depth == 16 ? 2 : 1, step = sample * png_get_channels(d->png, d->info);

    for (uint32_t x = 0; x < width; x++, row += step, rgb += 3) {
        if (type & PNG_COLOR_MASK_PALETTE) {
            const uint8_t *entry = d->palette + (size_t)row[0] * 3;
            bool inside = row[0] < d->palette_count;
            for (int c = 0; c < 3; c++)
                rgb[c] = inside ? entry[c] : row[0];
        } else if (type & PNG_COLOR_MASK_COLOR) {
            for (size_t c = 0; c < 3; c++)
                rgb[c] = row[c * sample];
        } else {
            bool clip = type == PNG_COLOR_TYPE_GRAY && depth == 16 && !d->options->scale_grey16;
            rgb[0] = rgb[1] = rgb[2] = !clip ? row[0] : row[0] ? 255 : row[1];
        }
    }
}

/* True when the samples are those of the one transparent colour; a row of few bits was expanded to 8. */
static bool is_transparent(const struct decoder *d, const uint8_t *row, size_t channels, int depth)
{
    unsigned expand = depth < 8 ? 255u / ((1u << depth) - 1) : 1;

    if (d->transparency_size < 2 * channels)
        return false;
    for (size_t c = 0; c < channels; c++) {
        const uint8_t *key = d->transparency + 2 * c;
        bool same = depth == 16 ? memcmp(key, row + 2 * c, 2) == 0 : key[1] * expand == row[c];
        if (!same)
            return false;
    }
    return true;
}

static void composite_row(const struct decoder *d, uint8_t *rgb, const uint8_t *row, uint32_t width, int type,
                          int depth)
{
    size_t sample = depth == 16 ? 2 : 1, channels = png_get_channels(d->png, d->info), step = sample * channels;

    for (uint32_t x = 0; x < width; x++, row += step, rgb += 3) {
        unsigned alpha = 255;

        if (type & PNG_COLOR_MASK_ALPHA)
            alpha = row[step - sample];
        else if (type & PNG_COLOR_MASK_PALETTE)
            alpha = row[0] < d->transparency_size ? d->transparency[row[0]] : 255;
        else if (is_transparent(d, row, channels, depth))
            alpha = 0;
        bt_image_blend(rgb, alpha, d->options->background);
    }
}

static bool has_alpha(const struct decoder *d, int type)
{
    return (type & PNG_COLOR_MASK_ALPHA) || d->transparency;
}

static bool read_pixels(struct decoder *d)
{
    png_structp png = d->png;
    uint32_t width = png_get_image_width(png, d->info), height = png_get_image_height(png, d->info);
    int type = png_get_color_type(png, d->info), depth = png_get_bit_depth(png, d->info);
    int passes = png_set_interlace_handling(png);
    size_t row_bytes;

    if (depth < 8 && type == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(png);
    png_set_packing(png);
    png_read_update_info(png, d->info);
    row_bytes = png_get_rowbytes(png, d->info);
    d->all = calloc(passes > 1 ? height : 1, row_bytes);
    if (!d->all)
        return false;
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < height; y++) {
            uint8_t *row = d->all + (passes > 1 ? y * row_bytes : 0), *rgb = d->rgb + (size_t)y * width * 3;

            png_read_row(png, row, NULL);
            if (pass < passes - 1)
                continue;
            row_to_rgb(d, rgb, row, width, type, depth);
            if (d->options->composite && has_alpha(d, type))
                composite_row(d, rgb, row, width, type, depth);
        }
    }
    png_read_end(png, NULL);
    return true;
}

/* libpng's errors that say data is missing, as against wrong. */
static bool says_missing(const char *message)
{
    return strstr(message, "Not enough") || strstr(message, "Read Error") || strstr(message, "too short");
}

static int decode(struct decoder *d)
{
    bool allowed;

    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info)
        return bt_image_refuse(d->reject, "DECODE_MEM", "out of memory");
    if (setjmp(png_jmpbuf(d->png))) {
        bool missing = d->cut || says_missing(d->message);

        /* The rows read so far stand, the others are black, when that was asked for. */
        if (missing && d->options->allow_truncated) {
            d->cut = true;
            return BT_OK;
        }
        return bt_image_refuse(d->reject, missing ? "IMG_TRUNCATED" : "IMG_CORRUPT", "%s", d->message);
    }
    png_set_benign_errors(d->png, 1);
    if (d->cut)
        png_set_option(d->png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);
    png_set_crc_action(d->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_user_limits(d->png, BT_IMAGE_MAX_SIDE, BT_IMAGE_MAX_SIDE);
    png_set_check_for_invalid_index(d->png, 0);
    png_set_read_fn(d->png, d, on_read);
    png_read_info(d->png, d->info);
    if (!read_pixels(d))
        return bt_image_refuse(d->reject, "DECODE_MEM", "out of memory");
    allowed = d->options->allow_corrupt || (d->cut && d->options->allow_truncated);
    return d->warned ? damage(d, &d->corrupt, allowed, "IMG_CORRUPT", d->message) : BT_OK;
}

int bt_png_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                  const struct bt_image_options *options, struct bt_image_reject *reject)
{
    struct decoder *d = calloc(1, sizeof *d);
    int rc;

    if (!d)
        return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
    d->options = options;
    d->reject = reject;
    d->orientation = 1;
    rc = walk(d, bytes, size);
    if (rc == BT_OK && !d->rgb)
        rc = bt_image_refuse(reject, "IMG_TRUNCATED", "the file of %zu bytes ends in its header", size);
    if (rc == BT_OK && !d->seen_idat)
        rc = bt_image_refuse(reject, "IMG_CORRUPT", "no pixel data");
    if (rc == BT_OK) {
        add_piece(d, end_chunk, sizeof end_chunk);
        rc = decode(d);
    }
    if (rc == BT_OK) {
        const uint8_t *header = bytes + 16;

        *image = (struct bt_image){ .width = (int)u32(header),
                                    .height = (int)u32(header + 4),
                                    .rgb = d->rgb,
                                    .orientation = d->orientation,
                                    .alpha = has_alpha(d, header[9]),
                                    .grey16 = header[8] == 16 && header[9] == PNG_COLOR_TYPE_GRAY,
                                    .damaged = d->cut || d->corrupt };
        d->rgb = NULL;
    }
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->rgb);
    free(d->all);
    free(d);
    return rc;
}
