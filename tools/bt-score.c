/* bt-score - generated captions and answers against references.  See bt-score(1). */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/tool.h"
#include "libcommon/metrics/captions.h"
#include "libcommon/metrics/report.h"
#include "libcommon/metrics/vqa.h"
#include "libcommon/stream/stream.h"

static const char *command, *refs, *questions, *variant, *duplicates, *per_item;
static bool subset, json, force;
static int64_t worst_count;
static struct bt_list operands;

static const struct bt_option options[] = {
    BT_OPT_COMMAND(&command, "caption|vqa", "what the results are"),
    BT_OPT_STRING('r', "refs", &refs, "FILE", "references: records, captions JSON or VQA annotations"),
    BT_OPT_STRING(0, "annotations", &refs, "FILE", "another name of --refs"),
    BT_OPT_STRING(0, "questions", &questions, "FILE", "VQA questions, for the choices of multiple choice"),
    BT_OPT_CHOICE(0, "variant", &variant, "official|lavis|aokvqa", "which VQA evaluator (official)"),
    BT_OPT_CHOICE(0, "duplicates", &duplicates, "error|first|last",
                  "several results for one id (captions: error, VQA: last)"),
    BT_OPT_FLAG(0, "subset", &subset, "score what has a result; otherwise a missing one is an error"),
    BT_OPT_FLAG('j', "json", &json, "one JSON object instead of the table"),
    BT_OPT_COUNT('w', "worst", &worst_count, "N", "also show the N worst results"),
    BT_OPT_STRING('p', "per-item", &per_item, "OUT", "write the scores of every item as records"),
    BT_OPT_READING,
    BT_OPT_FLAG('f', "force", &force, "replace OUT"),
    BT_OPT_OPERANDS(&operands, "FILE", "prediction records or results JSON (stdin)"),
    BT_OPT_END
};

/* What both commands end with: the report, and where its parts are kept. */
struct output {
    struct bt_report report;
    struct bt_arena *arena;
    struct bt_buf signature;
};

static struct bt_text literal(const char *text)
{
    return (struct bt_text){ text, strlen(text) };
}

/* "5", or "4-7" */
static int add_range(struct bt_buf *buf, const char *name, int32_t least, int32_t most, struct bt_err *err)
{
    return least == most ? bt_buf_printf(buf, err, "|%s:%d", name, least)
                         : bt_buf_printf(buf, err, "|%s:%d-%d", name, least, most);
}

/* The end of a signature: everything that a score depends on has been said when it is printed. */
static int finish_signature(struct output *o, size_t count, uint64_t data, struct bt_err *err)
{
    int rc = BT_OK;
    if (duplicates && strcmp(duplicates, "error") != 0)
        rc = bt_buf_printf(&o->signature, err, "|dup:%s", duplicates);
    if (!rc && subset)
        rc = bt_buf_printf(&o->signature, err, "|subset");
    if (!rc)
        rc = bt_buf_printf(&o->signature, err, "|n:%zu|data:%016llx|v:%s", count, (unsigned long long)data,
                           bt_version());
    o->report.signature = o->signature.data;
    return rc;
}

static int print_report(struct output *o, struct bt_err *err)
{
    if (json)
        return bt_report_json(&o->report, stdout, err);
    bt_report_table(&o->report, stdout);
    return BT_OK;
}

/* ---------------------------------------------------------------- per item */

static int open_items(struct bt_writer **writer, const char *signature, struct bt_err *err)
{
    const struct bt_writer_options writer_options = { .schema = &bt_schema_score, .force = force };
    int rc = bt_writer_open(writer, per_item, &writer_options, err);
    return rc ? rc : bt_writer_must_str(*writer, "signature", signature, err);
}

/* `id`, and the same as a number or a string under `key`. */
static int set_id(struct bt_record *rec, const char *key, struct bt_text id, struct bt_err *err)
{
    bool quoted = id.data[0] == '"';
    struct bt_text bare = quoted ? (struct bt_text){ id.data + 1, id.size - 2 } : id;
    bt_record_clear(rec);
    int rc = bt_record_set_str(rec, "id", bare.data, bare.size, err);
    if (rc)
        return rc;
    return quoted ? bt_record_set_str(rec, key, bare.data, bare.size, err)
                  : bt_record_set_int(rec, key, strtoll(id.data, NULL, 10), err);
}

