/* The golden cases of GQA and of retrieval. */
#ifndef BT_GOLDEN_METRIC_GQA_H
#define BT_GOLDEN_METRIC_GQA_H

#include "libcommon/metrics/gqa.h"
#include "libcommon/metrics/retrieval.h"
#include "tests/golden/metric_case.h"

/* ---------------------------------------------------------------- GQA */

static int load_gqa(struct bt_gqa *set, const char *folder, const json_t *expected, struct bt_err *err)
{
    bool grounding = false;
    const json_t *flag;
    size_t i;
    json_array_foreach(json_object_get(expected, "flags"), i, flag) grounding =
        grounding || strcmp(json_string_value(flag), "--grounding") == 0;
    static const char *const names[] = { "questions", "choices", "sceneGraphs", "attentions", "predictions" };
    char *paths[5];
    for (size_t k = 0; k < 5; k++)
        paths[k] = bt_format("%s/%s/%s.json", root, folder, names[k]);
    int rc = bt_gqa_load_questions(set, paths[0], false, err);
    rc = rc ? rc : bt_gqa_load_choices(set, paths[1], err);
    rc = rc || !grounding ? rc : bt_gqa_load_scenes(set, paths[2], err);
    rc = rc || !grounding ? rc : bt_gqa_load_attentions(set, paths[3], err);
    rc = rc ? rc : bt_gqa_load_results(set, paths[4], false, err);
    for (size_t k = 0; k < 5; k++)
        free(paths[k]);
    return rc;
}

static void compare_details(const struct bt_gqa_scores *scores, const json_t *want)
{
    static const char *const keys[BT_GQA_DETAILS] = { "accuracyPerStructuralType", "accuracyPerSemanticType",
                                                      "accuracyPerSteps", "accuracyPerLength" };
    for (int d = 0; d < BT_GQA_DETAILS; d++) {
        const json_t *table = json_object_get(want, keys[d]), *row;
        if ((size_t)scores->detail_count[d] != json_object_size(table))
            differ("%s: %d rows, want %zu", keys[d], scores->detail_count[d], json_object_size(table));
        for (int32_t g = 0; g < scores->detail_count[d]; g++) {
            const struct bt_vqa_group *group = &scores->details[d][g];
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)group->name.size, group->name.data);
            row = json_object_get(table, name);
            compare(keys[d], group->accuracy, json_number_value(json_array_get(row, 0)), 0);
            compare(keys[d], (double)group->count, json_number_value(json_array_get(row, 1)), 0);
        }
    }
}

static void compare_gqa(const struct bt_gqa_scores *scores, const json_t *official)
{
    const json_t *want = json_object_get(official, "scores");
    for (int m = 0; m < BT_GQA_MEASURES; m++) {
        const char *name = bt_gqa_measure_names[m];
        if (m == BT_GQA_GROUNDING && isnan(scores->all[m]))
            continue;
        compare(name, scores->all[m], number(want, name), m < BT_GQA_GROUNDING ? 0 : 1e-9);
    }
    compare_details(scores, json_object_get(official, "detail"));
}

static void check_gqa_official(const char *folder, const json_t *expected)
{
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, false };
    const json_t *official = json_object_get(expected, "official");
    const char *error = json_string_value(json_object_get(official, "error"));
    struct bt_gqa_scores scores = { 0 };
    struct bt_gqa *set = bt_gqa_new();
    struct bt_err err = { 0 };
    int rc = load_gqa(set, folder, expected, &err);
    rc = rc ? rc : bt_gqa_score(set, BT_GQA_OFFICIAL, &policy, &scores, &err);
    if (error && strstr(error, "missing predictions")) {
        if (bt_exit_status(rc) != 65)
            differ("want a refusal, got %s", bt_status_name(rc));
    } else if (rc) {
        differ("%s", err.text);
    } else if (error) {
        /* It stops where no question has a group, and at given boxes; accuracy is that of the raw answers. */
        compare("accuracy", scores.all[BT_GQA_ACCURACY],
                number(json_object_get(expected, "lavis"), "prediction_only_rank"), 0);
        if (strstr(error, "ZeroDivisionError") && !isnan(scores.all[BT_GQA_DISTRIBUTION]))
            differ("distribution is %g, want none", scores.all[BT_GQA_DISTRIBUTION]);
    } else {
        compare_gqa(&scores, official);
    }
    report(folder, "official", NULL);
    bt_gqa_scores_free(&scores);
    bt_gqa_free(set);
}

static void check_gqa_lavis(const char *folder, const json_t *expected)
{
    static const char *const keys[BT_GQA_VARIANTS] = { "prediction_only_rank", "current",
                                                       "prediction_only_generate" };
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, false };
    char *results = bt_format("%s/%s/lavis_results.json", root, folder);
    for (int v = 0; v < BT_GQA_VARIANTS && json_object_get(expected, "lavis"); v++) {
        struct bt_gqa_scores scores = { 0 };
        struct bt_gqa *set = bt_gqa_new();
        struct bt_err err = { 0 };
        int rc = bt_gqa_load_results(set, results, true, &err);
        rc = rc ? rc : bt_gqa_score(set, (enum bt_gqa_variant)v, &policy, &scores, &err);
        if (rc)
            differ("%s", err.text);
        else
            compare(keys[v], scores.all[BT_GQA_ACCURACY], number(json_object_get(expected, "lavis"), keys[v]),
                    0);
        report(folder, keys[v], NULL);
        bt_gqa_scores_free(&scores);
        bt_gqa_free(set);
    }
    free(results);
}

static void check_gqa(const char *folder)
{
    json_t *expected = load(folder, "expected.json");
    check_gqa_official(folder, expected);
    check_gqa_lavis(folder, expected);
    json_decref(expected);
}

/* ---------------------------------------------------------------- retrieval */

static void compare_recall(const char *prefix, const double recall[BT_RECALLS], const json_t *expected)
{
    static const int depths[BT_RECALLS] = { 1, 5, 10 };
    const json_t *best = json_object_get(expected, "best"), *worst = json_object_get(expected, "worst");
    for (int k = 0; k < BT_RECALLS; k++) {
        char key[32];
        snprintf(key, sizeof key, "%s_r%d", prefix, depths[k]);
        if (!best)
            compare(key, recall[k], number(json_object_get(expected, "metrics"), key), 0);
        else if (recall[k] < number(worst, key) || recall[k] > number(best, key))
            differ("%s is %g, want %g to %g", key, recall[k], number(worst, key), number(best, key));
    }
}

static void check_retrieval(const char *name)
{
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 5, ".json") != 0)
        return;
    char *base = bt_format("%.*s", (int)(length - 5), name);
    char *pairs = bt_format("%s/%s", root, name), *matrices = bt_format("%s/%s.safetensors", root, base);
    struct bt_retrieval_scores scores = { 0 };
    struct bt_err err = { 0 };
    json_t *expected = load("", name);
    if (bt_retrieval_score(matrices, pairs, &scores, &err) != BT_OK) {
        differ("%s", err.text);
    } else {
        compare_recall("txt", scores.text, expected);
        compare_recall("img", scores.image, expected);
    }
    report(base, NULL, NULL);
    bt_retrieval_scores_free(&scores);
    json_decref(expected);
    free(matrices);
    free(pairs);
    free(base);
}

#endif
