#include "kernels/adamw.h"
#include "tests/kernels/kernel_test.h"

static const struct bt_adamw_rule rule = {
    .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .weight_decay = 0.05, .t = 1
};

/* The first step moves every parameter by lr against the sign of its gradient, whatever its size, after the
 * decay. */
static void test_first_step(const struct bt_backend *b)
{
    static const float start[] = { 1, 1, -2 }, grads[] = { 1e-3f, -50, 2 };
    static const double want[] = { 0.9995 - 1e-2, 0.9995 + 1e-2, -1.999 - 1e-2 },
                        want_m[] = { 1e-4, -5, 0.2 };
    static const double want_v[] = { 2e-8, 50, 0.08 };
    float *param = dev_new(b, start, 3), *m = dev_zeros(b, 3), *v = dev_zeros(b, 3),
          *grad = dev_new(b, grads, 3);

    CHECK(b->adamw->step(b->queue, param, m, v, grad, &rule, 0) == BT_OK);
    check_near(b, param, start, 3, 0);
    CHECK(b->adamw->step(b->queue, param, m, v, grad, &rule, 3) == BT_OK);
    check_near(b, param, want, 3, 2e-7);
    check_near(b, m, want_m, 3, 1e-7);
    check_near(b, v, want_v, 3, 1e-7);
    dev_free(b, param, m, v, grad);
}

/* Fifty steps with changing gradients, against the same in double. */
static void check_steps(const struct bt_backend *b, size_t n)
{
    float *start = host_noise(n, 1), *param = dev_new(b, start, n), *m = dev_zeros(b, n),
          *v = dev_zeros(b, n);
    float *grads = malloc((n + 1) * sizeof *grads), *grad = dev_zeros(b, n);
    double *p = calloc(n + 1, sizeof *p), *pm = calloc(n + 1, sizeof *pm), *pv = calloc(n + 1, sizeof *pv);
    struct bt_adamw_rule now = rule;

    for (size_t i = 0; i < n; i++)
        p[i] = (double)start[i];
    for (now.t = 1; now.t <= 50; now.t++) {
        noise(grads, n, (uint32_t)(100 + now.t));
        CHECK(b->copy_in(b->queue, grad, grads, n * sizeof *grads) == BT_OK);
        CHECK(b->adamw->step(b->queue, param, m, v, grad, &now, n) == BT_OK);
        for (size_t i = 0; i < n; i++) {
            double g = (double)grads[i], t = (double)now.t;

            p[i] *= 1 - now.lr * now.weight_decay;
            pm[i] = now.beta1 * pm[i] + (1 - now.beta1) * g;
            pv[i] = now.beta2 * pv[i] + (1 - now.beta2) * g * g;
            p[i] -= now.lr * (pm[i] / (1 - pow(now.beta1, t))) /
                    (sqrt(pv[i] / (1 - pow(now.beta2, t))) + now.eps);
        }
    }
    check_near(b, param, p, n, 2e-6);
    check_near(b, m, pm, n, 1e-6);
    check_near(b, v, pv, n, 1e-6);
    dev_free(b, param, m, v, grad);
    free(start);
    free(grads);
    free(p);
    free(pm);
    free(pv);
}

static void test_steps(const struct bt_backend *b)
{
    check_steps(b, 1);
    check_steps(b, 37);
    check_steps(b, 20001);
}

/* A parameter whose gradient is 0 from the start decays and does nothing else: no 0 / 0. */
static void test_zero_gradient(const struct bt_backend *b)
{
    static const float start[] = { 2 };
    static const double want[] = { 2 * 0.9995 };
    float *param = dev_new(b, start, 1), *m = dev_zeros(b, 1), *v = dev_zeros(b, 1), *grad = dev_zeros(b, 1);

    CHECK(b->adamw->step(b->queue, param, m, v, grad, &rule, 1) == BT_OK);
    check_near(b, param, want, 1, 1e-7);
    dev_free(b, param, m, v, grad);
}

static void work(const struct bt_backend *b, float *result)
{
    float *param = dev_noise(b, 30001, 1), *m = dev_zeros(b, 30001), *v = dev_zeros(b, 30001),
          *grad = dev_noise(b, 30001, 2);

    CHECK(b->adamw->step(b->queue, param, m, v, grad, &rule, 30001) == BT_OK);
    dev_get(b, result, param, 30001 * sizeof *result);
    dev_free(b, param, m, v, grad);
}

static void test_threads(void)
{
    check_threads(work, 30001);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_first_step);
    RUN_BACKENDS(test_steps);
    RUN_BACKENDS(test_zero_gradient);
    RUN(test_threads);
    return backends_end();
}
