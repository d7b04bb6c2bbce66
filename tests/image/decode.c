/* Decoding: cases that people ran into, each built here, with the pixels that Pillow 9.4 gives. */
#include "tests/image/fixtures.h"

static const struct bt_image_options truncated = { .allow_truncated = true },
                                     corrupt = { .allow_corrupt = true };

/* The first bytes of the decoded pixels. */
static void check_pixels(const struct bytes *file, const uint8_t *want, size_t size)
{
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };

    CHECK(bt_image_decode(&image, file->data, file->size, NULL, &reject) == BT_OK);
    CHECK(image.rgb && memcmp(image.rgb, want, size) == 0);
    bt_image_free(&image);
}

static struct bytes small_png(void)
{
    return png_of(2, 2, 8, 2, "\x0a\x14\x1e\x28\x32\x3c\x46\x50\x5a\x64\x6e\x78", 6, NULL, NULL, 0);
}

static void test_png_checksum(void)
{
    struct bytes png = small_png(), bad = png;
    unsigned long idat_crc = png.size - 12 - 4;

    CHECK_STR(decoded(&png, NULL), "2ce3b7f601378573");
    bad.data[idat_crc] ^= 1;
    CHECK_STR(decoded(&bad, NULL), "IMG_CORRUPT");
    CHECK_STR(decoded(&bad, &corrupt), "2ce3b7f601378573");
    CHECK_STR(decoded(&bad, &truncated), "IMG_CORRUPT");
}

static void test_png_cut(void)
{
    static const unsigned long cuts[] = { 12, 2, 20 }; /* no IEND; half of it; and the end of the zlib data */

    for (size_t i = 0; i < 3; i++) {
        struct bytes png = small_png();
        png.size -= cuts[i];
        CHECK_STR(decoded(&png, NULL), "IMG_TRUNCATED");
        CHECK_STR(decoded(&png, &truncated), "2ce3b7f601378573");
        CHECK_STR(decoded(&png, &corrupt), "IMG_TRUNCATED");
    }
}

static void test_png_every_prefix(void)
{
    struct bytes png = small_png();
    struct bt_image image;
    struct bt_image_reject reject;

    for (unsigned long size = 0; size < png.size; size++)
        CHECK(bt_image_decode(&image, png.data, size, NULL, &reject) == BT_ERR_IMAGE);
}

static void test_grey16_is_clipped(void)
{
    struct bytes png = png_of(6, 1, 16, 0, "\0\0\0\x01\0\xff\x01\0\x80\0\xff\xff", 12, NULL, NULL, 0);
    struct bytes rgb = png_of(2, 1, 16, 2, "\0\0\0\xff\x01\0\x7f\xff\x80\0\xff\xff", 12, NULL, NULL, 0);
    struct bt_image image = { 0 };
    struct bt_image_reject reject;

    CHECK_STR(decoded(&png, NULL), "e77adfc856d5d905");
    CHECK(bt_image_decode(&image, png.data, png.size, NULL, &reject) == BT_OK);
    CHECK(image.grey16);
    bt_image_free(&image);
    check_pixels(&rgb, (const uint8_t[]){ 0, 0, 1, 127, 128, 255 }, 6);
}

static void test_few_bits_and_transparency(void)
{
    struct bytes one = png_of(8, 1, 1, 0, "\xa0", 1, "tRNS", "\0\x01", 2);
    struct bytes two = png_of(4, 1, 2, 0, "\x1b", 1, NULL, NULL, 0);

    CHECK_STR(decoded(&one, NULL), "904054b1e6c1c02f");
    CHECK_STR(decoded(&two, NULL), "fed4cdda978b0621");
}

static void test_alpha_is_dropped(void)
{
    uint8_t rgba[4 * 4 * 4];
    struct bytes hidden, grey = png_of(2, 1, 8, 4, "\xc8\0\x32\xff", 4, NULL, NULL, 0);

    for (size_t i = 0; i < sizeof rgba; i++)
        rgba[i] = (const uint8_t[]){ 200, 100, 50, 0 }[i % 4];
    hidden = png_of(4, 4, 8, 6, rgba, 16, NULL, NULL, 0);
    check_pixels(&hidden, (const uint8_t[]){ 200, 100, 50, 200, 100, 50 }, 6);
    check_pixels(&grey, (const uint8_t[]){ 200, 200, 200, 50, 50, 50 }, 6);
}

