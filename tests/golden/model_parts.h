/* Golden cases of single networks: the vision tower, and the Q-Former in each of its modes. */
#ifndef BT_GOLDEN_MODEL_PARTS_H
#define BT_GOLDEN_MODEL_PARTS_H

#include "libcommon/model/qformer.h"
#include "libcommon/model/vit.h"
#include "tests/golden/model_case.h"

/* The case's weight files into the parameters, later ones over earlier ones. */
static void load_params(struct golden *g, struct bt_params *params)
{
    size_t i;
    json_t *file;

    json_array_foreach(json_object_get(g->config, "weights_files"), i, file)
    {
        struct bt_safetensors *st = NULL;
        char *path = bt_format("%s/%s", g->folder, json_string_value(file));

        if (!g->err.status && !bt_safetensors_open(&st, path, &g->err))
            bt_params_load(params, st, "", "", NULL, &g->err);
        bt_safetensors_close(st);
        free(path);
    }
    if (!g->err.status)
        bt_params_require(params, "", &g->err);
    if (!g->err.status)
        bt_params_ready(params, &g->err);
}

/* sum(output * probe), and the probe as the gradient of the output. The terms cancel, so the case's own sum
 * has an error in float32, which it tells. */
static void probe_loss(struct golden *g, struct bt_tape *tape, struct bt_tensor *output)
{
    const float *probe = input_floats(g, "probe");
    struct tally t = { .what = "loss" };
    size_t n = bt_tensor_count(output);
    float *host = bt_arena_take(g->arena, n, sizeof *host);
    double loss = 0, rounding;

    if (!probe || bt_tape_failed(tape))
        return;
    bt_read(tape, output, host);
    for (size_t i = 0; i < n; i++)
        loss += (double)host[i] * (double)probe[i];
    rounding = number(g, json_object_get(g->config, "checks"), "loss_fp32_minus_fp64");
    compare_one(g, &t, "loss", loss, LOSS_TOLERANCE + fabs(rounding / loss));
    report(g, &t);
    bt_tape_seed(tape, output, probe);
}

/* ---- vision tower ---- */

struct tower {
    struct bt_params *params;
    struct bt_vit *vit;
};

static void tower_new(struct golden *g, struct tower *t, size_t image_size)
{
    struct bt_config config = config_of(g);

    *t = (struct tower){ 0 };
    config.vit.image_size = image_size;
    t->params = g->err.status ? NULL : bt_params_new(g->backend, &g->err);
    if (t->params)
        t->vit = bt_vit_new(t->params, &config.vit, &g->err);
    if (t->vit)
        bt_params_place(t->params, &g->err);
}

static void tower_free(struct tower *t)
{
    bt_vit_free(t->vit);
    bt_params_free(t->params);
}

/* What the tower says of a batch of images. */
static struct bt_tensor *tower_see(struct golden *g, struct bt_tape *tape, const struct tower *t,
                                   const char *images)
{
    float *host = input_floats(g, images);
    size_t shape[4];

    if (!host)
        return NULL;
    for (int i = 0; i < 4; i++)
        shape[i] = input_shape(g, images, i);
    return bt_vit_forward(tape, t->vit, bt_constant(tape, host, 4, shape));
}

