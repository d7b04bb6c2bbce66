#include "kernels/dropout.h"
#include "tests/kernels/kernel_test.h"

static const uint32_t key[4] = { 0x12345678, 0x9abcdef0, 7, 3 }; /* seed low, seed high, step, site */

/* The mask by the words of the header, one element at a time. */
static bool kept(size_t i, float p)
{
    uint32_t words[4];

    bt_philox((uint32_t[4]){ (uint32_t)(i / 4), 0, key[2], key[3] }, key, words);
    return (double)words[i % 4] < (1 - (double)p) * 4294967296.0;
}

static void check_size(const struct bt_backend *b, size_t n, float p)
{
    float *in = host_noise(n, 1), *x = dev_new(b, in, n), *y = dev_zeros(b, n), *dx = dev_new(b, in, n);
    double *want = calloc(n + 1, sizeof *want), *want_dx = calloc(n + 1, sizeof *want_dx);

    for (size_t i = 0; i < n; i++) {
        want[i] = kept(i, p) ? (double)in[i] / (1 - (double)p) : 0;
        want_dx[i] = (double)in[i] + want[i];
    }
    CHECK(b->dropout->forward(b->queue, y, x, p, key, n) == BT_OK);
    check_near(b, y, want, n, 1e-6);
    CHECK(b->dropout->backward(b->queue, dx, x, p, key, n) == BT_OK);
    check_near(b, dx, want_dx, n, 1e-6);
    CHECK(b->dropout->forward(b->queue, x, x, p, key, n) == BT_OK); /* in place */
    check_near(b, x, want, n, 1e-6);
    dev_free(b, x, y, dx);
    free(in);
    free(want);
    free(want_dx);
}

static void test_mask(const struct bt_backend *b)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 255, 256, 257, 1031, 40002 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_size(b, sizes[i], 0.1f);
        check_size(b, sizes[i], 0.5f);
        check_size(b, sizes[i], 1e-5f); /* the threshold is not a whole number */
    }
}

/* p = 0 keeps every element as it is, even where a word is 2^32 - 1; p near 1 keeps almost none. */
static void test_extremes(const struct bt_backend *b)
{
    float *in = host_noise(5000, 1), *x = dev_new(b, in, 5000), *y = dev_zeros(b, 5000);

    CHECK(b->dropout->forward(b->queue, y, x, 0, key, 5000) == BT_OK);
    check_near(b, y, in, 5000, 0);
    CHECK(b->dropout->backward(b->queue, NULL, x, 0.5f, key, 5000) == BT_OK);
    check_size(b, 5000, 0.999f);
    dev_free(b, x, y);
    free(in);
}

/* The share of elements dropped is p within five standard deviations, and another step drops others. */
static void test_share(const struct bt_backend *b)
{
    enum { N = 100000 };
    float *ones = malloc(N * sizeof *ones), *first = malloc(N * sizeof *first),
          *second = malloc(N * sizeof *second);
    uint32_t next[4] = { key[0], key[1], key[2] + 1, key[3] };
    int dropped = 0, both = 0;

    for (int i = 0; i < N; i++)
        ones[i] = 1;

    float *x = dev_new(b, ones, N), *y = dev_zeros(b, N);

    CHECK(b->dropout->forward(b->queue, y, x, 0.1f, key, N) == BT_OK);
    dev_get(b, first, y, N * sizeof *first);
    CHECK(b->dropout->forward(b->queue, y, x, 0.1f, next, N) == BT_OK);
    dev_get(b, second, y, N * sizeof *second);
    for (int i = 0; i < N; i++) {
        dropped += first[i] == 0;
        both += first[i] == 0 && second[i] == 0;
    }
    CHECK_NEAR(dropped, 0.1 * N, 5 * sqrt(0.09 * N));
    CHECK_NEAR(both, 0.01 * N, 5 * sqrt(0.0099 * N));
    dev_free(b, x, y);
    free(ones);
    free(first);
    free(second);
}

static void work(const struct bt_backend *b, float *result)
{
    float *x = dev_noise(b, 30001, 1), *y = dev_zeros(b, 30001);

    CHECK(b->dropout->forward(b->queue, y, x, 0.3f, key, 30001) == BT_OK);
    dev_get(b, result, y, 30001 * sizeof *result);
    dev_free(b, x, y);
}

static void test_threads(void)
{
    check_threads(work, 30001);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_mask);
    RUN_BACKENDS(test_extremes);
    RUN_BACKENDS(test_share);
    RUN(test_threads);
    return backends_end();
}
