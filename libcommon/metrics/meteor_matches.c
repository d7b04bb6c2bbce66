#include "libcommon/metrics/meteor_matches.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

#define MAX_MATCHES (1 << 24)

static int add(struct bt_matches *m, struct bt_match match, struct bt_err *err)
{
    if (m->count == MAX_MATCHES)
        return bt_fail(err, BT_ERR_LIMIT,
                       "a pair of sentences with more than 2^24 matches; captions are short");
    int rc = bt_grow(&m->made, &m->made_capacity, (uint64_t)m->count + 1, sizeof *m->made, err);
    if (!rc)
        m->made[m->count++] = match;
    return rc;
}

/* ---------------------------------------------------------------- words */

static bool share_synset(const struct bt_meteor_word *a, const struct bt_meteor_word *b)
{
    if (!(a->synset_mask & b->synset_mask))
        return false;
    for (int32_t i = 0, k = 0; i < a->synset_count && k < b->synset_count;) {
        if (a->synsets[i] == b->synsets[k])
            return true;
        if (a->synsets[i] < b->synsets[k])
            i++;
        else
            k++;
    }
    return false;
}

static bool words_match(enum bt_meteor_module module, const struct bt_meteor_words *words, int32_t a,
                        int32_t b)
{
    if (module == BT_METEOR_EXACT || a == b)
        return module == BT_METEOR_EXACT && a == b;
    const struct bt_meteor_word *x = bt_meteor_words_get(words, a), *y = bt_meteor_words_get(words, b);
    return module == BT_METEOR_STEM ? x->stem == y->stem : share_synset(x, y);
}

static int match_words(struct bt_matches *m, enum bt_meteor_module module,
                       const struct bt_meteor_words *words, const struct bt_meteor_sentence *h,
                       const struct bt_meteor_sentence *r, struct bt_err *err)
{
    int rc = BT_OK;
    for (int32_t j = 0; !rc && j < r->count; j++)
        for (int32_t i = 0; !rc && i < h->count; i++)
            if (words_match(module, words, r->words[j], h->words[i]))
                rc = add(m, (struct bt_match){ module, j, 1, i, 1 }, err);
    return rc;
}

/* ---------------------------------------------------------------- paraphrases */

/* The phrases of a sentence, and a bit for each, so that most that are not there show at once. */
struct spots {
    const struct bt_meteor_spot *items;
    int32_t count;
    uint64_t bits[16];
};

static int find_spots(struct bt_matches *m, int side, const struct bt_paraphrases *paraphrases,
                      const struct bt_meteor_sentence *sentence, struct spots *spots, struct bt_err *err)
{
    uint64_t most = (uint64_t)sentence->count * BT_METEOR_MAX_PHRASE;
    int rc = bt_grow(&m->spots[side], &m->spot_capacity[side], most, sizeof *m->spots[side], err);
    if (rc)
        return rc;
    *spots =
        (struct spots){ m->spots[side], bt_paraphrases_spots(paraphrases, sentence, m->spots[side]), { 0 } };
    for (int32_t i = 0; i < spots->count; i++)
        spots->bits[spots->items[i].phrase >> 6 & 15] |= 1ull << (spots->items[i].phrase & 63);
    return BT_OK;
}

/* For each phrase of one sentence, each of its paraphrases, each place in the other: `from_reference` tells
 * which sentence is which. */
static int match_phrases(struct bt_matches *m, const struct bt_paraphrases *paraphrases,
                         const struct spots *from, const struct spots *to, bool from_reference,
                         struct bt_err *err)
{
    int rc = BT_OK;
    for (int32_t f = 0; !rc && f < from->count; f++) {
        const struct bt_meteor_spot *a = &from->items[f];
        int32_t count;
        const int32_t *targets = bt_paraphrases_of(paraphrases, a->phrase, &count);
        for (int32_t k = 0; !rc && k < count; k++) {
            if (!(to->bits[targets[k] >> 6 & 15] >> (targets[k] & 63) & 1))
                continue;
            for (int32_t t = 0; !rc && t < to->count; t++) {
                const struct bt_meteor_spot *b = &to->items[t];
                if (b->phrase != targets[k])
                    continue;
                rc = add(
                    m,
                    from_reference
                        ? (struct bt_match){ BT_METEOR_PARAPHRASE, a->start, a->length, b->start, b->length }
                        : (struct bt_match){ BT_METEOR_PARAPHRASE, b->start, b->length, a->start, a->length },
                    err);
            }
        }
    }
    return rc;
}

static int match_paraphrases(struct bt_matches *m, const struct bt_paraphrases *paraphrases,
                             const struct bt_meteor_sentence *h, const struct bt_meteor_sentence *r,
                             struct bt_err *err)
{
    struct spots hypothesis, reference;
    int rc = find_spots(m, 0, paraphrases, h, &hypothesis, err);
    if (!rc)
        rc = find_spots(m, 1, paraphrases, r, &reference, err);
    if (!rc)
        rc = match_phrases(m, paraphrases, &reference, &hypothesis, true, err);
    if (!rc)
        rc = match_phrases(m, paraphrases, &hypothesis, &reference, false, err);
    return rc;
}

/* ---------------------------------------------------------------- all */

static int sort_by_start(struct bt_matches *m, int32_t words, struct bt_err *err)
{
    int rc = bt_grow(&m->items, &m->capacity, (uint64_t)m->count, sizeof *m->items, err);
    if (!rc)
        rc = bt_grow(&m->first, &m->first_capacity, (uint64_t)words + 2, sizeof *m->first, err);
    if (rc)
        return rc;
    /* Counted two places up, summed, then filled: afterwards first[j] is where word j begins. */
    memset(m->first, 0, ((size_t)words + 2) * sizeof *m->first);
    for (int32_t i = 0; i < m->count; i++)
        m->first[m->made[i].start + 2]++;
    for (int32_t j = 2; j < words + 2; j++)
        m->first[j] += m->first[j - 1];
    for (int32_t i = 0; i < m->count; i++)
        m->items[m->first[m->made[i].start + 1]++] = m->made[i];
    return BT_OK;
}

int bt_matches_find(struct bt_matches *m, const struct bt_meteor_words *words,
                    const struct bt_paraphrases *paraphrases, const struct bt_meteor_sentence *h,
                    const struct bt_meteor_sentence *r, struct bt_err *err)
{
    bool same = h->count == r->count &&
                (h->count == 0 || memcmp(h->words, r->words, (size_t)h->count * sizeof *h->words) == 0);
    m->count = 0;
    int rc = match_words(m, BT_METEOR_EXACT, words, h, r, err);
    if (!rc && !same)
        rc = match_words(m, BT_METEOR_STEM, words, h, r, err);
    if (!rc && !same)
        rc = match_words(m, BT_METEOR_SYNONYM, words, h, r, err);
    if (!rc && !same)
        rc = match_paraphrases(m, paraphrases, h, r, err);
    return rc ? rc : sort_by_start(m, r->count, err);
}

void bt_matches_free(struct bt_matches *m)
{
    free(m->items);
    free(m->made);
    free(m->first);
    free(m->spots[0]);
    free(m->spots[1]);
}
