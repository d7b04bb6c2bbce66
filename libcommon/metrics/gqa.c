#include "libcommon/metrics/gqa.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/metrics/gqa_private.h"
#include "libcommon/metrics/vqa_text.h"

const char *const bt_gqa_measure_names[BT_GQA_MEASURES] = { "binary",      "open",        "accuracy",
                                                            "consistency", "validity",    "plausibility",
                                                            "grounding",   "distribution" };

const char *bt_gqa_variant_name(enum bt_gqa_variant variant)
{
    static const char *const names[BT_GQA_VARIANTS] = { "official", "lavis", "blitext" };
    return names[variant];
}

struct bt_gqa *bt_gqa_new(void)
{
    struct bt_gqa *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->join = bt_join_new("question");
    set->arena = bt_arena_new(1 << 16);
    set->texts = bt_intern_new();
    set->box_names = bt_intern_new();
    if (!set->join || !set->arena || !set->texts || !set->box_names) {
        bt_gqa_free(set);
        return NULL;
    }
    return set;
}

void bt_gqa_free(struct bt_gqa *set)
{
    if (!set)
        return;
    bt_join_free(set->join);
    bt_arena_free(set->arena);
    bt_intern_free(set->texts);
    bt_intern_free(set->box_names);
    free(set->questions);
    free(set->boxes);
    free(set);
}

struct bt_join *bt_gqa_join(const struct bt_gqa *set)
{
    return set->join;
}

struct bt_text bt_gqa_answer(const struct bt_gqa *set, int32_t number)
{
    return bt_intern_text(set->texts, set->questions[number].answer);
}

/* ---------------------------------------------------------------- scoring */

/* What is counted on the way. */
struct counting {
    const struct bt_gqa *set;
    enum bt_gqa_variant variant;
    const struct bt_join_policy *policy;
    struct bt_gqa_scores *scores;
    double sums[BT_GQA_DISTRIBUTION];
    struct bt_intern *names[BT_GQA_DETAILS]; /* of the groups */
    struct bt_intern *answers;               /* (group, answer) pairs that are gold */
    double *gold, *predicted;                /* how often, by pair */
    uint64_t gold_capacity, predicted_capacity;
    uint64_t detail_capacity[BT_GQA_DETAILS];
    size_t unanswered; /* entailed questions without prediction or question */
    int32_t example;   /* who entails the first of them */
    struct bt_arena *scratch;
    struct bt_buf buf;
};

