#include "libcommon/metrics/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/base/rng.h"

/* times[i]: how often sample `number` holds item i. */
static void draw_sample(uint64_t seed, uint64_t number, size_t count, uint32_t *times)
{
    struct bt_draw draw = bt_draw(seed, BT_DRAW_BOOTSTRAP, 0, number);
    memset(times, 0, count * sizeof *times);
    for (size_t i = 0; i < count; i++)
        times[bt_draw_below(&draw, count)]++;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* Sorts `values`; those that are NaN are left out. */
static struct bt_interval interval_of(double *values, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[kept++] = values[i];
    if (kept == 0)
        return (struct bt_interval){ NAN, NAN };
    qsort(values, kept, sizeof *values, compare_doubles);
    return (struct bt_interval){ percentile(values, kept, 0.025), percentile(values, kept, 0.975) };
}

int bt_bootstrap(const struct bt_items *items, int64_t samples, uint64_t seed, struct bt_interval *intervals,
                 struct bt_err *err)
{
    size_t n = (size_t)samples;
    uint32_t *times = bt_alloc(items->count, sizeof *times, err);
    double *drawn = bt_alloc((uint64_t)items->column_count * n, sizeof *drawn, err); /* [column][sample] */
    int rc = times && drawn ? BT_OK : BT_ERR_MEMORY;

    for (size_t s = 0; !rc && s < n; s++) {
        double values[BT_COLUMNS_MAX];
        draw_sample(seed, s, items->count, times);
        bt_items_values(items, times, values);
        for (int c = 0; c < items->column_count; c++)
            drawn[(size_t)c * n + s] = values[c];
    }
    for (int c = 0; !rc && c < items->column_count; c++)
        intervals[c] = interval_of(drawn + (size_t)c * n, n);
    free(drawn);
    free(times);
    return rc;
}

/* The difference of both systems on one sample; other_times is scratch. */
static void differences(const struct bt_items *items, const struct bt_items *other, const size_t *order,
                        const uint32_t *times, uint32_t *other_times, double *values, double *other_values)
{
    for (size_t i = 0; i < items->count; i++)
        other_times[order[i]] = times[i];
    bt_items_values(items, times, values);
    bt_items_values(other, other_times, other_values);
}

static double p_value(const double *drawn, size_t count, double observed)
{
    double mean = 0;
    size_t hits = 0;
    for (size_t s = 0; s < count; s++)
        mean += drawn[s] / (double)count;
    for (size_t s = 0; s < count; s++)
        hits += fabs(drawn[s] - mean) >= fabs(observed);
    return (double)(hits + 1) / (double)(count + 1);
}

int bt_bootstrap_compare(const struct bt_items *items, const struct bt_items *other, int64_t samples,
                         uint64_t seed, struct bt_comparison *comparisons, struct bt_err *err)
{
    size_t n = (size_t)samples, *order = NULL;
    uint32_t *times = bt_alloc(items->count, sizeof *times, err);
    uint32_t *other_times = bt_alloc(items->count, sizeof *other_times, err);
    double *drawn = bt_alloc((uint64_t)items->column_count * n, sizeof *drawn, err);
    double values[BT_COLUMNS_MAX], other_values[BT_COLUMNS_MAX];
    int rc = times && other_times && drawn ? bt_items_align(items, other, &order, err) : BT_ERR_MEMORY;

    for (size_t s = 0; !rc && s < n; s++) {
        draw_sample(seed, s, items->count, times);
        differences(items, other, order, times, other_times, values, other_values);
        for (int c = 0; c < items->column_count; c++)
            drawn[(size_t)c * n + s] = values[c] - other_values[c];
    }
    if (!rc) {
        for (size_t i = 0; i < items->count; i++)
            times[i] = 1;
        differences(items, other, order, times, other_times, values, other_values);
    }
    for (int c = 0; !rc && c < items->column_count; c++) {
        double *column = drawn + (size_t)c * n, difference = values[c] - other_values[c];
        comparisons[c] = (struct bt_comparison){
            values[c], other_values[c], difference, { 0, 0 }, p_value(column, n, difference)
        };
        comparisons[c].interval = interval_of(column, n);
    }
    free(order);
    free(drawn);
    free(other_times);
    free(times);
    return rc;
}
