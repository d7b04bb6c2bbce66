#include "kernels/attention.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/cpu/block.h"
#include "kernels/cpu/grid.h"
#include "kernels/cpu/queue.h"
#include "kernels/cpu/vec.h"
#include "libcommon/base/rng.h"

#define QUERY_ROWS ((size_t)24) /* queries whose scores are in cache at once; whole tiles of block.c */

/* One thread's matrices for one (batch, head), rows padded to whole vectors. */
struct space {
    size_t key_width, head_width;       /* padded row lengths */
    float *key_t, *value_t;             /* [head_size, key_width] */
    float *key, *value, *dkey, *dvalue; /* [keys, head_width] */
    float *query, *dout, *result;       /* [QUERY_ROWS, head_width] */
    float *score, *dscore, *factor; /* [QUERY_ROWS, key_width]; factor: dropout's, with room to begin late */
    float *hidden;                  /* [key_width]: 0 for a key that is seen, -inf for one that is not */
};

/* A piece of the workspace, or NULL while it is only measured. */
static float *cut(float *at, size_t *used, size_t floats)
{
    float *piece = at ? at + *used : NULL;

    *used += (floats + 15) / 16 * 16;
    return piece;
}

/* Lays the matrices out from `at` on; returns the floats they take. */
static size_t lay_out(struct space *w, const struct bt_attention_shape *s, float *at)
{
    size_t kw = bt_whole_lanes(s->keys), hw = bt_whole_lanes(s->head_size), used = 0;

    w->key_width = kw;
    w->head_width = hw;
    w->key_t = cut(at, &used, s->head_size * kw);
    w->value_t = cut(at, &used, s->head_size * kw);
    w->key = cut(at, &used, s->keys * hw);
    w->value = cut(at, &used, s->keys * hw);
    w->dkey = cut(at, &used, s->keys * hw);
    w->dvalue = cut(at, &used, s->keys * hw);
    w->query = cut(at, &used, QUERY_ROWS * hw);
    w->dout = cut(at, &used, QUERY_ROWS * hw);
    w->result = cut(at, &used, QUERY_ROWS * hw);
    w->score = cut(at, &used, QUERY_ROWS * kw);
    w->dscore = cut(at, &used, QUERY_ROWS * kw);
    w->factor = cut(at, &used, kw + 8);
    w->hidden = cut(at, &used, kw);
    return used;
}

/* Rows of head_size floats copied to rows of head_width, the rest 0. */
static void widen(float *to, size_t to_stride, const float *from, size_t from_stride, size_t rows,
                  size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        memcpy(to + r * to_stride, from + r * from_stride, width * sizeof *to);
        for (size_t i = width; i < to_stride; i++)
            to[r * to_stride + i] = 0.0f;
    }
}

static void add_rows(float *to, size_t to_stride, const float *from, size_t from_stride, size_t rows,
                     size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        #pragma omp simd
        for (size_t i = 0; i < width; i++)
            to[r * to_stride + i] += from[r * from_stride + i];
    }
}

/* Keys that query t may see come first: how many. */
static size_t visible(const struct bt_attention_shape *s, size_t t)
{
    size_t seen = t + 1 + s->keys > s->queries ? t + 1 + s->keys - s->queries : 0;

    if (!s->causal || seen > s->keys)
        return s->keys;
    return seen > s->prefix ? seen : s->prefix < s->keys ? s->prefix : s->keys;
}

static void hide(float *hidden, size_t width, const int32_t *key_mask, const struct bt_attention_shape *s,
                 size_t b)
{
    for (size_t i = 0; i < width; i++)
        hidden[i] = i < s->keys && (!key_mask || key_mask[b * s->keys + i]) ? 0.0f : -INFINITY;
}

/* Dropout factors of one row of P, numbered as [batch, heads, queries, keys]; returns where in `factor` they
 * begin. */
static const float *dropout_row(float *factor, const struct bt_attention_shape *s, size_t bh, size_t t,
                                size_t n)
{
    const uint32_t last_kept = (uint32_t)(ceil((1 - (double)s->dropout) * 0x1p32) - 1);
    const uint32_t seed[2] = { s->dropout_key[0], s->dropout_key[1] };
    const uint32_t step = s->dropout_key[2], site = s->dropout_key[3];
    const float kept = 1 / (1 - s->dropout);
    const uint64_t first = ((uint64_t)bh * s->queries + t) * s->keys;
    const size_t late = (size_t)(first % 4), blocks = (late + n + 3) / 4;

    for (size_t i = 0; i < blocks; i++) {
        const uint64_t block = first / 4 + i;
        const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), step, site };
        uint32_t word[4];

        bt_philox(counter, seed, word);
        factor[4 * i] = word[0] <= last_kept ? kept : 0;
        factor[4 * i + 1] = word[1] <= last_kept ? kept : 0;
        factor[4 * i + 2] = word[2] <= last_kept ? kept : 0;
        factor[4 * i + 3] = word[3] <= last_kept ? kept : 0;
    }
    return factor + late;
}

