/* Beam search. Source: models.md 8.3. */
#include "libcommon/generate/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct finished {
    double score;
    int32_t *ids; /* without the end token */
    size_t length, added; /* added: its number, for ties */
    bool ended;
};

struct item {
    struct finished *heap; /* the best `beams` so far, in no order */
    size_t count, added;
    double worst;
    bool done;
};

struct candidate {
    float score;
    size_t at; /* beam * vocab + token */
};

struct search {
    const struct bt_scorer *scorer;
    const struct bt_decode_options *o;
    size_t items, beams, columns, room, length, vocab;
    struct item *item;
    int32_t *ids, *moved; /* [items * beams, room] */
    float *score, *logits; /* [items * beams], [items * beams, vocab] */
    int32_t *tokens, *from;
    float *next_score;
    struct candidate *best; /* 2 * beams */
};

static void search_free(struct search *s)
{
    for (size_t i = 0; s->item && i < s->items; i++) {
        for (size_t k = 0; k < s->item[i].count; k++)
            free(s->item[i].heap[k].ids);
        free(s->item[i].heap);
    }
    free(s->item);
    free(s->ids);
    free(s->moved);
    free(s->score);
    free(s->logits);
    free(s->tokens);
    free(s->from);
    free(s->next_score);
    free(s->best);
}

static int search_new(struct search *s, const int32_t *prompt, struct bt_err *err)
{
    size_t rows = s->items * s->beams;

    s->item = bt_alloc(s->items, sizeof *s->item, err);
    s->ids = bt_alloc(rows * s->room, sizeof *s->ids, err);
    s->moved = bt_alloc(rows * s->room, sizeof *s->moved, err);
    s->score = bt_alloc(rows, sizeof *s->score, err);
    s->next_score = bt_alloc(rows, sizeof *s->next_score, err);
    s->logits = bt_alloc(rows * s->vocab, sizeof *s->logits, err);
    s->tokens = bt_alloc(rows, sizeof *s->tokens, err);
    s->from = bt_alloc(rows, sizeof *s->from, err);
    s->best = bt_alloc(2 * s->beams, sizeof *s->best, err);
    if (!s->item || !s->ids || !s->moved || !s->score || !s->next_score || !s->logits || !s->tokens || !s->from || !s->best)
        return err->status;
    for (size_t i = 0; i < s->items; i++) {
        s->item[i].worst = 1e9;
        s->item[i].heap = bt_alloc(s->beams + 1, sizeof *s->item[i].heap, err);
        if (!s->item[i].heap)
            return err->status;
    }
    for (size_t r = 0; r < rows; r++) {
        memcpy(s->ids + r * s->room, prompt + r / s->beams * s->columns, s->columns * sizeof *prompt);
        s->score[r] = r % s->beams ? -1e9f : 0.0f; /* beams begin alike: only the first counts */
    }
    return BT_OK;
}

/* A hypothesis enters while there is room, or when it beats the worst, which then leaves (of equals the earliest). */
static int add(struct search *s, struct item *item, const int32_t *ids, size_t length, double sum, bool ended, struct bt_err *err)
{
    double score = sum / pow((double)length, s->o->length_penalty);
    struct finished *f = &item->heap[item->count];

    if (item->count == s->beams && !(score > item->worst))
        return BT_OK;
    f->ids = bt_alloc(length, sizeof *f->ids, err);
    if (!f->ids)
        return err->status;
    memcpy(f->ids, ids, length * sizeof *ids);
    f->score = score;
    f->length = length;
    f->ended = ended;
    f->added = item->added++;
    item->count++;
    if (item->count <= s->beams) {
        item->worst = fmin(item->worst, score);
        return BT_OK;
    }

    size_t lowest = 0;

    for (size_t i = 1; i < item->count; i++)
        if (item->heap[i].score < item->heap[lowest].score ||
            (item->heap[i].score == item->heap[lowest].score && item->heap[i].added < item->heap[lowest].added))
            lowest = i;
    free(item->heap[lowest].ids);
    item->heap[lowest] = item->heap[--item->count];
    item->worst = item->heap[0].score;
    for (size_t i = 1; i < item->count; i++)
        item->worst = fmin(item->worst, item->heap[i].score);
    return BT_OK;
}

/* The 2K best continuations of an item, best first; of equals the lowest beam and token. */
static void rank(struct search *s, size_t i)
{
    size_t found = 0, most = 2 * s->beams;

    for (size_t b = 0; b < s->beams; b++) {
        const float *row = s->logits + (i * s->beams + b) * s->vocab;
        float before = s->score[i * s->beams + b];

        for (size_t v = 0; v < s->vocab; v++) {
            float score = before + row[v];
            size_t k;

            if (found == most && !(score > s->best[most - 1].score))
                continue;
            for (k = found < most ? found++ : most - 1; k > 0 && s->best[k - 1].score < score; k--)
                s->best[k] = s->best[k - 1];
            s->best[k] = (struct candidate){ score, b * s->vocab + v };
        }
    }
}

