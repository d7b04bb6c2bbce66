/* libcommon/base/json.h */
#include "tests/test.h"

#include <float.h>
#include <unistd.h>

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "tests/base/scratch.h"

static int parse(const char *text, size_t size, struct bt_err *err)
{
    json_t *value = NULL;
    int rc;

    bt_err_clear(err);
    rc = bt_json_parse(&value, "x.json", text, size, err);
    CHECK((rc == BT_OK) == (value != NULL));
    json_decref(value);
    return rc;
}

static void test_refusals(void)
{
    static const struct {
        int status;
        const char *text;
    } bad[] = {
        { BT_ERR_JSON, "" },
        { BT_ERR_JSON, "[1,]" },
        { BT_ERR_JSON, "{\"a\":1,}" },
        { BT_ERR_JSON, "1 2" },
        { BT_ERR_JSON, "NaN" },
        { BT_ERR_JSON, "Infinity" },
        { BT_ERR_JSON, "01" },
        { BT_ERR_JSON, "1." },
        { BT_ERR_JSON, ".5" },
        { BT_ERR_JSON, "+1" },
        { BT_ERR_JSON, "0x10" },
        { BT_ERR_JSON, "1e999" },
        { BT_ERR_JSON, "9223372036854775808" },
        { BT_ERR_JSON, "{\"a\":1,\"a\":2}" },
        { BT_ERR_JSON, "{\"a\":1,\"\\u0061\":2}" },
        { BT_ERR_JSON, "[{\"b\":{\"a\":1,\"a\":2}}]" },
        { BT_ERR_JSON, "\"\\ud800\"" },
        { BT_ERR_JSON, "\"\\udc00\"" },
        { BT_ERR_JSON, "\"\\ud800\\u0041\"" },
        { BT_ERR_JSON, "\"\\u0000\"" },
        { BT_ERR_JSON, "\"\t\"" },
        { BT_ERR_JSON, "'a'" },
        { BT_ERR_JSON, "/* no */1" },
        { BT_ERR_JSON, "\"a" },
        { BT_ERR_JSON, "[[1]" },
        { BT_ERR_JSON, "tru" },
        { BT_ERR_JSON, "\"\\x41\"" },
        { BT_ERR_UTF8, "\"\xff\"" },
        { BT_ERR_UTF8, "\"\xed\xa0\x80\"" },
        { BT_ERR_UTF8, "\"\xc0\x80\"" },
        { BT_ERR_UTF8, "\xff\xfe[\0]\0" },
    };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = parse(bad[i].text, strlen(bad[i].text), &err);

        if (rc != bad[i].status)
            printf("# '%s': %s\n", bad[i].text, err.text);
        CHECK_INT(rc, bad[i].status);
    }
    CHECK_INT(parse("1\0", 2, &err), BT_ERR_JSON);
    CHECK_INT(parse("1\0garbage", 9, &err), BT_ERR_JSON);
    CHECK_INT(parse("\"a\0b\"", 5, &err), BT_ERR_JSON);
    CHECK_INT(parse("[\0]\0", 4, &err), BT_ERR_UTF8);
    CHECK(strstr(err.text, "UTF-16"));
    CHECK_INT(parse("{\n\"a\": 1,\n\"b\" 2}", 16, &err), BT_ERR_JSON);
    CHECK(strncmp(err.text, "x.json:3: ", 10) == 0);
}

static void test_accepted(void)
{
    static const char *const good[] = {
        "0",
        "-1.5e-3",
        "\"\"",
        "true",
        "null",
        " [ ] ",
        "{}",
        "\"\\ud83d\\ude00\"",
        "\"\x7f\"",
        "\xef\xbb\xbf{\"a\":1}",
        "9223372036854775807",
        "-9223372036854775808",
        "[1,\r\n2]",
        "\"\\\"[[{\"",
        "1e-999",
    };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK_OK(parse(good[i], strlen(good[i]), &err), &err);
}

static void test_depth(void)
{
    struct bt_err err = { 0 };
    char text[300];

    for (int depth = 60; depth < 70; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        CHECK_INT(parse(text, 2 * (size_t)depth, &err), depth <= 64 ? BT_OK : BT_ERR_JSON);
    }
}

