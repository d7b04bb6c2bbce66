/* Checkpoints: directories that exist under their name only when they are complete.
 *
 *     DIR/ckpt/step-00000480/   model.safetensors  optim-00000-of-00001.safetensors  state.json  config.json  MANIFEST.json
 *     DIR/ckpt/LATEST           the newest one's name, a hint
 *     DIR/final                 a link to the last one, made when the run is over
 * model.safetensors holds what trained, by published names. Source: formats.md 3. */
#ifndef BT_TRAIN_CHECKPOINT_H
#define BT_TRAIN_CHECKPOINT_H

#include "libcommon/model/vlm.h"
#include "libcommon/train/optimizer.h"

/* Where a run stands. */
struct bt_train_state {
    int64_t step;              /* updates and skipped steps */
    int64_t samples;           /* seen so far */
    int64_t skipped, skipped_in_row;
    char data[65], recipe[65]; /* identity of the data and of the recipe */
    char frozen[17];           /* of the weights that do not train: xxh64 */
    char environment[160];     /* build, compiler, device: what the bytes of a run depend on besides */
    double loss_sum;           /* of the epoch so far, for its mean in the log */
    int64_t loss_count;
};

/* Writes DIR/ckpt/step-<step>; `config` becomes config.json. Keeps it and those before it, `keep` in all (at least 2); later
 * ones, and one of this name, are damaged and go. Weights that are not finite are E_NONFINITE and nothing is written. */
int bt_checkpoint_write(const char *dir, struct bt_vlm *vlm, const struct bt_optimizer *optimizer,
                        const struct bt_train_state *state, const json_t *config, int64_t keep, struct bt_err *err);
/* The newest checkpoint whose MANIFEST.json agrees with its files; *path is NULL when there is no checkpoint at all, and the
 * caller frees it. Damaged ones are named in a warning; when only damaged ones are left: E_CKPT_BAD. */
int bt_checkpoint_newest(const char *dir, char **path, struct bt_err *err);
/* Weights, optimizer and state of a checkpoint back into a run of the same model. */
int bt_checkpoint_load(const char *path, struct bt_vlm *vlm, struct bt_optimizer *optimizer, struct bt_train_state *state,
                       struct bt_err *err);
/* DIR/final -> ckpt/step-<step>, the last of a run, and nothing beside it that need not be there. */
int bt_checkpoint_finish(const char *dir, int64_t step, int64_t keep, struct bt_err *err);
/* Whether that has happened. */
bool bt_checkpoint_is_final(const char *dir, int64_t step);

#endif
