#include "libcommon/metrics/captions.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/both.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/bleu.h"
#include "libcommon/metrics/caption_meteor.h"
#include "libcommon/metrics/cider.h"
#include "libcommon/metrics/rouge.h"
#include "libcommon/metrics/sentences.h"

struct reference {
    int32_t number;
    struct bt_text text;
};

struct bt_captions {
    struct bt_join *join;
    struct bt_arena *texts;
    struct reference *references; /* as they came */
    uint64_t reference_count, reference_capacity;
    struct bt_text *grouped;    /* by image, in the order in which they came */
    size_t *group_start;        /* [images + 1] */
    struct bt_captions *corpus; /* for document frequencies; NULL: the images scored */
    const struct bt_meteor_data *meteor; /* NULL: not scored */
};

struct bt_captions *bt_captions_new(void)
{
    struct bt_captions *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->join = bt_join_new("image");
    set->texts = bt_arena_new(1 << 16);
    if (!set->join || !set->texts) {
        bt_captions_free(set);
        return NULL;
    }
    return set;
}

void bt_captions_free(struct bt_captions *set)
{
    if (!set)
        return;
    bt_join_free(set->join);
    bt_arena_free(set->texts);
    free(set->references);
    free(set->grouped);
    free(set->group_start);
    free(set);
}

int bt_captions_image(struct bt_captions *set, struct bt_text id, struct bt_err *err)
{
    int32_t number;
    return bt_join_expect(set->join, id, &number, NULL, err);
}

int bt_captions_reference(struct bt_captions *set, struct bt_text id, struct bt_text caption,
                          struct bt_err *err)
{
    int32_t number = bt_join_find(set->join, id);
    if (number < 0 || !bt_join_expected(set->join, number))
        return BT_OK;
    int rc = bt_grow(&set->references, &set->reference_capacity, set->reference_count + 1,
                     sizeof *set->references, err);
    if (rc)
        return rc;
    const char *copy = bt_arena_str(set->texts, caption.size > 0 ? caption.data : "", caption.size);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the references");
    set->references[set->reference_count++] = (struct reference){ number, { copy, caption.size } };
    return BT_OK;
}

int bt_captions_result(struct bt_captions *set, struct bt_text id, struct bt_text caption, struct bt_err *err)
{
    return bt_join_result(set->join, id, caption, err);
}

struct bt_join *bt_captions_join(const struct bt_captions *set)
{
    return set->join;
}

const struct bt_text *bt_captions_references(const struct bt_captions *set, int32_t number, int32_t *count)
{
    *count = (int32_t)(set->group_start[number + 1] - set->group_start[number]);
    return set->grouped + set->group_start[number];
}

void bt_captions_set_meteor(struct bt_captions *set, const struct bt_meteor_data *meteor)
{
    set->meteor = meteor;
}

static int group_references(struct bt_captions *set, struct bt_err *err)
{
    size_t images = (size_t)bt_join_count(set->join);
    free(set->grouped);
    free(set->group_start);
    set->grouped = bt_alloc(set->reference_count, sizeof *set->grouped, err);
    set->group_start = bt_alloc(images + 2, sizeof *set->group_start, err);
    if (!set->grouped || !set->group_start)
        return BT_ERR_MEMORY;

    /* Counted two places up, summed, then filled: afterwards group_start[i] is where image i begins. */
    for (uint64_t r = 0; r < set->reference_count; r++)
        set->group_start[set->references[r].number + 2]++;
    for (size_t i = 2; i < images + 2; i++)
        set->group_start[i] += set->group_start[i - 1];
    for (uint64_t r = 0; r < set->reference_count; r++)
        set->grouped[set->group_start[set->references[r].number + 1]++] = set->references[r].text;
    return BT_OK;
}

/* The images to be scored: those with a result. Each needs a reference. */
static int choose(struct bt_captions *set, const struct bt_join_policy *policy,
                  struct bt_caption_scores *scores, struct bt_err *err)
{
    int32_t images = bt_join_count(set->join), bare = 0, example = -1, count;
    struct bt_text result;

    scores->each = bt_alloc((uint64_t)images, sizeof *scores->each, err);
    if (!scores->each)
        return BT_ERR_MEMORY;
    for (int32_t i = 0; i < images; i++) {
        if (!bt_join_get(set->join, i, policy, &result))
            continue;
        bt_captions_references(set, i, &count);
        if (count == 0 && bare++ == 0)
            example = i;
        if (scores->count == 0 || count < scores->fewest_references)
            scores->fewest_references = count;
        if (count > scores->most_references)
            scores->most_references = count;
        scores->each[scores->count++].number = i;
    }
    if (bare > 0) {
        struct bt_text id = bt_join_id(set->join, example);
        return bt_fail(err, BT_ERR_INPUT,
                       "references: %d image%s without references (%s%s); every image needs one", bare,
                       bare == 1 ? "" : "s", bt_quote(id.data, id.size), bare > 1 ? ", ..." : "");
    }
    if (scores->count == 0)
        return bt_fail(err, BT_ERR_INPUT, "results: no results; nothing can be scored");
    return BT_OK;
}