static void test_load(void)
{
    struct bt_err err = { 0 };
    json_t *value = NULL;

    CHECK_OK(bt_json_load(&value, scratch_text("a.json", "{\"a\":[1]}\n"), &err), &err);
    CHECK(json_is_object(value));
    json_decref(value);
    CHECK_INT(bt_json_load(&value, scratch("none.json"), &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    CHECK_INT(bt_json_load(&value, scratch_text("b.json", "{\n}}"), &err), BT_ERR_JSON);
    CHECK(strstr(err.text, "b.json:2: "));
}

static void test_members(void)
{
    static const char text[] = "{\"s\":\"x\",\"i\":7,\"f\":0.5,\"t\":true,\"n\":null}";
    struct bt_err err = { 0 };
    json_t *object = NULL;
    const char *s = "default";
    int64_t i = 1;
    double f = 2;
    bool t = false;

    CHECK_OK(bt_json_parse(&object, "x", text, strlen(text), &err), &err);
    CHECK_OK(bt_json_get_str(object, "none", &s, "x", &err), &err);
    CHECK_STR(s, "default");
    CHECK_OK(bt_json_get_str(object, "n", &s, "x", &err), &err);
    CHECK_STR(s, "default");
    CHECK_OK(bt_json_get_str(object, "s", &s, "x", &err), &err);
    CHECK_STR(s, "x");
    CHECK_OK(bt_json_get_int(object, "i", &i, "x", &err), &err);
    CHECK_INT(i, 7);
    CHECK_OK(bt_json_get_num(object, "f", &f, "x", &err), &err);
    CHECK(f == 0.5);
    CHECK_OK(bt_json_get_num(object, "i", &f, "x", &err), &err);
    CHECK(f == 7);
    CHECK_OK(bt_json_get_bool(object, "t", &t, "x", &err), &err);
    CHECK(t);
    CHECK_INT(bt_json_get_int(object, "f", &i, "x", &err), BT_ERR_JSON);
    CHECK_STR(err.text, "x: 'f' is a fraction; it must be an integer");
    bt_err_clear(&err);
    CHECK_INT(bt_json_get_str(object, "i", &s, "x", &err), BT_ERR_JSON);
    bt_err_clear(&err);
    CHECK_INT(bt_json_get_num(object, "s", &f, "x", &err), BT_ERR_JSON);
    bt_err_clear(&err);
    CHECK_INT(bt_json_get_bool(object, "i", &t, "x", &err), BT_ERR_JSON);
    json_decref(object);
}

/* ---------------------------------------------------------------- arrays */

/* Reads the array to its end; the sum of its integers, their count, and the final status. */
static int sum_array(const char *path, const char *member, int64_t *sum, uint64_t *count, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    json_t *element;
    int rc;

    bt_err_clear(err);
    *sum = 0;
    *count = 0;
    rc = bt_json_array_open(&array, path, member, err);
    while (!rc) {
        rc = bt_json_array_next(array, &element, err);
        if (rc)
            break;
        CHECK_INT(bt_json_array_index(array), *count);
        *sum += json_is_integer(element) ? json_integer_value(element) : 0;
        ++*count;
        json_decref(element);
    }
    if (rc == BT_END)
        CHECK_INT(bt_json_array_next(array, &element, err), BT_END);
    bt_json_array_close(array);
    return rc;
}

/* Elements of `a`, then of `b` where it follows; whether it did, and the final status. */
static int sum_two(const char *text, int64_t sums[2], bool *follows)
{
    struct bt_json_array *array = NULL;
    struct bt_err err = { 0 };
    json_t *element;
    int rc, which = 0;

    sums[0] = sums[1] = 0;
    *follows = false;
    rc = bt_json_array_open(&array, scratch_text("two.json", text), "a", &err);
    if (!rc)
        rc = bt_json_array_follow(array, "b", &err);
    while (!rc) {
        rc = bt_json_array_next(array, &element, &err);
        if (rc == BT_OK) {
            sums[which] += json_integer_value(element);
            json_decref(element);
        } else if (rc == BT_END && !bt_json_array_ended(array)) {
            *follows = true;
            which = 1;
            rc = BT_OK;
        }
    }
    bt_json_array_close(array);
    return rc;
}

static void test_two_arrays(void)
{
    int64_t sums[2];
    bool follows;

    CHECK_INT(sum_two("{\"x\": [9], \"a\": [1, 2], \"y\": {\"b\": [7]}, \"b\": [3, 4], \"z\": 5}", sums, &follows), BT_END);
    CHECK(follows);
    CHECK_INT(sums[0], 3);
    CHECK_INT(sums[1], 7);
    CHECK_INT(sum_two("{\"a\": [], \"b\": []}", sums, &follows), BT_END);
    CHECK(follows);
    CHECK_INT(sum_two("{\"b\": [3], \"a\": [1]}", sums, &follows), BT_END);
    CHECK(!follows);
    CHECK_INT(sums[0], 1);
    CHECK_INT(sum_two("{\"a\": [1], \"b\": 2}", sums, &follows), BT_ERR_JSON);
    CHECK_INT(sum_two("{\"a\": [1], \"b\": [2], \"b\": [3]}", sums, &follows), BT_ERR_JSON);
    CHECK_INT(sum_two("{\"a\": [1], \"b\": [2]} 3", sums, &follows), BT_ERR_JSON);
    CHECK_INT(sum_two("{\"a\": [1], \"b\": [2", sums, &follows), BT_ERR_JSON);
}

static void test_array(void)
{
    static const struct {
        const char *text, *member;
        int64_t sum;
        uint64_t count;
    } good[] = {
        { "[]", NULL, 0, 0 },
        { " [ ]\n", NULL, 0, 0 },
        { "[1]", NULL, 1, 1 },
        { "\xef\xbb\xbf[1,2 , 3\r\n]\r\n", NULL, 6, 3 },
        { "[1,\"],[\",{\"a\":[1,2]},[[\"\\\\\"]],null,-2,true]", NULL, -1, 7 },
        { "{\"x\":[1,2]}", "x", 3, 2 },
        { "{\"info\":{\"a\":[{}],\"b\":\"}\"},\"n\":1,\"s\":\"x\",\"e\":{},\"l\":[],\"x\":[4],\"y\":[9,[1]],"
          "\"z\":{}}",
          "x", 4, 1 },
        { "{\"\\u0078\":[5]}", "x", 5, 1 },
    };
    struct bt_err err = { 0 };
    int64_t sum;
    uint64_t count;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int rc = sum_array(scratch_text("array.json", good[i].text), good[i].member, &sum, &count, &err);

        if (rc != BT_END)
            printf("# %s: %s\n", good[i].text, err.text);
        CHECK_INT(rc, BT_END);
        CHECK_INT(sum, good[i].sum);
        CHECK_INT(count, good[i].count);
    }
}

static void test_array_refusals(void)
{
    static const struct {
        const char *text, *member;
        int status;
    } bad[] = {
        { "", NULL, BT_ERR_JSON },
        { "{}", NULL, BT_ERR_JSON },
        { "[", NULL, BT_ERR_JSON },
        { "[1", NULL, BT_ERR_JSON },
        { "[1,", NULL, BT_ERR_JSON },
        { "[1,]", NULL, BT_ERR_JSON },
        { "[,1]", NULL, BT_ERR_JSON },
        { "[1 2]", NULL, BT_ERR_JSON },
        { "[1\"a\"]", NULL, BT_ERR_JSON },
        { "[1]]", NULL, BT_ERR_JSON },
        { "[1] x", NULL, BT_ERR_JSON },
        { "[1}", NULL, BT_ERR_JSON },
        { "[[1}]", NULL, BT_ERR_JSON },
        { "[\"a", NULL, BT_ERR_JSON },
        { "[{\"a\":1,\"a\":2}]", NULL, BT_ERR_JSON },
        { "[NaN]", NULL, BT_ERR_JSON },
        { "[\"\xff\"]", NULL, BT_ERR_UTF8 },
        { "\xfe\xff\0[\0]", NULL, BT_ERR_UTF8 },
        { "[1]", "x", BT_ERR_JSON },
        { "{}", "x", BT_ERR_JSON },
        { "{\"y\":[1]}", "x", BT_ERR_JSON },
        { "{\"x\":1}", "x", BT_ERR_JSON },
        { "{\"x\":[1]", "x", BT_ERR_JSON },
        { "{\"x\":[1],}", "x", BT_ERR_JSON },
        { "{\"x\":[1],\"y\":[1}", "x", BT_ERR_JSON },
        { "{\"x\":[1],\"y\":[1,}]}", "x", BT_ERR_JSON },
        { "{\"x\":[1],\"y\":{\"a\" 1}}", "x", BT_ERR_JSON },
        { "{\"x\":[1],\"x\":[2]}", "x", BT_ERR_JSON },
        { "{\"y\":1,\"x\":[1],\"y\":2}", "x", BT_ERR_JSON },
        { "{\"x\":[1]}}", "x", BT_ERR_JSON },
        { "{1:[1]}", "x", BT_ERR_JSON },
        { "{\"y\":nul,\"x\":[1]}", "x", BT_ERR_JSON },
    };
    struct bt_err err = { 0 };
    int64_t sum;
    uint64_t count;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = sum_array(scratch_text("array.json", bad[i].text), bad[i].member, &sum, &count, &err);

        if (rc != bad[i].status)
            printf("# %s: %s\n", bad[i].text, err.text);
        CHECK_INT(rc, bad[i].status);
    }
    scratch_write("array.json", "[1\0]", 4);
    CHECK_INT(sum_array(scratch("array.json"), NULL, &sum, &count, &err), BT_ERR_JSON);
    CHECK_INT(sum_array(scratch("none.json"), NULL, &sum, &count, &err), BT_ERR_NOINPUT);
}

