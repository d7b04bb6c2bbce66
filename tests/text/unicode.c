/* libcommon/text/unicode.h */
#include "libcommon/text/unicode.h"
#include "tests/test.h"

static void test_prefix(void)
{
    static const struct {
        const char *text;
        size_t size, prefix;
    } cases[] = {
        { "", 0, 0 },
        { "plain text of more than eight bytes", 35, 35 },
        { "cat\xFF" "dog", 7, 3 },
        { "cat\xED\xA0\x80", 6, 3 },           /* a surrogate */
        { "ca\xE2\x82", 4, 2 },                /* cut */
        { "\xC0\x80", 2, 0 },                  /* overlong */
        { "\xF4\x90\x80\x80", 4, 0 },          /* above U+10FFFF */
        { "\xF0\x9F\x98\x80", 4, 4 },
        { "eight by\xC3\xA9\x80", 11, 10 },
    };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(bt_utf8_prefix(cases[i].text, cases[i].size), cases[i].prefix);
    CHECK_INT(bt_utf8_check("cat\xFF", 4, &err), BT_ERR_UTF8);
    CHECK(strstr(err.text, "byte 3 ") != NULL);
}

/* One U+FFFD for each maximal ill-formed subpart (tokenizers.md 4.5). */
static void test_repair(void)
{
    static const char *const cases[][2] = {
        { "\xF0\x9F\x98x", "\xEF\xBF\xBDx" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "a\xE2\x82", "a\xEF\xBF\xBD" },
        { "\xF0\x9F\x98\x80!", "\xF0\x9F\x98\x80!" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_buf out = { 0 };
        struct bt_err err = { 0 };

        CHECK_OK(bt_utf8_repair(&out, cases[i][0], strlen(cases[i][0]), &err), &err);
        CHECK_STR(out.data, cases[i][1]);
        bt_buf_free(&out);
    }
    CHECK_INT(bt_utf8_replacements("a\xEF\xBF\xBD\xEF\xBF\xBD b", 9), 2);
    CHECK_INT(bt_utf8_replacements("", 0), 0);
}

static void test_round_trip(void)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        uint32_t back;

        if (c >= 0xD800 && c < 0xE000)
            continue;
        int length = bt_utf8_put(bytes, c);
        if (bt_utf8_next(bytes, (size_t)length, &back) != length || back != c) {
            CHECK_INT(back, c);
            return;
        }
    }
}

/* What Unicode 15.0 added counts as unassigned where 14.0 rules: 4489 characters. */
static void test_versions(void)
{
    int later = 0;

    for (uint32_t c = 0; c < 0x110000; c++)
        later += bt_char_category(c) != bt_char_category14(c);
    CHECK_INT(later, 4489);
    CHECK_INT(bt_char_category(0x1FAE8), UTF8PROC_CATEGORY_SO);
    CHECK_INT(bt_char_category14(0x1FAE8), UTF8PROC_CATEGORY_CN);
}

static void test_white(void)
{
    int white = 0, python = 0;

    for (uint32_t c = 0; c < 0x110000; c++) {
        white += bt_char_is_white(c);
        python += bt_char_is_python_white(c);
    }
    CHECK_INT(white, 25);
    CHECK_INT(python, 29);
    CHECK(!bt_char_is_white(0x200B) && !bt_char_is_white(0x1C) && bt_char_is_python_white(0x1C));
}

static void test_lower(void)
{
    uint32_t out[2];

    CHECK(bt_char_lower('Q', out) == 1 && out[0] == 'q');
    CHECK(bt_char_lower(0x130, out) == 2 && out[0] == 'i' && out[1] == 0x307);
    CHECK(bt_char_lower(0x1E9E, out) == 1 && out[0] == 0xDF);
    CHECK(bt_char_lower(0x3A3, out) == 1 && out[0] == 0x3C3);
    CHECK(bt_char_is_cased('a') && bt_char_is_cased(0x2B0) && !bt_char_is_cased('1'));
    CHECK(bt_char_is_case_ignorable('\'') && bt_char_is_case_ignorable(0xAD) && !bt_char_is_case_ignorable('-'));
}

int main(void)
{
    RUN(test_prefix);
    RUN(test_repair);
    RUN(test_round_trip);
    RUN(test_versions);
    RUN(test_white);
    RUN(test_lower);
    return test_end();
}
