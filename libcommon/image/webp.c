/* WebP by libwebp's demuxer and decoder: the first frame on a black canvas, alpha dropped, profiles ignored, as
 * Pillow has it from libwebp's animation decoder. A file must be whole: its demuxer knows no other (images.md
 * 2.5, formats.md 11). */
#include <stdlib.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "libcommon/image/codec.h"

static int orientation(WebPDemuxer *demux)
{
    WebPChunkIterator chunk;
    int value = 1;

    if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk)) {
        value = bt_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return value;
}

static int refuse_status(VP8StatusCode status, struct bt_image_reject *reject)
{
    if (status == VP8_STATUS_OUT_OF_MEMORY)
        return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
    if (status == VP8_STATUS_SUSPENDED || status == VP8_STATUS_NOT_ENOUGH_DATA)
        return bt_image_refuse(reject, "IMG_TRUNCATED", "the picture data ends early");
    return bt_image_refuse(reject, "IMG_CORRUPT", "libwebp refuses the picture data (status %d)", (int)status);
}

/* The frame into its place on the canvas [height][width][3]; the demuxer has made sure that it fits. */
static int draw(uint8_t *rgb, int width, const WebPIterator *frame, struct bt_image_reject *reject)
{
    size_t stride = (size_t)width * 3;
    WebPDecoderConfig config;
    VP8StatusCode status;

    if (!WebPInitDecoderConfig(&config))
        return bt_image_refuse(reject, "IMG_FORMAT", "libwebp is of another version than at build time");
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = rgb + (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = (size_t)(frame->height - 1) * stride + (size_t)frame->width * 3;
    status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? BT_OK : refuse_status(status, reject);
}

/* The canvas over the background: by the frame's alpha, and wholly where the frame does not cover it. */
static int composite(uint8_t *rgb, int width, int height, const WebPIterator *frame, const uint8_t background[3],
                     struct bt_image_reject *reject)
{
    int frame_width = 0, frame_height = 0;
    uint8_t *rgba = WebPDecodeRGBA(frame->fragment.bytes, frame->fragment.size, &frame_width, &frame_height);

    if (!rgba)
        return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, rgb += 3) {
            int fx = x - frame->x_offset, fy = y - frame->y_offset;
            bool inside = fx >= 0 && fx < frame_width && fy >= 0 && fy < frame_height;

            bt_image_blend(rgb, inside ? rgba[((size_t)fy * (size_t)frame_width + (size_t)fx) * 4 + 3] : 0,
                           background);
        }
    }
    WebPFree(rgba);
    return BT_OK;
}

static int decode(struct bt_image *image, WebPDemuxer *demux, const struct bt_image_options *options,
                  struct bt_image_reject *reject)
{
    uint32_t width = WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH), height = WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT);
    WebPIterator frame;
    int rc = bt_image_take(&image->rgb, width, height, options, reject);

    if (rc)
        return rc;
    if (!WebPDemuxGetFrame(demux, 1, &frame))
        return bt_image_refuse(reject, "IMG_CORRUPT", "no frame");
    image->width = (int)width;
    image->height = (int)height;
    image->orientation = orientation(demux);
    image->alpha = frame.has_alpha || frame.width != image->width || frame.height != image->height;
    rc = draw(image->rgb, image->width, &frame, reject);
    if (!rc && options->composite && image->alpha)
        rc = composite(image->rgb, image->width, image->height, &frame, options->background, reject);
    WebPDemuxReleaseIterator(&frame);
    return rc;
}

/* By the size that its RIFF header tells. */
static bool is_cut(const uint8_t *bytes, size_t size)
{
    uint64_t told = (uint64_t)bytes[4] | (uint64_t)bytes[5] << 8 | (uint64_t)bytes[6] << 16 | (uint64_t)bytes[7] << 24;

    return size <= 12 || told + 8 > size;
}

int bt_webp_decode(struct bt_image *image, const uint8_t *bytes, size_t size,
                   const struct bt_image_options *options, struct bt_image_reject *reject)
{
    const WebPData data = { bytes, size };
    WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
    WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
    int rc;

    if (state != WEBP_DEMUX_DONE && is_cut(bytes, size))
        rc = bt_image_refuse(reject, "IMG_TRUNCATED", "the file of %zu bytes ends before its last chunk", size);
    else if (state != WEBP_DEMUX_DONE)
        rc = bt_image_refuse(reject, "IMG_CORRUPT", "its chunks do not make a WebP file");
    else
        rc = decode(image, demux, options, reject);
    WebPDemuxDelete(demux);
    return rc;
}
