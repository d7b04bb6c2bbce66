/* Golden cases of training: the losses of the stages and their gradients, and some steps of the optimiser. */
#ifndef BT_GOLDEN_MODEL_STAGES_H
#define BT_GOLDEN_MODEL_STAGES_H

#include "libcommon/train/loss.h"
#include "libcommon/train/optimizer.h"
#include "libcommon/train/schedule.h"
#include "tests/golden/model_case.h"

/* The model of a stage with the case's weights; NULL with g->err. */
static struct bt_vlm *vlm_of(struct golden *g, enum bt_stage stage, bool aligned)
{
    struct bt_config config = config_of(g);
    struct bt_vlm *vlm = NULL;
    size_t i;
    json_t *file;

    if (!g->err.status)
        bt_vlm_new(&vlm, g->backend, &config, stage, aligned, 0, &g->err);
    json_array_foreach(json_object_get(g->config, "weights_files"), i, file)
    {
        char *path = bt_format("%s/%s", g->folder, json_string_value(file));

        if (!g->err.status)
            bt_vlm_load(vlm, path, &g->err);
        free(path);
    }
    if (!g->err.status)
        bt_params_require(vlm->params, "", &g->err);
    if (!g->err.status)
        bt_vlm_ready(vlm, &g->err);
    if (g->err.status) {
        bt_vlm_free(vlm);
        return NULL;
    }
    return vlm;
}

/* "<prefix><what>_ids" and "_mask", when the case has them. */
static struct bt_token_rows token_rows(struct golden *g, const char *prefix, const char *what)
{
    char ids[64], mask[64];

    snprintf(ids, sizeof ids, "%s%s_ids", prefix, what);
    snprintf(mask, sizeof mask, "%s%s_mask", prefix, what);
    if (!bt_safetensors_find(g->inputs, ids))
        return (struct bt_token_rows){ 0 };
    return (struct bt_token_rows){ input_ints(g, ids), input_ints(g, mask), input_shape(g, ids, 1) };
}

static struct bt_batch batch_of(struct golden *g, const char *prefix)
{
    char image[64];
    struct bt_batch b = { .bert = token_rows(g, prefix, "text"),
                          .prompt = token_rows(g, prefix, "pformer"),
                          .opt = token_rows(g, prefix, "opt") };
    const json_t *skipped = json_object_get(g->config, "prompt_length");

    snprintf(image, sizeof image, "%simage", prefix);
    if (bt_safetensors_find(g->inputs, image)) {
        b.images = input_floats(g, image);
        b.size = input_shape(g, image, 0);
    } else {
        b.size = input_shape(g, "opt_ids", 0);
    }
    b.prompt_length = bt_arena_take(g->arena, b.size, sizeof *b.prompt_length);
    b.index = bt_arena_take(g->arena, b.size, sizeof *b.index);
    for (size_t i = 0; i < b.size; i++) {
        b.prompt_length[i] = (int32_t)json_integer_value(skipped);
        b.index[i] = i;
    }
    if (bt_safetensors_find(g->inputs, "neg_image_index")) {
        b.negative_image = input_ints(g, "neg_image_index");
        b.negative_text = input_ints(g, "neg_text_index");
    }
    return b;
}

static struct bt_loss_options loss_options(const struct golden *g)
{
    return (struct bt_loss_options){ .align_weight =
                                         (float)json_number_value(json_object_get(g->config, "loss_weight")),
                                     .comm = &bt_comm_single };
}

/* Stage 0 hides the tokens that the case hid. */
static void mask_prompt(struct golden *g, struct bt_batch *b)
{
    struct tally t = { .what = "masked ids" };
    const int32_t *hidden = input_ints(g, "mlm_mask");
    int32_t mask = token(g, "bert_mask");

    for (size_t i = 0; hidden && i < b->size * b->prompt.tokens; i++)
        if (hidden[i])
            b->prompt.ids[i] = mask;
    compare_ints(g, &t, "masked_ids", b->prompt.ids, b->size * b->prompt.tokens);
    report(g, &t);
}

/* ---- comparing a step ---- */

/* Terms under the case's names; the weighted alignment is there without its weight too. */
static void compare_losses(struct golden *g, struct bt_tape *tape, const struct bt_loss *loss,
                           float align_weight)
{
    static const char *const names[][2] = { { "itc", "loss_itc" },       { "itm", "loss_itm" },
                                            { "itg", "loss_lm" },        { "lm", "loss_lm" },
                                            { "contrastive", "loss_c" }, { "vq", "loss_vq" },
                                            { "align", "loss_align" } };
    struct tally t = { .what = "losses" };
    float value;

    bt_read(tape, loss->total, &value);
    compare_one(g, &t, "loss", (double)value, LOSS_TOLERANCE);
    for (size_t i = 0; i < loss->terms; i++) {
        bt_read(tape, loss->term[i], &value);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(loss->name[i], names[k][0]) == 0)
                compare_one(g, &t, names[k][1], (double)value, LOSS_TOLERANCE);
        if (strcmp(loss->name[i], "align") == 0)
            compare_one(g, &t, "mse_align", (double)(value / align_weight), LOSS_TOLERANCE);
    }
    report(g, &t);
}

