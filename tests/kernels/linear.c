/* kernels/linear.h: products against sums in double, activations against libm in double, gradients against
 * sums and differences, the same bytes for any number of threads. */
#include "kernels/linear.h"
#include "tests/kernels/kernel_test.h"

static double activation(double x, enum bt_act act)
{
    return act == BT_ACT_GELU   ? 0.5 * x * erfc(-x * M_SQRT1_2)
           : act == BT_ACT_RELU ? fmax(x, 0)
           : act == BT_ACT_TANH ? tanh(x)
                                : x;
}

static double activation_slope(double x, enum bt_act act)
{
    switch (act) {
    case BT_ACT_GELU: return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
    case BT_ACT_RELU: return x > 0;
    case BT_ACT_TANH: return 1 - tanh(x) * tanh(x);
    case BT_ACT_NONE: break;
    }
    return 1;
}

/* A linear map in double. */
struct reference {
    size_t rows, in, out;
    float *x, *weight, *bias, *dy; /* host */
    double *slope, *y, *dx, *dweight, *dbias;
};

static void reference_make(struct reference *r, size_t rows, size_t in, size_t out, enum bt_act act)
{
    *r = (struct reference){ rows,
                             in,
                             out,
                             host_noise(rows * in, 1),
                             host_noise(out * in, 2),
                             host_noise(out, 3),
                             host_noise(rows * out, 4),
                             calloc(rows * out + 1, sizeof(double)),
                             calloc(rows * out + 1, sizeof(double)),
                             calloc(rows * in + 1, sizeof(double)),
                             calloc(out * in + 1, sizeof(double)),
                             calloc(out + 1, sizeof(double)) };
    for (size_t i = 0; i < out * in; i++) /* as a layer begins: outputs of size one */
        r->weight[i] /= sqrtf((float)in);
    for (size_t i = 0; i < rows; i++)
        for (size_t o = 0; o < out; o++) {
            double sum = (double)r->bias[o], g;

            for (size_t k = 0; k < in; k++)
                sum += (double)r->x[i * in + k] * (double)r->weight[o * in + k];
            r->y[i * out + o] = activation(sum, act);
            r->slope[i * out + o] = activation_slope(sum, act);
            g = (double)r->dy[i * out + o] * r->slope[i * out + o];
            r->dbias[o] += g;
            for (size_t k = 0; k < in; k++) {
                r->dx[i * in + k] += g * (double)r->weight[o * in + k];
                r->dweight[o * in + k] += g * (double)r->x[i * in + k];
            }
        }
}

static void reference_free(struct reference *r)
{
    free(r->x);
    free(r->weight);
    free(r->bias);
    free(r->dy);
    free(r->slope);
    free(r->y);
    free(r->dx);
    free(r->dweight);
    free(r->dbias);
}

/* Forward and backward of one shape; gradients begin at what is there already. */
static void check_shape(const struct bt_backend *b, size_t rows, size_t in, size_t out, enum bt_act act,
                        bool packed)
{
    struct reference r;
    reference_make(&r, rows, in, out, act);
    float *x = dev_new(b, r.x, rows * in), *weight = dev_new(b, r.weight, out * in),
          *bias = dev_new(b, r.bias, out);
    float *dy = dev_new(b, r.dy, rows * out), *y = dev_zeros(b, rows * out),
          *slope = dev_zeros(b, rows * out);
    float *dx = dev_new(b, r.x, rows * in), *dweight = dev_new(b, r.weight, out * in),
          *dbias = dev_new(b, r.bias, out);

    for (size_t i = 0; i < rows * in; i++)
        r.dx[i] += (double)r.x[i];
    for (size_t i = 0; i < out * in; i++)
        r.dweight[i] += (double)r.weight[i];
    for (size_t i = 0; i < out; i++)
        r.dbias[i] += (double)r.bias[i];
    if (packed)
        CHECK(b->linear->pack(b->queue, weight, in, out) == BT_OK);
    CHECK(b->linear->forward(b->queue, y, act == BT_ACT_GELU ? slope : NULL, x, weight, bias, act, rows, in,
                             out) == BT_OK);
    check_near(b, y, r.y, rows * out, 2e-6);
    if (act == BT_ACT_GELU) {
        check_near(b, slope, r.slope, rows * out, 2e-6);
        CHECK(b->linear->forward(b->queue, y, NULL, x, weight, bias, act, rows, in, out) == BT_OK);
        check_near(b, y, r.y, rows * out, 2e-6);
    }
    CHECK(b->linear->backward(b->queue, dx, dweight, dbias, dy, act == BT_ACT_GELU ? slope : y, x, weight,
                              act, rows, in, out) == BT_OK);
    check_near(b, dx, r.dx, rows * in, 5e-6);
    check_near(b, dweight, r.dweight, out * in, 5e-6);
    check_near(b, dbias, r.dbias, out, 5e-6);
    CHECK(b->linear->backward(b->queue, NULL, NULL, NULL, dy, act == BT_ACT_GELU ? slope : y, x, weight, act,
                              rows, in, out) == BT_OK);
    if (packed)
        b->linear->unpack(b->queue, weight);
    dev_free(b, x, weight, bias, dy, y, slope, dx, dweight, dbias);
    reference_free(&r);
}

