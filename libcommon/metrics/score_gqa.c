/* Answers to GQA's questions from files to a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/gqa.h"
#include "libcommon/metrics/scoring.h"
#include "libcommon/metrics/submission.h"

/* One system: its answers and what they score. */
struct answers {
    struct bt_gqa *set;
    struct bt_gqa_scores scores;
    struct bt_items items;
};

static void free_answers(struct answers *a)
{
    bt_gqa_scores_free(&a->scores);
    bt_gqa_free(a->set);
}

static int load(struct answers *a, const struct bt_score_options *o, const char *input, struct bt_err *err)
{
    a->set = bt_gqa_new();
    int rc = a->set ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && o->questions)
        rc = bt_gqa_load_questions(a->set, o->questions, o->submission, err);
    if (!rc && o->choices)
        rc = bt_gqa_load_choices(a->set, o->choices, err);
    if (!rc && o->attentions)
        rc = bt_gqa_load_scenes(a->set, o->scenes, err);
    if (!rc && o->attentions)
        rc = bt_gqa_load_attentions(a->set, o->attentions, err);
    return rc ? rc : bt_gqa_load_results(a->set, input, !o->questions, err);
}

static int find_variant(const char *name, enum bt_gqa_variant *variant, struct bt_err *err)
{
    *variant = BT_GQA_OFFICIAL;
    while (name && *variant < BT_GQA_VARIANTS && strcmp(name, bt_gqa_variant_name(*variant)) != 0)
        ++*variant;
    return *variant < BT_GQA_VARIANTS ? BT_OK : bt_fail(err, BT_ERR_USAGE, "--variant=%s: not for GQA", name);
}

static int load_and_score(struct answers *a, const struct bt_scoring *s, const char *input,
                          struct bt_err *err)
{
    enum bt_gqa_variant variant;
    int rc = find_variant(s->o->variant, &variant, err);
    if (!rc)
        rc = load(a, s->o, input, err);
    if (!rc)
        rc = bt_gqa_score(a->set, variant, &s->policy, &a->scores, err);
    if (rc)
        return rc;
    a->items = (struct bt_items){ .join = bt_gqa_join(a->set),
                                  .id_key = "question_id",
                                  .count = a->scores.count,
                                  .numbers = a->scores.numbers,
                                  .column_count = BT_GQA_DISTRIBUTION,
                                  .values = a->scores.values };
    for (int m = 0; m < BT_GQA_DISTRIBUTION; m++)
        a->items.columns[m] = bt_gqa_measure_names[m];
    return BT_OK;
}

static const struct bt_text *references(const void *set, int32_t number, struct bt_arena *arena,
                                        int32_t *count)
{
    struct bt_text *text = bt_arena_take(arena, 1, sizeof *text);
    *count = 1;
    if (text)
        *text = bt_gqa_answer(set, number);
    return text;
}

static int add_details(struct bt_scoring *s, const struct bt_gqa_scores *scores, struct bt_err *err)
{
    static const char *const keys[BT_GQA_DETAILS] = { "accuracyPerStructuralType", "accuracyPerSemanticType",
                                                      "accuracyPerSteps", "accuracyPerLength" };
    static const char *const titles[BT_GQA_DETAILS] = { "structural type", "semantic type", "steps number",
                                                        "words number" };
    struct bt_report_section *sections = bt_scoring_take(s, BT_GQA_DETAILS, sizeof *sections, err);
    for (int d = 0; sections && d < BT_GQA_DETAILS; d++) {
        size_t count = (size_t)scores->detail_count[d];
        struct bt_report_row *rows = bt_scoring_take(s, count, sizeof *rows, err);
        if (!rows)
            return BT_ERR_MEMORY;
        for (size_t i = 0; i < count; i++) {
            const struct bt_vqa_group *group = &scores->details[d][i];
            rows[i] = (struct bt_report_row){ group->name, group->accuracy, group->count, -1 };
        }
        sections[d] = (struct bt_report_section){ NULL, bt_scoring_text(keys[d]), titles[d], rows, count };
    }
    s->report.sections = sections;
    s->report.section_count = scores->detail_count[0] > 0 ? BT_GQA_DETAILS : 0;
    return sections ? BT_OK : BT_ERR_MEMORY;
}

