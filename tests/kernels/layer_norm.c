#include "kernels/layer_norm.h"
#include "tests/kernels/kernel_test.h"

#define EPS 1e-5f

struct problem {
    size_t rows, width;
    float *x, *residual, *weight, *bias, *y, *sum, *mean, *rstd; /* device */
    float *dy, *dsum;                                            /* host: the loss is y dy + sum dsum */
};

static struct problem problem_new(const struct bt_backend *b, size_t rows, size_t width, bool with_residual)
{
    size_t n = rows * width;
    return (struct problem){
        .rows = rows,
        .width = width,
        .x = dev_noise(b, n, 1),
        .residual = with_residual ? dev_noise(b, n, 2) : NULL,
        .weight = dev_noise(b, width, 3),
        .bias = dev_noise(b, width, 4),
        .y = dev_zeros(b, n),
        .sum = dev_zeros(b, n),
        .mean = dev_zeros(b, rows),
        .rstd = dev_zeros(b, rows),
        .dy = host_noise(n, 5),
        .dsum = host_noise(n, 6),
    };
}

static void problem_free(const struct bt_backend *b, struct problem *p)
{
    dev_free(b, p->x, p->residual, p->weight, p->bias, p->y, p->sum, p->mean, p->rstd);
    free(p->dy);
    free(p->dsum);
}

static int run_forward(const struct bt_backend *b, struct problem *p)
{
    return b->layer_norm->forward(b->queue, p->y, p->sum, p->mean, p->rstd, p->x, p->residual, p->weight,
                                  p->bias, EPS, p->rows, p->width);
}

static double loss(const struct bt_backend *b, void *context)
{
    struct problem *p = context;
    size_t n = p->rows * p->width;

    CHECK(run_forward(b, p) == BT_OK);
    return weighted_sum(b, p->y, p->dy, n) + (p->residual ? weighted_sum(b, p->sum, p->dsum, n) : 0);
}

/* The definition, in double. */
static void reference(double *y, const float *x, const float *residual, const float *weight,
                      const float *bias, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, var = 0;

        for (size_t i = 0; i < width; i++) {
            y[r * width + i] = (double)x[r * width + i] + (residual ? (double)residual[r * width + i] : 0);
            mean += y[r * width + i] / (double)width;
        }
        for (size_t i = 0; i < width; i++)
            var += (y[r * width + i] - mean) * (y[r * width + i] - mean) / (double)width;
        for (size_t i = 0; i < width; i++)
            y[r * width + i] =
                (y[r * width + i] - mean) / sqrt(var + (double)EPS) * (double)weight[i] + (double)bias[i];
    }
}

static void check_values(const struct bt_backend *b, size_t rows, size_t width, bool with_residual)
{
    struct problem p = problem_new(b, rows, width, with_residual);
    float *x = host_noise(rows * width, 1), *residual = host_noise(rows * width, 2);
    float *weight = host_noise(width, 3), *bias = host_noise(width, 4);
    double *want = calloc(rows * width + 1, sizeof *want);

    reference(want, x, with_residual ? residual : NULL, weight, bias, rows, width);
    CHECK(run_forward(b, &p) == BT_OK);
    check_near(b, p.y, want, rows * width, 1e-5);
    if (with_residual) {
        for (size_t i = 0; i < rows * width; i++)
            x[i] += residual[i];
        check_near(b, p.sum, x, rows * width, 0);
    }
    free(x);
    free(residual);
    free(weight);
    free(bias);
    free(want);
    problem_free(b, &p);
}

/* 1, 2, 3, 4 have mean 2.5 and variance 1.25. */
static void test_by_hand(const struct bt_backend *b)
{
    static const float in[] = { 1, 2, 3, 4 }, weight[] = { 1, 1, 2, 1 }, bias[] = { 0, 0, 0, 10 };
    static const float want[] = { -1.3416354f, -0.4472118f, 0.8944236f, 11.3416354f };
    float *x = dev_new(b, in, 4), *w = dev_new(b, weight, 4), *c = dev_new(b, bias, 4), *y = dev_zeros(b, 4);
    float *mean = dev_zeros(b, 1), *rstd = dev_zeros(b, 1);

    CHECK(b->layer_norm->forward(b->queue, y, NULL, mean, rstd, x, NULL, w, c, EPS, 1, 4) == BT_OK);
    check_near(b, y, want, 4, 1e-6);
    check_near(b, mean, ((const float[]){ 2.5f }), 1, 0);
    check_near(b, rstd, ((const float[]){ 0.8944236f }), 1, 1e-6);
    dev_free(b, x, w, c, y, mean, rstd);
}

static void test_values(const struct bt_backend *b)
{
    static const size_t sizes[][2] = { { 0, 8 }, { 1, 1 }, { 3, 5 }, { 7, 33 }, { 200, 128 }, { 9, 2560 } };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_values(b, sizes[i][0], sizes[i][1], false);
        check_values(b, sizes[i][0], sizes[i][1], true);
    }
}

