#include "libcommon/metrics/meteor_align.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/meteor_matches.h"

enum { BEAM = 40, NONE = -1 };

/* A partial alignment of the reference up to some word. */
struct state {
    int64_t dist;   /* sum of |j - i| */
    int32_t m1, m2; /* weights matched in the hypothesis and the reference, whole numbers */
    int32_t chunks, idx, last_end;
    int32_t chosen; /* the last match taken, in `links`; NONE */
};

/* What a state becomes at a word: `parent` with a match taken, or without. */
struct successor {
    uint64_t key; /* the smaller the better */
    struct state state;
    int32_t parent, match;
};

struct link {
    int32_t match, before;
};

struct bt_aligner {
    const struct bt_meteor_words *words;
    const struct bt_paraphrases *paraphrases;
    struct bt_matches matches;

    struct state states[BEAM];
    int state_count;
    struct successor best[BEAM]; /* the next round's states, sorted */
    int best_count;
    size_t stride; /* 64-bit words of flags for a state: words used in the reference, in the hypothesis */
    size_t reference_bits;      /* where the hypothesis's begin */
    uint64_t *used, *next_used; /* [BEAM][stride] */
    uint64_t used_capacity, next_capacity;

    int32_t *fixed; /* [reference]: match that every alignment has; NONE */
    uint64_t fixed_capacity;
    int32_t *cover; /* [reference, then hypothesis]: matches that touch the word */
    uint64_t cover_capacity;
    struct link *links;
    uint64_t link_count, link_capacity;
};

struct bt_aligner *bt_aligner_new(const struct bt_meteor_words *words,
                                  const struct bt_paraphrases *paraphrases)
{
    struct bt_aligner *a = calloc(1, sizeof *a);
    if (a) {
        a->words = words;
        a->paraphrases = paraphrases;
    }
    return a;
}

void bt_aligner_free(struct bt_aligner *a)
{
    if (!a)
        return;
    bt_matches_free(&a->matches);
    free(a->used);
    free(a->next_used);
    free(a->fixed);
    free(a->cover);
    free(a->links);
    free(a);
}

/* ---------------------------------------------------------------- flags */

static bool is_set(const uint64_t *bits, size_t at)
{
    return bits[at / 64] >> (at % 64) & 1;
}

static bool any_set(const uint64_t *bits, size_t at, int32_t count)
{
    for (int32_t k = 0; k < count; k++)
        if (is_set(bits, at + (size_t)k))
            return true;
    return false;
}

static void set(uint64_t *bits, size_t at, int32_t count)
{
    for (int32_t k = 0; k < count; k++)
        bits[(at + (size_t)k) / 64] |= 1ull << ((at + (size_t)k) % 64);
}

static bool is_free(const struct bt_aligner *a, const uint64_t *used, const struct bt_match *m)
{
    return !any_set(used, (size_t)m->start, m->length) &&
           !any_set(used, a->reference_bits + (size_t)m->at, m->at_length);
}

static void use(const struct bt_aligner *a, uint64_t *used, const struct bt_match *m)
{
    set(used, (size_t)m->start, m->length);
    set(used, a->reference_bits + (size_t)m->at, m->at_length);
}

/* ---------------------------------------------------------------- fixed matches */

static bool covered_once(const int32_t *cover, int32_t at, int32_t count)
{
    for (int32_t k = 0; k < count; k++)
        if (cover[at + k] != 1)
            return false;
    return true;
}

/* A match is fixed when it is the only one at its start and no other touches its words. */
static void fix(struct bt_aligner *a, int32_t reference_count, int32_t hypothesis_count)
{
    const struct bt_matches *m = &a->matches;
    int32_t *reference = a->cover, *hypothesis = a->cover + reference_count;
    memset(a->cover, 0, (size_t)(reference_count + hypothesis_count) * sizeof *a->cover);
    for (int32_t k = 0; k < m->count; k++) {
        for (int32_t w = 0; w < m->items[k].length; w++)
            reference[m->items[k].start + w]++;
        for (int32_t w = 0; w < m->items[k].at_length; w++)
            hypothesis[m->items[k].at + w]++;
    }
    for (int32_t j = 0; j < reference_count; j++) {
        a->fixed[j] = NONE;
        if (m->first[j + 1] - m->first[j] != 1)
            continue;
        const struct bt_match *match = &m->items[m->first[j]];
        if (covered_once(reference, j, match->length) &&
            covered_once(hypothesis, match->at, match->at_length))
            a->fixed[j] = m->first[j];
    }
}

