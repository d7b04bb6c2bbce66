/* BERT layers (post-norm), as the Q-Former and the P-Former share them. Source: models.md 0.3, 3.1. */
#ifndef BT_MODEL_BERT_H
#define BT_MODEL_BERT_H

#include "libcommon/model/config.h"
#include "libcommon/nn/nn.h"

struct bt_bert_ffn {
    struct bt_affine up, down; /* intermediate.dense, output.dense */
    struct bt_norm norm;
};
struct bt_bert_attention {
    struct bt_affine query, key, value, out;
    struct bt_norm norm;
};
struct bt_bert_layer {
    struct bt_bert_attention self, cross;
    struct bt_bert_ffn text, query;
    bool has_cross, has_text, has_query;
};

/* What a layer has besides self-attention. image_width: of the keys and values of the cross-attention. */
struct bt_bert_parts {
    bool cross, text, query;
    size_t image_width;
};
/* Declares "<prefix>.attention.*", ".crossattention.*", ".intermediate*", ".output*". */
void bt_bert_layer_new(struct bt_bert_layer *layer, struct bt_params *params, const struct bt_bert_config *config,
                       struct bt_bert_parts parts, const char *prefix);

/* One call of a layer. */
struct bt_bert_call {
    size_t queries;                 /* the first this many tokens are queries: cross-attention and their own FFN */
    struct bt_tensor *image;        /* [B, N, image_width]; NULL: no cross-attention */
    const struct bt_ints *key_mask; /* [B, past + tokens]; NULL: all seen */
    bool causal;
    struct bt_tensor *past_key, *past_value; /* [B, past, *] from the given columns, seen before this call's own; or NULL */
    size_t past_key_at, past_value_at;
    struct bt_kv *cache;            /* generation: append to it and see all that is there; or NULL */
    struct bt_attend *kept;         /* out: this call's keys and values, for past_*; or NULL */
};
/* h [B, T, hidden] -> the same. */
struct bt_tensor *bt_bert_layer_forward(struct bt_tape *tape, const struct bt_bert_layer *layer,
                                        const struct bt_bert_config *config, struct bt_tensor *h,
                                        const struct bt_bert_call *call, const char *name);

#endif
