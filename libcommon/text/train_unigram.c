/* Unigram training: many substrings to begin with; expectation maximization gives them probabilities, then those without
 * which the corpus loses least go, until few enough are left. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/text/sentencepiece.h"
#include "libcommon/text/train.h"
#include "libcommon/text/unicode.h"
#include "libcommon/text/unigram.h"

#define MARKS 3             /* <pad> </s> <unk> */
#define SEED_CHARS 16       /* of the longest piece */
#define SEEDS_EACH 10       /* substrings to begin with, for each piece that is wanted */
#define ROUNDS 2            /* of expectation maximization, between one pruning and the next */
#define EXPECTED_LEAST 0.5  /* of a piece that stays */
#define PRUNE_TO 0.75       /* of the pieces in one pruning, */
#define PRUNE_UNTIL 1.1     /* down to this multiple of what is wanted; the lowest scores go last */
#define UNKNOWN_SCORE -50.0 /* of a character that found no place */

struct model {
    struct bt_vocab pieces;
    double *score;
    bool *single; /* one character: stays, or its words could not be written */
};

struct edge {
    uint32_t from, to;
    int32_t id; /* -1: unknown */
};

/* The ways to write one word; edges by where they begin. */
struct lattice {
    struct edge *edges;
    uint64_t count, capacity;
    uint32_t size;
    double before[BT_CORPUS_WORD_MAX + 1], behind[BT_CORPUS_WORD_MAX + 1]; /* log-sums, or the best from the left */
    uint64_t back[BT_CORPUS_WORD_MAX + 1];
};

struct trainer {
    const struct bt_corpus *corpus;
    int32_t *words; /* in byte order: sums do not depend on the order of lines */
    struct model model;
    struct lattice lattice;
    double *expected; /* or the count in the best ways; one a piece */
    int64_t wanted;
};

/* ---------------------------------------------------------------- the model */

static void model_free(struct model *m)
{
    bt_vocab_free(&m->pieces);
    free(m->score);
    free(m->single);
    memset(m, 0, sizeof *m);
}

static int model_init(struct model *m, size_t most, struct bt_err *err)
{
    memset(m, 0, sizeof *m);
    int rc = bt_vocab_init(&m->pieces, err);
    m->score = bt_alloc(most, sizeof *m->score, err);
    m->single = bt_alloc(most, sizeof *m->single, err);
    if (!rc && (!m->score || !m->single))
        rc = BT_ERR_MEMORY;
    if (rc)
        model_free(m);
    return rc;
}

static int model_add(struct model *m, const char *text, size_t size, double score, bool single, struct bt_err *err)
{
    int32_t id;
    int rc = bt_vocab_append(&m->pieces, text, size, &id, err);

    if (rc)
        return rc;
    m->score[id] = score;
    m->single[id] = single;
    return BT_OK;
}

/* The pieces of `order` that are marked, in that order. */
static int model_keep(struct model *m, const int32_t *order, const bool *keep, struct bt_err *err)
{
    struct model kept;
    int rc = model_init(&kept, (size_t)m->pieces.count, err);

    if (rc)
        return rc;
    for (int32_t i = 0; i < m->pieces.count && !rc; i++) {
        size_t size;
        const char *text = bt_vocab_text(&m->pieces, order[i], &size);

        if (keep[order[i]])
            rc = model_add(&kept, text, size, m->score[order[i]], m->single[order[i]], err);
    }
    if (rc) {
        model_free(&kept);
        return rc;
    }
    model_free(m);
    *m = kept;
    return BT_OK;
}

struct ranked {
    double value;
    const char *text;
    size_t size;
    int32_t id;
};