/* ---------------------------------------------------------------- search */

/* More weight first, then fewer chunks, then less distance. */
static uint64_t key_of(const struct state *s)
{
    uint64_t weight = (uint64_t)(s->m1 + s->m2), dist = s->dist < UINT32_MAX ? (uint64_t)s->dist : UINT32_MAX;
    return (0xFFFF - weight) << 48 | (uint64_t)s->chunks << 32 | dist;
}

/* Into the sorted list behind its equals, unless as many as the beam is wide are better. */
static void append(struct bt_aligner *a, const struct state *state, int32_t parent, int32_t match)
{
    uint64_t key = key_of(state);
    int at = a->best_count;
    if (at == BEAM) {
        if (a->best[BEAM - 1].key <= key)
            return;
        at--;
    } else {
        a->best_count++;
    }
    for (; at > 0 && a->best[at - 1].key > key; at--)
        a->best[at] = a->best[at - 1];
    a->best[at] = (struct successor){ key, *state, parent, match };
}

/* What a match adds to the sum of its side. The sums are whole numbers, so that an inexact match of one word
 * adds nothing: the published aligner's rounding. */
static int32_t weight(const struct bt_match *m, int32_t length)
{
    return m->module == BT_METEOR_EXACT ? length : length / 2;
}

static void take(struct state *s, const struct bt_match *m)
{
    s->m1 += weight(m, m->at_length);
    s->m2 += weight(m, m->length);
    if (s->last_end != NONE && m->at != s->last_end)
        s->chunks++;
    s->idx = m->start + m->length;
    s->last_end = m->at + m->at_length;
}

static void skip(struct state *s)
{
    if (s->last_end != NONE) {
        s->chunks++;
        s->last_end = NONE;
    }
    s->idx++;
}

static int64_t distance(const struct bt_match *m)
{
    return m->start > m->at ? m->start - m->at : m->at - m->start;
}

/* The word is taken: by a match that reaches over it, or by a fixed one that begins here. */
static void pass_used(struct bt_aligner *a, int32_t parent, int32_t word)
{
    struct state s = a->states[parent];
    if (word >= s.idx) {
        if (a->fixed[s.idx] == NONE)
            return;
        const struct bt_match *m = &a->matches.items[a->fixed[s.idx]];
        take(&s, m);
        s.dist += distance(m);
    }
    append(a, &s, parent, NONE);
}

/* Every match at the word that is free, then none. The published aligner adds a match's distance to the state
 * that it leaves, not to the one with the match. */
static void branch(struct bt_aligner *a, int32_t parent, int32_t word)
{
    struct state s = a->states[parent];
    const uint64_t *used = a->used + (size_t)parent * a->stride;
    for (int32_t k = a->matches.first[word]; k < a->matches.first[word + 1]; k++) {
        const struct bt_match *m = &a->matches.items[k];
        if (!is_free(a, used, m))
            continue;
        struct state copy = s;
        take(&copy, m);
        append(a, &copy, parent, k);
        s.dist += distance(m);
    }
    skip(&s);
    append(a, &s, parent, NONE);
}

/* The successors become the states; where there are none, the first state stays. */
static int advance(struct bt_aligner *a, struct bt_err *err)
{
    int rc = bt_grow(&a->links, &a->link_capacity, a->link_count + BEAM, sizeof *a->links, err);
    if (rc)
        return rc;
    for (int n = 0; n < a->best_count; n++) {
        const struct successor *s = &a->best[n];
        uint64_t *used = a->next_used + (size_t)n * a->stride;
        memcpy(used, a->used + (size_t)s->parent * a->stride, a->stride * sizeof *used);
        a->states[n] = s->state;
        if (s->match != NONE) {
            use(a, used, &a->matches.items[s->match]);
            a->links[a->link_count] = (struct link){ s->match, s->state.chosen };
            a->states[n].chosen = (int32_t)a->link_count++;
        }
    }
    if (a->best_count == 0) {
        a->state_count = 1;
        return BT_OK;
    }
    uint64_t *swap = a->used;
    a->used = a->next_used;
    a->next_used = swap;
    a->state_count = a->best_count;
    return BT_OK;
}

