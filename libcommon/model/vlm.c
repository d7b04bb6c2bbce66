/* The whole model: parts by stage, what trains, weights. Source: models.md 3.4, 5.1, 5.2. */
#include "libcommon/model/vlm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/tensor/safetensors.h"

static const char *const stage_names[] = { "vision", "lm", "stage0", "stage1", "stage2", "caption" };

int bt_stage_by_name(const char *name)
{
    for (int i = 0; i < (int)(sizeof stage_names / sizeof *stage_names); i++)
        if (strcmp(name, stage_names[i]) == 0)
            return i;
    return -1;
}

const char *bt_stage_name(enum bt_stage stage)
{
    return stage_names[stage];
}

static bool has_vision(enum bt_stage stage)
{
    return stage == BT_STAGE_VISION || stage >= BT_STAGE_1;
}

static bool has_opt(enum bt_stage stage)
{
    return stage == BT_STAGE_LM || stage == BT_STAGE_0 || stage >= BT_STAGE_2;
}

static void declare_heads(struct bt_vlm *v)
{
    const struct bt_config *c = &v->config;

    if (v->stage >= BT_STAGE_1)
        v->ln_vision = bt_norm_new(v->params, c->vit.width, c->ln_vision_eps, "ln_vision");
    if (v->stage == BT_STAGE_1) {
        v->vision_proj = bt_affine_default(v->params, c->qformer.hidden, c->embed, "vision_proj");
        v->text_proj = bt_affine_default(v->params, c->qformer.hidden, c->embed, "text_proj");
        v->itm_head = bt_affine_default(v->params, c->qformer.hidden, 2, "itm_head");
        v->temp = bt_param(v->params, (struct bt_init){ BT_INIT_CONSTANT, 0.07f }, 0, NULL, "temp");
    }
    if (v->stage >= BT_STAGE_2 || (v->stage == BT_STAGE_1 && v->aligned))
        v->opt_proj = bt_affine_default(v->params, c->qformer.hidden, c->opt.hidden, "opt_proj");
    if (v->stage == BT_STAGE_VISION) {
        v->label_norm = bt_norm_new(v->params, c->vit.width, c->ln_vision_eps, "label_norm");
        v->label_head = bt_affine_default(v->params, c->vit.width, c->labels, "label_head");
    }
}

static int declare(struct bt_vlm *v, struct bt_err *err)
{
    const struct bt_config *c = &v->config;

    if (has_vision(v->stage) && !(v->vit = bt_vit_new(v->params, &c->vit, err)))
        return err->status;
    if (v->stage >= BT_STAGE_1 && !(v->qformer = bt_qformer_new(v->params, c, v->stage == BT_STAGE_1, err)))
        return err->status;
    if ((v->stage == BT_STAGE_0 || (v->stage >= BT_STAGE_1 && v->aligned)) &&
        !(v->pformer = bt_pformer_new(v->params, c, v->stage == BT_STAGE_0, err)))
        return err->status;
    if (has_opt(v->stage) && !(v->opt = bt_opt_new(v->params, &c->opt, err)))
        return err->status;
    declare_heads(v);
    return BT_OK;
}

/* What does not train (models.md 5.1). */
static void freeze(struct bt_vlm *v)
{
    if (v->stage == BT_STAGE_1 || v->stage == BT_STAGE_2)
        bt_params_train(v->params, "visual_encoder.", false);
    if (v->stage != BT_STAGE_0)
        bt_params_train(v->params, "Pformer.", false);
    if (v->stage != BT_STAGE_LM)
        bt_params_train(v->params, "opt_model.", false);
}

static int make(struct bt_vlm **vlm, const struct bt_backend *backend, const struct bt_config *config, enum bt_stage stage,
                bool aligned, bool training, uint64_t seed, struct bt_err *err)
{
    struct bt_vlm *v = bt_alloc(1, sizeof *v, err);
    int rc;

    if (!v)
        return err->status;
    v->config = *config;
    v->stage = stage;
    v->aligned = aligned;
    v->backend = backend;
    v->params = bt_params_new(backend, err);
    rc = v->params ? declare(v, err) : err->status;
    if (!rc) {
        freeze(v);
        if (!training)
            bt_params_train(v->params, "", false);
        rc = bt_params_place(v->params, err);
    }
    if (!rc && training)
        rc = bt_params_init(v->params, seed, err);
    if (!rc && training && stage == BT_STAGE_1)
        rc = bt_qformer_copy_text_ffn(v->params, err);
    if (rc) {
        bt_vlm_free(v);
        return rc;
    }
    *vlm = v;
    return BT_OK;
}

