#include "libcommon/metrics/meteor.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/meteor_align.h"
#include "libcommon/metrics/meteor_normalize.h"

#define MAX_BYTES (1 << 16) /* of a caption, as for the other metrics */

/* ---------------------------------------------------------------- scores */

/* English, task "rank". */
static const double alpha = 0.85, beta = 0.20, gamma_ = 0.60, delta = 0.75;
static const double module_weights[BT_METEOR_MODULES] = { 1.0, 0.6, 0.8, 0.6 };

static double weigh(double content, double function)
{
    return delta * content + (1.0 - delta) * function;
}

static double weigh_side(const struct bt_meteor_side *side)
{
    double matches = 0;
    for (int k = 0; k < BT_METEOR_MODULES; k++)
        matches += module_weights[k] * weigh((double)side->content[k], (double)side->function[k]);
    return matches / weigh((double)(side->words - side->function_words), (double)side->function_words);
}

/* Everything matched in one piece: no penalty. */
static bool is_whole(const struct bt_meteor_stats *s)
{
    return s->hypothesis.matched == s->hypothesis.words && s->reference.matched == s->reference.words &&
           s->chunks == 1;
}

double bt_meteor_score(const struct bt_meteor_stats *s)
{
    double precision = weigh_side(&s->hypothesis), recall = weigh_side(&s->reference);
    double mean = 1.0 / ((1.0 - alpha) / precision + alpha / recall);
    double matched = (double)(s->hypothesis.matched + s->reference.matched) / 2;
    double fragmentation = is_whole(s) ? 0 : (double)s->chunks / matched;
    double score = mean * (1.0 - gamma_ * pow(fragmentation, beta));
    return score > 0 ? score : 0; /* also for NaN, where nothing matched */
}

static void add_side(struct bt_meteor_side *sum, const struct bt_meteor_side *side)
{
    sum->words += side->words;
    sum->function_words += side->function_words;
    sum->matched += side->matched;
    for (int k = 0; k < BT_METEOR_MODULES; k++) {
        sum->content[k] += side->content[k];
        sum->function[k] += side->function[k];
    }
}

void bt_meteor_add(struct bt_meteor_stats *sum, const struct bt_meteor_stats *segment)
{
    add_side(&sum->hypothesis, &segment->hypothesis);
    add_side(&sum->reference, &segment->reference);
    sum->chunks += is_whole(segment) ? 0 : segment->chunks;
}

void bt_meteor_list(const struct bt_meteor_stats *stats, int64_t list[BT_METEOR_STATISTICS])
{
    const struct bt_meteor_side *h = &stats->hypothesis, *r = &stats->reference;
    int n = 0;
    list[n++] = h->words;
    list[n++] = r->words;
    list[n++] = h->function_words;
    list[n++] = r->function_words;
    for (int k = 0; k < BT_METEOR_MODULES; k++) {
        list[n++] = h->content[k];
        list[n++] = r->content[k];
        list[n++] = h->function[k];
        list[n++] = r->function[k];
    }
    list[n++] = stats->chunks;
    list[n++] = h->matched;
    list[n++] = r->matched;
}

/* ---------------------------------------------------------------- reading */

/* Sentences of one side: their words, and their texts for the table's sieve. */
struct side {
    struct bt_meteor_sentence *sentences;
    struct bt_text *texts;
    uint64_t count, sentence_capacity, text_capacity;
};

struct run {
    const struct bt_meteor_data *data;
    struct bt_meteor_normalizer *normalizer;
    struct bt_meteor_words *words;
    struct bt_arena *arena;
    struct bt_buf text;
    struct side hypotheses, references;
    size_t *first; /* [items + 1]: where an item's references begin */
    struct bt_paraphrases *paraphrases;
};

static int out_of_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for METEOR");
}

static int add_words(struct run *run, struct bt_text text, struct bt_meteor_sentence *sentence,
                     struct bt_err *err)
{
    int32_t count = text.size > 0, done = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == ' ';
    if (count > BT_METEOR_MAX_WORDS)
        return bt_fail(err, BT_ERR_LIMIT, "a caption of %d words, the limit is %d; captions are short", count,
                       BT_METEOR_MAX_WORDS);
    int32_t *words = bt_arena_take(run->arena, (uint64_t)count, sizeof *words);
    if (!words)
        return out_of_memory(err);
    int rc = BT_OK;
    for (size_t start = 0, i = 0; !rc && i <= text.size && done < count; i++)
        if (i == text.size || text.data[i] == ' ') {
            rc = bt_meteor_words_add(run->words, (struct bt_text){ text.data + start, i - start },
                                     &words[done++], err);
            start = i + 1;
        }
    *sentence = (struct bt_meteor_sentence){ words, count };
    return rc;
}

static int add_sentence(struct run *run, struct side *side, struct bt_text text, struct bt_err *err)
{
    int rc = bt_meteor_normalize(run->normalizer, text, &run->text, err);
    if (!rc)
        rc = bt_grow(&side->sentences, &side->sentence_capacity, side->count + 1, sizeof *side->sentences,
                     err);
    if (!rc)
        rc = bt_grow(&side->texts, &side->text_capacity, side->count + 1, sizeof *side->texts, err);
    if (rc)
        return rc;
    const char *copy = bt_arena_str(run->arena, run->text.size > 0 ? run->text.data : "", run->text.size);
    if (!copy)
        return out_of_memory(err);
    side->texts[side->count] = (struct bt_text){ copy, run->text.size };
    rc = add_words(run, side->texts[side->count], &side->sentences[side->count], err);
    side->count += rc == BT_OK;
    return rc;
}