/* The measures that could be had; LAVIS has accuracy alone, under two names. */
static int add_rows(struct bt_scoring *s, const struct bt_gqa_scores *scores, struct bt_err *err)
{
    struct bt_report_row *rows = bt_scoring_take(s, BT_GQA_MEASURES, sizeof *rows, err);
    size_t count = 0;
    if (!rows)
        return BT_ERR_MEMORY;
    const bool lavis = s->o->variant && strcmp(s->o->variant, "official") != 0;
    for (int m = 0; m < BT_GQA_MEASURES; m++)
        if (!isnan(scores->all[m]))
            rows[count++] =
                (struct bt_report_row){ bt_scoring_text(lavis ? "acc" : bt_gqa_measure_names[m]),
                                        scores->all[m], m < BT_GQA_DISTRIBUTION ? scores->questions[m] : -1,
                                        m < BT_GQA_DISTRIBUTION ? m : -1 };
    if (lavis)
        rows[count++] =
            (struct bt_report_row){ bt_scoring_text("agg_metrics"), scores->all[BT_GQA_ACCURACY], -1, -1 };
    s->report.top = (struct bt_report_section){ .rows = rows, .count = count };
    return BT_OK;
}

static int report(struct bt_scoring *s, const struct bt_gqa_scores *scores, struct bt_err *err)
{
    s->report = (struct bt_report){ .value_title = "measure",
                                    .count_title = "questions",
                                    .decimals = 2,
                                    .id_key = "question_id",
                                    .value_key = "accuracy",
                                    .result_key = "answer",
                                    .references_key = "answers",
                                    .total_key = "questions",
                                    .total = scores->count };
    int rc = add_rows(s, scores, err);
    if (!rc)
        rc = add_details(s, scores, err);
    return rc ? rc
              : bt_buf_printf(&s->signature, err, "bt-score|metric:GQA|variant:%s",
                              s->o->variant ? s->o->variant : "official");
}

static int score(struct bt_scoring *s, struct bt_err *err)
{
    struct answers mine = { 0 }, other = { 0 };
    int rc = load_and_score(&mine, s, s->o->input, err);
    if (!rc && s->o->compare)
        rc = load_and_score(&other, s, s->o->compare, err);
    if (!rc && s->o->compare)
        rc = bt_scoring_same_data(s->o, mine.scores.data, other.scores.data, err);
    if (!rc)
        rc = report(s, &mine.scores, err);
    if (!rc) {
        const struct bt_scoring_items with = { &mine.items, s->o->compare ? &other.items : NULL,
                                               BT_GQA_ACCURACY, references, mine.set, false };
        rc = bt_scoring_finish(s, &with, mine.scores.data, err);
    }
    free_answers(&other);
    free_answers(&mine);
    return rc;
}

static int submit(const struct bt_scoring *s, struct bt_err *err)
{
    static const struct bt_submission form = { "questionId", "prediction", true };
    struct answers mine = { 0 };
    int rc = load(&mine, s->o, s->o->input, err);
    if (!rc)
        rc =
            bt_submission_write(bt_gqa_join(mine.set), &s->policy, &form, s->o->submission, s->o->force, err);
    free_answers(&mine);
    return rc;
}

int bt_score_gqa(const struct bt_score_options *o, struct bt_err *err)
{
    struct bt_scoring s;
    int rc = bt_scoring_open(&s, o, BT_DUPLICATES_LAST, err);
    if (!rc && !o->attentions != !o->scenes)
        rc = bt_fail(err, BT_ERR_USAGE, "grounding needs both --scenes and --attentions");
    if (!rc && !o->questions && (o->choices || o->attentions))
        rc = bt_fail(err, BT_ERR_USAGE, "--choices, --scenes and --attentions need --questions");
    if (!rc && o->submission && !o->questions)
        rc = bt_fail(err, BT_ERR_USAGE, "--submission: give the questions to answer with --questions");
    if (!rc)
        rc = o->submission ? submit(&s, err) : score(&s, err);
    bt_scoring_close(&s);
    return rc;
}
