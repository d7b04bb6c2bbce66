/* The JSON twin: streams to lines and back to the same bytes, and lines that must be refused. */
#include "libcommon/stream/twin.h"

#include <math.h>

#include "tests/stream/scratch.h"

static int to_json(const char *path, const char *lines, enum bt_twin_bin bin, uint64_t head)
{
    struct bt_twin_export job = { &path, 1, bin, head, NULL };
    struct bt_outfile out;
    struct bt_err err = { 0 };
    uint64_t count;

    CHECK_OK(bt_outfile_open(&out, lines, true, &err), &err);
    int rc = bt_twin_export(&job, &out, &count, &err);
    if (!rc)
        rc = bt_outfile_finish(&out, &err);
    bt_outfile_close(&out);
    return rc;
}

static int from_json(const char *lines, const char *path, uint64_t expect, const char *sha256)
{
    struct bt_twin_import job = { lines, path, "bt.sample/1", true, expect, sha256 };
    struct bt_err err = { 0 };
    int rc = bt_twin_import(&job, &err);

    CHECK(!rc || err.text[0]);
    return rc;
}

static int from_text(const char *text)
{
    put_file(scratch("text.jsonl"), text, strlen(text));
    return from_json(scratch("text.jsonl"), scratch("text.bt"), UINT64_MAX, NULL);
}

static bool same_bytes(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    char *x = get_file(a, &n), *y = get_file(b, &m);
    bool same = n == m && memcmp(x, y, n) == 0;

    free(x);
    free(y);
    return same;
}

