/* Any bytes as JSON lines: imported or refused with a word; a record that a line gives comes out as a line that gives it. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/log.h"
#include "libcommon/stream/twin.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void import(const uint8_t *data, size_t size)
{
    struct bt_twin_import job = { fuzz_file(data, size), "/dev/null", "bt.sample/1", true, UINT64_MAX, NULL };
    struct bt_err err = { 0 };

    if (bt_twin_import(&job, &err) && !err.text[0])
        abort();
}

/* The body that a line of JSON gives; 0, or -1 when it gives none. */
static int body_of(const char *text, size_t size, struct bt_record *rec, struct bt_buf *body)
{
    struct bt_err err = { 0 };
    json_t *line = NULL;
    int rc = bt_json_parse(&line, "line", text, size, &err);

    if (!rc && !json_is_object(line))
        rc = -1;
    if (!rc)
        rc = bt_twin_record(rec, line, &err);
    if (!rc)
        rc = bt_record_encode(rec, body, &err);
    if (rc && rc != -1 && !err.text[0])
        abort();
    json_decref(line);
    return rc ? -1 : 0;
}

static void out_and_back(const uint8_t *data, size_t size)
{
    struct bt_record *rec = bt_record_new(), *again = bt_record_new();
    struct bt_buf body = { 0 }, text = { 0 }, same = { 0 };
    struct bt_err err = { 0 };

    if (body_of((const char *)data, size, rec, &body) == 0) {
        if (bt_buf_add(&text, "{", 1, &err) || bt_twin_members(&text, rec, BT_BIN_BASE64, &err) ||
            bt_buf_add(&text, "}", 1, &err))
            abort();
        if (body_of(text.data, text.size, again, &same) != 0 || same.size != body.size ||
            memcmp(same.data, body.data, body.size) != 0)
            abort();
    }
    bt_buf_free(&body);
    bt_buf_free(&text);
    bt_buf_free(&same);
    bt_record_free(rec);
    bt_record_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_log_silence();
    import(data, size);
    out_and_back(data, size);
    return 0;
}