/* Every beginning of a good file is refused. */
static void test_array_prefixes(void)
{
    static const char text[] = "{\"a\":{\"b\":[1,\"\\u00e9\"]},\"x\":[{\"k\":-1.5e3},2],\"z\":[true,null]}";
    struct bt_err err = { 0 };
    int64_t sum;
    uint64_t count;

    CHECK_INT(sum_array(scratch_text("p.json", text), "x", &sum, &count, &err), BT_END);
    for (size_t size = 0; size < sizeof text - 1; size++)
        CHECK_INT(sum_array(scratch_write("p.json", text, size), "x", &sum, &count, &err), BT_ERR_JSON);
}

static void test_array_lines(void)
{
    struct bt_json_array *array = NULL;
    struct bt_err err = { 0 };
    json_t *element;

    CHECK_OK(bt_json_array_open(&array, scratch_text("l.json", "[\n1,\n{\n\"a\":\n2},\n\n3,\n\n[\n1,x]]"),
                                NULL, &err),
             &err);
    for (int i = 0; i < 3; i++) {
        static const int lines[] = { 2, 3, 7 };

        CHECK_OK(bt_json_array_next(array, &element, &err), &err);
        CHECK_INT(bt_json_array_line(array), lines[i]);
        json_decref(element);
    }
    CHECK_INT(bt_json_array_next(array, &element, &err), BT_ERR_JSON);
    CHECK(strstr(err.text, "l.json:10: "));
    bt_json_array_close(array);
    bt_json_array_close(NULL);
}

