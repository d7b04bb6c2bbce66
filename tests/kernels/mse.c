#include "kernels/mse.h"
#include "tests/kernels/kernel_test.h"

static void check_size(const struct bt_backend *b, size_t n)
{
    float *x = host_noise(n, 1), *y = host_noise(n, 2), scale = 3;
    float *a = dev_new(b, x, n), *c = dev_new(b, y, n), *loss = dev_zeros(b, 1),
          *dloss = dev_new(b, &scale, 1);
    float *da = dev_zeros(b, n), *db = dev_zeros(b, n);
    double *want_da = calloc(n + 1, sizeof *want_da), *want_db = calloc(n + 1, sizeof *want_db), sum = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)y[i];

        sum += d * d / (double)n;
        want_da[i] = 3 * 2 * d / (double)n;
        want_db[i] = -want_da[i];
    }
    CHECK(b->mse->forward(b->queue, loss, a, c, n) == BT_OK);
    check_near(b, loss, &sum, 1, 1e-6);
    CHECK(b->mse->backward(b->queue, da, db, dloss, a, c, n) == BT_OK);
    check_near(b, da, want_da, n, 1e-6);
    check_near(b, db, want_db, n, 1e-6);
    dev_free(b, a, c, loss, dloss, da, db);
    free(x);
    free(y);
    free(want_da);
    free(want_db);
}

static void test_values(const struct bt_backend *b)
{
    static const size_t sizes[] = { 0, 1, 2, 63, 64, 65, 1000, 50001 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(b, sizes[i]);
}

static void test_by_hand(const struct bt_backend *b)
{
    static const float left[] = { 1, 2, 3, 4 }, right[] = { 1, 0, 0, 8 }, loss_want[] = { 7.25f };
    static const float half = 0.5f, before[] = { 1, 1, 1, 1 }, da_want[] = { 1, 1.5f, 1.75f, 0 };
    float *a = dev_new(b, left, 4), *c = dev_new(b, right, 4), *loss = dev_zeros(b, 1),
          *dloss = dev_new(b, &half, 1);
    float *da = dev_new(b, before, 4);

    CHECK(b->mse->forward(b->queue, loss, a, c, 4) == BT_OK);
    check_near(b, loss, loss_want, 1, 0);
    CHECK(b->mse->backward(b->queue, da, NULL, dloss, a, c, 4) == BT_OK);
    check_near(b, da, da_want, 4, 0);
    dev_free(b, a, c, loss, dloss, da);
}

struct problem {
    float *a, *c, *loss;
};

static double loss_of(const struct bt_backend *b, void *context)
{
    struct problem *p = context;

    CHECK(b->mse->forward(b->queue, p->loss, p->a, p->c, 9) == BT_OK);
    return weighted_sum(b, p->loss, (const float[]){ 1 }, 1);
}

static void test_gradients(const struct bt_backend *b)
{
    struct problem p = { dev_noise(b, 9, 1), dev_noise(b, 9, 2), dev_zeros(b, 1) };
    float *da = dev_zeros(b, 9), *dc = dev_zeros(b, 9), *one = dev_new(b, (const float[]){ 1 }, 1);

    CHECK(b->mse->backward(b->queue, da, dc, one, p.a, p.c, 9) == BT_OK);
    check_gradient(b, da, p.a, 9, loss_of, &p, 1e-2f, 1e-4);
    check_gradient(b, dc, p.c, 9, loss_of, &p, 1e-2f, 1e-4);
    dev_free(b, p.a, p.c, p.loss, da, dc, one);
}

static void work(const struct bt_backend *b, float *result)
{
    float *a = dev_noise(b, 70001, 1), *c = dev_noise(b, 70001, 2), *loss = dev_zeros(b, 1);

    CHECK(b->mse->forward(b->queue, loss, a, c, 70001) == BT_OK);
    dev_get(b, result, loss, sizeof *result);
    dev_free(b, a, c, loss);
}

static void test_threads(void)
{
    check_threads(work, 1);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_by_hand);
    RUN_BACKENDS(test_values);
    RUN_BACKENDS(test_gradients);
    RUN(test_threads);
    return backends_end();
}
