/* Every op through the tape: its gradients against central differences. */
#include "tests/tensor/leaf.h"

#define INPUTS 4

typedef struct bt_tensor *builder(struct bt_tape *tape, struct bt_tensor *x);

static struct bt_tensor *linear(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear(t, &x[0], &x[1], &x[2], BT_ACT_NONE);
}

static struct bt_tensor *linear_without_bias(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear(t, &x[0], &x[1], NULL, BT_ACT_NONE);
}

static struct bt_tensor *linear_gelu(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear(t, &x[0], &x[1], &x[2], BT_ACT_GELU);
}

static struct bt_tensor *linear_relu(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear(t, &x[0], &x[1], &x[2], BT_ACT_RELU);
}

static struct bt_tensor *linear_tanh(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear(t, &x[0], &x[1], &x[2], BT_ACT_TANH);
}

static struct bt_tensor *layer_norm(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_layer_norm(t, &x[0], &x[1], &x[2], 1e-5f);
}

static struct bt_tensor *add_layer_norm(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_add_layer_norm(t, &x[0], &x[1], &x[2], &x[3], 1e-5f, NULL);
}

static struct bt_tensor *add_layer_norm_sum(struct bt_tape *t, struct bt_tensor *x)
{
    struct bt_tensor *sum, *y = bt_add_layer_norm(t, &x[0], &x[1], &x[2], &x[3], 1e-5f, &sum);

    return bt_add(t, y, bt_scale(t, sum, 0.5f));
}

static struct bt_tensor *only_the_sum(struct bt_tape *t, struct bt_tensor *x)
{
    struct bt_tensor *sum;

    bt_add_layer_norm(t, &x[0], &x[1], &x[2], &x[3], 1e-5f, &sum);
    return bt_scale(t, sum, 2.0f);
}

static struct bt_tensor *embed(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_embed(t, &x[0], bt_int_constant(t, (int32_t[]){ 2, 0, 2, 2, 4 }, 5));
}

static struct bt_tensor *embed_of_sequences(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_embed(t, &x[0], bt_int_constant(t, (int32_t[]){ 1, 1, 0 }, 3));
}

static struct bt_tensor *repeat(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_repeat(t, &x[0], 3);
}

static struct bt_tensor *attention(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_attention(t, &(struct bt_attend){ .query = &x[0], .key = &x[1], .value = &x[2], .heads = 2, .head_size = 4,
                                                .scale = 0.5f });
}

/* Parts of one projection, causal but for a prefix, with padding and dropout. */
static struct bt_tensor *attention_fused(struct bt_tape *t, struct bt_tensor *x)
{
    static const int32_t mask[] = { 1, 1, 1, 1, 0, 1, 1, 1, 1, 1 };
    struct bt_attend a = { .query = &x[0], .key = &x[0], .value = &x[0], .query_at = 0, .key_at = 8, .value_at = 16, .heads = 2,
                           .head_size = 4, .scale = 0.5f, .causal = true, .prefix = 2, .dropout = 0.3f };

    bt_tape_dropout(t, true, 7, 3);
    a.key_mask = bt_int_constant(t, mask, 10);
    return bt_attention(t, &a);
}

static struct bt_tensor *attention_first_keys(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_attention(t, &(struct bt_attend){ .query = &x[0], .key = &x[1], .value = &x[2], .heads = 1, .head_size = 8,
                                                .scale = 1, .keys = 3 });
}

static struct bt_tensor *concat(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_concat(t, &x[0], &x[1]);
}

static struct bt_tensor *slice(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_slice(t, &x[0], 1, 2);
}

static struct bt_tensor *columns(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_columns(t, &x[0], 2, 3);
}

static struct bt_tensor *add(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_add(t, &x[0], &x[1]);
}

static struct bt_tensor *scale(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_scale(t, &x[0], -1.5f);
}

/* A divisor away from zero: 2 + x. */
static struct bt_tensor *divide(struct bt_tape *t, struct bt_tensor *x)
{
    static const float two = 2;
    static const size_t one = 1;

    return bt_divide(t, &x[0], bt_add(t, bt_constant(t, &two, 1, &one), &x[1]));
}

static struct bt_tensor *l2_normalize(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_l2_normalize(t, &x[0]);
}

static struct bt_tensor *dropout(struct bt_tape *t, struct bt_tensor *x)
{
    bt_tape_dropout(t, true, 5, 9);
    return bt_dropout(t, &x[0], 0.4f);
}