static int by_value(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    int order;

    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* The ids by value, the largest first, equals in byte order; the caller frees *order. */
static int rank(const struct bt_vocab *vocab, const double *values, int32_t **order, struct bt_err *err)
{
    size_t count = (size_t)vocab->count;
    struct ranked *list = bt_alloc(count, sizeof *list, err);
    int32_t *ids = bt_alloc(count, sizeof *ids, err);

    if (!list || !ids) {
        free(list);
        free(ids);
        return BT_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct ranked){ .value = values[i], .id = (int32_t)i };
        list[i].text = bt_vocab_text(vocab, (int32_t)i, &list[i].size);
    }
    qsort(list, count, sizeof *list, by_value);
    for (size_t i = 0; i < count; i++)
        ids[i] = list[i].id;
    free(list);
    *order = ids;
    return BT_OK;
}

/* ---------------------------------------------------------------- where it begins */

static size_t chars_of(const char *text, size_t size)
{
    size_t chars = 0;

    for (size_t i = 0; i < size; i++)
        chars += ((uint8_t)text[i] & 0xC0) != 0x80;
    return chars;
}

/* Counts every substring of up to SEED_CHARS characters. */
static int substrings_count(const struct trainer *t, struct bt_corpus *all, struct bt_err *err)
{
    int rc = BT_OK;

    for (int32_t w = 0; w < t->corpus->words.count && !rc; w++) {
        size_t size = 0;
        const char *word = bt_vocab_text(&t->corpus->words, t->words[w], &size);
        uint32_t c;

        for (size_t from = 0; from < size && !rc; from += (size_t)bt_utf8_next(word + from, size - from, &c)) {
            size_t to = from;

            for (int chars = 0; chars < SEED_CHARS && to < size && !rc; chars++) {
                to += (size_t)bt_utf8_next(word + to, size - to, &c);
                rc = bt_corpus_count(all, word + from, to - from, t->corpus->counts[t->words[w]], err);
            }
        }
    }
    return rc;
}

/* Single characters first, as many as there is room for; then what covers most of the text. */
static int seeds_add(struct trainer *t, const struct bt_corpus *all, const int32_t *order, struct bt_err *err)
{
    int64_t most = t->wanted * SEEDS_EACH;
    int rc = BT_OK;

    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < all->words.count && !rc; i++) {
            size_t size;
            const char *text = bt_vocab_text(&all->words, order[i], &size);
            bool single = chars_of(text, size) == 1;

            if (single == (pass == 0) && (single || all->counts[order[i]] > 1) &&
                t->model.pieces.count < (single ? t->wanted : most))
                rc = model_add(&t->model, text, size, log((double)all->counts[order[i]]), single, err);
        }
    return rc;
}

/* The logarithm of each count's share. */
static void normalize(struct model *m)
{
    double total = 0;

    for (int32_t id = 0; id < m->pieces.count; id++)
        total += exp(m->score[id]);
    for (int32_t id = 0; id < m->pieces.count; id++)
        m->score[id] -= log(total);
}

static int seed(struct trainer *t, struct bt_err *err)
{
    struct bt_corpus all = { 0 };
    double *covers = NULL;
    int32_t *order = NULL;
    int rc = bt_corpus_init(&all, BT_TOKENIZER_T5, err);

    if (!rc)
        rc = substrings_count(t, &all, err);
    if (!rc && !(covers = bt_alloc((uint64_t)all.words.count, sizeof *covers, err)))
        rc = BT_ERR_MEMORY;
    for (int32_t id = 0; !rc && id < all.words.count; id++) {
        size_t size;
        const char *text = bt_vocab_text(&all.words, id, &size);

        covers[id] = (double)all.counts[id] * (double)chars_of(text, size);
    }
    if (!rc)
        rc = rank(&all.words, covers, &order, err);
    if (!rc)
        rc = model_init(&t->model, (size_t)all.words.count, err);
    if (!rc)
        rc = seeds_add(t, &all, order, err);
    if (!rc)
        normalize(&t->model);
    free(covers);
    free(order);
    bt_corpus_free(&all);
    return rc;
}

/* ---------------------------------------------------------------- the ways to write a word */

static int edge_add(struct lattice *l, uint32_t from, size_t to, int32_t id, struct bt_err *err)
{
    int rc = bt_grow(&l->edges, &l->capacity, l->count + 1, sizeof *l->edges, err);

    if (!rc)
        l->edges[l->count++] = (struct edge){ from, (uint32_t)to, id };
    return rc;
}

