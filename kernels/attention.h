/* kernels/attention.h: scaled dot-product attention without the score matrix in memory (Dao et al.,
 * arXiv:2205.14135): rows of scores live in cache; the log-sum-exp of each row is kept for the backward pass.
 *     forward:   P = softmax(scale Q K^T + mask),  out = dropout(P) V
 *     backward:  recomputes P from lse, adds dQ, dK, dV
 * Element (b, t, h, j) of Q is query[b * batch_stride + t * token_stride + h * head_size + j]; so q, k, v may
 * be parts of one fused projection, or a cache. out, dout: [batch, queries, heads * head_size]; lse: [batch,
 * heads, queries]. Gradients have the strides of what they belong to. A key s is visible to query t when
 * key_mask (if any) has key_mask[b * keys + s] != 0, and, if causal, s <= t + (keys - queries) or s < prefix.
 * A query that sees no key gives 0 (and lse +inf). Dropout is kernels/dropout.h's over P laid out as [batch,
 * heads, queries, keys]. Gradients of different (b, t, h) must not share memory. Source: models.md
 * 0.2, 3.2, 7.1. */
#ifndef BT_KERNELS_ATTENTION_H
#define BT_KERNELS_ATTENTION_H

#include "kernels/backend.h"

struct bt_attention_shape {
    size_t batch, heads, head_size, queries, keys;
    size_t query_token_stride, query_batch_stride;
    size_t key_token_stride, key_batch_stride;
    size_t value_token_stride, value_batch_stride;
    float scale;
    int causal;
    size_t prefix;           /* first keys that every query sees although causal */
    float dropout;           /* on P, scaled by 1/(1-p); 0: none */
    uint32_t dropout_key[4]; /* seed low, seed high, step, site: the mask is a function of these and (b, h, t,
                                s) */
};
struct bt_attention {
    int (*forward)(struct bt_queue *q, float *out, float *lse, const float *query, const float *key,
                   const float *value, const int32_t *key_mask, const struct bt_attention_shape *shape);
    int (*backward)(struct bt_queue *q, float *dquery, float *dkey, float *dvalue, const float *dout,
                    const float *out, const float *lse, const float *query, const float *key,
                    const float *value, const int32_t *key_mask, const struct bt_attention_shape *shape);
};
extern const struct bt_attention bt_attention_cpu, bt_attention_cuda;

#endif
