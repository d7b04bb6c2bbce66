/* RandomAugment: what images.md 5 says of single operations, and the draws of images.md 5.1. */
#include "libcommon/base/rng.h"
#include "libcommon/image/image.h"
#include "tests/test.h"

static void apply(uint8_t *rgb, int width, int height, struct bt_augment_step step)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_augment_apply(rgb, width, height, &step, &err), &err);
}

/* As run, a channel whose least value is above 0 turns white; one from 0 to 25 reaches 254, not 255. */
static void test_auto_contrast(void)
{
    uint8_t as_run[6] = { 0, 1, 9, 25, 200, 9 }, intended[6] = { 0, 1, 9, 25, 200, 9 };

    apply(as_run, 2, 1, (struct bt_augment_step){ .op = BT_OP_AUTO_CONTRAST });
    CHECK(memcmp(as_run, (const uint8_t[]){ 0, 255, 9, 254, 255, 9 }, 6) == 0);
    apply(intended, 2, 1, (struct bt_augment_step){ .op = BT_OP_AUTO_CONTRAST, .intended = true });
    CHECK(memcmp(intended, (const uint8_t[]){ 0, 0, 9, 254, 255, 9 }, 6) == 0);
}

static void test_equalize(void)
{
    static uint8_t flat[32 * 32 * 3], two[32 * 32 * 3];

    memset(flat, 77, sizeof flat);
    for (size_t i = 0; i < sizeof two; i++)
        two[i] = i < sizeof two / 2 ? 10 : 20; /* 512 of each: step 2, so 10 stays dark and 20 is 255 */
    apply(flat, 32, 32, (struct bt_augment_step){ .op = BT_OP_EQUALIZE });
    CHECK(flat[0] == 77 && flat[sizeof flat - 1] == 77);
    apply(two, 32, 32, (struct bt_augment_step){ .op = BT_OP_EQUALIZE });
    CHECK_INT(two[0], 0);
    CHECK_INT(two[sizeof two - 1], 255);
}

/* Positive moves content left and up, and shows the fill. */
static void test_translate(void)
{
    uint8_t row[8 * 3], column[8 * 3];
    struct bt_augment_step step = { BT_OP_TRANSLATE_X, 5, { 128, 129, 130 }, false };

    for (int i = 0; i < 24; i++)
        row[i] = column[i] = (uint8_t)i;
    apply(row, 8, 1, step);
    CHECK_INT(row[0], 15);
    CHECK_INT(row[2 * 3 + 2], 23);
    CHECK(memcmp(row + 3 * 3, step.fill, 3) == 0);
    step.op = BT_OP_TRANSLATE_Y;
    step.argument = -5;
    apply(column, 1, 8, step);
    CHECK(memcmp(column, step.fill, 3) == 0);
    CHECK_INT(column[5 * 3], 0);
}

static void test_identities_at_level_5(void)
{
    uint8_t rgb[4 * 4 * 3], before[sizeof rgb];

    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = before[i] = (uint8_t)(i * 37);
    apply(rgb, 4, 4, (struct bt_augment_step){ .op = BT_OP_IDENTITY });
    apply(rgb, 4, 4, (struct bt_augment_step){ .op = BT_OP_BRIGHTNESS, .argument = 1 });
    apply(rgb, 4, 4, (struct bt_augment_step){ .op = BT_OP_SHARPNESS, .argument = 1 });
    CHECK(memcmp(rgb, before, sizeof rgb) == 0);
}

static void test_every_operation_on_small_pictures(void)
{
    uint8_t rgb[3 * 2 * 3];

    for (int op = 0; op < BT_OP_COUNT; op++)
        for (int w = 1; w <= 3; w++)
            for (int h = 1; h <= 2; h++) {
                memset(rgb, 200, sizeof rgb);
                apply(rgb, w, h, (struct bt_augment_step){ .op = (enum bt_augment_op)op, .argument = 0.5 });
                CHECK(bt_augment_name((enum bt_augment_op)op)[0] != 0);
            }
}

