/* Our side of images.sh: a job a line on stdin, an answer a line on stdout.
 *
 *     decode FILE        WIDTHxHEIGHT, sha256 of the pixels, sha256 of them at 224 x 224; or the reject's code; or
 *                        that a part of it, or its tensor, decoded from the file is another than that of the pixels
 *     resize W H W2 H2   sha256 of the formula picture of images.md 3.6, W x H, at W2 x H2 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/image/image.h"

static const char *hash(const uint8_t *rgb, int width, int height, char hex[65])
{
    uint8_t digest[32];

    bt_sha256(rgb, (size_t)width * (size_t)height * 3, digest);
    bt_hex(hex, digest, 32);
    return hex;
}

static const char *hash_resized(const struct bt_image *image, int width, int height, char hex[65])
{
    struct bt_err err = { 0 };
    uint8_t *out = malloc((size_t)width * (size_t)height * 3);

    if (!out || bt_image_resize(out, width, height, image, NULL, &err))
        snprintf(hex, 65, "failed");
    else
        hash(out, width, height, hex);
    free(out);
    return hex;
}

static struct bt_crop given(int width, int height, void *context)
{
    (void)width, (void)height;
    return *(const struct bt_crop *)context;
}

static bool same_part(const struct bt_image *whole, const char *bytes, size_t size, struct bt_crop crop)
{
    struct bt_image part = { 0 };
    struct bt_image_reject reject;
    bool same = bt_image_decode_part(&part, bytes, size, given, &crop, &reject) == BT_OK;

    for (int y = 0; y < crop.height && same; y++)
        same = memcmp(part.rgb + (size_t)y * (size_t)crop.width * 3,
                      whole->rgb + ((size_t)(crop.top + y) * (size_t)whole->width + (size_t)crop.left) * 3,
                      (size_t)crop.width * 3) == 0;
    bt_image_free(&part);
    return same;
}

static bool same_parts(const struct bt_image *whole, const char *bytes, size_t size)
{
    bool same = true;

    for (uint64_t i = 0; i < 4 && same; i++) {
        struct bt_draw draw = bt_draw(1, BT_DRAW_CROP, 0, i);

        same = same_part(whole, bytes, size, bt_crop_draw(whole->width, whole->height, 0.1, &draw));
    }
    return same;
}

static bool same_tensors(const struct bt_image *whole, const char *bytes, size_t size)
{
    enum { SIDE = 224 };
    static float a[3 * SIDE * SIDE], b[3 * SIDE * SIDE];
    struct bt_err err = { 0 };
    bool same = !bt_image_to_tensor(a, SIDE, whole, NULL, false, &err) && !bt_image_load_eval(b, SIDE, bytes, size, "", &err) &&
                memcmp(a, b, sizeof a) == 0;

    for (uint64_t i = 0; i < 2 && same; i++)
        same = !bt_image_train_tensor(a, SIDE, whole, BT_AUGMENT_AS_RUN, 1, 0, i, &err) &&
               !bt_image_load_train(b, SIDE, bytes, size, "", BT_AUGMENT_AS_RUN, 1, 0, i, &err) && memcmp(a, b, sizeof a) == 0;
    return same;
}

static void decode(const char *path)
{
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    struct bt_err err = { 0 };
    char *bytes = NULL, whole[65], small[65];
    size_t size;

    if (bt_file_read(path, 64 << 20, &bytes, &size, &err))
        printf("%s\n", err.text);
    else if (bt_image_decode(&image, bytes, size, NULL, &reject))
        printf("%s %s\n", reject.code, reject.detail);
    else if (!same_parts(&image, bytes, size) || !same_tensors(&image, bytes, size))
        puts("another when decoded in part");
    else
        printf("%dx%d %s %s\n", image.width, image.height, hash(image.rgb, image.width, image.height, whole),
               hash_resized(&image, 224, 224, small));
    bt_image_free(&image);
    free(bytes);
}

static void resize(int width, int height, int to_width, int to_height)
{
    struct bt_image image = { .width = width, .height = height };
    char hex[65];

    image.rgb = malloc((size_t)width * (size_t)height * 3);
    if (!image.rgb)
        abort();
    for (int y = 0, i = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            image.rgb[i++] = (uint8_t)(7 * x + 13 * y);
            image.rgb[i++] = (uint8_t)(x * x + 3 * y);
            image.rgb[i++] = (uint8_t)((x ^ y) * 5);
        }
    }
    puts(hash_resized(&image, to_width, to_height, hex));
    bt_image_free(&image);
}

int main(void)
{
    char line[4096];
    int v[4];

    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "decode ", 7) == 0)
            decode(line + 7);
        else if (sscanf(line, "resize %d %d %d %d", &v[0], &v[1], &v[2], &v[3]) == 4)
            resize(v[0], v[1], v[2], v[3]);
        else
            puts("no such job");
    }
    return 0;
}
