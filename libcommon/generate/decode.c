/* Decoding. Source: models.md 8. */
#include "libcommon/generate/decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/base/rng.h"
#include "libcommon/generate/beam.h"

#define TOP_K 50 /* active though never asked for (quirk K28) */

void bt_process_scores(float *s, size_t vocab, const int32_t *ids, size_t count, const struct bt_decode_options *o)
{
    float p = (float)o->repetition_penalty;

    for (size_t i = 0; i < count && p != 1.0f; i++) {
        bool again = false;

        for (size_t k = 0; k < i && !again; k++) /* each id once, however often it is there */
            again = ids[k] == ids[i];
        if (!again && ids[i] >= 0 && (size_t)ids[i] < vocab)
            s[ids[i]] = s[ids[i]] < 0 ? s[ids[i]] * p : s[ids[i]] / p;
    }
    if (count < o->min_length && o->eos >= 0 && (size_t)o->eos < vocab)
        s[o->eos] = -INFINITY;
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

void bt_sampling_distribution(float *s, size_t vocab, const int32_t *ids, size_t count, const struct bt_decode_options *o)
{
    float *order = malloc(vocab * sizeof *order), top = -INFINITY;
    double sum = 0, running = 0;
    size_t kept = 0;

    bt_process_scores(s, vocab, ids, count, o);
    for (size_t v = 0; v < vocab; v++)
        top = fmaxf(top, s[v]);
    /* Relative to the best, in double: a temperature of 1e-30 sends the others to -inf, and never makes NaN. */
    for (size_t v = 0; v < vocab; v++)
        s[v] = s[v] == top ? 0.0f : (float)(((double)s[v] - (double)top) / o->temperature);
    if (order) {
        memcpy(order, s, vocab * sizeof *order);
        qsort(order, vocab, sizeof *order, descending);

        float least = vocab > TOP_K ? order[TOP_K - 1] : -INFINITY, edge;

        while (kept < vocab && order[kept] >= least && order[kept] > -INFINITY)
            sum += exp((double)order[kept++]);
        /* From the most probable down, stop once the rest together is at most 1 - top_p; the best always stays. */
        edge = kept ? order[kept - 1] : least;
        for (size_t i = 0; i < kept; i++) {
            running += exp((double)order[i]) / sum;
            if (running >= o->top_p) {
                edge = order[i];
                break;
            }
        }
        for (size_t v = 0; v < vocab; v++)
            s[v] = s[v] < edge || s[v] < least ? -INFINITY : s[v];
    }
    sum = 0;
    for (size_t v = 0; v < vocab; v++)
        sum += exp((double)s[v]);
    for (size_t v = 0; v < vocab; v++)
        s[v] = (float)(exp((double)s[v]) / sum);
    free(order);
}

static double log_sum_exp(const float *s, size_t n)
{
    double top = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)s[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)s[i] - top);
    return top + log(sum);
}

/* ---- greedy and sampling: rows on their own ---- */

static int32_t pick(float *s, size_t vocab, const int32_t *ids, size_t length, const struct bt_decode_options *o,
                    struct bt_draw *draw)
{
    size_t best = 0;

    if (o->mode == BT_DECODE_SAMPLE) {
        bt_sampling_distribution(s, vocab, ids, length, o);
        return (int32_t)bt_draw_categorical(draw, s, (int64_t)vocab);
    }
    bt_process_scores(s, vocab, ids, length, o);
    for (size_t v = 1; v < vocab; v++)
        if (s[v] > s[best])
            best = v;
    return (int32_t)best;
}

struct rows {
    size_t count, columns, room;
    int32_t *ids; /* [count, room] prompt and what followed */
    int32_t *tokens, *from;
    float *logits, *kept; /* [count, vocab]; [vocab] */
    bool *done;
    float *score;
    struct bt_draw *draw;
};

static void rows_free(struct rows *r)
{
    free(r->ids);
    free(r->tokens);
    free(r->from);
    free(r->logits);
    free(r->kept);
    free(r->done);
    free(r->score);
    free(r->draw);
}

