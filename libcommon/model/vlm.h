/* The whole model: vision tower, Q-Former, P-Former, language model, and what joins them. Which parts are there depends on
 * the stage; so does what trains. Source: models.md 5, 5.1, 5.2, 6. */
#ifndef BT_MODEL_VLM_H
#define BT_MODEL_VLM_H

#include "libcommon/model/opt.h"
#include "libcommon/model/pformer.h"
#include "libcommon/model/qformer.h"
#include "libcommon/model/vit.h"

enum bt_stage {
    BT_STAGE_VISION,  /* the demonstration's vision tower, from words of captions */
    BT_STAGE_LM,      /* the language model, from text */
    BT_STAGE_0,       /* P-Former on sentences, through the frozen language model */
    BT_STAGE_1,       /* Q-Former on images and captions */
    BT_STAGE_2,       /* Q-Former through the frozen language model */
    BT_STAGE_CAPTION, /* stage 2 with the vision tower free */
};
/* "vision", "lm", "stage0", "stage1", "stage2", "caption"; -1 when it is none of them. */
int bt_stage_by_name(const char *name);
const char *bt_stage_name(enum bt_stage stage);

struct bt_vlm {
    struct bt_config config;
    enum bt_stage stage;
    bool aligned; /* with a P-Former: BLIP-T; without: the BLIP-2 baseline */
    const struct bt_backend *backend;
    struct bt_params *params;
    struct bt_vit *vit;
    struct bt_norm ln_vision;
    struct bt_qformer *qformer;
    struct bt_pformer *pformer;
    struct bt_opt *opt;
    struct bt_affine vision_proj, text_proj, itm_head; /* stage 1 */
    struct bt_tensor *temp;                            /* stage 1 */
    struct bt_affine opt_proj;                         /* stage 1 (aligned), stage 2, caption */
    struct bt_norm label_norm;                         /* vision */
    struct bt_affine label_head;
};

/* Declares and places the parameters of a stage, initialised by seed. */
int bt_vlm_new(struct bt_vlm **vlm, const struct bt_backend *backend, const struct bt_config *config, enum bt_stage stage,
               bool aligned, uint64_t seed, struct bt_err *err);
/* The same for use alone: nothing trains, there are no gradients. */
int bt_vlm_new_frozen(struct bt_vlm **vlm, const struct bt_backend *backend, const struct bt_config *config, enum bt_stage stage,
                      struct bt_err *err);
void bt_vlm_free(struct bt_vlm *vlm);

/* Takes weights from a file or directory by their published names (also those of the earlier name "Darkformer.", and a bare
 * vision tower without "visual_encoder.", and the language model's embeddings as "opt_model.lm_head.weight"). Later files win.
 * E_WEIGHTS for a tensor of another shape, for tied embeddings that differ, and when the model takes nothing from the file. */
int bt_vlm_load(struct bt_vlm *vlm, const char *path, struct bt_err *err);
/* Every frozen parameter must have come from a file; then tells the backend that they stay as they are. */
int bt_vlm_ready(struct bt_vlm *vlm, struct bt_err *err);

/* Host images [B, 3, S, S] to ln_vision(ViT) [B, N, width]. The ViT's own output comes from bt_vit_forward. */
struct bt_tensor *bt_vlm_see(struct bt_tape *tape, const struct bt_vlm *vlm, struct bt_tensor *images);
/* ln_vision alone, on the tower's output. */
struct bt_tensor *bt_vlm_look(struct bt_tape *tape, const struct bt_vlm *vlm, struct bt_tensor *tower);

#endif