static int set_caption_score(struct bt_record *rec, const struct bt_caption_score *score, struct bt_err *err)
{
    static const char *const keys[] = { "Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4" };
    int rc = BT_OK;
    for (int n = 0; !rc && n < BT_ORDERS; n++)
        rc = bt_record_set_float(rec, keys[n], score->bleu[n], err);
    if (!rc)
        rc = bt_record_set_float(rec, "ROUGE_L", score->rouge_l, err);
    if (!rc)
        rc = bt_record_set_float(rec, "CIDEr", score->cider, err);
    return rc ? rc : bt_record_set_float(rec, "exact", score->exact, err);
}

/* One of the two kinds of scores is NULL. */
static int write_items(const struct bt_join *join, const struct bt_caption_scores *captions,
                       const struct bt_vqa_scores *answers, const char *signature, struct bt_err *err)
{
    struct bt_writer *writer = NULL;
    struct bt_record *rec = bt_record_new();
    size_t count = captions ? captions->count : answers->count;
    int rc = rec ? open_items(&writer, signature, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < count; i++) {
        int32_t number = captions ? captions->each[i].number : answers->each[i].number;
        rc = set_id(rec, captions ? "image_id" : "question_id", bt_join_id(join, number), err);
        if (!rc && captions)
            rc = set_caption_score(rec, &captions->each[i], err);
        else if (!rc)
            rc = bt_record_set_float(rec, "accuracy", answers->each[i].accuracy, err);
        if (!rc)
            rc = bt_writer_put(writer, rec, err);
        if (!rc)
            rc = bt_writer_input_done(writer, i, err);
    }
    if (!rc)
        rc = bt_writer_finish(writer, err);
    bt_writer_close(writer);
    bt_record_free(rec);
    return rc;
}

/* ---------------------------------------------------------------- the worst */

struct rank {
    double value;
    size_t place; /* keeps the order among equals */
    int32_t number;
};

static int compare_ranks(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* The references of one item as texts. */
typedef const struct bt_text *references_function(const void *set, int32_t number, struct bt_arena *arena,
                                                  int32_t *count);

static int add_worst(struct output *o, struct rank *ranks, size_t count, const struct bt_join *join,
                     const struct bt_join_policy *policy, references_function *references, const void *set,
                     struct bt_err *err)
{
    size_t shown = (uint64_t)worst_count < count ? (size_t)worst_count : count;
    struct bt_report_item *items = bt_arena_take(o->arena, shown, sizeof *items);
    if (!items)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the worst %zu", shown);
    qsort(ranks, count, sizeof *ranks, compare_ranks);
    for (size_t i = 0; i < shown; i++) {
        items[i] =
            (struct bt_report_item){ .id = bt_join_id(join, ranks[i].number), .value = ranks[i].value };
        bt_join_get(join, ranks[i].number, policy, &items[i].result);
        items[i].references = references(set, ranks[i].number, o->arena, &items[i].reference_count);
        if (!items[i].references)
            return bt_fail(err, BT_ERR_MEMORY, "out of memory for the worst %zu", shown);
    }
    o->report.items = items;
    o->report.item_count = shown;
    return BT_OK;
}

static const struct bt_text *caption_references(const void *set, int32_t number, struct bt_arena *arena,
                                                int32_t *count)
{
    (void)arena;
    return bt_captions_references(set, number, count);
}

static const struct bt_text *vqa_references(const void *set, int32_t number, struct bt_arena *arena,
                                            int32_t *count)
{
    const struct bt_vqa_answer *answers = bt_vqa_answers(set, number, count);
    struct bt_text *texts = bt_arena_take(arena, (uint64_t)*count, sizeof *texts);
    for (int32_t i = 0; texts && i < *count; i++)
        texts[i] = answers[i].text;
    return texts;
}

/* ---------------------------------------------------------------- captions */

static int report_captions(struct output *o, const struct bt_caption_scores *scores, struct bt_err *err)
{
    const struct bt_report_row values[] = {
        { literal("Bleu_1"), scores->bleu[0], -1 },  { literal("Bleu_2"), scores->bleu[1], -1 },
        { literal("Bleu_3"), scores->bleu[2], -1 },  { literal("Bleu_4"), scores->bleu[3], -1 },
        { literal("ROUGE_L"), scores->rouge_l, -1 }, { literal("CIDEr"), scores->cider, -1 },
        { literal("exact"), scores->exact, -1 },
    };
    struct bt_report_row *rows = bt_arena_take(o->arena, 1, sizeof values);
    if (!rows)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the report");
    memcpy(rows, values, sizeof values);

    struct bt_report *r = &o->report;
    r->value_title = "metric";
    r->decimals = 3;
    r->top = (struct bt_report_section){ NULL, NULL, rows, sizeof values / sizeof *values };
    r->id_key = "image_id";
    r->value_key = "CIDEr";
    r->result_key = "caption";
    r->references_key = "references";
    r->total_key = "images";
    r->total = scores->count;

    int rc = bt_buf_printf(&o->signature, err, "bt-score|metric:BLEU+ROUGE+CIDEr|tok:words");
    if (!rc)
        rc = add_range(&o->signature, "refs", scores->fewest_references, scores->most_references, err);
    if (!rc)
        rc = finish_signature(o, scores->count, scores->data, err);
    return rc;
}

static int worst_captions(struct output *o, const struct bt_captions *set,
                          const struct bt_caption_scores *scores, const struct bt_join_policy *policy,
                          struct bt_err *err)
{
    struct rank *ranks = bt_alloc(scores->count, sizeof *ranks, err);
    if (!ranks)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < scores->count; i++)
        ranks[i] = (struct rank){ scores->each[i].cider, i, scores->each[i].number };
    int rc = add_worst(o, ranks, scores->count, bt_captions_join(set), policy, caption_references, set, err);
    free(ranks);
    return rc;
}

