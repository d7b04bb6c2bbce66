/* Our side of images.sh: a job a line on stdin, an answer a line on stdout.
 *
 *     decode FILE        WIDTHxHEIGHT, sha256 of the pixels, sha256 of them at 224 x 224; or the reject's code
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
