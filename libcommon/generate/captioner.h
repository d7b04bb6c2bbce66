/* A model that writes: pictures in, continuations out. What it has seen of a picture and of the text so far is kept as keys and
 * values, so a step costs one token. After stage 1 the Q-Former writes (from [DEC]), after stage 2 the language model.
 * Source: models.md 6.1 (generation), 8 (decoding), 9.4 (Q-Former). */
#ifndef BT_GENERATE_CAPTIONER_H
#define BT_GENERATE_CAPTIONER_H

#include "libcommon/generate/decode.h"
#include "libcommon/model/vlm.h"

struct bt_captioner;

/* The vlm must outlive it, loaded and ready; E_CONFIG for a stage whose model does not write. */
int bt_captioner_new(struct bt_captioner **captioner, const struct bt_vlm *vlm, struct bt_err *err);
void bt_captioner_free(struct bt_captioner *captioner);

/* Looks at pictures: host images [items, 3, S, S], normalised, or, when `images` is NULL, the tower's output [items, N, width].
 * What follows is about them, until the next call. The language model alone (stage lm) sees no pictures: give it neither. */
int bt_captioner_look(struct bt_captioner *captioner, const float *images, const float *tower, size_t items, struct bt_err *err);
/* What the writer gets of the pictures, on the device: opt_proj(Q-Former) [items, Q, width of the language model]; after stage
 * 1 the query states [items, Q, hidden]. */
const struct bt_tensor *bt_captioner_prefix(const struct bt_captioner *captioner);

/* Text that begins every item's continuation: ids [items, columns], and mask (1 is a token), NULL when no row is padded. Rows
 * are padded on the left; the Q-Former takes none that is. columns is at least 1 ([DEC], or the language model's bos). */
struct bt_prompt {
    const int32_t *ids, *mask;
    size_t columns;
};
/* Decodes for every picture: out as in bt_decode. E_INPUT for ids that the model does not have. */
int bt_captioner_generate(struct bt_captioner *captioner, const struct bt_prompt *prompt, const struct bt_decode_options *options,
                          struct bt_hypothesis *out, struct bt_err *err);
/* The scorer alone, for at most max_new tokens behind the prompt, which must live as long; one at a time. */
int bt_captioner_scorer(struct bt_captioner *captioner, const struct bt_prompt *prompt, size_t max_new,
                        struct bt_scorer *scorer, struct bt_err *err);

#endif