static bool same(struct bt_text a, struct bt_text b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool holds(const struct bt_gqa *set, struct bt_gqa_list list, struct bt_text text)
{
    for (int32_t i = 0; i < list.count; i++)
        if (same(bt_intern_text(set->texts, list.items[i]), text))
            return true;
    return false;
}

static int clean(struct counting *c, struct bt_text *text, struct bt_err *err)
{
    int rc = bt_vqa_punctuation(c->scratch, *text, text, err);
    return rc ? rc : bt_vqa_digit_article(c->scratch, *text, text, err);
}

static int is_correct(struct counting *c, int32_t number, struct bt_text prediction, bool *correct,
                      struct bt_err *err)
{
    struct bt_text answer = bt_gqa_answer(c->set, number);
    int rc = BT_OK;
    bt_arena_reset(c->scratch);
    if (c->variant != BT_GQA_OFFICIAL)
        rc = clean(c, &prediction, err);
    if (!rc && c->variant == BT_GQA_LAVIS)
        rc = clean(c, &answer, err);
    *correct = !rc && same(prediction, answer);
    return rc;
}

/* `share` counts for the question that is being scored. */
static void put(struct counting *c, enum bt_gqa_measure measure, double share)
{
    struct bt_gqa_scores *s = c->scores;
    s->values[s->count * BT_GQA_DISTRIBUTION + measure] = 100 * share;
    s->questions[measure]++;
    c->sums[measure] += share;
}

static void put_choices(struct counting *c, const struct bt_gqa_question *q, struct bt_text prediction)
{
    static const char *const attributes[] = { "color", "material", "shape" };
    bool valid = holds(c->set, q->valid, prediction), plausible = holds(c->set, q->plausible, prediction);
    if (q->common) {
        valid = false;
        for (size_t i = 0; i < 3; i++)
            valid = valid || same(prediction, (struct bt_text){ attributes[i], strlen(attributes[i]) });
        plausible = valid;
    }
    put(c, BT_GQA_VALIDITY, valid);
    put(c, BT_GQA_PLAUSIBILITY, plausible);
}

/* The share of entailed questions that are answered correctly too, for one that is. */
static int put_consistency(struct counting *c, int32_t number, struct bt_err *err)
{
    const struct bt_gqa *set = c->set;
    const struct bt_gqa_list entailed = set->questions[number].entailed;
    int32_t others = 0, right = 0;
    for (int32_t i = 0; i < entailed.count; i++) {
        int32_t other = bt_join_find(set->join, bt_intern_text(set->texts, entailed.items[i]));
        struct bt_text prediction;
        bool correct = false;
        if (other == number)
            continue;
        if (other < 0 || (uint64_t)other >= set->question_count ||
            !bt_join_get(set->join, other, c->policy, &prediction)) {
            if (c->unanswered++ == 0)
                c->example = number;
            continue;
        }
        int rc = is_correct(c, other, prediction, &correct, err);
        if (rc)
            return rc;
        others++;
        right += correct;
    }
    if (others > 0)
        put(c, BT_GQA_CONSISTENCY, (double)right / others);
    return BT_OK;
}

static int pair_key(struct counting *c, int32_t group, struct bt_text answer, struct bt_err *err)
{
    c->buf.size = 0;
    int rc = bt_buf_printf(&c->buf, err, "%d ", group);
    return rc ? rc : bt_buf_add(&c->buf, answer.data, answer.size, err);
}

static int count_gold(struct counting *c, int32_t number, struct bt_err *err)
{
    const struct bt_gqa_question *q = &c->set->questions[number];
    int32_t pair = 0, before = bt_intern_count(c->answers);
    int rc = pair_key(c, q->group, bt_gqa_answer(c->set, number), err);
    if (!rc)
        rc = bt_intern_add(c->answers, (struct bt_text){ c->buf.data, c->buf.size }, &pair, err);
    if (!rc)
        rc = bt_grow(&c->gold, &c->gold_capacity, (uint64_t)pair + 1, sizeof *c->gold, err);
    if (!rc)
        rc = bt_grow(&c->predicted, &c->predicted_capacity, (uint64_t)pair + 1, sizeof *c->predicted, err);
    if (rc)
        return rc;
    if (pair == before)
        c->gold[pair] = c->predicted[pair] = 0;
    c->gold[pair]++;
    return BT_OK;
}

/* Once all gold answers are known: an answer that is none of its group's does not count. */
static int count_predicted(struct counting *c, int32_t group, struct bt_text prediction, struct bt_err *err)
{
    int rc = pair_key(c, group, prediction, err);
    int32_t pair = rc ? -1 : bt_intern_find(c->answers, (struct bt_text){ c->buf.data, c->buf.size });
    if (pair >= 0)
        c->predicted[pair]++;
    return rc;
}

static int add_detail(struct counting *c, int detail, struct bt_text name, bool correct, struct bt_err *err)
{
    struct bt_gqa_scores *s = c->scores;
    int32_t group = 0;
    int rc = bt_intern_add(c->names[detail], name, &group, err);
    if (!rc)
        rc = bt_grow(&s->details[detail], &c->detail_capacity[detail], (uint64_t)group + 1,
                     sizeof *s->details[detail], err);
    if (rc)
        return rc;
    struct bt_vqa_group *groups = s->details[detail];
    if (group == s->detail_count[detail]) {
        groups[group] = (struct bt_vqa_group){ 0 };
        s->detail_count[detail]++;
    }
    groups[group].accuracy += correct;
    groups[group].count++;
    return BT_OK;
}

static int add_details(struct counting *c, const struct bt_gqa_question *q, bool correct, struct bt_err *err)
{
    char steps[16], words[16];
    snprintf(steps, sizeof steps, "%d", q->steps);
    snprintf(words, sizeof words, "%d", q->words);
    int rc = add_detail(c, 0, bt_intern_text(c->set->texts, q->structural), correct, err);
    if (!rc)
        rc = add_detail(c, 1, bt_intern_text(c->set->texts, q->semantic), correct, err);
    if (!rc)
        rc = add_detail(c, 2, (struct bt_text){ steps, strlen(steps) }, correct, err);
    return rc ? rc : add_detail(c, 3, (struct bt_text){ words, strlen(words) }, correct, err);
}

/* The measures that need the official files. */
static int put_official(struct counting *c, int32_t number, struct bt_text prediction, bool correct,
                        struct bt_err *err)
{
    const struct bt_gqa *set = c->set;
    const struct bt_gqa_question *q = &set->questions[number];
    double grounding;
    int rc = add_details(c, q, correct, err);
    const bool open = same(bt_intern_text(set->texts, q->structural), (struct bt_text){ "query", 5 });
    put(c, open ? BT_GQA_OPEN : BT_GQA_BINARY, correct);
    if (!rc && correct)
        rc = put_consistency(c, number, err);
    if (!rc && set->with_choices && !q->has_choices && !q->common)
        rc = bt_fail(err, BT_ERR_INPUT, "no choices for it; give the file that belongs to the questions");
    if (!rc && set->with_choices)
        put_choices(c, q, prediction);
    if (!rc && set->with_attentions) {
        rc = bt_gqa_ground(set, q, &c->buf, &grounding, err);
        if (!rc)
            put(c, BT_GQA_GROUNDING, grounding);
    }
    return rc || q->group < 0 ? rc : count_gold(c, number, err);
}

static int score_question(struct counting *c, int32_t number, struct bt_text prediction, struct bt_err *err)
{
    struct bt_gqa_scores *s = c->scores;
    struct bt_text id = bt_join_id(c->set->join, number), answer = bt_gqa_answer(c->set, number);
    bool correct = false;

    for (int m = 0; m < BT_GQA_DISTRIBUTION; m++)
        s->values[s->count * BT_GQA_DISTRIBUTION + (size_t)m] = NAN;
    int rc = is_correct(c, number, prediction, &correct, err);
    put(c, BT_GQA_ACCURACY, correct);
    if (!rc && c->variant == BT_GQA_OFFICIAL && c->set->questions[number].structural >= 0)
        rc = put_official(c, number, prediction, correct, err);
    c->buf.size = 0;
    if (!rc)
        rc = bt_buf_add(&c->buf, id.data, id.size + 1, err); /* with the NUL behind it */
    if (!rc)
        rc = bt_buf_add(&c->buf, answer.data, answer.size, err);
    if (rc) {
        bt_context(err, "question %s", bt_quote(id.data, id.size));
        return rc;
    }
    s->data += bt_xxh64(c->buf.data, c->buf.size);
    s->numbers[s->count++] = number;
    return BT_OK;
}

/* ---------------------------------------------------------------- what is left when all are scored */

/* The chi-square statistic of each group of questions, weighted by its size. */
static int distribution(struct counting *c, double *result, struct bt_err *err)
{
    const struct bt_gqa_scores *s = c->scores;
    double sum = 0, total = 0;
    uint64_t groups = (uint64_t)bt_intern_count(c->set->texts); /* a group is a text */
    double *chi = bt_alloc(groups, sizeof *chi, err), *size = bt_alloc(groups, sizeof *size, err);
    int rc = chi && size ? BT_OK : BT_ERR_MEMORY;

    for (size_t i = 0; !rc && i < s->count; i++) {
        struct bt_text prediction;
        int32_t group = c->set->questions[s->numbers[i]].group;
        if (group >= 0 && bt_join_get(c->set->join, s->numbers[i], c->policy, &prediction))
            rc = count_predicted(c, group, prediction, err);
    }
    for (int32_t pair = 0; !rc && pair < bt_intern_count(c->answers); pair++) {
        long group = strtol(bt_intern_text(c->answers, pair).data, NULL, 10);
        double off = c->predicted[pair] - c->gold[pair];
        chi[group] += off * off / c->gold[pair];
        size[group] += c->gold[pair];
    }
    for (uint64_t g = 0; !rc && g < groups; g++) {
        sum += chi[g] * size[g];
        total += size[g];
    }
    *result = sum / total / 100;
    free(size);
    free(chi);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct bt_vqa_group *x = a, *y = b;
    size_t shorter = x->name.size < y->name.size ? x->name.size : y->name.size;
    int order = memcmp(x->name.data, y->name.data, shorter);
    return order ? order : (x->name.size > y->name.size) - (x->name.size < y->name.size);
}

static int by_number(const void *a, const void *b)
{
    const struct bt_vqa_group *x = a, *y = b;
    long i = strtol(x->name.data, NULL, 10), j = strtol(y->name.data, NULL, 10);
    return (i > j) - (i < j);
}

/* Names are copied into the set, which lives longer than the counting. */
static int finish_details(struct counting *c, struct bt_err *err)
{
    for (int d = 0; d < BT_GQA_DETAILS; d++) {
        struct bt_vqa_group *groups = c->scores->details[d];
        int32_t count = c->scores->detail_count[d];
        for (int32_t g = 0; g < count; g++) {
            struct bt_text name = bt_intern_text(c->names[d], g);
            const char *copy = bt_arena_str(c->set->arena, name.data, name.size);
            if (!copy)
                return bt_fail(err, BT_ERR_MEMORY, "out of memory for the report");
            groups[g].name = (struct bt_text){ copy, name.size };
            groups[g].accuracy = groups[g].accuracy / (double)groups[g].count * 100;
        }
        if (count > 0)
            qsort(groups, (size_t)count, sizeof *groups, d < 2 ? by_name : by_number);
    }
    return BT_OK;
}

static void drop_consistency(struct counting *c)
{
    struct bt_text id = bt_join_id(c->set->join, c->example);
    struct bt_gqa_scores *s = c->scores;
    bt_note("consistency left out: %zu entailed questions have no prediction (question %s entails one); "
            "answer the "
            "unbalanced ones too",
            c->unanswered, bt_quote(id.data, id.size));
    for (size_t i = 0; i < s->count; i++)
        s->values[i * BT_GQA_DISTRIBUTION + BT_GQA_CONSISTENCY] = NAN;
    s->all[BT_GQA_CONSISTENCY] = NAN;
}

static int finish(struct counting *c, struct bt_err *err)
{
    const struct bt_gqa *set = c->set;
    struct bt_gqa_scores *s = c->scores;
    const bool official = s->detail_count[0] > 0;
    for (int m = 0; m < BT_GQA_MEASURES; m++)
        s->all[m] = NAN;
    if (s->count == 0)
        return bt_fail(err, BT_ERR_INPUT, "results: no balanced question has one; nothing can be scored");
    for (int m = 0; m < BT_GQA_DISTRIBUTION; m++) {
        bool there = m == BT_GQA_ACCURACY || (official && m < BT_GQA_VALIDITY) ||
                     (official && m < BT_GQA_GROUNDING && set->with_choices) ||
                     (official && set->with_attentions);
        if (there)
            s->all[m] = s->questions[m] > 0 ? c->sums[m] / (double)s->questions[m] * 100 : 0;
    }
    if (!official)
        return BT_OK;
    if (c->unanswered > 0)
        drop_consistency(c);
    if (bt_intern_count(c->answers) == 0)
        bt_note("distribution left out: no question belongs to a global group");
    int rc = finish_details(c, err);
    return rc || bt_intern_count(c->answers) == 0 ? rc : distribution(c, &s->all[BT_GQA_DISTRIBUTION], err);
}

static int counting_open(struct counting *c, struct bt_err *err)
{
    uint64_t questions = c->set->question_count;
    bool whole = (c->scratch = bt_arena_new(1 << 14)) && (c->answers = bt_intern_new());
    for (int d = 0; d < BT_GQA_DETAILS; d++)
        whole = whole && (c->names[d] = bt_intern_new());
    c->scores->numbers = bt_alloc(questions, sizeof *c->scores->numbers, err);
    c->scores->values = bt_alloc(questions * BT_GQA_DISTRIBUTION, sizeof *c->scores->values, err);
    return whole && c->scores->numbers && c->scores->values ? BT_OK
                                                            : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

static void counting_close(struct counting *c)
{
    for (int d = 0; d < BT_GQA_DETAILS; d++)
        bt_intern_free(c->names[d]);
    bt_intern_free(c->answers);
    bt_arena_free(c->scratch);
    bt_buf_free(&c->buf);
    free(c->gold);
    free(c->predicted);
}

int bt_gqa_score(struct bt_gqa *set, enum bt_gqa_variant variant, const struct bt_join_policy *policy,
                 struct bt_gqa_scores *scores, struct bt_err *err)
{
    struct bt_gqa_scores made = { 0 };
    struct counting c = { .set = set, .variant = variant, .policy = policy, .scores = &made };
    int rc = bt_join_check(set->join, policy, err);
    if (!rc)
        rc = counting_open(&c, err);
    for (int32_t i = 0; !rc && i < bt_join_count(set->join); i++) {
        struct bt_text prediction;
        if (bt_join_expected(set->join, i) && bt_join_get(set->join, i, policy, &prediction))
            rc = score_question(&c, i, prediction, err);
    }
    if (!rc)
        rc = finish(&c, err);
    counting_close(&c);
    if (rc)
        bt_gqa_scores_free(&made);
    else
        *scores = made;
    return rc;
}

void bt_gqa_scores_free(struct bt_gqa_scores *scores)
{
    free(scores->numbers);
    free(scores->values);
    for (int d = 0; d < BT_GQA_DETAILS; d++)
        free(scores->details[d]);
    *scores = (struct bt_gqa_scores){ 0 };
}
