/* BLEU, ROUGE-L and CIDEr of captions; expected values are the worked examples of metrics.md 2.6. */
#include "libcommon/metrics/captions.h"
#include "tests/test.h"

enum { LONGEST = 130, WORDS = 40 };

static const struct bt_join_policy strict = { BT_DUPLICATES_ERROR, false };

struct image {
    const char *id, *hypothesis, *references[3];
};

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

static struct bt_captions *load(const struct image *images, size_t count)
{
    struct bt_captions *set = bt_captions_new();
    struct bt_err err = { 0 };
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(bt_captions_image(set, text(images[i].id), &err), &err);
        for (int r = 0; r < 3 && images[i].references[r]; r++)
            CHECK_OK(bt_captions_reference(set, text(images[i].id), text(images[i].references[r]), &err),
                     &err);
        if (images[i].hypothesis)
            CHECK_OK(bt_captions_result(set, text(images[i].id), text(images[i].hypothesis), &err), &err);
    }
    return set;
}

/* The caller frees scores.each. */
static struct bt_caption_scores score(const struct image *images, size_t count)
{
    struct bt_captions *set = load(images, count);
    struct bt_caption_scores scores = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_captions_score(set, &strict, BT_TOKENS_GIVEN, &scores, &err), &err);
    bt_captions_free(set);
    return scores;
}

static void check_relative(double got, double want)
{
    CHECK_NEAR(got, want, fabs(want) * 2e-7 + 1e-30); /* the table has seven digits or more */
}

static const struct image set_a[] = {
    { "1",
      "a man riding a wave on a surfboard",
      { "a man riding a wave on top of a surfboard", "a surfer rides a large wave in the ocean" } },
    { "2", "a dog dog dog", { "a brown dog sitting on a couch", "the dog is on the sofa" } },
    { "3",
      "two people",
      { "two people walking down a city street at night", "a couple of people on a street" } },
    { "4", "", { "a red bus", "the bus is red" } },
};

static void test_set_a(void)
{
    static const double want[3][6] = {
        { 0.8824969024, 0.8170333702, 0.7323193452, 0.6752918216, 0.8714285714, 3.5293124322 },
        { 0.3032653297, 7.830277e-09, 2.649267e-11, 1.832557e-12, 0.3465909091, 0.3931983662 },
        { 0.0820849985, 0.0820849985, 8.208500e-04, 8.208500e-05, 0.3262032086, 0.8929225595 },
    };
    static const double all[6] = { 0.4840441045, 0.4170719737, 0.3662193165,
                                   0.3431676716, 0.5147408964, 1.6051444526 };
    struct bt_caption_scores s = score(set_a, 3);
    CHECK_INT(s.count, 3);
    for (size_t i = 0; i < s.count; i++) {
        for (int n = 0; n < BT_ORDERS; n++)
            check_relative(s.each[i].bleu[n], want[i][n]);
        check_relative(s.each[i].rouge_l, want[i][4]);
        check_relative(s.each[i].cider, want[i][5]);
    }
    for (int n = 0; n < BT_ORDERS; n++)
        check_relative(s.bleu[n], all[n]);
    check_relative(s.rouge_l, all[4]);
    check_relative(s.cider, all[5]);
    CHECK_INT(s.fewest_references, 2);
    CHECK_INT(s.most_references, 2);
    free(s.each);
}

/* An empty caption scores 0 and changes what the others get. */
static void test_empty_caption(void)
{
    static const double bleu[] = { 0.3906805871, 0.3366261917, 0.2955821096, 0.2769767179 };
    static const double cider[] = { 3.5110945390, 0.4339011780, 0.8844205903, 0 };
    struct bt_caption_scores s = score(set_a, 4);
    for (int n = 0; n < BT_ORDERS; n++) {
        check_relative(s.bleu[n], bleu[n]);
        CHECK_NEAR(s.each[3].bleu[n], 0, 0);
    }
    for (size_t i = 0; i < s.count; i++)
        check_relative(s.each[i].cider, cider[i]);
    check_relative(s.rouge_l, 0.3860556723);
    CHECK_NEAR(s.each[3].rouge_l, 0, 0);
    check_relative(s.cider, 1.2073540768);
    free(s.each);
}

static void test_single_image(void)
{
    struct bt_caption_scores s = score(set_a, 1);
    CHECK_NEAR(s.cider, 0, 0);
    check_relative(s.rouge_l, 0.8714285714);
    free(s.each);
}

