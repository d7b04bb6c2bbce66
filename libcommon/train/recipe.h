/* A recipe: every hyper-parameter of one run, as a JSON file. Unknown members and wrong types are errors; any value can be
 * overridden by "key=value". Published values: training.md 7. */
#ifndef BT_TRAIN_RECIPE_H
#define BT_TRAIN_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/json.h"
#include "libcommon/image/image.h"

struct bt_recipe {
    int64_t seed;
    int64_t epochs, steps_per_epoch; /* steps_per_epoch 0: floor(samples / batch) */
    int64_t batch, micro_batch;      /* samples of a step; of them at a time (0: all). micro_batch divides batch */
    double lr, lr_min, lr_warmup_start;
    int64_t warmup_steps;
    bool cosine_per_step;            /* false: the published staircase (training.md 5) */
    double weight_decay, beta1, beta2, adam_eps;
    double align_weight;             /* 0: no P-Former, the BLIP-2 baseline */
    bool augment;                    /* RandomResizedCrop and flip (images.md 4.2); false: resize alone */
    char random_augment[12];         /* RandomAugment behind them (images.md 5): "none", "as-run" as LAVIS runs it, "intended" */
    bool cache_tower;                /* run the frozen tower once over all pictures and keep what it says */
    bool frozen_dropout;             /* frozen parts with dropout, as the published runs (models.md K11) */
    double mask_rate;                /* stage 0: share of tokens hidden from the P-Former */
    int64_t max_text;                /* tokens of a caption, specials included */
    int64_t window;                  /* lm: tokens of a training window */
};

/* The published recipe of a stage ("stage0", "stage1", ...), to begin with. */
void bt_recipe_default(struct bt_recipe *recipe, const char *stage);
/* Replaces what the file names. E_CONFIG with the place. */
int bt_recipe_load(struct bt_recipe *recipe, const char *path, struct bt_err *err);
int bt_recipe_read(struct bt_recipe *recipe, const json_t *json, const char *place, struct bt_err *err);
/* One "key=value". */
int bt_recipe_set(struct bt_recipe *recipe, const char *assignment, struct bt_err *err);
/* Values that cannot go together. */
int bt_recipe_check(const struct bt_recipe *recipe, struct bt_err *err);
/* What random_augment says; false when it is none of its three words. */
bool bt_recipe_random_augment(enum bt_augment *augment, const struct bt_recipe *recipe);
/* Every value as JSON; the caller json_decref()s it. */
json_t *bt_recipe_write(const struct bt_recipe *recipe);
/* sha256 of the compact JSON with sorted keys, hex. */
int bt_recipe_hash(const struct bt_recipe *recipe, char hex[65], struct bt_err *err);

#endif
