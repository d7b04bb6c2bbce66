/* VQA answers from files to a report. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/scoring.h"
#include "libcommon/metrics/submission.h"
#include "libcommon/metrics/vqa.h"

/* One system: its answers and what they score. */
struct answers {
    struct bt_vqa *set;
    struct bt_vqa_scores scores;
    struct bt_items items;
    int32_t *numbers;
    double *values;
};

static int load(struct answers *a, const struct bt_score_options *o, const char *input, struct bt_err *err)
{
    a->set = bt_vqa_new();
    int rc = a->set ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && o->questions)
        rc = bt_vqa_load_questions(a->set, o->questions, o->submission, err);
    if (!rc && o->refs && !(o->submission && o->questions))
        rc = bt_vqa_load_annotations(a->set, o->refs, err);
    return rc ? rc : bt_vqa_load_results(a->set, input, !o->refs && !o->submission, err);
}

static int tabulate(struct answers *a, struct bt_err *err)
{
    size_t count = a->scores.count;
    a->numbers = bt_alloc(count, sizeof *a->numbers, err);
    a->values = bt_alloc(count, sizeof *a->values, err);
    if (!a->numbers || !a->values)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        a->numbers[i] = a->scores.each[i].number;
        a->values[i] = a->scores.each[i].accuracy;
    }
    a->items = (struct bt_items){ .join = bt_vqa_join(a->set),
                                  .id_key = "question_id",
                                  .count = count,
                                  .numbers = a->numbers,
                                  .column_count = 1,
                                  .columns = { "accuracy" },
                                  .values = a->values };
    return BT_OK;
}

static int load_and_score(struct answers *a, const struct bt_scoring *s, const char *input,
                          struct bt_err *err)
{
    enum bt_vqa_variant variant = BT_VQA_OFFICIAL;
    while (s->o->variant && variant < BT_VQA_VARIANTS &&
           strcmp(s->o->variant, bt_vqa_variant_name(variant)) != 0)
        variant++;
    if (variant == BT_VQA_VARIANTS)
        return bt_fail(err, BT_ERR_USAGE, "--variant=%s: not for VQA", s->o->variant);
    int rc = load(a, s->o, input, err);
    if (!rc)
        rc = bt_vqa_score(a->set, variant, &s->policy, &a->scores, err);
    return rc ? rc : tabulate(a, err);
}

static void free_answers(struct answers *a)
{
    free(a->values);
    free(a->numbers);
    bt_vqa_scores_free(&a->scores);
    bt_vqa_free(a->set);
}

static const struct bt_text *references(const void *set, int32_t number, struct bt_arena *arena,
                                        int32_t *count)
{
    const struct bt_vqa_answer *answers = bt_vqa_answers(set, number, count);
    struct bt_text *texts = bt_arena_take(arena, (uint64_t)*count, sizeof *texts);
    for (int32_t i = 0; texts && i < *count; i++)
        texts[i] = answers[i].text;
    return texts;
}

static int add_section(struct bt_scoring *s, struct bt_report_section *section, const char *key,
                       const char *title, const struct bt_vqa_group *groups, int32_t count,
                       struct bt_err *err)
{
    struct bt_report_row *rows = bt_scoring_take(s, (size_t)count, sizeof *rows, err);
    if (!rows)
        return BT_ERR_MEMORY;
    for (int32_t i = 0; i < count; i++)
        rows[i] = (struct bt_report_row){ groups[i].name, groups[i].accuracy, groups[i].count, -1 };
    *section = (struct bt_report_section){ NULL, bt_scoring_text(key), title, rows, (size_t)count };
    return BT_OK;
}

static int report(struct bt_scoring *s, const struct bt_vqa_scores *scores, struct bt_err *err)
{
    struct bt_report *r = &s->report;
    struct bt_report_row *overall = bt_scoring_take(s, 1, sizeof *overall, err);
    struct bt_report_section *sections = bt_scoring_take(s, 2, sizeof *sections, err);
    if (!overall || !sections)
        return BT_ERR_MEMORY;

    *overall =
        (struct bt_report_row){ bt_scoring_text("overall"), scores->overall, (int64_t)scores->count, 0 };
    *r = (struct bt_report){ .value_title = "accuracy",
                             .count_title = "questions",
                             .decimals = 2,
                             .top = { .rows = overall, .count = 1 },
                             .sections = sections,
                             .section_count = 2,
                             .id_key = "question_id",
                             .value_key = "accuracy",
                             .result_key = "answer",
                             .references_key = "answers",
                             .total_key = "questions",
                             .total = scores->count };
    int rc = add_section(s, &sections[0], "perAnswerType", "answer type", scores->answer_types,
                         scores->answer_type_count, err);
    if (!rc)
        rc = add_section(s, &sections[1], "perQuestionType", "question type", scores->question_types,
                         scores->question_type_count, err);
    if (!rc)
        rc = bt_buf_printf(&s->signature, err, "bt-score|metric:VQA|variant:%s",
                           s->o->variant ? s->o->variant : "official");
    return rc ? rc : bt_scoring_sign_range(s, "answers", scores->fewest_answers, scores->most_answers, err);
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
        const struct bt_scoring_items with = { &mine.items, s->o->compare ? &other.items : NULL, 0,
                                               references, mine.set, false };
        rc = bt_scoring_finish(s, &with, mine.scores.data, err);
    }
    free_answers(&other);
    free_answers(&mine);
    return rc;
}

static int submit(const struct bt_scoring *s, struct bt_err *err)
{
    static const struct bt_submission form = { "question_id", "answer", false };
    struct answers mine = { 0 };
    int rc = load(&mine, s->o, s->o->input, err);
    if (!rc)
        rc =
            bt_submission_write(bt_vqa_join(mine.set), &s->policy, &form, s->o->submission, s->o->force, err);
    free_answers(&mine);
    return rc;
}

int bt_score_vqa(const struct bt_score_options *o, struct bt_err *err)
{
    struct bt_scoring s;
    int rc = bt_scoring_open(&s, o, BT_DUPLICATES_LAST, err);
    if (!rc)
        rc = o->submission ? submit(&s, err) : score(&s, err);
    bt_scoring_close(&s);
    return rc;
}
