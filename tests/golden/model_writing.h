/* Golden cases of generation: beam, greedy and nucleus decoding, by language model and Q-Former. */
#ifndef BT_GOLDEN_MODEL_WRITING_H
#define BT_GOLDEN_MODEL_WRITING_H

#include "libcommon/generate/captioner.h"
#include "tests/golden/model_stages.h"

/* A scorer that keeps what another one says: [items, steps, vocab], for one row an item. */
struct recorder {
    struct bt_scorer inner;
    float *log;
    size_t items, room, steps;
};

static void keep(struct recorder *r, const float *logits)
{
    for (size_t i = 0; i < r->items && r->steps < r->room; i++)
        memcpy(r->log + (i * r->room + r->steps) * r->inner.vocab, logits + i * r->inner.vocab,
               r->inner.vocab * sizeof *logits);
    r->steps++;
}

static int record_begin(void *context, size_t beams, float *logits, struct bt_err *err)
{
    struct recorder *r = context;
    int rc = r->inner.begin(r->inner.context, beams, logits, err);

    if (!rc)
        keep(r, logits);
    return rc;
}

static int record_next(void *context, const int32_t *tokens, const int32_t *from, float *logits,
                       struct bt_err *err)
{
    struct recorder *r = context;
    int rc = r->inner.next(r->inner.context, tokens, from, logits, err);

    if (!rc)
        keep(r, logits);
    return rc;
}

/* A run's hypotheses against the case's rows: prompt, new tokens, the end token where there is room, then
 * pads. */
static void compare_sequences(struct golden *g, struct tally *t, const char *name,
                              const struct bt_hypothesis *h, size_t returns, const struct bt_prompt *prompt,
                              const struct bt_decode_options *o)
{
    const struct bt_st_tensor *e = expect(g, name);
    size_t rows = e ? (size_t)e->shape[0] : 0, width = e ? (size_t)e->shape[1] : 0, columns = prompt->columns;
    int32_t *got = bt_arena_take(g->arena, rows * width, sizeof *got);

    for (size_t r = 0; r < rows; r++) {
        int32_t *row = got + r * width;

        if (columns + h[r].count > width) {
            mismatch(t, name, "a row is too long");
            return;
        }
        memcpy(row, prompt->ids + r / returns * columns, columns * sizeof *row);
        memcpy(row + columns, h[r].ids, h[r].count * sizeof *row);
        for (size_t k = columns + h[r].count; k < width; k++)
            row[k] = k == columns + h[r].count ? o->eos : o->pad;
        if ((columns + h[r].count < width) != h[r].ended && columns + o->max_new > width)
            mismatch(t, name, "a row ended otherwise");
    }
    compare_ints(g, t, name, got, rows * width);
}

/* Logits of greedy steps, with the penalties that belong to what was written so far. */
static void compare_steps(struct golden *g, struct tally *t, const char *name, struct recorder *r,
                          const char *sequences, const struct bt_prompt *prompt,
                          const struct bt_decode_options *o)
{
    const struct bt_st_tensor *e = expect(g, name), *s = bt_safetensors_find(g->expected, sequences);
    size_t steps = e ? (size_t)e->shape[1] : 0, vocab = r->inner.vocab;
    int32_t *ids = s ? bt_arena_take(g->arena, s->count, sizeof *ids) : NULL;
    float *got = bt_arena_take(g->arena, r->items * steps * vocab, sizeof *got);

    if (!ids || bt_safetensors_read_i32(g->expected, s, ids, &g->err))
        return;
    if (steps != r->steps) {
        mismatch(t, name, "another number of steps");
        return;
    }
    for (size_t i = 0; i < r->items; i++)
        for (size_t k = 0; k < steps; k++) {
            float *row = got + (i * steps + k) * vocab;

            memcpy(row, r->log + (i * r->room + k) * vocab, vocab * sizeof *row);
            bt_process_scores(row, vocab, ids + i * (size_t)s->shape[1], prompt->columns + k, o);
        }
    compare(g, t, name, got, r->items * steps * vocab, ACTIVATION_TOLERANCE, OF_LARGEST);
}

