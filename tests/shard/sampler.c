/* The order of samples: every record once, another order for each epoch and seed, and reads near each other. */
#include "libcommon/shard/sampler.h"
#include "tests/test.h"

static const uint64_t sizes[] = { 1, 2, 31, 32, 33, 63, 64, 65, 8191, 8192, 8193, 8223, 8224, 16383, 16384, 16415, 100000 };
#define SIZES (sizeof sizes / sizeof *sizes)

static void test_every_record_once(void)
{
    for (size_t k = 0; k < SIZES; k++)
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            uint64_t n = sizes[k], outside = 0, again = 0;
            bool *seen = calloc(n, sizeof *seen);
            struct bt_sampler s = bt_sampler(n, 42, epoch);

            for (uint64_t i = 0; i < n; i++) {
                uint64_t at = bt_sampler_at(&s, i);

                outside += at >= n;
                again += at < n && seen[at];
                if (at < n)
                    seen[at] = true;
            }
            CHECK_INT(outside, 0);
            CHECK_INT(again, 0);
            free(seen);
        }
}

/* Positions of n at which two orders agree. */
static uint64_t agree(struct bt_sampler a, struct bt_sampler b)
{
    uint64_t same = 0;

    for (uint64_t i = 0; i < a.n; i++)
        same += bt_sampler_at(&a, i) == bt_sampler_at(&b, i);
    return same;
}

/* Two independent orders agree at about one position. */
static void test_epochs_and_seeds_have_orders_of_their_own(void)
{
    uint64_t n = 20000;

    for (uint32_t epoch = 1; epoch < 4; epoch++) {
        CHECK(agree(bt_sampler(n, 42, 0), bt_sampler(n, 42, epoch)) < 12);
        CHECK(agree(bt_sampler(n, 42, epoch), bt_sampler(n, 43, epoch)) < 12);
        CHECK_INT(agree(bt_sampler(n, 42, epoch), bt_sampler(n, 42, epoch)), n);
    }
    CHECK(agree(bt_sampler(n, 42, 1), bt_sampler(n, 1ull << 40 | 42, 1)) < 12);
}

static void test_the_order_is_mixed(void)
{
    struct bt_sampler s = bt_sampler(100000, 1, 0);
    uint64_t follows = 0;
    double first_half = 0;

    for (uint64_t i = 0; i + 1 < s.n; i++)
        follows += bt_sampler_at(&s, i) + 1 == bt_sampler_at(&s, i + 1);
    for (uint64_t i = 0; i < 2000; i++)
        first_half += bt_sampler_at(&s, i) < s.n / 2;
    CHECK(follows < 40); /* 1 in 8192 would be chance */
    CHECK_NEAR(first_half / 2000, 0.5, 0.15);
}

/* 8192 positions in a row, the records of a window, come from 256 runs of 32 records that lie together. */
static void test_reads_stay_near_each_other(void)
{
    struct bt_sampler s = bt_sampler(100000, 9, 2);
    uint64_t window = 8192;
    static bool touched[100000 / 32 + 1];

    for (uint64_t start = 0; start + window <= 11 * window; start += window) {
        uint64_t blocks = 0;

        memset(touched, 0, sizeof touched);
        for (uint64_t i = start; i < start + window; i++) {
            bool *t = &touched[bt_sampler_at(&s, i) / 32];

            blocks += !*t;
            *t = true;
        }
        CHECK_INT(blocks, 256);
    }
}

/* The order is part of every result: it may not change unnoticed. */
static void test_the_order_is_fixed(void)
{
    struct bt_sampler s = bt_sampler(100000, 42, 1);
    uint64_t sum = 0;

    for (uint64_t i = 0; i < s.n; i++)
        sum = sum * 31 + bt_sampler_at(&s, i);
    CHECK_INT(bt_sampler_at(&s, 0), 24519);
    CHECK_INT(sum, 2888203855847679290);
}

int main(void)
{
    RUN(test_every_record_once);
    RUN(test_epochs_and_seeds_have_orders_of_their_own);
    RUN(test_the_order_is_mixed);
    RUN(test_reads_stay_near_each_other);
    RUN(test_the_order_is_fixed);
    return test_end();
}