/* A mean far above the spread costs a difference of squares all its digits. */
static void test_large_mean(const struct bt_backend *b)
{
    float host[64], ones[64], zeros[64] = { 0 };
    double want[64];

    for (int i = 0; i < 64; i++) {
        host[i] = 4096.0f + (float)(i % 8) / 8;
        ones[i] = 1;
    }
    reference(want, host, NULL, ones, zeros, 1, 64);

    float *x = dev_new(b, host, 64), *w = dev_new(b, ones, 64), *c = dev_zeros(b, 64), *y = dev_zeros(b, 64);
    float *mean = dev_zeros(b, 1), *rstd = dev_zeros(b, 1);

    CHECK(b->layer_norm->forward(b->queue, y, NULL, mean, rstd, x, NULL, w, c, EPS, 1, 64) == BT_OK);
    check_near(b, y, want, 64, 2e-3);
    dev_free(b, x, w, c, y, mean, rstd);
}

static void check_gradients(const struct bt_backend *b, size_t rows, size_t width, bool with_residual)
{
    struct problem p = problem_new(b, rows, width, with_residual);
    size_t n = rows * width;
    float *dx = dev_zeros(b, n), *dresidual = dev_zeros(b, n), *dweight = dev_zeros(b, width),
          *dbias = dev_zeros(b, width);
    float *dy = dev_new(b, p.dy, n), *dsum = dev_new(b, p.dsum, n);

    CHECK(run_forward(b, &p) == BT_OK);
    CHECK(b->layer_norm->backward(b->queue, dx, with_residual ? dresidual : NULL, dweight, dbias, dy,
                                  with_residual ? dsum : NULL, with_residual ? p.sum : p.x, p.mean, p.rstd,
                                  p.weight, rows, width) == BT_OK);
    check_gradient(b, dx, p.x, n, loss, &p, 2e-3f, 2e-3);
    if (with_residual)
        check_gradient(b, dresidual, p.residual, n, loss, &p, 2e-3f, 2e-3);
    check_gradient(b, dweight, p.weight, width, loss, &p, 1e-2f, 1e-4);
    check_gradient(b, dbias, p.bias, width, loss, &p, 1e-2f, 1e-4);
    dev_free(b, dx, dresidual, dweight, dbias, dy, dsum);
    problem_free(b, &p);
}

static void test_gradients(const struct bt_backend *b)
{
    check_gradients(b, 3, 7, false);
    check_gradients(b, 3, 7, true);
    check_gradients(b, 67, 35, true);
}

/* Gradients are added to, and NULL is not wanted. */
static void test_adds(const struct bt_backend *b)
{
    struct problem p = problem_new(b, 4, 6, false);
    float *dy = dev_new(b, p.dy, 24), *once = dev_zeros(b, 24), *twice = dev_zeros(b, 24), once_w[6],
          twice_w[6];
    float *dweight = dev_zeros(b, 6), host[24];

    CHECK(run_forward(b, &p) == BT_OK);
    CHECK(b->layer_norm->backward(b->queue, once, NULL, dweight, NULL, dy, NULL, p.x, p.mean, p.rstd,
                                  p.weight, 4, 6) == BT_OK);
    dev_get(b, once_w, dweight, sizeof once_w);
    for (int i = 0; i < 2; i++)
        CHECK(b->layer_norm->backward(b->queue, NULL, twice, NULL, NULL, dy, NULL, p.x, p.mean, p.rstd,
                                      p.weight, 4, 6) == BT_OK);
    CHECK(b->layer_norm->backward(b->queue, NULL, NULL, dweight, NULL, dy, NULL, p.x, p.mean, p.rstd,
                                  p.weight, 4, 6) == BT_OK);
    dev_get(b, twice_w, dweight, sizeof twice_w);
    dev_get(b, host, once, sizeof host);
    for (int i = 0; i < 24; i++)
        host[i] *= 2;
    check_near(b, twice, host, 24, 1e-6);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(twice_w[i], 2 * once_w[i], 1e-6);
    dev_free(b, dy, once, twice, dweight);
    problem_free(b, &p);
}

static void work(const struct bt_backend *b, float *result)
{
    struct problem p = problem_new(b, 301, 130, true);
    size_t n = 301 * 130;
    float *dx = dev_zeros(b, n), *dweight = dev_zeros(b, 130), *dbias = dev_zeros(b, 130),
          *dy = dev_new(b, p.dy, n);

    CHECK(run_forward(b, &p) == BT_OK);
    CHECK(b->layer_norm->backward(b->queue, dx, NULL, dweight, dbias, dy, NULL, p.sum, p.mean, p.rstd,
                                  p.weight, 301, 130) == BT_OK);
    dev_get(b, result, p.y, n * sizeof *result);
    dev_get(b, result + n, dx, n * sizeof *result);
    dev_get(b, result + 2 * n, dweight, 130 * sizeof *result);
    dev_get(b, result + 2 * n + 130, dbias, 130 * sizeof *result);
    dev_free(b, dx, dweight, dbias, dy);
    problem_free(b, &p);
}

static void test_threads(void)
{
    check_threads(work, 2 * 301 * 130 + 260);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_by_hand);
    RUN_BACKENDS(test_values);
    RUN_BACKENDS(test_large_mean);
    RUN_BACKENDS(test_gradients);
    RUN_BACKENDS(test_adds);
    RUN(test_threads);
    return backends_end();
}