static void test_short_captions(void)
{
    static const struct image set_b[] = { { "1", "a b c d e", { "a b c d e" } },
                                          { "2", "x y z", { "x y z" } },
                                          { "3", "p q", { "p q", "p" } } };
    static const struct image set_d[] = { { "1", "dog", { "dog", "cat" } },
                                          { "2", "", { "a", "dog" } },
                                          { "3", "bus stop", { "bus stop" } } };
    struct bt_caption_scores b = score(set_b, 3), d = score(set_d, 3);
    check_relative(b.each[0].cider, 10);
    check_relative(b.each[1].cider, 7.5);
    check_relative(b.each[2].cider, 3.3716921749);
    check_relative(b.each[1].bleu[3], 0.0316227766);
    CHECK_NEAR(b.bleu[3], 0.9999999996518, 1e-12);
    CHECK_NEAR(b.exact, 1, 0);
    check_relative(d.each[0].cider, 1.25);
    CHECK_NEAR(d.each[1].cider, 0, 0);
    check_relative(d.each[2].cider, 5);
    free(b.each);
    free(d.each);
}

/* ROUGE-L does not split at a no-break space, BLEU and CIDEr do. */
static void test_no_break_space(void)
{
    static const struct image set_c[] = { { "1",
                                            "5\xc2\xa0"
                                            "1/2 feet",
                                            { "5\xc2\xa0"
                                              "1/2 feet tall" } },
                                          { "2", "a b", { "a b c" } } };
    struct bt_caption_scores s = score(set_c, 2);
    check_relative(s.each[0].rouge_l, 0.7721518987);
    check_relative(s.each[1].rouge_l, 0.7721518987);
    check_relative(s.bleu[0], 0.6703200458);
    check_relative(s.bleu[3], 0.0211973811);
    check_relative(s.each[0].cider, 5.8916722383);
    check_relative(s.each[1].cider, 3.7564711970);
    free(s.each);
}

/* Field case C59's data: results that are the first reference of each image. */
static void test_words(void)
{
    static const struct image images[] = {
        { "1", "A red  bus on the street\n", { "a red bus on the street", "the bus is red" } },
        { "2", "Two dogs play in snow", { "two dogs play in snow", "dogs in the snow" } },
        { "3", "\xc3\x80 man holds a kite", { "\xc3\xa0 man holds a kite", "a person with a kite" } },
    };
    struct bt_captions *set = load(images, 3);
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_captions_score(set, &strict, BT_TOKENS_WORDS, &s, &err), &err);
    CHECK_NEAR(s.exact, 1, 0);
    CHECK_NEAR(s.rouge_l, 1, 1e-12);
    free(s.each);
    bt_captions_free(set);
}

static void check_refused(const struct image *images, size_t count, const char *message)
{
    struct bt_captions *set = load(images, count);
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_INT(bt_captions_score(set, &strict, BT_TOKENS_GIVEN, &s, &err), BT_ERR_INPUT);
    if (!strstr(err.text, message))
        printf("# message is: %s\n", err.text);
    CHECK(strstr(err.text, message) != NULL);
    CHECK(s.each == NULL);
    bt_captions_free(set);
}

static void test_refusals(void)
{
    static const struct image missing[] = { { "1", "a", { "a" } }, { "2", NULL, { "b" } } };
    static const struct image bare[] = { { "1", "a", { "a" } }, { "\"x\"", "b", { NULL } } };
    static const struct image twice[] = { { "1", "a", { "a" } }, { "1", "b", { "b" } } };
    check_refused(missing, 2, "1 image without a result (2)");
    check_refused(bare, 2, "1 image without references (\"x\")");
    check_refused(twice, 2, "1 image with more than one result (1)");
}

static void test_unknown_id(void)
{
    struct bt_captions *set = load(set_a, 4);
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_captions_result(set, text("\"1\""), text("a"), &err), &err);
    CHECK_INT(bt_captions_score(set, &strict, BT_TOKENS_GIVEN, &s, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "without references (\"1\")") != NULL);
    CHECK(strstr(err.text, "match by type") != NULL);
    bt_captions_free(set);
}

static void test_policies(void)
{
    static const struct image images[] = { { "1", "a b", { "a b" } },
                                           { "2", NULL, { "b" } },
                                           { "1", "c", { NULL } } };
    const struct bt_join_policy first = { BT_DUPLICATES_FIRST, true }, last = { BT_DUPLICATES_LAST, true };
    struct bt_captions *set = load(images, 3);
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_captions_score(set, &first, BT_TOKENS_GIVEN, &s, &err), &err);
    CHECK_INT(s.count, 1);
    CHECK_NEAR(s.exact, 1, 0);
    free(s.each);
    CHECK_OK(bt_captions_score(set, &last, BT_TOKENS_GIVEN, &s, &err), &err);
    CHECK_NEAR(s.exact, 0, 0);
    free(s.each);
    bt_captions_free(set);
}

