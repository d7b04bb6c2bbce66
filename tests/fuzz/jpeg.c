/* Files of JPEG. See picture.h. And a part of a file that decodes has the pixels that it has in the whole. */
#include "tests/fuzz/picture.h"

/* Somewhere, as the last bytes of the file say. */
static struct bt_crop somewhere(int width, int height, void *context)
{
    const uint8_t *say = context;
    int top = say[0] * height / 256, left = say[1] * width / 256;

    return (struct bt_crop){ top, left, 1 + say[2] * (height - top - 1) / 255, 1 + say[3] * (width - left - 1) / 255 };
}

static void compare_part(const uint8_t *data, size_t size)
{
    static const struct bt_image_options small = { .max_pixels = 1 << 20 };
    struct bt_image whole = { 0 }, part = { 0 };
    struct bt_image_reject reject = { 0 };
    uint8_t say[4];
    struct bt_crop crop;
    bool good = bt_image_decode(&whole, data, size, &small, &reject) == BT_OK;

    memcpy(say, data + size - sizeof say, sizeof say);
    if (bt_image_decode_part(&part, data, size, somewhere, say, &reject)) {
        if (good)
            abort();
        return;
    }
    if (good) {
        crop = somewhere(whole.width, whole.height, say);
        for (int y = 0; y < part.height; y++)
            if (memcmp(part.rgb + (size_t)y * (size_t)part.width * 3,
                       whole.rgb + ((size_t)(crop.top + y) * (size_t)whole.width + (size_t)crop.left) * 3,
                       (size_t)part.width * 3) != 0)
                abort();
    }
    bt_image_free(&whole);
    bt_image_free(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_picture(data, size, "JPEG");
    if (size >= 4 && strcmp(bt_image_kind(data, size), "JPEG") == 0)
        compare_part(data, size);
    return 0;
}
