/* A training run: from where it stands to its end, one step after the other. Source: training.md 3, 8, 16; formats.md 3. */
#ifndef BT_TRAIN_TRAINER_H
#define BT_TRAIN_TRAINER_H

#include "libcommon/train/checkpoint.h"
#include "libcommon/train/loader.h"

struct bt_run_options {
    enum bt_stage stage;
    const struct bt_backend *backend;
    const struct bt_config *config;
    const struct bt_recipe *recipe;
    const char *const *data; /* sets of token records */
    size_t data_count;
    const char *const *weights; /* files and directories, later ones win */
    size_t weight_count;
    const char *labels;     /* vision */
    const char *output;     /* directory of the run */
    int64_t max_steps;      /* stop, complete, after this many steps; 0: the recipe's end */
    int64_t stop_after;     /* leave with E_STOPPED after this many steps of this process; 0: never */
    int64_t checkpoint_every; /* steps; 0: at the end of each epoch */
    int64_t keep;           /* checkpoints kept */
    bool resume;            /* go on from the newest checkpoint; false: refuse a directory that has one */
    bool profile;           /* print time per op at the end */
};

/* Runs to the end: DIR/log.jsonl gets a line per step, DIR/ckpt its checkpoints, DIR/final points at the last one. A run that
 * is complete already returns at once. E_STOPPED after SIGTERM, with a checkpoint; E_NONFINITE when it diverged. */
int bt_run(const struct bt_run_options *options, struct bt_err *err);

#endif
