/* Recipes: one table of members. Source: training.md 5, 7. */
#include "libcommon/train/recipe.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"

enum kind { COUNT, REAL, FLAG };

static const struct member {
    const char *name;
    enum kind kind;
    size_t offset;
} members[] = {
#define MEMBER(name, kind) { #name, kind, offsetof(struct bt_recipe, name) }
    MEMBER(seed, COUNT),          MEMBER(epochs, COUNT),       MEMBER(steps_per_epoch, COUNT),
    MEMBER(batch, COUNT),         MEMBER(micro_batch, COUNT),  MEMBER(lr, REAL),
    MEMBER(lr_min, REAL),         MEMBER(lr_warmup_start, REAL), MEMBER(warmup_steps, COUNT),
    MEMBER(cosine_per_step, FLAG), MEMBER(weight_decay, REAL), MEMBER(beta1, REAL),
    MEMBER(beta2, REAL),          MEMBER(adam_eps, REAL),      MEMBER(align_weight, REAL),
    MEMBER(augment, FLAG),        MEMBER(cache_tower, FLAG),   MEMBER(frozen_dropout, FLAG),
    MEMBER(mask_rate, REAL),      MEMBER(max_text, COUNT),     MEMBER(window, COUNT),
};
#define MEMBERS (sizeof members / sizeof *members)

void bt_recipe_default(struct bt_recipe *r, const char *stage)
{
    bool caption = strcmp(stage, "caption") == 0, stage0 = strcmp(stage, "stage0") == 0;

    *r = (struct bt_recipe){ .seed = 42, .epochs = 10, .batch = 128, .lr = 1e-4, .lr_min = 1e-5, .lr_warmup_start = 1e-6,
                             .warmup_steps = 2000, .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.999, .adam_eps = 1e-8,
                             .augment = true, .frozen_dropout = true, .mask_rate = 0.25, .max_text = 32, .window = 128 };
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

static const struct member *find(const char *name, size_t length)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (strlen(members[i].name) == length && strncmp(members[i].name, name, length) == 0)
            return &members[i];
    return NULL;
}

static int unknown(const char *place, const char *name, size_t length, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_CONFIG, "%s: a recipe has no '%s'; bt-train(1) lists its members", place, bt_quote(name, length));
}

static int set(struct bt_recipe *r, const struct member *m, const json_t *value, const char *place, struct bt_err *err)
{
    void *at = (char *)r + m->offset;

    switch (m->kind) {
    case COUNT:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return bt_fail(err, BT_ERR_CONFIG, "%s: %s must be a whole number of at least 0", place, m->name);
        *(int64_t *)at = json_integer_value(value);
        return BT_OK;
    case REAL:
        if (!json_is_number(value) || !(json_number_value(value) >= 0))
            return bt_fail(err, BT_ERR_CONFIG, "%s: %s must be a number of at least 0", place, m->name);
        *(double *)at = json_number_value(value);
        return BT_OK;
    case FLAG:
        if (!json_is_boolean(value))
            return bt_fail(err, BT_ERR_CONFIG, "%s: %s must be true or false", place, m->name);
        *(bool *)at = json_is_true(value);
        return BT_OK;
    }
    return BT_OK;
}

int bt_recipe_read(struct bt_recipe *r, const json_t *json, const char *place, struct bt_err *err)
{
    const char *key;
    json_t *value;
    int rc = BT_OK;

    if (!json_is_object(json))
        return bt_fail(err, BT_ERR_CONFIG, "%s: a recipe is a JSON object", place);
    json_object_foreach((json_t *)json, key, value) {
        const struct member *m = find(key, strlen(key));

        rc = m ? set(r, m, value, place, err) : unknown(place, key, strlen(key), err);
        if (rc)
            break;
    }
    return rc;
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
    const char *equals = strchr(assignment, '=');
    json_t *json = NULL;
    int rc;

    if (!equals)
        return bt_fail(err, BT_ERR_USAGE, "--set %s: is not KEY=VALUE", bt_quote_str(assignment));

    const struct member *m = find(assignment, (size_t)(equals - assignment));

    if (!m)
        return unknown("--set", assignment, (size_t)(equals - assignment), err);
    rc = bt_json_parse(&json, "--set", equals + 1, strlen(equals + 1), err);
    if (!rc)
        rc = set(r, m, json, "--set", err);
    json_decref(json);
    return rc;
}

int bt_recipe_check(const struct bt_recipe *r, struct bt_err *err)
{
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
    if (r->max_text < 2 || r->window < 2)
        return bt_fail(err, BT_ERR_CONFIG, "recipe: max_text and window must be at least 2");
    return BT_OK;
}

json_t *bt_recipe_write(const struct bt_recipe *r)
{
    json_t *json = json_object();

    for (size_t i = 0; i < MEMBERS && json; i++) {
        const void *at = (const char *)r + members[i].offset;
        json_t *value = members[i].kind == COUNT  ? json_integer(*(const int64_t *)at)
                        : members[i].kind == REAL ? json_real(*(const double *)at)
                                                  : json_boolean(*(const bool *)at);

        if (json_object_set_new(json, members[i].name, value)) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

int bt_recipe_hash(const struct bt_recipe *r, char hex[65], struct bt_err *err)
{
    json_t *json = bt_recipe_write(r);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    uint8_t digest[32];

    json_decref(json);
    if (!text)
        return bt_fail(err, BT_ERR_MEMORY, "recipe: out of memory");
    bt_sha256(text, strlen(text), digest);
    bt_hex(hex, digest, sizeof digest);
    free(text);
    return BT_OK;
}
