/* Captions from files to a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/captions.h"
#include "libcommon/metrics/input.h"
#include "libcommon/metrics/scoring.h"
#include "libcommon/metrics/spice.h"
#include "libcommon/metrics/submission.h"

/* Columns of the table of items, in the order in which the official tool prints them; exact is ours. */
enum { BLEU, METEOR = BLEU + BT_ORDERS, ROUGE_L, CIDER, SPICE, EXACT, COLUMNS };
static const char *const names[COLUMNS] = { "Bleu_1",  "Bleu_2", "Bleu_3", "Bleu_4", "METEOR",
                                            "ROUGE_L", "CIDEr",  "SPICE",  "exact" };

/* One system: its captions and what they score. */
struct system {
    struct bt_captions *set;
    struct bt_caption_scores scores;
    struct bt_items items;
    int32_t *numbers;
    double *values;
    double spice; /* NaN: skipped */
};

static void free_system(struct system *y)
{
    free(y->values);
    free(y->numbers);
    free(y->scores.each);
    bt_captions_free(y->set);
}

static enum bt_tokens tokens_of(const struct bt_score_options *o)
{
    bool words = o->tokenizer && strcmp(o->tokenizer, bt_tokens_name(BT_TOKENS_WORDS)) == 0;

    return words ? BT_TOKENS_WORDS : BT_TOKENS_PTB;
}

static int load(struct system *y, const struct bt_score_options *o, const char *input, struct bt_err *err)
{
    y->set = bt_captions_new();
    int rc = y->set ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && o->refs)
        rc = o->submission ? bt_captions_load_images(y->set, o->refs, err)
                           : bt_captions_load_references(y->set, o->refs, err);
    return rc ? rc : bt_captions_load_results(y->set, input, !o->refs, err);
}

/* What a column is called: METEOR without its data goes by another name, as it compares with itself alone. */
static const char *column_name(const struct bt_scoring *s, int column)
{
    return column == METEOR && s->meteor ? bt_meteor_name(s->meteor) : names[column];
}

/* BLEU and METEOR of a sample: of pooled counts. */
static void pool(const void *pooled, const uint32_t *times, size_t count, double *values)
{
    const struct bt_caption_scores *scores = pooled;
    struct bt_bleu_counts sum = { 0 };
    for (size_t i = 0; i < count; i++)
        bt_bleu_add(&sum, &scores->each[i].counts, times[i]);
    bt_bleu_value(&sum, values + BLEU);
    if (isnan(values[METEOR]))
        return;

    struct bt_meteor_stats stats = { .chunks = 0 };
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < times[i]; k++)
            bt_meteor_add(&stats, &scores->each[i].meteor_stats);
    values[METEOR] = bt_meteor_score(&stats);
}

static int tabulate(struct system *y, const struct bt_scoring *s, struct bt_err *err)
{
    size_t count = y->scores.count;
    y->numbers = bt_alloc(count, sizeof *y->numbers, err);
    y->values = bt_alloc(count * COLUMNS, sizeof *y->values, err);
    if (!y->numbers || !y->values)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct bt_caption_score *score = &y->scores.each[i];
        double *row = y->values + i * COLUMNS;
        y->numbers[i] = score->number;
        for (int n = 0; n < BT_ORDERS; n++)
            row[BLEU + n] = score->bleu[n];
        row[METEOR] = s->meteor ? score->meteor : NAN;
        row[ROUGE_L] = score->rouge_l;
        row[CIDER] = score->cider;
        row[SPICE] = NAN;
        row[EXACT] = score->exact;
    }
    y->spice = NAN;
    y->items = (struct bt_items){ .join = bt_captions_join(y->set),
                                  .id_key = "image_id",
                                  .count = count,
                                  .numbers = y->numbers,
                                  .column_count = COLUMNS,
                                  .values = y->values,
                                  .pool = pool,
                                  .pooled = &y->scores };
    for (int c = 0; c < COLUMNS; c++)
        y->items.columns[c] = column_name(s, c);
    return BT_OK;
}

