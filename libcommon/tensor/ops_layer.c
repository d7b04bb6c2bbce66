/* Ops that are layers: linear maps, layer norm, attention, dropout, and the language-model head. */
#include <string.h>

#include "kernels/attention.h"
#include "kernels/dropout.h"
#include "kernels/layer_norm.h"
#include "libcommon/tensor/ops.h"
#include "libcommon/tensor/tape_private.h"

static size_t last(const struct bt_tensor *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

/* ---- linear ---- */

struct linear_note {
    struct bt_note note;
    struct bt_tensor *x, *weight, *bias;
    float *saved;
    enum bt_act act;
};

static int linear_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct linear_note *n = (struct linear_note *)base;
    size_t in = last(n->x), rows = bt_tensor_count(n->x) / in, out = last(n->note.out);

    tape->times[base->op].flops += tape->profiling ? 2.0 * (n->x->trains + n->weight->trains) * (double)(rows * in * out) : 0;
    return b->linear->backward(b->queue, bt_tape_grad(tape, n->x), bt_tape_grad(tape, n->weight),
                               bt_tape_grad(tape, n->bias), n->note.out->grad, n->saved, n->x->data, n->weight->data,
                               n->act, rows, in, out);
}

struct bt_tensor *bt_linear(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight, struct bt_tensor *bias,
                            enum bt_act act)
{
    if (tape->err.status)
        return &tape->nothing;

    const struct bt_backend *b = tape->backend;
    size_t in = last(x), out = weight->shape[0], rows = bt_tensor_count(x) / in, shape[BT_RANK_MAX];

    if (bt_tensor_count(weight) != in * out || (bias && bt_tensor_count(bias) != out)) {
        bt_tape_fail(tape, BT_ERR_BUG, "linear: %zu inputs, weight of %zu x %zu", in, out, bt_tensor_count(weight) / out);
        return &tape->nothing;
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = out;

    bool record = tape->recording && (x->trains || weight->trains || (bias && bias->trains));
    struct bt_tensor *y = bt_tape_tensor(tape, x->rank, shape);
    float *slope = record && act == BT_ACT_GELU ? bt_tape_memory(tape, rows * out * sizeof *slope) : NULL;

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "linear");
    bt_tape_op_end(tape, b->linear->forward(b->queue, y->data, slope, x->data, weight->data, bias ? bias->data : NULL, act,
                                            rows, in, out),
                   2.0 * (double)(rows * in * out));
    if (!record)
        return y;

    struct linear_note *n = bt_tape_note(tape, sizeof *n, y, linear_backward);

    if (n) {
        n->x = x;
        n->weight = weight;
        n->bias = bias;
        n->saved = slope ? slope : y->data;
        n->act = act;
    }
    return y;
}

/* ---- layer norm ---- */

struct layer_norm_note {
    struct bt_note note;
    struct bt_tensor *x, *residual, *sum, *weight, *bias;
    float *mean, *rstd;
};

static int layer_norm_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct layer_norm_note *n = (struct layer_norm_note *)base;
    size_t width = last(n->x), rows = bt_tensor_count(n->x) / width;
    const float *s = n->residual ? n->sum->data : n->x->data;

    return b->layer_norm->backward(b->queue, bt_tape_grad(tape, n->x), bt_tape_grad(tape, n->residual),
                                   bt_tape_grad(tape, n->weight), bt_tape_grad(tape, n->bias), n->note.out->grad,
                                   n->residual ? n->sum->grad : NULL, s, n->mean, n->rstd, n->weight->data, rows, width);
}

static struct bt_tensor *layer_norm(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *residual,
                                    struct bt_tensor *weight, struct bt_tensor *bias, float eps, struct bt_tensor **sum)
{
    if (tape->err.status)
        return &tape->nothing;

    const struct bt_backend *b = tape->backend;
    size_t width = last(x), rows = bt_tensor_count(x) / width;

    if (bt_tensor_count(weight) != width || (residual && bt_tensor_count(residual) != rows * width)) {
        bt_tape_fail(tape, BT_ERR_BUG, "layer_norm: width %zu, weight %zu", width, bt_tensor_count(weight));
        return &tape->nothing;
    }

