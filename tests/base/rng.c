/* libcommon/base/rng.h: the authors' known answers, draws that must never change (worked out by a second
 * implementation), and distributions. */
#include "tests/test.h"

#include "libcommon/base/rng.h"

static void check_philox(const uint32_t counter[4], const uint32_t key[2], const uint32_t want[4])
{
    uint32_t out[4];

    bt_philox(counter, key, out);
    for (int i = 0; i < 4; i++)
        CHECK_INT(out[i], want[i]);
}

/* Random123, kat_vectors, philox4x32 with 10 rounds. */
static void test_philox(void)
{
    check_philox((uint32_t[]){ 0, 0, 0, 0 }, (uint32_t[]){ 0, 0 },
                 (uint32_t[]){ 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 });
    check_philox((uint32_t[]){ 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
                 (uint32_t[]){ 0xffffffff, 0xffffffff },
                 (uint32_t[]){ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd });
    check_philox((uint32_t[]){ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
                 (uint32_t[]){ 0xa4093822, 0x299f31d0 },
                 (uint32_t[]){ 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 });
}

static struct bt_draw pinned(void)
{
    return bt_draw(0x0123456789abcdef, BT_DRAW_MASK, 3, 0xfedcba987654);
}

static void test_pinned(void)
{
    static const uint32_t words[] = {
        0x4cb6e994, 0x83e0a1cf, 0x352ef40d, 0xb8dea14e, 0x7ff18f31, 0x8447a462
    };
    static const uint64_t ranges[] = { 1, 2, 10, 1000, 0xffffffff, 1ull << 32, (1ull << 63) + 1, UINT64_MAX };
    static const uint64_t below[] = {
        0, 1, 2, 722, 2146537264, 2219287650, 1189051191969660286, 3640425734356615721
    };
    struct bt_draw d = pinned();

    for (int i = 0; i < 6; i++)
        CHECK_INT(bt_draw_u32(&d), words[i]);
    d = pinned();
    CHECK(bt_draw_uniform(&d) == 0.29966598749160767f);
    CHECK(bt_draw_uniform(&d) == 0.5151463150978088f);
    d = pinned();
    CHECK_NEAR(bt_draw_normal(&d), 0.40732481493490325, 1e-14);
    CHECK_NEAR(bt_draw_normal(&d), -0.8024310130880511, 1e-14);
    CHECK_NEAR(bt_draw_normal(&d), -1.0698525461829123, 1e-14);
    d = pinned();
    for (int i = 0; i < 8; i++)
        CHECK_INT(bt_draw_below(&d, ranges[i]), below[i]);
}

/* Every part of the key makes another draw, and no two keys share their counters. */
static void test_keys_differ(void)
{
    struct bt_draw draws[] = {
        bt_draw(1, BT_DRAW_CROP, 0, 0),          bt_draw(2, BT_DRAW_CROP, 0, 0),
        bt_draw(1ull << 32, BT_DRAW_CROP, 0, 0), bt_draw(1, BT_DRAW_FLIP, 0, 0),
        bt_draw(1, BT_DRAW_CROP, 1, 0),          bt_draw(1, BT_DRAW_CROP, 0, 1),
        bt_draw(1, BT_DRAW_CROP, 0, 1ull << 32), bt_draw(1, BT_DRAW_CROP, 0, 1ull << 47),
    };
    enum { COUNT = sizeof draws / sizeof draws[0] };
    uint32_t first[COUNT];

    for (int i = 0; i < COUNT; i++) {
        struct bt_draw copy = draws[i];

        first[i] = bt_draw_u32(&draws[i]);
        CHECK_INT(bt_draw_u32(&copy), first[i]);
        for (int j = 0; j < i; j++)
            CHECK(first[i] != first[j]);
    }
}

enum { DRAWS = 200000 };

static void test_uniform(void)
{
    struct bt_draw d = bt_draw(5, BT_DRAW_TEST, 0, 0);
    double sum = 0, squares = 0;
    int cells[10] = { 0 };

    for (int i = 0; i < DRAWS; i++) {
        float u = bt_draw_uniform(&d);

        CHECK(u >= 0 && u < 1);
        sum += (double)u;
        squares += (double)u * (double)u;
        cells[(int)(u * 10)]++;
    }
    CHECK_NEAR(sum / DRAWS, 0.5, 0.003);
    CHECK_NEAR(squares / DRAWS, 1.0 / 3, 0.003);
    for (int i = 0; i < 10; i++)
        CHECK_NEAR(cells[i], DRAWS / 10, 700);
}

static void test_normal(void)
{
    struct bt_draw d = bt_draw(6, BT_DRAW_TEST, 0, 0);
    double sum = 0, squares = 0, fourth = 0;
    int beyond = 0;

    for (int i = 0; i < DRAWS; i++) {
        double x = bt_draw_normal(&d);

        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        beyond += fabs(x) > 1.959964;
    }
    CHECK_NEAR(sum / DRAWS, 0, 0.01);
    CHECK_NEAR(squares / DRAWS, 1, 0.015);
    CHECK_NEAR(fourth / DRAWS, 3, 0.15);
    CHECK_NEAR(beyond, 0.05 * DRAWS, 400);
}

static void test_below(void)
{
    struct bt_draw d = bt_draw(7, BT_DRAW_TEST, 0, 0);
    uint64_t large = (1ull << 63) + (1ull << 62); /* where a plain remainder would favour the lower third */
    int cells[7] = { 0 }, low = 0;

    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = bt_draw_below(&d, 7);

        CHECK(x < 7);
        cells[x % 7]++;
        low += bt_draw_below(&d, large) < large / 2;
    }
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(cells[i], DRAWS / 7.0, 800);
    CHECK_NEAR(low, DRAWS / 2, 1200);
}

static void test_bernoulli(void)
{
    struct bt_draw d = bt_draw(8, BT_DRAW_TEST, 0, 0);
    int ones = 0;

    for (int i = 0; i < DRAWS; i++) {
        ones += bt_draw_bernoulli(&d, 0.15f);
        CHECK(bt_draw_bernoulli(&d, 1) == 1);
        CHECK(bt_draw_bernoulli(&d, 0) == 0);
    }
    CHECK_NEAR(ones, 0.15 * DRAWS, 900);
}

static void test_categorical(void)
{
    static const float weight[] = { 0, 1, 0, 3, 6, 0 };
    struct bt_draw d = bt_draw(9, BT_DRAW_TEST, 0, 0);
    int cells[6] = { 0 };

    for (int i = 0; i < DRAWS; i++)
        cells[bt_draw_categorical(&d, weight, 6)]++;
    CHECK(cells[0] == 0 && cells[2] == 0 && cells[5] == 0);
    CHECK_NEAR(cells[1], 0.1 * DRAWS, 800);
    CHECK_NEAR(cells[3], 0.3 * DRAWS, 1200);
    CHECK_NEAR(cells[4], 0.6 * DRAWS, 1200);
    CHECK_INT(bt_draw_categorical(&d, (float[]){ 0, 0, 1e-30f }, 3), 2);
}

static void check_bijection(uint64_t n)
{
    struct bt_permutation p = bt_permutation(n, 42, 1);
    unsigned char *seen = calloc(n, 1);
    int bad = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t to = bt_permutation_at(&p, i);

        if (to >= n || seen[to]++)
            bad++;
    }
    CHECK_INT(bad, 0);
    free(seen);
}

