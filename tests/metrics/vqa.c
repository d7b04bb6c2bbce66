/* VQA accuracy: the worked examples of metrics.md 3.1 and 3.3, and the field cases C63 and C65. */
#include "libcommon/metrics/vqa.h"
#include "libcommon/metrics/vqa_text.h"
#include "tests/test.h"

static const struct bt_join_policy strict = { BT_DUPLICATES_ERROR, false };

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

static void check_text(const char *in, const char *punctuation, const char *both)
{
    struct bt_arena *arena = bt_arena_new(4096);
    struct bt_text out = { NULL, 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_vqa_punctuation(arena, text(in), &out, &err), &err);
    char *got = strndup(out.data, out.size);
    CHECK_STR(got, punctuation);
    free(got);
    CHECK_OK(bt_vqa_digit_article(arena, out, &out, &err), &err);
    got = strndup(out.data, out.size);
    CHECK_STR(got, both);
    free(got);
    bt_arena_free(arena);
}

static void test_text(void)
{
    check_text("U.S.", "US", "us");
    check_text("1,000", "1000", "1000");
    check_text("1, 000", "1 000", "1 000");
    check_text("1,000-2", "10002", "10002");
    check_text("black-white", "black white", "black white");
    check_text("black - white", "black  white", "black white");
    check_text("yes,no", "yes no", "yes no");
    check_text("yes, no", "yes no", "yes no");
    check_text("3.5", "3.5", "3.5");
    check_text("10.5.", "10.5", "10.5");
    check_text("5.x", "5x", "5x");
    check_text("...", "", "");
    check_text("a/b", "a b", "b");
    check_text("the", "the", "");
    check_text("Two dogs", "Two dogs", "2 dogs");
    check_text("none", "none", "0");
    check_text("dont", "dont", "don't");
    check_text("Im here", "Im here", "im here");
    check_text("oclock", "oclock", "o'clock");
    check_text("somebody'd", "somebody'd", "somebodyd");
    check_text("........................................", "........", "........");
    check_text("5.\xd9\xa1", "5.\xd9\xa1", "5.\xd9\xa1"); /* an Arabic digit is a digit */
    check_text("", "", "");
}

/* "two*8 three*2" */
static int32_t parse_answers(const char *counts, struct bt_vqa_answer answers[10])
{
    int32_t count = 0;
    while (*counts) {
        const char *star = strchr(counts, '*');
        struct bt_text answer = { counts, (size_t)(star - counts) };
        char *end;
        for (long n = strtol(star + 1, &end, 10); n > 0 && count < 10; n--, count++)
            answers[count] = (struct bt_vqa_answer){ answer, count };
        counts = *end ? end + 1 : end;
    }
    return count;
}

static double accuracy(enum bt_vqa_variant variant, const char *counts, const char *prediction)
{
    struct bt_arena *arena = bt_arena_new(4096);
    struct bt_vqa_answer answers[10];
    struct bt_err err = { 0 };
    double value = -1;
    int32_t count = parse_answers(counts, answers);
    CHECK_OK(bt_vqa_accuracy(variant, answers, count, text(prediction), arena, &value, &err), &err);
    bt_arena_free(arena);
    return 100 * value;
}

static const struct example {
    const char *id, *question_type, *answer_type, *answers, *prediction;
    double official, lavis;
} examples[] = {
    { "100", "how many", "number", "two*8 three*2", "two", 100, 0 },
    { "101", "is the", "yes/no", "yes*9 no*1", "Yes.", 100, 100 },
    { "102", "what sport", "other", "surf*4 swim*4 wave*2", "wave", 60, 60 },
    { "103", "what color is the", "other", "red*3 blue*7", "red", 90, 90 },
    { "104", "is the", "yes/no", "yes*10", "Yes", 0, 100 },
    { "105", "where", "other", "the beach*2 beach*1 sand*7", "beach", 90, 30 },
    { "106", "what color is the", "other", "red\t*1 red*1 blue*8", "red", 60, 30 },
};
#define EXAMPLES (sizeof examples / sizeof *examples)

static void test_accuracy(void)
{
    for (size_t i = 0; i < EXAMPLES; i++) {
        CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, examples[i].answers, examples[i].prediction),
                   examples[i].official, 1e-9);
        CHECK_NEAR(accuracy(BT_VQA_LAVIS, examples[i].answers, examples[i].prediction), examples[i].lavis,
                   1e-9);
    }
    CHECK_NEAR(accuracy(BT_VQA_AOKVQA, "red*2 Red*8", "red"), 200 / 3.0, 1e-9);
}

/* C63: a rare answer gets its share; both sides are cleaned alike. */
static void test_rare_answer(void)
{
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "none*1 yes*9", "none"), 30, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "2*5 two*5", "two"), 100, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "t-shirt*6 shirt*4", "t shirt"), 100, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "t-shirt*6 shirt*4", "tshirt"), 0, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_LAVIS, "none*1 yes*9", "none"), 0, 1e-9);
}