static int search(struct bt_aligner *a, int32_t word_count, struct bt_err *err)
{
    int rc = BT_OK;
    a->link_count = 0;
    a->state_count = 1;
    a->states[0] = (struct state){ .last_end = NONE, .chosen = NONE };
    memset(a->used, 0, a->stride * sizeof *a->used);
    for (int32_t j = 0; j < word_count; j++)
        if (a->fixed[j] != NONE)
            use(a, a->used, &a->matches.items[a->fixed[j]]);

    for (int32_t word = 0; !rc && word <= word_count; word++) {
        a->best_count = 0;
        for (int n = 0; n < a->state_count; n++) {
            if (word == word_count) {
                struct state s = a->states[n];
                s.chunks += s.last_end != NONE;
                append(a, &s, n, NONE);
            } else if (is_set(a->used + (size_t)n * a->stride, (size_t)word)) {
                pass_used(a, n, word);
            } else {
                branch(a, n, word);
            }
        }
        rc = advance(a, err);
    }
    return rc;
}

/* ---------------------------------------------------------------- statistics */

static void count_words(const struct bt_aligner *a, const struct bt_meteor_sentence *sentence, int32_t start,
                        int32_t length, int64_t *content, int64_t *function)
{
    for (int32_t k = 0; k < length; k++) {
        bool is_function = bt_meteor_words_get(a->words, sentence->words[start + k])->function;
        *(is_function ? function : content) += 1;
    }
}

static void count_side(const struct bt_aligner *a, const struct bt_meteor_sentence *sentence,
                       struct bt_meteor_side *side)
{
    int64_t content = 0;
    side->words = sentence->count;
    count_words(a, sentence, 0, sentence->count, &content, &side->function_words);
}

/* `fixed` becomes what the best alignment chose, and is counted. */
static void count(struct bt_aligner *a, const struct bt_meteor_sentence *h,
                  const struct bt_meteor_sentence *r, struct bt_meteor_stats *stats)
{
    int32_t end = NONE, at_end = NONE;
    for (int32_t link = a->states[0].chosen; link != NONE; link = a->links[link].before)
        a->fixed[a->matches.items[a->links[link].match].start] = a->links[link].match;
    *stats = (struct bt_meteor_stats){ .chunks = 0 };
    count_side(a, h, &stats->hypothesis);
    count_side(a, r, &stats->reference);
    for (int32_t j = 0; j < r->count; j++) {
        if (a->fixed[j] == NONE)
            continue;
        const struct bt_match *m = &a->matches.items[a->fixed[j]];
        struct bt_meteor_side *x = &stats->hypothesis, *y = &stats->reference;
        count_words(a, h, m->at, m->at_length, &x->content[m->module], &x->function[m->module]);
        count_words(a, r, m->start, m->length, &y->content[m->module], &y->function[m->module]);
        x->matched += m->at_length;
        y->matched += m->length;
        stats->chunks += m->start != end || m->at != at_end;
        end = m->start + m->length;
        at_end = m->at + m->at_length;
    }
}

static int make_room(struct bt_aligner *a, int32_t reference_count, int32_t hypothesis_count,
                     struct bt_err *err)
{
    uint64_t words = (uint64_t)(reference_count + hypothesis_count);
    a->reference_bits = ((size_t)reference_count + 63) / 64 * 64;
    a->stride = a->reference_bits / 64 + ((size_t)hypothesis_count + 63) / 64;
    int rc = bt_grow(&a->used, &a->used_capacity, BEAM * (a->stride + 1), sizeof *a->used, err);
    if (!rc)
        rc = bt_grow(&a->next_used, &a->next_capacity, BEAM * (a->stride + 1), sizeof *a->next_used, err);
    if (!rc)
        rc = bt_grow(&a->fixed, &a->fixed_capacity, (uint64_t)reference_count + 1, sizeof *a->fixed, err);
    if (!rc)
        rc = bt_grow(&a->cover, &a->cover_capacity, words + 1, sizeof *a->cover, err);
    return rc;
}

int bt_aligner_align(struct bt_aligner *a, const struct bt_meteor_sentence *h,
                     const struct bt_meteor_sentence *r, struct bt_meteor_stats *stats, struct bt_err *err)
{
    int rc = make_room(a, r->count, h->count, err);
    if (!rc)
        rc = bt_matches_find(&a->matches, a->words, a->paraphrases, h, r, err);
    if (rc)
        return rc;
    fix(a, r->count, h->count);
    rc = search(a, r->count, err);
    if (!rc)
        count(a, h, r, stats);
    return rc;
}
