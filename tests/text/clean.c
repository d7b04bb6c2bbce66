/* libcommon/text/clean.h: the table of data.md 6. */
#include "libcommon/text/clean.h"
#include "tests/test.h"

static const char *const cases[][3] = { /* text, caption, question */
    { "A man riding a wave.", "a man riding a wave", "a man riding a wave" },
    { "\"Hello.\" she said: (wow)", "hello she said wow", "hello she said wow" },
    { "it's 5:30", "it's 5 30", "it's 530" },
    { "(a)(b)", "a b", "ab" },
    { "U.S.A.", "u s a", "usa" },
    { "What is this?", "what is this?", "what is this?" },
    { "  What  color ?  ", "what color ?", "  what  color ?" },
    { "Two\tdogs\tplay.", "two\tdogs\tplay", "two\tdogs\tplay" },
    { "a dog\n", "a dog", "a dog\n" },
    { "a dog .\n", "a dog", "a dog \n" },
    { "\na dog", "\na dog", "\na dog" },
    { "\n a dog", "a dog", "\n a dog" },
    { "a \tb", "a b", "a \tb" },
    { "a dog\t", "a dog\t", "a dog\t" },
    { "x\xC2\xA0y", "x\xC2\xA0y", "x\xC2\xA0y" },
    { "x\xC2\xA0\xC2\xA0y", "x y", "x\xC2\xA0\xC2\xA0y" },
    { "a\xE2\x80\x8B\xE2\x80\x8B" "b", "a\xE2\x80\x8B\xE2\x80\x8B" "b", "a\xE2\x80\x8B\xE2\x80\x8B" "b" },
    { "...", "", "" },
    { "\n", "", "\n" },
    { "\t", "\t", "\t" },
    { "\xE2\x80\x9CHi\xE2\x80\x9D", "\xE2\x80\x9Chi\xE2\x80\x9D", "\xE2\x80\x9Chi\xE2\x80\x9D" },
    { "\xCE\x91\xCE\xA3.", "\xCE\xB1\xCF\x82", "\xCE\xB1\xCF\x82" },              /* final sigma */
    { "\xCE\x91\xCE\xA3.\xCE\x91", "\xCE\xB1\xCF\x83 \xCE\xB1", "\xCE\xB1\xCF\x83\xCE\xB1" }, /* the dot comes after */
    { "\xC4\xB0", "i\xCC\x87", "i\xCC\x87" },
    { "", "", "" },
};

static const char *cleaned(struct bt_buf *out, bool caption, const char *text, const char *prompt, int64_t words)
{
    struct bt_err err = { 0 };

    out->size = 0;
    CHECK_OK(bt_buf_add(out, "", 0, &err), &err);
    CHECK_OK(caption ? bt_clean_caption(out, text, strlen(text), prompt, words, &err)
                     : bt_clean_question(out, text, strlen(text), words, &err), &err);
    return out->size ? out->data : "";
}

static void test_table(void)
{
    struct bt_buf out = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STR(cleaned(&out, true, cases[i][0], NULL, BT_CLEAN_MAX_WORDS), cases[i][1]);
        CHECK_STR(cleaned(&out, false, cases[i][0], NULL, BT_CLEAN_MAX_WORDS), cases[i][2]);
    }
    bt_buf_free(&out);
}

static void repeat(char *out, const char *word, const char *between, int count)
{
    out[0] = '\0';
    for (int i = 0; i < count; i++)
        strcat(strcat(out, i ? between : ""), word);
}

/* Fields between single spaces count; empty ones too, where runs are not collapsed. */
static void test_words(void)
{
    struct bt_buf out = { 0 };
    char text[400], want[400];

    repeat(text, "w", " ", 60);
    repeat(want, "w", " ", 50);
    CHECK_STR(cleaned(&out, true, text, NULL, 50), want);
    CHECK_STR(cleaned(&out, false, text, NULL, 50), want);
    repeat(text, "w", "\t", 60);
    CHECK_STR(cleaned(&out, true, text, NULL, 50), text);
    repeat(text, "w", "  ", 30);
    repeat(want, "w", " ", 30);
    CHECK_STR(cleaned(&out, true, text, NULL, 50), want);
    repeat(want, "w", "  ", 25);
    CHECK_STR(cleaned(&out, false, text, NULL, 50), strcat(want, " "));
    CHECK_STR(cleaned(&out, true, "A b", "a photo of ", 50), "a photo of a b");
    CHECK_STR(cleaned(&out, true, "A b c", "A: ", 2), "A: a b");
    CHECK_STR(cleaned(&out, true, "A b c", "A: ", 0), "A: ");
    bt_buf_free(&out);
}

/* Appending leaves what is there alone; text that is not UTF-8 adds nothing. */
static void test_append(void)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_buf_add(&out, "x ", 2, &err), &err);
    CHECK_OK(bt_clean_caption(&out, " A. ", 4, NULL, 50, &err), &err);
    CHECK_STR(out.data, "x a");
    CHECK_INT(bt_clean_caption(&out, "ab\xFF", 3, NULL, 50, &err), BT_ERR_UTF8);
    CHECK_STR(out.data, "x a");
    CHECK_INT(bt_clean_question(&out, "ab\xFF", 3, 50, NULL), BT_ERR_UTF8);
    bt_buf_free(&out);
}

int main(void)
{
    RUN(test_table);
    RUN(test_words);
    RUN(test_append);
    return test_end();
}
