/* Decoding against results worked out by hand, over a scorer whose next token depends on the last one alone. */
#include "libcommon/generate/decode.h"
#include "tests/test.h"

enum { PAD, EOS, A, B, C, S, VOCAB, ROWS = 64, ROOM = 64 };

/* probability[last][next]; what is 0 cannot come. */
struct chain {
    double probability[VOCAB][VOCAB];
    const int32_t *prompt;
    size_t items, columns, beams, steps;
    int32_t last[ROWS];
    bool ended[ROWS], paid[ROWS]; /* of greedy and sampling: the end came, and then pads alone */
    size_t fail_at;               /* fails at this step, counted from 1 */
};

static void give(const struct chain *c, int32_t last, float *logits)
{
    for (int v = 0; v < VOCAB; v++)
        logits[v] = c->probability[last][v] > 0 ? (float)log(c->probability[last][v]) + 3.0f : -INFINITY;
}

static int begin(void *context, size_t beams, float *logits, struct bt_err *err)
{
    struct chain *c = context;

    (void)err;
    c->beams = beams;
    c->steps = 0;
    for (size_t r = 0; r < c->items * beams; r++) {
        c->last[r] = c->prompt[r / beams * c->columns + c->columns - 1];
        c->ended[r] = false;
        c->paid[r] = true;
    }
    for (size_t i = 0; i < c->items; i++)
        give(c, c->last[i * beams], logits + i * VOCAB);
    return BT_OK;
}

static int next(void *context, const int32_t *tokens, const int32_t *from, float *logits, struct bt_err *err)
{
    struct chain *c = context;

    if (++c->steps == c->fail_at)
        return bt_fail(err, BT_ERR_DEVICE, "chain: broke");
    for (size_t r = 0; r < c->items * c->beams; r++) {
        CHECK_INT(from[r] / (int32_t)c->beams, r / c->beams); /* a beam goes on within its item */
        c->paid[r] = c->paid[r] && (!c->ended[r] || tokens[r] == PAD);
        c->ended[r] = c->ended[r] || tokens[r] == EOS;
        c->last[r] = tokens[r];
        give(c, c->last[r], logits + r * VOCAB);
    }
    return BT_OK;
}

static const struct bt_decode_options beams2 = {
    .mode = BT_DECODE_BEAM, .beams = 2, .returns = 2, .max_new = 3, .length_penalty = 1, .repetition_penalty = 1,
    .temperature = 1, .top_p = 1, .eos = EOS, .pad = PAD,
};

static int decode(struct chain *c, const struct bt_decode_options *o, const int32_t *prompt, size_t items, size_t columns,
                  struct bt_hypothesis *out, struct bt_err *err)
{
    const struct bt_scorer scorer = { c, VOCAB, begin, next };

    c->prompt = prompt;
    c->items = items;
    c->columns = columns;
    return bt_decode(&scorer, o, prompt, items, columns, out, err);
}

static const char *text_of(const struct bt_hypothesis *h)
{
    static char text[4][ROOM + 1];
    static int turn;
    char *at = text[turn++ % 4];

    for (size_t i = 0; i < h->count && i < ROOM; i++)
        at[i] = ".$abcs"[h->ids[i]];
    at[h->count < ROOM ? h->count : ROOM] = 0;
    return at;
}

/* One item after S; checks texts, whether they ended, and scores ln(probability) / length^penalty. */
struct want {
    const char *text;
    bool ended;
    double probability, length;
};

static void check(struct chain *c, const struct bt_decode_options *o, const struct want *want)
{
    static const int32_t prompt[] = { S };
    size_t returns = o->mode == BT_DECODE_GREEDY ? 1 : o->returns;
    struct bt_hypothesis out[4];
    struct bt_err err = { 0 };

    CHECK_OK(decode(c, o, prompt, 1, 1, out, &err), &err);
    for (size_t i = 0; i < returns && !err.status; i++) {
        CHECK_STR(text_of(&out[i]), want[i].text);
        CHECK_INT(out[i].ended, want[i].ended);
        CHECK_NEAR(out[i].score, log(want[i].probability) / pow(want[i].length, o->length_penalty), 1e-6);
    }
    bt_hypotheses_free(out, returns);
}

