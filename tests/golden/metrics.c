/* metrics [DIR]: caption and VQA scores against what the published tools compute, as TAP.
 *
 * DIR is laid out as tests/golden/metrics (made by make_metrics.py there): captions/CASE, vqa/CASE,
 * vqa/text.jsonl, meteor, meteor_own; sizes come from the files. What is in DIR and not computed here
 * (tokenize, GQA, retrieval) is skipped by name. */
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/metrics/captions.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/vqa.h"
#include "libcommon/metrics/vqa_text.h"

static const char *root = "tests/golden/metrics";
static char difference[512]; /* of the running test; empty: none */
static int test_count, test_failed;

/* The first difference is the one that is shown. */
static void differ(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void differ(const char *fmt, ...)
{
    va_list args;
    if (difference[0])
        return;
    va_start(args, fmt);
    vsnprintf(difference, sizeof difference, fmt, args);
    va_end(args);
}

static void report(const char *name, const char *part, const char *skip)
{
    test_count++;
    test_failed += difference[0] != 0;
    printf("%sok %d - %s%s%s%s%s%s%s\n", difference[0] ? "not " : "", test_count, name, part ? " " : "",
           part ? part : "", difference[0] ? ": " : "", difference, skip ? " # SKIP " : "", skip ? skip : "");
    difference[0] = 0;
}

static void compare(const char *what, double got, double want, double relative)
{
    double larger = fmax(fabs(got), fabs(want));
    if (!(fabs(got - want) <= relative * larger))
        differ("%s is %.15g, want %.15g (%.1e relative)", what, got, want, fabs(got - want) / larger);
}

static json_t *load(const char *folder, const char *file)
{
    char *path = bt_format("%s/%s/%s", root, folder, file);
    json_error_t error;
    json_t *value = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!value)
        differ("%s:%d: %s", path, error.line, error.text);
    free(path);
    return value;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        differ("expected.json has no number %s", key);
    return json_number_value(value);
}

static struct bt_text text_of(const json_t *string)
{
    return (struct bt_text){ json_string_value(string), json_string_length(string) };
}

#include "tests/golden/metrics_meteor.h"

/* ---------------------------------------------------------------- captions */

static int load_captions(struct bt_captions *set, const char *folder, bool subset,
                         struct bt_caption_scores *scores, struct bt_err *err)
{
    const struct bt_join_policy policy = { BT_DUPLICATES_ERROR, subset };
    char *references = bt_format("%s/%s/gt.json", root, folder),
         *results = bt_format("%s/%s/results.json", root, folder);
    int rc = bt_captions_load_references(set, references, err);
    if (!rc)
        rc = bt_captions_load_results(set, results, false, err);
    if (!rc)
        rc = bt_captions_score(set, &policy, false, scores, err);
    free(references);
    free(results);
    return rc;
}

/* Which images are scored, and in which order; or that the files are refused. */
static void check_ids(const char *folder, const json_t *expected)
{
    struct bt_captions *set = bt_captions_new();
    struct bt_caption_scores scores = { 0 };
    struct bt_err err = { 0 };
    const json_t *ids = json_object_get(expected, "image_ids");
    int rc = load_captions(set, folder, json_is_true(json_object_get(expected, "subset")), &scores, &err);

    if (json_object_get(expected, "error")) {
        if (rc == BT_OK)
            differ("accepted, want a refusal");
        else if (bt_exit_status(rc) != 65)
            differ("refused with %s (%s)", bt_status_name(rc), err.text);
    } else if (rc) {
        differ("%s", err.text);
    } else if (scores.count != json_array_size(ids)) {
        differ("%zu images, want %zu", scores.count, json_array_size(ids));
    } else {
        for (size_t i = 0; i < scores.count; i++) {
            struct bt_text id = bt_join_id(bt_captions_join(set), scores.each[i].number);
            const json_t *want = json_array_get(ids, i);
            char *text = json_is_string(want) ? bt_format("\"%s\"", json_string_value(want))
                                              : bt_format("%lld", (long long)json_integer_value(want));
            if (strlen(text) != id.size || memcmp(text, id.data, id.size) != 0)
                differ("image %zu is %.*s, want %s", i, (int)id.size, id.data, text);
            free(text);
        }
    }
    free(scores.each);
    bt_captions_free(set);
    report(folder, json_object_get(expected, "error") ? "refused" : "images", NULL);
}