/* SPICE of every caption, from the token strings that the other metrics compare. */
static int add_spice(struct system *y, const struct bt_scoring *s, struct bt_err *err)
{
    const struct bt_spice spice = { s->o->spice, s->o->java, s->o->spice_cache };
    size_t count = y->scores.count;
    struct bt_arena *arena = bt_arena_new(1 << 16);
    struct bt_spice_item *items = bt_alloc(count, sizeof *items, err);
    double *each = bt_alloc(count, sizeof *each, err);
    struct bt_text *results = NULL, *references = NULL;
    int rc = arena && items && each ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for SPICE");

    if (!rc)
        rc = bt_captions_tokens(y->set, &s->policy, tokens_of(s->o), &y->scores, arena, &results, &references, err);
    for (size_t i = 0; !rc && i < count; i++) {
        items[i] = (struct bt_spice_item){ .hypothesis = results[i], .references = references };
        bt_captions_references(y->set, y->scores.each[i].number, &items[i].reference_count);
        references += items[i].reference_count;
    }
    if (!rc)
        rc = bt_spice_score(&spice, items, count, each, err);
    if (!rc)
        y->spice = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        y->values[i * COLUMNS + SPICE] = each[i];
        y->spice += each[i] / (double)count;
    }
    free(each);
    free(items);
    bt_arena_free(arena);
    return rc;
}

static int load_and_score(struct system *y, const struct bt_scoring *s, const char *input,
                          struct bt_captions *corpus, uint64_t *corpus_hash, struct bt_err *err)
{
    int rc = load(y, s->o, input, err);
    if (!rc && corpus)
        rc = bt_captions_frequencies(y->set, corpus, corpus_hash, err);
    if (!rc)
        bt_captions_set_meteor(y->set, s->meteor);
    if (!rc)
        rc = bt_captions_score(y->set, &s->policy, tokens_of(s->o), &y->scores, err);
    if (!rc)
        rc = tabulate(y, s, err);
    return rc || !s->o->spice ? rc : add_spice(y, s, err);
}

static const struct bt_text *references(const void *set, int32_t number, struct bt_arena *arena,
                                        int32_t *count)
{
    (void)arena;
    return bt_captions_references(set, number, count);
}

/* ---------------------------------------------------------------- the report */

/* All metrics that were had, then LAVIS's aggregate: CIDEr + BLEU-4 (metrics.md 6). */
static int make_rows(struct bt_scoring *s, const struct bt_caption_scores *scores, double spice, bool columns,
                     struct bt_report_section *section, struct bt_err *err)
{
    const double values[COLUMNS] = { scores->bleu[0], scores->bleu[1], scores->bleu[2], scores->bleu[3],
                                     s->meteor ? scores->meteor : NAN, scores->rouge_l, scores->cider, spice,
                                     scores->exact };
    struct bt_report_row *rows = bt_scoring_take(s, COLUMNS + 1, sizeof *rows, err);
    if (!rows)
        return BT_ERR_MEMORY;
    section->rows = rows;
    for (int c = 0; c < COLUMNS; c++)
        if (!isnan(values[c]))
            rows[section->count++] =
                (struct bt_report_row){ bt_scoring_text(column_name(s, c)), values[c], -1, columns ? c : -1 };
    rows[section->count++] = (struct bt_report_row){ bt_scoring_text("agg_metrics"),
                                                     scores->cider + scores->bleu[BT_ORDERS - 1], -1, -1 };
    return BT_OK;
}

