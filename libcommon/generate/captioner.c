/* A model that writes, as a scorer with cached keys and values. */
#include "libcommon/generate/captioner.h"

#include <stdlib.h>

#include "libcommon/base/mem.h"

struct bt_captioner {
    const struct bt_vlm *vlm;
    struct bt_tape *seen, *tape; /* what lives from look to look, and from step to step */
    struct bt_tensor *prefix;
    struct bt_qformer_memory memory; /* after stage 1 */
    size_t items;
    /* of one decoding */
    struct bt_prompt prompt;
    size_t max_new;
    struct bt_kv_cache cache; /* items * beams rows */
};

int bt_captioner_new(struct bt_captioner **captioner, const struct bt_vlm *vlm, struct bt_err *err)
{
    struct bt_captioner *c;

    if (vlm->stage < BT_STAGE_1 && vlm->stage != BT_STAGE_LM)
        return bt_fail(err, BT_ERR_CONFIG, "model: after '%s' it does not write; use one of lm, stage1, stage2 or caption",
                       bt_stage_name(vlm->stage));
    c = bt_alloc(1, sizeof *c, err);
    if (!c)
        return err->status;
    c->vlm = vlm;
    c->seen = bt_tape_new(vlm->backend, err);
    c->tape = c->seen ? bt_tape_new(vlm->backend, err) : NULL;
    if (!c->tape) {
        bt_captioner_free(c);
        return err->status;
    }
    bt_tape_record(c->seen, false);
    bt_tape_record(c->tape, false);
    *captioner = c;
    return BT_OK;
}

void bt_captioner_free(struct bt_captioner *c)
{
    if (!c)
        return;
    bt_kv_cache_free(&c->cache);
    bt_tape_free(c->tape);
    bt_tape_free(c->seen);
    free(c);
}

int bt_captioner_look(struct bt_captioner *c, const float *images, const float *tower, size_t items, struct bt_err *err)
{
    const struct bt_vlm *v = c->vlm;
    size_t side = v->config.vit.image_size, grid = side / v->config.vit.patch;
    size_t image_shape[4] = { items, 3, side, side }, tower_shape[3] = { items, grid * grid + 1, v->config.vit.width };
    struct bt_tape *tape = c->seen;

    bt_tape_reset(tape);
    c->items = items;
    c->prefix = NULL;
    if (v->stage == BT_STAGE_LM)
        return BT_OK;

    struct bt_tensor *image = images ? bt_vlm_see(tape, v, bt_constant(tape, images, 4, image_shape))
                                     : bt_vlm_look(tape, v, bt_constant(tape, tower, 3, tower_shape));
    struct bt_tensor *queries = bt_qformer_image(tape, v->qformer, image, v->opt ? NULL : &c->memory);

    c->prefix = v->opt ? bt_apply(tape, &v->opt_proj, queries, BT_ACT_NONE) : queries;
    return bt_tape_status(tape, err);
}

const struct bt_tensor *bt_captioner_prefix(const struct bt_captioner *c)
{
    return c->prefix;
}

/* Which tokens the language model sees, host [rows, keys]; NULL when that is all. Only prompts have padding. */
static const int32_t *visible(struct bt_captioner *c, size_t rows, size_t keys)
{
    const struct bt_prompt *p = &c->prompt;
    size_t before = c->prefix ? c->vlm->config.queries : 0, beams = rows / c->items;
    int32_t *mask = p->mask ? bt_tape_host(c->tape, rows * keys * sizeof *mask) : NULL;

    for (size_t r = 0; mask && r < rows; r++)
        for (size_t k = 0; k < keys; k++) {
            bool prompt = k >= before && k < before + p->columns;

            mask[r * keys + k] = prompt ? p->mask[r / beams * p->columns + k - before] : 1;
        }
    return mask;
}

