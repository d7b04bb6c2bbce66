/* kernels/attention.h against the same written plainly in double: masks, prefixes, strides, dropout, sizes
 * that fill no vector and no block. The reference's gradient is held to central differences of the reference
 * in turn. */
#include "kernels/attention.h"
#include "tests/kernels/kernel_test.h"

struct sizes {
    size_t batch, heads, head_size, queries, keys;
    int causal;
    size_t prefix;
    bool masked, fused;
    float dropout;
};

/* One case: host arrays with the kernel's layout, reference results in double. */
struct example {
    struct bt_attention_shape shape;
    size_t query_floats, key_floats, out_floats, rows;
    float *query, *key, *value, *dout;
    int32_t *mask;
    double *out, *lse, *dquery, *dkey, *dvalue;
};

static double factor(const struct bt_attention_shape *s, size_t row, size_t key)
{
    uint64_t i = (uint64_t)row * s->keys + key, block = i / 4;
    uint32_t word[4];

    if (s->dropout == 0)
        return 1;
    bt_philox((uint32_t[4]){ (uint32_t)block, (uint32_t)(block >> 32), s->dropout_key[2], s->dropout_key[3] },
              s->dropout_key, word);
    return word[i % 4] < (1 - (double)s->dropout) * 0x1p32 ? 1 / (1 - (double)s->dropout) : 0;
}

static bool sees(const struct example *e, size_t b, size_t t, size_t key)
{
    const struct bt_attention_shape *s = &e->shape;
    bool causal = !s->causal || (long)key <= (long)t + (long)s->keys - (long)s->queries || key < s->prefix;

    return causal && (!e->mask || e->mask[b * s->keys + key] != 0);
}

/* Probabilities of one query; returns the log-sum-exp. */
static double probabilities(const struct example *e, double *p, size_t b, size_t h, size_t t)
{
    const struct bt_attention_shape *s = &e->shape;
    const float *q = e->query + b * s->query_batch_stride + t * s->query_token_stride + h * s->head_size;
    double most = -INFINITY, sum = 0;

    for (size_t i = 0; i < s->keys; i++) {
        const float *k = e->key + b * s->key_batch_stride + i * s->key_token_stride + h * s->head_size;

        p[i] = sees(e, b, t, i) ? 0 : -INFINITY;
        for (size_t j = 0; j < s->head_size; j++)
            p[i] += (double)s->scale * (double)q[j] * (double)k[j];
        most = fmax(most, p[i]);
    }
    for (size_t i = 0; i < s->keys; i++)
        sum += p[i] = most == -INFINITY ? 0 : exp(p[i] - most);
    for (size_t i = 0; i < s->keys; i++)
        p[i] /= sum > 0 ? sum : 1;
    return sum > 0 ? most + log(sum) : INFINITY;
}

static void reference_forward(struct example *e)
{
    const struct bt_attention_shape *s = &e->shape;
    double *p = calloc(s->keys, sizeof *p);

    for (size_t row = 0; row < e->rows; row++) {
        size_t t = row % s->queries, h = row / s->queries % s->heads, b = row / s->queries / s->heads;

        e->lse[row] = probabilities(e, p, b, h, t);
        for (size_t j = 0; j < s->head_size; j++) {
            double sum = 0;

            for (size_t i = 0; i < s->keys; i++)
                sum +=
                    p[i] * factor(s, row, i) *
                    (double)e
                        ->value[b * s->value_batch_stride + i * s->value_token_stride + h * s->head_size + j];
            e->out[((b * s->queries + t) * s->heads + h) * s->head_size + j] = sum;
        }
    }
    free(p);
}

static void reference_backward(struct example *e)
{
    const struct bt_attention_shape *s = &e->shape;
    double *p = calloc(s->keys, sizeof *p), *dp = calloc(s->keys, sizeof *dp);

    for (size_t row = 0; row < e->rows; row++) {
        size_t t = row % s->queries, h = row / s->queries % s->heads, b = row / s->queries / s->heads,
               d = s->head_size;
        size_t q_at = b * s->query_batch_stride + t * s->query_token_stride + h * d;
        const float *dout = e->dout + ((b * s->queries + t) * s->heads + h) * d;
        double mean = 0;

        probabilities(e, p, b, h, t);
        for (size_t i = 0; i < s->keys; i++) {
            size_t v_at = b * s->value_batch_stride + i * s->value_token_stride + h * d;

            dp[i] = 0;
            for (size_t j = 0; j < d; j++) {
                dp[i] += (double)dout[j] * (double)e->value[v_at + j] * factor(s, row, i);
                e->dvalue[v_at + j] += p[i] * factor(s, row, i) * (double)dout[j];
            }
            mean += p[i] * dp[i];
        }
        for (size_t i = 0; i < s->keys; i++) {
            size_t k_at = b * s->key_batch_stride + i * s->key_token_stride + h * d;
            double ds = p[i] * (dp[i] - mean) * (double)s->scale;

            for (size_t j = 0; j < d; j++) {
                e->dquery[q_at + j] += ds * (double)e->key[k_at + j];
                e->dkey[k_at + j] += ds * (double)e->query[q_at + j];
            }
        }
    }
    free(p);
    free(dp);
}

