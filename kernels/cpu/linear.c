#include "kernels/cpu/linear.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/grid.h"
#include "kernels/cpu/vec.h"

#define PAD_MIN ((size_t)32) /* rows from which a padded copy of the weight pays */

/* ---- forward ---- */

struct epilogue {
    float *slope; /* may be NULL; laid out as y, `stride` to a row */
    const float *bias;
    enum bt_act act;
    size_t stride;
};

static void activate(float *y, float *slope, enum bt_act act, size_t n)
{
    float unused;

    switch (act) {
    case BT_ACT_NONE: break;
    case BT_ACT_GELU:
        if (slope) {
            #pragma omp simd
            for (size_t i = 0; i < n; i++)
                y[i] = bt_vec_gelu(y[i], &slope[i]);
        } else {
            #pragma omp simd private(unused)
            for (size_t i = 0; i < n; i++)
                y[i] = bt_vec_gelu(y[i], &unused);
        }
        break;
    case BT_ACT_RELU:
        #pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] > 0.0f ? y[i] : 0.0f;
        break;
    case BT_ACT_TANH:
        #pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = bt_vec_tanh(y[i]);
        break;
    }
}

/* Bias and activation of a tile while it is in cache. */
static void finish(void *context, float *tile, size_t row, size_t rows, size_t column, size_t columns)
{
    const struct epilogue *e = context;

    for (size_t r = 0; r < rows; r++) {
        float *y = tile + r * e->stride;

        if (e->bias) {
            const float *bias = e->bias + column;

            #pragma omp simd
            for (size_t i = 0; i < columns; i++)
                y[i] += bias[i];
        }
        activate(y, e->slope ? e->slope + (row + r) * e->stride + column : NULL, e->act, columns);
    }
}

static int forward(struct bt_queue *q, float *y, float *slope, const float *x, const float *weight,
                   const float *bias, enum bt_act act, size_t rows, size_t in, size_t out)
{
    struct epilogue e = { slope, bias, act, out };
    struct bt_matrix left = { x, in, false }, right = { weight, in, true };

    return bt_matmul(q, y, out, left, right, false, rows, out, in, bias || act ? finish : NULL, &e);
}

/* ---- backward ---- */

static void through_act(float *g, const float *dy, const float *saved, enum bt_act act, size_t n)
{
    switch (act) {
    case BT_ACT_NONE: memcpy(g, dy, n * sizeof *g); break;
    case BT_ACT_GELU:
        #pragma omp simd
        for (size_t i = 0; i < n; i++)
            g[i] = dy[i] * saved[i];
        break;
    case BT_ACT_RELU:
        #pragma omp simd
        for (size_t i = 0; i < n; i++)
            g[i] = saved[i] > 0.0f ? dy[i] : 0.0f;
        break;
    case BT_ACT_TANH:
        #pragma omp simd
        for (size_t i = 0; i < n; i++)
            g[i] = dy[i] * (1.0f - saved[i] * saved[i]);
        break;
    }
}

static void add_column_sums(float *restrict to, const float *restrict g, size_t stride, size_t rows,
                            size_t columns)
{
    float total[BT_BAND] = { 0 };

    for (size_t first = 0; first < rows; first += BT_ROW_RUN) {
        size_t end = bt_least(rows, first + BT_ROW_RUN);
        float run[BT_BAND] = { 0 };

        for (size_t r = first; r < end; r++) {
            #pragma omp simd
            for (size_t i = 0; i < columns; i++)
                run[i] += g[r * stride + i];
        }
        for (size_t i = 0; i < columns; i++)
            total[i] += run[i];
    }
    for (size_t i = 0; i < columns; i++)
        to[i] += total[i];
}

static struct bt_packed *find_packed(const struct bt_queue *q, const float *weight)
{
    for (size_t i = 0; i < q->packed_count; i++)
        if (q->packed[i].weight == weight)
            return &q->packed[i];
    return NULL;
}

size_t bt_linear_scratch(const struct bt_queue *q, const float *weight, size_t rows, size_t in, size_t out)
{
    size_t stride = bt_padded(in), longest = rows;

    if (rows >= PAD_MIN && out > rows && !find_packed(q, weight))
        longest = out;
    return stride == in ? 0 : longest * stride;
}

