/* OPT, a pre-norm decoder (models.md 7.1), with an optional prefix of embeddings before the text. */
#ifndef BT_MODEL_OPT_H
#define BT_MODEL_OPT_H

#include "libcommon/model/config.h"
#include "libcommon/nn/nn.h"

struct bt_opt;

/* Declares "opt_model.*". lm_head is tied to the embeddings and has no parameter of its own. */
struct bt_opt *bt_opt_new(struct bt_params *params, const struct bt_opt_config *config, struct bt_err *err);
void bt_opt_free(struct bt_opt *opt);

struct bt_opt_input {
    struct bt_tensor *prefix;       /* [B, Q, hidden] before the text, or NULL */
    const struct bt_ints *ids;      /* [B, T]; NULL: prefix alone */
    size_t batch, tokens;
    const int32_t *mask;            /* host [B, past + Q + T], 1 is a token; NULL: all are */
    struct bt_kv_cache *cache;      /* generation: past tokens; or NULL */
};
/* -> hidden states after the final norm [B, Q + T, hidden]. */
struct bt_tensor *bt_opt_forward(struct bt_tape *tape, const struct bt_opt *opt, const struct bt_opt_input *input);
/* The tied embeddings [vocab, hidden]: bt_linear with them gives logits. */
struct bt_tensor *bt_opt_words(const struct bt_opt *opt);

#endif
