/* Recipes: the published values, what a file and --set may change, and what is refused. */
#include "libcommon/train/recipe.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

/* training.md 7.1 */
static void test_published_values(void)
{
    static const struct { const char *stage; int epochs, batch; double lr, lr_min, start; int warmup; double align; } want[] = {
        { "stage0", 5, 128, 1e-4, 1e-5, 1e-6, 2000, 0 },
        { "stage1", 10, 128, 1e-4, 1e-5, 1e-6, 5000, 10 },
        { "stage2", 10, 128, 1e-4, 1e-5, 1e-6, 2000, 100 },
        { "caption", 5, 16, 1e-5, 0, 1e-8, 1000, 0 },
    };

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct bt_err err = { 0 };
        struct bt_recipe r;

        bt_recipe_default(&r, want[i].stage);
        CHECK_INT(r.epochs, want[i].epochs);
        CHECK_INT(r.batch, want[i].batch);
        CHECK(r.lr == want[i].lr && r.lr_min == want[i].lr_min && r.lr_warmup_start == want[i].start);
        CHECK_INT(r.warmup_steps, want[i].warmup);
        CHECK(r.align_weight == want[i].align);
        CHECK(r.seed == 42 && r.steps_per_epoch == 0 && r.micro_batch == 0 && !r.cosine_per_step);
        CHECK(r.weight_decay == 0.05 && r.beta1 == 0.9 && r.beta2 == 0.999 && r.adam_eps == 1e-8);
        CHECK(r.augment && strcmp(r.random_augment, "none") == 0 && r.frozen_dropout && !r.cache_tower);
        CHECK(r.mask_rate == 0.25 && r.max_text == 32);
        CHECK_OK(bt_recipe_check(&r, &err), &err);
    }
}

static struct bt_recipe stage1(void)
{
    struct bt_recipe r;

    bt_recipe_default(&r, "stage1");
    return r;
}

static void test_a_file_replaces_what_it_names(void)
{
    struct bt_err err = { 0 };
    struct bt_recipe r = stage1();

    CHECK_OK(bt_recipe_load(&r, scratch_text("r.json", "{\"lr\": 1, \"batch\": 8, \"augment\": false}"), &err), &err);
    CHECK(r.lr == 1 && r.batch == 8 && !r.augment);
    CHECK(r.epochs == 10 && r.align_weight == 10);
}

static void test_set_replaces_one(void)
{
    struct bt_err err = { 0 };
    struct bt_recipe r = stage1();

    CHECK_OK(bt_recipe_set(&r, "lr=2.5e-3", &err), &err);
    CHECK_OK(bt_recipe_set(&r, "seed=9007199254740991", &err), &err);
    CHECK_OK(bt_recipe_set(&r, "cosine_per_step=true", &err), &err);
    CHECK(r.lr == 2.5e-3 && r.seed == 9007199254740991 && r.cosine_per_step);
}

static void test_every_member_comes_back(void)
{
    struct bt_err err = { 0 };
    struct bt_recipe a = stage1(), b;
    char one[65], other[65];
    json_t *json = bt_recipe_write(&a);

    memset(&b, 0x5a, sizeof b);
    CHECK_OK(bt_recipe_read(&b, json, "recipe", &err), &err);
    CHECK_OK(bt_recipe_hash(&a, one, &err), &err);
    CHECK_OK(bt_recipe_hash(&b, other, &err), &err);
    CHECK_STR(one, other);
    CHECK_INT(json_object_size(json), 22);
    json_decref(json);
}

