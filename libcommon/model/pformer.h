/* P-Former (models.md 4): a sentence to the prompt that makes a language model say it. */
#ifndef BT_MODEL_PFORMER_H
#define BT_MODEL_PFORMER_H

#include "libcommon/model/qformer.h"

struct bt_pformer;

/* Declares "Pformer.*"; the contrastive head and temperature are there in stage 0 alone. */
struct bt_pformer *bt_pformer_new(struct bt_params *params, const struct bt_config *config, bool contrastive, struct bt_err *err);
void bt_pformer_free(struct bt_pformer *pformer);
/* text: exactly as many tokens as there are queries (quirk K4). -> the [CLS] states [B, hidden]. */
struct bt_tensor *bt_pformer_encode(struct bt_tape *tape, const struct bt_pformer *pformer, struct bt_text text);
/* [CLS] states to the prompt [B, Q, width of the language model]. */
struct bt_tensor *bt_pformer_prompt(struct bt_tape *tape, const struct bt_pformer *pformer, struct bt_tensor *cls);
/* [CLS] states to unit features [B, embed], and the temperature. Stage 0 alone. */
struct bt_tensor *bt_pformer_feature(struct bt_tape *tape, const struct bt_pformer *pformer, struct bt_tensor *cls);
struct bt_tensor *bt_pformer_temperature(const struct bt_pformer *pformer);

#endif