static void nest(struct bt_buf *buf, int depth)
{
    for (int i = 0; i < depth; i++)
        bt_buf_add(buf, "[", 1, NULL);
    for (int i = 0; i < depth; i++)
        bt_buf_add(buf, "]", 1, NULL);
}

static void test_array_nesting(void)
{
    static const int depths[] = { 10, 62, 63, 64, 65, 2000000 };
    struct bt_err err = { 0 };
    int64_t sum;
    uint64_t count;

    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        struct bt_buf buf = { 0 };

        nest(&buf, depths[i]); /* the file's array is one of them */
        scratch_write("deep.json", buf.data, buf.size);
        CHECK_INT(sum_array(scratch("deep.json"), NULL, &sum, &count, &err),
                  depths[i] <= 64 ? BT_END : BT_ERR_JSON);
        bt_buf_free(&buf);
    }
}

/* Longer than any buffer, with values across its edges, behind a large member that is not wanted. */
static void test_array_of_many(void)
{
    enum { COUNT = 100000 };
    struct bt_err err = { 0 };
    struct bt_buf buf = { 0 };
    int64_t sum;
    uint64_t count;

    bt_buf_printf(&buf, &err, "{\"skipped\":{");
    for (int i = 0; i < COUNT; i++)
        bt_buf_printf(&buf, &err, "%s\"%d\":[%d, \"text\"]", i ? "," : "", i, i);
    bt_buf_printf(&buf, &err, "},\n\"x\":[");
    for (int i = 0; i < COUNT; i++)
        bt_buf_printf(&buf, &err, "%s%d", i ? ", " : "", i);
    bt_buf_printf(&buf, &err, ",\"");
    for (int i = 0; i < COUNT; i++)
        bt_buf_printf(&buf, &err, "a long string");
    bt_buf_printf(&buf, &err, "\",1]}");
    scratch_write("many.json", buf.data, buf.size);
    CHECK_INT(sum_array(scratch("many.json"), "x", &sum, &count, &err), BT_END);
    CHECK_INT(count, COUNT + 2);
    CHECK_INT(sum, (int64_t)COUNT * (COUNT - 1) / 2 + 1);
    bt_buf_free(&buf);
}

/* ---------------------------------------------------------------- lines */