static int report(struct bt_scoring *s, const struct system *y, const uint64_t *corpus_hash,
                  struct bt_err *err)
{
    const struct bt_caption_scores *scores = &y->scores;
    struct bt_report *r = &s->report;
    int skipped = 0;
    *r = (struct bt_report){ .value_title = "metric",
                             .decimals = 3,
                             .id_key = "image_id",
                             .value_key = "CIDEr",
                             .result_key = "caption",
                             .references_key = "references",
                             .total_key = "images",
                             .total = scores->count };
    if (!s->meteor)
        r->skipped[skipped++] = BT_METEOR_SKIPPED;
    if (!s->o->spice)
        r->skipped[skipped++] = "SPICE skipped: name its jar with --spice";
    int rc = make_rows(s, scores, y->spice, true, &r->top, err);
    if (!rc)
        rc = bt_buf_printf(&s->signature, err, "bt-score|metric:BLEU+%sROUGE+CIDEr%s|tok:%s", s->meteor ? "METEOR+" : "",
                           s->o->spice ? "+SPICE" : "", bt_tokens_name(tokens_of(s->o)));
    if (!rc && s->meteor)
        rc = bt_meteor_sign(s->meteor, &s->signature, err);
    if (!rc && corpus_hash)
        rc = bt_buf_printf(&s->signature, err, "|df:%016llx", (unsigned long long)*corpus_hash);
    return rc ? rc
              : bt_scoring_sign_range(s, "refs", scores->fewest_references, scores->most_references, err);
}

/* ---------------------------------------------------------------- domains */

/* The image `id`, as `from` has it, into a set of its own. */
static int copy_image(struct bt_captions *to, const struct bt_captions *from,
                      const struct bt_join_policy *policy, struct bt_text id, struct bt_err *err)
{
    const struct bt_join *join = bt_captions_join(from);
    int32_t number = bt_join_find(join, id), count;
    struct bt_text result;

    if (number < 0 || !bt_join_expected(join, number))
        return bt_fail(err, BT_ERR_INPUT, "image %s is not among the references", bt_quote(id.data, id.size));
    if (bt_join_find(bt_captions_join(to), id) >= 0)
        return bt_fail(err, BT_ERR_INPUT, "image %s is there twice; keep one", bt_quote(id.data, id.size));
    if (!bt_join_get(join, number, policy, &result)) /* --subset: others were refused */
        return BT_OK;
    const struct bt_text *texts = bt_captions_references(from, number, &count);
    int rc = bt_captions_image(to, id, err);
    for (int32_t i = 0; !rc && i < count; i++)
        rc = bt_captions_reference(to, id, texts[i], err);
    return rc ? rc : bt_captions_result(to, id, result, err);
}

static int copy_domain(struct bt_captions *to, const struct bt_captions *from,
                       const struct bt_join_policy *policy, const json_t *ids, struct bt_err *err)
{
    struct bt_buf id = { 0 };
    const json_t *value;
    size_t i;
    int rc = json_is_array(ids) ? BT_OK : bt_fail(err, BT_ERR_INPUT, "not an array of image ids");
    json_array_foreach(ids, i, value) if (!rc)
    {
        rc = bt_input_value_id(value, "an id", &id, err);
        if (!rc)
            rc = copy_image(to, from, policy, bt_buf_text(&id), err);
    }
    bt_buf_free(&id);
    return rc;
}

/* A domain is scored as a run of its own, as LAVIS does with `img_ids`: CIDEr's document frequencies are its
 * own. */
static int score_domain(struct bt_scoring *s, const struct bt_captions *all, struct bt_captions *corpus,
                        const json_t *ids, struct bt_report_section *section, struct bt_err *err)
{
    struct bt_caption_scores scores = { 0 };
    struct bt_captions *set = bt_captions_new();
    int rc = set ? copy_domain(set, all, &s->policy, ids, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && corpus)
        rc = bt_captions_frequencies(set, corpus, NULL, err);
    if (!rc)
        bt_captions_set_meteor(set, s->meteor);
    if (!rc)
        rc = bt_captions_score(set, &s->policy, tokens_of(s->o), &scores, err);
    if (!rc)
        rc = make_rows(s, &scores, NAN, false, section, err);
    free(scores.each);
    bt_captions_free(set);
    return rc;
}