/* Uniform over ten, applied half of the time, signs balanced. */
static void test_draws(void)
{
    enum { SAMPLES = 100000 };
    int counts[BT_OP_LISTED] = { 0 }, applied = 0, negative = 0, geometric = 0;

    for (uint64_t i = 0; i < SAMPLES; i++) {
        struct bt_draw draw = bt_draw(1, BT_DRAW_AUGMENT, 0, i);
        struct bt_augment_step steps[2];
        int count = bt_augment_draw(steps, false, &draw);

        applied += count;
        for (int k = 0; k < count; k++) {
            counts[steps[k].op]++;
            geometric += steps[k].op >= BT_OP_SHEAR_X;
            negative += steps[k].argument < 0;
            CHECK(steps[k].fill[0] == 128 && !steps[k].intended);
        }
    }
    CHECK_NEAR(applied, SAMPLES, 0.02 * SAMPLES);
    CHECK_NEAR(negative, geometric / 2.0, 0.02 * geometric);
    for (int op = 0; op < BT_OP_LISTED; op++)
        CHECK_NEAR(counts[op], SAMPLES / 10.0, 0.05 * SAMPLES / 10);
}

/* A sample's tensor is a function of (seed, epoch, index); the operations change only what they are drawn for. */
static void test_train_tensor(void)
{
    enum { SIDE = 12 };
    uint8_t rgb[30 * 20 * 3];
    struct bt_image image = { .width = 30, .height = 20, .rgb = rgb };
    float plain[3 * SIDE * SIDE], a[3 * SIDE * SIDE], b[3 * SIDE * SIDE];
    struct bt_err err = { 0 };
    int changed = 0;

    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 7 + i / 90 * 3);
    for (uint64_t index = 0; index < 200; index++) {
        struct bt_draw draw = bt_draw(3, BT_DRAW_AUGMENT, 1, index);
        struct bt_augment_step steps[2];
        int count = bt_augment_draw(steps, false, &draw);

        CHECK_OK(bt_image_train_tensor(plain, SIDE, &image, BT_AUGMENT_NONE, 3, 1, index, &err), &err);
        CHECK_OK(bt_image_train_tensor(a, SIDE, &image, BT_AUGMENT_AS_RUN, 3, 1, index, &err), &err);
        CHECK_OK(bt_image_train_tensor(b, SIDE, &image, BT_AUGMENT_AS_RUN, 3, 1, index, &err), &err);
        CHECK(memcmp(a, b, sizeof a) == 0);
        if (count == 0)
            CHECK(memcmp(a, plain, sizeof a) == 0);
        changed += memcmp(a, plain, sizeof a) != 0;
    }
    CHECK(changed > 60 && changed < 140); /* at most 1 - 0.65^2 = 0.58 of them */
}

static void test_clip_window(void)
{
    struct bt_crop window;
    int size[2];

    bt_crop_clip(640, 480, 224, size, &window);
    CHECK(size[0] == 298 && size[1] == 224);
    CHECK(window.left == 37 && window.top == 0 && window.width == 224 && window.height == 224);
    bt_crop_clip(333, 500, 224, size, &window); /* 112/2 = 56; 336 rows */
    CHECK(size[0] == 224 && size[1] == 336 && window.top == 56 && window.left == 0);
    bt_crop_clip(9, 7, 7, size, &window);
    CHECK(size[0] == 9 && window.left == 1);
    bt_crop_clip(10, 7, 7, size, &window); /* 1.5 rounds to even */
    CHECK(size[0] == 10 && window.left == 2);
}

static void test_clip_of_a_strip(void)
{
    uint8_t rgb[400 * 3] = { 0 };
    struct bt_image strip = { .width = 400, .height = 1, .rgb = rgb };
    float chw[3 * 224 * 224];
    struct bt_err err = { 0 };

    CHECK(bt_image_clip_tensor(chw, 224, &strip, &err) == BT_ERR_LIMIT);
}

int main(void)
{
    RUN(test_auto_contrast);
    RUN(test_equalize);
    RUN(test_translate);
    RUN(test_identities_at_level_5);
    RUN(test_every_operation_on_small_pictures);
    RUN(test_draws);
    RUN(test_train_tensor);
    RUN(test_clip_window);
    RUN(test_clip_of_a_strip);
    return test_end();
}