static int score_tokens(const json_t *images, struct bt_caption_scores *scores, struct bt_err *err)
{
    const struct bt_join_policy policy = { BT_DUPLICATES_ERROR, false };
    struct bt_captions *set = bt_captions_new();
    const json_t *image, *reference;
    size_t i, r;
    int rc = BT_OK;
    json_array_foreach(images, i, image)
    {
        char *text = bt_format("%zu", i);
        struct bt_text id = { text, strlen(text) };
        rc = rc ? rc : bt_captions_image(set, id, err);
        rc = rc ? rc : bt_captions_result(set, id, text_of(json_object_get(image, "hyp")), err);
        json_array_foreach(json_object_get(image, "refs"), r, reference) rc =
            rc ? rc : bt_captions_reference(set, id, text_of(reference), err);
        free(text);
    }
    rc = rc ? rc : bt_captions_score(set, &policy, true, scores, err);
    bt_captions_free(set);
    return rc;
}

static void check_metric(const char *folder, const char *metric, const struct bt_caption_scores *scores,
                         const json_t *expected)
{
    const json_t *images = json_object_get(expected, "images"), *corpus = json_object_get(expected, "corpus");
    for (size_t i = 0; i <= scores->count; i++) {
        const struct bt_caption_score *s = &scores->each[i];
        const bool all = i == scores->count;
        const json_t *want = all ? corpus : json_array_get(images, i);
        char what[80];
        snprintf(what, sizeof what, all ? "%s of the corpus" : "%s of image %zu", metric, i);
        if (strcmp(metric, "BLEU") == 0)
            for (int n = 0; n < BT_ORDERS; n++) {
                const char *const keys[] = { "Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4" };
                compare(what, all ? scores->bleu[n] : s->bleu[n], number(want, keys[n]), 1e-9);
            }
        else if (strcmp(metric, "ROUGE_L") == 0)
            compare(what, all ? scores->rouge_l : s->rouge_l, number(want, metric), 1e-9);
        else
            compare(what, all ? scores->cider : s->cider, number(want, metric), 1e-9);
    }
    report(folder, metric, NULL);
}

static void check_captions(const char *folder)
{
    static const char *const metrics[] = { "BLEU", "ROUGE_L", "CIDEr" };
    struct bt_caption_scores scores = { 0 };
    struct bt_err err = { 0 };
    json_t *expected = load(folder, "expected.json");

    check_ids(folder, expected);
    if (!json_object_get(expected, "error")) {
        if (score_tokens(json_object_get(expected, "images"), &scores, &err) != BT_OK)
            differ("%s", err.text);
        for (size_t m = 0; m < 3; m++)
            check_metric(folder, metrics[m], &scores, expected);
        check_captions_meteor(folder, expected);
    }
    free(scores.each);
    json_decref(expected);
}

/* ---------------------------------------------------------------- VQA */

static int load_vqa(struct bt_vqa *set, const char *folder, struct bt_err *err)
{
    char *questions = bt_format("%s/%s/questions.json", root, folder);
    char *annotations = bt_format("%s/%s/annotations.json", root, folder);
    char *results = bt_format("%s/%s/results.json", root, folder);
    int rc = bt_vqa_load_questions(set, questions, err);
    if (!rc)
        rc = bt_vqa_load_annotations(set, annotations, err);
    if (!rc)
        rc = bt_vqa_load_results(set, results, false, err);
    free(questions);
    free(annotations);
    free(results);
    return rc;
}