static void check_background(const struct bytes *file, const uint8_t background[3], const uint8_t *want, size_t size)
{
    struct bt_image_options over = { .composite = true };
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };

    memcpy(over.background, background, 3);
    CHECK(bt_image_decode(&image, file->data, file->size, &over, &reject) == BT_OK);
    CHECK(image.alpha);
    CHECK(image.rgb && memcmp(image.rgb, want, size) == 0);
    bt_image_free(&image);
}

static void test_background(void)
{
    static const uint8_t white[3] = { 255, 255, 255 }, blue[3] = { 0, 0, 200 };
    struct bytes grey = png_of(2, 1, 8, 4, "\xc8\0\x32\xff", 4, NULL, NULL, 0);
    struct bytes half = png_of(1, 1, 8, 6, "\xff\0\0\x80", 4, NULL, NULL, 0);
    struct bytes key = png_of(2, 1, 8, 0, "\x07\x08", 2, "tRNS", "\0\x08", 2);
    struct bytes key2 = png_of(4, 1, 2, 0, "\x1b", 1, "tRNS", "\0\x02", 2);
    struct bytes hidden = webp_of((const uint8_t[]){ 9, 9, 9, 0, 200, 100, 50, 255 }, 2, 1, true);
    struct bytes gif = gif_of(2, 1, 0, 0, 2, 1, 1);

    check_background(&grey, white, (const uint8_t[]){ 255, 255, 255, 50, 50, 50 }, 6);
    check_background(&half, blue, (const uint8_t[]){ 128, 0, 100 }, 3);
    check_background(&key, white, (const uint8_t[]){ 7, 7, 7, 255, 255, 255 }, 6);
    check_background(&key2, blue, (const uint8_t[]){ 0, 0, 0, 85, 85, 85, 0, 0, 200, 255, 255, 255 }, 12);
    check_background(&hidden, blue, (const uint8_t[]){ 0, 0, 200, 200, 100, 50 }, 6);
    check_background(&gif, blue, (const uint8_t[]){ 0, 255, 7, 0, 0, 200 }, 6);
}

static void test_grey16_scaled(void)
{
    struct bytes png = png_of(6, 1, 16, 0, "\0\0\0\x01\0\xff\x01\0\x80\0\xff\xff", 12, NULL, NULL, 0);
    struct bt_image_options scale = { .scale_grey16 = true };
    struct bt_image image = { 0 };
    struct bt_image_reject reject;

    CHECK(bt_image_decode(&image, png.data, png.size, &scale, &reject) == BT_OK);
    for (int x = 0; x < 6; x++)
        CHECK_INT(image.rgb[x * 3], ((const int[]){ 0, 0, 0, 1, 128, 255 })[x]);
    bt_image_free(&image);
}

static void test_webp(void)
{
    uint8_t rgb[40 * 24 * 3], rgba[40 * 24 * 4], clear[4 * 4 * 4];
    struct bytes file;

    formula_picture(rgb, 40, 24);
    for (size_t i = 0; i < 40 * 24; i++) {
        memcpy(rgba + i * 4, rgb + i * 3, 3);
        rgba[i * 4 + 3] = 255;
    }
    file = webp_of(rgba, 40, 24, false);
    CHECK_STR(decoded(&file, NULL), "913efb87c1f0e478");
    for (size_t i = 0; i < sizeof clear; i++)
        clear[i] = (const uint8_t[]){ 200, 100, 50, 0 }[i % 4];
    file = webp_of(clear, 4, 4, true);
    check_pixels(&file, (const uint8_t[]){ 200, 100, 50, 200, 100, 50 }, 6);
    file = webp_of(clear, 4, 4, false);
    check_pixels(&file, (const uint8_t[]){ 0, 0, 0, 0, 0, 0 }, 6);
}