/* What the loss does not make on its own: logits of the language models, the P-Former's reference, the
 * nearest words. */
static void compare_derived(struct golden *g, struct bt_tape *tape, const struct bt_vlm *v,
                            const struct watch *w)
{
    char last[64];
    struct bt_tensor *h = watched(w, "opt_model.model.decoder.final_layer_norm"),
                     *p = watched(w, "Pformer.opt_proj");

    bt_tape_record(tape, false);
    if (expects(g, "act/opt_model.lm_head") && h) {
        h = bt_linear(tape, h, bt_opt_words(v->opt), NULL, BT_ACT_NONE);
        compare_device(g, w->tally, "act/opt_model.lm_head", h->data, bt_tensor_count(h),
                       ACTIVATION_TOLERANCE, OF_LARGEST);
    }
    snprintf(last, sizeof last, "Qformer.bert.encoder.layer.%zu", v->config.qformer.layers - 1);
    h = watched(w, last);
    if (expects(g, "act/Qformer.cls.predictions") && h) {
        h = bt_linear(tape, bt_qformer_transform(tape, v->qformer, h), bt_qformer_words(v->qformer),
                      bt_qformer_words_bias(v->qformer), BT_ACT_NONE);
        compare_device(g, w->tally, "act/Qformer.cls.predictions", h->data, bt_tensor_count(h),
                       ACTIVATION_TOLERANCE, OF_LARGEST);
    }
    if (expects(g, "align_reference") && p)
        compare_device(g, w->tally, "align_reference", p->data, bt_tensor_count(p), ACTIVATION_TOLERANCE,
                       OF_LARGEST);
    if (expects(g, "vq_index") && p) {
        struct bt_ints *nearest = bt_nearest(tape, p, bt_opt_words(v->opt));
        int32_t *host = bt_arena_take(g->arena, nearest->count, sizeof *host);

        bt_read_ints(tape, nearest, host);
        if (!bt_tape_failed(tape))
            compare_ints(g, w->tally, "vq_index", host, nearest->count);
    }
    bt_tape_record(tape, true);
    bt_tape_status(tape, &g->err);
}

static void run_stage(struct golden *g, enum bt_stage stage, bool aligned)
{
    /* Labels and weights of the draw only show in the losses and in the negatives that were drawn. */
    static const char *const internal[] = { "labels",      "targets_itc", "itm_labels", "lm_labels_shifted",
                                            "weights_t2i", "weights_i2t", NULL };
    struct tally acts = { .what = "activations" };
    struct watch w = { .g = g, .tally = &acts, .strip = "" };
    struct bt_tape *tape = bt_tape_new(g->backend, &g->err);
    struct bt_vlm *vlm = vlm_of(g, stage, aligned);
    struct bt_loss_options options = loss_options(g);
    const float one = 1;

    if (vlm) {
        struct bt_batch batch = batch_of(g, "");

        if (stage == BT_STAGE_0)
            mask_prompt(g, &batch);
        bt_tape_watch(tape, watcher, &w);

        struct bt_loss loss =
            g->err.status ? (struct bt_loss){ 0 } : bt_stage_loss(tape, vlm, &batch, &options);

        bt_tape_watch(tape, NULL, NULL);
        if (!g->err.status && !bt_tape_status(tape, &g->err)) {
            compare_derived(g, tape, vlm, &w);
            report(g, &acts);
            compare_losses(g, tape, &loss, options.align_weight);
            bt_tape_seed(tape, loss.total, &one);
            if (!bt_tape_backward(tape, &g->err))
                compare_gradients(g, vlm->params, "");
            report_rest(g, internal);
        }
    }
    bt_vlm_free(vlm);
    bt_tape_free(tape);
}

static void run_stage0(struct golden *g)
{
    run_stage(g, BT_STAGE_0, true);
}
static void run_stage1(struct golden *g)
{
    run_stage(g, BT_STAGE_1, true);
}
static void run_stage2(struct golden *g)
{
    run_stage(g, BT_STAGE_2, true);
}
static void run_caption(struct golden *g)
{
    run_stage(g, BT_STAGE_CAPTION, true);
}
static void run_stage1_baseline(struct golden *g)
{
    run_stage(g, BT_STAGE_1, false);
}
static void run_stage2_baseline(struct golden *g)
{
    run_stage(g, BT_STAGE_2, false);
}

/* ---- the optimiser ---- */

static struct bt_recipe recipe_of(struct golden *g)
{
    const json_t *o = json_object_get(g->config, "optimizer"), *betas = json_object_get(o, "betas");
    struct bt_recipe r;

