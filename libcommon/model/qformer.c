/* Q-Former. Source: models.md 3. */
#include "libcommon/model/qformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/strided.h"
#include "libcommon/base/mem.h"

struct bt_qformer {
    struct bt_bert_config config;
    size_t queries;
    bool has_text;
    struct bt_tensor *query_tokens, *words, *positions, *words_bias;
    struct bt_norm norm, transform_norm;
    struct bt_affine transform;
    struct bt_bert_layer *layers;
};

struct bt_qformer *bt_qformer_new(struct bt_params *params, const struct bt_config *config, bool text, struct bt_err *err)
{
    const struct bt_bert_config *c = &config->qformer;
    struct bt_qformer *q = bt_alloc(1, sizeof *q, err);
    struct bt_bert_layer *layers = bt_alloc(c->layers, sizeof *layers, err);
    struct bt_init std = bt_normal(c->init_std);

    if (!q || !layers) {
        free(q);
        free(layers);
        return NULL;
    }
    q->config = *c;
    q->queries = config->queries;
    q->has_text = text;
    q->layers = layers;
    q->query_tokens = bt_param(params, std, 3, (size_t[]){ 1, config->queries, c->hidden }, "query_tokens");
    if (text) {
        q->words = bt_param(params, std, 2, (size_t[]){ c->vocab, c->hidden }, "Qformer.bert.embeddings.word_embeddings.weight");
        q->positions = bt_param(params, std, 2, (size_t[]){ c->positions, c->hidden },
                                "Qformer.bert.embeddings.position_embeddings.weight");
    }
    q->norm = bt_norm_new(params, c->hidden, c->eps, "Qformer.bert.embeddings.LayerNorm");
    for (size_t i = 0; i < c->layers; i++) {
        char prefix[64];
        struct bt_bert_parts parts = { .cross = i % config->cross_every == 0, .text = text, .query = true,
                                       .image_width = config->vit.width };

        snprintf(prefix, sizeof prefix, "Qformer.bert.encoder.layer.%zu", i);
        bt_bert_layer_new(&layers[i], params, c, parts, prefix);
    }
    if (text) {
        q->words_bias = bt_param(params, bt_zeros, 1, &c->vocab, "Qformer.cls.predictions.bias");
        q->transform = bt_affine_new(params, std, c->hidden, c->hidden, "Qformer.cls.predictions.transform.dense");
        q->transform_norm = bt_norm_new(params, c->hidden, c->eps, "Qformer.cls.predictions.transform.LayerNorm");
    }
    return q;
}

void bt_qformer_free(struct bt_qformer *q)
{
    if (q)
        free(q->layers);
    free(q);
}

int bt_qformer_copy_text_ffn(struct bt_params *params, struct bt_err *err)
{
    const char *mark = "_query";

    for (size_t i = 0; i < bt_params_count(params); i++) {
        struct bt_param *to = bt_params_at(params, i);
        const char *at = strncmp(to->name, "Qformer.", 8) == 0 ? strstr(to->name, mark) : NULL;
        char name[512];

        if (!at)
            continue;
        snprintf(name, sizeof name, "%.*s%s", (int)(at - to->name), to->name, at + strlen(mark));

        struct bt_param *from = bt_params_find(params, name);

        if (from && bt_params_copy(params, to, from))
            return bt_fail(err, BT_ERR_DEVICE, "parameters: copying '%s' failed", name);
    }
    return BT_OK;
}

/* Queries and text into one sequence, normalised; either may be absent. Text positions begin at `position`. */
static struct bt_tensor *embed(struct bt_tape *tape, const struct bt_qformer *q, size_t batch, bool queries,
                               const struct bt_text *text, size_t position)
{
    struct bt_tensor *h = NULL;
    size_t hidden = q->config.hidden;

    if (text) {
        size_t shape[3] = { text->batch, text->tokens, hidden };

        if (position + text->tokens > q->config.positions) {
            bt_tape_fail(tape, BT_ERR_LIMIT, "Q-Former: text of %zu tokens, but the model has %zu positions",
                         position + text->tokens, q->config.positions);
            return bt_repeat(tape, q->query_tokens, batch);
        }
        h = bt_reshape(tape, bt_embed(tape, q->words, text->ids), 3, shape);
        h = bt_add(tape, h, bt_rows(tape, q->positions, position, text->tokens));
    }
    if (queries) {
        struct bt_tensor *tokens = bt_repeat(tape, q->query_tokens, batch);

        h = h ? bt_concat(tape, tokens, h) : tokens;
    }
    h = bt_dropout(tape, bt_normalize(tape, &q->norm, h), q->config.dropout);
    bt_mark(tape, h, "Qformer.bert.embeddings");
    return h;
}