/* The captions of the images scored, as the tokenizer gets them: all references as one stream, then all results. */
struct streams {
    struct bt_text *references, *results;
    size_t reference_count, result_count;
};

static int streams_new(struct streams *s, const struct bt_captions *set, const struct bt_join_policy *policy,
                       const struct bt_caption_scores *scores, struct bt_err *err)
{
    s->references = bt_alloc(set->reference_count, sizeof *s->references, err);
    s->results = bt_alloc(scores->count, sizeof *s->results, err);
    if (!s->references || !s->results)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < scores->count; i++) {
        int32_t number = scores->each[i].number, count;
        const struct bt_text *given = bt_captions_references(set, number, &count);
        bt_join_get(set->join, number, policy, &s->results[s->result_count++]);
        for (int32_t r = 0; r < count; r++)
            s->references[s->reference_count++] = given[r];
    }
    return BT_OK;
}

static void streams_free(struct streams *s)
{
    free(s->references);
    free(s->results);
}

/* The tokens of a stream, in the arena. */
static int keep_tokens(struct bt_token_reader *reader, enum bt_tokens how, const struct bt_text *captions, size_t count,
                       struct bt_arena *arena, struct bt_text **tokens, struct bt_err *err)
{
    struct bt_token_source source = { 0 };
    struct bt_token_portion p = { 0 };
    struct bt_text *kept = bt_arena_take(arena, count, sizeof *kept);
    size_t done = 0;
    int rc = kept ? bt_token_source_init(&source, how, captions, count, err)
                  : bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokens");
    if (!rc)
        rc = bt_token_reader_begin(reader, &source, 0, count, err);
    while (!rc && (rc = bt_token_reader_next(reader, &p, err)) == BT_OK) {
        for (size_t i = 0; !rc && i < p.count && done < count; i++) {
            const char *copy = bt_arena_str(arena, p.tokens[i].data, p.tokens[i].size);
            kept[done++] = (struct bt_text){ copy, p.tokens[i].size };
            if (!copy)
                rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokens");
        }
    }
    bt_token_portion_free(&p);
    bt_token_source_free(&source);
    *tokens = kept;
    return rc == BT_END ? BT_OK : rc;
}

int bt_captions_tokens(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                       const struct bt_caption_scores *scores, struct bt_arena *arena,
                       struct bt_text **results, struct bt_text **references, struct bt_err *err)
{
    struct streams streams = { 0 };
    struct bt_token_reader *reader = NULL;
    int rc = streams_new(&streams, set, policy, scores, err);
    if (!rc)
        rc = bt_token_reader_new(&reader, how, err);
    if (!rc)
        rc = keep_tokens(reader, how, streams.references, streams.reference_count, arena, references, err);
    if (!rc)
        rc = keep_tokens(reader, how, streams.results, streams.result_count, arena, results, err);
    bt_token_reader_free(reader);
    streams_free(&streams);
    return rc;
}

/* numpy's pairwise summation, whose bits the published mean has. */
static double pairwise_sum(const double *x, size_t count)
{
    if (count < 8) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += x[i];
        return sum;
    }
    if (count > 128) {
        size_t half = count / 2 - count / 2 % 8;
        return pairwise_sum(x, half) + pairwise_sum(x + half, count - half);
    }
    double lane[8];
    size_t i;
    memcpy(lane, x, sizeof lane);
    for (i = 8; i + 8 <= count; i += 8)
        for (size_t k = 0; k < 8; k++)
            lane[k] += x[i + k];
    double sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < count; i++)
        sum += x[i];
    return sum;
}

static bool equals_reference(const struct bt_caption_item *item)
{
    for (int32_t r = 0; r < item->reference_count; r++)
        if (bt_sentence_equal(&item->hypothesis, &item->references[r]))
            return true;
    return false;
}

/* A sum over an image's references, so that their order does not count. */
static int hash_image(const struct bt_captions *set, int32_t number, struct bt_buf *buf, uint64_t *data,
                      struct bt_err *err)
{
    struct bt_text id = bt_join_id(set->join, number);
    int32_t count;
    const struct bt_text *references = bt_captions_references(set, number, &count);
    int rc = BT_OK;
    for (int32_t r = 0; !rc && r < count; r++) {
        buf->size = 0;
        rc = bt_buf_add(buf, id.data, id.size + 1, err); /* with the NUL behind it */
        if (!rc)
            rc = bt_buf_add(buf, references[r].data, references[r].size, err);
        if (!rc)
            *data += bt_xxh64(buf->data, buf->size);
    }
    return rc;
}