static void test_shapes(const struct bt_backend *b)
{
    static const size_t shapes[][3] = { { 0, 3, 4 },       { 1, 1, 1 },      { 1, 7, 5 },
                                        { 5, 1, 3 },       { 3, 300, 1 },    { 129, 10, 12 },
                                        { 130, 128, 257 }, { 70, 384, 512 }, { 33, 512, 256 } };

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (enum bt_act act = BT_ACT_NONE; act <= BT_ACT_TANH; act++)
            check_shape(b, shapes[i][0], shapes[i][1], shapes[i][2], act, i % 2 == 0);
}

static void test_without_bias(const struct bt_backend *b)
{
    static const float x[] = { 1, 2, 3, 4 }, weight[] = { 1, -1, 0.5f, 2, 0, -3 };
    static const float want[] = { -1, 4.5f, -6, -1, 9.5f, -12 };
    float *in = dev_new(b, x, 4), *w = dev_new(b, weight, 6), *y = dev_zeros(b, 6);

    CHECK(b->linear->forward(b->queue, y, NULL, in, w, NULL, BT_ACT_NONE, 2, 2, 3) == BT_OK);
    check_near(b, y, want, 6, 0);
    dev_free(b, in, w, y);
}

/* A packed weight that is unpacked and changed is read anew. */
static void test_repack(const struct bt_backend *b)
{
    size_t rows = 40, in = 256, out = 8;
    float *weight = dev_noise(b, in * out, 1), *dy = dev_noise(b, rows * out, 2),
          *x = dev_noise(b, rows * in, 3);
    float *dx = dev_zeros(b, rows * in), *zero = calloc(rows * in, sizeof *zero);

    CHECK(b->linear->pack(b->queue, weight, in, out) == BT_OK);
    CHECK(b->linear->backward(b->queue, dx, NULL, NULL, dy, NULL, x, weight, BT_ACT_NONE, rows, in, out) ==
          BT_OK);
    b->linear->unpack(b->queue, weight);
    CHECK(b->zero(b->queue, weight, in * out * sizeof *weight) == BT_OK);
    CHECK(b->zero(b->queue, dx, rows * in * sizeof *dx) == BT_OK);
    CHECK(b->linear->pack(b->queue, weight, in, out) == BT_OK);
    CHECK(b->linear->backward(b->queue, dx, NULL, NULL, dy, NULL, x, weight, BT_ACT_NONE, rows, in, out) ==
          BT_OK);
    check_near(b, dx, zero, rows * in, 0);
    b->linear->unpack(b->queue, weight);
    b->linear->unpack(b->queue, weight);
    free(zero);
    dev_free(b, weight, dy, x, dx);
}

/* Activations over -12 .. 12 and beyond, by a map of one number to itself. */
static void test_activations(const struct bt_backend *b)
{
    enum { N = 24001 };
    static float x[N], ones[N];
    static double y[N], dy_dx[N];
    static const float one = 1;

    for (enum bt_act act = BT_ACT_GELU; act <= BT_ACT_TANH; act++) {
        float *in, *dy, *w, *out, *slope, *dx;

        for (int i = 0; i < N; i++) {
            x[i] = (float)(i - N / 2) * 0.001f;
            ones[i] = 1;
            y[i] = activation((double)x[i], act);
            dy_dx[i] = activation_slope((double)x[i], act);
        }
        in = dev_new(b, x, N);
        dy = dev_new(b, ones, N);
        w = dev_new(b, &one, 1);
        out = dev_zeros(b, N);
        slope = dev_zeros(b, N);
        dx = dev_zeros(b, N);
        CHECK(b->linear->forward(b->queue, out, act == BT_ACT_GELU ? slope : NULL, in, w, NULL, act, N, 1,
                                 1) == BT_OK);
        check_near(b, out, y, N, 1e-7);
        CHECK(b->linear->backward(b->queue, dx, NULL, NULL, dy, act == BT_ACT_GELU ? slope : out, in, w, act,
                                  N, 1, 1) == BT_OK);
        check_near(b, dx, dy_dx, N, 4e-7);
        dev_free(b, in, dy, w, out, slope, dx);
    }
}

static void work(const struct bt_backend *b, float *result)
{
    size_t rows = 300, in = 384, out = 256;
    float *x = dev_noise(b, rows * in, 1), *weight = dev_noise(b, out * in, 2), *bias = dev_noise(b, out, 3);
    float *dy = dev_noise(b, rows * out, 4), *y = dev_zeros(b, rows * out),
          *slope = dev_zeros(b, rows * out);
    float *dx = dev_zeros(b, rows * in), *dweight = dev_zeros(b, out * in), *dbias = dev_zeros(b, out);

    CHECK(b->linear->forward(b->queue, y, slope, x, weight, bias, BT_ACT_GELU, rows, in, out) == BT_OK);
    CHECK(b->linear->backward(b->queue, dx, dweight, dbias, dy, slope, x, weight, BT_ACT_GELU, rows, in, out) ==
          BT_OK);
    dev_get(b, result, y, rows * out * sizeof *y);
    dev_get(b, result += rows * out, dx, rows * in * sizeof *y);
    dev_get(b, result += rows * in, dweight, out * in * sizeof *y);
    dev_get(b, result += out * in, dbias, out * sizeof *y);
    dev_free(b, x, weight, bias, dy, y, slope, dx, dweight, dbias);
}

static void test_threads(void)
{
    check_threads(work, 300 * 256 + 300 * 384 + 256 * 384 + 256);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_shapes);
    RUN_BACKENDS(test_without_bias);
    RUN_BACKENDS(test_repack);
    RUN_BACKENDS(test_activations);
    RUN(test_threads);
    return backends_end();
}