static struct bt_tensor *run(struct bt_tape *tape, const struct bt_qformer *q, struct bt_tensor *h, struct bt_bert_call call,
                             const struct bt_qformer_memory *past, struct bt_qformer_memory *kept, struct bt_kv_cache *cache)
{
    for (size_t i = 0; i < q->config.layers && !bt_tape_failed(tape); i++) {
        char name[64];

        if (past) {
            call.past_key = past->layer[i].key;
            call.past_value = past->layer[i].value;
            call.past_key_at = past->layer[i].key_at;
            call.past_value_at = past->layer[i].value_at;
        }
        call.kept = kept ? &kept->layer[i] : NULL;
        call.cache = cache ? &cache->layer[i] : NULL;
        snprintf(name, sizeof name, "Qformer.bert.encoder.layer.%zu", i);
        h = bt_bert_layer_forward(tape, &q->layers[i], &q->config, h, &call, name);
    }
    return h;
}

struct bt_tensor *bt_qformer_image(struct bt_tape *tape, const struct bt_qformer *q, struct bt_tensor *image,
                                   struct bt_qformer_memory *memory)
{
    if (bt_tape_failed(tape))
        return image;
    if (memory) {
        memory->batch = image->shape[0];
        memory->layer = bt_tape_host(tape, q->config.layers * sizeof *memory->layer);
        if (!memory->layer)
            return image;
    }
    return run(tape, q, embed(tape, q, image->shape[0], true, NULL, 0),
               (struct bt_bert_call){ .queries = q->queries, .image = image }, NULL, memory, NULL);
}

struct bt_tensor *bt_qformer_text(struct bt_tape *tape, const struct bt_qformer *q, struct bt_text text)
{
    return run(tape, q, embed(tape, q, text.batch, false, &text, 0), (struct bt_bert_call){ .key_mask = text.mask }, NULL,
               NULL, NULL);
}

/* The mask of `before` tokens that all see, then the text's own. */
static struct bt_ints *mask_behind(struct bt_tape *tape, struct bt_text text, size_t before)
{
    const struct bt_backend *b = bt_tape_backend(tape);
    size_t keys = before + text.tokens;
    struct bt_ints *mask = bt_int_fill(tape, 1, text.batch * keys);

    if (!bt_tape_failed(tape))
        b->strided->copy(b->queue, (float *)mask->data + before, keys, (const float *)text.mask->data, text.tokens,
                         text.batch, text.tokens);
    return mask;
}

struct bt_tensor *bt_qformer_match(struct bt_tape *tape, const struct bt_qformer *q, struct bt_tensor *image, struct bt_text text)
{
    struct bt_ints *mask = mask_behind(tape, text, q->queries);

    return run(tape, q, embed(tape, q, text.batch, true, &text, 0),
               (struct bt_bert_call){ .queries = q->queries, .image = image, .key_mask = mask }, NULL, NULL, NULL);
}

struct bt_tensor *bt_qformer_decode(struct bt_tape *tape, const struct bt_qformer *q, const struct bt_qformer_memory *memory,
                                    struct bt_text text)
{
    struct bt_ints *mask = mask_behind(tape, text, q->queries);

    return run(tape, q, embed(tape, q, text.batch, false, &text, 0),
               (struct bt_bert_call){ .key_mask = mask, .causal = true }, memory, NULL, NULL);
}

void bt_qformer_remember(struct bt_tape *tape, const struct bt_qformer *q, const struct bt_qformer_memory *memory,
                         struct bt_kv_cache *cache, size_t beams)
{
    for (size_t i = 0; i < q->config.layers && !bt_tape_failed(tape); i++) {
        struct bt_attend kept = memory->layer[i];
        int32_t *rows = bt_tape_host(tape, memory->batch * beams * sizeof *rows);

        if (!rows)
            return;
        for (size_t r = 0; r < memory->batch * beams; r++)
            rows[r] = (int32_t)(r / beams);

        struct bt_ints *ids = bt_int_constant(tape, rows, memory->batch * beams);
        bool fused = kept.key == kept.value;

        kept.key = bt_embed(tape, kept.key, ids);
        kept.value = fused ? kept.key : bt_embed(tape, kept.value, ids);
        bt_kv_append(tape, &cache->layer[i], &kept);
    }
}

struct bt_tensor *bt_qformer_continue(struct bt_tape *tape, const struct bt_qformer *q, struct bt_kv_cache *cache,
                                      struct bt_text text, size_t position)
{
    return run(tape, q, embed(tape, q, text.batch, false, &text, position), (struct bt_bert_call){ .causal = true }, NULL,
               NULL, cache);
}

struct bt_tensor *bt_qformer_transform(struct bt_tape *tape, const struct bt_qformer *q, struct bt_tensor *h)
{
    return bt_normalize(tape, &q->transform_norm, bt_apply(tape, &q->transform, h, BT_ACT_GELU));
}

struct bt_tensor *bt_qformer_words(const struct bt_qformer *q)
{
    return q->words;
}

struct bt_tensor *bt_qformer_words_bias(const struct bt_qformer *q)
{
    return q->words_bias;
}
