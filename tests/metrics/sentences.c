/* Sentences as numbers: n-grams, and streams that two threads read. */
#include "libcommon/metrics/pairs.h"
#include "libcommon/metrics/ptb.h"
#include "libcommon/metrics/sentences.h"
#include "tests/test.h"

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void test_pairs(void)
{
    enum { COUNT = 20000, RANGE = 150 };
    static int32_t left[COUNT], right[COUNT], numbers[COUNT], known[RANGE][RANGE];
    struct bt_err err = { 0 };
    uint32_t state = 1;
    int32_t distinct = 0, expected = 0;
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        left[i] = (int32_t)(next(&state) % (RANGE + 1)) - 1;
        right[i] = (int32_t)(next(&state) % (RANGE + 1)) - 1;
    }
    CHECK_OK(bt_number_pairs(left, right, COUNT, numbers, &distinct, &err), &err);
    for (int i = 0; i < COUNT; i++) {
        if (left[i] < 0 || right[i] < 0) {
            wrong += numbers[i] != -1;
            continue;
        }
        int32_t *number = &known[left[i]][right[i]];
        if (*number == 0)
            *number = ++expected;
        wrong += numbers[i] != *number - 1;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(distinct, expected);
    CHECK_OK(bt_number_pairs(left, right, 0, numbers, &distinct, &err), &err);
    CHECK_INT(distinct, 0);
}

static void test_lists(void)
{
    struct bt_lexicon *lex = bt_lexicon_new();
    struct bt_sentence s[4];
    struct bt_err err = { 0 };
    CHECK_OK(bt_lexicon_read(lex, text("a dog a dog a"), &s[0], &err), &err);
    CHECK_OK(bt_lexicon_read(lex, text(""), &s[1], &err), &err);
    CHECK_OK(bt_lexicon_read(lex, text("a dog a dog a"), &s[2], &err), &err);
    CHECK_OK(bt_lexicon_read(lex, text("dog\tdog"), &s[3], &err), &err); /* one piece, two words */
    CHECK_OK(bt_lexicon_number(lex, (struct bt_sentence_range[]){ { s, 3 }, { s + 3, 1 } }, 2, &err), &err);
    CHECK_INT(s[0].word_count, 5);
    CHECK_INT(s[0].gram_end[0], 2); /* a, dog */
    CHECK_INT(s[0].gram_end[1], 4); /* a dog, dog a */
    CHECK_INT(s[0].gram_end[2], 6);
    CHECK_INT(s[0].gram_end[3], 8);
    CHECK_INT(s[0].grams[0].count, 3);
    CHECK_INT(s[0].grams[2].count, 2);
    CHECK_INT(s[0].grams[7].count, 1);
    CHECK(memcmp(s[0].grams, s[2].grams, 8 * sizeof *s[0].grams) == 0);
    CHECK(bt_sentence_equal(&s[0], &s[2]));
    CHECK_INT(s[1].word_count, 0);
    CHECK_INT(s[1].piece_count, 1);
    CHECK_INT(s[1].gram_end[3], 0);
    CHECK(!bt_sentence_equal(&s[0], &s[1]));
    CHECK_INT(s[3].piece_count, 1);
    CHECK_INT(s[3].word_count, 2);
    CHECK_INT(s[3].gram_end[3], 2); /* dog, dog dog */
    CHECK_INT(s[3].grams[0].id, s[0].grams[1].id);
    bt_lexicon_free(lex);
}

/* Of a text with many repetitions, against counting by hand. */
static void test_repetitions(void)
{
    enum { WORDS = 600 };
    char caption[2 * WORDS];
    uint32_t state = 7;
    for (int i = 0; i < WORDS; i++) {
        caption[2 * i] = (char)('a' + next(&state) % 5 * (next(&state) % 2));
        caption[2 * i + 1] = ' ';
    }
    struct bt_lexicon *lex = bt_lexicon_new();
    struct bt_sentence s;
    struct bt_err err = { 0 };
    CHECK_OK(bt_lexicon_read(lex, (struct bt_text){ caption, sizeof caption - 1 }, &s, &err), &err);
    CHECK_OK(bt_lexicon_number(lex, &(struct bt_sentence_range){ &s, 1 }, 1, &err), &err);
    CHECK_INT(s.word_count, WORDS);
    for (int n = 1, at = 0; n <= BT_ORDERS; n++)
        for (int i = 0; i + n <= WORDS; i++) {
            int before = 0, count = 0;
            for (int k = 0; k + n <= WORDS; k++) {
                const int same = memcmp(caption + 2 * i, caption + 2 * k, (size_t)(2 * n - 1)) == 0;
                before += same && k < i;
                count += same;
            }
            if (before == 0)
                CHECK_INT(s.grams[at++].count, count);
            if (i + n == WORDS)
                CHECK_INT(s.gram_end[n - 1], at);
        }
    bt_lexicon_free(lex);
}

/* ---------------------------------------------------------------- two threads */

enum { MANY = 1500, FEW = 700 };

struct corpus {
    struct bt_text captions[MANY + FEW];
    struct bt_sentence sentences[MANY + FEW];
    char made[MANY + FEW][40];
};

