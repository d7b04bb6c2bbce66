/* Tables of items, and the intervals and comparisons that are drawn from them. */
#include "libcommon/metrics/bootstrap.h"
#include "tests/test.h"

#define COUNT 200

static double values[COUNT][2];
static int32_t numbers[COUNT];

static void name_item(int i, char id[16])
{
    snprintf(id, 16, "%d", i);
}

/* Items 0 to count-1 in this order or the other way round. */
static struct bt_join *make_join(int count, bool backwards)
{
    struct bt_join *join = bt_join_new("image");
    struct bt_err err = { 0 };
    for (int i = 0; i < count; i++) {
        char id[16];
        int32_t number;
        name_item(backwards ? count - 1 - i : i, id);
        CHECK_OK(bt_join_expect(join, (struct bt_text){ id, strlen(id) }, &number, NULL, &err), &err);
        numbers[i] = number;
    }
    return join;
}

static struct bt_items make_items(const struct bt_join *join, const double (*rows)[2], size_t count)
{
    return (struct bt_items){ .join = join,
                              .id_key = "image_id",
                              .count = count,
                              .numbers = numbers,
                              .column_count = 2,
                              .columns = { "a", "b" },
                              .values = &rows[0][0] };
}

static void test_values(void)
{
    static const double rows[3][2] = { { 1, NAN }, { 2, 10 }, { 6, NAN } };
    struct bt_join *join = make_join(3, false);
    struct bt_items items = make_items(join, rows, 3);
    double got[2];

    bt_items_values(&items, (uint32_t[]){ 1, 1, 1 }, got);
    CHECK_NEAR(got[0], 3, 0);
    CHECK_NEAR(got[1], 10, 0);
    bt_items_values(&items, (uint32_t[]){ 2, 0, 1 }, got);
    CHECK_NEAR(got[0], 8.0 / 3, 1e-15);
    CHECK(isnan(got[1]));
    bt_join_free(join);
}

/* The interval of a mean: about 1.96 standard errors to either side. */
static void test_interval(void)
{
    struct bt_join *join = make_join(COUNT, false);
    struct bt_items items = make_items(join, (const double(*)[2])values, COUNT);
    struct bt_interval intervals[2], again[2];
    struct bt_err err = { 0 };
    double mean = 0, variance = 0;

    for (int i = 0; i < COUNT; i++) {
        values[i][0] = (i * 37 % 101) / 100.0;
        values[i][1] = NAN;
        mean += values[i][0] / COUNT;
    }
    for (int i = 0; i < COUNT; i++)
        variance += (values[i][0] - mean) * (values[i][0] - mean) / COUNT;
    CHECK_OK(bt_bootstrap(&items, 4000, 1, intervals, &err), &err);
    CHECK_NEAR(intervals[0].low, mean - 1.96 * sqrt(variance / COUNT), 0.004);
    CHECK_NEAR(intervals[0].high, mean + 1.96 * sqrt(variance / COUNT), 0.004);
    CHECK(isnan(intervals[1].low) && isnan(intervals[1].high));
    CHECK_OK(bt_bootstrap(&items, 4000, 1, again, &err), &err);
    CHECK(again[0].low == intervals[0].low && again[0].high == intervals[0].high);
    CHECK_OK(bt_bootstrap(&items, 4000, 2, again, &err), &err);
    CHECK(again[0].low != intervals[0].low);
    bt_join_free(join);
}

/* The last column doubles what the sample's first holds: pooled values take part as means do. */
static void double_first(const void *pooled, const uint32_t *times, size_t count, double *out)
{
    (void)times;
    (void)count;
    CHECK_INT(*(const int *)pooled, 7);
    out[1] = 2 * out[0];
}

static void test_pooled(void)
{
    struct bt_join *join = make_join(COUNT, false);
    struct bt_items items = make_items(join, (const double(*)[2])values, COUNT);
    struct bt_interval intervals[2];
    struct bt_err err = { 0 };
    const int seven = 7;

    for (int i = 0; i < COUNT; i++)
        values[i][0] = values[i][1] = i;
    items.pool = double_first;
    items.pooled = &seven;
    CHECK_OK(bt_bootstrap(&items, 100, 3, intervals, &err), &err);
    CHECK_NEAR(intervals[1].low, 2 * intervals[0].low, 1e-12);
    CHECK_NEAR(intervals[1].high, 2 * intervals[0].high, 1e-12);
    bt_join_free(join);
}

/* Items are matched by id: the other system has them the other way round. */
static void test_compare(void)
{
    static double other[COUNT][2];
    static int32_t other_numbers[COUNT];
    struct bt_join *backwards = make_join(COUNT, true);
    memcpy(other_numbers, numbers, sizeof numbers);
    struct bt_join *join = make_join(COUNT, false);
    struct bt_items a = make_items(join, (const double(*)[2])values, COUNT);
    struct bt_items b = make_items(backwards, (const double(*)[2])other, COUNT);
    struct bt_comparison c[2];
    struct bt_err err = { 0 };

    b.numbers = other_numbers;
    for (int i = 0; i < COUNT; i++) {
        values[i][0] = (i * 37 % 101) / 100.0;
        other[COUNT - 1 - i][0] = values[i][0] - 0.01; /* always better by the same */
        values[i][1] = i % 2;
        other[COUNT - 1 - i][1] = (i / 2) % 2; /* as good, on other items */
    }
    CHECK_OK(bt_bootstrap_compare(&a, &b, 999, 5, c, &err), &err);
    CHECK_NEAR(c[0].difference, 0.01, 1e-12);
    CHECK_NEAR(c[0].interval.low, 0.01, 1e-12);
    CHECK_NEAR(c[0].p, 1.0 / 1000, 1e-12);
    CHECK_NEAR(c[1].difference, 0, 1e-12);
    CHECK(c[1].p > 0.9);

    b.count--;
    CHECK_INT(bt_bootstrap_compare(&a, &b, 10, 5, c, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "both must answer the same") != NULL);
    bt_join_free(backwards);
    bt_join_free(join);
}

int main(void)
{
    RUN(test_values);
    RUN(test_interval);
    RUN(test_pooled);
    RUN(test_compare);
    return test_end();
}
