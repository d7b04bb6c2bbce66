/* Resizing: the worked numbers of images.md 3.6, and what must hold for every size. */
#include "tests/image/fixtures.h"

static struct bt_image picture(int width, int height)
{
    struct bt_image im = { .width = width, .height = height };

    im.rgb = malloc((size_t)width * (size_t)height * 3);
    if (!im.rgb)
        abort();
    formula_picture(im.rgb, width, height);
    return im;
}

static void test_worked_numbers(void)
{
    static const uint8_t want[18] = { 6, 1, 2, 18, 5, 10, 30, 14, 18, 24, 5, 9, 36, 9, 5, 48, 18, 19 };
    struct bt_image im = picture(5, 3);
    struct bt_err err = { 0 };
    uint8_t out[18];

    CHECK_OK(bt_image_resize(out, 3, 2, &im, NULL, &err), &err);
    CHECK(memcmp(out, want, sizeof want) == 0);
    free(im.rgb);
}

static void test_vector_equals_plain(void)
{
    struct bt_draw draw = bt_draw(1, BT_DRAW_TEST, 0, 0);
    struct bt_err err = { 0 };

    for (int i = 0; i < 400; i++) {
        int w = 1 + (int)bt_draw_below(&draw, 90), h = 1 + (int)bt_draw_below(&draw, 90);
        int to_w = 1 + (int)bt_draw_below(&draw, 90), to_h = 1 + (int)bt_draw_below(&draw, 90);
        struct bt_image im = picture(w, h);
        struct bt_crop crop = { .height = 1 + (int)bt_draw_below(&draw, (uint64_t)h),
                                .width = 1 + (int)bt_draw_below(&draw, (uint64_t)w) };
        size_t bytes = (size_t)to_w * (size_t)to_h * 3;
        uint8_t *a = malloc(bytes), *b = malloc(bytes);

        crop.top = (int)bt_draw_below(&draw, (uint64_t)(h - crop.height) + 1);
        crop.left = (int)bt_draw_below(&draw, (uint64_t)(w - crop.width) + 1);
        for (size_t k = 0; k < (size_t)w * (size_t)h * 3; k++)
            im.rgb[k] = (uint8_t)bt_draw_u32(&draw);
        CHECK_OK(bt_image_resize(a, to_w, to_h, &im, &crop, &err), &err);
        CHECK_OK(bt_image_resize_plain(b, to_w, to_h, &im, &crop, &err), &err);
        CHECK(memcmp(a, b, bytes) == 0);
        free(a);
        free(b);
        free(im.rgb);
    }
}

/* Many taps, and values that make their sums as large as they get. */
static void test_vector_equals_plain_from_far(void)
{
    struct bt_draw draw = bt_draw(2, BT_DRAW_TEST, 0, 0);
    struct bt_err err = { 0 };

    for (int i = 0; i < 60; i++) {
        int w = 80 + (int)bt_draw_below(&draw, i < 50 ? 400 : 4000), h = 1 + (int)bt_draw_below(&draw, 200), to = 1 + i % 4;
        struct bt_image im = picture(w, h);
        uint8_t a[4 * 4 * 3], b[sizeof a];
        size_t run = 1 + (size_t)bt_draw_below(&draw, 30);

        for (size_t k = 0; k < (size_t)w * (size_t)h * 3; k++)
            im.rgb[k] = k / run % 2 ? 255 : 0;
        if (i % 5 == 0)
            memset(im.rgb, 255, (size_t)w * (size_t)h * 3);
        CHECK_OK(bt_image_resize(a, to, to, &im, NULL, &err), &err);
        CHECK_OK(bt_image_resize_plain(b, to, to, &im, NULL, &err), &err);
        CHECK(memcmp(a, b, (size_t)(to * to) * 3) == 0);
        free(im.rgb);
    }
}

static void test_solid_stays_solid(void)
{
    static const uint8_t values[] = { 0, 1, 128, 254, 255 };
    struct bt_err err = { 0 };
    uint8_t out[50 * 40 * 3];

    for (size_t v = 0; v < sizeof values; v++) {
        struct bt_image im = picture(33, 61);

        memset(im.rgb, values[v], 33 * 61 * 3);
        CHECK_OK(bt_image_resize(out, 50, 40, &im, NULL, &err), &err);
        for (size_t i = 0; i < sizeof out; i++)
            if (out[i] != values[v]) {
                CHECK(out[i] == values[v]);
                break;
            }
        free(im.rgb);
    }
}

/* A crop is what resizing a copy of the crop gives: the filter does not see around it. */
static void test_crop_stops_at_its_edge(void)
{
    struct bt_image im = picture(64, 48), part = picture(36, 31);
    struct bt_crop crop = { 2, 4, 31, 36 };
    struct bt_err err = { 0 };
    uint8_t a[16 * 16 * 3], b[16 * 16 * 3];

    for (int y = 0; y < 31; y++)
        memcpy(part.rgb + y * 36 * 3, im.rgb + ((y + 2) * 64 + 4) * 3, 36 * 3);
    CHECK_OK(bt_image_resize(a, 16, 16, &im, &crop, &err), &err);
    CHECK_OK(bt_image_resize(b, 16, 16, &part, NULL, &err), &err);
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK_STR(short_hash(a, sizeof a), "79178bff14bf7680");
    CHECK_OK(bt_image_resize_box(a, 16, 16, &im, (const float[]){ 4, 2, 40, 33 }, &err), &err);
    CHECK_STR(short_hash(a, sizeof a), "1faab650163ab579");
    free(im.rgb);
    free(part.rgb);
}

static void test_bad_calls_fail(void)
{
    struct bt_image im = picture(8, 8);
    uint8_t out[12];
    struct bt_crop outside = { 5, 0, 4, 4 }, empty = { 0, 0, 0, 4 };
    struct bt_err err = { 0 };

    CHECK(bt_image_resize(out, 2, 2, &im, &outside, &err) == BT_ERR_BUG);
    bt_err_clear(&err);
    CHECK(bt_image_resize(out, 2, 2, &im, &empty, &err) == BT_ERR_BUG);
    bt_err_clear(&err);
    CHECK(bt_image_resize(out, 0, 2, &im, NULL, &err) == BT_ERR_BUG);
    bt_err_clear(&err);
    CHECK(bt_image_resize_box(out, 2, 2, &im, (const float[]){ 0, 0, 9, 8 }, &err) == BT_ERR_BUG);
    free(im.rgb);
}

int main(void)
{
    RUN(test_worked_numbers);
    RUN(test_vector_equals_plain);
    RUN(test_vector_equals_plain_from_far);
    RUN(test_solid_stays_solid);
    RUN(test_crop_stops_at_its_edge);
    RUN(test_bad_calls_fail);
    return test_end();
}