static int check_size(struct bt_text text, struct bt_err *err)
{
    if (text.size > MAX_BYTES)
        return bt_fail(err, BT_ERR_LIMIT, "a caption of %zu bytes, the limit is %d; captions are short",
                       text.size, MAX_BYTES);
    return BT_OK;
}

/* The published wrapper deletes its separator from a caption, then makes one space of two. */
static int add_hypothesis(struct run *run, struct bt_text text, struct bt_err *err)
{
    struct bt_buf plain = { 0 };
    int rc = check_size(text, err);
    for (size_t i = 0; !rc && i < text.size;) {
        if (text.size - i >= 3 && memcmp(text.data + i, "|||", 3) == 0) {
            i += 3;
            continue;
        }
        rc = bt_buf_add(&plain, text.data + i++, 1, err);
    }
    if (!rc)
        rc = add_sentence(run, &run->hypotheses,
                          (struct bt_text){ plain.size > 0 ? plain.data : "", plain.size }, err);
    bt_buf_free(&plain);
    return rc;
}

/* In a reference the separator makes two of it. */
static int add_reference(struct run *run, struct bt_text text, struct bt_err *err)
{
    int rc = check_size(text, err);
    while (!rc) {
        const char *bar = text.size >= 3 ? memmem(text.data, text.size, "|||", 3) : NULL;
        size_t size = bar ? (size_t)(bar - text.data) : text.size;
        rc = add_sentence(run, &run->references, (struct bt_text){ text.data, size }, err);
        if (!bar)
            break;
        text = (struct bt_text){ bar + 3, text.size - size - 3 };
    }
    return rc;
}

static int read_items(struct run *run, const struct bt_meteor_item *items, size_t count, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        rc = add_hypothesis(run, items[i].hypothesis, err);
        for (int32_t r = 0; !rc && r < items[i].reference_count; r++)
            rc = add_reference(run, items[i].references[r], err);
        run->first[i + 1] = run->references.count;
    }
    return rc;
}

/* ---------------------------------------------------------------- aligning */

/* The reference of the highest score, the first among equals. */
static int align_item(struct bt_aligner *aligner, const struct run *run, size_t item,
                      struct bt_meteor_stats *best, struct bt_err *err)
{
    double best_score = -1;
    int rc = BT_OK;
    *best = (struct bt_meteor_stats){ .chunks = 0 };
    for (size_t r = run->first[item]; !rc && r < run->first[item + 1]; r++) {
        struct bt_meteor_stats stats;
        rc = bt_aligner_align(aligner, &run->hypotheses.sentences[item], &run->references.sentences[r],
                              &stats, err);
        double score = rc ? -1 : bt_meteor_score(&stats);
        if (score > best_score) {
            best_score = score;
            *best = stats;
        }
    }
    return rc;
}

static int align_items(const struct run *run, size_t count, struct bt_meteor_stats *stats, struct bt_err *err)
{
    int rc = BT_OK;
#pragma omp parallel
    {
        struct bt_aligner *aligner = bt_aligner_new(run->words, run->paraphrases);
        struct bt_err own = { 0 };
        int failed = aligner ? BT_OK : out_of_memory(&own);
#pragma omp for schedule(dynamic, 16)
        for (size_t i = 0; i < count; i++)
            if (!failed)
                failed = align_item(aligner, run, i, &stats[i], &own);
#pragma omp critical
        if (failed && !rc)
            rc = bt_fail(err, failed, "%s", own.text);
        bt_aligner_free(aligner);
    }
    return rc;
}

static void close_run(struct run *run)
{
    bt_paraphrases_free(run->paraphrases);
    bt_meteor_words_free(run->words);
    bt_meteor_normalizer_free(run->normalizer);
    bt_arena_free(run->arena);
    bt_buf_free(&run->text);
    free(run->hypotheses.sentences);
    free(run->hypotheses.texts);
    free(run->references.sentences);
    free(run->references.texts);
    free(run->first);
}

int bt_meteor_align(const struct bt_meteor_data *data, const struct bt_meteor_item *items, size_t count,
                    struct bt_meteor_stats *stats, struct bt_err *err)
{
    struct run run = { .data = data,
                       .normalizer = bt_meteor_normalizer_new(data),
                       .words = bt_meteor_words_new(data),
                       .arena = bt_arena_new(1 << 20),
                       .first = bt_alloc(count + 1, sizeof *run.first, err) };
    int rc = run.normalizer && run.words && run.arena && run.first ? BT_OK : out_of_memory(err);
    if (!rc)
        rc = read_items(&run, items, count, err);
    if (!rc)
        rc = bt_paraphrases_read(&run.paraphrases, data, run.words, run.hypotheses.texts,
                                 run.hypotheses.count, run.references.texts, run.references.count, err);
    if (!rc)
        rc = align_items(&run, count, stats, err);
    close_run(&run);
    return rc;
}
