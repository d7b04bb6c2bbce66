#include "libcommon/metrics/vqa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"

struct question {
    const struct bt_vqa_answer *answers;
    int32_t answer_count, question_type, answer_type;
};

struct bt_vqa {
    struct bt_join *join;
    struct bt_arena *arena;
    struct bt_intern *question_types, *answer_types;
    struct bt_intern *choices;  /* id, NUL, choice; NULL unless multiple choice */
    struct question *questions; /* by number; without answers where there is only a result */
    uint64_t capacity, count;
};

struct bt_vqa *bt_vqa_new(void)
{
    struct bt_vqa *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->join = bt_join_new("question");
    set->arena = bt_arena_new(1 << 16);
    set->question_types = bt_intern_new();
    set->answer_types = bt_intern_new();
    if (!set->join || !set->arena || !set->question_types || !set->answer_types) {
        bt_vqa_free(set);
        return NULL;
    }
    return set;
}

void bt_vqa_free(struct bt_vqa *set)
{
    if (!set)
        return;
    bt_join_free(set->join);
    bt_arena_free(set->arena);
    bt_intern_free(set->question_types);
    bt_intern_free(set->answer_types);
    bt_intern_free(set->choices);
    free(set->questions);
    free(set);
}

struct bt_join *bt_vqa_join(const struct bt_vqa *set)
{
    return set->join;
}

const struct bt_vqa_answer *bt_vqa_answers(const struct bt_vqa *set, int32_t number, int32_t *count)
{
    *count = set->questions[number].answer_count;
    return set->questions[number].answers;
}

static int copy_answers(struct bt_vqa *set, const struct bt_vqa_answer *answers, int32_t count,
                        struct question *q, struct bt_err *err)
{
    struct bt_vqa_answer *copies = bt_arena_take(set->arena, (uint64_t)count, sizeof *copies);
    for (int32_t i = 0; copies && i < count; i++) {
        struct bt_text text = answers[i].text;
        copies[i].text =
            (struct bt_text){ bt_arena_str(set->arena, text.size > 0 ? text.data : "", text.size),
                              text.size };
        copies[i].identity = answers[i].identity;
        if (!copies[i].text.data)
            copies = NULL;
    }
    if (!copies)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the answers");
    q->answers = copies;
    q->answer_count = count;
    return BT_OK;
}

int bt_vqa_question(struct bt_vqa *set, struct bt_text id, struct bt_text question_type,
                    struct bt_text answer_type, const struct bt_vqa_answer *answers, int32_t count,
                    struct bt_err *err)
{
    struct question q = { 0 };
    int32_t number = 0;
    bool known = false;

    if (count == 0)
        return bt_fail(err, BT_ERR_INPUT, "no answers; a question needs at least one");
    if (count > BT_VQA_ANSWERS)
        return bt_fail(err, BT_ERR_LIMIT, "%d answers, the limit is %d", count, BT_VQA_ANSWERS);
    int rc = bt_join_expect(set->join, id, &number, &known, err);
    if (!rc && known)
        rc =
            bt_fail(err, BT_ERR_INPUT, "question %s has answers already; each question may be annotated once",
                    bt_quote(id.data, id.size));
    if (!rc)
        rc = bt_intern_add(set->question_types, question_type, &q.question_type, err);
    if (!rc)
        rc = bt_intern_add(set->answer_types, answer_type, &q.answer_type, err);
    if (!rc)
        rc = copy_answers(set, answers, count, &q, err);
    if (!rc)
        rc = bt_grow(&set->questions, &set->capacity, (uint64_t)number + 1, sizeof *set->questions, err);
    if (rc)
        return rc;
    for (; set->count <= (uint64_t)number; set->count++)
        set->questions[set->count] = (struct question){ 0 };
    set->questions[number] = q;
    return BT_OK;
}

int bt_vqa_expect(struct bt_vqa *set, struct bt_text id, struct bt_err *err)
{
    int32_t number;
    return bt_join_expect(set->join, id, &number, NULL, err);
}

/* The key of a choice in the table. */
static int choice_key(struct bt_text id, struct bt_text choice, struct bt_buf *key, struct bt_err *err)
{
    int rc = bt_buf_add(key, id.data, id.size, err);
    if (!rc)
        rc = bt_buf_add(key, "", 1, err);
    return rc ? rc : bt_buf_add(key, choice.data, choice.size, err);
}

int bt_vqa_choice(struct bt_vqa *set, struct bt_text id, struct bt_text choice, struct bt_err *err)
{
    struct bt_buf key = { 0 };
    int32_t number;
    if (!set->choices)
        set->choices = bt_intern_new();
    if (!set->choices)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the choices");
    int rc = choice_key(id, choice, &key, err);
    if (!rc)
        rc = bt_intern_add(set->choices, (struct bt_text){ key.data, key.size }, &number, err);
    bt_buf_free(&key);
    return rc;
}

int bt_vqa_result(struct bt_vqa *set, struct bt_text id, struct bt_text answer, struct bt_err *err)
{
    struct bt_buf key = { 0 };
    int rc = BT_OK;
    if (set->choices) {
        rc = choice_key(id, answer, &key, err);
        if (!rc && bt_intern_find(set->choices, (struct bt_text){ key.data, key.size }) < 0)
            rc = bt_fail(err, BT_ERR_INPUT, "question %s: answer '%s' is not one of its choices",
                         bt_quote(id.data, id.size), bt_quote(answer.data, answer.size));
        bt_buf_free(&key);
    }
    return rc ? rc : bt_join_result(set->join, id, answer, err);
}

