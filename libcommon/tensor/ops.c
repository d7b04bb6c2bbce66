/* Ops of shape and arithmetic: constants, views, joining, sums, pools, losses. The layers are in ops_layer.c. */
#include "libcommon/tensor/ops.h"

#include <string.h>

#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/l2_norm.h"
#include "kernels/mse.h"
#include "kernels/nearest.h"
#include "kernels/patches.h"
#include "kernels/pool.h"
#include "kernels/strided.h"
#include "libcommon/tensor/tape_private.h"

static size_t last(const struct bt_tensor *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

static struct bt_tensor *same_shape(struct bt_tape *tape, const struct bt_tensor *x)
{
    return bt_tape_tensor(tape, x->rank, x->shape);
}

/* ---- constants and reading back ---- */

struct bt_tensor *bt_constant(struct bt_tape *tape, const float *host, int rank, const size_t *shape)
{
    struct bt_tensor *t = bt_tape_tensor(tape, rank, shape);

    if (!tape->err.status &&
        tape->backend->copy_in(tape->backend->queue, t->data, host, bt_tensor_count(t) * sizeof(float)))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: copying to the device failed", tape->backend->name);
    return t;
}

static struct bt_ints *ints(struct bt_tape *tape, size_t count)
{
    if (tape->err.status)
        return &tape->no_ints;

    struct bt_ints *t = bt_arena_take(tape->host, 1, sizeof *t);

    if (!t) {
        bt_tape_fail(tape, BT_ERR_MEMORY, "tape: out of memory");
        return &tape->no_ints;
    }
    t->data = bt_tape_memory(tape, count * sizeof(int32_t));
    t->count = count;
    return tape->err.status ? &tape->no_ints : t;
}

struct bt_ints *bt_int_constant(struct bt_tape *tape, const int32_t *host, size_t count)
{
    struct bt_ints *t = ints(tape, count);

    if (!tape->err.status && tape->backend->copy_in(tape->backend->queue, t->data, host, count * sizeof *host))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: copying to the device failed", tape->backend->name);
    return t;
}

struct bt_ints *bt_int_fill(struct bt_tape *tape, int32_t value, size_t count)
{
    int32_t *host = bt_tape_host(tape, count * sizeof *host);

    if (!host)
        return &tape->no_ints;
    for (size_t i = 0; i < count; i++)
        host[i] = value;
    return bt_int_constant(tape, host, count);
}

void bt_read(struct bt_tape *tape, const struct bt_tensor *x, float *host)
{
    if (!tape->err.status &&
        tape->backend->copy_out(tape->backend->queue, host, x->data, bt_tensor_count(x) * sizeof *host))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: copying from the device failed", tape->backend->name);
}

void bt_read_ints(struct bt_tape *tape, const struct bt_ints *x, int32_t *host)
{
    if (!tape->err.status &&
        tape->backend->copy_out(tape->backend->queue, host, x->data, x->count * sizeof *host))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: copying from the device failed", tape->backend->name);
}

/* ---- views ---- */

static struct bt_tensor *view(struct bt_tape *tape, struct bt_tensor *x, size_t offset, int rank, const size_t *shape)
{
    struct bt_tensor *t = bt_tape_bare(tape, rank, shape);

    if (tape->err.status)
        return t;
    t->data = x->data + offset;
    t->base = x;
    t->base_offset = offset;
    t->trains = x->trains && tape->recording;
    return t;
}

struct bt_tensor *bt_reshape(struct bt_tape *tape, struct bt_tensor *x, int rank, const size_t *shape)
{
    struct bt_tensor *t = view(tape, x, 0, rank, shape);

    if (!tape->err.status && bt_tensor_count(t) != bt_tensor_count(x))
        bt_tape_fail(tape, BT_ERR_BUG, "reshape: %zu elements into %zu", bt_tensor_count(x), bt_tensor_count(t));
    return t;
}

struct bt_tensor *bt_rows(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count)
{
    if (tape->err.status)
        return &tape->nothing;
    if (!x->rank || first + count > x->shape[0]) {
        bt_tape_fail(tape, BT_ERR_BUG, "rows: %zu from %zu of %zu", count, first, x->rank ? x->shape[0] : 0);
        return &tape->nothing;
    }

    size_t shape[BT_RANK_MAX], row = bt_tensor_count(x) / (x->shape[0] ? x->shape[0] : 1);

    memcpy(shape, x->shape, sizeof shape);
    shape[0] = count;
    return view(tape, x, first * row, x->rank, shape);
}

struct bt_tensor *bt_detach(struct bt_tape *tape, struct bt_tensor *x)
{
    struct bt_tensor *t = bt_tape_bare(tape, x->rank, x->shape);

    if (!tape->err.status)
        t->data = x->data;
    return t;
}

/* ---- joining and cutting ---- */

struct strided_note {
    struct bt_note note;
    struct bt_tensor *from;
    size_t out_at, out_stride, from_at, from_stride, rows, width;
};

static int strided_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct strided_note *n = (struct strided_note *)base;
    float *dfrom = bt_tape_grad(tape, n->from);

    return dfrom ? b->strided->add(b->queue, dfrom + n->from_at, n->from_stride, n->note.out->grad + n->out_at,
                                   n->out_stride, n->rows, n->width)
                 : BT_OK;
}

