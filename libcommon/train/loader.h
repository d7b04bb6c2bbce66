/* Batches for training: records drawn from shards in keyed order, made into tensors ahead of time by a thread of its own.
 * A batch is a function of (recipe, data, step) alone. Source: training.md 2.1; data.md 8.1; formats.md 3.3. */
#ifndef BT_TRAIN_LOADER_H
#define BT_TRAIN_LOADER_H

#include "libcommon/train/loss.h"
#include "libcommon/train/recipe.h"

struct bt_loader;

struct bt_loader_options {
    const char *const *data; /* sets of token records; concatenated in this order; borrowed until close, as are the others */
    size_t data_count;
    const char *labels;      /* vision: file of "word<TAB>label" lines */
    enum bt_stage stage;
    bool aligned;
    const struct bt_config *config;
    const struct bt_recipe *recipe;
};

/* Checks what the stage needs: fields, vocabularies and lengths of the tokens. E_WEIGHTS, E_CONFIG, E_INPUT. */
int bt_loader_open(struct bt_loader **loader, const struct bt_loader_options *options, struct bt_err *err);
void bt_loader_close(struct bt_loader *loader);
uint64_t bt_loader_samples(const struct bt_loader *loader);
int64_t bt_loader_steps(const struct bt_loader *loader); /* per epoch */
/* sha256 over the identities of the sets, hex. */
const char *bt_loader_identity(const struct bt_loader *loader);

/* The vision tower's output for every sample, computed once by `compute` from batches of pictures in index order. */
typedef int bt_tower_fn(void *context, const float *images, size_t count, float *out, struct bt_err *err);
int bt_loader_cache_tower(struct bt_loader *loader, size_t floats_per_image, bt_tower_fn *compute, void *context,
                          struct bt_err *err);

/* Begins to prepare batches from that of step `step` on. */
int bt_loader_start(struct bt_loader *loader, int64_t step, struct bt_err *err);
/* The next step's batch, all its samples; it lives until the next call. */
int bt_loader_next(struct bt_loader *loader, const struct bt_batch **batch, struct bt_err *err);

#endif