    struct bt_tensor *y = bt_tape_tensor(tape, x->rank, x->shape);
    struct bt_tensor *s = residual ? bt_tape_tensor(tape, x->rank, x->shape) : NULL;
    float *mean = bt_tape_memory(tape, rows * sizeof *mean), *rstd = bt_tape_memory(tape, rows * sizeof *rstd);

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "layer_norm");
    bt_tape_op_end(tape, b->layer_norm->forward(b->queue, y->data, s ? s->data : NULL, mean, rstd, x->data,
                                                residual ? residual->data : NULL, weight->data, bias->data, eps, rows,
                                                width), 0);
    if (sum)
        *sum = s;
    if (!tape->recording || !(x->trains || (residual && residual->trains) || weight->trains || bias->trains))
        return y;

    struct layer_norm_note *n = bt_tape_note(tape, sizeof *n, y, layer_norm_backward);

    if (n) {
        n->x = x;
        n->residual = residual;
        n->sum = s;
        n->weight = weight;
        n->bias = bias;
        n->mean = mean;
        n->rstd = rstd;
    }
    if (n && s) {
        n->note.also = s;
        s->trains = x->trains || residual->trains;
    }
    return y;
}

struct bt_tensor *bt_layer_norm(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight,
                                struct bt_tensor *bias, float eps)
{
    return layer_norm(tape, x, NULL, weight, bias, eps, NULL);
}

struct bt_tensor *bt_add_layer_norm(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *residual,
                                    struct bt_tensor *weight, struct bt_tensor *bias, float eps, struct bt_tensor **sum)
{
    if (sum)
        *sum = &tape->nothing;
    return layer_norm(tape, x, residual, weight, bias, eps, sum);
}

/* ---- attention ---- */

struct attention_note {
    struct bt_note note;
    struct bt_attend attend;
    struct bt_attention_shape shape;
    float *lse;
};

static float *grad_at(struct bt_tape *tape, struct bt_tensor *t, size_t at)
{
    float *grad = bt_tape_grad(tape, t);

    return grad ? grad + at : NULL;
}

static int attention_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct attention_note *n = (struct attention_note *)base;
    struct bt_attend *a = &n->attend;

    return b->attention->backward(b->queue, grad_at(tape, a->query, a->query_at), grad_at(tape, a->key, a->key_at),
                                  grad_at(tape, a->value, a->value_at), n->note.out->grad, n->note.out->data, n->lse,
                                  a->query->data + a->query_at, a->key->data + a->key_at, a->value->data + a->value_at,
                                  a->key_mask ? a->key_mask->data : NULL, &n->shape);
}

struct bt_tensor *bt_attention(struct bt_tape *tape, const struct bt_attend *a)
{
    if (tape->err.status)
        return &tape->nothing;

    const struct bt_backend *b = tape->backend;
    const struct bt_tensor *q = a->query, *k = a->key, *v = a->value;
    size_t width = a->heads * a->head_size, keys = a->keys ? a->keys : k->shape[1];

    if (q->rank != 3 || k->rank != 3 || v->rank != 3 || q->shape[0] != k->shape[0] || k->shape[0] != v->shape[0] ||
        a->query_at + width > q->shape[2] || a->key_at + width > k->shape[2] || a->value_at + width > v->shape[2] ||
        keys > k->shape[1] || keys > v->shape[1] || (a->key_mask && a->key_mask->count != q->shape[0] * keys)) {
        bt_tape_fail(tape, BT_ERR_BUG, "attention: shapes do not fit (%zu heads of %zu, %zu keys)", a->heads, a->head_size, keys);
        return &tape->nothing;
    }

    struct bt_attention_shape shape = {
        .batch = q->shape[0], .heads = a->heads, .head_size = a->head_size, .queries = q->shape[1], .keys = keys,
        .query_token_stride = q->shape[2], .query_batch_stride = q->shape[1] * q->shape[2],
        .key_token_stride = k->shape[2], .key_batch_stride = k->shape[1] * k->shape[2],
        .value_token_stride = v->shape[2], .value_batch_stride = v->shape[1] * v->shape[2],
        .scale = a->scale, .causal = a->causal, .prefix = a->prefix,
    };

    if (a->dropout > 0 && bt_tape_dropout_key(tape, shape.dropout_key))
        shape.dropout = a->dropout;