/* The same tower for the second image size: positions are resampled, all else is shared. */
static void second_size(struct golden *g, struct bt_tape *tape, const struct tower *first)
{
    size_t patch = dim(g, "patch_size"), width = dim(g, "vit_width");
    size_t grid = dim(g, "image_size") / patch, grid_2 = dim(g, "image_size_2") / patch;
    struct tally t = { .what = "tensors of the second image size" };
    struct tower second;

    tower_new(g, &second, dim(g, "image_size_2"));
    for (size_t i = 0; !g->err.status && i < bt_params_count(second.params); i++) {
        struct bt_param *to = bt_params_at(second.params, i), *from = bt_params_find(first->params, to->name);
        size_t n = bt_tensor_count(&from->tensor), n_2 = bt_tensor_count(&to->tensor);
        float *host = bt_arena_take(g->arena, n, sizeof *host),
              *host_2 = bt_arena_take(g->arena, n_2, sizeof *host_2);

        if (!ends_with(to->name, "pos_embed")) {
            bt_params_copy(second.params, to, from);
            continue;
        }
        g->backend->copy_out(g->backend->queue, host, from->tensor.data, n * sizeof *host);
        bt_vit_resample_positions(host_2, grid_2, host, grid, width);
        compare(g, &t, "pos_embed_2", host_2, n_2, ACTIVATION_TOLERANCE, OF_LARGEST);
        g->backend->copy_in(g->backend->queue, to->tensor.data, host_2, n_2 * sizeof *host_2);
    }
    if (!g->err.status) {
        bt_tape_reset(tape);
        bt_tape_record(tape, false);

        struct bt_tensor *output = tower_see(g, tape, &second, "image_2");

        if (output && !bt_tape_status(tape, &g->err))
            compare_device(g, &t, "output_2", output->data, bt_tensor_count(output), ACTIVATION_TOLERANCE,
                           OF_LARGEST);
        bt_tape_record(tape, true);
        report(g, &t);
    }
    tower_free(&second);
}

/* "pos_A_to_B": tables of A x A positions resampled to B x B. */
static void resampling(struct golden *g)
{
    struct tally t = { .what = "resampled position tables" };

    for (uint64_t i = 0; i < bt_safetensors_count(g->inputs) && !g->err.status; i++) {
        const struct bt_st_tensor *table = bt_safetensors_at(g->inputs, i);
        size_t from, to;

        if (sscanf(table->name, "pos_%zu_to_%zu", &from, &to) != 2)
            continue;

        size_t width = (size_t)table->shape[2], n = (1 + to * to) * width;
        float *values = bt_arena_take(g->arena, n, sizeof *values), *host = input_floats(g, table->name);

        if (!host)
            return;
        bt_vit_resample_positions(values, to, host, from, width);
        compare(g, &t, table->name, values, n, ACTIVATION_TOLERANCE, OF_LARGEST);
    }
    report(g, &t);
}

static void run_vit(struct golden *g)
{
    struct tally acts = { .what = "activations" };
    struct watch w = { .g = g, .tally = &acts, .strip = "visual_encoder." };
    struct bt_tape *tape = bt_tape_new(g->backend, &g->err);
    struct tower tower;

    tower_new(g, &tower, dim(g, "image_size"));
    if (!g->err.status)
        load_params(g, tower.params);
    if (!g->err.status) {
        bt_tape_watch(tape, watcher, &w);

        struct bt_tensor *output = tower_see(g, tape, &tower, "image");

        bt_tape_watch(tape, NULL, NULL);
        if (output && !bt_tape_status(tape, &g->err)) {
            compare_device(g, &acts, "output", output->data, bt_tensor_count(output), ACTIVATION_TOLERANCE,
                           OF_LARGEST);
            report(g, &acts);
            probe_loss(g, tape, output);
            if (!bt_tape_backward(tape, &g->err))
                compare_gradients(g, tower.params, "visual_encoder.");
            second_size(g, tape, &tower);
        }
        resampling(g);
        report_rest(g, NULL);
    }
    tower_free(&tower);
    bt_tape_free(tape);
}

/* ---- Q-Former ---- */

static struct bt_text input_text(struct golden *g, struct bt_tape *tape, const char *ids_name)
{
    size_t batch = input_shape(g, ids_name, 0), tokens = input_shape(g, ids_name, 1);
    const int32_t *ids = input_ints(g, ids_name), *mask = input_ints(g, "attention_mask");

    if (!ids || !mask)
        return (struct bt_text){ 0 };
    return (struct bt_text){ bt_int_constant(tape, ids, batch * tokens),
                             bt_int_constant(tape, mask, batch * tokens), batch, tokens };
}

/* The decoder's loss; *logits is what the case calls its output. */
static struct bt_tensor *decoder_loss(struct golden *g, struct bt_tape *tape, const struct bt_qformer *q,
                                      struct bt_tensor *image, struct bt_tensor **logits)
{
    struct bt_qformer_memory memory;
    struct bt_text text = input_text(g, tape, "decoder_ids");
    int32_t *labels = input_ints(g, "labels");

