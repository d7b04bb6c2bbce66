/* The losses of every stage: forward code from a batch to one number and its terms.
 * Source: models.md 3.3, 4.2, 5, 6.1; demo.md 7 (vision). */
#ifndef BT_TRAIN_LOSS_H
#define BT_TRAIN_LOSS_H

#include "libcommon/comm/comm.h"
#include "libcommon/model/vlm.h"

/* Token rows on the host, padded: ids and mask [batch, tokens]. */
struct bt_token_rows {
    int32_t *ids, *mask;
    size_t tokens;
};

/* One batch on the host. What a stage does not use stays empty. */
struct bt_batch {
    size_t size;
    float *images;              /* [B, 3, S, S], normalised; or */
    float *tower;               /* the frozen tower's output [B, N, width] when it was computed before */
    struct bt_token_rows bert;  /* Q-Former text */
    struct bt_token_rows prompt; /* P-Former text, as many tokens as queries; masked in stage 0 */
    struct bt_token_rows opt;   /* language model text, right-padded */
    int32_t *prompt_length;     /* [B] leading opt tokens that are no target */
    int32_t *labels;            /* vision: [B, labels_per_row], BT_IGNORE padded */
    size_t labels_per_row;
    uint64_t *index;            /* [B] global sample number: what draws are keyed by */
    const int32_t *negative_image, *negative_text; /* [B] for stage 1; NULL: drawn */
};

struct bt_loss_options {
    uint64_t seed;
    uint32_t step;
    float align_weight;     /* omega: 10 in stage 1, 100 in stage 2 as published */
    bool frozen_dropout;    /* frozen parts run with dropout too, as the published runs do (quirk K11) */
    const struct bt_comm *comm;
    const struct bt_batch *whole; /* the step that the batch is a part of; NULL: it is all */
};

#define BT_LOSS_TERMS 4
struct bt_loss {
    struct bt_tensor *total;
    size_t terms;
    const char *name[BT_LOSS_TERMS]; /* "itc", "itm", "itg", "align", "lm", "contrastive", "vq", "labels" */
    struct bt_tensor *term[BT_LOSS_TERMS]; /* unweighted, but align, which carries its weight */
};

/* Samples first..first+count-1 of a batch, in the batch's own memory. */
struct bt_batch bt_batch_part(const struct bt_batch *batch, const struct bt_config *config, size_t first, size_t count);

/* Runs the forward pass of the model's stage. Failures stick to the tape.
 * Every term is a mean over the whole step: over its samples, or, for language modelling, over its target tokens. A part
 * of a step contributes its own mean times its share of those, so the parts' losses and gradients sum to the step's,
 * however it is cut. (Contrastive terms compare within a part, so for them the cut matters.) */
struct bt_loss bt_stage_loss(struct bt_tape *tape, const struct bt_vlm *vlm, const struct bt_batch *batch,
                             const struct bt_loss_options *options);

#endif