/* `whole`: with the piece that is all of the text. */
static int lattice_build(struct lattice *l, const struct model *m, const char *text, size_t size, bool whole,
                         struct bt_err *err)
{
    int rc = BT_OK;

    l->count = 0;
    l->size = (uint32_t)size;
    for (uint32_t from = 0, length; from < size && !rc; from += length) {
        uint32_t node = BT_VOCAB_ROOT, c;
        bool single = false;

        length = (uint32_t)bt_utf8_next(text + from, size - from, &c);
        for (size_t i = from; i < size && !rc; i++) {
            node = bt_vocab_walk(&m->pieces, node, text + i, 1);
            if (node == BT_VOCAB_NOWHERE)
                break;
            int32_t id = m->pieces.ids[node];
            if (id < 0 || (!whole && i + 1 - from == size))
                continue;
            single |= i + 1 - from == length;
            rc = edge_add(l, from, i + 1, id, err);
        }
        if (!rc && !single)
            rc = edge_add(l, from, from + length, -1, err);
    }
    return rc;
}

static double score_of(const struct model *m, int32_t id)
{
    return id < 0 ? UNKNOWN_SCORE : m->score[id];
}

static double log_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;

    return isinf(low) ? high : high + log1p(exp(low - high));
}

/* Adds `count` times the probability with which each piece stands in the word. */
static void expect(struct trainer *t, double count)
{
    struct lattice *l = &t->lattice;

    for (uint32_t i = 0; i <= l->size; i++)
        l->before[i] = l->behind[i] = -INFINITY;
    l->before[0] = l->behind[l->size] = 0;
    for (uint64_t e = 0; e < l->count; e++) {
        const struct edge *x = &l->edges[e];

        l->before[x->to] = log_add(l->before[x->to], l->before[x->from] + score_of(&t->model, x->id));
    }
    for (uint64_t e = l->count; e-- > 0;) {
        const struct edge *x = &l->edges[e];

        l->behind[x->from] = log_add(l->behind[x->from], l->behind[x->to] + score_of(&t->model, x->id));
    }
    for (uint64_t e = 0; e < l->count; e++) {
        const struct edge *x = &l->edges[e];

        if (x->id >= 0)
            t->expected[x->id] += count * exp(l->before[x->from] + t->model.score[x->id] + l->behind[x->to] -
                                              l->before[l->size]);
    }
}

/* The best way: its score, and through back[] from the end its edges. */
static double best(struct lattice *l, const struct model *m)
{
    for (uint32_t i = 0; i <= l->size; i++)
        l->before[i] = -INFINITY;
    l->before[0] = 0;
    for (uint64_t e = 0; e < l->count; e++) {
        const struct edge *x = &l->edges[e];
        double score = l->before[x->from] + score_of(m, x->id);

        if (score > l->before[x->to]) {
            l->before[x->to] = score;
            l->back[x->to] = e;
        }
    }
    return l->before[l->size];
}

/* ---------------------------------------------------------------- expectation maximization */

typedef void each_word(struct trainer *t, double count);

static void count_best(struct trainer *t, double count)
{
    const struct lattice *l = &t->lattice;

    best(&t->lattice, &t->model);
    for (uint32_t at = l->size; at > 0; at = l->edges[l->back[at]].from)
        if (l->edges[l->back[at]].id >= 0)
            t->expected[l->edges[l->back[at]].id] += count;
}

/* Zeroes t->expected and calls `each` with the lattice of every word. */
static int over_words(struct trainer *t, each_word *each, struct bt_err *err)
{
    int rc = BT_OK;

    memset(t->expected, 0, (size_t)t->model.pieces.count * sizeof *t->expected);
    for (int32_t w = 0; w < t->corpus->words.count && !rc; w++) {
        size_t size;
        const char *word = bt_vocab_text(&t->corpus->words, t->words[w], &size);

        rc = lattice_build(&t->lattice, &t->model, word, size, true, err);
        if (!rc)
            each(t, (double)t->corpus->counts[t->words[w]]);
    }
    return rc;
}

