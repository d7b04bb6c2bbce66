/* JPEG by libjpeg-turbo, asked for what Pillow asks: accurate integer DCT, fancy upsampling, no scaling.
 *
 * The source is the whole file and suspends at its end: libjpeg's own sources would put a false end marker
 * there and only warn, and a cut file would pass for a whole one (images.md 2.4). */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "libcommon/image/codec.h"

enum {
    MEMORY_LIMIT = 1 << 30, /* of libjpeg's own, formats.md 8 */
    MARGIN = 2, /* columns: upsampling mixes a chroma sample, at most two pixels wide, with its neighbours */
};

struct bt_jpeg {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf fail;
    const struct bt_image_options *options;
    size_t size;
    bool ended; /* the bytes ran out */
    bool too_many_scans;
    char warning[JMSG_LENGTH_MAX]; /* the first that is about damage; empty: none */
    bool warned_of_end;            /* ... and it says that data is missing */
    bt_crop_chooser *choose; /* NULL: the whole picture is wanted */
    void *context;
    struct bt_crop part; /* what is wanted */
    uint8_t *memory;
    uint8_t *row;        /* in it: one row as libjpeg gives it, when that is not one of the result */
    unsigned row_begin; /* the column it begins with */
};

static void on_error(j_common_ptr cinfo)
{
    struct bt_jpeg *d = cinfo->client_data;

    longjmp(d->fail, 1);
}

/* Called with -1 for a warning, 0 and more for tracing. Warnings that are not about damage do not count. */
static void on_message(j_common_ptr cinfo, int level)
{
    struct bt_jpeg *d = cinfo->client_data;
    int code = cinfo->err->msg_code;

    if (level >= 0 || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR || d->warning[0])
        return;
    cinfo->err->format_message(cinfo, d->warning);
    d->warned_of_end = code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF;
}

static void on_progress(j_common_ptr cinfo)
{
    struct bt_jpeg *d = cinfo->client_data;

    if (d->cinfo.input_scan_number > BT_IMAGE_MAX_SCANS) {
        d->too_many_scans = true;
        longjmp(d->fail, 1);
    }
}

