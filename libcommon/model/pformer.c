/* P-Former. Source: models.md 4.1. */
#include "libcommon/model/pformer.h"

#include <stdio.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"

struct bt_pformer {
    struct bt_bert_config config;
    size_t queries;
    struct bt_tensor *words, *positions, *types, *temp;
    struct bt_norm norm;
    struct bt_affine cls_proj, pooler, opt_proj, text_proj;
    struct bt_bert_layer *layers;
};

struct bt_pformer *bt_pformer_new(struct bt_params *params, const struct bt_config *config, bool contrastive, struct bt_err *err)
{
    const struct bt_bert_config *c = &config->pformer;
    struct bt_pformer *p = bt_alloc(1, sizeof *p, err);
    struct bt_bert_layer *layers = bt_alloc(c->layers, sizeof *layers, err);
    struct bt_init std = bt_normal(c->init_std);

    if (!p || !layers) {
        free(p);
        free(layers);
        return NULL;
    }
    p->config = *c;
    p->queries = config->queries;
    p->layers = layers;
    p->words = bt_param(params, std, 2, (size_t[]){ c->vocab, c->hidden }, "Pformer.embeddings.word_embeddings.weight");
    p->positions = bt_param(params, std, 2, (size_t[]){ c->positions, c->hidden }, "Pformer.embeddings.position_embeddings.weight");
    p->types = bt_param(params, std, 2, (size_t[]){ 2, c->hidden }, "Pformer.embeddings.token_type_embeddings.weight");
    p->norm = bt_norm_new(params, c->hidden, c->eps, "Pformer.embeddings.LayerNorm");
    for (size_t i = 0; i < c->layers; i++) {
        char prefix[64];

        snprintf(prefix, sizeof prefix, "Pformer.encoder.layer.%zu", i);
        bt_bert_layer_new(&layers[i], params, c, (struct bt_bert_parts){ .text = true }, prefix);
    }
    p->cls_proj = bt_affine_default(params, c->hidden, config->queries * c->hidden, "Pformer.cls_proj");
    p->pooler = bt_affine_default(params, c->hidden, c->hidden, "Pformer.pooler.0");
    p->opt_proj = bt_affine_default(params, c->hidden, config->opt.hidden, "Pformer.opt_proj");
    if (contrastive) {
        p->text_proj = bt_affine_default(params, c->hidden, config->embed, "Pformer.text_proj");
        p->temp = bt_param(params, (struct bt_init){ BT_INIT_CONSTANT, 0.07f }, 0, NULL, "Pformer.temp");
    }
    return p;
}

void bt_pformer_free(struct bt_pformer *p)
{
    if (p)
        free(p->layers);
    free(p);
}

struct bt_tensor *bt_pformer_encode(struct bt_tape *tape, const struct bt_pformer *p, struct bt_text text)
{
    size_t hidden = p->config.hidden, shape[3] = { text.batch, text.tokens, hidden };

    if (text.tokens != p->queries)
        bt_tape_fail(tape, BT_ERR_CONFIG, "P-Former: text padded to %zu tokens, but there are %zu queries; make both equal",
                     text.tokens, p->queries);

    struct bt_tensor *h = bt_reshape(tape, bt_embed(tape, p->words, text.ids), 3, shape);

    h = bt_add(tape, h, bt_rows(tape, p->positions, 0, text.tokens));
    h = bt_add(tape, h, bt_rows(tape, p->types, 0, 1)); /* every token is of type 0 */
    h = bt_dropout(tape, bt_normalize(tape, &p->norm, h), p->config.dropout);
    bt_mark(tape, h, "Pformer.embeddings");
    for (size_t i = 0; i < p->config.layers && !bt_tape_failed(tape); i++) {
        char name[64];

        snprintf(name, sizeof name, "Pformer.encoder.layer.%zu", i);
        h = bt_bert_layer_forward(tape, &p->layers[i], &p->config, h, &(struct bt_bert_call){ .key_mask = text.mask }, name);
    }
    return bt_reshape(tape, bt_slice(tape, h, 0, 1), 2, (size_t[]){ text.batch, hidden });
}

struct bt_tensor *bt_pformer_prompt(struct bt_tape *tape, const struct bt_pformer *p, struct bt_tensor *cls)
{
    struct bt_tensor *u = bt_apply(tape, &p->cls_proj, cls, BT_ACT_NONE);

    if (bt_tape_failed(tape))
        return u;
    bt_mark(tape, u, "Pformer.cls_proj");
    u = bt_reshape(tape, u, 3, (size_t[]){ u->shape[0], p->queries, p->config.hidden });
    u = bt_apply(tape, &p->pooler, u, BT_ACT_TANH);
    bt_mark(tape, u, "Pformer.pooler");
    u = bt_apply(tape, &p->opt_proj, u, BT_ACT_NONE);
    bt_mark(tape, u, "Pformer.opt_proj");
    return u;
}

struct bt_tensor *bt_pformer_feature(struct bt_tape *tape, const struct bt_pformer *p, struct bt_tensor *cls)
{
    struct bt_tensor *f = bt_apply(tape, &p->text_proj, cls, BT_ACT_NONE);

    bt_mark(tape, f, "Pformer.text_proj");
    return bt_l2_normalize(tape, f);
}

struct bt_tensor *bt_pformer_temperature(const struct bt_pformer *p)
{
    return p->temp;
}
