/* Random crops as a distribution, the table of tensor values, and a training sample as a function of its
 * key. */
#include "tests/image/fixtures.h"

static void test_crop_distribution(void)
{
    enum { COUNT = 100000, W = 640, H = 480 };
    double area_sum = 0, log_ratio_sum = 0;
    int fallbacks = 0, bad = 0;

    for (uint64_t i = 0; i < COUNT; i++) {
        struct bt_draw draw = bt_draw(7, BT_DRAW_CROP, 3, i);
        struct bt_crop c = bt_crop_draw(W, H, 0.5, &draw), central = bt_crop_central(W, H);
        double area = (double)c.width * c.height / (W * H), ratio = (double)c.width / c.height;

        bad += c.top < 0 || c.left < 0 || c.top + c.height > H || c.left + c.width > W;
        if (memcmp(&c, &central, sizeof c) == 0) {
            fallbacks++;
            continue;
        }
        bad += area < 0.495 || area > 1.0 || ratio < 0.745 || ratio > 1.345;
        area_sum += area;
        log_ratio_sum += log(ratio);
    }
    CHECK_INT(bad, 0);
    CHECK(fallbacks > 20 && fallbacks < 400); /* 0.1 % at this size, data.md 7.1 */
    CHECK_NEAR(area_sum / COUNT, 0.68, 0.02); /* large areas fit less often than their share of 0.5 to 1 */
    CHECK(log_ratio_sum / COUNT > 0.0);       /* a wide picture favours wide crops */
}

static void test_crop_fallback(void)
{
    struct bt_crop wide = bt_crop_central(1000, 500), tall = bt_crop_central(400, 1200);
    int central = 0;

    CHECK(wide.top == 0 && wide.left == 166 && wide.width == 667 && wide.height == 500);
    CHECK(tall.top == 333 && tall.left == 0 && tall.width == 400 && tall.height == 533);
    for (uint64_t i = 0; i < 4000; i++) {
        struct bt_draw draw = bt_draw(1, BT_DRAW_CROP, 0, i);
        struct bt_crop c = bt_crop_draw(1000, 500, 0.5, &draw);
        central += memcmp(&c, &wide, sizeof c) == 0;
    }
    CHECK_NEAR(central / 4000.0, 0.43, 0.03);
}

static void test_table(void)
{
    static const struct {
        int u;
        uint32_t bits[3];
    } want[] = {
        { 0, { 0xbfe568dc, 0xbfe044b8, 0xbfbd77d8 } },
        { 127, { 0x3d7ce092, 0x3e1d9531, 0x3ea6c5e6 } },
        { 128, { 0x3d9c5620, 0x3e2cf36b, 0x3eae0dc4 } },
        { 255, { 0x3ff71541, 0x4004cae5, 0x40095660 } },
    };
    float table[3][256];

    bt_image_tensor_table(table);
    for (size_t i = 0; i < 4; i++)
        for (size_t c = 0; c < 3; c++)
            CHECK(memcmp(&table[c][want[i].u], &want[i].bits[c], 4) == 0);
}

/* However a tensor is computed, its values are those of the table: all of them, in every column. */
static void test_every_value(void)
{
    static uint8_t rgb[256 * 256 * 3];
    static float chw[3 * 256 * 256];
    float table[3][256];
    struct bt_err err = { 0 };

    bt_image_tensor_table(table);
    for (int side = 1; side <= 256; side += side == 17 ? 239 : 1) {
        struct bt_image im = { .width = side, .height = side, .rgb = rgb };
        size_t n = (size_t)side;

        for (int flip = 0; flip <= 1; flip++) {
            int bad = 0;

            for (size_t i = 0; i < n * n * 3; i++)
                rgb[i] = (uint8_t)(i / 3 + i / 3 / n + i % 3 * 85);
            CHECK_OK(bt_image_to_tensor(chw, side, &im, NULL, flip, &err), &err);
            for (size_t i = 0; i < n * n * 3; i++) {
                size_t y = i / 3 / n, x = i / 3 % n;

                bad += chw[(i % 3 * n + y) * n + (flip ? n - 1 - x : x)] != table[i % 3][rgb[i]];
            }
            CHECK_INT(bad, 0);
        }
    }
}

static void test_flip_mirrors_the_result(void)
{
    enum { S = 20 };
    static float a[3 * S * S], b[3 * S * S];
    struct bt_image im = { .width = 31, .height = 17 };
    struct bt_err err = { 0 };
    int bad = 0;

    im.rgb = malloc(31 * 17 * 3);
    formula_picture(im.rgb, 31, 17);
    CHECK_OK(bt_image_to_tensor(a, S, &im, NULL, false, &err), &err);
    CHECK_OK(bt_image_to_tensor(b, S, &im, NULL, true, &err), &err);
    for (size_t row = 0; row < 3 * S; row++)
        for (size_t x = 0; x < S; x++)
            bad += a[row * S + x] != b[row * S + S - 1 - x];
    CHECK_INT(bad, 0);
    free(im.rgb);
}

static void test_training_sample_is_a_function_of_its_key(void)
{
    enum { S = 24 };
    static float a[3 * S * S], b[3 * S * S];
    struct bytes jpeg = formula_jpeg(64, 40, false);
    struct bt_err err = { 0 };
    int different = 0;

    for (uint64_t index = 0; index < 20; index++) {
        CHECK_OK(bt_image_load_train(a, S, jpeg.data, jpeg.size, "a.jpg", BT_AUGMENT_NONE, 5, 2, index, &err), &err);
        CHECK_OK(bt_image_load_train(b, S, jpeg.data, jpeg.size, "a.jpg", BT_AUGMENT_NONE, 5, 2, index, &err), &err);
        CHECK(memcmp(a, b, sizeof a) == 0);
        CHECK_OK(bt_image_load_train(b, S, jpeg.data, jpeg.size, "a.jpg", BT_AUGMENT_NONE, 5, 3, index, &err), &err);
        different += memcmp(a, b, sizeof a) != 0;
    }
    CHECK(different >= 19);
    CHECK_OK(bt_image_load_eval(a, S, jpeg.data, jpeg.size, "a.jpg", &err), &err);
    CHECK(bt_image_load_eval(a, S, jpeg.data, jpeg.size / 2, "a.jpg", &err) == BT_ERR_IMAGE);
    CHECK(strncmp(err.text, "a.jpg: ", 7) == 0 && strstr(err.text, "IMG_TRUNCATED"));
}

int main(void)
{
    RUN(test_crop_distribution);
    RUN(test_crop_fallback);
    RUN(test_table);
    RUN(test_every_value);
    RUN(test_flip_mirrors_the_result);
    RUN(test_training_sample_is_a_function_of_its_key);
    return test_end();
}