/*      S: a .5  b .4  end .1        a: a .4  b .4  end .2        b: a .1  end .9
 * Two beams. Length 1: a .5, b .4; the end is third and not looked at. Length 2: "b" ends with .36; aa and ab go on with .2 each.
 * Length 3: "ab" ends with .18, and no candidate is better. */
static const struct chain plain = { .probability = { [S] = { [A] = .5, [B] = .4, [EOS] = .1 },
                                                     [A] = { [A] = .4, [B] = .4, [EOS] = .2 },
                                                     [B] = { [A] = .1, [EOS] = .9 } } };

static void test_beam_search_and_length_penalty(void)
{
    struct chain c = plain;
    struct bt_decode_options o = beams2;

    o.max_new = 10;
    for (int penalty = -1; penalty <= 1; penalty++) {
        o.length_penalty = penalty;
        check(&c, &o, (struct want[]){ { "b", true, .36, 2 }, { "ab", true, .18, 3 } });
        CHECK_INT(c.steps, 2);
    }
    o.length_penalty = 2; /* ln .18 / 9 is above ln .36 / 4: not done, and what runs, ln .08 / 16, is better than both */
    o.max_new = 3;
    check(&c, &o, (struct want[]){ { "aab", false, .08, 4 }, { "aaa", false, .08, 4 } });
    o.returns = 1;
    check(&c, &o, (struct want[]){ { "aab", false, .08, 4 } });
}

/* Lengths count the prompt's columns, pads too (quirk K27). */
static void test_prompt_columns_count(void)
{
    static const int32_t prompt[] = { PAD, PAD, S };
    struct chain c = plain;
    struct bt_hypothesis out[2];
    struct bt_err err = { 0 };

    CHECK_OK(decode(&c, &beams2, prompt, 1, 3, out, &err), &err);
    CHECK_STR(text_of(&out[0]), "b");
    CHECK_NEAR(out[0].score, log(.36) / 4, 1e-6);
    CHECK_STR(text_of(&out[1]), "ab");
    CHECK_NEAR(out[1].score, log(.18) / 5, 1e-6);
    bt_hypotheses_free(out, 2);
}

/* Cut by max_new, the beams that run are results of their whole length; of equals the lowest token goes on. */
static void test_what_has_not_ended(void)
{
    struct chain c = plain;
    struct bt_decode_options o = beams2;

    o.beams = o.returns = 1;
    check(&c, &o, (struct want[]){ { "aaa", false, .08, 4 } });
    o.max_new = 1;
    check(&c, &o, (struct want[]){ { "a", false, .5, 2 } });
    CHECK_INT(c.steps, 0);
}

/* The end may not come before 3 columns. "ab" is then the only result that ended; aaa and aab tie, and the first stays. */
static void test_min_length(void)
{
    struct chain c = plain;
    struct bt_decode_options o = beams2;

    o.min_length = 3;
    check(&c, &o, (struct want[]){ { "ab", true, .18, 3 }, { "aaa", false, .08, 4 } });
    o.min_length = 2; /* S is one column: as if there were none, since the end was not among the best */
    check(&c, &o, (struct want[]){ { "b", true, .36, 2 }, { "ab", true, .18, 3 } });
}

/* ln .4 * 2 is ln .16: after an a, a second one is less likely than b. */
static void test_repetition_penalty(void)
{
    struct chain c = plain;
    struct bt_decode_options o = beams2;

    o.beams = o.returns = 1;
    o.repetition_penalty = 2;
    check(&c, &o, (struct want[]){ { "ab", true, .18, 3 } });
}