static void test_unknown_members_and_wrong_types(void)
{
    static const struct { const char *text, *message; } bad[] = {
        { "{\"learning_rate\": 1}", "bad.json: a recipe has no 'learning_rate'; bt-train(1) lists its members" },
        { "{\"batch\": 1.5}", "bad.json: batch must be a whole number of at least 0" },
        { "{\"batch\": \"8\"}", "bad.json: batch must be a whole number of at least 0" },
        { "{\"seed\": -1}", "bad.json: seed must be a whole number of at least 0" },
        { "{\"lr\": \"1e-4\"}", "bad.json: lr must be a number of at least 0" },
        { "{\"lr\": -1}", "bad.json: lr must be a number of at least 0" },
        { "{\"lr\": null}", "bad.json: lr must be a number of at least 0" },
        { "{\"augment\": 1}", "bad.json: augment must be true or false" },
        { "{\"random_augment\": true}", "bad.json: random_augment must be a text of at most 11 bytes" },
        { "{\"stage1\": {\"lr\": 1}}", "bad.json: a recipe has no 'stage1'; bt-train(1) lists its members" },
        { "[1]", "bad.json: a recipe is a JSON object" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bt_err err = { 0 };
        struct bt_recipe r = stage1();

        CHECK_INT(bt_recipe_load(&r, scratch_text("bad.json", bad[i].text), &err), BT_ERR_CONFIG);
        CHECK(strlen(err.text) >= strlen(bad[i].message));
        CHECK_STR(err.text + (strlen(err.text) - strlen(bad[i].message)), bad[i].message);
    }
}

static void test_wrong_settings(void)
{
    static const struct { const char *text; int status; } bad[] = {
        { "lr", BT_ERR_USAGE }, { "rate=1", BT_ERR_CONFIG }, { "l=1", BT_ERR_CONFIG }, { "=1", BT_ERR_CONFIG },
        { "lr=", BT_ERR_JSON }, { "lr=fast", BT_ERR_JSON }, { "lr=true", BT_ERR_CONFIG }, { "batch=0.5", BT_ERR_CONFIG },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bt_err err = { 0 };
        struct bt_recipe r = stage1();

        CHECK_INT(bt_recipe_set(&r, bad[i].text, &err), bad[i].status);
        CHECK(strncmp(err.text, "--set", 5) == 0);
    }
}

static void test_values_that_cannot_go_together(void)
{
    static const char *const bad[] = { "epochs=0", "batch=0", "micro_batch=3", "micro_batch=256", "lr_min=1", "beta1=1", "beta2=1",
                                       "mask_rate=1", "cache_tower=true", "max_text=1", "window=1", "random_augment=\"yes\"" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bt_err err = { 0 };
        struct bt_recipe r = stage1();

        CHECK_OK(bt_recipe_set(&r, bad[i], &err), &err);
        CHECK_INT(bt_recipe_check(&r, &err), BT_ERR_CONFIG);
    }
}

static void test_random_augment(void)
{
    static const char *const words[] = { "random_augment=\"none\"", "random_augment=\"as-run\"", "random_augment=\"intended\"" };
    struct bt_err err = { 0 };
    struct bt_recipe r = stage1();
    enum bt_augment augment;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(bt_recipe_set(&r, words[i], &err), &err);
        CHECK_OK(bt_recipe_check(&r, &err), &err);
        CHECK(bt_recipe_random_augment(&augment, &r) && (int)augment == i);
    }
    r.augment = false; /* nothing that it could follow */
    CHECK_INT(bt_recipe_check(&r, &err), BT_ERR_CONFIG);
}

/* Equal recipes have equal hashes, however they came to be; the hash is in every checkpoint and may not change unnoticed. */
static void test_the_hash_is_of_the_values(void)
{
    struct bt_err err = { 0 };
    struct bt_recipe a = stage1(), b = stage1();
    char one[65], other[65];

    CHECK_OK(bt_recipe_hash(&a, one, &err), &err);
    CHECK_STR(one, "3c0c6266fd64f5387e6979f549179b808ada454afb987bf29301152701b01409");
    CHECK_OK(bt_recipe_load(&b, scratch_text("same.json", "{\"warmup_steps\": 5000, \"lr\": 0.0001}"), &err), &err);
    CHECK_OK(bt_recipe_hash(&b, other, &err), &err);
    CHECK_STR(other, one);
    CHECK_OK(bt_recipe_set(&b, "lr=0.00010000000000000001", &err), &err);
    CHECK_OK(bt_recipe_hash(&b, other, &err), &err);
    CHECK_STR(other, one);
    CHECK_OK(bt_recipe_set(&b, "lr=0.0001000000000000001", &err), &err);
    CHECK_OK(bt_recipe_hash(&b, other, &err), &err);
    CHECK(strcmp(one, other) != 0);
}

int main(void)
{
    scratch_begin();
    RUN(test_published_values);
    RUN(test_a_file_replaces_what_it_names);
    RUN(test_set_replaces_one);
    RUN(test_every_member_comes_back);
    RUN(test_unknown_members_and_wrong_types);
    RUN(test_wrong_settings);
    RUN(test_values_that_cannot_go_together);
    RUN(test_random_augment);
    RUN(test_the_hash_is_of_the_values);
    scratch_end();
    return test_end();
}
