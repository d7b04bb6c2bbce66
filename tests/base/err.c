/* libcommon/base/err.h */
#include "tests/test.h"

#include <errno.h>

static void test_first_failure_stays(void)
{
    struct bt_err err = { 0 };

    CHECK_INT(bt_fail(&err, BT_ERR_INPUT, "%s: bad; mend it", "a.bt"), BT_ERR_INPUT);
    CHECK_INT(bt_fail(&err, BT_ERR_IO, "later"), BT_ERR_IO);
    CHECK_INT(err.status, BT_ERR_INPUT);
    CHECK_STR(err.text, "a.bt: bad; mend it");
    CHECK_INT(bt_fail(NULL, BT_ERR_IO, "dropped"), BT_ERR_IO);
    bt_err_clear(&err);
    CHECK_INT(err.status, BT_OK);
    CHECK_INT(bt_fail(&err, BT_ERR_IO, "again"), BT_ERR_IO);
    CHECK_STR(err.text, "again");
}

static void test_context(void)
{
    struct bt_err err = { 0 };
    char large[3000];

    bt_fail(&err, BT_ERR_BT_CRC, "record 3 does not match; copy it again");
    CHECK_INT(bt_context(&err, "%s:%d", "a.bt", 77), BT_ERR_BT_CRC);
    CHECK_STR(err.text, "a.bt:77: record 3 does not match; copy it again");

    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    bt_context(&err, "%s", large);
    CHECK_INT(strlen(err.text), sizeof err.text - 1);
    bt_err_clear(&err);
    bt_fail(&err, BT_ERR_INPUT, "%s", large);
    CHECK_INT(strlen(err.text), sizeof err.text - 1);
    CHECK_INT(bt_context(NULL, "x"), BT_OK);
}

static void test_errno(void)
{
    static const struct {
        int errnum, writing, status;
    } cases[] = {
        { ENOSPC, 1, BT_ERR_NOSPACE },   { EDQUOT, 1, BT_ERR_NOSPACE },  { ENOENT, 0, BT_ERR_NOINPUT },
        { ENOENT, 1, BT_ERR_CANTCREAT }, { ENOMEM, 0, BT_ERR_MEMORY },   { EACCES, 0, BT_ERR_NOINPUT },
        { EACCES, 1, BT_ERR_CANTCREAT }, { EROFS, 1, BT_ERR_CANTCREAT }, { EIO, 0, BT_ERR_IO },
        { EPIPE, 1, BT_ERR_IO },         { EMFILE, 0, BT_ERR_OS },
    };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_INT(bt_fail_errno(NULL, cases[i].errnum, cases[i].writing, "x", NULL), cases[i].status);
    bt_fail_errno(&err, ENOSPC, 1, "set", "free space");
    CHECK_STR(err.text, "set: No space left on device; free space");
    bt_err_clear(&err);
    bt_fail_errno(&err, EIO, 1, "set", NULL);
    CHECK_STR(err.text, "set: Input/output error");
}

static void test_codes(void)
{
    CHECK_STR(bt_status_name(BT_ERR_BT_TRUNC), "E_BT_TRUNC");
    CHECK_STR(bt_status_name(BT_ERR_NONFINITE), "E_NONFINITE");
    CHECK_STR(bt_status_name(12345), "E_BUG");
    CHECK_INT(bt_exit_status(BT_OK), 0);
    CHECK_INT(bt_exit_status(BT_END), 0);
    CHECK_INT(bt_exit_status(BT_ERR_NO), 1);
    CHECK_INT(bt_exit_status(BT_ERR_USAGE), 64);
    CHECK_INT(bt_exit_status(BT_ERR_JSON), 65);
    CHECK_INT(bt_exit_status(BT_ERR_NOINPUT), 66);
    CHECK_INT(bt_exit_status(BT_ERR_DEVICE), 69);
    CHECK_INT(bt_exit_status(BT_ERR_MEMORY), 71);
    CHECK_INT(bt_exit_status(BT_ERR_CANTCREAT), 73);
    CHECK_INT(bt_exit_status(BT_ERR_IO), 74);
    CHECK_INT(bt_exit_status(BT_ERR_STOPPED), 75);
    CHECK_INT(bt_exit_status(BT_ERR_CONFIG), 78);
    CHECK_INT(bt_exit_status(BT_ERR_NONFINITE), 80);
    CHECK_INT(bt_exit_status(-1), 70);
    CHECK_INT(bt_exit_status(12345), 70);
}

static void test_quote(void)
{
    char large[500];
    const char *a = bt_quote_str("a"), *b = bt_quote_str("b"), *c = bt_quote_str("c"), *d = bt_quote_str("d");

    CHECK(strcmp(a, "a") == 0 && strcmp(b, "b") == 0 && strcmp(c, "c") == 0 && strcmp(d, "d") == 0);
    CHECK_STR(bt_quote("a\nb\x1b[2J\x7f\0c", 9), "a\\x0ab\\x1b[2J\\x7f\\x00");
    CHECK_STR(bt_quote_str("caf\xc3\xa9 \xf0\x9f\x90\x95"), "caf\xc3\xa9 \xf0\x9f\x90\x95");
    /* not UTF-8: cut, overlong, surrogate, beyond the last */
    CHECK_STR(bt_quote_str("\xc3"), "\\xc3");
    CHECK_STR(bt_quote_str("\xc0\xaf\xe0\x80\xaf"), "\\xc0\\xaf\\xe0\\x80\\xaf");
    CHECK_STR(bt_quote_str("\xed\xa0\x80"), "\\xed\\xa0\\x80");
    CHECK_STR(bt_quote_str("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    /* UTF-8 that steers: a C1 control, a change of direction */
    CHECK_STR(bt_quote_str("\xc2\x9bm"), "\\xc2\\x9bm");
    CHECK_STR(bt_quote_str("\xe2\x80\xae"), "\\xe2\\x80\\xae");
    CHECK_STR(bt_quote("", 0), "");
    CHECK_STR(bt_quote_str(NULL), "(null)");

    memset(large, 'x', sizeof large);
    CHECK_INT(strlen(bt_quote(large, 200)), 200);
    CHECK_INT(strlen(bt_quote(large, 201)), 203);
    memset(large, 1, sizeof large);
    CHECK_INT(strlen(bt_quote(large, 500)), 803);
    memset(large, 'x', 199);
    memcpy(large + 199, "\xc3\xa9", 2); /* a character is not cut in two */
    CHECK_INT(strlen(bt_quote(large, 201)), 202);
}

int main(void)
{
    RUN(test_first_failure_stays);
    RUN(test_context);
    RUN(test_errno);
    RUN(test_codes);
    RUN(test_quote);
    return test_end();
}