static void example_make(struct example *e, struct sizes z)
{
    size_t width = z.heads * z.head_size, stride = z.fused ? 3 * width : width;

    *e = (struct example){ .shape = { z.batch,
                                      z.heads,
                                      z.head_size,
                                      z.queries,
                                      z.keys,
                                      stride,
                                      stride * z.queries,
                                      stride,
                                      stride * z.keys,
                                      stride,
                                      stride * z.keys,
                                      0.6f,
                                      z.causal,
                                      z.prefix,
                                      z.dropout,
                                      { 11, 22, 33, 44 } } };
    e->query_floats = stride * z.queries * z.batch;
    e->key_floats = stride * z.keys * z.batch;
    e->out_floats = width * z.queries * z.batch;
    e->rows = z.batch * z.heads * z.queries;
    e->query = host_noise(e->query_floats, 1);
    e->key = host_noise(e->key_floats, 2);
    e->value = host_noise(e->key_floats, 3);
    e->dout = host_noise(e->out_floats, 4);
    e->out = calloc(e->out_floats + 1, sizeof(double));
    e->lse = calloc(e->rows + 1, sizeof(double));
    e->dquery = calloc(e->query_floats + 1, sizeof(double));
    e->dkey = calloc(e->key_floats + 1, sizeof(double));
    e->dvalue = calloc(e->key_floats + 1, sizeof(double));
    if (z.masked) {
        e->mask = calloc(z.batch * z.keys + 1, sizeof *e->mask);
        for (size_t i = 0; i < z.batch * z.keys;
             i++) /* the first batch sees nothing when there are several */
            e->mask[i] = (z.batch == 1 || i >= z.keys) && i % 3 != 1;
    }
}

static void example_free(struct example *e)
{
    free(e->query);
    free(e->key);
    free(e->value);
    free(e->dout);
    free(e->mask);
    free(e->out);
    free(e->lse);
    free(e->dquery);
    free(e->dkey);
    free(e->dvalue);
}

/* A key that no query sees and a query that sees no key have lse +inf, compared apart. */
static void check_lse(const struct bt_backend *b, const struct example *e, const float *dev_lse)
{
    float *lse = calloc(e->rows + 1, sizeof *lse);
    size_t wrong = 0;

    dev_get(b, lse, dev_lse, e->rows * sizeof *lse);
    for (size_t i = 0; i < e->rows; i++)
        wrong += isinf(e->lse[i]) ? !isinf(lse[i])
                                  : !(fabs((double)lse[i] - e->lse[i]) < 4e-6 * fmax(1, fabs(e->lse[i])));
    CHECK_INT(wrong, 0);
    free(lse);
}

static void check_case(const struct bt_backend *b, struct sizes z)
{
    struct example e;
    example_make(&e, z);
    float *query = dev_new(b, e.query, e.query_floats), *key = dev_new(b, e.key, e.key_floats);
    float *value = dev_new(b, e.value, e.key_floats), *dout = dev_new(b, e.dout, e.out_floats);
    float *out = dev_zeros(b, e.out_floats), *lse = dev_zeros(b, e.rows),
          *dquery = dev_new(b, e.query, e.query_floats);
    float *dkey = dev_new(b, e.key, e.key_floats), *dvalue = dev_new(b, e.value, e.key_floats);
    int32_t *mask = e.mask ? dev_ints(b, e.mask, z.batch * z.keys) : NULL;

    reference_forward(&e);
    for (size_t i = 0; i < e.query_floats; i++) /* gradients add to what is there */
        e.dquery[i] = (double)e.query[i];
    for (size_t i = 0; i < e.key_floats; i++) {
        e.dkey[i] = (double)e.key[i];
        e.dvalue[i] = (double)e.value[i];
    }
    reference_backward(&e);
    CHECK(b->attention->forward(b->queue, out, lse, query, key, value, mask, &e.shape) == BT_OK);
    check_near(b, out, e.out, e.out_floats, 1e-6);
    check_lse(b, &e, lse);
    CHECK(b->attention->backward(b->queue, dquery, dkey, dvalue, dout, out, lse, query, key, value, mask,
                                 &e.shape) == BT_OK);
    check_near(b, dquery, e.dquery, e.query_floats, 2e-6);
    check_near(b, dkey, e.dkey, e.key_floats, 2e-6);
    check_near(b, dvalue, e.dvalue, e.key_floats, 2e-6);
    CHECK(b->attention->backward(b->queue, NULL, NULL, NULL, dout, out, lse, query, key, value, mask,
                                 &e.shape) == BT_OK);
    dev_free(b, query, key, value, dout, out, lse, dquery, dkey, dvalue, mask);
    example_free(&e);
}

