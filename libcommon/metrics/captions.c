#include "libcommon/metrics/captions.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/bleu.h"
#include "libcommon/metrics/caption_meteor.h"
#include "libcommon/metrics/cider.h"
#include "libcommon/metrics/rouge.h"

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

/* The sentences of images, from the streams of references and of results. items[i] for scores->each[i]; the
 * references' sentences stand one after the other. */
static int read_sentences(const struct bt_captions *set, const struct bt_caption_scores *scores,
                          const struct bt_token_stream streams[2], struct bt_lexicon *lex,
                          struct bt_caption_item *items, struct bt_sentence *sentences, struct bt_err *err)
{
    const struct bt_text *reference = streams[0].tokens, *result = streams[1].tokens;
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        rc = bt_lexicon_read(lex, *result++, &items[i].hypothesis, err);
        items[i].references = sentences;
        bt_captions_references(set, scores->each[i].number, &items[i].reference_count);
        for (int32_t r = 0; !rc && r < items[i].reference_count; r++)
            rc = bt_lexicon_read(lex, *reference++, sentences++, err);
        if (rc) {
            struct bt_text id = bt_join_id(set->join, scores->each[i].number);
            bt_context(err, "image %s", bt_quote(id.data, id.size));
        }
    }
    return rc;
}

/* Captions that are to be tokenized together; tokens and captions are the stream's own. */
static int stream_new(struct bt_token_stream *stream, size_t capacity, struct bt_text **captions, struct bt_err *err)
{
    *captions = bt_alloc(capacity, sizeof **captions, err);
    *stream = (struct bt_token_stream){ .captions = *captions, .tokens = bt_alloc(capacity, sizeof **captions, err) };
    return *captions && stream->tokens ? BT_OK : BT_ERR_MEMORY;
}

static void stream_free(struct bt_token_stream *stream)
{
    free((struct bt_text *)stream->captions);
    free(stream->tokens);
    bt_buf_free(&stream->text);
}

/* References and results of the images that are scored. Free both, also after a failure. */
static int tokenize(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                    const struct bt_caption_scores *scores, struct bt_token_stream streams[2], struct bt_err *err)
{
    struct bt_text *references, *results;
    int rc = stream_new(&streams[0], set->reference_count, &references, err);
    if (!rc)
        rc = stream_new(&streams[1], scores->count, &results, err);
    for (size_t i = 0; !rc && i < scores->count; i++) {
        int32_t number = scores->each[i].number, count;
        const struct bt_text *given = bt_captions_references(set, number, &count);
        bt_join_get(set->join, number, policy, &results[streams[1].count++]);
        for (int32_t r = 0; r < count; r++)
            references[streams[0].count++] = given[r];
    }
    return rc ? rc : bt_tokens_make(how, streams, 2, err);
}

static int read_items(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                      const struct bt_caption_scores *scores, struct bt_lexicon *lex,
                      struct bt_caption_item *items, struct bt_sentence *sentences, struct bt_err *err)
{
    struct bt_token_stream streams[2] = { { 0 } };
    int rc = tokenize(set, policy, how, scores, streams, err);
    if (!rc)
        rc = bt_lexicon_expect(lex, streams[0].text.size + streams[1].text.size, err);
    if (!rc)
        rc = read_sentences(set, scores, streams, lex, items, sentences, err);
    stream_free(&streams[0]);
    stream_free(&streams[1]);
    return rc;
}

/* Copies of a stream's tokens, which outlive it. */
static int keep_tokens(const struct bt_token_stream *stream, struct bt_arena *arena, struct bt_text **tokens,
                       struct bt_err *err)
{
    struct bt_text *kept = bt_arena_take(arena, stream->count, sizeof *kept);
    for (size_t i = 0; kept && i < stream->count; i++) {
        const struct bt_text *token = &stream->tokens[i];
        kept[i] = (struct bt_text){ bt_arena_str(arena, token->data, token->size), token->size };
        if (!kept[i].data)
            kept = NULL;
    }
    *tokens = kept;
    return kept ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokens");
}

