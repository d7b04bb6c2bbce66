/* EVA-CLIP vision transformer (models.md 1.1): pre-norm blocks, no final norm, all tokens are the output. */
#ifndef BT_MODEL_VIT_H
#define BT_MODEL_VIT_H

#include "libcommon/model/config.h"
#include "libcommon/nn/nn.h"

struct bt_vit;

/* Declares "visual_encoder.*" in params. Lives in the caller's hands until bt_vit_free. */
struct bt_vit *bt_vit_new(struct bt_params *params, const struct bt_vit_config *config, struct bt_err *err);
void bt_vit_free(struct bt_vit *vit);
/* images [B, 3, S, S], normalised -> [B, 1 + (S/patch)^2, width]. */
struct bt_tensor *bt_vit_forward(struct bt_tape *tape, const struct bt_vit *vit, struct bt_tensor *images);

/* A position table [1 + old^2, width] resampled to [1 + new^2, width], as at construction from eva_vit_g.pth: the CLS row
 * is copied, the grid bicubic (a = -0.75), half-pixel centres, no antialias. Host memory. */
void bt_vit_resample_positions(float *to, size_t grid_to, const float *from, size_t grid_from, size_t width);

#endif
