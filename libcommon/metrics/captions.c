#include "libcommon/metrics/captions.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/bleu.h"
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
    struct bt_text *grouped; /* by image, in the order in which they came */
    size_t *group_start;     /* [images + 1] */
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

const struct bt_join *bt_captions_join(const struct bt_captions *set)
{
    return set->join;
}

const struct bt_text *bt_captions_references(const struct bt_captions *set, int32_t number, int32_t *count)
{
    *count = (int32_t)(set->group_start[number + 1] - set->group_start[number]);
    return set->grouped + set->group_start[number];
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

static int read_items(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                      const struct bt_caption_scores *scores, struct bt_lexicon *lex,
                      struct bt_caption_item *items, struct bt_sentence *sentences, struct bt_err *err)
{
    struct bt_text *references = bt_alloc(set->reference_count, sizeof *references, err),
                   *results = bt_alloc(scores->count, sizeof *results, err);
    struct bt_token_stream streams[2] = {
        { references, 0, bt_alloc(set->reference_count, sizeof *references, err), { 0 } },
        { results, scores->count, bt_alloc(scores->count, sizeof *results, err), { 0 } },
    };
    int rc = references && results && streams[0].tokens && streams[1].tokens ? BT_OK : BT_ERR_MEMORY;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        int32_t number = scores->each[i].number, count;
        const struct bt_text *given = bt_captions_references(set, number, &count);
        bt_join_get(set->join, number, policy, &results[i]);
        for (int32_t r = 0; r < count; r++)
            references[streams[0].count++] = given[r];
    }
    if (!rc)
        rc = bt_tokens_make(how, streams, 2, err);
    if (!rc)
        rc = read_sentences(set, scores, streams, lex, items, sentences, err);
    for (int i = 0; i < 2; i++) {
        free(streams[i].tokens);
        bt_buf_free(&streams[i].text);
    }
    free(results);
    free(references);
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

/* values: scratch for [count] numbers, bleu for [count][4]. */
static int score_items(const struct bt_caption_item *items, int32_t gram_count, double *values,
                       double (*bleu)[BT_ORDERS], struct bt_caption_scores *scores, struct bt_err *err)
{
    size_t exact = 0;
    int rc = bt_bleu_score(items, scores->count, gram_count, bleu, scores->bleu, err);
    for (size_t i = 0; !rc && i < scores->count; i++)
        memcpy(scores->each[i].bleu, bleu[i], sizeof bleu[i]);
    if (!rc)
        rc = bt_rouge_score(items, scores->count, values, err);
    if (!rc)
        scores->rouge_l = pairwise_sum(values, scores->count) / (double)scores->count;
    for (size_t i = 0; !rc && i < scores->count; i++)
        scores->each[i].rouge_l = values[i];
    if (!rc)
        rc = bt_cider_score(items, scores->count, gram_count, values, err);
    if (!rc)
        scores->cider = pairwise_sum(values, scores->count) / (double)scores->count;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        scores->each[i].cider = values[i];
        scores->each[i].exact = equals_reference(&items[i]);
        exact += scores->each[i].exact;
    }
    scores->exact = (double)exact / (double)scores->count;
    return rc;
}

static int read_and_score(const struct bt_captions *set, const struct bt_join_policy *policy,
                          enum bt_tokens how, struct bt_caption_scores *scores, struct bt_err *err)
{
    struct bt_lexicon *lex = bt_lexicon_new();
    struct bt_caption_item *items = bt_alloc(scores->count, sizeof *items, err);
    struct bt_sentence *sentences = bt_alloc(set->reference_count, sizeof *sentences, err);
    double *values = bt_alloc(scores->count, sizeof *values, err);
    double(*bleu)[BT_ORDERS] = bt_alloc(scores->count, sizeof *bleu, err);

    int rc = BT_OK;
    if (!lex || !items || !sentences || !values || !bleu)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for %zu captions", scores->count);
    if (!rc)
        rc = read_items(set, policy, how, scores, lex, items, sentences, err);
    if (!rc)
        rc = score_items(items, bt_lexicon_gram_count(lex), values, bleu, scores, err);
    free(bleu);
    free(values);
    free(sentences);
    free(items);
    bt_lexicon_free(lex);
    return rc;
}

static int hash_data(const struct bt_captions *set, struct bt_caption_scores *scores, struct bt_err *err)
{
    struct bt_buf buf = { 0 };
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < scores->count; i++) {
        int32_t count;
        struct bt_text id = bt_join_id(set->join, scores->each[i].number);
        const struct bt_text *references = bt_captions_references(set, scores->each[i].number, &count);
        for (int32_t r = 0; !rc && r < count; r++) {
            buf.size = 0;
            rc = bt_buf_add(&buf, id.data, id.size + 1, err); /* with the NUL behind it */
            if (!rc)
                rc = bt_buf_add(&buf, references[r].data, references[r].size, err);
            if (!rc)
                scores->data += bt_xxh64(buf.data, buf.size);
        }
    }
    bt_buf_free(&buf);
    return rc;
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
