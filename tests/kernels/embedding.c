#include "kernels/embedding.h"
#include "tests/kernels/kernel_test.h"

static void test_rows(const struct bt_backend *b)
{
    static const float values[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    static const int32_t picked[] = { 2, 0, 2, 1 };
    static const float want[] = { 7, 8, 9, 1, 2, 3, 7, 8, 9, 4, 5, 6 };
    float *table = dev_new(b, values, 9), *y = dev_zeros(b, 12);
    int32_t *ids = dev_ints(b, picked, 4);

    CHECK(b->embedding->forward(b->queue, y, table, ids, 4, 3) == BT_OK);
    check_near(b, y, want, 12, 0);
    CHECK(b->embedding->forward(b->queue, y, table, ids, 0, 3) == BT_OK);
    check_near(b, y, want, 12, 0);
    dev_free(b, table, y, ids);
}

/* A repeated id gathers all its rows, on top of what was there. */
static void test_gradient(const struct bt_backend *b)
{
    static const float dys[] = { 1, 2, 10, 20, 100, 200, 1000, 2000 };
    static const int32_t picked[] = { 2, 0, 2, 2 };
    static const float before[] = { 0.5f, 0, 0.25f, 0, 0, 0 }, want[] = { 10.5f, 20, 0.25f, 0, 1101, 2202 };
    float *dtable = dev_new(b, before, 6), *dy = dev_new(b, dys, 8);
    int32_t *ids = dev_ints(b, picked, 4);

    CHECK(b->embedding->backward(b->queue, dtable, dy, ids, 4, 2) == BT_OK);
    check_near(b, dtable, want, 6, 0);
    CHECK(b->embedding->backward(b->queue, NULL, dy, ids, 4, 2) == BT_OK);
    dev_free(b, dtable, dy, ids);
}

static void fill_ids(int32_t *ids, size_t rows, int32_t table_rows)
{
    for (size_t r = 0; r < rows; r++)
        ids[r] = (int32_t)(r * r % (size_t)table_rows);
}

/* Odd sizes against double; sums of one id run in the order of the rows. */
static void test_large(const struct bt_backend *b)
{
    enum { ROWS = 501, WIDTH = 77, TABLE = 40 };
    int32_t picked[ROWS];
    float *dys = host_noise(ROWS * WIDTH, 1), *dy = dev_new(b, dys, ROWS * WIDTH),
          *dtable = dev_zeros(b, TABLE * WIDTH);
    float *want = calloc(TABLE * WIDTH, sizeof *want);

    fill_ids(picked, ROWS, TABLE);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < WIDTH; i++)
            want[picked[r] * WIDTH + i] += dys[r * WIDTH + i];

    int32_t *ids = dev_ints(b, picked, ROWS);

    CHECK(b->embedding->backward(b->queue, dtable, dy, ids, ROWS, WIDTH) == BT_OK);
    check_near(b, dtable, want, TABLE * WIDTH, 0);
    dev_free(b, dy, dtable, ids);
    free(dys);
    free(want);
}

static void work(const struct bt_backend *b, float *result)
{
    int32_t picked[400];

    fill_ids(picked, 400, 30);

    int32_t *ids = dev_ints(b, picked, 400);
    float *dy = dev_noise(b, 400 * 130, 2), *dtable = dev_zeros(b, 30 * 130);

    CHECK(b->embedding->backward(b->queue, dtable, dy, ids, 400, 130) == BT_OK);
    dev_get(b, result, dtable, 30 * 130 * sizeof *result);
    dev_free(b, ids, dy, dtable);
}

static void test_threads(void)
{
    check_threads(work, 30 * 130);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_rows);
    RUN_BACKENDS(test_gradient);
    RUN_BACKENDS(test_large);
    RUN(test_threads);
    return backends_end();
}
