#include "kernels/strided.h"
#include "tests/kernels/kernel_test.h"

/* A block of 2 x 2 out of 2 x 4 into the right of 2 x 3. */
static void test_by_hand(const struct bt_backend *b)
{
    static const float in[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, before[] = { 9, 9, 9, 9, 9, 9 };
    static const float copied[] = { 9, 2, 3, 9, 6, 7 }, added[] = { 9, 4, 6, 9, 12, 14 };
    float *x = dev_new(b, in, 8), *y = dev_new(b, before, 6);

    CHECK(b->strided->copy(b->queue, y + 1, 3, x + 1, 4, 2, 2) == BT_OK);
    check_near(b, y, copied, 6, 0);
    CHECK(b->strided->add(b->queue, y + 1, 3, x + 1, 4, 2, 2) == BT_OK);
    check_near(b, y, added, 6, 0);
    CHECK(b->strided->copy(b->queue, y, 3, x, 4, 0, 2) == BT_OK);
    CHECK(b->strided->add(b->queue, y, 3, x, 4, 2, 0) == BT_OK);
    check_near(b, y, added, 6, 0);
    dev_free(b, x, y);
}

static void check_size(const struct bt_backend *b, size_t y_stride, size_t x_stride, size_t rows,
                       size_t width)
{
    float *in = host_noise(rows * x_stride, 1), *want = host_noise(rows * y_stride, 2);
    float *x = dev_new(b, in, rows * x_stride), *y = dev_new(b, want, rows * y_stride);

    CHECK(b->strided->copy(b->queue, y, y_stride, x, x_stride, rows, width) == BT_OK);
    for (size_t r = 0; r < rows; r++)
        memcpy(want + r * y_stride, in + r * x_stride, width * sizeof *want);
    check_near(b, y, want, rows * y_stride, 0);
    CHECK(b->strided->add(b->queue, y, y_stride, x, x_stride, rows, width) == BT_OK);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++)
            want[r * y_stride + i] += in[r * x_stride + i];
    check_near(b, y, want, rows * y_stride, 0);
    dev_free(b, x, y);
    free(in);
    free(want);
}

static void test_sizes(const struct bt_backend *b)
{
    check_size(b, 1, 1, 1, 1);
    check_size(b, 7, 5, 3, 5);
    check_size(b, 20001, 20001, 1, 20001);
    check_size(b, 256, 129, 500, 127);
    check_size(b, 9000, 8200, 3, 8193);
}

static void work(const struct bt_backend *b, float *result)
{
    float *x = dev_noise(b, 200 * 150, 1), *y = dev_noise(b, 200 * 131, 2);

    CHECK(b->strided->add(b->queue, y, 131, x, 150, 200, 129) == BT_OK);
    dev_get(b, result, y, 200 * 131 * sizeof *result);
    dev_free(b, x, y);
}

static void test_threads(void)
{
    check_threads(work, 200 * 131);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_by_hand);
    RUN_BACKENDS(test_sizes);
    RUN(test_threads);
    return backends_end();
}