/* Correct to two decimals as Python's round(): printf rounds the exact binary value, ties to even. */
static double per_cent(enum bt_vqa_variant variant, double sum, int64_t count)
{
    char text[64];
    if (variant == BT_VQA_AOKVQA)
        return sum / (double)count * 100;
    snprintf(text, sizeof text, "%.2f", 100 * sum / (double)count);
    return strtod(text, NULL);
}

static struct bt_vqa_group *new_groups(const struct bt_intern *names, struct bt_err *err)
{
    struct bt_vqa_group *groups = bt_alloc((uint64_t)bt_intern_count(names), sizeof *groups, err);
    for (int32_t i = 0; groups && i < bt_intern_count(names); i++)
        groups[i].name = bt_intern_text(names, i);
    return groups;
}

static void add_to(struct bt_vqa_group *group, double accuracy)
{
    group->accuracy += accuracy;
    group->count++;
}

/* Sums become per cent; types that no scored question has are dropped. */
static int32_t finish_groups(enum bt_vqa_variant variant, struct bt_vqa_group *groups, int32_t count)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++)
        if (groups[i].count > 0) {
            groups[i].accuracy = per_cent(variant, groups[i].accuracy, groups[i].count);
            groups[kept++] = groups[i];
        }
    return kept;
}

/* Adds the question's answers to the hash of the data, so that their order does not count. */
static int hash_question(struct bt_text id, const struct question *q, uint64_t *data, struct bt_buf *buf,
                         struct bt_err *err)
{
    int rc = BT_OK;
    for (int32_t i = 0; !rc && i < q->answer_count; i++) {
        buf->size = 0;
        rc = choice_key(id, q->answers[i].text, buf, err);
        if (!rc)
            *data += bt_xxh64(buf->data, buf->size);
    }
    return rc;
}

static int score_question(const struct bt_vqa *set, enum bt_vqa_variant variant, int32_t number,
                          struct bt_text result, struct bt_arena *scratch, struct bt_vqa_scores *scores,
                          double *accuracy, struct bt_err *err)
{
    const struct question *q = &set->questions[number];
    struct bt_text id = bt_join_id(set->join, number);

    bt_arena_reset(scratch);
    int rc = bt_vqa_accuracy(variant, q->answers, q->answer_count, result, scratch, accuracy, err);
    if (rc) {
        bt_context(err, "question %s", bt_quote(id.data, id.size));
        return rc;
    }
    add_to(&scores->question_types[q->question_type], *accuracy);
    add_to(&scores->answer_types[q->answer_type], *accuracy);
    if (scores->count == 0 || q->answer_count < scores->fewest_answers)
        scores->fewest_answers = q->answer_count;
    if (q->answer_count > scores->most_answers)
        scores->most_answers = q->answer_count;
    scores->each[scores->count++] = (struct bt_vqa_score){ number, per_cent(variant, *accuracy, 1) };
    return BT_OK;
}

static int score_questions(const struct bt_vqa *set, enum bt_vqa_variant variant,
                           const struct bt_join_policy *policy, struct bt_vqa_scores *scores,
                           struct bt_err *err)
{
    struct bt_arena *scratch = bt_arena_new(1 << 14);
    struct bt_buf buf = { 0 };
    double sum = 0, accuracy = 0;
    int rc = scratch ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for the answers");

    for (int32_t i = 0; !rc && i < bt_join_count(set->join); i++) {
        struct bt_text result;
        if (!bt_join_get(set->join, i, policy, &result))
            continue;
        rc = score_question(set, variant, i, result, scratch, scores, &accuracy, err);
        if (!rc)
            rc = hash_question(bt_join_id(set->join, i), &set->questions[i], &scores->data, &buf, err);
        sum += accuracy;
    }
    bt_buf_free(&buf);
    bt_arena_free(scratch);
    if (!rc && scores->count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "results: no results; nothing can be scored");
    if (!rc)
        scores->overall = per_cent(variant, sum, (int64_t)scores->count);
    return rc;
}

int bt_vqa_score(struct bt_vqa *set, enum bt_vqa_variant variant, const struct bt_join_policy *policy,
                 struct bt_vqa_scores *scores, struct bt_err *err)
{
    struct bt_vqa_scores made = { 0 };
    int rc = bt_join_check(set->join, policy, err);
    if (rc)
        return rc;
    made.each = bt_alloc((uint64_t)bt_join_count(set->join), sizeof *made.each, err);
    made.question_types = new_groups(set->question_types, err);
    made.answer_types = new_groups(set->answer_types, err);
    if (!made.each || !made.question_types || !made.answer_types)
        rc = BT_ERR_MEMORY;
    if (!rc)
        rc = score_questions(set, variant, policy, &made, err);
    if (rc) {
        bt_vqa_scores_free(&made);
        return rc;
    }
    made.question_type_count =
        finish_groups(variant, made.question_types, bt_intern_count(set->question_types));
    made.answer_type_count = finish_groups(variant, made.answer_types, bt_intern_count(set->answer_types));
    *scores = made;
    return BT_OK;
}

void bt_vqa_scores_free(struct bt_vqa_scores *scores)
{
    free(scores->each);
    free(scores->question_types);
    free(scores->answer_types);
    *scores = (struct bt_vqa_scores){ 0 };
}
