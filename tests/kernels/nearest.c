/* kernels/nearest.h against a search in double; ties; sizes that fill no block. */
#include "kernels/nearest.h"
#include "tests/kernels/kernel_test.h"

static void check_search(const struct bt_backend *b, size_t rows, size_t width, size_t table_rows)
{
    float *x = host_noise(rows * width, 1), *table = host_noise(table_rows * width, 2);
    int32_t *index = calloc(rows + 1, sizeof *index);
    float *dev_x = dev_new(b, x, rows * width), *dev_table = dev_new(b, table, table_rows * width);
    int32_t *dev_index = dev_ints(b, index, rows);
    size_t wrong = 0;

    CHECK(b->nearest->forward(b->queue, dev_index, dev_x, dev_table, rows, width, table_rows) == BT_OK);
    dev_get(b, index, dev_index, rows * sizeof *index);
    for (size_t r = 0; r < rows; r++) {
        double best = INFINITY, got = 0;

        for (size_t v = 0; v < table_rows; v++) {
            double distance = 0;

            for (size_t i = 0; i < width; i++) {
                double d = (double)x[r * width + i] - (double)table[v * width + i];
                distance += d * d;
            }
            best = fmin(best, distance);
            if ((int32_t)v == index[r])
                got = distance;
        }
        wrong += !(got <= best + 1e-5 && index[r] >= 0 && (size_t)index[r] < table_rows);
    }
    CHECK_INT(wrong, 0);
    free(x);
    free(table);
    free(index);
    dev_free(b, dev_x, dev_table, dev_index);
}

static void test_search(const struct bt_backend *b)
{
    check_search(b, 0, 3, 4);
    check_search(b, 1, 1, 1);
    check_search(b, 3, 12, 50);
    check_search(b, 65, 24, 257);
    check_search(b, 130, 64, 1200);
}

static void test_ties(const struct bt_backend *b)
{
    enum { TABLE = 600 };
    static float table[TABLE][2];
    static const float x[] = { 1, 1, -1, 0, 0.9f, 1.2f };
    static const int32_t want[] = { 3, 7, 3 };
    int32_t got[3];
    float *dev_x = dev_new(b, x, 6), *dev_table;
    int32_t *index = dev_ints(b, NULL, 3);

    for (int v = 0; v < TABLE; v++) {
        table[v][0] = v % 4 == 3 ? (v % 8 == 3 ? 1.0f : -1.0f) : 9.0f;
        table[v][1] = v % 8 == 3 ? 1.0f : 0.0f;
    }
    dev_table = dev_new(b, &table[0][0], TABLE * 2);
    CHECK(b->nearest->forward(b->queue, index, dev_x, dev_table, 3, 2, TABLE) == BT_OK);
    dev_get(b, got, index, sizeof got);
    for (int r = 0; r < 3; r++)
        CHECK_INT(got[r], want[r]);
    dev_free(b, dev_x, dev_table, index);
}

static void work(const struct bt_backend *b, float *result)
{
    float *x = dev_noise(b, 200 * 32, 1), *table = dev_noise(b, 500 * 32, 2);
    int32_t *index = dev_ints(b, NULL, 200);

    CHECK(b->nearest->forward(b->queue, index, x, table, 200, 32, 500) == BT_OK);
    dev_get(b, result, index, 200 * sizeof *index);
    dev_free(b, x, table, index);
}

static void test_threads(void)
{
    check_threads(work, 200);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_search);
    RUN_BACKENDS(test_ties);
    RUN(test_threads);
    return backends_end();
}