/* rows x width floats of `from` into `out`, with the way back. */
static void strided(struct bt_tape *tape, struct bt_tensor *out, size_t out_at, size_t out_stride,
                    struct bt_tensor *from, size_t from_at, size_t from_stride, size_t rows, size_t width)
{
    const struct bt_backend *b = tape->backend;

    bt_tape_op_begin(tape, "strided");
    bt_tape_op_end(tape, b->strided->copy(b->queue, out->data + out_at, out_stride, from->data + from_at, from_stride,
                                          rows, width), 0);
    if (!from->trains || !tape->recording)
        return;

    struct strided_note *n = bt_tape_note(tape, sizeof *n, out, strided_backward);

    if (n) {
        n->from = from;
        n->out_at = out_at;
        n->out_stride = out_stride;
        n->from_at = from_at;
        n->from_stride = from_stride;
        n->rows = rows;
        n->width = width;
    }
}

struct bt_tensor *bt_concat(struct bt_tape *tape, struct bt_tensor *a, struct bt_tensor *b)
{
    if (tape->err.status)
        return &tape->nothing;

    bool vectors = a->rank == 1 && b->rank == 1;
    bool sequences = a->rank == 3 && b->rank == 3 && a->shape[0] == b->shape[0] && a->shape[2] == b->shape[2];

    if (!vectors && !sequences) {
        bt_tape_fail(tape, BT_ERR_BUG, "concat: shapes of rank %d and %d do not fit", a->rank, b->rank);
        return &tape->nothing;
    }

    size_t rows = vectors ? 1 : a->shape[0];
    size_t width_a = bt_tensor_count(a) / (rows ? rows : 1), width_b = bt_tensor_count(b) / (rows ? rows : 1);
    size_t shape[3] = { a->shape[0], 0, a->shape[2] };

    shape[vectors ? 0 : 1] = a->shape[vectors ? 0 : 1] + b->shape[vectors ? 0 : 1];

    struct bt_tensor *y = bt_tape_tensor(tape, a->rank, shape);

    if (!tape->err.status) {
        strided(tape, y, 0, width_a + width_b, a, 0, width_a, rows, width_a);
        strided(tape, y, width_a, width_a + width_b, b, 0, width_b, rows, width_b);
        y->part[0] = a;
        y->part[1] = b;
    }
    return y;
}

struct bt_tensor *bt_slice(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count)
{
    if (tape->err.status)
        return &tape->nothing;
    if (x->rank != 3 || first + count > x->shape[1]) {
        bt_tape_fail(tape, BT_ERR_BUG, "slice: %zu from %zu of %zu", count, first, x->rank == 3 ? x->shape[1] : 0);
        return &tape->nothing;
    }
    /* What was joined is still there; and where nobody uses the other part, its way back has nothing to do. */
    if (x->part[0] && first == 0 && count == x->part[0]->shape[1])
        return x->part[0];
    if (x->part[1] && first == x->part[0]->shape[1] && count == x->part[1]->shape[1])
        return x->part[1];

    size_t width = x->shape[2], shape[3] = { x->shape[0], count, width };
    struct bt_tensor *y = bt_tape_tensor(tape, 3, shape);

    if (!tape->err.status)
        strided(tape, y, 0, count * width, x, first * width, x->shape[1] * width, x->shape[0], count * width);
    return y;
}

struct bt_tensor *bt_columns(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count)
{
    if (tape->err.status || (first == 0 && count == last(x)))
        return tape->err.status ? &tape->nothing : x;
    if (first + count > last(x)) {
        bt_tape_fail(tape, BT_ERR_BUG, "columns: %zu from %zu of %zu", count, first, last(x));
        return &tape->nothing;
    }

