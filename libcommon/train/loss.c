/* The losses of every stage. Source: models.md 3.3, 4.2, 5, 6.1; demo.md 7 (vision). */
#include "libcommon/train/loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/rng.h"

#define SMOOTHING 0.1f /* contrastive losses and the Q-Former's language modelling */

/* Target tokens of a batch: those that next_tokens labels. */
static double targets(const struct bt_token_rows *rows, size_t batch, size_t before, const int32_t *skip)
{
    size_t n = 0;

    for (size_t b = 0; b < batch; b++)
        for (size_t t = before ? 0 : 1; t < rows->tokens; t++)
            n += rows->mask[b * rows->tokens + t] && (!skip || (int32_t)t >= skip[b]);
    return (double)n;
}

enum share { OF_SAMPLES, OF_OPT_TOKENS, OF_BERT_TOKENS };

/* What part of the step's mean this batch's mean is. */
static float share_of(const struct bt_batch *batch, const struct bt_batch *whole, enum share kind, size_t before)
{
    double part = (double)batch->size, all = whole ? (double)whole->size : part;

    if (!whole || whole == batch)
        return 1;
    if (kind == OF_OPT_TOKENS) {
        part = targets(&batch->opt, batch->size, before, batch->prompt_length);
        all = targets(&whole->opt, whole->size, before, whole->prompt_length);
    }
    if (kind == OF_BERT_TOKENS) {
        part = targets(&batch->bert, batch->size, 0, NULL);
        all = targets(&whole->bert, whole->size, 0, NULL);
    }
    return all > 0 ? (float)(part / all) : 0;
}

struct bt_batch bt_batch_part(const struct bt_batch *b, const struct bt_config *c, size_t first, size_t count)
{
    size_t side = c->vit.image_size, grid = side / c->vit.patch;
    struct bt_batch part = *b;

    part.size = count;
    part.images = b->images ? b->images + first * 3 * side * side : NULL;
    part.tower = b->tower ? b->tower + first * (grid * grid + 1) * c->vit.width : NULL;
    part.labels = b->labels ? b->labels + first * b->labels_per_row : NULL;
    part.prompt_length = b->prompt_length ? b->prompt_length + first : NULL;
    part.index = b->index ? b->index + first : NULL;
    for (int i = 0; i < 3; i++) {
        struct bt_token_rows *rows = i == 0 ? &part.bert : i == 1 ? &part.prompt : &part.opt;

        rows->ids = rows->ids ? rows->ids + first * rows->tokens : NULL;
        rows->mask = rows->mask ? rows->mask + first * rows->tokens : NULL;
    }
    return part;
}

static void add_term(struct bt_tape *tape, struct bt_loss *loss, const char *name, struct bt_tensor *term, float share)
{
    if (bt_tape_failed(tape))
        return;
    if (share != 1)
        term = bt_scale(tape, term, share);
    loss->name[loss->terms] = name;
    loss->term[loss->terms++] = term;
    loss->total = loss->total ? bt_add(tape, loss->total, term) : term;
}

static struct bt_text text_of(struct bt_tape *tape, const struct bt_token_rows *rows, size_t batch)
{
    return (struct bt_text){ bt_int_constant(tape, rows->ids, batch * rows->tokens),
                             bt_int_constant(tape, rows->mask, batch * rows->tokens), batch, rows->tokens };
}

/* Labels for position t are the ids of t + 1 where those are tokens; the last has none (models.md 3.3, 7.1). `before` rows
 * of no label come first, and the label of the last of them is the first id; `skip` leading ids are no target. */
static struct bt_ints *next_tokens(struct bt_tape *tape, const struct bt_token_rows *rows, size_t batch, size_t before,
                                   const int32_t *skip)
{
    size_t length = before + rows->tokens;
    int32_t *labels = bt_tape_host(tape, batch * length * sizeof *labels);

    if (!labels)
        return bt_int_fill(tape, 0, 0);
    for (size_t i = 0; i < batch * length; i++)
        labels[i] = BT_IGNORE;
    for (size_t b = 0; b < batch; b++)
        for (size_t t = 0; t < rows->tokens; t++) {
            size_t at = b * rows->tokens + t;

            if (before + t > 0 && rows->mask[at] && (!skip || (int32_t)t >= skip[b]))
                labels[b * length + before + t - 1] = rows->ids[at];
        }
    return bt_int_constant(tape, labels, batch * length);
}