/* Logits of what follows, [rows, vocab], when every row of the cache goes on with `count` ids, [rows, count]. */
static int follow(struct bt_captioner *c, struct bt_kv_cache *cache, struct bt_tensor *prefix, const int32_t *ids, size_t count,
                  float *logits, struct bt_err *err)
{
    const struct bt_vlm *v = c->vlm;
    struct bt_tape *tape = c->tape;
    struct bt_ints *tokens = bt_int_constant(tape, ids, cache->batch * count);
    size_t past = cache->layer[0].length;
    struct bt_tensor *h, *words, *bias = NULL;

    if (v->opt) {
        size_t keys = past + count + (prefix ? prefix->shape[1] : 0);

        h = bt_opt_forward(tape, v->opt, &(struct bt_opt_input){ .prefix = prefix, .ids = tokens, .batch = cache->batch,
                                                                 .tokens = count, .mask = visible(c, cache->batch, keys),
                                                                 .cache = cache });
        words = bt_opt_words(v->opt);
    } else {
        struct bt_text text = { .ids = tokens, .batch = cache->batch, .tokens = count };

        h = bt_qformer_continue(tape, v->qformer, cache, text, past - v->config.queries);
        h = bt_qformer_transform(tape, v->qformer, h);
        words = bt_qformer_words(v->qformer);
        bias = bt_qformer_words_bias(v->qformer);
    }
    if (!bt_tape_failed(tape))
        h = bt_slice(tape, h, h->shape[1] - 1, 1);
    bt_read(tape, bt_linear(tape, h, words, bias, BT_ACT_NONE), logits);
    return bt_tape_status(tape, err);
}

static int cache_new(const struct bt_captioner *c, struct bt_kv_cache *cache, size_t batch, size_t text, struct bt_err *err)
{
    const struct bt_config *config = &c->vlm->config;
    size_t layers = c->vlm->opt ? config->opt.layers : config->qformer.layers;
    size_t width = c->vlm->opt ? config->opt.hidden : config->qformer.hidden;

    return bt_kv_cache_new(cache, c->vlm->backend, layers, batch, config->queries + text, width, err);
}

/* The prompt runs once for an item; its beams then begin from copies. */
static int begin(void *context, size_t beams, float *logits, struct bt_err *err)
{
    struct bt_captioner *c = context;
    struct bt_kv_cache first = { 0 };
    int rc;

    bt_kv_cache_free(&c->cache);
    bt_tape_reset(c->tape);
    rc = cache_new(c, &first, c->items, c->prompt.columns, err);
    if (!rc && !c->vlm->opt)
        bt_qformer_remember(c->tape, c->vlm->qformer, &c->memory, &first, 1);
    if (!rc)
        rc = follow(c, &first, c->vlm->opt ? c->prefix : NULL, c->prompt.ids, c->prompt.columns, logits, err);
    if (!rc)
        rc = cache_new(c, &c->cache, c->items * beams, c->prompt.columns + c->max_new, err);
    if (!rc) {
        bt_kv_cache_spread(c->tape, &c->cache, &first);
        rc = bt_tape_status(c->tape, err);
    }
    bt_kv_cache_free(&first);
    return rc;
}

static int next(void *context, const int32_t *tokens, const int32_t *from, float *logits, struct bt_err *err)
{
    struct bt_captioner *c = context;
    bool moved = false;

    for (size_t r = 0; r < c->cache.batch; r++)
        moved = moved || from[r] != (int32_t)r;
    bt_tape_reset(c->tape);
    if (moved)
        bt_kv_cache_reorder(c->tape, &c->cache, from);
    return follow(c, &c->cache, NULL, tokens, 1, logits, err);
}

int bt_captioner_scorer(struct bt_captioner *c, const struct bt_prompt *prompt, size_t max_new, struct bt_scorer *scorer,
                        struct bt_err *err)
{
    size_t vocab = c->vlm->opt ? c->vlm->config.opt.vocab : c->vlm->config.qformer.vocab, n = c->items * prompt->columns;

    if (!prompt->columns)
        return bt_fail(err, BT_ERR_INPUT, "prompt: it has no token; begin with the model's first one");
    for (size_t i = 0; i < n; i++) {
        if (prompt->ids[i] < 0 || (size_t)prompt->ids[i] >= vocab)
            return bt_fail(err, BT_ERR_INPUT, "prompt: token %d but vocab is %zu; tokenize with the model's tokenizer",
                           prompt->ids[i], vocab);
        if (!c->vlm->opt && prompt->mask && !prompt->mask[i])
            return bt_fail(err, BT_ERR_INPUT, "prompt: padded, which the Q-Former cannot read; give prompts of one length");
    }
    c->prompt = *prompt;
    c->max_new = max_new;
    *scorer = (struct bt_scorer){ c, vocab, begin, next };
    return BT_OK;
}

int bt_captioner_generate(struct bt_captioner *c, const struct bt_prompt *prompt, const struct bt_decode_options *options,
                          struct bt_hypothesis *out, struct bt_err *err)
{
    struct bt_scorer scorer;
    int rc = bt_captioner_scorer(c, prompt, options->max_new, &scorer, err);

    if (!rc)
        rc = bt_decode(&scorer, options, prompt->ids, c->items, prompt->columns, out, err);
    bt_kv_cache_free(&c->cache);
    return rc;
}