static void compare_groups(const char *what, const struct bt_vqa_group *groups, int32_t count,
                           const json_t *want)
{
    const char *key;
    json_t *value;
    int32_t i = 0;
    json_object_foreach((json_t *)want, key, value)
    {
        if (i < count &&
            (groups[i].name.size != strlen(key) || memcmp(groups[i].name.data, key, strlen(key)) != 0))
            differ("%s %d is '%.*s', want '%s'", what, i, (int)groups[i].name.size, groups[i].name.data, key);
        else if (i < count)
            compare(key, groups[i].accuracy, json_number_value(value), 0);
        i++;
    }
    if (i != count)
        differ("%d %ss, want %d", count, what, i);
}

static void compare_vqa(const struct bt_vqa *set, const struct bt_vqa_scores *scores, const json_t *want)
{
    const json_t *each = json_object_get(want, "evalQA");
    compare("overall", scores->overall, number(want, "overall"), 0);
    compare_groups("question type", scores->question_types, scores->question_type_count,
                   json_object_get(want, "perQuestionType"));
    compare_groups("answer type", scores->answer_types, scores->answer_type_count,
                   json_object_get(want, "perAnswerType"));
    if (scores->count != json_object_size(each))
        differ("%zu questions, want %zu", scores->count, json_object_size(each));
    for (size_t i = 0; i < scores->count; i++) {
        struct bt_text id = bt_join_id(bt_vqa_join(set), scores->each[i].number);
        if (id.data[0] == '"')
            id = (struct bt_text){ id.data + 1, id.size - 2 };
        char *key = bt_format("%.*s", (int)id.size, id.data);
        compare(key, scores->each[i].accuracy, number(each, key), 0);
        free(key);
    }
}

static void check_variant(const char *folder, enum bt_vqa_variant variant, const json_t *expected)
{
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, false };
    const json_t *want = json_object_get(expected, bt_vqa_variant_name(variant));
    struct bt_vqa_scores scores = { 0 };
    struct bt_vqa *set = bt_vqa_new();
    struct bt_err err = { 0 };
    if (!want)
        goto free_set;

    int rc = load_vqa(set, folder, &err);
    if (!rc)
        rc = bt_vqa_score(set, variant, &policy, &scores, &err);
    if (json_object_get(want, "error")) {
        if (rc == BT_OK)
            differ("accepted, want a refusal");
        else if (bt_exit_status(rc) != 65)
            differ("refused with %s (%s)", bt_status_name(rc), err.text);
    } else if (rc) {
        differ("%s", err.text);
    } else {
        compare_vqa(set, &scores, want);
    }
    report(folder, bt_vqa_variant_name(variant), NULL);
    bt_vqa_scores_free(&scores);
free_set:
    bt_vqa_free(set);
}

/* LAVIS's own records: {question_id, pred_ans, gt_ans}. */
static void check_aokvqa(const char *folder)
{
    const struct bt_join_policy policy = { BT_DUPLICATES_ERROR, false };
    struct bt_vqa_scores scores = { 0 };
    struct bt_vqa *set = bt_vqa_new();
    struct bt_err err = { 0 };
    json_t *expected = load(folder, "expected.json"), *records = load(folder, "results.json"), *record,
           *answer;
    size_t i, a;
    int rc = BT_OK;
    json_array_foreach(records, i, record)
    {
        const json_t *given = json_object_get(record, "gt_ans");
        struct bt_vqa_answer *answers = calloc(json_array_size(given), sizeof *answers);
        struct bt_text id = text_of(json_object_get(record, "question_id")), type = { "", 0 };
        json_array_foreach(given, a, answer) answers[a] =
            (struct bt_vqa_answer){ text_of(answer), (int32_t)a };
        rc = rc ? rc : bt_vqa_question(set, id, type, type, answers, (int32_t)json_array_size(given), &err);
        rc = rc ? rc : bt_vqa_result(set, id, text_of(json_object_get(record, "pred_ans")), &err);
        free(answers);
    }
    rc = rc ? rc : bt_vqa_score(set, BT_VQA_AOKVQA, &policy, &scores, &err);
    if (rc)
        differ("%s", err.text);
    else
        compare("accuracy", scores.overall, number(expected, "acc"), 1e-12);
    report(folder, NULL, NULL);
    bt_vqa_scores_free(&scores);
    bt_vqa_free(set);
    json_decref(expected);
    json_decref(records);
}

