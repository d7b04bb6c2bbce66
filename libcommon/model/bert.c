/* BERT layers. Source: models.md 3.1, 3.2. */
#include "libcommon/model/bert.h"

#include <math.h>
#include <stdio.h>

static void attention_new(struct bt_bert_attention *a, struct bt_params *params, const struct bt_bert_config *c,
                          size_t key_width, const char *prefix)
{
    struct bt_init std = bt_normal(c->init_std);

    a->query = bt_affine_new(params, std, c->hidden, c->hidden, "%s.self.query", prefix);
    a->key = bt_affine_new(params, std, key_width, c->hidden, "%s.self.key", prefix);
    a->value = bt_affine_new(params, std, key_width, c->hidden, "%s.self.value", prefix);
    a->out = bt_affine_new(params, std, c->hidden, c->hidden, "%s.output.dense", prefix);
    a->norm = bt_norm_new(params, c->hidden, c->eps, "%s.output.LayerNorm", prefix);
}

static void ffn_new(struct bt_bert_ffn *f, struct bt_params *params, const struct bt_bert_config *c, const char *prefix,
                    const char *suffix)
{
    struct bt_init std = bt_normal(c->init_std);

    f->up = bt_affine_new(params, std, c->hidden, c->ffn, "%s.intermediate%s.dense", prefix, suffix);
    f->down = bt_affine_new(params, std, c->ffn, c->hidden, "%s.output%s.dense", prefix, suffix);
    f->norm = bt_norm_new(params, c->hidden, c->eps, "%s.output%s.LayerNorm", prefix, suffix);
}

void bt_bert_layer_new(struct bt_bert_layer *layer, struct bt_params *params, const struct bt_bert_config *c,
                       struct bt_bert_parts parts, const char *prefix)
{
    char name[256];

    snprintf(name, sizeof name, "%s.attention", prefix);
    attention_new(&layer->self, params, c, c->hidden, name);
    layer->has_cross = parts.cross;
    layer->has_text = parts.text;
    layer->has_query = parts.query;
    if (parts.cross) {
        snprintf(name, sizeof name, "%s.crossattention", prefix);
        attention_new(&layer->cross, params, c, parts.image_width, name);
    }
    if (parts.text)
        ffn_new(&layer->text, params, c, prefix, "");
    if (parts.query)
        ffn_new(&layer->query, params, c, prefix, "_query");
}

static struct bt_tensor *feed_forward(struct bt_tape *tape, const struct bt_bert_ffn *f, struct bt_tensor *x, float p)
{
    struct bt_tensor *y = bt_apply(tape, &f->down, bt_apply(tape, &f->up, x, BT_ACT_GELU), BT_ACT_NONE);

    return bt_add_normalize(tape, &f->norm, bt_dropout(tape, y, p), x, NULL);
}

static struct bt_tensor *self_attention(struct bt_tape *tape, const struct bt_bert_attention *a,
                                        const struct bt_bert_config *c, struct bt_tensor *h, const struct bt_bert_call *call)
{
    size_t head = c->hidden / c->heads;
    struct bt_attend attend = { .heads = c->heads, .head_size = head, .scale = 1.0f / sqrtf((float)head),
                                .key_mask = call->key_mask, .causal = call->causal, .dropout = c->dropout };

    bt_project(tape, &attend, h, &a->query, &a->key, &a->value);
    if (call->kept)
        *call->kept = attend;
    if (call->cache)
        bt_kv_append(tape, call->cache, &attend);
    if (call->past_key && !bt_tape_failed(tape)) {
        /* Keys and values of an earlier call come first; both may be columns of wider tensors, so they are cut out. */
        struct bt_tensor *past_key = bt_columns(tape, call->past_key, call->past_key_at, c->hidden);
        struct bt_tensor *past_value = bt_columns(tape, call->past_value, call->past_value_at, c->hidden);

        attend.key = bt_concat(tape, past_key, bt_columns(tape, attend.key, attend.key_at, c->hidden));
        attend.value = bt_concat(tape, past_value, bt_columns(tape, attend.value, attend.value_at, c->hidden));
        attend.key_at = attend.value_at = 0;
    }

    struct bt_tensor *y = bt_apply(tape, &a->out, bt_attention(tape, &attend), BT_ACT_NONE);

    return bt_add_normalize(tape, &a->norm, bt_dropout(tape, y, c->dropout), h, NULL);
}

static struct bt_tensor *cross_attention(struct bt_tape *tape, const struct bt_bert_attention *a,
                                         const struct bt_bert_config *c, struct bt_tensor *h, struct bt_tensor *image)
{
    size_t head = c->hidden / c->heads;
    struct bt_attend attend = { .heads = c->heads, .head_size = head, .scale = 1.0f / sqrtf((float)head),
                                .dropout = c->dropout };

    attend.query = bt_apply(tape, &a->query, h, BT_ACT_NONE);
    attend.key = bt_apply(tape, &a->key, image, BT_ACT_NONE);
    attend.value = bt_apply(tape, &a->value, image, BT_ACT_NONE);

    struct bt_tensor *y = bt_apply(tape, &a->out, bt_attention(tape, &attend), BT_ACT_NONE);

    return bt_add_normalize(tape, &a->norm, bt_dropout(tape, y, c->dropout), h, NULL);
}

struct bt_tensor *bt_bert_layer_forward(struct bt_tape *tape, const struct bt_bert_layer *layer,
                                        const struct bt_bert_config *c, struct bt_tensor *h,
                                        const struct bt_bert_call *call, const char *name)
{
    struct bt_tensor *a = self_attention(tape, &layer->self, c, h, call);

    if (bt_tape_failed(tape))
        return a;
    bt_mark(tape, a, "%s.attention", name);

    size_t tokens = a->shape[1], queries = call->queries;
    struct bt_tensor *query = queries == tokens ? a : queries ? bt_slice(tape, a, 0, queries) : NULL;
    struct bt_tensor *text = queries == tokens ? NULL : queries ? bt_slice(tape, a, queries, tokens - queries) : a;

    if (query && layer->has_cross && call->image) {
        query = cross_attention(tape, &layer->cross, c, query, call->image);
        bt_mark(tape, query, "%s.crossattention", name);
    }
    if (query)
        query = feed_forward(tape, &layer->query, query, c->dropout);
    if (text)
        text = feed_forward(tape, &layer->text, text, c->dropout);
    h = query && text ? bt_concat(tape, query, text) : query ? query : text;
    bt_mark(tape, h, "%s", name);
    return h;
}