static void test_shapes(const struct bt_backend *b)
{
    static const size_t head_sizes[] = { 1, 10, 12, 32, 64, 80, 88, 128 };

    for (size_t i = 0; i < sizeof head_sizes / sizeof head_sizes[0]; i++) {
        check_case(b, (struct sizes){
                          .batch = 2, .heads = 3, .head_size = head_sizes[i], .queries = 7, .keys = 13 });
        check_case(b, (struct sizes){ .batch = 1,
                                      .heads = 2,
                                      .head_size = head_sizes[i],
                                      .queries = 50,
                                      .keys = 33,
                                      .fused = true });
    }
    check_case(b, (struct sizes){ .batch = 0, .heads = 2, .head_size = 4, .queries = 3, .keys = 3 });
    check_case(b, (struct sizes){ .batch = 2, .heads = 1, .head_size = 4, .queries = 1, .keys = 1 });
    check_case(b, (struct sizes){ .batch = 1, .heads = 1, .head_size = 16, .queries = 30, .keys = 700 });
}

static void test_masks(const struct bt_backend *b)
{
    check_case(
        b,
        (struct sizes){
            .batch = 3, .heads = 2, .head_size = 32, .queries = 24, .keys = 24, .causal = 1, .fused = true });
    check_case(
        b,
        (struct sizes){
            .batch = 3, .heads = 2, .head_size = 10, .queries = 60, .keys = 60, .causal = 1, .prefix = 20 });
    check_case(
        b,
        (struct sizes){
            .batch = 2, .heads = 2, .head_size = 10, .queries = 5, .keys = 40, .causal = 1, .masked = true });
    check_case(
        b, (struct sizes){ .batch = 2, .heads = 1, .head_size = 12, .queries = 40, .keys = 30, .causal = 1 });
    check_case(b, (struct sizes){
                      .batch = 2, .heads = 2, .head_size = 32, .queries = 33, .keys = 57, .masked = true });
}

static void test_dropout(const struct bt_backend *b)
{
    check_case(b, (struct sizes){
                      .batch = 2, .heads = 3, .head_size = 10, .queries = 29, .keys = 37, .dropout = 0.1f });
    check_case(b, (struct sizes){ .batch = 2,
                                  .heads = 3,
                                  .head_size = 32,
                                  .queries = 31,
                                  .keys = 31,
                                  .dropout = 0.5f,
                                  .causal = 1,
                                  .masked = true });
}

static double reference_loss(struct example *e)
{
    double sum = 0;

    reference_forward(e);
    for (size_t i = 0; i < e->out_floats; i++)
        sum += e->out[i] * (double)e->dout[i];
    return sum;
}

static void check_differences(struct example *e, float *x, const double *gradient, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float before = x[i], up = before + 0x1p-10f, down = before - 0x1p-10f;
        double above, below;

        x[i] = up;
        above = reference_loss(e);
        x[i] = down;
        below = reference_loss(e);
        x[i] = before;
        CHECK_NEAR(gradient[i], (above - below) / ((double)up - (double)down), 1e-5);
    }
}

static void test_reference(void)
{
    struct example e;

    example_make(&e, (struct sizes){ .batch = 1,
                                     .heads = 2,
                                     .head_size = 3,
                                     .queries = 4,
                                     .keys = 5,
                                     .causal = 1,
                                     .masked = true,
                                     .dropout = 0.3f });
    reference_backward(&e);
    check_differences(&e, e.query, e.dquery, e.query_floats);
    check_differences(&e, e.key, e.dkey, e.key_floats);
    check_differences(&e, e.value, e.dvalue, e.key_floats);
    example_free(&e);
}

static void work(const struct bt_backend *b, float *result)
{
    size_t n = 4 * 40 * 64, rows = 4 * 2 * 40;
    struct bt_attention_shape s = { 4,       2,  32,      40,   40, 64, 40 * 64, 64,
                                    40 * 64, 64, 40 * 64, 0.2f, 1,  3,  0.1f,    { 1, 2, 3, 4 } };
    float *query = dev_noise(b, n, 1), *key = dev_noise(b, n, 2), *value = dev_noise(b, n, 3),
          *dout = dev_noise(b, n, 4);
    float *out = dev_zeros(b, n), *lse = dev_zeros(b, rows), *dq = dev_zeros(b, n), *dk = dev_zeros(b, n),
          *dv = dev_zeros(b, n);

    CHECK(b->attention->forward(b->queue, out, lse, query, key, value, NULL, &s) == BT_OK);
    CHECK(b->attention->backward(b->queue, dq, dk, dv, dout, out, lse, query, key, value, NULL, &s) == BT_OK);
    dev_get(b, result, out, n * sizeof *out);
    dev_get(b, result + n, dq, n * sizeof *out);
    dev_get(b, result + 2 * n, dk, n * sizeof *out);
    dev_get(b, result + 3 * n, dv, n * sizeof *out);
    dev_free(b, query, key, value, dout, out, lse, dq, dk, dv);
}

static void test_threads(void)
{
    check_threads(work, 4 * 4 * 40 * 64);
}

int main(void)
{
    backends_open();
    RUN(test_reference);
    RUN_BACKENDS(test_shapes);
    RUN_BACKENDS(test_masks);
    RUN_BACKENDS(test_dropout);
    RUN(test_threads);
    return backends_end();
}