static void check_lines(const char *text, size_t size, const char *const *want, bool ended)
{
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t length;
    uint64_t count = 0;

    CHECK_OK(bt_lines_open(&lines, scratch_write("lines", text, size), &err), &err);
    while (lines && bt_lines_next(lines, &line, &length, &err) == BT_OK) {
        CHECK(want[count]);
        if (!want[count])
            break;
        CHECK_STR(line, want[count]);
        CHECK_INT(length, strlen(line));
        CHECK_INT(bt_lines_number(lines), ++count);
        CHECK_INT(bt_lines_ended(lines), want[count] || ended);
    }
    CHECK(!want[count]);
    CHECK_INT(err.status, BT_OK);
    bt_lines_close(lines);
}

static void test_lines(void)
{
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t size;

    check_lines("", 0, (const char *[]){ NULL }, false);
    check_lines("\n", 1, (const char *[]){ "", NULL }, true);
    check_lines("a\nb\n", 4, (const char *[]){ "a", "b", NULL }, true);
    check_lines("a\nb", 3, (const char *[]){ "a", "b", NULL }, false);
    check_lines("a\r\n\r\nb\r", 7, (const char *[]){ "a", "", "b", NULL }, false);
    check_lines("a\rb\n\r\r\n", 7, (const char *[]){ "a\rb", "\r", NULL }, true);
    check_lines("\xef\xbb\xbfx\n\xef\xbb\xbfy\n", 10, (const char *[]){ "x", "\xef\xbb\xbfy", NULL }, true);
    check_lines("\xef\xbb\xbf", 3, (const char *[]){ NULL }, false);

    CHECK_OK(bt_lines_open(&lines, scratch_write("lines", "a\0b\xff\nc", 6), &err), &err);
    CHECK_OK(bt_lines_next(lines, &line, &size, &err), &err);
    CHECK(size == 4 && memcmp(line, "a\0b\xff", 5) == 0);
    bt_lines_close(lines);
    CHECK_INT(bt_lines_open(&lines, scratch_write("lines", "\xff\xfex\0\n\0", 6), &err), BT_ERR_UTF8);
    bt_err_clear(&err);
    CHECK_INT(bt_lines_open(&lines, scratch("none"), &err), BT_ERR_NOINPUT);
    bt_lines_close(NULL);
}

static void test_long_lines(void)
{
    enum { LONG = 1 << 20 };
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    char *text = malloc(3 * LONG);
    const char *line;
    size_t size;

    memset(text, 'x', 3 * LONG);
    text[LONG] = text[2 * LONG + 1] = '\n';
    CHECK_OK(bt_lines_open(&lines, scratch_write("long", text, 3 * LONG), &err), &err);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(bt_lines_next(lines, &line, &size, &err), &err);
        CHECK_INT(size, i < 2 ? LONG : LONG - 2);
        CHECK_INT(strspn(line, "x"), size);
    }
    CHECK_INT(bt_lines_next(lines, &line, &size, &err), BT_END);
    CHECK_INT(bt_lines_next(lines, &line, &size, &err), BT_END);
    bt_lines_close(lines);
    free(text);
}

/* 64 MiB without an end, made without writing them all. */
static void test_line_limit(void)
{
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t size;

    scratch_text("huge", "");
    CHECK_INT(truncate(scratch("huge"), (64 << 20) + 5), 0);
    CHECK_OK(bt_lines_open(&lines, scratch("huge"), &err), &err);
    CHECK_INT(bt_lines_next(lines, &line, &size, &err), BT_ERR_LIMIT);
    bt_lines_close(lines);
}

/* ---------------------------------------------------------------- numbers */

static void check_double(double value, const char *want)
{
    char text[32];

    bt_format_double(text, value);
    if (want)
        CHECK_STR(text, want);
    CHECK(strtod(text, NULL) == value || value != value);
}

static void test_format_double(void)
{
    uint64_t bits = 1;

    check_double(0, "0");
    check_double(-0.0, "-0");
    check_double(3, "3");
    check_double(0.1, "0.1");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1e-5, "1e-05");
    check_double(1e22, "1e+22");
    check_double(9007199254740991.0, "9007199254740991");
    check_double(DBL_MAX, "1.7976931348623157e+308");
    check_double(DBL_MIN, "2.2250738585072014e-308");
    check_double(5e-324, "5e-324");
    check_double(NAN, "nan");
    check_double(-NAN, "nan");
    check_double(INFINITY, "inf");
    check_double(-INFINITY, "-inf");
    for (int i = 0; i < 20000; i++) {
        double value;

        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, 8);
        check_double(value, NULL);
    }
}