/* Targets of a contrastive loss: a row's own column. */
static struct bt_ints *own_columns(struct bt_tape *tape, const struct bt_comm *comm, size_t batch)
{
    int32_t *labels = bt_tape_host(tape, batch * sizeof *labels);

    if (!labels)
        return bt_int_fill(tape, 0, 0);
    for (size_t b = 0; b < batch; b++)
        labels[b] = (int32_t)((size_t)comm->rank * batch + b);
    return bt_int_constant(tape, labels, batch);
}

/* The P-Former's prompt as a target: nothing flows back into it. */
static struct bt_tensor *reference(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                                   const struct bt_loss_options *o)
{
    bool was = bt_tape_record(tape, false);

    bt_tape_dropout(tape, o->frozen_dropout, o->seed, o->step);

    struct bt_tensor *r = bt_pformer_prompt(tape, v->pformer,
                                            bt_pformer_encode(tape, v->pformer, text_of(tape, &batch->prompt, batch->size)));

    bt_tape_dropout(tape, true, o->seed, o->step);
    bt_tape_record(tape, was);
    return r;
}

static struct bt_tensor *image_features(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch)
{
    const struct bt_vit_config *c = &v->config.vit;
    size_t grid = c->image_size / c->patch;

    if (batch->tower)
        return bt_vlm_look(tape, v, bt_constant(tape, batch->tower, 3, (size_t[]){ batch->size, grid * grid + 1, c->width }));
    return bt_vlm_see(tape, v, bt_constant(tape, batch->images, 4, (size_t[]){ batch->size, 3, c->image_size, c->image_size }));
}

/* Text after a prefix of embeddings, through the language model: mean loss over its targets. */
static struct bt_tensor *opt_loss(struct bt_tape *tape, const struct bt_vlm *v, struct bt_tensor *prefix,
                                  const struct bt_batch *batch, const struct bt_loss_options *o)
{
    size_t before = prefix ? prefix->shape[1] : 0, length = before + batch->opt.tokens;
    int32_t *mask = bt_tape_host(tape, batch->size * length * sizeof *mask);

    if (!mask)
        return prefix;
    for (size_t b = 0; b < batch->size; b++) {
        for (size_t t = 0; t < before; t++)
            mask[b * length + t] = 1;
        memcpy(mask + b * length + before, batch->opt.mask + b * batch->opt.tokens, batch->opt.tokens * sizeof *mask);
    }
    bt_tape_dropout(tape, v->stage == BT_STAGE_LM || o->frozen_dropout, o->seed, o->step);

    struct bt_tensor *h = bt_opt_forward(tape, v->opt, &(struct bt_opt_input){
        .prefix = prefix, .ids = bt_int_constant(tape, batch->opt.ids, batch->size * batch->opt.tokens),
        .batch = batch->size, .tokens = batch->opt.tokens, .mask = mask });

    bt_tape_dropout(tape, true, o->seed, o->step);
    return bt_linear_cross_entropy(tape, h, bt_opt_words(v->opt), NULL,
                                   next_tokens(tape, &batch->opt, batch->size, before, batch->prompt_length), 0);
}

/* ---- stage 0 (models.md 4.2) ---- */

static struct bt_loss stage0(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                             const struct bt_loss_options *o)
{
    struct bt_loss loss = { 0 };
    float samples = share_of(batch, o->whole, OF_SAMPLES, 0);
    struct bt_tensor *cls = bt_pformer_encode(tape, v->pformer, text_of(tape, &batch->prompt, batch->size));
    struct bt_tensor *f = bt_pformer_feature(tape, v->pformer, cls);
    struct bt_tensor *sim = bt_linear(tape, f, bt_comm_gather(tape, o->comm, f), NULL, BT_ACT_NONE);