/* C65: cleaning depends on whether the annotators differ. */
static void test_agreement_changes_cleaning(void)
{
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "black*10", "Black."), 0, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "black*9 dark*1", "Black."), 100, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_OFFICIAL, "red blue*6 x*4", "red\nblue"), 100, 1e-9);
    CHECK_NEAR(accuracy(BT_VQA_LAVIS, "black*10", "Black."), 100, 1e-9);
}

/* Answers without an id of their own leave each other out: 0.7 instead of 0.9 for 3 of 10. */
static void test_equal_objects(void)
{
    struct bt_arena *arena = bt_arena_new(4096);
    struct bt_vqa_answer answers[10];
    struct bt_err err = { 0 };
    double value = 0;
    parse_answers("red*3 blue*7", answers);
    for (int i = 0; i < 10; i++)
        answers[i].identity = 0;
    CHECK_OK(bt_vqa_accuracy(BT_VQA_OFFICIAL, answers, 10, text("red"), arena, &value, &err), &err);
    CHECK_NEAR(value, 0.7, 1e-12);
    bt_arena_free(arena);
}

static struct bt_vqa *load_examples(void)
{
    struct bt_vqa *set = bt_vqa_new();
    struct bt_err err = { 0 };
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct bt_vqa_answer answers[10];
        int32_t count = parse_answers(examples[i].answers, answers);
        CHECK_OK(bt_vqa_question(set, text(examples[i].id), text(examples[i].question_type),
                                 text(examples[i].answer_type), answers, count, &err),
                 &err);
        const struct example *other = &examples[EXAMPLES - 1 - i]; /* results in another order */
        CHECK_OK(bt_vqa_result(set, text(other->id), text(other->prediction), &err), &err);
    }
    return set;
}

static void check_scores(enum bt_vqa_variant variant, double overall, double yes_no, double number,
                         double other)
{
    struct bt_vqa *set = load_examples();
    struct bt_vqa_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_vqa_score(set, variant, &strict, &s, &err), &err);
    CHECK_NEAR(s.overall, overall, 0);
    CHECK_INT(s.count, EXAMPLES);
    CHECK_INT(s.answer_type_count, 3);
    CHECK_INT(s.question_type_count, 5);
    if (s.answer_type_count == 3) {
        CHECK_NEAR(s.answer_types[0].accuracy, number, 0); /* in order of first appearance */
        CHECK_NEAR(s.answer_types[1].accuracy, yes_no, 0);
        CHECK_NEAR(s.answer_types[2].accuracy, other, 0);
        CHECK_INT(s.answer_types[2].count, 4);
    }
    bt_vqa_scores_free(&s);
    bt_vqa_free(set);
}

static void test_aggregates(void)
{
    check_scores(BT_VQA_OFFICIAL, 71.43, 50, 100, 75);
    check_scores(BT_VQA_LAVIS, 58.57, 100, 0, 52.5);
}

static void test_refusals(void)
{
    struct bt_vqa *set = load_examples();
    struct bt_vqa_answer answers[10];
    struct bt_vqa_scores s = { 0 };
    struct bt_err err = { 0 };
    int32_t count = parse_answers("red*3", answers);
    CHECK_INT(bt_vqa_question(set, text("100"), text(""), text(""), answers, count, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "question 100 has answers already") != NULL);
    bt_err_clear(&err);
    CHECK_INT(bt_vqa_question(set, text("107"), text(""), text(""), answers, 0, &err), BT_ERR_INPUT);
    bt_err_clear(&err);
    CHECK_OK(bt_vqa_result(set, text("999"), text("red"), &err), &err);
    CHECK_INT(bt_vqa_score(set, BT_VQA_OFFICIAL, &strict, &s, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "1 question with a result but without references (999)") != NULL);
    bt_vqa_free(set);
}

static void test_choices(void)
{
    struct bt_vqa *set = bt_vqa_new();
    struct bt_err err = { 0 };
    CHECK_OK(bt_vqa_choice(set, text("1"), text("red"), &err), &err);
    CHECK_OK(bt_vqa_result(set, text("1"), text("red"), &err), &err);
    CHECK_INT(bt_vqa_result(set, text("1"), text("blue"), &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "not one of its choices") != NULL);
    bt_vqa_free(set);
}

int main(void)
{
    RUN(test_text);
    RUN(test_accuracy);
    RUN(test_rare_answer);
    RUN(test_agreement_changes_cleaning);
    RUN(test_equal_objects);
    RUN(test_aggregates);
    RUN(test_refusals);
    RUN(test_choices);
    return test_end();
}