static int hash_data(const struct bt_captions *set, struct bt_caption_scores *scores, struct bt_err *err)
{
    struct bt_buf buf = { 0 };
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < scores->count; i++)
        rc = hash_image(set, scores->each[i].number, &buf, &scores->data, err);
    bt_buf_free(&buf);
    return rc;
}

/* ---------------------------------------------------------------- scores */

/* What the metrics need, in one piece: items to score, and the corpus of the document frequencies. */
struct reading {
    const struct bt_captions *set;
    struct bt_lexicon *lex;
    struct bt_caption_item *items, *corpus;
    struct bt_sentence *references, *hypotheses, *corpus_sentences;
    size_t count, corpus_count;
    double *rouge, *cider; /* by item */
    struct bt_bleu_counts *counts;
    struct bt_caption_scores *scores;
    int cider_rc, others_rc;
    struct bt_err cider_err, others_err;
};

static void score_cider(void *context)
{
    struct reading *r = context;
    const struct bt_caption_item *corpus = r->corpus ? r->corpus : r->items;
    size_t corpus_count = r->corpus ? r->corpus_count : r->count;
    r->cider_rc = bt_cider_score(r->items, r->count, corpus, corpus_count, bt_lexicon_gram_count(r->lex), r->cider,
                                 &r->cider_err);
}

static void score_others(void *context)
{
    struct reading *r = context;
    struct bt_caption_scores *scores = r->scores;
    int rc = bt_bleu_score(r->items, r->count, bt_lexicon_gram_count(r->lex), r->counts, scores->bleu, &r->others_err);
    if (!rc)
        rc = bt_rouge_score(r->items, r->count, bt_lexicon_piece_count(r->lex), r->rouge, &r->others_err);
    size_t exact = 0;
    for (size_t i = 0; !rc && i < r->count; i++) {
        struct bt_caption_score *score = &scores->each[i];
        score->counts = r->counts[i];
        bt_bleu_value(&r->counts[i], score->bleu);
        score->rouge_l = r->rouge[i];
        score->exact = equals_reference(&r->items[i]);
        exact += score->exact;
    }
    scores->rouge_l = rc ? 0 : pairwise_sum(r->rouge, r->count) / (double)r->count;
    scores->exact = (double)exact / (double)r->count;
    r->others_rc = rc ? rc : hash_data(r->set, scores, &r->others_err);
}

/* CIDEr takes as long as all others together. */
static int score_items(struct reading *r, struct bt_err *err)
{
    bt_both(score_others, r, score_cider, r);
    if (r->others_rc || r->cider_rc) {
        *err = r->others_rc ? r->others_err : r->cider_err;
        return r->others_rc ? r->others_rc : r->cider_rc;
    }
    r->scores->cider = pairwise_sum(r->cider, r->count) / (double)r->count;
    for (size_t i = 0; i < r->count; i++)
        r->scores->each[i].cider = r->cider[i];
    return BT_OK;
}

static int score_meteor(const struct bt_meteor_data *meteor, const struct reading *r,
                        struct bt_caption_scores *scores, struct bt_err *err)
{
    struct bt_meteor_stats *stats = bt_alloc(scores->count, sizeof *stats, err), sum = { .chunks = 0 };
    int rc = stats ? bt_caption_meteor(meteor, r->lex, r->items, scores->count, stats, err) : BT_ERR_MEMORY;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        scores->each[i].meteor_stats = stats[i];
        scores->each[i].meteor = bt_meteor_score(&stats[i]);
        bt_meteor_add(&sum, &stats[i]);
    }
    scores->meteor = bt_meteor_score(&sum);
    free(stats);
    return rc;
}

/* ---------------------------------------------------------------- sentences */

/* The references of the corpus, as one stream; its images without any do not count. */
static int add_corpus(const struct bt_captions *corpus, struct reading *r, struct bt_text **captions, size_t *count,
                      struct bt_err *err)
{
    size_t images = (size_t)bt_join_count(corpus->join);
    *captions = bt_alloc(corpus->reference_count, sizeof **captions, err);
    r->corpus = bt_alloc(images, sizeof *r->corpus, err);
    r->corpus_sentences = bt_alloc(corpus->reference_count, sizeof *r->corpus_sentences, err);
    if (!*captions || !r->corpus || !r->corpus_sentences)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < images; i++) {
        int32_t own;
        const struct bt_text *references = bt_captions_references(corpus, (int32_t)i, &own);
        struct bt_caption_item *item = &r->corpus[r->corpus_count];
        *item = (struct bt_caption_item){ .references = r->corpus_sentences + *count, .reference_count = own };
        for (int32_t k = 0; k < own; k++)
            (*captions)[(*count)++] = references[k];
        r->corpus_count += own > 0;
    }
    return BT_OK;
}