static void make_corpus(struct corpus *c, uint32_t seed)
{
    static const char *const words[] = { "a", "Dog", "can't", "U.S.", "red", "of", "tree.", "(two)", "5th", "\xc3\xa9t\xc3\xa9" };
    uint32_t state = seed;
    for (int i = 0; i < MANY + FEW; i++) {
        c->made[i][0] = '\0';
        for (uint32_t k = next(&state) % 5; k < 6; k++) {
            strcat(c->made[i], words[next(&state) % 10]);
            strcat(c->made[i], " ");
        }
        c->captions[i] = text(c->made[i]);
    }
}

/* The sentences that two threads read are those of the token strings of each stream, with the same n-grams. */
static void check_corpus(struct corpus *c)
{
    static struct bt_text tokens[MANY + FEW];
    static struct bt_sentence alone[MANY + FEW];
    struct bt_sentence_stream streams[] = { { c->captions, MANY, c->sentences }, { c->captions + MANY, FEW, c->sentences + MANY } };
    struct bt_lexicon *lex = bt_lexicon_new(), *other = bt_lexicon_new();
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_buf many = { 0 }, few = { 0 };
    struct bt_err err = { 0 };
    size_t failed;
    int wrong = 0;
    CHECK_OK(bt_sentences_read(lex, BT_TOKENS_PTB, streams, 2, &failed, &err), &err);
    CHECK_INT(failed, MANY + FEW);
    CHECK_OK(bt_ptb_tokenize(ptb, c->captions, MANY, &many, tokens, &err), &err);
    CHECK_OK(bt_ptb_tokenize(ptb, c->captions + MANY, FEW, &few, tokens + MANY, &err), &err);
    for (int i = 0; i < MANY + FEW; i++)
        CHECK_OK(bt_lexicon_read(other, tokens[i], &alone[i], &err), &err);
    CHECK_OK(bt_lexicon_number(other, &(struct bt_sentence_range){ alone, MANY + FEW }, 1, &err), &err);
    int32_t *to = calloc((size_t)bt_lexicon_gram_count(other), sizeof *to);
    for (int i = 0; i < MANY + FEW; i++) {
        const struct bt_sentence *a = &c->sentences[i], *b = &alone[i];
        struct bt_buf string = { 0 };
        CHECK_OK(bt_lexicon_text(lex, a, &string, &err), &err);
        wrong += string.size != tokens[i].size || (string.size && memcmp(string.data, tokens[i].data, string.size) != 0);
        wrong += a->word_count != b->word_count || memcmp(a->gram_end, b->gram_end, sizeof a->gram_end) != 0;
        for (int g = 0; !wrong && g < a->gram_end[BT_ORDERS - 1]; g++) {
            int32_t *number = &to[b->grams[g].id];
            if (*number == 0)
                *number = a->grams[g].id + 1;
            wrong += *number != a->grams[g].id + 1 || a->grams[g].count != b->grams[g].count;
        }
        bt_buf_free(&string);
    }
    CHECK_INT(wrong, 0);
    CHECK(bt_lexicon_gram_count(lex) >= bt_lexicon_gram_count(other)); /* with what was read in vain over a border */
    free(to);
    bt_buf_free(&many);
    bt_buf_free(&few);
    bt_ptb_free(ptb);
    bt_lexicon_free(lex);
    bt_lexicon_free(other);
}

static void test_halves(void)
{
    static struct corpus c;
    const int middle = (MANY + FEW) / 2;
    make_corpus(&c, 1);
    check_corpus(&c);
    c.captions[3] = text("one\vtwo"); /* a line too many in the first half */
    check_corpus(&c);
    c.captions[MANY - 1] = text("one\ftwo"); /* and in the second */
    check_corpus(&c);
    c.captions[middle - 1] = text("a <b c=\"x"); /* a token over the border */
    c.captions[middle] = text("y\"> tag");
    check_corpus(&c);
}

static void test_failures(void)
{
    static struct corpus c;
    char *huge = malloc(70000);
    struct bt_sentence_stream streams[] = { { c.captions, MANY, c.sentences }, { c.captions + MANY, FEW, c.sentences + MANY } };
    memset(huge, 'a', 70000);
    for (int i = 100; i < MANY + FEW; i += 700) { /* in either half, in either stream */
        struct bt_lexicon *lex = bt_lexicon_new();
        struct bt_err err = { 0 };
        size_t failed;
        make_corpus(&c, 2);
        c.captions[i] = (struct bt_text){ huge, 70000 };
        CHECK_INT(bt_sentences_read(lex, BT_TOKENS_WORDS, streams, 2, &failed, &err), BT_ERR_LIMIT);
        CHECK_INT(failed, i);
        bt_lexicon_free(lex);
        lex = bt_lexicon_new();
        c.captions[i] = text("\xff");
        CHECK_INT(bt_sentences_read(lex, BT_TOKENS_PTB, streams, 2, &failed, &err), BT_ERR_UTF8);
        bt_lexicon_free(lex);
    }
    free(huge);
}

int main(void)
{
    RUN(test_pairs);
    RUN(test_lists);
    RUN(test_repetitions);
    RUN(test_halves);
    RUN(test_failures);
    return test_end();
}