int bt_captions_tokens(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                       const struct bt_caption_scores *scores, struct bt_arena *arena,
                       struct bt_text **results, struct bt_text **references, struct bt_err *err)
{
    struct bt_token_stream streams[2] = { { 0 } };
    int rc = tokenize(set, policy, how, scores, streams, err);
    if (!rc)
        rc = keep_tokens(&streams[0], arena, references, err);
    if (!rc)
        rc = keep_tokens(&streams[1], arena, results, err);
    stream_free(&streams[0]);
    stream_free(&streams[1]);
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

/* What the metrics need, in one piece: items to score, and the corpus of the document frequencies. */
struct reading {
    struct bt_lexicon *lex;
    struct bt_caption_item *items, *corpus;
    struct bt_sentence *sentences, *corpus_sentences;
    size_t corpus_count;
    double *values; /* scratch, one per item */
    struct bt_bleu_counts *counts;
};

static int score_items(const struct reading *r, struct bt_caption_scores *scores, struct bt_err *err)
{
    int32_t gram_count = bt_lexicon_gram_count(r->lex);
    size_t exact = 0;
    int rc = bt_bleu_score(r->items, scores->count, gram_count, r->counts, scores->bleu, err);
    for (size_t i = 0; !rc && i < scores->count; i++) {
        scores->each[i].counts = r->counts[i];
        bt_bleu_value(&r->counts[i], scores->each[i].bleu);
    }
    if (!rc)
        rc = bt_rouge_score(r->items, scores->count, bt_lexicon_piece_count(r->lex), r->values, err);
    if (!rc)
        scores->rouge_l = pairwise_sum(r->values, scores->count) / (double)scores->count;
    for (size_t i = 0; !rc && i < scores->count; i++)
        scores->each[i].rouge_l = r->values[i];
    if (!rc)
        rc = r->corpus ? bt_cider_score(r->items, scores->count, r->corpus, r->corpus_count, gram_count,
                                        r->values, err)
                       : bt_cider_score(r->items, scores->count, r->items, scores->count, gram_count,
                                        r->values, err);
    if (!rc)
        scores->cider = pairwise_sum(r->values, scores->count) / (double)scores->count;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        scores->each[i].cider = r->values[i];
        scores->each[i].exact = equals_reference(&r->items[i]);
        exact += scores->each[i].exact;
    }
    scores->exact = (double)exact / (double)scores->count;
    return rc;
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

/* The references of the corpus, as one stream; its images without any do not count. */
static int read_corpus(const struct bt_captions *corpus, enum bt_tokens how, struct reading *r,
                       struct bt_err *err)
{
    struct bt_token_stream stream = { 0 };
    struct bt_text *captions;
    size_t images = (size_t)bt_join_count(corpus->join);
    r->corpus = bt_alloc(images, sizeof *r->corpus, err);
    r->corpus_sentences = bt_alloc(corpus->reference_count, sizeof *r->corpus_sentences, err);
    int rc = r->corpus && r->corpus_sentences ? stream_new(&stream, corpus->reference_count, &captions, err)
                                              : BT_ERR_MEMORY;

    for (size_t i = 0; !rc && i < images; i++) {
        int32_t count;
        const struct bt_text *references = bt_captions_references(corpus, (int32_t)i, &count);
        struct bt_caption_item *item = &r->corpus[r->corpus_count];
        *item = (struct bt_caption_item){ .references = r->corpus_sentences + stream.count, .reference_count = count };
        for (int32_t k = 0; k < count; k++)
            captions[stream.count++] = references[k];
        r->corpus_count += count > 0;
    }
    if (!rc)
        rc = bt_tokens_make(how, &stream, 1, err);
    for (size_t at = 0; !rc && at < stream.count; at++)
        rc = bt_lexicon_read(r->lex, stream.tokens[at], &r->corpus_sentences[at], err);
    stream_free(&stream);
    return rc;
}

static int read_and_score(const struct bt_captions *set, const struct bt_join_policy *policy,
                          enum bt_tokens how, struct bt_caption_scores *scores, struct bt_err *err)
{
    struct reading r = { .lex = bt_lexicon_new(),
                         .items = bt_alloc(scores->count, sizeof *r.items, err),
                         .sentences = bt_alloc(set->reference_count, sizeof *r.sentences, err),
                         .values = bt_alloc(scores->count, sizeof *r.values, err),
                         .counts = bt_alloc(scores->count, sizeof *r.counts, err) };
    int rc = BT_OK;
    if (!r.lex || !r.items || !r.sentences || !r.values || !r.counts)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for %zu captions", scores->count);
    if (!rc)
        rc = read_items(set, policy, how, scores, r.lex, r.items, r.sentences, err);
    if (!rc && set->corpus)
        rc = read_corpus(set->corpus, how, &r, err);
    if (!rc)
        rc = score_items(&r, scores, err);
    if (!rc && set->meteor)
        rc = score_meteor(set->meteor, &r, scores, err);
    free(r.counts);
    free(r.values);
    free(r.corpus_sentences);
    free(r.corpus);
    free(r.sentences);
    free(r.items);
    bt_lexicon_free(r.lex);
    return rc;
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
    if (!rc)
        rc = hash_data(set, &made, err);
    if (rc)
        free(made.each);
    else
        *scores = made;
    return rc;
}