/* The hash of the data depends on ids and references, not on their order or on the results. */
static void test_data_hash(void)
{
    static const struct image one[] = { { "1", "a", { "a", "b" } }, { "2", "c", { "c" } } };
    static const struct image same[] = { { "2", "x", { "c" } }, { "1", "y", { "b", "a" } } };
    static const struct image other[] = { { "1", "a", { "a", "b" } }, { "2", "c", { "d" } } };
    struct bt_caption_scores a = score(one, 2), b = score(same, 2), c = score(other, 2);
    CHECK(a.data == b.data);
    CHECK(a.data != c.data);
    free(a.each);
    free(b.each);
    free(c.each);
}

/* ROUGE-L and BLEU-1's counts of one pair of sentences, as they are defined. */
static double plain_rouge(const int *a, int a_count, const int *b, int b_count)
{
    static int common[LONGEST + 1][LONGEST + 1];
    for (int i = 1; i <= a_count; i++)
        for (int j = 1; j <= b_count; j++)
            common[i][j] = a[i - 1] == b[j - 1] ? common[i - 1][j - 1] + 1
                           : common[i - 1][j] > common[i][j - 1] ? common[i - 1][j] : common[i][j - 1];
    double p = (double)common[a_count][b_count] / a_count, r = (double)common[a_count][b_count] / b_count;
    return p == 0 ? 0 : (1 + 1.44) * p * r / (r + 1.44 * p);
}

static int plain_correct(const int *a, int a_count, const int *b, int b_count)
{
    int correct = 0;
    for (int word = 0; word < WORDS; word++) {
        int in_a = 0, in_b = 0;
        for (int i = 0; i < a_count; i++)
            in_a += a[i] == word;
        for (int j = 0; j < b_count; j++)
            in_b += b[j] == word;
        correct += in_a < in_b ? in_a : in_b;
    }
    return correct;
}

static int draw(uint64_t *state, int *words, char *caption)
{
    int count = 1 + (int)((*state = *state * 6364136223846793005u + 1442695040888963407u) >> 33) % LONGEST;
    for (int i = 0; i < count; i++) {
        words[i] = (int)((*state = *state * 6364136223846793005u + 1442695040888963407u) >> 33) % WORDS;
        caption += sprintf(caption, "%sw%d", i > 0 ? " " : "", words[i]);
    }
    return count;
}

/* Sentences shorter and longer than a machine word has bits, and more of them than a portion holds. */
static void test_random(void)
{
    enum { MANY = 1500 };
    static int words[2][MANY][LONGEST];
    static int counts[2][MANY];
    struct bt_captions *set = bt_captions_new();
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    uint64_t state = 1;
    char id[16], caption[LONGEST * 5];
    int wrong = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        CHECK_OK(bt_captions_image(set, text(id), &err), &err);
        counts[0][i] = draw(&state, words[0][i], caption);
        CHECK_OK(bt_captions_result(set, text(id), text(caption), &err), &err);
        counts[1][i] = draw(&state, words[1][i], caption);
        CHECK_OK(bt_captions_reference(set, text(id), text(caption), &err), &err);
    }
    CHECK_OK(bt_captions_score(set, &strict, BT_TOKENS_PTB, &s, &err), &err);
    for (int i = 0; i < MANY; i++) {
        double rouge = plain_rouge(words[0][i], counts[0][i], words[1][i], counts[1][i]);
        wrong += fabs(s.each[i].rouge_l - rouge) > 1e-12;
        wrong += s.each[i].counts.correct[0] != plain_correct(words[0][i], counts[0][i], words[1][i], counts[1][i]);
    }
    CHECK_INT(wrong, 0);
    free(s.each);
    bt_captions_free(set);
}

int main(void)
{
    RUN(test_set_a);
    RUN(test_empty_caption);
    RUN(test_single_image);
    RUN(test_short_captions);
    RUN(test_no_break_space);
    RUN(test_words);
    RUN(test_refusals);
    RUN(test_unknown_id);
    RUN(test_policies);
    RUN(test_data_hash);
    RUN(test_random);
    return test_end();
}
