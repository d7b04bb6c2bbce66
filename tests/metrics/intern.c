/* Numbered strings, and words. */
#include "libcommon/metrics/intern.h"
#include "libcommon/metrics/words.h"
#include "tests/test.h"

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

/* Enough strings for the tables to grow several times. */
static void test_many(void)
{
    enum { MANY = 20000 };
    struct bt_intern *in = bt_intern_new();
    struct bt_err err = { 0 };
    int32_t number = -1;
    char word[24];
    int wrong = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < MANY; i++) {
            snprintf(word, sizeof word, "word %d of many", i * 7919);
            wrong += bt_intern_add(in, text(word), &number, &err) != BT_OK || number != i;
        }
    CHECK_INT(wrong, 0);
    CHECK_INT(bt_intern_count(in), MANY);
    CHECK_INT(bt_intern_find(in, text("word 7919 of many")), 1);
    CHECK_INT(bt_intern_find(in, text("word 1 of many")), -1);
    bt_intern_free(in);
}

static void test_bytes(void)
{
    static const struct bt_text nul = { "a\0b", 3 }, cut = { "a", 1 }, none = { NULL, 0 };
    struct bt_intern *in = bt_intern_new();
    struct bt_err err = { 0 };
    int32_t a = -1, b = -1, c = -1;
    CHECK_OK(bt_intern_add(in, nul, &a, &err), &err);
    CHECK_OK(bt_intern_add(in, cut, &b, &err), &err);
    CHECK_OK(bt_intern_add(in, none, &c, &err), &err);
    CHECK_INT(a, 0);
    CHECK_INT(b, 1);
    CHECK_INT(c, 2);
    CHECK(memcmp(bt_intern_text(in, a).data, "a\0b", 4) == 0);
    CHECK_INT(bt_intern_find(in, text("")), 2);
    bt_intern_free(in);
}

static void check_words(const char *in, const char *want)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_tokenize_words(&out, text(in), &err), &err);
    CHECK_STR(out.data ? out.data : "", want);
    bt_buf_free(&out);
}

static void test_words(void)
{
    check_words("  A  red\tBus\n", "a red bus");
    check_words("\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9"); /* accents too */
    check_words("x\xc2\xa0y\xe3\x80\x80z", "x y z");       /* no-break and wide space */
    check_words("TITLE I", "title i");                     /* in every locale */
    check_words("\xc4\xb0", "i\xcc\x87");                  /* dotted capital i */
    check_words(" \n ", "");
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    CHECK_INT(bt_tokenize_words(&out, text("a \xff"), &err), BT_ERR_UTF8);
    bt_buf_free(&out);
}

int main(void)
{
    RUN(test_many);
    RUN(test_bytes);
    RUN(test_words);
    return test_end();
}