    size_t shape[BT_RANK_MAX], width = last(x);

    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = count;

    struct bt_tensor *y = bt_tape_tensor(tape, x->rank, shape);

    if (!tape->err.status)
        strided(tape, y, 0, count, x, first, width, bt_tensor_count(x) / width, count);
    return y;
}

/* ---- arithmetic ---- */

struct unary_note {
    struct bt_note note;
    struct bt_tensor *x, *other;
    float factor;
};

static struct unary_note *unary(struct bt_tape *tape, struct bt_tensor *y, struct bt_tensor *x, struct bt_tensor *other,
                                int (*backward)(const struct bt_backend *, struct bt_tape *, struct bt_note *))
{
    if (tape->err.status || !tape->recording || !(x->trains || (other && other->trains)))
        return NULL;

    struct unary_note *n = bt_tape_note(tape, sizeof *n, y, backward);

    if (n) {
        n->x = x;
        n->other = other;
    }
    return n;
}

static int add_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct unary_note *n = (struct unary_note *)base;
    size_t count = bt_tensor_count(n->x), period = bt_tensor_count(n->other);
    float *da = bt_tape_grad(tape, n->x), *db = bt_tape_grad(tape, n->other);
    int rc = BT_OK;

    if (da)
        rc = b->elementwise->accumulate(b->queue, da, n->note.out->grad, 1.0f, count, count);
    if (!rc && db)
        rc = b->elementwise->accumulate(b->queue, db, n->note.out->grad, 1.0f, count, period);
    return rc;
}

struct bt_tensor *bt_add(struct bt_tape *tape, struct bt_tensor *a, struct bt_tensor *b)
{
    struct bt_tensor *y = same_shape(tape, a);
    const struct bt_backend *be = tape->backend;

    if (tape->err.status)
        return y;
    size_t n = bt_tensor_count(a), period = bt_tensor_count(b);

    if (!period || n % period) {
        bt_tape_fail(tape, BT_ERR_BUG, "add: %zu elements and %zu", n, period);
        return y;
    }
    bt_tape_op_begin(tape, "add");
    bt_tape_op_end(tape, be->elementwise->add(be->queue, y->data, a->data, b->data, n, period), 0);
    unary(tape, y, a, b, add_backward);
    return y;
}

static int scale_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct unary_note *n = (struct unary_note *)base;
    size_t count = bt_tensor_count(n->x);
    float *dx = bt_tape_grad(tape, n->x);

    return dx ? b->elementwise->accumulate(b->queue, dx, n->note.out->grad, n->factor, count, count) : BT_OK;
}

struct bt_tensor *bt_scale(struct bt_tape *tape, struct bt_tensor *x, float factor)
{
    struct bt_tensor *y = same_shape(tape, x);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "scale");
    bt_tape_op_end(tape, b->elementwise->scale(b->queue, y->data, x->data, factor, bt_tensor_count(x)), 0);

    struct unary_note *n = unary(tape, y, x, NULL, scale_backward);

    if (n)
        n->factor = factor;
    return y;
}

static int divide_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct unary_note *n = (struct unary_note *)base;

    return b->elementwise->divide_backward(b->queue, bt_tape_grad(tape, n->x), bt_tape_grad(tape, n->other),
                                           n->note.out->grad, n->note.out->data, n->other->data, bt_tensor_count(n->x));
}

struct bt_tensor *bt_divide(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *scalar)
{
    struct bt_tensor *y = same_shape(tape, x);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "divide");
    bt_tape_op_end(tape, b->elementwise->divide(b->queue, y->data, x->data, scalar->data, bt_tensor_count(x)), 0);
    unary(tape, y, x, scalar, divide_backward);
    return y;
}

struct norm_note {
    struct bt_note note;
    struct bt_tensor *x;
    float *norm;
};

static int l2_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct norm_note *n = (struct norm_note *)base;
    size_t width = last(n->x);

    return b->l2_norm->backward(b->queue, bt_tape_grad(tape, n->x), n->note.out->grad, n->note.out->data, n->norm,
                                bt_tensor_count(n->x) / width, width);
}

struct bt_tensor *bt_l2_normalize(struct bt_tape *tape, struct bt_tensor *x)
{
    struct bt_tensor *y = same_shape(tape, x);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return y;
    size_t width = last(x), rows = bt_tensor_count(x) / width;
    float *norm = bt_tape_memory(tape, rows * sizeof *norm);