    size_t out_shape[3] = { q->shape[0], q->shape[1], width };
    struct bt_tensor *y = bt_tape_tensor(tape, 3, out_shape);
    float *lse = bt_tape_memory(tape, shape.batch * shape.heads * shape.queries * sizeof *lse);

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "attention");
    bt_tape_op_end(tape, b->attention->forward(b->queue, y->data, lse, q->data + a->query_at, k->data + a->key_at,
                                               v->data + a->value_at, a->key_mask ? a->key_mask->data : NULL, &shape),
                   4.0 * (double)(shape.batch * width * shape.queries * keys));
    if (!tape->recording || !(q->trains || k->trains || v->trains))
        return y;

    struct attention_note *n = bt_tape_note(tape, sizeof *n, y, attention_backward);

    if (n) {
        n->attend = *a;
        n->shape = shape;
        n->lse = lse;
    }
    return y;
}

/* ---- dropout ---- */

struct dropout_note {
    struct bt_note note;
    struct bt_tensor *x;
    float p;
    uint32_t key[4];
};

static int dropout_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct dropout_note *n = (struct dropout_note *)base;

    return b->dropout->backward(b->queue, bt_tape_grad(tape, n->x), n->note.out->grad, n->p, n->key, bt_tensor_count(n->x));
}

struct bt_tensor *bt_dropout(struct bt_tape *tape, struct bt_tensor *x, float p)
{
    uint32_t key[4];

    if (tape->err.status || p <= 0 || !bt_tape_dropout_key(tape, key))
        return x;

    const struct bt_backend *b = tape->backend;
    struct bt_tensor *y = bt_tape_tensor(tape, x->rank, x->shape);

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "dropout");
    bt_tape_op_end(tape, b->dropout->forward(b->queue, y->data, x->data, p, key, bt_tensor_count(x)), 0);
    if (!x->trains || !tape->recording)
        return y;

    struct dropout_note *n = bt_tape_note(tape, sizeof *n, y, dropout_backward);

    if (n) {
        n->x = x;
        n->p = p;
        memcpy(n->key, key, sizeof key);
    }
    return y;
}

/* ---- the head and its loss in one ---- */

struct head_note {
    struct bt_note note;
    struct bt_tensor *x, *weight, *bias;
    const struct bt_ints *labels;
    float *lse, smoothing;
};

static int head_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct head_note *n = (struct head_note *)base;
    size_t in = last(n->x), rows = bt_tensor_count(n->x) / in, classes = n->weight->shape[0];

    tape->times[base->op].flops += tape->profiling ? 2.0 * (1 + n->x->trains + n->weight->trains) * (double)(rows * in * classes) : 0;
    return b->linear_cross_entropy->backward(b->queue, bt_tape_grad(tape, n->x), bt_tape_grad(tape, n->weight),
                                             bt_tape_grad(tape, n->bias), n->note.out->grad, n->lse, n->x->data,
                                             n->weight->data, n->bias ? n->bias->data : NULL, n->labels->data,
                                             n->smoothing, rows, in, classes);
}

struct bt_tensor *bt_linear_cross_entropy(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight,
                                          struct bt_tensor *bias, const struct bt_ints *labels, float smoothing)
{
    size_t one = 1;
    struct bt_tensor *loss = bt_tape_tensor(tape, 1, &one);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return loss;
    size_t in = last(x), rows = bt_tensor_count(x) / in, classes = weight->shape[0];
    float *lse = bt_tape_memory(tape, rows * sizeof *lse);

    if (!lse)
        return loss;
    if (labels->count != rows || bt_tensor_count(weight) != in * classes) {
        bt_tape_fail(tape, BT_ERR_BUG, "linear_cross_entropy: %zu labels for %zu rows", labels->count, rows);
        return loss;
    }
    bt_tape_op_begin(tape, "linear_cross_entropy");
    bt_tape_op_end(tape, b->linear_cross_entropy->forward(b->queue, loss->data, lse, x->data, weight->data,
                                                          bias ? bias->data : NULL, labels->data, smoothing, rows, in,
                                                          classes),
                   2.0 * (double)(rows * in * classes));
    if (!tape->recording || !(x->trains || weight->trains || (bias && bias->trains)))
        return loss;

    struct head_note *n = bt_tape_note(tape, sizeof *n, loss, head_backward);

    if (n) {
        n->x = x;
        n->weight = weight;
        n->bias = bias;
        n->labels = labels;
        n->lse = lse;
        n->smoothing = smoothing;
    }
    return loss;
}