static void source_nothing(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean source_fill(j_decompress_ptr cinfo)
{
    static const JOCTET end_marker[2] = { 0xff, JPEG_EOI };
    struct bt_jpeg *d = cinfo->client_data;

    d->ended = true;
    if (!d->options->allow_truncated)
        return FALSE;
    cinfo->src->next_input_byte = end_marker; /* what Pillow appends under LOAD_TRUNCATED_IMAGES */
    cinfo->src->bytes_in_buffer = sizeof end_marker;
    return TRUE;
}

static void source_skip(j_decompress_ptr cinfo, long count)
{
    struct jpeg_source_mgr *s = cinfo->src;
    size_t skip = count > 0 ? (size_t)count : 0;

    if (skip > s->bytes_in_buffer)
        skip = s->bytes_in_buffer; /* the next read finds the end */
    s->next_input_byte += skip;
    s->bytes_in_buffer -= skip;
}

static void setup(struct bt_jpeg *d, const uint8_t *bytes, size_t size)
{
    d->cinfo.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->cinfo.client_data = d;
    if (setjmp(d->fail)) /* only for want of memory; guarded() sets its own */
        return;
    jpeg_create_decompress(&d->cinfo);
    d->cinfo.mem->max_memory_to_use = MEMORY_LIMIT;
    d->progress.progress_monitor = on_progress;
    d->cinfo.progress = &d->progress;
    d->source = (struct jpeg_source_mgr){ bytes,         size,        source_nothing,
                                          source_fill,   source_skip, jpeg_resync_to_restart,
                                          source_nothing };
    d->cinfo.src = &d->source;
}

/* Pillow inverts every CMYK file, marker or not; then its cmyk2rgb (images.md 2.6). */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *row, unsigned width)
{
    for (unsigned x = 0; x < width; x++, row += 4, rgb += 3) {
        int n = row[3]; /* 255 - K, K = 255 - stored */
        for (int c = 0; c < 3; c++) {
            int t = (255 - row[c]) * n + 128;
            int value = n - (((t >> 8) + t) >> 8);
            rgb[c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static void grey_to_rgb(uint8_t *rgb, const uint8_t *row, unsigned width)
{
    for (unsigned x = 0; x < width; x++, rgb += 3)
        rgb[0] = rgb[1] = rgb[2] = row[x];
}

/* Passes over the rows above the part and the columns beside it. The pixels inside are those of the whole: rows begin with one of
 * MCUs, before which the library decodes another where upsampling looks up and down, and columns have a margin. A file of several
 * scans is decoded whole, since all its coefficients are read anyway and smoothing looks further. False when the file ends above. */
static bool narrow(struct bt_jpeg *d)
{
    struct jpeg_decompress_struct *c = &d->cinfo;
    unsigned left = (unsigned)d->part.left, begin = left < MARGIN ? 0 : left - MARGIN;
    unsigned end = left + (unsigned)d->part.width + MARGIN, width = (end < c->image_width ? end : c->image_width) - begin;
    unsigned mcu_height = DCTSIZE * (unsigned)c->max_v_samp_factor, rows = (unsigned)d->part.top / mcu_height * mcu_height;

    if (jpeg_has_multiple_scans(c))
        return true;
    jpeg_crop_scanline(c, &begin, &width); /* moves the begin to that of an MCU */
    d->row_begin = begin;
    jpeg_skip_scanlines(c, rows);
    return !d->ended;
}

static void put_row(struct bt_jpeg *d, uint8_t *rgb, const uint8_t *row)
{
    unsigned width = (unsigned)d->part.width;

    row += ((unsigned)d->part.left - d->row_begin) * (unsigned)d->cinfo.output_components;
    if (d->cinfo.out_color_space == JCS_CMYK)
        cmyk_to_rgb(rgb, row, width);
    else if (d->cinfo.out_color_space == JCS_GRAYSCALE)
        grey_to_rgb(rgb, row, width);
    else
        memcpy(rgb, row, (size_t)width * 3);
}

static int cut(struct bt_jpeg *d, struct bt_image_reject *reject)
{
    return bt_image_refuse(reject, "IMG_TRUNCATED", "the file of %zu bytes ends %s", d->size,
                           !d->cinfo.output_height ? "in its header"
                           : d->cinfo.output_scanline < d->cinfo.output_height
                               ? "before the last row of the picture"
                               : "without its end marker");
}

/* What libjpeg gave up on, as a code of ours. */
static int fatal(struct bt_jpeg *d, struct bt_image_reject *reject)
{
    char text[JMSG_LENGTH_MAX];
    const char *code = "IMG_CORRUPT";

    if (d->too_many_scans)
        return bt_image_refuse(reject, "IMG_SCANS", "more than %d scans", BT_IMAGE_MAX_SCANS);
    if (d->ended)
        return cut(d, reject);
    switch (d->errors.msg_code) {
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_UNKNOWN_MARKER:
    case JERR_COMPONENT_COUNT:
    case JERR_ARITH_NOTIMPL:
        code = "IMG_FORMAT";
        break;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW:
        code = "IMG_TOO_LARGE";
        break;
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        code = "DECODE_MEM";
        break;
    default:
        break;
    }
    d->errors.format_message((j_common_ptr)&d->cinfo, text);
    return bt_image_refuse(reject, code, "%s", text);
}

/* ---- steps, each of which libjpeg may end by a jump to `fail` ---- */

struct rows {
    uint8_t *rgb;
    size_t row_bytes;
    int count;
};
typedef int step(struct bt_jpeg *d, const struct rows *rows, struct bt_image_reject *reject);

static int begin(struct bt_jpeg *d, const struct rows *rows, struct bt_image_reject *reject)
{
    struct jpeg_decompress_struct *c = &d->cinfo;
    int rc;

    (void)rows;
    if (jpeg_read_header(c, TRUE) == JPEG_SUSPENDED)
        return cut(d, reject);
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        return bt_image_refuse(reject, "IMG_FORMAT", "JPEG of %d components", c->num_components);
    rc = bt_image_check(c->image_width, c->image_height, d->options, reject);
    if (rc)
        return rc;
    d->part = d->choose ? d->choose((int)c->image_width, (int)c->image_height, d->context)
                        : (struct bt_crop){ 0, 0, (int)c->image_height, (int)c->image_width };
    c->out_color_space = c->num_components == 1 ? JCS_GRAYSCALE : c->num_components == 3 ? JCS_RGB : JCS_CMYK;
    if (c->num_components != 3 || d->choose) {
        d->memory = malloc((size_t)c->image_width * 4 + BT_ASKEW);
        if (!d->memory)
            return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
        d->row = bt_image_askew(d->memory);
    }
    return jpeg_start_decompress(c) && (!d->choose || narrow(d)) ? BT_OK : cut(d, reject);
}

/* Rows where they belong. libjpeg suspends where the file ends before the last row of the part. */
static int read_in_place(struct bt_jpeg *d, const struct rows *rows, struct bt_image_reject *reject)
{
    enum { AT_ONCE = 4 }; /* of each call it gives at most what it upsamples together */
    JSAMPROW list[AT_ONCE];

    for (int y = 0, got; y < rows->count; y += got) {
        int wanted = rows->count - y < AT_ONCE ? rows->count - y : AT_ONCE;

        for (int i = 0; i < wanted; i++)
            list[i] = rows->rgb + (size_t)(y + i) * rows->row_bytes;
        got = (int)jpeg_read_scanlines(&d->cinfo, list, (JDIMENSION)wanted);
        if (got == 0)
            return cut(d, reject);
    }
    return BT_OK;
}

/* The same by way of a row of its own. */
static int read_rows(struct bt_jpeg *d, const struct rows *rows, struct bt_image_reject *reject)
{
    uint8_t *rgb = rows->rgb, *end = rgb + (size_t)rows->count * rows->row_bytes;

    if (!d->row)
        return read_in_place(d, rows, reject);
    while (rgb < end) {
        bool inside = d->cinfo.output_scanline >= (unsigned)d->part.top;

        if (jpeg_read_scanlines(&d->cinfo, &d->row, 1) != 1)
            return cut(d, reject);
        if (inside) {
            put_row(d, rgb, d->row);
            rgb += rows->row_bytes;
        }
    }
    return BT_OK;
}

/* Rows beneath the part are not looked at. */
static int finish(struct bt_jpeg *d, const struct rows *rows, struct bt_image_reject *reject)
{
    (void)rows;
    if ((unsigned)(d->part.top + d->part.height) == d->cinfo.image_height && !jpeg_finish_decompress(&d->cinfo))
        return cut(d, reject);
    if (d->warning[0] && !d->options->allow_corrupt && !(d->ended && d->options->allow_truncated))
        return bt_image_refuse(reject, d->warned_of_end ? "IMG_TRUNCATED" : "IMG_CORRUPT", "%s", d->warning);
    return BT_OK;
}

static int guarded(struct bt_jpeg *d, step *work, const struct rows *rows, struct bt_image_reject *reject)
{
    if (setjmp(d->fail))
        return fatal(d, reject);
    return work(d, rows, reject);
}

/* ---- */

int bt_jpeg_open(struct bt_jpeg **jpeg, const uint8_t *bytes, size_t size, bt_crop_chooser *choose, void *context,
                 const struct bt_image_options *options, struct bt_image_reject *reject)
{
    struct bt_jpeg *d = calloc(1, sizeof *d);
    int rc;

    if (!d)
        return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
    d->options = options;
    d->choose = choose;
    d->context = context;
    d->size = size;
    setup(d, bytes, size);
    rc = d->cinfo.src ? guarded(d, begin, NULL, reject) : fatal(d, reject);
    if (rc)
        bt_jpeg_close(d);
    else
        *jpeg = d;
    return rc;
}

const struct bt_crop *bt_jpeg_part(const struct bt_jpeg *d)
{
    return &d->part;
}

int bt_jpeg_read(struct bt_jpeg *d, uint8_t *rgb, size_t row_bytes, int count, struct bt_image_reject *reject)
{
    return guarded(d, read_rows, &(struct rows){ rgb, row_bytes, count }, reject);
}

int bt_jpeg_finish(struct bt_jpeg *d, struct bt_image_reject *reject)
{
    return guarded(d, finish, NULL, reject);
}

void bt_jpeg_close(struct bt_jpeg *d)
{
    if (!d)
        return;
    jpeg_destroy_decompress(&d->cinfo);
    free(d->memory);
    free(d);
}

int bt_jpeg_decode_part(struct bt_image *image, const uint8_t *bytes, size_t size, bt_crop_chooser *choose, void *context,
                        const struct bt_image_options *options, struct bt_image_reject *reject)
{
    struct bt_jpeg *d = NULL;
    struct bt_image made = { 0 };
    int rc = bt_jpeg_open(&d, bytes, size, choose, context, options, reject);

    if (rc)
        return rc;
    made.width = d->part.width;
    made.height = d->part.height;
    made.rgb = malloc((size_t)made.width * (size_t)made.height * 3);
    if (!made.rgb)
        rc = bt_image_refuse(reject, "DECODE_MEM", "no memory for %d x %d pixels", made.width, made.height);
    if (!rc)
        rc = bt_jpeg_read(d, made.rgb, (size_t)made.width * 3, made.height, reject);
    if (!rc)
        rc = bt_jpeg_finish(d, reject);
    if (!rc) {
        made.orientation = bt_exif_orientation_of_jpeg(bytes, size);
        made.grey = d->cinfo.num_components == 1;
        made.cmyk = d->cinfo.num_components == 4;
        made.damaged = d->ended || d->warning[0];
        *image = made;
    } else {
        free(made.rgb);
    }
    bt_jpeg_close(d);
    return rc;
}

int bt_jpeg_decode(struct bt_image *image, const uint8_t *bytes, size_t size, const struct bt_image_options *options,
                   struct bt_image_reject *reject)
{
    return bt_jpeg_decode_part(image, bytes, size, NULL, NULL, options, reject);
}