    if (!norm)
        return y;
    bt_tape_op_begin(tape, "l2_norm");
    bt_tape_op_end(tape, b->l2_norm->forward(b->queue, y->data, norm, x->data, rows, width), 0);
    if (!x->trains || !tape->recording)
        return y;

    struct norm_note *n = bt_tape_note(tape, sizeof *n, y, l2_backward);

    if (n) {
        n->x = x;
        n->norm = norm;
    }
    return y;
}

/* ---- pools ---- */

struct pool_note {
    struct bt_note note;
    struct bt_tensor *x;
    int32_t *argmax; /* NULL: mean */
    size_t outer, count, inner;
};

static int pool_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct pool_note *n = (struct pool_note *)base;
    float *dx = bt_tape_grad(tape, n->x), *dy = n->note.out->grad;

    if (n->argmax)
        return b->pool->max_backward(b->queue, dx, dy, n->argmax, n->outer, n->count, n->inner);
    return b->pool->mean_backward(b->queue, dx, dy, n->outer, n->count, n->inner);
}

static struct bt_tensor *pool(struct bt_tape *tape, struct bt_tensor *x, size_t outer, size_t count, size_t inner, bool max)
{
    size_t shape[2] = { outer, inner };
    struct bt_tensor *y = bt_tape_tensor(tape, 2, shape);
    const struct bt_backend *b = tape->backend;
    int32_t *argmax = NULL;

    if (tape->err.status)
        return y;
    if (outer * count * inner != bt_tensor_count(x)) {
        bt_tape_fail(tape, BT_ERR_BUG, "pool: %zu elements are not %zu x %zu x %zu", bt_tensor_count(x), outer, count, inner);
        return y;
    }
    if (max && !(argmax = bt_tape_memory(tape, outer * inner * sizeof *argmax)))
        return y;
    bt_tape_op_begin(tape, "pool");
    bt_tape_op_end(tape, max ? b->pool->max(b->queue, y->data, argmax, x->data, outer, count, inner)
                             : b->pool->mean(b->queue, y->data, x->data, outer, count, inner), 0);
    if (!x->trains || !tape->recording)
        return y;

    struct pool_note *n = bt_tape_note(tape, sizeof *n, y, pool_backward);

    if (n) {
        n->x = x;
        n->argmax = argmax;
        n->outer = outer;
        n->count = count;
        n->inner = inner;
    }
    return y;
}

struct bt_tensor *bt_mean_pool(struct bt_tape *tape, struct bt_tensor *x, size_t outer, size_t count, size_t inner)
{
    return pool(tape, x, outer, count, inner, false);
}

struct bt_tensor *bt_max_pool(struct bt_tape *tape, struct bt_tensor *x, size_t outer, size_t count, size_t inner)
{
    return pool(tape, x, outer, count, inner, true);
}

/* ---- rows by index ---- */

struct embed_note {
    struct bt_note note;
    struct bt_tensor *table;
    const struct bt_ints *ids;
    size_t width;
};

static int embed_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct embed_note *n = (struct embed_note *)base;

    return b->embedding->backward(b->queue, bt_tape_grad(tape, n->table), n->note.out->grad, n->ids->data, n->ids->count,
                                  n->width);
}

struct bt_tensor *bt_embed(struct bt_tape *tape, struct bt_tensor *table, const struct bt_ints *ids)
{
    if (tape->err.status)
        return &tape->nothing;

    const struct bt_backend *b = tape->backend;
    size_t width = bt_tensor_count(table) / table->shape[0], shape[BT_RANK_MAX];

    memcpy(shape, table->shape, sizeof shape);
    shape[0] = ids->count;

    struct bt_tensor *y = bt_tape_tensor(tape, table->rank, shape);

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "embedding");
    bt_tape_op_end(tape, b->embedding->forward(b->queue, y->data, table->data, ids->data, ids->count, width), 0);
    if (!table->trains || !tape->recording)
        return y;

    struct embed_note *n = bt_tape_note(tape, sizeof *n, y, embed_backward);

    if (n) {
        n->table = table;
        n->ids = ids;
        n->width = width;
    }
    return y;
}

struct bt_tensor *bt_repeat(struct bt_tape *tape, struct bt_tensor *x, size_t times)
{
    size_t shape[BT_RANK_MAX] = { 1 };
    int skip = x->rank > 0 && x->shape[0] == 1;

    for (int i = skip; i < x->rank && i - skip + 1 < BT_RANK_MAX; i++)
        shape[i - skip + 1] = x->shape[i];
    return bt_embed(tape, bt_reshape(tape, x, x->rank - skip + 1, shape), bt_int_fill(tape, 0, times));
}

