#include "kernels/elementwise.h"
#include "tests/kernels/kernel_test.h"

static void check_add(const struct bt_backend *b, size_t repeats, size_t period)
{
    size_t n = repeats * period;
    float *left = host_noise(n, 1), *right = host_noise(period, 2), *to = host_noise(period, 3);
    float *a = dev_new(b, left, n), *c = dev_new(b, right, period), *y = dev_zeros(b, n),
          *sum = dev_new(b, to, period);
    float *want = calloc(n + 1, sizeof *want);
    double *want_sum = calloc(period + 1, sizeof *want_sum);

    for (size_t i = 0; i < period; i++)
        want_sum[i] = (double)to[i];
    for (size_t i = 0; i < n; i++) {
        want[i] = left[i] + right[i % period];
        want_sum[i % period] += -0.5 * (double)left[i];
    }
    CHECK(b->elementwise->add(b->queue, y, a, c, n, period) == BT_OK);
    check_near(b, y, want, n, 0);
    CHECK(b->elementwise->accumulate(b->queue, sum, a, -0.5f, n, period) == BT_OK);
    check_near(b, sum, want_sum, period, 2e-6);
    CHECK(b->elementwise->add(b->queue, a, a, c, n, period) == BT_OK); /* in place */
    check_near(b, a, want, n, 0);
    dev_free(b, a, c, y, sum);
    free(left);
    free(right);
    free(to);
    free(want);
    free(want_sum);
}

static void test_add(const struct bt_backend *b)
{
    static const size_t sizes[][2] = { { 0, 0 },    { 0, 5 },     { 1, 1 },    { 1, 31 },
                                       { 7, 1 },    { 5, 33 },    { 130, 3 },  { 1, 20001 },
                                       { 3, 9001 }, { 1000, 65 }, { 30000, 1 } };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_add(b, sizes[i][0], sizes[i][1]);
}

static void test_scale(const struct bt_backend *b)
{
    static const float in[] = { 1, -2, 0.5f }, want[] = { 3, -6, 1.5f };
    float *x = dev_new(b, in, 3), *y = dev_zeros(b, 3);

    CHECK(b->elementwise->scale(b->queue, y, x, 3, 3) == BT_OK);
    check_near(b, y, want, 3, 0);
    CHECK(b->elementwise->scale(b->queue, x, x, 3, 3) == BT_OK);
    check_near(b, x, want, 3, 0);
    CHECK(b->elementwise->scale(b->queue, x, x, 3, 0) == BT_OK);
    check_near(b, x, want, 3, 0);
    dev_free(b, x, y);
}

struct quotient {
    float *x, *t, *y; /* device */
    float *dy;        /* host */
    size_t n;
};

static double quotient_loss(const struct bt_backend *b, void *context)
{
    struct quotient *p = context;

    CHECK(b->elementwise->divide(b->queue, p->y, p->x, p->t, p->n) == BT_OK);
    return weighted_sum(b, p->y, p->dy, p->n);
}

static void test_divide(const struct bt_backend *b)
{
    static const float in[] = { 1, -2, 0.5f }, t[] = { 0.25f }, want[] = { 4, -8, 2 };
    struct quotient p = { dev_new(b, in, 3), dev_new(b, t, 1), dev_zeros(b, 3), host_noise(3, 4), 3 };
    float *dy = dev_new(b, p.dy, 3), *dx = dev_zeros(b, 3), *dt = dev_zeros(b, 1), *none = dev_zeros(b, 1);

    CHECK(b->elementwise->divide(b->queue, p.y, p.x, p.t, 3) == BT_OK);
    check_near(b, p.y, want, 3, 0);
    CHECK(b->elementwise->divide_backward(b->queue, dx, dt, dy, p.y, p.t, 3) == BT_OK);
    check_gradient(b, dx, p.x, 3, quotient_loss, &p, 1e-2f, 1e-4);
    check_gradient(b, dt, p.t, 1, quotient_loss, &p, 1e-3f, 1e-3);
    CHECK(b->elementwise->divide_backward(b->queue, NULL, none, dy, p.y, p.t, 0) == BT_OK);
    check_near(b, none, ((const float[]){ 0 }), 1, 0);
    CHECK(b->elementwise->divide_backward(b->queue, dx, NULL, dy, p.y, p.t, 3) == BT_OK);
    dev_free(b, p.x, p.t, p.y, dy, dx, dt, none);
    free(p.dy);
}

static void test_norm(const struct bt_backend *b)
{
    static const float in[] = { 3e30f, 4e30f, 0, 1 };
    float *x = dev_new(b, in, 4), *large = dev_noise(b, 40003, 1), *host = host_noise(40003, 1), bad;
    double sum = -1, want = 0;
    int finite = 0;

    CHECK(b->elementwise->norm(b->queue, &sum, &finite, x, 0) == BT_OK);
    CHECK(sum == 0 && finite);
    CHECK(b->elementwise->norm(b->queue, &sum, &finite, x, 4) == BT_OK);
    CHECK_NEAR(sum / 25e60, 1, 1e-6);
    CHECK(finite);
    for (int i = 0; i < 40003; i++)
        want += (double)host[i] * (double)host[i];
    CHECK(b->elementwise->norm(b->queue, &sum, &finite, large, 40003) == BT_OK);
    CHECK_NEAR(sum / want, 1, 1e-12);
    for (int i = 0; i < 3; i++) {
        bad = i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY;
        CHECK(b->copy_in(b->queue, large + 40002, &bad, sizeof bad) == BT_OK);
        CHECK(b->elementwise->norm(b->queue, &sum, &finite, large, 40003) == BT_OK);
        CHECK(!finite);
    }
    dev_free(b, x, large);
    free(host);
}

static void work(const struct bt_backend *b, float *result)
{
    float *x = dev_noise(b, 600 * 130, 1), *sum = dev_zeros(b, 130),
          *t = dev_new(b, (const float[]){ 0.5f }, 1);
    float *dt = dev_zeros(b, 1);
    double norm;
    int finite;

    CHECK(b->elementwise->accumulate(b->queue, sum, x, 0.3f, 600 * 130, 130) == BT_OK);
    CHECK(b->elementwise->divide_backward(b->queue, NULL, dt, x, x, t, 600 * 130) == BT_OK);
    CHECK(b->elementwise->norm(b->queue, &norm, &finite, x, 600 * 130) == BT_OK);
    dev_get(b, result, sum, 130 * sizeof *result);
    dev_get(b, result + 130, dt, sizeof *result);
    memcpy(result + 131, &norm, sizeof norm);
    dev_free(b, x, sum, t, dt);
}

static void test_threads(void)
{
    check_threads(work, 133);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_add);
    RUN_BACKENDS(test_scale);
    RUN_BACKENDS(test_divide);
    RUN_BACKENDS(test_norm);
    RUN(test_threads);
    return backends_end();
}
