/* Ops on tensors: what models are written in. Each checks shapes, runs its kernel, and notes the way back.
 *
 * Leading axes of x are rows unless said otherwise: [..., width]. Weights are [out, in] as published. A wrong shape is
 * E_BUG with the op's name and the shapes. Results live until the tape is reset. */
#ifndef BT_TENSOR_OPS_H
#define BT_TENSOR_OPS_H

#include "kernels/cross_entropy.h"
#include "kernels/linear.h"
#include "libcommon/tensor/tape.h"

/* Host values onto the device. Nothing upstream: they do not train. */
struct bt_tensor *bt_constant(struct bt_tape *tape, const float *host, int rank, const size_t *shape);
struct bt_ints *bt_int_constant(struct bt_tape *tape, const int32_t *host, size_t count);
struct bt_ints *bt_int_fill(struct bt_tape *tape, int32_t value, size_t count);
/* Values back to the host. */
void bt_read(struct bt_tape *tape, const struct bt_tensor *x, float *host);
void bt_read_ints(struct bt_tape *tape, const struct bt_ints *x, int32_t *host);

/* The same values under another shape, or a run of whole leading rows of it; no copy. */
struct bt_tensor *bt_reshape(struct bt_tape *tape, struct bt_tensor *x, int rank, const size_t *shape);
struct bt_tensor *bt_rows(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count);
/* The same values without a way back. */
struct bt_tensor *bt_detach(struct bt_tape *tape, struct bt_tensor *x);

/* act(x W^T + b): [..., in] -> [..., out]. bias may be NULL. */
struct bt_tensor *bt_linear(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight, struct bt_tensor *bias,
                            enum bt_act act);

struct bt_tensor *bt_layer_norm(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight,
                                struct bt_tensor *bias, float eps);
/* Normalises x + residual; the sum itself through *sum when it is not NULL (pre-norm blocks go on with it). */
struct bt_tensor *bt_add_layer_norm(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *residual,
                                    struct bt_tensor *weight, struct bt_tensor *bias, float eps, struct bt_tensor **sum);

/* Rows of a table: ids.count rows of [table rows, width], shape [ids.count, width]. Ids are checked by whoever made
 * them. The table may be any tensor seen as rows of equal width. */
struct bt_tensor *bt_embed(struct bt_tape *tape, struct bt_tensor *table, const struct bt_ints *ids);
/* [1, ...] or [...] repeated: [times, ...]. */
struct bt_tensor *bt_repeat(struct bt_tape *tape, struct bt_tensor *x, size_t times);

/* Attention of models.md 0.2: query [B, Tq, *], key and value [B, Tk, *], heads of head_size from the given column on. */
struct bt_attend {
    struct bt_tensor *query, *key, *value;
    size_t query_at, key_at, value_at; /* first column: 0, or a part of a fused projection */
    size_t heads, head_size;
    float scale;
    const struct bt_ints *key_mask; /* [B, keys], 1 sees; NULL: all */
    bool causal;
    size_t prefix;                  /* first keys seen by every query although causal */
    size_t keys;                    /* of the key tensor's Tk, the first this many; 0: all */
    float dropout;                  /* on probabilities, where the tape's dropout is active */
};
struct bt_tensor *bt_attention(struct bt_tape *tape, const struct bt_attend *attend);

/* Two tensors joined along axis 1 ([B, Ta, W] and [B, Tb, W]), or end to end when of rank 1. */
struct bt_tensor *bt_concat(struct bt_tape *tape, struct bt_tensor *a, struct bt_tensor *b);
/* Tokens first..first+count-1 of [B, T, W]: the very tensor, where bt_concat put one there. */
struct bt_tensor *bt_slice(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count);

/* Columns first..first+count-1 of the last axis. */
struct bt_tensor *bt_columns(struct bt_tape *tape, struct bt_tensor *x, size_t first, size_t count);

/* a + b; b may be shorter and repeats: [T, W] onto [B, T, W]. */
struct bt_tensor *bt_add(struct bt_tape *tape, struct bt_tensor *a, struct bt_tensor *b);
struct bt_tensor *bt_scale(struct bt_tape *tape, struct bt_tensor *x, float factor);
struct bt_tensor *bt_divide(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *scalar);
struct bt_tensor *bt_l2_normalize(struct bt_tape *tape, struct bt_tensor *x);
struct bt_tensor *bt_dropout(struct bt_tape *tape, struct bt_tensor *x, float p);

/* Over the middle axis of x seen as [outer, count, inner]: [outer, inner]. */
struct bt_tensor *bt_mean_pool(struct bt_tape *tape, struct bt_tensor *x, size_t outer, size_t count, size_t inner);
struct bt_tensor *bt_max_pool(struct bt_tape *tape, struct bt_tensor *x, size_t outer, size_t count, size_t inner);

/* Losses: one element each. labels: BT_IGNORE is none; logits [rows, classes], labels [rows, per_row]. */
struct bt_tensor *bt_cross_entropy(struct bt_tape *tape, struct bt_tensor *logits, const struct bt_ints *labels,
                                   float smoothing);
struct bt_tensor *bt_linear_cross_entropy(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *weight,
                                          struct bt_tensor *bias, const struct bt_ints *labels, float smoothing);
struct bt_tensor *bt_mse(struct bt_tape *tape, struct bt_tensor *a, struct bt_tensor *b);
/* For each row of x the nearest row of table. */
struct bt_ints *bt_nearest(struct bt_tape *tape, struct bt_tensor *x, struct bt_tensor *table);

/* Images [B, C, S, S] to patches [B, (S/p)^2, C p p]. */
struct bt_tensor *bt_patches(struct bt_tape *tape, struct bt_tensor *images, size_t patch);

#endif