static int score_domains(struct bt_scoring *s, const struct bt_captions *all, struct bt_captions *corpus,
                         const json_t *domains, struct bt_err *err)
{
    struct bt_report_section *sections = bt_scoring_take(s, json_object_size(domains), sizeof *sections, err);
    const char *key;
    json_t *ids;
    int count = 0, rc = sections ? BT_OK : BT_ERR_MEMORY;

    json_object_foreach((json_t *)domains, key, ids) if (!rc)
    {
        struct bt_report_section *section = &sections[count++];
        const char *name = bt_arena_str(s->arena, key, strlen(key));
        *section = (struct bt_report_section){ .group = "domains", .title = "domain " };
        rc = name ? score_domain(s, all, corpus, ids, section, err)
                  : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        if (rc)
            bt_context(err, "%s: domain %s", s->o->domains, bt_quote_str(key));
        else
            section->key = bt_scoring_text(name);
    }
    s->report.sections = sections;
    s->report.section_count = count;
    return rc;
}

static int add_domains(struct bt_scoring *s, const struct bt_captions *all, struct bt_captions *corpus,
                       struct bt_err *err)
{
    json_t *domains = NULL;
    int rc = bt_json_load(&domains, s->o->domains, err);
    if (!rc && !json_is_object(domains))
        rc = bt_fail(err, BT_ERR_INPUT, "%s: not an object {\"domain\": [ids], ...}", s->o->domains);
    if (!rc)
        rc = score_domains(s, all, corpus, domains, err);
    json_decref(domains);
    return rc;
}

/* ---------------------------------------------------------------- the command */

static int score(struct bt_scoring *s, struct bt_captions *corpus, struct bt_err *err)
{
    struct system mine = { 0 }, other = { 0 };
    uint64_t corpus_hash = 0;
    int rc = load_and_score(&mine, s, s->o->input, corpus, &corpus_hash, err);
    if (!rc && s->o->compare)
        rc = load_and_score(&other, s, s->o->compare, corpus, NULL, err);
    if (!rc && s->o->compare)
        rc = bt_scoring_same_data(s->o, mine.scores.data, other.scores.data, err);
    if (!rc)
        rc = report(s, &mine, corpus ? &corpus_hash : NULL, err);
    if (!rc && s->o->domains)
        rc = add_domains(s, mine.set, corpus, err);
    if (!rc) {
        const struct bt_scoring_items with = { &mine.items, s->o->compare ? &other.items : NULL, CIDER,
                                               references, mine.set, false };
        rc = bt_scoring_finish(s, &with, mine.scores.data, err);
    }
    free_system(&other);
    free_system(&mine);
    return rc;
}

static int score_with_corpus(struct bt_scoring *s, struct bt_err *err)
{
    struct bt_captions *corpus = bt_captions_new();
    int rc = corpus ? bt_captions_load_references(corpus, s->o->df, err)
                    : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc)
        rc = score(s, corpus, err);
    bt_captions_free(corpus);
    return rc;
}

static int submit(const struct bt_scoring *s, struct bt_err *err)
{
    static const struct bt_submission form = { "image_id", "caption", false };
    struct system mine = { 0 };
    int rc = load(&mine, s->o, s->o->input, err);
    if (!rc)
        rc = bt_submission_write(bt_captions_join(mine.set), &s->policy, &form, s->o->submission, s->o->force,
                                 err);
    free_system(&mine);
    return rc;
}

int bt_score_captions(const struct bt_score_options *o, struct bt_err *err)
{
    struct bt_scoring s;
    int rc = bt_scoring_open(&s, o, BT_DUPLICATES_ERROR, err);
    if (!rc && !o->submission)
        rc = bt_meteor_choose(&s.meteor, o->meteor, err);
    if (!rc)
        rc = o->submission ? submit(&s, err) : o->df ? score_with_corpus(&s, err) : score(&s, NULL, err);
    bt_meteor_close(s.meteor);
    bt_scoring_close(&s);
    return rc;
}