static void test_processors(void)
{
    static const int32_t ids[] = { 0, 1, 1, 0 };
    struct bt_decode_options o = beams2;
    float s[] = { 1, -1, 2, .5f };

    o.repetition_penalty = 2;
    o.min_length = 4;
    bt_process_scores(s, 4, ids, 4, &o); /* each id once; the end is free at 4 */
    CHECK_NEAR(s[0], .5, 0);
    CHECK_NEAR(s[1], -2, 0);
    CHECK_NEAR(s[2], 2, 0);
    CHECK_NEAR(s[3], .5, 0);
    bt_process_scores(s, 4, ids, 3, &o);
    CHECK(isinf(s[EOS]) && s[EOS] < 0);
}

/*      S: a .6  b .4      a: c .5  end .5      b: b .9  end .1      c: c .2  end .8
 * "a" ends with .3 and "ac" with .24 while b...b is better than the worse of them: only when .4 * .9^5 = .236 is not, all is
 * done. */
static const struct chain late = { .probability = { [S] = { [A] = .6, [B] = .4 }, [A] = { [C] = .5, [EOS] = .5 },
                                                    [B] = { [B] = .9, [EOS] = .1 }, [C] = { [C] = .2, [EOS] = .8 } } };

static void test_done_rule(void)
{
    struct chain c = late;
    struct bt_decode_options o = beams2;

    o.length_penalty = 0;
    o.max_new = 50;
    check(&c, &o, (struct want[]){ { "a", true, .3, 1 }, { "ac", true, .24, 1 } });
    CHECK_INT(c.steps, 5);
    o.max_new = 4; /* cut before: bbbb, .2916, takes the place of "ac" */
    check(&c, &o, (struct want[]){ { "a", true, .3, 1 }, { "bbbb", false, .2916, 1 } });
}

/* All equal: "a" and then "ac" come with .25, "bc" is no better and stays out, and the later of equals is first. */
static void test_ties(void)
{
    struct chain c = { .probability = { [S] = { [A] = .5, [B] = .5 }, [A] = { [C] = .5, [EOS] = .5 },
                                        [B] = { [C] = .5, [EOS] = .5 }, [C] = { [EOS] = 1 } } };
    struct bt_decode_options o = beams2;

    o.length_penalty = 0;
    check(&c, &o, (struct want[]){ { "ac", true, .25, 1 }, { "a", true, .25, 1 } });
}

static void test_greedy(void)
{
    struct chain c = plain;
    struct bt_decode_options o = beams2;

    o.mode = BT_DECODE_GREEDY;
    o.length_penalty = 0;
    check(&c, &o, (struct want[]){ { "aaa", false, .08, 1 } });
    o.repetition_penalty = 2; /* of logits: 3 + ln .4 halved is below 3 + ln .4; the score stays the model's own */
    check(&c, &o, (struct want[]){ { "ab", true, .18, 1 } });
}

/* ---- items together ---- */

static void same(const struct bt_hypothesis *a, const struct bt_hypothesis *b)
{
    CHECK_INT(a->count, b->count);
    CHECK(a->count != b->count || memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0);
    CHECK_INT(a->ended, b->ended);
    CHECK(a->score == b->score);
}