    sim = bt_divide(tape, sim, bt_pformer_temperature(v->pformer));
    bt_mark(tape, sim, "sim_t2t");
    add_term(tape, &loss, "contrastive", bt_cross_entropy(tape, sim, own_columns(tape, o->comm, batch->size), SMOOTHING),
             samples);

    /* Pulled towards the nearest word embedding; the language model receives the prompt as it is. */
    struct bt_tensor *prompt = bt_pformer_prompt(tape, v->pformer, cls), *words = bt_opt_words(v->opt);
    struct bt_tensor *nearest = bt_embed(tape, words, bt_nearest(tape, prompt, words));

    bt_mark(tape, nearest, "vq_rows");
    add_term(tape, &loss, "vq", bt_mse(tape, prompt, nearest), samples);
    add_term(tape, &loss, "lm", opt_loss(tape, v, prompt, batch, o),
             share_of(batch, o->whole, OF_OPT_TOKENS, v->config.queries));
    return loss;
}

/* ---- stage 1 (models.md 5) ---- */

/* For each row another column, with probability softmax + 1e-4 and never its own (models.md 5 step 5). */
static void draw_negatives(struct bt_tape *tape, struct bt_tensor *sim, const struct bt_batch *batch,
                           const struct bt_loss_options *o, enum bt_purpose purpose, int32_t *negative)
{
    size_t rows = batch->size, columns = rows * (size_t)o->comm->size;
    float *weight = bt_tape_host(tape, rows * columns * sizeof *weight);

    if (!weight)
        return;
    bt_read(tape, sim, weight);
    for (size_t r = 0; r < rows && !bt_tape_failed(tape); r++) {
        float *w = weight + r * columns, top = w[0], sum = 0;
        struct bt_draw d = bt_draw(o->seed, purpose, o->step, batch->index[r]);

        for (size_t k = 1; k < columns; k++)
            top = fmaxf(top, w[k]);
        for (size_t k = 0; k < columns; k++)
            sum += w[k] = expf(w[k] - top);
        for (size_t k = 0; k < columns; k++)
            w[k] = w[k] / sum + 1e-4f;
        w[(size_t)o->comm->rank * rows + r] = 0;
        negative[r] = (int32_t)bt_draw_categorical(&d, w, (int64_t)columns);
    }
}

/* Text rows: the batch, the batch again, then the texts drawn. */
static struct bt_text matching_text(struct bt_tape *tape, const struct bt_batch *batch, const int32_t *negative)
{
    size_t tokens = batch->bert.tokens, row = tokens * sizeof(int32_t), n = batch->size;
    struct bt_token_rows rows = { bt_tape_host(tape, 3 * n * row), bt_tape_host(tape, 3 * n * row), tokens };

    if (bt_tape_failed(tape))
        return (struct bt_text){ 0 };
    for (size_t r = 0; r < 3 * n; r++) {
        size_t from = r < 2 * n ? r % n : (size_t)negative[r - 2 * n];

        memcpy(rows.ids + r * tokens, batch->bert.ids + from * tokens, row);
        memcpy(rows.mask + r * tokens, batch->bert.mask + from * tokens, row);
    }
    return text_of(tape, &rows, 3 * n);
}