/* Every kind of value, bytes of every length modulo 3, numbers at their ends. */
static void write_all_kinds(const char *path)
{
    static const double numbers[] = { 0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, -2.5, 1.0 / 3 };
    static const int64_t integers[] = {
        0, -1, 127, 128, -32, -33, 65536, 9007199254740991, -9007199254740991
    };
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true, .provenance = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&w, path, &options, &err), &err);
    CHECK_OK(bt_writer_must_int(w, "side", 224, &err), &err);
    for (int i = 0; i < 12; i++) {
        char id[16];

        snprintf(id, sizeof id, "%d", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        CHECK_OK(bt_record_set_bin(rec, "image", "\0\xff\x10\x83zzzzzzzzzz", (size_t)i, &err), &err);
        CHECK_OK(bt_record_set_float(rec, "float", numbers[i % 8], &err), &err);
        CHECK_OK(bt_record_set_int(rec, "int", integers[i % 9], &err), &err);
        CHECK_OK(bt_record_set_float(rec, "nan",
                                     i % 3 == 0   ? (double)NAN
                                     : i % 3 == 1 ? (double)INFINITY
                                                  : -(double)INFINITY,
                                     &err),
                 &err);
        CHECK_OK(bt_record_set_str(rec, "type", "a\"\\\n\t\x01\x7f\xf0\x9f\x98\x80", 11, &err), &err);
        CHECK_OK(bt_record_set_bool(rec, "$bin", i % 2, &err), &err);
        bt_record_begin(rec, "nested");
        bt_pack_map(rec, 3);
        bt_pack_str(rec, "$bin", 4);
        bt_pack_str(rec, "AAAA", 4);
        bt_pack_str(rec, "$$", 2);
        bt_pack_nil(rec);
        bt_pack_str(rec, "type", 4);
        bt_pack_array(rec, 2);
        bt_pack_map(rec, 1);
        bt_pack_str(rec, "$bin", 4);
        bt_pack_str(rec, "AAAA", 4);
        bt_pack_array(rec, 0);
        CHECK_OK(bt_record_end(rec, &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
}

static void test_round_trip(void)
{
    write_all_kinds(scratch("all.bt"));
    CHECK_INT(to_json(scratch("all.bt"), scratch("all.jsonl"), BT_BIN_BASE64, UINT64_MAX), BT_OK);
    CHECK_INT(from_json(scratch("all.jsonl"), scratch("again.bt"), UINT64_MAX, NULL), BT_OK);
    CHECK(same_bytes(scratch("all.bt"), scratch("again.bt")));
}

static void test_joined_round_trip(void)
{
    size_t size = 0;
    char *data = get_file(scratch("all.bt"), &size);

    data = realloc(data, 2 * size);
    memcpy(data + size, data, size);
    put_file(scratch("twice.bt"), data, 2 * size);
    free(data);
    CHECK_INT(to_json(scratch("twice.bt"), scratch("twice.jsonl"), BT_BIN_BASE64, UINT64_MAX), BT_OK);
    CHECK_INT(from_json(scratch("twice.jsonl"), scratch("again.bt"), 24, NULL), BT_OK);
    CHECK(same_bytes(scratch("twice.bt"), scratch("again.bt")));
}

static void test_every_cut_line_refused(void)
{
    size_t size = 0;
    char *data = get_file(scratch("all.jsonl"), &size);

    for (size_t n = 0; n + 1 < size; n += n + 200 < size ? 61 : 1) {
        put_file(scratch("cut.jsonl"), data, n);
        CHECK(from_json(scratch("cut.jsonl"), scratch("again.bt"), UINT64_MAX, NULL) != BT_OK);
    }
    free(data);
}

static void test_lengths_go_one_way(void)
{
    CHECK_INT(to_json(scratch("all.bt"), scratch("len.jsonl"), BT_BIN_LENGTH, UINT64_MAX), BT_OK);
    CHECK_INT(from_json(scratch("len.jsonl"), scratch("again.bt"), UINT64_MAX, NULL), BT_ERR_JSON);
}

static void test_users_lines(void)
{
    size_t size = 0;

    CHECK_INT(from_text("{\"id\":\"a\",\"type\":\"mine\",\"n\":7}\r\n\n{\"text\":\"b\"}\n"), BT_OK);
    CHECK_INT(to_json(scratch("text.bt"), scratch("back.jsonl"), BT_BIN_BASE64, UINT64_MAX), BT_OK);
    char *back = get_file(scratch("back.jsonl"), &size);
    CHECK(strstr(back, "{\"type\":\"record\",\"n\":0,\"id\":\"a\",\"$type\":\"mine\"}\n"
                       "{\"type\":\"record\",\"n\":1,\"text\":\"b\",\"id\":\"3\"}\n") != NULL);
    free(back);
    CHECK_INT(
        from_text("{\"type\":\"record\",\"n\":5,\"id\":\"a\"}\n{\"type\":\"record\",\"n\":9,\"id\":\"b\"}\n"),
        BT_OK);
    CHECK_INT(from_text("{\"id\":\"a\"}"), BT_OK); /* with a warning */
    CHECK_INT(from_text("{\"id\":\"a\""), BT_ERR_JSON_TRUNC);
    CHECK_INT(from_text("{\"id\":\"a\"\n"), BT_ERR_JSON);
    CHECK_INT(from_text("{\"id\":1}\n"), BT_ERR_JSON);
    CHECK_INT(from_text("[1]\n"), BT_ERR_JSON);
    CHECK_INT(from_text("{\"id\":\"a\",\"b\":{\"$bin\":\"AA\"}}\n"), BT_ERR_JSON);
    CHECK_INT(from_text("{\"id\":\"a\",\"b\":{\"$bin\":\"AB==\"}}\n"), BT_ERR_JSON); /* spare bits */
    CHECK_INT(from_text("{\"id\":\"a\",\"b\":{\"$f64\":\"much\"}}\n"), BT_ERR_JSON);
    CHECK_INT(from_text("{\"id\":\"a\",\"b\":9007199254740992}\n"), BT_ERR_JSON);
    CHECK_INT(from_text("{\"id\":\"a\",\"id\":\"b\"}\n"), BT_ERR_JSON);
    CHECK_INT(from_text(""), BT_ERR_BT_EMPTY);
}

static void test_expectations(void)
{
    static const char text[] = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n";

    put_file(scratch("two.jsonl"), text, strlen(text));
    CHECK_INT(from_json(scratch("two.jsonl"), scratch("two.bt"), 2, NULL), BT_OK);
    CHECK_INT(from_json(scratch("two.jsonl"), scratch("two.bt"), 3, NULL), BT_ERR_JSON_TRUNC);
    CHECK_INT(from_json(scratch("two.jsonl"), scratch("two.bt"), UINT64_MAX, "00"), BT_ERR_INPUT);
    put_file(scratch("two.jsonl"), "", 0);
    CHECK_INT(from_json(scratch("two.jsonl"), scratch("two.bt"), 0, NULL), BT_OK);
}

#define BEGIN     "{\"bt\":1,\"type\":\"begin\",\"minor\":0,\"schema\":\"bt.sample/1\"}\n"
#define RECORD(n) "{\"type\":\"record\",\"n\":" #n ",\"id\":\"x\"}\n"
#define END(n)    "{\"type\":\"end\",\"n\":" #n ",\"status\":\"complete\"}\n"

static void test_frames_in_order(void)
{
    CHECK_INT(from_text(BEGIN RECORD(0) RECORD(1) END(2)), BT_OK);
    CHECK_INT(from_text(BEGIN END(0) BEGIN RECORD(0) END(1)), BT_OK);
    CHECK_INT(from_text(BEGIN RECORD(0)), BT_ERR_JSON_TRUNC);
    CHECK_INT(from_text(BEGIN RECORD(0) END(2)), BT_ERR_BT_SEQ);
    CHECK_INT(from_text(BEGIN RECORD(1) END(1)), BT_ERR_BT_SEQ);
    CHECK_INT(from_text(BEGIN BEGIN END(0)), BT_ERR_JSON);
    CHECK_INT(from_text(BEGIN END(0) RECORD(0)), BT_ERR_JSON);
    CHECK_INT(from_text(RECORD(0) BEGIN END(0)), BT_ERR_JSON);
    CHECK_INT(from_text(END(0)), BT_ERR_JSON);
    CHECK_INT(from_text(BEGIN "{\"type\":\"abort\",\"code\":\"E_IO\",\"msg\":\"gone\"}\n"), BT_ERR_BT_ABORT);
    CHECK_INT(from_text("{\"bt\":2,\"type\":\"begin\",\"schema\":\"bt.sample/1\"}\n" END(0)), BT_ERR_JSON);
}

int main(void)
{
    scratch_begin();
    RUN(test_round_trip);
    RUN(test_joined_round_trip);
    RUN(test_every_cut_line_refused);
    RUN(test_lengths_go_one_way);
    RUN(test_users_lines);
    RUN(test_expectations);
    RUN(test_frames_in_order);
    scratch_end();
    return test_end();
}
