/* Learning rates. Source: training.md 5, 17.2. */
#include "libcommon/train/schedule.h"
#include "tests/test.h"

static struct bt_recipe recipe_of(const char *stage)
{
    struct bt_recipe r;

    bt_recipe_default(&r, stage);
    return r;
}

#define CHECK_LR(recipe, e, i, steps, want) CHECK_NEAR(bt_learning_rate(recipe, e, i, steps), want, 5e-5 * (want))

static void test_published_stages(void)
{
    struct bt_recipe stage0 = recipe_of("stage0"), stage1 = recipe_of("stage1"), stage2 = recipe_of("stage2");
    static const double staircase[] = { 9.7798e-5, 9.1406e-5, 8.1450e-5, 6.8906e-5, 5.5000e-5,
                                        4.1094e-5, 2.8550e-5, 1.8594e-5, 1.2202e-5 };
    static const double of_stage0[] = { 9.1406e-5, 6.8906e-5, 4.1094e-5, 1.8594e-5 };

    CHECK_LR(&stage1, 0, 0, 4498, 1e-6);
    CHECK_LR(&stage1, 0, 4497, 4498, 9.00406e-5); /* the warm-up is longer than the epoch, and cut */
    CHECK_NEAR(bt_learning_rate(&stage1, 1, 0, 4498), 9.779754e-5, 1e-11);
    CHECK_NEAR(bt_learning_rate(&stage1, 9, 4497, 4498), 1.220246e-5, 1e-11);
    CHECK_LR(&stage2, 0, 0, 4498, 1e-6);
    CHECK_LR(&stage2, 0, 1000, 4498, 5.05e-5);
    CHECK_LR(&stage2, 0, 2000, 4498, 1e-4);
    CHECK_LR(&stage2, 0, 4497, 4498, 1e-4);
    for (int e = 1; e < 10; e++) {
        CHECK_LR(&stage1, e, 7, 4498, staircase[e - 1]);
        CHECK(bt_learning_rate(&stage2, e, 0, 4498) == bt_learning_rate(&stage2, e, 4497, 4498)); /* constant inside an epoch */
    }
    for (int e = 1; e < 5; e++)
        CHECK_LR(&stage0, e, 0, 31250, of_stage0[e - 1]);
}

static void test_published_fine_tuning(void)
{
    struct bt_recipe r = recipe_of("caption");
    static const double staircase[] = { 9.0451e-6, 6.5451e-6, 3.4549e-6, 9.5492e-7 };

    CHECK_LR(&r, 0, 0, 4427, 1e-8);
    CHECK_LR(&r, 0, 1000, 4427, 1e-5);
    CHECK_LR(&r, 0, 4426, 4427, 1e-5);
    for (int e = 1; e < 5; e++)
        CHECK_LR(&r, e, 100, 4427, staircase[e - 1]);
    CHECK_NEAR(bt_learning_rate(&r, 4, 0, 4427), 9.549150e-7, 1e-12);
}

/* Four epochs of four steps, as the command-line test of resuming has them. */
static void test_a_short_run(void)
{
    struct bt_recipe r = recipe_of("stage2");
    static const double first[] = { 1e-6, 3.4e-5, 6.7e-5, 1e-4 }, later[] = { 8.68198052e-5, 5.5e-5, 2.31801948e-5 };

    r.epochs = 4;
    r.warmup_steps = 3;
    for (int i = 0; i < 4; i++) {
        CHECK_NEAR(bt_learning_rate(&r, 0, i, 4), first[i], 1e-18);
        for (int e = 1; e < 4; e++)
            CHECK_NEAR(bt_learning_rate(&r, e, i, 4), later[e - 1], 1e-13);
    }
}

static void test_without_warm_up(void)
{
    struct bt_recipe r = recipe_of("stage1");

    r.warmup_steps = 0;
    CHECK(bt_learning_rate(&r, 0, 0, 10) == r.lr && bt_learning_rate(&r, 0, 9, 10) == r.lr);
}

/* Step by step: warm-up across epochs, then one cosine down to lr_min. */
static void test_cosine_per_step(void)
{
    struct bt_recipe r = recipe_of("stage1");
    double before;

    r.epochs = 4;
    r.warmup_steps = 15;
    r.cosine_per_step = true;
    CHECK_NEAR(bt_learning_rate(&r, 0, 0, 10), 1e-6, 1e-18);
    CHECK_NEAR(bt_learning_rate(&r, 1, 0, 10), 1e-6 + 99e-6 * 10 / 15, 1e-18); /* still rising in epoch 1 */
    CHECK_NEAR(bt_learning_rate(&r, 1, 5, 10), 1e-4, 1e-18);
    before = 1e-4;
    for (int step = 16; step < 40; step++) {
        double now = bt_learning_rate(&r, step / 10, step % 10, 10);

        CHECK(now < before && now > 1e-5);
        before = now;
    }
    CHECK_NEAR(bt_learning_rate(&r, 2, 7, 10), 1e-5 + 9e-5 * 0.5 * (1 + cos(M_PI * 12 / 25)), 1e-15);
    CHECK(before < 1.05e-5);
}

int main(void)
{
    RUN(test_published_stages);
    RUN(test_published_fine_tuning);
    RUN(test_a_short_run);
    RUN(test_without_warm_up);
    RUN(test_cosine_per_step);
    return test_end();
}