static struct bt_tensor *matching(struct bt_tape *tape, const struct bt_vlm *v, struct bt_tensor *image,
                                  struct bt_tensor *sim_t2i, struct bt_tensor *sim_i2t, const struct bt_batch *batch,
                                  const struct bt_loss_options *o)
{
    size_t n = batch->size;
    int32_t *image_of = bt_tape_host(tape, 3 * n * sizeof *image_of), *text_of_image = bt_tape_host(tape, n * sizeof *image_of);
    int32_t *labels = bt_tape_host(tape, 3 * n * sizeof *labels);

    if (bt_tape_failed(tape))
        return sim_t2i;
    if (batch->negative_image)
        memcpy(image_of + n, batch->negative_image, n * sizeof *image_of);
    else
        draw_negatives(tape, sim_t2i, batch, o, BT_DRAW_NEGATIVE_IMAGE, image_of + n);
    if (batch->negative_text)
        memcpy(text_of_image, batch->negative_text, n * sizeof *text_of_image);
    else
        draw_negatives(tape, sim_i2t, batch, o, BT_DRAW_NEGATIVE_TEXT, text_of_image);
    if (bt_tape_failed(tape))
        return sim_t2i;
    for (size_t r = 0; r < n; r++) {
        image_of[r] = image_of[2 * n + r] = (int32_t)r;
        labels[r] = 1;
        labels[n + r] = labels[2 * n + r] = 0;
    }

    struct bt_tensor *images = bt_embed(tape, image, bt_int_constant(tape, image_of, 3 * n));
    struct bt_tensor *h = bt_qformer_match(tape, v->qformer, images, matching_text(tape, batch, text_of_image));

    h = bt_apply(tape, &v->itm_head, bt_slice(tape, h, 0, v->config.queries), BT_ACT_NONE);
    bt_mark(tape, h, "itm_head");

    struct bt_tensor *logits = bt_mean_pool(tape, h, 3 * n, v->config.queries, 2);

    bt_mark(tape, logits, "itm_logits");
    return bt_cross_entropy(tape, logits, bt_int_constant(tape, labels, 3 * n), 0);
}

static struct bt_tensor *generation(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_qformer_memory *memory,
                                    const struct bt_batch *batch)
{
    size_t tokens = batch->bert.tokens, bytes = batch->size * tokens * sizeof(int32_t);
    struct bt_token_rows rows = { bt_tape_host(tape, bytes), batch->bert.mask, tokens };

    if (!rows.ids)
        return NULL;
    memcpy(rows.ids, batch->bert.ids, bytes);
    for (size_t r = 0; r < batch->size; r++) /* the decoder starts from [DEC], not [CLS] */
        rows.ids[r * tokens] = v->config.dec;

    struct bt_tensor *h = bt_qformer_decode(tape, v->qformer, memory, text_of(tape, &rows, batch->size));

    return bt_linear_cross_entropy(tape, bt_qformer_transform(tape, v->qformer, h), bt_qformer_words(v->qformer),
                                   bt_qformer_words_bias(v->qformer), next_tokens(tape, &rows, batch->size, 0, NULL), SMOOTHING);
}

static struct bt_loss stage1(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                             const struct bt_loss_options *o)
{
    size_t n = batch->size, queries = v->config.queries, embed = v->config.embed, hidden = v->config.qformer.hidden;
    struct bt_loss loss = { 0 };
    float samples = share_of(batch, o->whole, OF_SAMPLES, 0);
    struct bt_qformer_memory memory;
    struct bt_tensor *image = image_features(tape, v, batch);
    struct bt_tensor *hq = bt_qformer_image(tape, v->qformer, image, &memory);
    struct bt_tensor *align = NULL;

    if (v->aligned) {
        struct bt_tensor *x = bt_apply(tape, &v->opt_proj, hq, BT_ACT_NONE);

        bt_mark(tape, x, "opt_proj");
        align = bt_scale(tape, bt_mse(tape, x, reference(tape, v, batch, o)), o->align_weight);
    }

    struct bt_tensor *z = bt_apply(tape, &v->vision_proj, hq, BT_ACT_NONE);

    bt_mark(tape, z, "vision_proj");
    z = bt_l2_normalize(tape, z);

    struct bt_tensor *ht = bt_qformer_text(tape, v->qformer, text_of(tape, &batch->bert, n));
    struct bt_tensor *t = bt_reshape(tape, bt_slice(tape, ht, 0, 1), 2, (size_t[]){ n, hidden });

    t = bt_apply(tape, &v->text_proj, t, BT_ACT_NONE);
    bt_mark(tape, t, "text_proj");
    t = bt_l2_normalize(tape, t);
    if (bt_tape_failed(tape))
        return loss;

    size_t all = n * (size_t)o->comm->size;
    struct bt_tensor *z_all = bt_reshape(tape, bt_comm_gather(tape, o->comm, z), 2, (size_t[]){ all * queries, embed });
    struct bt_tensor *t_all = bt_comm_gather(tape, o->comm, t);
    struct bt_tensor *i2t = bt_max_pool(tape, bt_linear(tape, z, t_all, NULL, BT_ACT_NONE), n, queries, all);
    struct bt_tensor *t2i = bt_max_pool(tape, bt_linear(tape, t, z_all, NULL, BT_ACT_NONE), n * all, queries, 1);