/* The members of `text` as "key=value " each; the end of it is how it ended. */
static int read_members(const char *text, char got[256], struct bt_err *err)
{
    struct bt_json_array *members = NULL;
    const char *key = NULL;
    json_t *value = NULL;
    int rc = bt_json_members_open(&members, scratch_text("o.json", text), err);

    got[0] = '\0';
    while (!rc && (rc = bt_json_members_next(members, &key, &value, err)) == BT_OK) {
        char *dumped = json_dumps(value, JSON_ENCODE_ANY);
        snprintf(got + strlen(got), 256 - strlen(got), "%s=%s ", key, dumped);
        free(dumped);
        json_decref(value);
    }
    if (rc == BT_END)
        CHECK_INT(bt_json_members_next(members, &key, &value, err), BT_END);
    bt_json_array_close(members);
    return rc;
}

static void test_object_members(void)
{
    static const char *const bad[] = { "", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{\"a\":1} 2",
                                       "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\" 1}", "{a:1}", "{\"a\":1,,\"b\":2}" };
    struct bt_err err = { 0 };
    char got[256];

    CHECK_INT(read_members(" {\n\"a\": [1, {\"x\": 2}] ,\"\":null,\"a\":\"b\"}\n", got, &err), BT_END);
    CHECK_STR(got, "a=[1, {\"x\": 2}] =null a=\"b\" ");
    CHECK_INT(read_members("{}", got, &err), BT_END);
    CHECK_STR(got, "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bt_err_clear(&err);
        CHECK_INT(read_members(bad[i], got, &err), BT_ERR_JSON);
    }
}

/* What is read in place is what the parser makes of it; what is not plain is left to the parser. */
static void test_flat(void)
{
    static const char *const plain[] = { "{\"a\":1}", " {\"id\": -25 , \"b c\":\"x ~!\"\n}", "{\"a\":\"\",\"b\":0}" };
    static const char *const other[] = { "{}",
                                         "[1]",
                                         "{\"a\":1",
                                         "{\"a\":1,}",
                                         "{\"a\":01}",
                                         "{\"a\":-0}",
                                         "{\"a\":1.5}",
                                         "{\"a\":1e5}",
                                         "{\"a\":null}",
                                         "{\"a\":\"\\n\"}",
                                         "{\"a\":\"\n\"}",
                                         "{\"a\":\"\xc3\xa9\"}",
                                         "{\"a\":{}}",
                                         "{\"a\":1,\"a\":2}",
                                         "{\"a\":1234567890123456789}",
                                         "{\"a\" 1}",
                                         "{\"a\":\"b}" };
    struct bt_json_flat flat;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct bt_err err = { 0 };
        json_t *value = NULL;
        CHECK(bt_json_flat(&flat, plain[i], strlen(plain[i])));
        CHECK_INT(flat.size, strlen(plain[i]));
        CHECK_OK(bt_json_parse(&value, "plain", plain[i], strlen(plain[i]), &err), &err);
        CHECK_INT(flat.count, json_object_size(value));
        for (int m = 0; m < flat.count; m++) {
            const struct bt_json_member *member = &flat.members[m];
            const json_t *want = json_object_getn(value, member->key, member->key_size);
            CHECK(json_is_string(want) == member->is_string);
            if (json_is_string(want))
                CHECK(json_string_length(want) == member->size &&
                      memcmp(json_string_value(want), member->text, member->size) == 0);
            else
                CHECK_INT(strtoll(member->text, NULL, 10), json_integer_value(want));
        }
        json_decref(value);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        CHECK(!bt_json_flat(&flat, other[i], strlen(other[i])));
    CHECK(bt_json_flat(&flat, "{\"a\":1},{\"b\":2}", 15) && flat.size == 7);
    CHECK(bt_json_flat_find(&flat, "a", 1) == &flat.members[0] && !bt_json_flat_find(&flat, "b", 1));
}

int main(void)
{
    scratch_begin();
    RUN(test_refusals);
    RUN(test_accepted);
    RUN(test_depth);
    RUN(test_load);
    RUN(test_members);
    RUN(test_array);
    RUN(test_two_arrays);
    RUN(test_array_refusals);
    RUN(test_array_prefixes);
    RUN(test_array_lines);
    RUN(test_array_nesting);
    RUN(test_array_of_many);
    RUN(test_object_members);
    RUN(test_lines);
    RUN(test_long_lines);
    RUN(test_line_limit);
    RUN(test_format_double);
    scratch_end();
    RUN(test_flat);
    return test_end();
}
