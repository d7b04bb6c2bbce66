#include "kernels/patches.h"
#include "tests/kernels/kernel_test.h"

/* Two channels of 4 x 4, patches of 2 x 2. */
static void test_by_hand(const struct bt_backend *b)
{
    static const float want[] = {
        0, 1, 4,  5,  16, 17, 20, 21, /**/ 2,  3,  6,  7,  18, 19, 22, 23,
        8, 9, 12, 13, 24, 25, 28, 29, /**/ 10, 11, 14, 15, 26, 27, 30, 31,
    };
    float in[32];

    for (int i = 0; i < 32; i++)
        in[i] = (float)i;

    float *x = dev_new(b, in, 32), *y = dev_zeros(b, 32);

    CHECK(b->patches->forward(b->queue, y, x, 1, 2, 4, 2) == BT_OK);
    check_near(b, y, want, 32, 0);
    CHECK(b->patches->forward(b->queue, y, x, 0, 2, 4, 2) == BT_OK);
    check_near(b, y, want, 32, 0);
    dev_free(b, x, y);
}

static void check_size(const struct bt_backend *b, size_t batch, size_t channels, size_t side, size_t patch)
{
    size_t n = batch * channels * side * side, across = side / patch;
    float *in = host_noise(n, 1), *want = calloc(n, sizeof *want), *x = dev_new(b, in, n),
          *y = dev_zeros(b, n);

    for (size_t image = 0; image < batch; image++)
        for (size_t c = 0; c < channels; c++)
            for (size_t row = 0; row < side; row++)
                for (size_t col = 0; col < side; col++) {
                    size_t p = (image * across + row / patch) * across + col / patch;
                    size_t place = ((p * channels + c) * patch + row % patch) * patch + col % patch;

                    want[place] = in[((image * channels + c) * side + row) * side + col];
                }
    CHECK(b->patches->forward(b->queue, y, x, batch, channels, side, patch) == BT_OK);
    check_near(b, y, want, n, 0);
    dev_free(b, x, y);
    free(in);
    free(want);
}

static void test_sizes(const struct bt_backend *b)
{
    check_size(b, 1, 1, 1, 1);
    check_size(b, 3, 3, 9, 3);
    check_size(b, 2, 3, 5, 5);
    check_size(b, 2, 3, 224, 14);
}

static void work(const struct bt_backend *b, float *result)
{
    size_t n = 5 * 3 * 48 * 48;
    float *x = dev_noise(b, n, 1), *y = dev_zeros(b, n);

    CHECK(b->patches->forward(b->queue, y, x, 5, 3, 48, 16) == BT_OK);
    dev_get(b, result, y, n * sizeof *result);
    dev_free(b, x, y);
}

static void test_threads(void)
{
    check_threads(work, 5 * 3 * 48 * 48);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_by_hand);
    RUN_BACKENDS(test_sizes);
    RUN(test_threads);
    return backends_end();
}