static void test_permutation_is_bijection(void)
{
    for (uint64_t n = 1; n <= 70; n++)
        check_bijection(n);
    check_bijection(1000);
    check_bijection(1024);
    check_bijection(1025);
    check_bijection(65537);
}

static void test_permutation_pinned(void)
{
    static const uint64_t epoch0[] = { 3, 2, 5, 0, 7, 4, 9, 6, 8, 1 },
                          epoch1[] = { 3, 9, 1, 6, 7, 5, 0, 4, 2, 8 };
    static const uint64_t thousand[] = { 676, 754, 209, 54, 208, 744, 956, 403 };
    struct bt_permutation a = bt_permutation(10, 7, 0), b = bt_permutation(10, 7, 1),
                          c = bt_permutation(1000, 7, 2);

    for (uint64_t i = 0; i < 10; i++) {
        CHECK_INT(bt_permutation_at(&a, i), epoch0[i]);
        CHECK_INT(bt_permutation_at(&b, i), epoch1[i]);
    }
    for (uint64_t i = 0; i < 8; i++)
        CHECK_INT(bt_permutation_at(&c, i), thousand[i]);
}

static void test_permutation_of_many(void)
{
    struct bt_permutation p = bt_permutation(UINT64_MAX, 1, 0), q = bt_permutation(UINT64_MAX, 2, 0);
    int same = 0;

    for (uint64_t i = 0; i < 100; i++) {
        uint64_t at = bt_permutation_at(&p, i);

        CHECK(at < UINT64_MAX);
        same += at == bt_permutation_at(&q, i);
    }
    CHECK_INT(same, 0);
}

/* Over many seeds, where the first two of n go: each pair of places as often as any other. */
static void check_even(uint64_t n)
{
    enum { SEEDS = 20000 };
    int pairs[12][12] = { { 0 } };
    double want = (double)SEEDS / (double)(n * (n - 1)), chi = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bt_permutation p = bt_permutation(n, seed, 0);

        pairs[bt_permutation_at(&p, 0)][bt_permutation_at(&p, 1)]++;
    }
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < n; j++)
            if (i != j)
                chi += (pairs[i][j] - want) * (pairs[i][j] - want) / want;
    /* chi-square of n(n-1)-1 degrees of freedom: mean + 5 standard deviations */
    CHECK(chi < (double)(n * (n - 1) - 1) + 5 * sqrt(2.0 * (double)(n * (n - 1) - 1)));
}

static void test_permutation_is_even(void)
{
    check_even(2);
    check_even(3);
    check_even(5);
    check_even(10);
    check_even(12);
}

int main(void)
{
    RUN(test_philox);
    RUN(test_pinned);
    RUN(test_keys_differ);
    RUN(test_uniform);
    RUN(test_normal);
    RUN(test_below);
    RUN(test_bernoulli);
    RUN(test_categorical);
    RUN(test_permutation_is_bijection);
    RUN(test_permutation_pinned);
    RUN(test_permutation_of_many);
    RUN(test_permutation_is_even);
    return test_end();
}