/* The weight as dx = g W goes down it: as it is, the copy kept of a packed one, or a copy for this call. */
static int weight_for_dx(struct bt_queue *q, struct bt_matrix *w, size_t rows, size_t in, size_t out,
                         float *scratch)
{
    struct bt_packed *packed = find_packed(q, w->data);
    float *copy = scratch;

    if (bt_padded(in) == in || rows < PAD_MIN)
        return BT_OK;
    if (packed) {
        copy = packed->padded;
        if (!copy)
            copy = aligned_alloc(64, (out * bt_padded(in) * sizeof *copy + 63) / 64 * 64);
        if (!copy)
            return BT_ERR_MEMORY;
    }
    if (!packed || !packed->padded)
        bt_pad_rows(q, copy, bt_padded(in), w->data, out, in);
    if (packed)
        packed->padded = copy;
    *w = (struct bt_matrix){ copy, bt_padded(in), false };
    return BT_OK;
}

int bt_linear_gradients(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *g,
                        size_t g_stride, const float *x, const float *weight, size_t rows, size_t in,
                        size_t out, float *scratch)
{
    int rc = BT_OK;

    if (dx) {
        struct bt_matrix left = { g, g_stride, false }, right = { weight, in, false };

        rc = weight_for_dx(q, &right, rows, in, out, scratch);
        if (!rc)
            rc = bt_matmul(q, dx, in, left, right, true, rows, in, out, NULL, NULL);
    }
    if (!rc && dweight) {
        struct bt_matrix left = { g, g_stride, true }, right = { x, in, false };

        if (bt_padded(in) != in) {
            bt_pad_rows(q, scratch, bt_padded(in), x, rows, in);
            right = (struct bt_matrix){ scratch, bt_padded(in), false };
        }
        rc = bt_matmul(q, dweight, in, left, right, true, out, in, rows, NULL, NULL);
    }
    if (!rc && dbias) {
        #pragma omp parallel for num_threads(q->threads) if (rows * out > BT_PARALLEL_MIN)
        for (size_t column = 0; column < out; column += BT_BAND)
            add_column_sums(dbias + column, g + column, g_stride, rows, bt_least(BT_BAND, out - column));
    }
    return rc;
}

static int backward(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *dy,
                    const float *saved, const float *x, const float *weight, enum bt_act act, size_t rows,
                    size_t in, size_t out)
{
    size_t stride = bt_padded(out), block = bt_least(rows, bt_linear_block(in, out));
    bool own = act != BT_ACT_NONE || (dweight && stride != out); /* g is not dy itself */
    size_t own_floats = own ? (block * stride + 15) / 16 * 16 : 0;
    float *space =
        bt_workspace(q, (own_floats + bt_linear_scratch(q, weight, block, in, out)) * sizeof *space);
    int rc = space ? BT_OK : BT_ERR_MEMORY;

    for (size_t first = 0; first < rows && !rc; first += block) {
        size_t count = bt_least(block, rows - first);
        const float *g = own ? space : dy + first * out;

        if (own) {
            #pragma omp parallel for num_threads(q->threads) if (count * out > BT_PARALLEL_MIN)
            for (size_t r = 0; r < count; r++)
                through_act(space + r * stride, dy + (first + r) * out,
                            saved ? saved + (first + r) * out : NULL, act, out);
        }
        rc = bt_linear_gradients(q, dx ? dx + first * in : NULL, dweight, dbias, g, own ? stride : out,
                                 x + first * in, weight, count, in, out, space + own_floats);
    }
    return rc;
}

/* ---- weights that do not change ---- */

static int pack(struct bt_queue *q, const float *weight, size_t in, size_t out)
{
    (void)in;
    (void)out;
    if (find_packed(q, weight))
        return BT_OK;
    if (q->packed_count == q->packed_capacity) {
        size_t capacity = q->packed_capacity ? 2 * q->packed_capacity : 64;
        struct bt_packed *packed = realloc(q->packed, capacity * sizeof *packed);

        if (!packed)
            return BT_ERR_MEMORY;
        q->packed = packed;
        q->packed_capacity = capacity;
    }
    q->packed[q->packed_count++] = (struct bt_packed){ weight, NULL };
    return BT_OK;
}

static void unpack(struct bt_queue *q, const float *weight)
{
    struct bt_packed *packed = find_packed(q, weight);

    if (packed) {
        free(packed->padded);
        *packed = q->packed[--q->packed_count];
    }
}

const struct bt_linear bt_linear_cpu = { forward, backward, pack, unpack };