static struct bt_tensor *mean_pool(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_mean_pool(t, &x[0], 2, 3, 4);
}

static struct bt_tensor *max_pool(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_max_pool(t, &x[0], 2, 3, 4);
}

static struct bt_tensor *cross_entropy(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_cross_entropy(t, &x[0], bt_int_constant(t, (int32_t[]){ 3, BT_IGNORE, 0, 4 }, 4), 0.1f);
}

static struct bt_tensor *cross_entropy_of_sets(struct bt_tape *t, struct bt_tensor *x)
{
    static const int32_t labels[] = { 3, 1, BT_IGNORE, BT_IGNORE, 0, BT_IGNORE, 4, 2 };

    return bt_cross_entropy(t, &x[0], bt_int_constant(t, labels, 8), 0);
}

static struct bt_tensor *linear_cross_entropy(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear_cross_entropy(t, &x[0], &x[1], &x[2], bt_int_constant(t, (int32_t[]){ 4, BT_IGNORE, 0, 2 }, 4), 0.1f);
}

static struct bt_tensor *mse(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_mse(t, &x[0], &x[1]);
}

static struct bt_tensor *views(struct bt_tape *t, struct bt_tensor *x)
{
    struct bt_tensor *flat = bt_reshape(t, &x[0], 2, (size_t[]){ 6, 4 });

    return bt_add(t, bt_scale(t, bt_rows(t, flat, 1, 2), 3.0f), bt_rows(t, bt_rows(t, flat, 2, 4), 1, 2));
}

/* A view of something made on the tape, whose gradient comes through the view alone. */
static struct bt_tensor *view_of_a_result(struct bt_tape *t, struct bt_tensor *x)
{
    struct bt_tensor *h = bt_l2_normalize(t, bt_scale(t, &x[0], 2.0f));

    return bt_scale(t, bt_rows(t, bt_reshape(t, h, 2, (size_t[]){ 6, 4 }), 2, 3), 0.5f);
}

static struct bt_tensor *used_twice(struct bt_tape *t, struct bt_tensor *x)
{
    struct bt_tensor *h = bt_linear(t, &x[0], &x[1], NULL, BT_ACT_TANH);

    return bt_add(t, bt_l2_normalize(t, h), bt_linear(t, h, &x[1], NULL, BT_ACT_GELU));
}

static struct bt_tensor *itself_twice(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_add(t, &x[0], &x[0]);
}