static int rows_new(struct rows *r, size_t vocab, const struct bt_decode_options *o, const int32_t *prompt, size_t items,
                    size_t columns, size_t per_item, struct bt_err *err)
{
    *r = (struct rows){ .count = items * per_item, .columns = columns, .room = columns + o->max_new };
    r->ids = bt_alloc(r->count * r->room, sizeof *r->ids, err);
    r->tokens = bt_alloc(r->count, sizeof *r->tokens, err);
    r->from = bt_alloc(r->count, sizeof *r->from, err);
    r->logits = bt_alloc(r->count * vocab, sizeof *r->logits, err);
    r->kept = bt_alloc(vocab, sizeof *r->kept, err);
    r->done = bt_alloc(r->count, sizeof *r->done, err);
    r->score = bt_alloc(r->count, sizeof *r->score, err);
    r->draw = bt_alloc(r->count, sizeof *r->draw, err);
    if (!r->ids || !r->tokens || !r->from || !r->logits || !r->kept || !r->done || !r->score || !r->draw)
        return err->status;
    for (size_t i = 0; i < r->count; i++) {
        size_t item = i / per_item;

        memcpy(r->ids + i * r->room, prompt + item * columns, columns * sizeof *prompt);
        r->from[i] = (int32_t)i;
        r->draw[i] = bt_draw(o->seed, BT_DRAW_SAMPLE, (uint32_t)(i % per_item), o->key ? o->key[item] : item);
    }
    return BT_OK;
}

/* The first logits, [items, vocab], spread to every row of its item; from the back, in place. */
static void spread(float *logits, size_t items, size_t per_item, size_t vocab)
{
    for (size_t i = items * per_item; i-- > 0;)
        memmove(logits + i * vocab, logits + i / per_item * vocab, vocab * sizeof *logits);
}

static int copy_out(struct bt_hypothesis *h, const int32_t *ids, size_t count, struct bt_err *err)
{
    h->ids = bt_alloc(count, sizeof *h->ids, err);
    if (!h->ids)
        return err->status;
    memcpy(h->ids, ids, count * sizeof *ids);
    h->count = count;
    return BT_OK;
}

static int decode_rows(const struct bt_scorer *scorer, const struct bt_decode_options *o, const int32_t *prompt, size_t items,
                       size_t columns, struct bt_hypothesis *out, struct bt_err *err)
{
    size_t per_item = o->mode == BT_DECODE_SAMPLE ? o->returns : 1, vocab = scorer->vocab, length = columns, open;
    struct rows r;
    int rc = rows_new(&r, vocab, o, prompt, items, columns, per_item, err);

    if (!rc)
        rc = scorer->begin(scorer->context, per_item, r.logits, err);
    if (!rc)
        spread(r.logits, items, per_item, vocab);
    open = r.count;
    while (!rc && open) {
        for (size_t i = 0; i < r.count; i++) {
            float *s = r.logits + i * vocab;
            double lse = log_sum_exp(s, vocab);
            int32_t *ids = r.ids + i * r.room;

            r.tokens[i] = o->pad;
            if (r.done[i])
                continue;

            /* The score is of the model's own distribution, before penalties change it. */
            memcpy(r.kept, s, vocab * sizeof *s);

            int32_t token = pick(s, vocab, ids, length, o, &r.draw[i]);

            r.score[i] += (float)((double)r.kept[token] - lse);
            r.tokens[i] = ids[length] = token;
            if (token == o->eos) {
                r.done[i] = true;
                if (!rc)
                    rc = copy_out(&out[i], ids + columns, length - columns, err);
                out[i].ended = true;
                open--;
            }
        }
        length++;
        if (!rc && open && length - columns < o->max_new)
            rc = scorer->next(scorer->context, r.tokens, r.from, r.logits, err);
        else
            break;
    }
    for (size_t i = 0; i < r.count && !rc; i++) {
        out[i].score = r.score[i];
        if (!r.done[i])
            rc = copy_out(&out[i], r.ids + i * r.room + columns, length - columns, err);
    }
    rows_free(&r);
    return rc;
}

int bt_decode(const struct bt_scorer *scorer, const struct bt_decode_options *o, const int32_t *prompt, size_t items,
              size_t columns, struct bt_hypothesis *out, struct bt_err *err)
{
    size_t returns = o->mode == BT_DECODE_GREEDY ? 1 : o->returns;
    int rc;

    memset(out, 0, items * returns * sizeof *out);
    if (o->mode == BT_DECODE_BEAM)
        rc = bt_beam_search(scorer, o, prompt, items, columns, out, err);
    else
        rc = decode_rows(scorer, o, prompt, items, columns, out, err);
    if (rc)
        bt_hypotheses_free(out, items * returns);
    return rc;
}

void bt_hypotheses_free(struct bt_hypothesis *h, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(h[i].ids);
        h[i] = (struct bt_hypothesis){ 0 };
    }
}
