#include "kernels/l2_norm.h"
#include "tests/kernels/kernel_test.h"

static void test_by_hand(const struct bt_backend *b)
{
    static const float in[] = { 3, 4, 0, 0, -1e-15f, 0 }, want[] = { 0.6f, 0.8f, 0, 0, -1e-3f, 0 };
    static const float norms[] = { 5, 1e-12f, 1e-12f };
    float *x = dev_new(b, in, 6), *y = dev_zeros(b, 6), *norm = dev_zeros(b, 3);

    CHECK(b->l2_norm->forward(b->queue, y, norm, x, 3, 2) == BT_OK);
    check_near(b, y, want, 6, 1e-7);
    check_near(b, norm, norms, 3, 1e-18);
    CHECK(b->l2_norm->forward(b->queue, y, norm, x, 0, 2) == BT_OK);
    check_near(b, y, want, 6, 1e-7);
    dev_free(b, x, y, norm);
}

static void check_values(const struct bt_backend *b, size_t rows, size_t width)
{
    size_t n = rows * width;
    float *in = host_noise(n, 1), *x = dev_new(b, in, n), *y = dev_zeros(b, n), *norm = dev_zeros(b, rows);
    double *want = calloc(n, sizeof *want);

    for (size_t r = 0; r < rows; r++) {
        double sum = 0;

        for (size_t i = r * width; i < (r + 1) * width; i++)
            sum += (double)in[i] * (double)in[i];
        for (size_t i = r * width; i < (r + 1) * width; i++)
            want[i] = (double)in[i] / sqrt(sum);
    }
    CHECK(b->l2_norm->forward(b->queue, y, norm, x, rows, width) == BT_OK);
    check_near(b, y, want, n, 1e-6);
    dev_free(b, x, y, norm);
    free(in);
    free(want);
}

static void test_values(const struct bt_backend *b)
{
    check_values(b, 1, 1);
    check_values(b, 5, 33);
    check_values(b, 200, 257);
}

struct problem {
    float *x, *y, *norm; /* device */
    float *dy;           /* host */
};

static double loss(const struct bt_backend *b, void *context)
{
    struct problem *p = context;

    CHECK(b->l2_norm->forward(b->queue, p->y, p->norm, p->x, 3, 9) == BT_OK);
    return weighted_sum(b, p->y, p->dy, 27);
}

static void test_gradients(const struct bt_backend *b)
{
    struct problem p = { dev_noise(b, 27, 1), dev_zeros(b, 27), dev_zeros(b, 3), host_noise(27, 2) };
    float *dy = dev_new(b, p.dy, 27), *dx = dev_zeros(b, 27);

    CHECK(b->l2_norm->forward(b->queue, p.y, p.norm, p.x, 3, 9) == BT_OK);
    CHECK(b->l2_norm->backward(b->queue, dx, dy, p.y, p.norm, 3, 9) == BT_OK);
    check_gradient(b, dx, p.x, 27, loss, &p, 3e-3f, 1e-3);
    dev_free(b, p.x, p.y, p.norm, dy, dx);
    free(p.dy);
}

/* Below the minimum the divisor is constant. */
static void test_gradient_of_tiny(const struct bt_backend *b)
{
    static const float y_in[] = { 0.5f, 0 }, norm_in[] = { 1e-12f }, dy_in[] = { 1, 2 },
                       want[] = { 1e12f, 2e12f };
    float *y = dev_new(b, y_in, 2), *norm = dev_new(b, norm_in, 1), *dy = dev_new(b, dy_in, 2),
          *dx = dev_zeros(b, 2);

    CHECK(b->l2_norm->backward(b->queue, dx, dy, y, norm, 1, 2) == BT_OK);
    check_near(b, dx, want, 2, 1e-6);
    CHECK(b->l2_norm->backward(b->queue, NULL, dy, y, norm, 1, 2) == BT_OK);
    dev_free(b, y, norm, dy, dx);
}

static void work(const struct bt_backend *b, float *result)
{
    float *x = dev_noise(b, 300 * 130, 1), *dy = dev_noise(b, 300 * 130, 2), *y = dev_zeros(b, 300 * 130);
    float *norm = dev_zeros(b, 300), *dx = dev_zeros(b, 300 * 130);

    CHECK(b->l2_norm->forward(b->queue, y, norm, x, 300, 130) == BT_OK);
    CHECK(b->l2_norm->backward(b->queue, dx, dy, y, norm, 300, 130) == BT_OK);
    dev_get(b, result, y, 300 * 130 * sizeof *result);
    dev_get(b, result + 300 * 130, dx, 300 * 130 * sizeof *result);
    dev_free(b, x, dy, y, norm, dx);
}

static void test_threads(void)
{
    check_threads(work, 2 * 300 * 130);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_by_hand);
    RUN_BACKENDS(test_values);
    RUN_BACKENDS(test_gradients);
    RUN_BACKENDS(test_gradient_of_tiny);
    RUN(test_threads);
    return backends_end();
}
