#include "kernels/pool.h"
#include "tests/kernels/kernel_test.h"

static void check_ints(const struct bt_backend *b, const int32_t *got, const int32_t *want, size_t n)
{
    int32_t *host = malloc((n + 1) * sizeof *host);

    dev_get(b, host, got, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        CHECK_INT(host[i], want[i]);
    free(host);
}

static void test_mean(const struct bt_backend *b)
{
    static const float in[] = { 1, 2, 3, 4, 5, 9, /**/ 0, 1, 0, 1, 3, 1 }, want[] = { 3, 5, 1, 1 };
    static const float dys[] = { 3, 6, 9, 12 }, want_dx[] = { 1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4 };
    float *x = dev_new(b, in, 12), *y = dev_zeros(b, 4), *dy = dev_new(b, dys, 4), *dx = dev_zeros(b, 12);

    CHECK(b->pool->mean(b->queue, y, x, 2, 3, 2) == BT_OK);
    check_near(b, y, want, 4, 0);
    CHECK(b->pool->mean_backward(b->queue, dx, dy, 2, 3, 2) == BT_OK);
    check_near(b, dx, want_dx, 12, 0);
    CHECK(b->pool->mean(b->queue, y, x, 0, 3, 2) == BT_OK);
    CHECK(b->pool->mean_backward(b->queue, dx, dy, 2, 3, 0) == BT_OK);
    check_near(b, y, want, 4, 0);
    dev_free(b, x, y, dy, dx);
}

/* The first of equals wins; the gradient is added to it alone. */
static void test_max(const struct bt_backend *b)
{
    static const float in[] = { 1, 7, 5, 2, 5, 7, /**/ -3, -1, -2, -1, -4, 0 }, want[] = { 5, 7, -2, 0 };
    static const int32_t won[] = { 1, 0, 1, 2 };
    static const float dys[] = { 1, 2, 3, 4 }, before[12] = { 0.5f };
    static const float want_dx[] = { 0.5f, 2, 1, 0, 0, 0, /**/ 0, 0, 3, 0, 0, 4 };
    float *x = dev_new(b, in, 12), *y = dev_zeros(b, 4), *dy = dev_new(b, dys, 4),
          *dx = dev_new(b, before, 12);
    int32_t *argmax = dev_ints(b, NULL, 4);

    CHECK(b->pool->max(b->queue, y, argmax, x, 2, 3, 2) == BT_OK);
    check_near(b, y, want, 4, 0);
    check_ints(b, argmax, won, 4);
    CHECK(b->pool->max_backward(b->queue, dx, dy, argmax, 2, 3, 2) == BT_OK);
    check_near(b, dx, want_dx, 12, 0);
    CHECK(b->pool->max_backward(b->queue, NULL, dy, argmax, 2, 3, 2) == BT_OK);
    CHECK(b->pool->mean_backward(b->queue, NULL, dy, 2, 3, 2) == BT_OK);
    dev_free(b, x, y, dy, dx, argmax);
}

/* A maximum over the queries (inner 1), one of which is not a number: it shows in the result. */
static void test_max_of_nan(const struct bt_backend *b)
{
    static const float in[] = { 1, NAN, 3, /**/ 4, 2, 6, /**/ NAN, 1, NAN };
    static const int32_t won[] = { 1, 2, 0 };
    float *x = dev_new(b, in, 9), *y = dev_zeros(b, 3), host[3];
    int32_t *argmax = dev_ints(b, NULL, 3);

    CHECK(b->pool->max(b->queue, y, argmax, x, 3, 3, 1) == BT_OK);
    dev_get(b, host, y, sizeof host);
    CHECK(isnan(host[0]) && host[1] == 6 && isnan(host[2]));
    check_ints(b, argmax, won, 3);
    dev_free(b, x, y, argmax);
}

struct problem {
    float *x, *y; /* device */
    int32_t *argmax;
    float *dy; /* host */
};

static double mean_loss(const struct bt_backend *b, void *context)
{
    struct problem *p = context;

    CHECK(b->pool->mean(b->queue, p->y, p->x, 2, 5, 3) == BT_OK);
    return weighted_sum(b, p->y, p->dy, 6);
}

static double max_loss(const struct bt_backend *b, void *context)
{
    struct problem *p = context;

    CHECK(b->pool->max(b->queue, p->y, p->argmax, p->x, 2, 5, 3) == BT_OK);
    return weighted_sum(b, p->y, p->dy, 6);
}

static void test_gradients(const struct bt_backend *b)
{
    struct problem p = { dev_noise(b, 30, 1), dev_zeros(b, 6), dev_ints(b, NULL, 6), host_noise(6, 2) };
    float *dy = dev_new(b, p.dy, 6), *dmean = dev_zeros(b, 30), *dmax = dev_zeros(b, 30);

    CHECK(b->pool->mean_backward(b->queue, dmean, dy, 2, 5, 3) == BT_OK);
    check_gradient(b, dmean, p.x, 30, mean_loss, &p, 1e-2f, 1e-4);
    CHECK(b->pool->max(b->queue, p.y, p.argmax, p.x, 2, 5, 3) == BT_OK);
    CHECK(b->pool->max_backward(b->queue, dmax, dy, p.argmax, 2, 5, 3) == BT_OK);
    check_gradient(b, dmax, p.x, 30, max_loss, &p, 1e-3f, 1e-3);
    dev_free(b, p.x, p.y, p.argmax, dy, dmean, dmax);
    free(p.dy);
}

static void work(const struct bt_backend *b, float *result)
{
    size_t n = 60 * 33 * 65;
    float *x = dev_noise(b, n, 1), *y = dev_zeros(b, 60 * 65), *dx = dev_zeros(b, n);
    int32_t *argmax = dev_ints(b, NULL, 60 * 65);

    CHECK(b->pool->max(b->queue, y, argmax, x, 60, 33, 65) == BT_OK);
    CHECK(b->pool->max_backward(b->queue, dx, y, argmax, 60, 33, 65) == BT_OK);
    CHECK(b->pool->mean(b->queue, y, x, 60, 33, 65) == BT_OK);
    CHECK(b->pool->mean_backward(b->queue, dx, y, 60, 33, 65) == BT_OK);
    dev_get(b, result, dx, n * sizeof *result);
    dev_free(b, x, y, dx, argmax);
}

static void test_threads(void)
{
    check_threads(work, 60 * 33 * 65);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_mean);
    RUN_BACKENDS(test_max);
    RUN_BACKENDS(test_max_of_nan);
    RUN_BACKENDS(test_gradients);
    RUN(test_threads);
    return backends_end();
}