static int score_captions(const char *input, const struct bt_join_policy *policy, struct output *o,
                          struct bt_err *err)
{
    struct bt_caption_scores scores = { 0 };
    struct bt_captions *set = bt_captions_new();

    int rc = set ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && refs)
        rc = bt_captions_load_references(set, refs, err);
    if (!rc)
        rc = bt_captions_load_results(set, input, !refs, err);
    if (!rc)
        rc = bt_captions_score(set, policy, false, &scores, err);
    if (!rc && worst_count > 0)
        rc = worst_captions(o, set, &scores, policy, err);
    if (!rc)
        rc = report_captions(o, &scores, err);
    if (!rc && per_item)
        rc = write_items(bt_captions_join(set), &scores, NULL, o->report.signature, err);
    if (!rc)
        rc = print_report(o, err);
    free(scores.each);
    bt_captions_free(set);
    return rc;
}

/* ---------------------------------------------------------------- VQA */

static struct bt_report_row *group_rows(struct bt_arena *arena, const struct bt_vqa_group *groups,
                                        int32_t count)
{
    struct bt_report_row *rows = bt_arena_take(arena, (uint64_t)count, sizeof *rows);
    for (int32_t i = 0; rows && i < count; i++)
        rows[i] = (struct bt_report_row){ groups[i].name, groups[i].accuracy, groups[i].count };
    return rows;
}

static int report_vqa(struct output *o, const struct bt_vqa_scores *scores, struct bt_err *err)
{
    const struct bt_vqa_group all = { literal("overall"), scores->overall, (int64_t)scores->count };
    const struct bt_report_row *overall = group_rows(o->arena, &all, 1);
    const struct bt_report_row *answer_types =
        group_rows(o->arena, scores->answer_types, scores->answer_type_count);
    const struct bt_report_row *question_types =
        group_rows(o->arena, scores->question_types, scores->question_type_count);
    if (!overall || !answer_types || !question_types)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the report");

    struct bt_report *r = &o->report;
    r->value_title = "accuracy";
    r->count_title = "questions";
    r->decimals = 2;
    r->top = (struct bt_report_section){ NULL, NULL, overall, 1 };
    r->sections[0] = (struct bt_report_section){ "perAnswerType", "answer type", answer_types,
                                                 (size_t)scores->answer_type_count };
    r->sections[1] = (struct bt_report_section){ "perQuestionType", "question type", question_types,
                                                 (size_t)scores->question_type_count };
    r->section_count = 2;
    r->id_key = "question_id";
    r->value_key = "accuracy";
    r->result_key = "answer";
    r->references_key = "answers";
    r->total_key = "questions";
    r->total = scores->count;

    int rc =
        bt_buf_printf(&o->signature, err, "bt-score|metric:VQA|variant:%s", variant ? variant : "official");
    if (!rc)
        rc = add_range(&o->signature, "answers", scores->fewest_answers, scores->most_answers, err);
    if (!rc)
        rc = finish_signature(o, scores->count, scores->data, err);
    return rc;
}