/* log-softmax, then the processors: in beam search they act on log-probabilities (models.md 8.2). */
static void process(struct search *s, size_t row)
{
    float *x = s->logits + row * s->vocab, top = -INFINITY;
    double sum = 0;

    for (size_t v = 0; v < s->vocab; v++)
        top = fmaxf(top, x[v]);
    for (size_t v = 0; v < s->vocab; v++)
        sum += exp((double)(x[v] - top));

    float lse = (float)log(sum);

    for (size_t v = 0; v < s->vocab; v++)
        x[v] = x[v] - top - lse;
    bt_process_scores(x, s->vocab, s->ids + row * s->room, s->length, s->o);
}

/* One item's step: ended candidates become hypotheses, the others its next beams. */
static int advance(struct search *s, size_t i, struct bt_err *err)
{
    struct item *item = &s->item[i];
    size_t first = i * s->beams, n = 0;
    int rc = BT_OK;

    if (item->done) {
        for (size_t b = 0; b < s->beams; b++) {
            s->tokens[first + b] = s->o->pad;
            s->from[first + b] = (int32_t)(first + b);
            s->next_score[first + b] = 0;
        }
        return BT_OK;
    }
    for (size_t b = 0; b < s->beams; b++)
        process(s, first + b);
    rank(s, i);
    for (size_t r = 0; r < 2 * s->beams && n < s->beams && !rc; r++) {
        size_t row = first + s->best[r].at / s->vocab;
        int32_t token = (int32_t)(s->best[r].at % s->vocab);

        if (token == s->o->eos) {
            if (r < s->beams)
                rc = add(s, item, s->ids + row * s->room, s->length, (double)s->best[r].score, true, err);
            continue;
        }
        s->tokens[first + n] = token;
        s->from[first + n] = (int32_t)row;
        s->next_score[first + n++] = s->best[r].score;
    }
    if (item->count >= s->beams &&
        item->worst >= (double)s->best[0].score / pow((double)s->length, s->o->length_penalty))
        item->done = true;
    return rc;
}

static void move(struct search *s)
{
    size_t rows = s->items * s->beams;
    int32_t *swap = s->ids;

    for (size_t r = 0; r < rows; r++) {
        memcpy(s->moved + r * s->room, s->ids + (size_t)s->from[r] * s->room, s->length * sizeof *s->ids);
        s->moved[r * s->room + s->length] = s->tokens[r];
    }
    s->ids = s->moved;
    s->moved = swap;
    memcpy(s->score, s->next_score, rows * sizeof *s->score);
}

/* Best first; among equals the one added last. */
static int better(const void *a, const void *b)
{
    const struct finished *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->added < y->added ? 1 : -1;
}

static int finish(struct search *s, struct bt_hypothesis *out, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = 0; i < s->items && !rc; i++) {
        struct item *item = &s->item[i];

        for (size_t b = 0; b < s->beams && !item->done && !rc; b++) {
            size_t row = i * s->beams + b;

            rc = add(s, item, s->ids + row * s->room, s->length, (double)s->score[row], false, err);
        }
        if (rc)
            break;
        qsort(item->heap, item->count, sizeof *item->heap, better);
        for (size_t k = 0; k < s->o->returns && k < item->count && !rc; k++) {
            struct bt_hypothesis *h = &out[i * s->o->returns + k];
            const struct finished *f = &item->heap[k];

            h->count = f->length - s->columns;
            h->ids = bt_alloc(h->count, sizeof *h->ids, err);
            if (!h->ids)
                rc = err->status;
            else
                memcpy(h->ids, f->ids + s->columns, h->count * sizeof *h->ids);
            h->score = (float)f->score;
            h->ended = f->ended;
        }
    }
    return rc;
}

int bt_beam_search(const struct bt_scorer *scorer, const struct bt_decode_options *o, const int32_t *prompt, size_t items,
                   size_t columns, struct bt_hypothesis *out, struct bt_err *err)
{
    struct search s = { .scorer = scorer, .o = o, .items = items, .beams = o->beams, .columns = columns,
                        .room = columns + o->max_new, .length = columns, .vocab = scorer->vocab };
    int rc = search_new(&s, prompt, err);

    if (!rc)
        rc = scorer->begin(scorer->context, s.beams, s.logits, err);
    for (size_t r = items * s.beams; !rc && r-- > 0;) /* [items, vocab] to every beam, from the back, in place */
        memmove(s.logits + r * s.vocab, s.logits + r / s.beams * s.vocab, s.vocab * sizeof *s.logits);
    while (!rc) {
        bool all_done = true;

        for (size_t i = 0; i < items && !rc; i++) {
            rc = advance(&s, i, err);
            all_done = all_done && s.item[i].done;
        }
        if (rc)
            break;
        move(&s);
        s.length++;
        if (all_done || s.length >= s.room)
            break;
        rc = scorer->next(scorer->context, s.tokens, s.from, s.logits, err);
    }
    if (!rc)
        rc = finish(&s, out, err);
    search_free(&s);
    return rc;
}