    bt_recipe_default(&r, "stage2");
    r.epochs = (int64_t)number(g, o, "max_epoch");
    r.steps_per_epoch = (int64_t)number(g, o, "iters_per_epoch");
    r.lr = number(g, o, "init_lr");
    r.lr_min = number(g, o, "min_lr");
    r.lr_warmup_start = number(g, o, "warmup_lr");
    r.warmup_steps = (int64_t)number(g, o, "warmup_steps");
    r.cosine_per_step = false;
    r.weight_decay = number(g, o, "weight_decay");
    r.beta1 = json_number_value(json_array_get(betas, 0));
    r.beta2 = json_number_value(json_array_get(betas, 1));
    r.adam_eps = number(g, o, "eps");
    return r;
}

/* What trained, and the moments that the case has. */
static void compare_trained(struct golden *g, const struct bt_vlm *vlm, const struct bt_optimizer *o)
{
    struct tally final = { .what = "final weights" }, moments = { .what = "moments" };
    const float *flat = bt_params_flat(vlm->params).data;

    for (size_t i = 0; i < bt_params_count(vlm->params); i++) {
        const struct bt_param *p = bt_params_at(vlm->params, i);
        size_t n = bt_tensor_count(&p->tensor);
        char name[3][160];

        snprintf(name[0], sizeof name[0], "final/%s", p->name);
        snprintf(name[1], sizeof name[1], "exp_avg/%s", p->name);
        snprintf(name[2], sizeof name[2], "exp_avg_sq/%s", p->name);
        if (expects(g, name[0]) && ends_with(name[0], ".key.bias"))
            expect(g, name[0]); /* Adam amplifies what is rounding there */
        else if (expects(g, name[0]))
            compare_device(g, &final, name[0], p->tensor.data, n, FINAL_TOLERANCE, ABSOLUTE);
        else if (p->tensor.trains)
            mismatch(&final, name[0], "it should not train");
        if (expects(g, name[1]))
            compare_device(g, &moments, name[1], o->m + (p->tensor.data - flat), n, GRADIENT_TOLERANCE,
                           OF_LARGEST);
        if (expects(g, name[2]))
            compare_device(g, &moments, name[2], o->v + (p->tensor.data - flat), n, GRADIENT_TOLERANCE,
                           OF_LARGEST);
    }
    report(g, &final);
    report(g, &moments);
}

static void run_adamw(struct golden *g)
{
    struct tally rates = { .what = "learning rates" }, losses = { .what = "sequence of losses" };
    const json_t *trace = json_object_get(g->config, "trace");
    size_t steps = json_array_size(trace);
    float *lr = bt_arena_take(g->arena, steps, sizeof *lr),
          *loss = bt_arena_take(g->arena, steps, sizeof *loss);
    struct bt_recipe recipe = recipe_of(g);
    struct bt_loss_options options = loss_options(g);
    struct bt_tape *tape = bt_tape_new(g->backend, &g->err);
    struct bt_vlm *vlm = vlm_of(g, BT_STAGE_2, true);
    struct bt_optimizer optimizer = { 0 };
    const float one = 1;

    if (vlm)
        bt_optimizer_new(&optimizer, g->backend, vlm->params, &g->err);
    for (size_t i = 0; i < steps && !g->err.status; i++) {
        int64_t epoch = (int64_t)i / recipe.steps_per_epoch, at = (int64_t)i % recipe.steps_per_epoch;
        double rate = bt_learning_rate(&recipe, epoch, at, recipe.steps_per_epoch);
        double want = number(g, json_array_get(trace, i), "lr");
        char name[32];

        snprintf(name, sizeof name, "lr of step %zu", i);
        record(&rates, name, fabs(rate - want), 1e-14);
        snprintf(name, sizeof name, "batch%d/", (int)at);

        struct bt_batch batch = batch_of(g, name);

        bt_tape_reset(tape);
        bt_params_zero_grad(vlm->params);

        struct bt_loss l = bt_stage_loss(tape, vlm, &batch, &options);

        bt_tape_seed(tape, l.total, &one);
        if (bt_tape_backward(tape, &g->err))
            break;
        bt_read(tape, l.total, &loss[i]);
        lr[i] = (float)rate;
        bt_optimizer_step(&optimizer, vlm->params, &recipe, rate, &g->err);
    }
    if (!g->err.status) {
        compare(g, &rates, "lr", lr, steps, 1e-6, OF_EACH);
        compare(g, &losses, "loss", loss, steps, LOSS_TOLERANCE, OF_EACH);
        report(g, &rates);
        report(g, &losses);
        compare_trained(g, vlm, &optimizer);
        report_rest(g, NULL);
    }
    bt_optimizer_free(&optimizer);
    bt_vlm_free(vlm);
    bt_tape_free(tape);
}

#endif
