/* Recipes: one table of members. Source: training.md 5, 7. */
#include "libcommon/train/recipe.h"

#include <string.h>

#include "libcommon/base/members.h"

#define ROW(name, kind) BT_MEMBER(struct bt_recipe, NULL, #name, name, kind, 0)
static const struct bt_member rows[] = {
    ROW(seed, COUNT),          ROW(epochs, COUNT),       ROW(steps_per_epoch, COUNT),
    ROW(batch, COUNT),         ROW(micro_batch, COUNT),  ROW(lr, REAL),
    ROW(lr_min, REAL),         ROW(lr_warmup_start, REAL), ROW(warmup_steps, COUNT),
    ROW(cosine_per_step, FLAG), ROW(weight_decay, REAL), ROW(beta1, REAL),
    ROW(beta2, REAL),          ROW(adam_eps, REAL),      ROW(align_weight, REAL),
    ROW(augment, FLAG),        ROW(random_augment, TEXT), ROW(cache_tower, FLAG),
    ROW(frozen_dropout, FLAG), ROW(mask_rate, REAL),     ROW(max_text, COUNT),
    ROW(window, COUNT),
};
static const struct bt_members members = { "recipe", "bt-train(1)", rows, sizeof rows / sizeof *rows };

void bt_recipe_default(struct bt_recipe *r, const char *stage)
{
    bool caption = strcmp(stage, "caption") == 0, stage0 = strcmp(stage, "stage0") == 0;

    *r = (struct bt_recipe){ .seed = 42, .epochs = 10, .batch = 128, .lr = 1e-4, .lr_min = 1e-5, .lr_warmup_start = 1e-6,
                             .warmup_steps = 2000, .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.999, .adam_eps = 1e-8,
                             .augment = true, .random_augment = "none", .frozen_dropout = true, .mask_rate = 0.25,
                             .max_text = 32, .window = 128 };
    if (stage0)
        r->epochs = 5;
    if (strcmp(stage, "stage1") == 0) {
        r->warmup_steps = 5000;
        r->align_weight = 10;
    }
    if (strcmp(stage, "stage2") == 0)
        r->align_weight = 100;
    if (caption) {
        r->epochs = 5;
        r->batch = 16;
        r->lr = 1e-5;
        r->lr_min = 0;
        r->lr_warmup_start = 1e-8;
        r->warmup_steps = 1000;
    }
}

int bt_recipe_read(struct bt_recipe *r, const json_t *json, const char *place, struct bt_err *err)
{
    return bt_members_read(&members, r, json, place, err);
}

int bt_recipe_load(struct bt_recipe *r, const char *path, struct bt_err *err)
{
    json_t *json = NULL;
    int rc = bt_json_load(&json, path, err);

    if (!rc)
        rc = bt_recipe_read(r, json, path, err);
    json_decref(json);
    return rc;
}

int bt_recipe_set(struct bt_recipe *r, const char *assignment, struct bt_err *err)
{
    return bt_members_assign(&members, r, assignment, "--set", err);
}

bool bt_recipe_random_augment(enum bt_augment *augment, const struct bt_recipe *r)
{
    static const char *const words[] = { "none", "as-run", "intended" }; /* in the order of the enum */

    for (int i = 0; i < 3; i++) {
        if (strcmp(r->random_augment, words[i]) == 0) {
            *augment = (enum bt_augment)i;
            return true;
        }
    }
    return false;
}

int bt_recipe_check(const struct bt_recipe *r, struct bt_err *err)
{
    enum bt_augment random = BT_AUGMENT_NONE;

    if (r->epochs < 1 || r->batch < 1)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: epochs and batch must be at least 1");
    if (r->micro_batch && r->batch % r->micro_batch)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: micro_batch %lld does not divide batch %lld", (long long)r->micro_batch,
                       (long long)r->batch);
    if (r->lr_min > r->lr || r->beta1 >= 1 || r->beta2 >= 1)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: lr_min must not exceed lr, and betas must be below 1");
    if (r->mask_rate >= 1)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: mask_rate must be below 1");
    if (r->cache_tower && r->augment)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: cache_tower and augment exclude each other; set one of them to false");
    if (!bt_recipe_random_augment(&random, r))
        return bt_fail(err, BT_ERR_CONFIG, "recipe: random_augment must be none, as-run or intended");
    if (random && !r->augment)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: random_augment needs augment, whose crops and flips it follows");
    if (r->max_text < 2 || r->window < 2)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: max_text and window must be at least 2");
    return BT_OK;
}

json_t *bt_recipe_write(const struct bt_recipe *r)
{
    return bt_members_write(&members, r);
}

int bt_recipe_hash(const struct bt_recipe *r, char hex[65], struct bt_err *err)
{
    return bt_members_hash(&members, r, hex, err);
}