/* The derivative of the logarithm of the gamma function, x > 0. */
static double digamma(double x)
{
    double sum = 0;

    for (; x < 7; x++)
        sum -= 1 / x;
    x -= 0.5;
    double xx = 1 / x, xx2 = xx * xx, xx4 = xx2 * xx2;
    return sum + log(x) + xx2 / 24 - 7.0 / 960 * xx4 + 31.0 / 8064 * xx4 * xx2 - 127.0 / 30720 * xx4 * xx4;
}

/* New scores from the expected counts; rare pieces go. */
static int maximize(struct trainer *t, struct bt_err *err)
{
    struct model *m = &t->model;
    bool *keep = bt_alloc((uint64_t)m->pieces.count, sizeof *keep, err);
    int32_t *order = bt_alloc((uint64_t)m->pieces.count, sizeof *order, err);
    double total = 0;
    int rc = keep && order ? BT_OK : BT_ERR_MEMORY;

    for (int32_t id = 0; id < m->pieces.count && !rc; id++) {
        order[id] = id;
        if (m->single[id] && t->expected[id] < EXPECTED_LEAST)
            t->expected[id] = EXPECTED_LEAST;
        keep[id] = t->expected[id] >= EXPECTED_LEAST;
        total += keep[id] ? t->expected[id] : 0;
    }
    for (int32_t id = 0; id < m->pieces.count && !rc; id++)
        m->score[id] = keep[id] ? digamma(t->expected[id]) - digamma(total) : 0;
    if (!rc)
        rc = model_keep(m, order, keep, err);
    free(keep);
    free(order);
    return rc;
}

/* What the corpus's likelihood loses without the piece; below nothing when its parts write it as well. */
static int loss_of(struct trainer *t, int32_t id, double total, double *loss, struct bt_err *err)
{
    struct lattice *l = &t->lattice;
    double count = t->expected[id], parts = 0, there;
    size_t size;
    const char *text = bt_vocab_text(&t->model.pieces, id, &size);
    int rc = lattice_build(l, &t->model, text, size, false, err), pieces = 0;

    *loss = -1;
    if (rc || count <= 0 || best(l, &t->model) >= t->model.score[id])
        return rc;
    for (uint32_t at = l->size; at > 0; at = l->edges[l->back[at]].from, pieces++) {
        int32_t part = l->edges[l->back[at]].id;

        parts += log((part < 0 ? 0 : t->expected[part]) + count);
    }
    there = log(count) - log(total);
    *loss = count / total * (there - (parts - pieces * log(total + count * (pieces - 1))));
    return BT_OK;
}

static int prune(struct trainer *t, struct bt_err *err)
{
    int32_t count = t->model.pieces.count, kept = 0, *order = NULL;
    double *loss = bt_alloc((uint64_t)count, sizeof *loss, err), total = 0;
    bool *keep = bt_alloc((uint64_t)count, sizeof *keep, err);
    int64_t most = (int64_t)(PRUNE_TO * count);
    int rc = loss && keep ? over_words(t, count_best, err) : BT_ERR_MEMORY;

    for (int32_t id = 0; id < count && !rc; id++)
        total += t->expected[id];
    for (int32_t id = 0; id < count && !rc; id++) {
        loss[id] = INFINITY; /* single characters stay */
        if (!t->model.single[id])
            rc = loss_of(t, id, total, &loss[id], err);
    }
    if (!rc)
        rc = rank(&t->model.pieces, loss, &order, err);
    most = most < t->wanted ? t->wanted : most;
    for (int32_t i = 0; i < count && !rc; i++) {
        keep[order[i]] = t->model.single[order[i]] || (loss[order[i]] > 0 && kept < most);
        kept += keep[order[i]];
    }
    if (!rc)
        rc = model_keep(&t->model, order, keep, err);
    free(loss);
    free(keep);
    free(order);
    return rc;
}