static int worst_vqa(struct output *o, const struct bt_vqa *set, const struct bt_vqa_scores *scores,
                     const struct bt_join_policy *policy, struct bt_err *err)
{
    struct rank *ranks = bt_alloc(scores->count, sizeof *ranks, err);
    if (!ranks)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < scores->count; i++)
        ranks[i] = (struct rank){ scores->each[i].accuracy, i, scores->each[i].number };
    int rc = add_worst(o, ranks, scores->count, bt_vqa_join(set), policy, vqa_references, set, err);
    free(ranks);
    return rc;
}

static int score_vqa(const char *input, const struct bt_join_policy *policy, struct output *o,
                     struct bt_err *err)
{
    enum bt_vqa_variant which = BT_VQA_OFFICIAL;
    struct bt_vqa_scores scores = { 0 };
    struct bt_vqa *set = bt_vqa_new();

    while (variant && strcmp(variant, bt_vqa_variant_name(which)) != 0)
        which++;
    int rc = set ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && questions)
        rc = bt_vqa_load_questions(set, questions, err);
    if (!rc && refs)
        rc = bt_vqa_load_annotations(set, refs, err);
    if (!rc)
        rc = bt_vqa_load_results(set, input, !refs, err);
    if (!rc)
        rc = bt_vqa_score(set, which, policy, &scores, err);
    if (!rc && worst_count > 0)
        rc = worst_vqa(o, set, &scores, policy, err);
    if (!rc)
        rc = report_vqa(o, &scores, err);
    if (!rc && per_item)
        rc = write_items(bt_vqa_join(set), NULL, &scores, o->report.signature, err);
    if (!rc)
        rc = print_report(o, err);
    bt_vqa_scores_free(&scores);
    bt_vqa_free(set);
    return rc;
}

/* ---------------------------------------------------------------- options */

static int check_options(const char *input, bool vqa, struct bt_err *err)
{
    if (operands.count > 1)
        return bt_fail(err, BT_ERR_USAGE, "%zu files of results; join streams with cat", operands.count);
    if (!vqa && (questions || variant))
        return bt_fail(err, BT_ERR_USAGE, "--%s belongs to 'bt-score vqa'",
                       questions ? "questions" : "variant");
    if (refs && strcmp(refs, "-") == 0 && strcmp(input, "-") == 0)
        return bt_fail(err, BT_ERR_USAGE,
                       "references and results both from stdin; name a file for one of them");
    if (per_item && strcmp(per_item, "-") == 0)
        return bt_fail(err, BT_ERR_USAGE, "--per-item to stdout, where the scores go; name a file");
    return BT_OK;
}

static int run(struct bt_err *err)
{
    const char *input = operands.count > 0 ? operands.items[0] : "-";
    const bool vqa = strcmp(command, "vqa") == 0;
    struct bt_join_policy policy = { vqa ? BT_DUPLICATES_LAST : BT_DUPLICATES_ERROR, subset };
    struct output o = { .arena = bt_arena_new(1 << 14) };

    if (duplicates)
        policy.duplicates = strcmp(duplicates, "error") == 0   ? BT_DUPLICATES_ERROR
                            : strcmp(duplicates, "first") == 0 ? BT_DUPLICATES_FIRST
                                                               : BT_DUPLICATES_LAST;
    int rc = o.arena ? check_options(input, vqa, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc)
        rc = vqa ? score_vqa(input, &policy, &o, err) : score_captions(input, &policy, &o, err);
    bt_buf_free(&o.signature);
    bt_arena_free(o.arena);
    return rc;
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-score", "score generated captions and answers", options };
    return bt_tool_main(&tool, run, argc, argv);
}