static void compare_text(const char *key, struct bt_text got, const json_t *line)
{
    struct bt_text want = text_of(json_object_get(line, key));
    if (got.size != want.size || memcmp(got.data, want.data, got.size) != 0)
        differ("%s of '%s' is '%s', want '%s'", key,
               bt_quote_str(json_string_value(json_object_get(line, "text"))), bt_quote(got.data, got.size),
               bt_quote(want.data, want.size));
}

static void check_line(const json_t *line, struct bt_arena *arena)
{
    struct bt_text text = text_of(json_object_get(line, "text")), punctuation, digit_article, both;
    struct bt_err err = { 0 };
    if (bt_vqa_punctuation(arena, text, &punctuation, &err) ||
        bt_vqa_digit_article(arena, text, &digit_article, &err) ||
        bt_vqa_digit_article(arena, punctuation, &both, &err)) {
        differ("%s", err.text);
        return;
    }
    compare_text("punctuation", punctuation, line);
    compare_text("digit_article", digit_article, line);
    compare_text("both", both, line);
}

static void check_texts(void)
{
    char *path = bt_format("%s/vqa/text.jsonl", root);
    struct bt_arena *arena = bt_arena_new(1 << 16);
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t size, count = 0;
    int rc = bt_lines_open(&lines, path, &err);
    while (!rc && (rc = bt_lines_next(lines, &line, &size, &err)) == BT_OK) {
        json_t *value = json_loadb(line, size, JSON_ALLOW_NUL, NULL);
        check_line(value, arena);
        json_decref(value);
        count++;
    }
    if (rc != BT_END)
        differ("%s", err.text);
    else if (count == 0)
        differ("%s is empty", path);
    bt_lines_close(lines);
    bt_arena_free(arena);
    free(path);
    report("vqa/text", NULL, NULL);
}

static void check_vqa(const char *folder)
{
    if (strstr(folder, "/text.jsonl")) {
        check_texts();
    } else if (strcmp(folder, "vqa/aokvqa") == 0) {
        check_aokvqa(folder);
    } else {
        json_t *expected = load(folder, "expected.json");
        check_variant(folder, BT_VQA_OFFICIAL, expected);
        check_variant(folder, BT_VQA_LAVIS, expected);
        json_decref(expected);
    }
}

/* ---------------------------------------------------------------- what is there */

static void skip_tokenize(const char *folder)
{
    report(folder, NULL, "PTB tokenizer");
}
static void skip_gqa(const char *folder)
{
    report(folder, NULL, "GQA");
}
static void skip_retrieval(const char *folder)
{
    report(folder, NULL, "retrieval");
}

/* Calls `check` with every name in a folder of the set, sorted; returns how many there were. */
static int each_case(const char *folder, void (*check)(const char *name))
{
    char *path = bt_format("%s/%s", root, folder);
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), done = 0;
    for (int i = 0; i < count; i++) {
        char *name = bt_format("%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            check(name);
            done++;
        }
        free(name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    free(path);
    return done;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        root = argv[1];
    if (each_case("captions", check_captions) == 0)
        differ("no cases in %s", root);
    if (each_case("vqa", check_vqa) == 0)
        differ("no cases in %s", root);
    if (difference[0])
        report("cases", NULL, NULL);
    each_case("tokenize", skip_tokenize);
    each_case("meteor", check_meteor);
    each_case("meteor_own", check_meteor_own);
    each_case("gqa", skip_gqa);
    each_case("retrieval", skip_retrieval);
    printf("1..%d\n", test_count);
    return test_failed ? 1 : 0;
}