/* The frame where it stands; around it index 0, or the transparent one. */
static void test_gif_canvas(void)
{
    struct bytes inside = gif_of(3, 2, 1, 1, 2, 1, -1), transparent = gif_of(3, 2, 1, 1, 2, 1, 5);
    struct bytes beyond = gif_of(1, 1, 1, 0, 2, 1, -1);
    struct bt_image image = { 0 };
    struct bt_image_reject reject;

    check_pixels(&inside,
                 (const uint8_t[]){ 0, 255, 7, 0, 255, 7, 0, 255, 7, 0, 255, 7, 0, 255, 7, 1, 254, 7 }, 18);
    check_pixels(&transparent,
                 (const uint8_t[]){ 5, 250, 7, 5, 250, 7, 5, 250, 7, 5, 250, 7, 0, 255, 7, 1, 254, 7 }, 18);
    CHECK(bt_image_decode(&image, beyond.data, beyond.size, NULL, &reject) == BT_OK);
    CHECK(image.width == 3 && image.height == 1);
    bt_image_free(&image);
}

static struct bytes flat_jpeg(uint8_t r, uint8_t g, uint8_t b)
{
    uint8_t rgb[16 * 8 * 3];

    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = i % 3 == 0 ? r : i % 3 == 1 ? g : b;
    return jpeg_of(rgb, 16, 8, false);
}

static void test_several_pictures_in_a_file(void)
{
    struct bytes red = flat_jpeg(200, 30, 30), blue = flat_jpeg(30, 30, 200), two = red,
                 marked = { .size = 0 };

    CHECK_STR(decoded(&red, NULL), "07ebe5453c44bb7e");
    add_bytes(&two, blue.data, blue.size);
    CHECK_STR(decoded(&two, NULL), "07ebe5453c44bb7e");
    two.size -= 40;
    CHECK_STR(decoded(&two, NULL), "07ebe5453c44bb7e");
    add_bytes(&marked, red.data, 2);
    add_bytes(&marked, "\xff\xe2\0\x0eMPF\0II*\0\x08\0\0\0", 16);
    add_bytes(&marked, red.data + 2, red.size - 2);
    add_bytes(&marked, blue.data, blue.size);
    CHECK_STR(decoded(&marked, NULL), "07ebe5453c44bb7e");
}

static void test_cut_jpeg(void)
{
    for (int progressive = 0; progressive <= 1; progressive++) {
        struct bytes whole = formula_jpeg(40, 24, progressive), file = whole;
        char pixels[17];

        snprintf(pixels, sizeof pixels, "%.16s", decoded(&whole, NULL));
        if (!progressive)
            CHECK(whole.size == 1356 && strncmp(short_hash(whole.data, whole.size), "68bcf996c773", 12) == 0);
        for (unsigned long size = 2; size < whole.size; size++) {
            file.size = size;
            CHECK_STR(decoded(&file, NULL), "IMG_TRUNCATED");
        }
        memset(file.data + whole.size, 0, 64);
        file.size = whole.size + 64;
        CHECK_STR(decoded(&file, NULL), pixels);
    }
}

static void test_cut_jpeg_allowed(void)
{
    struct bytes half = formula_jpeg(40, 24, false);
    struct bt_image image = { 0 };
    struct bt_image_reject reject;

    half.size /= 2;
    CHECK_STR(decoded(&half, &truncated), "16ba089d356434ec");
    CHECK(bt_image_decode(&image, half.data, half.size, &truncated, &reject) == BT_OK);
    CHECK(image.damaged);
    bt_image_free(&image);
    half.size = 100; /* nothing to keep */
    CHECK_STR(decoded(&half, &truncated), "IMG_TRUNCATED");
}

static struct bytes with_app1(const struct bytes *jpeg, const char *payload, size_t size)
{
    struct bytes out = { .size = 0 };
    unsigned char head[4] = { 0xff, 0xe1, (unsigned char)((size + 2) >> 8), (unsigned char)(size + 2) };

    add_bytes(&out, jpeg->data, 2);
    add_bytes(&out, head, 4);
    add_bytes(&out, payload, size);
    add_bytes(&out, jpeg->data + 2, jpeg->size - 2);
    return out;
}