    if (!labels || !text.ids)
        return NULL;
    for (size_t i = 0; i < text.batch * text.tokens; i++) /* position t is to say what stands at t + 1 */
        labels[i] = i % text.tokens + 1 < text.tokens ? labels[i + 1] : BT_IGNORE;
    bt_qformer_image(tape, q, image, &memory);

    struct bt_tensor *h = bt_qformer_transform(tape, q, bt_qformer_decode(tape, q, &memory, text));
    struct bt_ints *on_device = bt_int_constant(tape, labels, text.batch * text.tokens);
    bool was = bt_tape_record(tape, false);

    *logits = bt_linear(tape, h, bt_qformer_words(q), bt_qformer_words_bias(q), BT_ACT_NONE);
    bt_tape_record(tape, was);
    return bt_linear_cross_entropy(tape, h, bt_qformer_words(q), bt_qformer_words_bias(q), on_device, 0.1f);
}

/* One mode forward and back; what the gradient of `image` must be is in the case, but for text alone. */
static void qformer_mode(struct golden *g, struct bt_tape *tape, const struct bt_qformer *q,
                         struct bt_params *params, struct bt_tensor *image, size_t queries)
{
    struct tally acts = { .what = "activations" }, loss = { .what = "loss" },
                 in = { .what = "gradient of the image" };
    struct watch w = { .g = g, .tally = &acts, .strip = "" };
    const char *mode = g->name + strlen("qformer_");
    struct bt_tensor *output = NULL, *total = NULL, *probed = NULL;
    const float one = 1;

    bt_tape_watch(tape, watcher, &w);
    if (strcmp(mode, "text") == 0)
        probed = output = bt_qformer_text(tape, q, input_text(g, tape, "ids"));
    else if (strcmp(mode, "image") == 0)
        probed = output = bt_qformer_image(tape, q, image, NULL);
    else if (strcmp(mode, "itm") == 0)
        probed =
            bt_slice(tape, output = bt_qformer_match(tape, q, image, input_text(g, tape, "ids")), 0, queries);
    else
        total = decoder_loss(g, tape, q, image, &output);
    bt_tape_watch(tape, NULL, NULL);
    if (bt_tape_status(tape, &g->err) || g->err.status)
        return;
    compare_device(g, &acts, "output", output->data, bt_tensor_count(output), ACTIVATION_TOLERANCE,
                   OF_LARGEST);
    report(g, &acts);
    if (total) {
        compare_device(g, &loss, "loss", total->data, 1, LOSS_TOLERANCE, OF_EACH);
        report(g, &loss);
        bt_tape_seed(tape, total, &one);
    } else {
        probe_loss(g, tape, probed);
    }
    if (bt_tape_backward(tape, &g->err))
        return;
    compare_gradients(g, params, "");
    if (expects(g, "grad_in/image_embeds")) {
        compare_device(g, &in, "grad_in/image_embeds", image->grad, bt_tensor_count(image),
                       GRADIENT_TOLERANCE, OF_LARGEST);
        report(g, &in);
    }
    report_rest(g, NULL);
}

static void run_qformer(struct golden *g)
{
    struct bt_config config = config_of(g);
    struct bt_tape *tape = bt_tape_new(g->backend, &g->err);
    struct bt_params *params = g->err.status ? NULL : bt_params_new(g->backend, &g->err);
    struct bt_qformer *q = params ? bt_qformer_new(params, &config, true, &g->err) : NULL;
    float *host = input_floats(g, "image_embeds");

    if (q && !g->err.status && !bt_params_place(params, &g->err)) {
        size_t shape[3] = { input_shape(g, "image_embeds", 0), input_shape(g, "image_embeds", 1),
                            config.vit.width };
        struct bt_tensor *image = bt_constant(tape, host, 3, shape);

        image->trains = true; /* so that its gradient is wanted */
        load_params(g, params);
        if (!g->err.status)
            qformer_mode(g, tape, q, params, image, config.queries);
    }
    bt_qformer_free(q);
    bt_params_free(params);
    bt_tape_free(tape);
}

#endif