/* Items end at different steps; each is what it is alone. A sample's draws depend on its key, not on its place. */
static void test_items_do_not_touch_each_other(void)
{
    static const int32_t prompts[] = { S, B, A, C, S, A };
    static const uint64_t keys[] = { 900, 17, 0, 4, 901, 18 };
    struct bt_hypothesis all[12], one[2];
    struct bt_err err = { 0 };

    for (int mode = BT_DECODE_BEAM; mode <= BT_DECODE_SAMPLE; mode++) {
        struct chain c = late;
        struct bt_decode_options o = beams2;
        size_t returns = mode == BT_DECODE_GREEDY ? 1 : 2;

        o.mode = (enum bt_decode_mode)mode;
        o.max_new = 12;
        o.key = keys;
        CHECK_OK(decode(&c, &o, prompts, 6, 1, all, &err), &err);
        for (size_t r = 0; r < 6 * returns && mode != BT_DECODE_BEAM; r++)
            CHECK(c.paid[r]);
        for (size_t i = 0; i < 6; i++) {
            o.key = &keys[i];
            CHECK_OK(decode(&c, &o, prompts + i, 1, 1, one, &err), &err);
            for (size_t k = 0; k < returns; k++)
                same(&one[k], &all[i * returns + k]);
            bt_hypotheses_free(one, returns);
        }
        bt_hypotheses_free(all, 6 * returns);
    }
}

static void test_a_failure_is_passed_on(void)
{
    static const int32_t prompts[] = { S, B };

    for (int mode = BT_DECODE_BEAM; mode <= BT_DECODE_SAMPLE; mode++) {
        struct chain c = late;
        struct bt_decode_options o = beams2;
        struct bt_hypothesis out[4];
        struct bt_err err = { 0 };

        c.fail_at = 2;
        o.mode = (enum bt_decode_mode)mode;
        o.max_new = 12;
        CHECK_INT(decode(&c, &o, prompts, 2, 1, out, &err), BT_ERR_DEVICE);
        CHECK_STR(err.text, "chain: broke");
        CHECK(out[0].ids == NULL);
    }
}

/* ---- sampling ---- */

static struct bt_decode_options sampling(double temperature, double top_p)
{
    struct bt_decode_options o = beams2;

    o.mode = BT_DECODE_SAMPLE;
    o.returns = 1;
    o.temperature = temperature;
    o.top_p = top_p;
    return o;
}

static void test_distribution(void)
{
    static const float logs[] = { -.6931472f, -1.2039728f, -1.8971200f, -2.9957323f }; /* .5 .3 .15 .05 */
    static const struct {
        double temperature, top_p;
        float want[4];
    } cases[] = {
        { 1, 1, { .5f, .3f, .15f, .05f } },
        { 1, .79, { .625f, .375f, 0, 0 } },
        { 1, .81, { .5263158f, .3157895f, .1578947f, 0 } },
        { 1, .49, { 1, 0, 0, 0 } },
        { 1, 1e-4, { 1, 0, 0, 0 } },
        { .5, 1, { .6849315f, .2465753f, .0616438f, .0068493f } }, /* squares: .25 .09 .0225 .0025 of .365 */
        { 1e-4, 1, { 1, 0, 0, 0 } },
        { 1e-30, 1, { 1, 0, 0, 0 } },
        { 1e30, 1, { .25f, .25f, .25f, .25f } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_decode_options o = sampling(cases[i].temperature, cases[i].top_p);
        float s[4];

        memcpy(s, logs, sizeof s);
        bt_sampling_distribution(s, 4, NULL, 0, &o);
        for (int v = 0; v < 4; v++)
            CHECK_NEAR(s[v], cases[i].want[v], 1e-6);
    }
}

static void test_best_fifty(void)
{
    struct bt_decode_options o = sampling(1, 1);
    float s[80];
    int kept;

    for (int tie = 0; tie < 2; tie++) {
        kept = 0;
        for (int v = 0; v < 80; v++)
            s[v] = (float)(v * 37 % 80) * -.01f; /* ranks in no order */
        if (tie)
            s[50 * 13 % 80] = 49 * -.01f; /* rank 50, as good as rank 49 (37 * 13 is 1 modulo 80) */
        bt_sampling_distribution(s, 80, NULL, 0, &o);
        for (int v = 0; v < 80; v++)
            kept += s[v] > 0;
        CHECK_INT(kept, 50 + tie);
    }
}

static void test_end_token_of_samples(void)
{
    static const int32_t ids[] = { S, B };
    struct bt_decode_options o = sampling(1, 1);
    float s[VOCAB];

    o.min_length = 3;
    give(&late, B, s);
    bt_sampling_distribution(s, VOCAB, ids, 2, &o);
    CHECK_NEAR(s[EOS], 0, 0);
    CHECK_NEAR(s[B], 1, 0);
}

static void test_cold_samples_are_greedy(void)
{
    static const double cold[][2] = { { 1e-4, 1 }, { 1e-30, .9 }, { 1, 1e-4 } };
    static const int32_t prompt[] = { S };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < 3; i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct chain c = late;
            struct bt_decode_options o = sampling(cold[i][0], cold[i][1]), greedy = o;
            struct bt_hypothesis a, b;

            c.probability[A][C] = .45; /* no ties, between which a sample may choose */
            c.probability[A][EOS] = .55;
            o.seed = seed;
            greedy.mode = BT_DECODE_GREEDY;
            CHECK_OK(decode(&c, &o, prompt, 1, 1, &a, &err), &err);
            CHECK_OK(decode(&c, &greedy, prompt, 1, 1, &b, &err), &err);
            same(&a, &b);
            bt_hypotheses_free(&a, 1);
            bt_hypotheses_free(&b, 1);
        }
}