/* Which image the reference is of, as far as they are scored. */
static size_t image_of(const struct bt_captions *set, const struct bt_caption_scores *scores, size_t reference)
{
    size_t i = 0;
    for (int32_t count; i < scores->count; i++, reference -= (size_t)count) {
        bt_captions_references(set, scores->each[i].number, &count);
        if (reference < (size_t)count)
            break;
    }
    return i;
}

/* Says of which image the caption was that failed, unless it was one of the corpus. */
static void name_image(const struct bt_captions *set, const struct bt_caption_scores *scores, const struct streams *streams,
                       size_t failed, struct bt_err *err)
{
    const size_t image =
        failed < streams->reference_count ? image_of(set, scores, failed) : failed - streams->reference_count;
    if (image < scores->count) {
        struct bt_text id = bt_join_id(set->join, scores->each[image].number);
        bt_context(err, "image %s", bt_quote(id.data, id.size));
    }
}

static int read_sentences(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                          const struct bt_caption_scores *scores, struct reading *r, struct bt_err *err)
{
    struct streams streams = { 0 };
    struct bt_text *corpus = NULL;
    size_t corpus_count = 0, failed = SIZE_MAX;
    int rc = streams_new(&streams, set, policy, scores, err);
    if (!rc && set->corpus)
        rc = add_corpus(set->corpus, r, &corpus, &corpus_count, err);
    if (!rc) {
        const struct bt_sentence_stream all[] = { { streams.references, streams.reference_count, r->references },
                                                  { streams.results, streams.result_count, r->hypotheses },
                                                  { corpus, corpus_count, r->corpus_sentences } };
        rc = bt_sentences_read(r->lex, how, all, set->corpus ? 3 : 2, &failed, err);
        if (rc)
            name_image(set, scores, &streams, failed, err);
    }
    const struct bt_sentence *references = r->references;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        r->items[i].hypothesis = r->hypotheses[i];
        r->items[i].references = references;
        bt_captions_references(set, scores->each[i].number, &r->items[i].reference_count);
        references += r->items[i].reference_count;
    }
    streams_free(&streams);
    free(corpus);
    return rc;
}

static int read_and_score(const struct bt_captions *set, const struct bt_join_policy *policy,
                          enum bt_tokens how, struct bt_caption_scores *scores, struct bt_err *err)
{
    struct reading r = { .set = set,
                         .scores = scores,
                         .lex = bt_lexicon_new(),
                         .count = scores->count,
                         .items = bt_alloc(scores->count, sizeof *r.items, err),
                         .references = bt_alloc(set->reference_count, sizeof *r.references, err),
                         .hypotheses = bt_alloc(scores->count, sizeof *r.hypotheses, err),
                         .rouge = bt_alloc(scores->count, sizeof *r.rouge, err),
                         .cider = bt_alloc(scores->count, sizeof *r.cider, err),
                         .counts = bt_alloc(scores->count, sizeof *r.counts, err) };
    int rc = BT_OK;
    if (!r.lex || !r.items || !r.references || !r.hypotheses || !r.rouge || !r.cider || !r.counts)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for %zu captions", scores->count);
    if (!rc)
        rc = read_sentences(set, policy, how, scores, &r, err);
    if (!rc)
        rc = score_items(&r, err);
    if (!rc && set->meteor)
        rc = score_meteor(set->meteor, &r, scores, err);
    free(r.counts);
    free(r.cider);
    free(r.rouge);
    free(r.corpus_sentences);
    free(r.corpus);
    free(r.hypotheses);
    free(r.references);
    free(r.items);
    bt_lexicon_free(r.lex);
    return rc;
}

int bt_captions_frequencies(struct bt_captions *set, struct bt_captions *corpus, uint64_t *hash,
                            struct bt_err *err)
{
    struct bt_buf buf = { 0 };
    uint64_t sum = 0;
    int rc = group_references(corpus, err);
    for (int32_t i = 0; !rc && i < bt_join_count(corpus->join); i++)
        rc = hash_image(corpus, i, &buf, &sum, err);
    bt_buf_free(&buf);
    if (rc)
        return rc;
    set->corpus = corpus;
    if (hash)
        *hash = sum;
    return BT_OK;
}

int bt_captions_score(struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                      struct bt_caption_scores *scores, struct bt_err *err)
{
    struct bt_caption_scores made = { 0 };
    int rc = bt_join_check(set->join, policy, err);
    if (!rc)
        rc = group_references(set, err);
    if (!rc)
        rc = choose(set, policy, &made, err);
    if (!rc)
        rc = read_and_score(set, policy, how, &made, err);
    if (rc)
        free(made.each);
    else
        *scores = made;
    return rc;
}