/* ---- forward ---- */

/* The first n scores of one query become probabilities, the rest of its row 0; returns the log of the sum of
 * exponentials, +inf when no key is seen (so that backward finds probabilities of 0). */
static float softmax_row(float *score, const float *hidden, float scale, size_t n, size_t width)
{
    float most, sum = 0.0f, factor;

    #pragma omp simd
    for (size_t i = 0; i < width; i++)
        score[i] = score[i] * scale + hidden[i];
    for (size_t i = n; i < width; i++)
        score[i] = -INFINITY;
    most = bt_vec_max(score, width);
    if (most == -INFINITY) {
        memset(score, 0, width * sizeof *score);
        return INFINITY;
    }
    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < width; i++) {
        score[i] = bt_vec_exp(score[i] - most);
        sum += score[i];
    }
    factor = 1.0f / sum;
    #pragma omp simd
    for (size_t i = 0; i < width; i++)
        score[i] *= factor;
    return most + logf(sum);
}

static void forward_head(const struct space *w, const struct bt_attention_shape *s, size_t bh, float *out,
                         float *lse, const float *query, const float *key, const float *value)
{
    size_t width = s->heads * s->head_size;

    bt_block_transpose(w->key_t, w->key_width, key, s->key_token_stride, s->keys, s->head_size);
    widen(w->value, w->head_width, value, s->value_token_stride, s->keys, s->head_size);
    for (size_t first = 0; first < s->queries; first += QUERY_ROWS) {
        size_t rows = bt_least(QUERY_ROWS, s->queries - first);
        size_t seen = visible(s, first + rows - 1), seen_width = bt_whole_lanes(seen);
        struct bt_operand q = { query + first * s->query_token_stride, s->query_token_stride, 1 };
        struct bt_operand p = { w->score, w->key_width, 1 };

        bt_block_product(w->score, w->key_width, q, w->key_t, w->key_width, false, rows, seen_width,
                         s->head_size);
        for (size_t r = 0; r < rows; r++) {
            float *score = w->score + r * w->key_width;
            size_t n = visible(s, first + r);

            lse[first + r] = softmax_row(score, w->hidden, s->scale, n, seen_width);
            if (s->dropout > 0) {
                const float *factor = dropout_row(w->factor, s, bh, first + r, n);

                #pragma omp simd
                for (size_t i = 0; i < n; i++)
                    score[i] *= factor[i];
            }
        }
        bt_block_product(w->result, w->head_width, p, w->value, w->head_width, false, rows, w->head_width,
                         seen);
        for (size_t r = 0; r < rows; r++)
            memcpy(out + (first + r) * width, w->result + r * w->head_width, s->head_size * sizeof *out);
    }
}

static int forward(struct bt_queue *q, float *out, float *lse, const float *query, const float *key,
                   const float *value, const int32_t *key_mask, const struct bt_attention_shape *s)
{
    struct space measure;
    size_t floats = lay_out(&measure, s, NULL), count = s->batch * s->heads;
    float *space = bt_workspace(q, floats * (size_t)q->threads * sizeof *space);
    bool large = count * s->queries * s->keys > BT_PARALLEL_MIN;

    if (!space)
        return BT_ERR_MEMORY;
    #pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (large)
    for (size_t bh = 0; bh < count; bh++) {
        size_t b = bh / s->heads, h = bh % s->heads, at = h * s->head_size;
        struct space w;

        lay_out(&w, s, space + (size_t)omp_get_thread_num() * floats);
        hide(w.hidden, w.key_width, key_mask, s, b);
        forward_head(&w, s, bh, out + b * s->queries * s->heads * s->head_size + at, lse + bh * s->queries,
                     query + b * s->query_batch_stride + at, key + b * s->key_batch_stride + at,
                     value + b * s->value_batch_stride + at);
    }
    return BT_OK;
}

/* ---- backward ---- */

struct gradients {
    float *query, *key, *value; /* each may be NULL */
};

