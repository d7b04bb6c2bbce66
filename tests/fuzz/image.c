/* Any bytes: decoding answers with a picture or a reject, within its limits, under every option. */
#include "libcommon/image/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bt_image_options options[] = { { 1 << 20, false, false }, { 1 << 20, true, true } };

    for (size_t i = 0; i < 2; i++) {
        struct bt_image image;
        struct bt_image_reject reject;

        if (bt_image_decode(&image, data, size, &options[i], &reject) == BT_OK) {
            if (image.width < 1 || image.height < 1 || image.orientation < 1 || image.orientation > 8)
                __builtin_trap();
            bt_image_free(&image);
        }
    }
    return 0;
}
