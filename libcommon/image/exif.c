/* The one tag of Exif that matters here: orientation, so that a run can say how many pictures lie on their
 * side, or turn them. Data that does not parse counts as none. Source: images.md 2.3, TIFF 6.0 section 2. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/image/codec.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

struct tiff {
    const uint8_t *data;
    size_t size;
    bool big;
};

static unsigned u16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->data + at;

    return t->big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static size_t u32(const struct tiff *t, size_t at)
{
    size_t first = u16(t, at), second = u16(t, at + 2);

    return t->big ? first << 16 | second : second << 16 | first;
}

static int from_tiff(struct tiff t)
{
    size_t at, count;

    if (t.size < 8 || (memcmp(t.data, "II*\0", 4) != 0 && memcmp(t.data, "MM\0*", 4) != 0))
        return 1;
    t.big = t.data[0] == 'M';
    at = u32(&t, 4);
    if (at > t.size - 2)
        return 1;
    count = u16(&t, at);
    for (at += 2; count > 0 && at + 12 <= t.size; count--, at += 12) {
        if (u16(&t, at) == TAG_ORIENTATION && u16(&t, at + 2) == TYPE_SHORT) {
            unsigned value = u16(&t, at + 8);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

int bt_exif_orientation(const uint8_t *data, size_t size)
{
    size_t prefix = size >= 6 && memcmp(data, "Exif\0\0", 6) == 0 ? 6 : 0;

    return from_tiff((struct tiff){ data + prefix, size - prefix, false });
}

int bt_exif_orientation_of_jpeg(const uint8_t *bytes, size_t size)
{
    size_t at = 2;

    while (at + 4 <= size && bytes[at] == 0xff && bytes[at + 1] != 0xda) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];

        if (bytes[at + 1] == 0xff) { /* fill byte */
            at++;
            continue;
        }
        if (length < 2 || length > size - at - 2)
            return 1;
        if (bytes[at + 1] == 0xe1 && length >= 8 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
            return bt_exif_orientation(bytes + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

int bt_exif_apply(struct bt_image *image, struct bt_image_reject *reject)
{
    /* By orientation: the columns that are seen are the stored rows; x or y of the stored one runs backwards. */
    static const struct turn {
        bool swap, back_x, back_y;
    } turns[9] = { [2] = { false, true, false }, [3] = { false, true, true }, [4] = { false, false, true },
                   [5] = { true, false, false }, [6] = { true, false, true }, [7] = { true, true, true },
                   [8] = { true, true, false } };
    const struct turn turn = turns[image->orientation];
    int w = image->width, h = image->height;
    int seen_w = turn.swap ? h : w, seen_h = turn.swap ? w : h;
    uint8_t *seen = malloc((size_t)w * (size_t)h * 3), *to = seen;

    if (!seen)
        return bt_image_refuse(reject, "DECODE_MEM", "no memory to turn %d x %d pixels", w, h);
    for (int y = 0; y < seen_h; y++) {
        for (int x = 0; x < seen_w; x++, to += 3) {
            int from_x = turn.swap ? y : x, from_y = turn.swap ? x : y;

            from_x = turn.back_x ? w - 1 - from_x : from_x;
            from_y = turn.back_y ? h - 1 - from_y : from_y;
            memcpy(to, image->rgb + ((size_t)from_y * (size_t)w + (size_t)from_x) * 3, 3);
        }
    }
    free(image->rgb);
    image->rgb = seen;
    image->width = seen_w;
    image->height = seen_h;
    image->rotated = true;
    return BT_OK;
}