/* One run of the case's list; keys begin with its number. */
static void one_run(struct golden *g, struct bt_captioner *c, size_t index, const struct bt_prompt *prompt,
                    size_t items, const struct bt_decode_options *o, struct tally *ids, struct tally *scores)
{
    size_t returns = o->mode == BT_DECODE_BEAM ? o->returns : 1;
    struct bt_hypothesis *out = bt_arena_take(g->arena, items * returns, sizeof *out);
    struct recorder r = { .items = items, .room = o->max_new };
    char sequences[64], final[64], steps[64];

    snprintf(sequences, sizeof sequences, "%02zu/sequences", index);
    snprintf(final, sizeof final, "%02zu/sequences_scores", index);
    snprintf(steps, sizeof steps, "%02zu/step_scores", index);
    if (bt_captioner_scorer(c, prompt, o->max_new, &r.inner, &g->err))
        return;
    r.log = bt_arena_take(g->arena, items * r.room * r.inner.vocab, sizeof *r.log);

    struct bt_scorer scorer = { &r, r.inner.vocab, record_begin, record_next };
    int rc = o->mode == BT_DECODE_BEAM
                 ? bt_captioner_generate(c, prompt, o, out, &g->err)
                 : bt_decode(&scorer, o, prompt->ids, items, prompt->columns, out, &g->err);

    if (rc)
        return;
    compare_sequences(g, ids, sequences, out, returns, prompt, o);
    if (expects(g, final)) {
        float *got = bt_arena_take(g->arena, items * returns, sizeof *got);
        char in_double[80];

        for (size_t i = 0; i < items * returns; i++)
            got[i] = out[i].score;
        compare(g, scores, final, got, items * returns, SCORE_TOLERANCE, OF_EACH);
        snprintf(in_double, sizeof in_double, "%s_fp64", final);
        if (expects(g, in_double))
            compare(g, scores, in_double, got, items * returns, SCORE_TOLERANCE, OF_EACH);
    }
    if (expects(g, steps))
        compare_steps(g, scores, steps, &r, sequences, prompt, o);
    bt_hypotheses_free(out, items * returns);
}

/* Members that a run may lack have the defaults of the reference. */
static double member(const json_t *run, const char *name, const char *other, double otherwise)
{
    const json_t *value = json_object_get(run, name);

    value = value ? value : json_object_get(run, other);
    return value ? json_number_value(value) : otherwise;
}

static struct bt_decode_options options_of(const json_t *run, int32_t eos, int32_t pad)
{
    struct bt_decode_options o = {
        .beams = (size_t)member(run, "num_beams", "", 1),
        .returns = (size_t)member(run, "num_captions", "", 1),
        .max_new = (size_t)member(run, "max_length", "max_len", 0),
        .min_length = (size_t)member(run, "min_length", "min_len", 0),
        .length_penalty = member(run, "length_penalty", "", 1),
        .repetition_penalty = member(run, "repetition_penalty", "", 1),
        .temperature = member(run, "temperature", "", 1),
        .top_p = member(run, "top_p", "", 1),
        .eos = eos,
        .pad = pad,
    };

    o.mode = o.beams > 1 ? BT_DECODE_BEAM : BT_DECODE_GREEDY;
    return o;
}

/* Per-step distributions along a continuation that is given. */
static void nucleus(struct golden *g, struct bt_captioner *c, const json_t *run, size_t index, size_t items,
                    struct tally *t)
{
    char ids[64], continuation[64], probs[64];

    snprintf(ids, sizeof ids, "nucleus/%zu/input_ids", index);
    snprintf(continuation, sizeof continuation, "nucleus/%zu/continuation", index);
    snprintf(probs, sizeof probs, "nucleus/%zu/probs", index);

    struct bt_decode_options o = options_of(run, token(g, "opt_eos"), token(g, "opt_pad"));
    size_t columns = input_shape(g, ids, 1), steps = input_shape(g, continuation, 1), width = columns + steps;
    struct bt_prompt prompt = { .ids = input_ints(g, ids), .columns = columns };
    const int32_t *given = input_ints(g, continuation);
    int32_t *so_far = bt_arena_take(g->arena, items * width, sizeof *so_far),
            *tokens = bt_arena_take(g->arena, items, sizeof *tokens);
    int32_t *from = bt_arena_take(g->arena, items, sizeof *from);
    struct bt_scorer scorer;

    if (g->err.status || bt_captioner_scorer(c, &prompt, steps, &scorer, &g->err))
        return;

    float *logits = bt_arena_take(g->arena, items * scorer.vocab, sizeof *logits);
    float *got = bt_arena_take(g->arena, items * steps * scorer.vocab, sizeof *got);