/* 4000 draws of a first token that is a with .6: the share is within 5 standard deviations; seeds and keys differ. */
static void test_draws(void)
{
    static const int32_t prompt[] = { S };
    struct chain c = late;
    struct bt_decode_options o = sampling(1, 1);
    struct bt_err err = { 0 };
    int a[2] = { 0, 0 }, different = 0;

    o.max_new = 1;
    for (uint64_t key = 0; key < 4000; key++) {
        int32_t first[2];

        for (int seed = 0; seed < 2; seed++) {
            struct bt_hypothesis h;

            o.seed = (uint64_t)seed;
            o.key = &key;
            CHECK_OK(decode(&c, &o, prompt, 1, 1, &h, &err), &err);
            first[seed] = h.count == 1 ? h.ids[0] : -1;
            a[seed] += first[seed] == A;
            bt_hypotheses_free(&h, 1);
        }
        different += first[0] != first[1];
    }
    CHECK_NEAR(a[0] / 4000., .6, .039);
    CHECK_NEAR(a[1] / 4000., .6, .039);
    CHECK_NEAR(different / 4000., .48, .04); /* 2 * .6 * .4 */
}

/* The first of several samples is the one that would be alone; the others are draws of their own. */
static void test_several_samples(void)
{
    static const int32_t prompt[] = { S };
    struct bt_err err = { 0 };
    int different = 0;

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct chain c = late;
        struct bt_decode_options o = sampling(1, 1);
        struct bt_hypothesis three[3], one;

        o.max_new = 20;
        o.seed = seed;
        CHECK_OK(decode(&c, &o, prompt, 1, 1, &one, &err), &err);
        o.returns = 3;
        CHECK_OK(decode(&c, &o, prompt, 1, 1, three, &err), &err);
        same(&one, &three[0]);
        different += three[0].score != three[1].score || three[1].score != three[2].score;
        bt_hypotheses_free(three, 3);
        bt_hypotheses_free(&one, 1);
    }
    CHECK(different > 25);
}

int main(void)
{
    RUN(test_beam_search_and_length_penalty);
    RUN(test_prompt_columns_count);
    RUN(test_what_has_not_ended);
    RUN(test_min_length);
    RUN(test_repetition_penalty);
    RUN(test_processors);
    RUN(test_done_rule);
    RUN(test_ties);
    RUN(test_greedy);
    RUN(test_items_do_not_touch_each_other);
    RUN(test_a_failure_is_passed_on);
    RUN(test_distribution);
    RUN(test_best_fifty);
    RUN(test_end_token_of_samples);
    RUN(test_cold_samples_are_greedy);
    RUN(test_draws);
    RUN(test_several_samples);
    return test_end();
}
