/* OPT. Source: models.md 7.1. */
#include "libcommon/model/opt.h"

#include <math.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"

/* The position table has two rows before that of the first token; masked tokens use the second (models.md 7.1). */
#define POSITION_OFFSET 2

struct layer {
    struct bt_norm attention_norm, final_norm;
    struct bt_affine query, key, value, out, fc1, fc2;
};
struct bt_opt {
    struct bt_opt_config config;
    struct bt_tensor *words, *positions;
    struct bt_norm final_norm;
    struct layer *layers;
};

struct bt_opt *bt_opt_new(struct bt_params *params, const struct bt_opt_config *c, struct bt_err *err)
{
    struct bt_opt *opt = bt_alloc(1, sizeof *opt, err);
    struct layer *layers = bt_alloc(c->layers, sizeof *layers, err);
    struct bt_init std = bt_normal(c->init_std);
    size_t d = c->hidden;

    if (!opt || !layers) {
        free(opt);
        free(layers);
        return NULL;
    }
    opt->config = *c;
    opt->layers = layers;
    opt->words = bt_param(params, std, 2, (size_t[]){ c->vocab, d }, "opt_model.model.decoder.embed_tokens.weight");
    opt->positions = bt_param(params, std, 2, (size_t[]){ c->positions + POSITION_OFFSET, d },
                              "opt_model.model.decoder.embed_positions.weight");
    opt->final_norm = bt_norm_new(params, d, c->eps, "opt_model.model.decoder.final_layer_norm");
    for (size_t i = 0; i < c->layers; i++) {
        const char *p = "opt_model.model.decoder.layers";
        struct layer *l = &layers[i];

        l->query = bt_affine_new(params, std, d, d, "%s.%zu.self_attn.q_proj", p, i);
        l->key = bt_affine_new(params, std, d, d, "%s.%zu.self_attn.k_proj", p, i);
        l->value = bt_affine_new(params, std, d, d, "%s.%zu.self_attn.v_proj", p, i);
        l->out = bt_affine_new(params, std, d, d, "%s.%zu.self_attn.out_proj", p, i);
        l->attention_norm = bt_norm_new(params, d, c->eps, "%s.%zu.self_attn_layer_norm", p, i);
        l->fc1 = bt_affine_new(params, std, d, c->ffn, "%s.%zu.fc1", p, i);
        l->fc2 = bt_affine_new(params, std, c->ffn, d, "%s.%zu.fc2", p, i);
        l->final_norm = bt_norm_new(params, d, c->eps, "%s.%zu.final_layer_norm", p, i);
    }
    return opt;
}

void bt_opt_free(struct bt_opt *opt)
{
    if (opt)
        free(opt->layers);
    free(opt);
}

/* Table rows of the last `count` of `keys` tokens: the running number of unmasked ones (models.md 7.1 step 2). */
static struct bt_ints *position_rows(struct bt_tape *tape, const struct bt_opt *opt, const int32_t *mask, size_t batch,
                                     size_t keys, size_t count)
{
    int32_t *rows = bt_tape_host(tape, batch * count * sizeof *rows);

    if (!rows)
        return bt_int_fill(tape, 0, 0);
    for (size_t b = 0; b < batch; b++) {
        int32_t seen = 0;

        for (size_t t = 0; t < keys; t++) {
            bool token = !mask || mask[b * keys + t];

            seen += token;
            if (t >= keys - count)
                rows[b * count + t - (keys - count)] = token ? seen - 1 + POSITION_OFFSET : POSITION_OFFSET - 1;
        }
        if ((size_t)seen > opt->config.positions)
            bt_tape_fail(tape, BT_ERR_LIMIT, "language model: %d tokens, but it has %zu positions; use a shorter prompt",
                         seen, opt->config.positions);
    }
    return bt_int_constant(tape, rows, batch * count);
}

struct bt_tensor *bt_opt_forward(struct bt_tape *tape, const struct bt_opt *opt, const struct bt_opt_input *in)
{
    const struct bt_opt_config *c = &opt->config;
    struct bt_tensor *h = NULL;
    size_t d = c->hidden, head = d / c->heads, past = in->cache ? in->cache->layer[0].length : 0;

    if (in->ids)
        h = bt_reshape(tape, bt_embed(tape, opt->words, in->ids), 3, (size_t[]){ in->batch, in->tokens, d });
    if (in->prefix)
        h = h ? bt_concat(tape, in->prefix, h) : in->prefix;
    if (bt_tape_failed(tape))
        return h;

    size_t count = h->shape[1], keys = past + count;
    struct bt_ints *rows = position_rows(tape, opt, in->mask, in->batch, keys, count);
    struct bt_ints *key_mask = in->mask ? bt_int_constant(tape, in->mask, in->batch * keys) : NULL;

    h = bt_add(tape, h, bt_embed(tape, opt->positions, rows));
    for (size_t i = 0; i < c->layers && !bt_tape_failed(tape); i++) {
        const struct layer *l = &opt->layers[i];
        struct bt_attend attend = { .heads = c->heads, .head_size = head, .scale = 1.0f / sqrtf((float)head),
                                    .key_mask = key_mask, .causal = true };

        bt_project(tape, &attend, bt_normalize(tape, &l->attention_norm, h), &l->query, &l->key, &l->value);
        if (in->cache)
            bt_kv_append(tape, &in->cache->layer[i], &attend);

        struct bt_tensor *x = bt_apply(tape, &l->out, bt_attention(tape, &attend), BT_ACT_NONE);

        x = bt_add_normalize(tape, &l->final_norm, bt_dropout(tape, x, c->dropout), h, &h);
        x = bt_apply(tape, &l->fc2, bt_apply(tape, &l->fc1, x, BT_ACT_RELU), BT_ACT_NONE);
        h = bt_add(tape, bt_dropout(tape, x, c->dropout), h);
        bt_mark(tape, h, "opt_model.model.decoder.layers.%zu", i);
    }
    h = bt_normalize(tape, &opt->final_norm, h);
    bt_mark(tape, h, "opt_model.model.decoder.final_layer_norm");
    return h;
}

struct bt_tensor *bt_opt_words(const struct bt_opt *opt)
{
    return opt->words;
}