/* A row of scores becomes P (with dropout: P as it met V), and dP becomes dS: P (dP - dout out), times scale. */
static void backward_row(float *score, float *dscore, const float *hidden, const float *factor, float lse,
                         float delta, float scale, size_t n, size_t width)
{
    if (factor) {
        #pragma omp simd
        for (size_t i = 0; i < n; i++) {
            float p = bt_vec_exp(score[i] * scale + hidden[i] - lse);

            score[i] = p * factor[i];
            dscore[i] = p * (dscore[i] * factor[i] - delta) * scale;
        }
    } else {
        #pragma omp simd
        for (size_t i = 0; i < n; i++) {
            float p = bt_vec_exp(score[i] * scale + hidden[i] - lse);

            score[i] = p;
            dscore[i] = p * (dscore[i] - delta) * scale;
        }
    }
    for (size_t i = n; i < width; i++)
        score[i] = dscore[i] = 0.0f;
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0.0f;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Queries first .. first + rows - 1 of one head: adds to dquery, and to w's dkey and dvalue. */
static void backward_rows(const struct space *w, const struct bt_attention_shape *s, size_t bh, size_t first,
                          size_t rows, struct gradients d, const float *out, const float *lse)
{
    size_t seen = visible(s, first + rows - 1), seen_width = bt_whole_lanes(seen), kw = w->key_width;
    size_t hw = w->head_width, width = s->heads * s->head_size;
    struct bt_operand q = { w->query, hw, 1 }, dy = { w->dout, hw, 1 }, ds = { w->dscore, kw, 1 };
    struct bt_operand ds_t = { w->dscore, 1, kw }, p_t = { w->score, 1, kw };

    bt_block_product(w->score, kw, q, w->key_t, kw, false, rows, seen_width, s->head_size);
    bt_block_product(w->dscore, kw, dy, w->value_t, kw, false, rows, seen_width, s->head_size);
    for (size_t r = 0; r < rows; r++) {
        size_t n = visible(s, first + r);
        const float *factor = s->dropout > 0 ? dropout_row(w->factor, s, bh, first + r, n) : NULL;
        float delta = dot(w->dout + r * hw, out + (first + r) * width, s->head_size);

        backward_row(w->score + r * kw, w->dscore + r * kw, w->hidden, factor, lse[first + r], delta,
                     s->scale, n, seen_width);
    }
    if (d.value)
        bt_block_product(w->dvalue, hw, p_t, w->dout, hw, true, seen, hw, rows);
    if (d.key)
        bt_block_product(w->dkey, hw, ds_t, w->query, hw, true, seen, hw, rows);
    if (d.query) {
        bt_block_product(w->result, hw, ds, w->key, hw, false, rows, hw, seen);
        add_rows(d.query + first * s->query_token_stride, s->query_token_stride, w->result, hw, rows,
                 s->head_size);
    }
}

static void backward_head(const struct space *w, const struct bt_attention_shape *s, size_t bh,
                          struct gradients d, const float *dout, const float *out, const float *lse,
                          const float *query, const float *key, const float *value)
{
    size_t width = s->heads * s->head_size, hw = w->head_width;

    bt_block_transpose(w->key_t, w->key_width, key, s->key_token_stride, s->keys, s->head_size);
    bt_block_transpose(w->value_t, w->key_width, value, s->value_token_stride, s->keys, s->head_size);
    widen(w->key, hw, key, s->key_token_stride, s->keys, s->head_size);
    memset(w->dkey, 0, s->keys * hw * sizeof *w->dkey);
    memset(w->dvalue, 0, s->keys * hw * sizeof *w->dvalue);
    for (size_t first = 0; first < s->queries; first += QUERY_ROWS) {
        size_t rows = bt_least(QUERY_ROWS, s->queries - first);

        widen(w->query, hw, query + first * s->query_token_stride, s->query_token_stride, rows, s->head_size);
        widen(w->dout, hw, dout + first * width, width, rows, s->head_size);
        backward_rows(w, s, bh, first, rows, d, out, lse);
    }
    if (d.key)
        add_rows(d.key, s->key_token_stride, w->dkey, hw, s->keys, s->head_size);
    if (d.value)
        add_rows(d.value, s->value_token_stride, w->dvalue, hw, s->keys, s->head_size);
}

static int backward(struct bt_queue *q, float *dquery, float *dkey, float *dvalue, const float *dout,
                    const float *out, const float *lse, const float *query, const float *key,
                    const float *value, const int32_t *key_mask, const struct bt_attention_shape *s)
{
    struct space measure;
    size_t floats = lay_out(&measure, s, NULL), count = s->batch * s->heads;
    float *space = bt_workspace(q, floats * (size_t)q->threads * sizeof *space);
    bool large = count * s->queries * s->keys > BT_PARALLEL_MIN;

    if (!space)
        return BT_ERR_MEMORY;
    #pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (large)
    for (size_t bh = 0; bh < count; bh++) {
        size_t b = bh / s->heads, h = bh % s->heads, at = h * s->head_size;
        size_t q_at = b * s->query_batch_stride + at, k_at = b * s->key_batch_stride + at;
        size_t v_at = b * s->value_batch_stride + at, out_at = b * s->queries * s->heads * s->head_size + at;
        struct gradients d = { dquery ? dquery + q_at : NULL, dkey ? dkey + k_at : NULL,
                               dvalue ? dvalue + v_at : NULL };
        struct space w;

        lay_out(&w, s, space + (size_t)omp_get_thread_num() * floats);
        hide(w.hidden, w.key_width, key_mask, s, b);
        backward_head(&w, s, bh, d, dout + out_at, out + out_at, lse + bh * s->queries, query + q_at,
                      key + k_at, value + v_at);
    }
    return BT_OK;
}

const struct bt_attention bt_attention_cpu = { forward, backward };