#define S(...) { __VA_ARGS__ }
static const struct op {
    const char *name;
    builder *build;
    struct { int rank; size_t shape[BT_RANK_MAX]; } input[INPUTS];
    int inputs;
} ops[] = {
    { "linear", linear, { { 3, S(2, 3, 5) }, { 2, S(4, 5) }, { 1, S(4) } }, 3 },
    { "linear without bias", linear_without_bias, { { 2, S(3, 5) }, { 2, S(4, 5) } }, 2 },
    { "linear with GELU", linear_gelu, { { 2, S(6, 5) }, { 2, S(4, 5) }, { 1, S(4) } }, 3 },
    { "linear with ReLU", linear_relu, { { 2, S(6, 5) }, { 2, S(4, 5) }, { 1, S(4) } }, 3 },
    { "linear with tanh", linear_tanh, { { 2, S(6, 5) }, { 2, S(4, 5) }, { 1, S(4) } }, 3 },
    { "layer_norm", layer_norm, { { 3, S(2, 3, 6) }, { 1, S(6) }, { 1, S(6) } }, 3 },
    { "add_layer_norm", add_layer_norm, { { 2, S(4, 6) }, { 2, S(4, 6) }, { 1, S(6) }, { 1, S(6) } }, 4 },
    { "add_layer_norm and its sum", add_layer_norm_sum, { { 2, S(4, 6) }, { 2, S(4, 6) }, { 1, S(6) }, { 1, S(6) } }, 4 },
    { "the sum of add_layer_norm alone", only_the_sum, { { 2, S(4, 6) }, { 2, S(4, 6) }, { 1, S(6) }, { 1, S(6) } }, 4 },
    { "embed", embed, { { 2, S(5, 3) } }, 1 },
    { "embed of sequences", embed_of_sequences, { { 3, S(2, 3, 4) } }, 1 },
    { "repeat", repeat, { { 3, S(1, 2, 4) } }, 1 },
    { "repeat without a leading 1", repeat, { { 2, S(2, 4) } }, 1 },
    { "attention", attention, { { 3, S(2, 3, 8) }, { 3, S(2, 4, 8) }, { 3, S(2, 4, 8) } }, 3 },
    { "attention in one projection", attention_fused, { { 3, S(2, 5, 24) } }, 1 },
    { "attention to the first keys", attention_first_keys, { { 3, S(2, 3, 8) }, { 3, S(2, 4, 8) }, { 3, S(2, 4, 8) } }, 3 },
    { "concat of sequences", concat, { { 3, S(2, 3, 4) }, { 3, S(2, 1, 4) } }, 2 },
    { "concat of vectors", concat, { { 1, S(3) }, { 1, S(5) } }, 2 },
    { "slice", slice, { { 3, S(2, 4, 3) } }, 1 },
    { "columns", columns, { { 3, S(2, 2, 6) } }, 1 },
    { "add", add, { { 2, S(3, 4) }, { 2, S(3, 4) } }, 2 },
    { "add of a shorter one", add, { { 3, S(2, 3, 4) }, { 2, S(3, 4) } }, 2 },
    { "scale", scale, { { 2, S(3, 4) } }, 1 },
    { "divide", divide, { { 2, S(3, 4) }, { 1, S(1) } }, 2 },
    { "l2_normalize", l2_normalize, { { 3, S(2, 3, 5) } }, 1 },
    { "dropout", dropout, { { 2, S(5, 7) } }, 1 },
    { "mean_pool", mean_pool, { { 3, S(2, 3, 4) } }, 1 },
    { "max_pool", max_pool, { { 3, S(2, 3, 4) } }, 1 },
    { "cross_entropy", cross_entropy, { { 2, S(4, 5) } }, 1 },
    { "cross_entropy of several labels", cross_entropy_of_sets, { { 2, S(4, 5) } }, 1 },
    { "linear_cross_entropy", linear_cross_entropy, { { 2, S(4, 3) }, { 2, S(5, 3) }, { 1, S(5) } }, 3 },
    { "mse", mse, { { 2, S(3, 4) }, { 2, S(3, 4) } }, 2 },
    { "views", views, { { 3, S(2, 3, 4) } }, 1 },
    { "view of a result", view_of_a_result, { { 3, S(2, 3, 4) } }, 1 },
    { "a value used twice", used_twice, { { 2, S(3, 4) }, { 2, S(4, 4) } }, 2 },
    { "twice the same input", itself_twice, { { 2, S(3, 4) } }, 1 },
};

struct problem {
    struct bt_tape *tape;
    builder *build;
    struct bt_tensor x[INPUTS];
    float *weight; /* host: the loss is y weight */
};

static double loss_of(const struct bt_backend *b, void *context)
{
    struct problem *p = context;

    bt_tape_reset(p->tape);
    bt_tape_record(p->tape, false);

    struct bt_tensor *y = p->build(p->tape, p->x);

    bt_tape_record(p->tape, true);
    return weighted_sum(b, y->data, p->weight, bt_tensor_count(y));
}

static void test_op(const struct bt_backend *b, const struct op *op)
{
    struct problem p = { .tape = tape_new(b), .build = op->build };
    struct bt_err err = { 0 };

    for (int i = 0; i < op->inputs; i++)
        p.x[i] = leaf(b, op->input[i].rank, op->input[i].shape, (uint32_t)i + 1);

    struct bt_tensor *y = p.build(p.tape, p.x);

    CHECK_OK(bt_tape_status(p.tape, &err), &err);
    CHECK(y->trains);
    p.weight = host_noise(bt_tensor_count(y), 99);
    bt_tape_seed(p.tape, y, p.weight);
    CHECK_OK(bt_tape_backward(p.tape, &err), &err);
    for (int i = 0; i < op->inputs; i++)
        check_gradient(b, p.x[i].grad, p.x[i].data, bt_tensor_count(&p.x[i]), loss_of, &p, 4e-3f, 2e-3);
    for (int i = 0; i < op->inputs; i++)
        leaf_free(b, &p.x[i]);
    free(p.weight);
    bt_tape_free(p.tape);
}

int main(void)
{
    backends_open();
    for (int k = 0; k < test_backend_count; k++)
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
            char name[128];

            snprintf(name, sizeof name, "gradient of %s on %s", ops[i].name, test_backends[k]->name);
            RUN_NAMED(name, test_op(test_backends[k], &ops[i]));
        }
    return backends_end();
}