    i2t = bt_divide(tape, i2t, v->temp);
    t2i = bt_divide(tape, bt_reshape(tape, t2i, 2, (size_t[]){ n, all }), v->temp);
    bt_mark(tape, i2t, "sim_i2t");
    bt_mark(tape, t2i, "sim_t2i");

    struct bt_ints *own = own_columns(tape, o->comm, n);
    struct bt_tensor *itc = bt_add(tape, bt_cross_entropy(tape, i2t, own, SMOOTHING), bt_cross_entropy(tape, t2i, own, SMOOTHING));

    add_term(tape, &loss, "itc", bt_scale(tape, itc, 0.5f), samples);
    add_term(tape, &loss, "itm", matching(tape, v, image, t2i, i2t, batch, o), samples);
    add_term(tape, &loss, "itg", generation(tape, v, &memory, batch), share_of(batch, o->whole, OF_BERT_TOKENS, 0));
    if (align)
        add_term(tape, &loss, "align", align, samples);
    return loss;
}

/* ---- stage 2 and fine-tuning (models.md 6.1) ---- */

static struct bt_loss stage2(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                             const struct bt_loss_options *o)
{
    struct bt_loss loss = { 0 };
    struct bt_tensor *hq = bt_qformer_image(tape, v->qformer, image_features(tape, v, batch), NULL);
    struct bt_tensor *x = bt_apply(tape, &v->opt_proj, hq, BT_ACT_NONE);

    bt_mark(tape, x, "opt_proj");
    if (v->aligned)
        add_term(tape, &loss, "align", bt_scale(tape, bt_mse(tape, x, reference(tape, v, batch, o)), o->align_weight),
                 share_of(batch, o->whole, OF_SAMPLES, 0));
    add_term(tape, &loss, "lm", opt_loss(tape, v, x, batch, o), share_of(batch, o->whole, OF_OPT_TOKENS, v->config.queries));
    return loss;
}

/* ---- the demonstration's vision step (demo.md 7): words of the caption from every patch, pooled ---- */

static struct bt_loss vision(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                             const struct bt_loss_options *o)
{
    const struct bt_vit_config *c = &v->config.vit;
    struct bt_loss loss = { 0 };
    struct bt_tensor *images = bt_constant(tape, batch->images, 4, (size_t[]){ batch->size, 3, c->image_size, c->image_size });
    struct bt_tensor *h = bt_vit_forward(tape, v->vit, images);

    if (bt_tape_failed(tape))
        return loss;
    size_t patches = h->shape[1] - 1;

    h = bt_normalize(tape, &v->label_norm, bt_slice(tape, h, 1, patches));
    h = bt_mean_pool(tape, bt_apply(tape, &v->label_head, h, BT_ACT_NONE), batch->size, patches, v->config.labels);
    add_term(tape, &loss, "labels",
             bt_cross_entropy(tape, h, bt_int_constant(tape, batch->labels, batch->size * batch->labels_per_row), 0),
             share_of(batch, o->whole, OF_SAMPLES, 0));
    return loss;
}

struct bt_loss bt_stage_loss(struct bt_tape *tape, const struct bt_vlm *v, const struct bt_batch *batch,
                             const struct bt_loss_options *o)
{
    struct bt_loss loss = { 0 };

    bt_tape_dropout(tape, true, o->seed, o->step);
    switch (v->stage) {
    case BT_STAGE_VISION:
        return vision(tape, v, batch, o);
    case BT_STAGE_LM:
        add_term(tape, &loss, "lm", opt_loss(tape, v, NULL, batch, o), share_of(batch, o->whole, OF_OPT_TOKENS, 0));
        return loss;
    case BT_STAGE_0:
        return stage0(tape, v, batch, o);
    case BT_STAGE_1:
        return stage1(tape, v, batch, o);
    case BT_STAGE_2:
    case BT_STAGE_CAPTION:
        return stage2(tape, v, batch, o);
    }
    return loss;
}