/* ---- losses ---- */

static const size_t one = 1;

struct loss_note {
    struct bt_note note;
    struct bt_tensor *a, *b;
    const struct bt_ints *labels;
    float *lse, smoothing;
};

static int cross_entropy_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct loss_note *n = (struct loss_note *)base;
    size_t classes = last(n->a), rows = bt_tensor_count(n->a) / classes;

    return b->cross_entropy->backward(b->queue, bt_tape_grad(tape, n->a), n->note.out->grad, n->lse, n->a->data,
                                      n->labels->data, n->labels->count / rows, n->smoothing, rows, classes);
}

struct bt_tensor *bt_cross_entropy(struct bt_tape *tape, struct bt_tensor *logits, const struct bt_ints *labels, float smoothing)
{
    struct bt_tensor *loss = bt_tape_tensor(tape, 1, &one);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return loss;
    size_t classes = last(logits), rows = bt_tensor_count(logits) / classes;
    float *lse = bt_tape_memory(tape, rows * sizeof *lse);

    if (!lse)
        return loss;
    if (!rows || labels->count % rows) {
        bt_tape_fail(tape, BT_ERR_BUG, "cross_entropy: %zu labels for %zu rows", labels->count, rows);
        return loss;
    }
    bt_tape_op_begin(tape, "cross_entropy");
    bt_tape_op_end(tape, b->cross_entropy->forward(b->queue, loss->data, lse, logits->data, labels->data,
                                                   labels->count / rows, smoothing, rows, classes), 0);
    if (!logits->trains || !tape->recording)
        return loss;

    struct loss_note *n = bt_tape_note(tape, sizeof *n, loss, cross_entropy_backward);

    if (n) {
        n->a = logits;
        n->labels = labels;
        n->lse = lse;
        n->smoothing = smoothing;
    }
    return loss;
}

static int mse_backward(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *base)
{
    struct unary_note *n = (struct unary_note *)base;

    return b->mse->backward(b->queue, bt_tape_grad(tape, n->x), bt_tape_grad(tape, n->other), n->note.out->grad,
                            n->x->data, n->other->data, bt_tensor_count(n->x));
}

struct bt_tensor *bt_mse(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *y)
{
    struct bt_tensor *loss = bt_tape_tensor(tape, 1, &one);
    const struct bt_backend *b = tape->backend;

    if (tape->err.status)
        return loss;
    if (bt_tensor_count(x) != bt_tensor_count(y)) {
        bt_tape_fail(tape, BT_ERR_BUG, "mse: %zu elements and %zu", bt_tensor_count(x), bt_tensor_count(y));
        return loss;
    }
    bt_tape_op_begin(tape, "mse");
    bt_tape_op_end(tape, b->mse->forward(b->queue, loss->data, x->data, y->data, bt_tensor_count(x)), 0);
    unary(tape, loss, x, y, mse_backward);
    return loss;
}

struct bt_ints *bt_nearest(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *table)
{
    if (tape->err.status)
        return &tape->no_ints;

    const struct bt_backend *b = tape->backend;
    size_t width = last(x), rows = bt_tensor_count(x) / width;
    struct bt_ints *index = ints(tape, rows);

    if (tape->err.status)
        return index;
    bt_tape_op_begin(tape, "nearest");
    bt_tape_op_end(tape, b->nearest->forward(b->queue, index->data, x->data, table->data, rows, width,
                                             bt_tensor_count(table) / width),
                   2.0 * (double)rows * (double)bt_tensor_count(table));
    return index;
}

struct bt_tensor *bt_patches(struct bt_tape *tape, struct bt_tensor *images, size_t patch)
{
    if (tape->err.status)
        return &tape->nothing;

    const struct bt_backend *b = tape->backend;
    size_t side = images->shape[3], channels = images->shape[1];

    if (images->rank != 4 || images->shape[2] != side || !patch || side % patch) {
        bt_tape_fail(tape, BT_ERR_BUG, "patches: side %zu is not a multiple of %zu", side, patch);
        return &tape->nothing;
    }

    size_t grid = side / patch, shape[3] = { images->shape[0], grid * grid, channels * patch * patch };
    struct bt_tensor *y = bt_tape_tensor(tape, 3, shape);

    if (tape->err.status)
        return y;
    bt_tape_op_begin(tape, "patches");
    bt_tape_op_end(tape, b->patches->forward(b->queue, y->data, images->data, images->shape[0], channels, side, patch), 0);
    return y;
}