int bt_vlm_new(struct bt_vlm **vlm, const struct bt_backend *backend, const struct bt_config *config, enum bt_stage stage,
               bool aligned, uint64_t seed, struct bt_err *err)
{
    return make(vlm, backend, config, stage, aligned, true, seed, err);
}

int bt_vlm_new_frozen(struct bt_vlm **vlm, const struct bt_backend *backend, const struct bt_config *config, enum bt_stage stage,
                      struct bt_err *err)
{
    return make(vlm, backend, config, stage, false, false, 0, err);
}

void bt_vlm_free(struct bt_vlm *v)
{
    if (!v)
        return;
    bt_vit_free(v->vit);
    bt_qformer_free(v->qformer);
    bt_pformer_free(v->pformer);
    bt_opt_free(v->opt);
    bt_params_free(v->params);
    free(v);
}

/* The language model's output matrix is its embeddings, and some files hold it under either name or both (models.md K29). With
 * other values under its second name it is not our model. */
static int check_tied(const struct bt_safetensors *file, struct bt_err *err)
{
    const struct bt_st_tensor *words = bt_safetensors_find(file, "opt_model.model.decoder.embed_tokens.weight");
    const struct bt_st_tensor *head = bt_safetensors_find(file, "opt_model.lm_head.weight");
    float *a = NULL, *b = NULL;
    bool same;
    int rc = BT_OK;

    if (!words || !head)
        return BT_OK;
    same = words->count == head->count;
    if (same && (!(a = bt_alloc(words->count, sizeof *a, err)) || !(b = bt_alloc(head->count, sizeof *b, err))))
        rc = err->status;
    if (!rc && same)
        rc = bt_safetensors_read(file, words, a, err);
    if (!rc && same)
        rc = bt_safetensors_read(file, head, b, err);
    same = same && !rc && memcmp(a, b, words->count * sizeof *a) == 0;
    free(a);
    free(b);
    if (!rc && !same)
        rc = bt_fail(err, BT_ERR_WEIGHTS, "%s: '%s' and '%s' differ, but this model has one table for both; use weights that "
                     "are tied", bt_safetensors_path(file), words->name, head->name);
    return rc;
}

int bt_vlm_load(struct bt_vlm *v, const char *path, struct bt_err *err)
{
    /* Names as they are; the P-Former's earlier name; a vision tower on its own; tied embeddings under their other name
     * (models.md 11.1, training.md 8). */
    static const char *const names[][2] = { { "", "" }, { "Darkformer.", "Pformer." }, { "", "visual_encoder." },
                                            { "opt_model.lm_head.", "opt_model.model.decoder.embed_tokens." } };
    struct bt_safetensors *file = NULL;
    size_t loaded = 0, all = 0;
    int rc = bt_safetensors_open(&file, path, err);

    if (!rc && v->opt)
        rc = check_tied(file, err);
    for (size_t i = 0; i < sizeof names / sizeof *names && !rc; i++) {
        rc = bt_params_load(v->params, file, names[i][0], names[i][1], &loaded, err);
        all += loaded;
    }
    if (!rc && !all)
        rc = bt_fail(err, BT_ERR_WEIGHTS, "%s: none of its tensors belongs to this model; name another file", path);
    bt_safetensors_close(file);
    return rc;
}

int bt_vlm_ready(struct bt_vlm *v, struct bt_err *err)
{
    for (size_t i = 0; i < bt_params_count(v->params); i++) {
        const struct bt_param *p = bt_params_at(v->params, i);
        char part[64]; /* "visual_encoder.": all that it lacks is named together */

        snprintf(part, sizeof part, "%.*s", (int)strcspn(p->name, ".") + 1, p->name);
        if (!p->tensor.trains && !p->loaded)
            return bt_params_require(v->params, part, err);
    }
    return bt_params_ready(v->params, err);
}

struct bt_tensor *bt_vlm_look(struct bt_tape *tape, const struct bt_vlm *v, struct bt_tensor *tower)
{
    struct bt_tensor *image = bt_normalize(tape, &v->ln_vision, tower);

    bt_mark(tape, image, "ln_vision");
    return image;
}

struct bt_tensor *bt_vlm_see(struct bt_tape *tape, const struct bt_vlm *v, struct bt_tensor *images)
{
    return bt_vlm_look(tape, v, bt_vit_forward(tape, v->vit, images));
}