static int rounds(struct trainer *t, struct bt_err *err)
{
    int rc = BT_OK;

    for (int i = 0; i < ROUNDS && !rc; i++) {
        rc = over_words(t, expect, err);
        if (!rc)
            rc = maximize(t, err);
    }
    return rc;
}

static int learn(struct trainer *t, struct bt_err *err)
{
    int64_t enough = (int64_t)(PRUNE_UNTIL * (double)t->wanted);
    int32_t before = 0;
    int rc = seed(t, err);

    if (!rc && !(t->expected = bt_alloc((uint64_t)t->model.pieces.count, sizeof *t->expected, err)))
        rc = BT_ERR_MEMORY;
    if (!rc)
        rc = rounds(t, err);
    while (!rc && t->model.pieces.count > enough && t->model.pieces.count != before) {
        before = t->model.pieces.count;
        rc = prune(t, err);
        if (!rc)
            rc = rounds(t, err);
    }
    return rc;
}

/* ---------------------------------------------------------------- the file */

/* Marks, then pieces by score: all single characters, and of the others as many as there is room for. */
static int choose(const struct trainer *t, const int32_t *order, struct model *out, struct bt_err *err)
{
    static const char *const marks[MARKS] = { "<pad>", "</s>", "<unk>" };
    const struct model *m = &t->model;
    int64_t room = t->wanted;
    int rc = BT_OK;

    for (int32_t id = 0; id < m->pieces.count; id++)
        room -= m->single[id];
    for (int i = 0; i < MARKS && !rc; i++)
        rc = model_add(out, marks[i], strlen(marks[i]), 0, false, err);
    for (int32_t i = 0; i < m->pieces.count && !rc; i++) {
        size_t size;
        const char *text = bt_vocab_text(&m->pieces, order[i], &size);

        if ((m->single[order[i]] || room-- > 0) && bt_vocab_find(&out->pieces, text, size) < 0)
            rc = model_add(out, text, size, m->score[order[i]], false, err);
    }
    return rc;
}

static int write_model(const struct trainer *t, const char *path, bool force, int64_t *made, struct bt_err *err)
{
    struct model out = { 0 };
    struct bt_buf bytes = { 0 };
    int32_t *order = NULL;
    float *scores = NULL;
    int rc = rank(&t->model.pieces, t->model.score, &order, err);

    if (!rc)
        rc = model_init(&out, (size_t)t->model.pieces.count + MARKS, err);
    if (!rc)
        rc = choose(t, order, &out, err);
    if (!rc && !(scores = bt_alloc((uint64_t)out.pieces.count, sizeof *scores, err)))
        rc = BT_ERR_MEMORY;
    for (int32_t id = 0; !rc && id < out.pieces.count; id++)
        scores[id] = (float)out.score[id];
    if (!rc)
        rc = bt_sentencepiece_write(&bytes, &out.pieces, scores, err);
    if (!rc)
        rc = bt_file_write(path, bytes.data, bytes.size, force, err);
    if (!rc)
        *made = out.pieces.count;
    model_free(&out);
    bt_buf_free(&bytes);
    free(order);
    free(scores);
    return rc;
}

int bt_train_unigram(const struct bt_corpus *corpus, int64_t vocab_size, const char *path, bool force, int64_t *made,
                     struct bt_err *err)
{
    struct trainer t = { .corpus = corpus, .wanted = vocab_size - MARKS };

    if (vocab_size < BT_TRAIN_UNIGRAM_LEAST || vocab_size >= BT_VOCAB_MAX - BT_SENTENCEPIECE_EXTRA)
        return bt_fail(err, BT_ERR_USAGE, "a vocabulary of %lld entries; unigram needs %d to 2^24-101",
                       (long long)vocab_size, BT_TRAIN_UNIGRAM_LEAST);
    int rc = bt_corpus_sorted(corpus, false, &t.words, err);
    if (!rc)
        rc = learn(&t, err);
    if (!rc)
        rc = write_model(&t, path, force, made, err);
    model_free(&t.model);
    free(t.lattice.edges);
    free(t.expected);
    free(t.words);
    return rc;
}