static void test_rotation_is_told_not_applied(void)
{
    static const char little[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    static const char big[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    static const char bad[] = "Exif\0\0II*\0\xff\xff\xff\xff";
    static const struct {
        const char *payload;
        size_t size;
        int orientation;
    } cases[] = { { little, sizeof little - 1, 6 }, { big, sizeof big - 1, 6 }, { bad, sizeof bad - 1, 1 } };
    struct bytes plain = formula_jpeg(24, 16, false);
    char pixels[17];

    snprintf(pixels, sizeof pixels, "%.16s", decoded(&plain, NULL));
    for (size_t i = 0; i < 3; i++) {
        struct bytes file = with_app1(&plain, cases[i].payload, cases[i].size);
        struct bt_image image = { 0 };
        struct bt_image_reject reject;

        CHECK_STR(decoded(&file, NULL), pixels);
        CHECK(bt_image_decode(&image, file.data, file.size, NULL, &reject) == BT_OK);
        CHECK(image.width == 24 && image.height == 16);
        CHECK_INT(image.orientation, cases[i].orientation);
        CHECK(!image.rotated);
        bt_image_free(&image);
    }
}

/* Orientation 6: the left column of the file, from below, is the top row. */
static void test_rotation_applied(void)
{
    static const char six[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    struct bytes plain = formula_jpeg(24, 16, false), file = with_app1(&plain, six, sizeof six - 1);
    struct bt_image_options turn = { .exif_rotate = true };
    struct bt_image stored = { 0 }, turned = { 0 };
    struct bt_image_reject reject;

    CHECK(bt_image_decode(&stored, file.data, file.size, NULL, &reject) == BT_OK);
    CHECK(bt_image_decode(&turned, file.data, file.size, &turn, &reject) == BT_OK);
    CHECK(turned.rotated && turned.width == 16 && turned.height == 24);
    for (int x = 0; x < 16; x++)
        CHECK(memcmp(turned.rgb + x * 3, stored.rgb + (15 - x) * 24 * 3, 3) == 0);
    bt_image_free(&stored);
    bt_image_free(&turned);
}

static void test_other_kinds_are_named(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *kind;
    } cases[] = {
        { "", 0, "an empty file" },
        { "<!DOCTYPE html><p>404", 21, "an HTML page" },
        { "\0\0\0\x18"
          "ftypavif",
          12, "AVIF" },
        { "GIF90a", 6, "text" },
        { "\n\xff\xd8\xff\xe0", 5, "a JPEG with other bytes in front" },
        { "BM\x36\0", 4, "BMP" },
        { "II*\0", 4, "TIFF" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_image image;
        struct bt_image_reject reject = { 0 };

        CHECK(bt_image_decode(&image, cases[i].bytes, cases[i].size, NULL, &reject) == BT_ERR_IMAGE);
        CHECK_STR(reject.code, "IMG_FORMAT");
        CHECK(strncmp(reject.detail, cases[i].kind, strlen(cases[i].kind)) == 0);
    }
}

static void test_limits(void)
{
    struct bytes jpeg = formula_jpeg(40, 24, false), png = small_png();
    struct bt_image_options few = { .max_pixels = 959 }, enough = { .max_pixels = 960 },
                            three = { .max_pixels = 3 };

    CHECK_STR(decoded(&jpeg, &few), "IMG_TOO_LARGE");
    CHECK(strncmp(decoded(&jpeg, &enough), "IMG", 3) != 0);
    CHECK_STR(decoded(&png, &three), "IMG_TOO_LARGE");
}

int main(void)
{
    RUN(test_png_checksum);
    RUN(test_png_cut);
    RUN(test_png_every_prefix);
    RUN(test_grey16_is_clipped);
    RUN(test_few_bits_and_transparency);
    RUN(test_alpha_is_dropped);
    RUN(test_background);
    RUN(test_grey16_scaled);
    RUN(test_webp);
    RUN(test_gif_canvas);
    RUN(test_several_pictures_in_a_file);
    RUN(test_cut_jpeg);
    RUN(test_cut_jpeg_allowed);
    RUN(test_rotation_is_told_not_applied);
    RUN(test_rotation_applied);
    RUN(test_other_kinds_are_named);
    RUN(test_limits);
    return test_end();
}