    for (size_t i = 0; i < items; i++) {
        memcpy(so_far + i * width, prompt.ids + i * columns, columns * sizeof *so_far);
        memcpy(so_far + i * width + columns, given + i * steps, steps * sizeof *so_far);
        from[i] = (int32_t)i;
    }
    for (size_t k = 0; k < steps && !g->err.status; k++) {
        for (size_t i = 0; i < items && k; i++)
            tokens[i] = given[i * steps + k - 1];
        if (k ? scorer.next(scorer.context, tokens, from, logits, &g->err)
              : scorer.begin(scorer.context, 1, logits, &g->err))
            return;
        for (size_t i = 0; i < items; i++) {
            float *row = got + (i * steps + k) * scorer.vocab;

            memcpy(row, logits + i * scorer.vocab, scorer.vocab * sizeof *row);
            bt_sampling_distribution(row, scorer.vocab, so_far + i * width, columns + k, &o);
        }
    }
    compare(g, t, probs, got, items * steps * scorer.vocab, PROBABILITY_TOLERANCE, ABSOLUTE);
}

static struct bt_captioner *captioner_of(struct golden *g, const struct bt_vlm *vlm)
{
    struct bt_captioner *c = NULL;
    float *image = input_floats(g, "image");

    if (!g->err.status && !bt_captioner_new(&c, vlm, &g->err))
        bt_captioner_look(c, image, NULL, input_shape(g, "image", 0), &g->err);
    return c;
}

static void run_generate_opt(struct golden *g)
{
    struct tally ids = { .what = "runs' ids" }, scores = { .what = "runs' scores" },
                 probs = { .what = "nucleus distributions" };
    struct tally prefix = { .what = "prefix" };
    struct bt_vlm *vlm = vlm_of(g, BT_STAGE_2, true);
    struct bt_captioner *c = vlm ? captioner_of(g, vlm) : NULL;
    size_t items = input_shape(g, "image", 0), queries = dim(g, "num_query_tokens"), i;
    const struct bt_tensor *seen = g->err.status ? NULL : bt_captioner_prefix(c);
    json_t *run;

    if (seen)
        compare_device(g, &prefix, "lm_prefix", seen->data, bt_tensor_count(seen), ACTIVATION_TOLERANCE,
                       OF_LARGEST);
    json_array_foreach(json_object_get(g->config, "runs"), i, run)
    {
        struct bt_decode_options o =
            options_of(run, (int32_t)number(g, g->config, "eos_token_id"), token(g, "opt_pad"));
        char name[64], mask_name[64];

        snprintf(name, sizeof name, "%02zu/input_ids", i);
        snprintf(mask_name, sizeof mask_name, "%02zu/attention_mask", i);
        if (g->err.status)
            break;

        size_t columns = input_shape(g, name, 1);
        const int32_t *full = input_ints(g, mask_name); /* the queries' columns first */
        int32_t *mask = bt_arena_take(g->arena, items * columns, sizeof *mask);

        for (size_t r = 0; full && r < items; r++)
            memcpy(mask + r * columns, full + r * (queries + columns) + queries, columns * sizeof *mask);

        struct bt_prompt prompt = { input_ints(g, name), mask, columns };

        if (!g->err.status)
            one_run(g, c, i, &prompt, items, &o, &ids, &scores);
    }
    json_array_foreach(json_object_get(g->config, "nucleus"), i, run) if (!g->err.status)
        nucleus(g, c, run, i, items, &probs);
    report(g, &prefix);
    report(g, &ids);
    report(g, &scores);
    report(g, &probs);
    report_rest(g, NULL);
    bt_captioner_free(c);
    bt_vlm_free(vlm);
}

static void run_generate_qformer(struct golden *g)
{
    struct tally ids = { .what = "runs' ids" }, scores = { .what = "runs' scores" };
    struct bt_vlm *vlm = vlm_of(g, BT_STAGE_1, true);
    struct bt_captioner *c = vlm ? captioner_of(g, vlm) : NULL;
    size_t items = input_shape(g, "image", 0), i;
    int32_t *start = bt_arena_take(g->arena, items, sizeof *start);
    json_t *run;

    for (i = 0; i < items; i++)
        start[i] = token(g, "bert_dec");
    json_array_foreach(json_object_get(g->config, "runs"), i, run)
    {
        struct bt_decode_options o = options_of(run, token(g, "bert_sep"), token(g, "bert_pad"));

        o.max_new--; /* the case's length counts [DEC] */
        if (!g->err.status)
            one_run(g, c, i, &(struct bt_prompt){ .ids = start, .columns = 1 }, items, &o, &ids, &scores);
    }
    report(g, &ids);
    report(g, &scores);
    report_rest(g, NULL);
    bt_captioner_free(c);
    bt_vlm_free(vlm);
}

#endif
