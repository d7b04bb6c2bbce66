/* JSON lines to a stream: see twin.h. */
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/json_slice.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/twin.h"

struct import {
    const struct bt_twin_import *job;
    const char *name;
    struct bt_lines *lines;
    struct bt_frames_out *out;
    struct bt_record *rec;
    enum { NOTHING, TWIN, BETWEEN, OWN } state; /* seen so far; OWN: lines without a begin */
    uint64_t count;
};

#define AT(x) (x)->name, (unsigned long long)bt_lines_number((x)->lines)

static int begin_line(struct import *x, json_t *line, struct bt_err *err)
{
    struct bt_value key, version;

    if (x->state == TWIN || x->state == OWN)
        return bt_fail(err, BT_ERR_JSON,
                       "%s:%llu: a begin line before the end line of what came before; lines are missing",
                       AT(x));
    int rc = bt_twin_record(x->rec, line, err);
    if (rc)
        return bt_context(err, "%s:%llu", AT(x));
    version = bt_record_field(x->rec, 0, &key);
    if (!bt_value_is(key, "bt") || version.kind != BT_INT || version.integer != 1 ||
        bt_record_get(x->rec, "schema").kind != BT_STR)
        return bt_fail(err, BT_ERR_JSON,
                       "%s:%llu: a begin line must start with \"bt\":1 and name a schema; see bt-stream(5)",
                       AT(x));
    x->state = TWIN;
    return bt_frames_out_begin(x->out, x->rec, err);
}

static int end_line(struct import *x, const json_t *line, struct bt_err *err)
{
    const json_t *n = json_object_get(line, "n"), *rejects = json_object_get(line, "rejects");
    const char *status = json_string_value(json_object_get(line, "status"));

    if (x->state != TWIN)
        return bt_fail(err, BT_ERR_JSON,
                       "%s:%llu: an end line without its begin line; leave both in or both out", AT(x));
    if (!json_is_integer(n) || json_integer_value(n) != (json_int_t)bt_frames_out_count(x->out))
        return bt_fail(err, BT_ERR_BT_SEQ,
                       "%s:%llu: %llu records came, the end line says otherwise; lines are missing, or leave "
                       "begin and end lines out after a filter",
                       AT(x), (unsigned long long)bt_frames_out_count(x->out));
    x->state = BETWEEN;
    return bt_frames_out_end(x->out, status && strcmp(status, "partial") == 0,
                             json_is_integer(rejects) ? (uint64_t)json_integer_value(rejects) : 0, err);
}

static int begin_own(struct import *x, struct bt_err *err)
{
    bt_record_clear(x->rec);
    int rc = bt_record_set_int(x->rec, "bt", 1, err);
    if (!rc)
        rc = bt_record_set_int(x->rec, "minor", 0, err);
    if (!rc)
        rc = bt_record_set_str(x->rec, "schema", x->job->schema, strlen(x->job->schema), err);
    x->state = OWN;
    return rc ? rc : bt_frames_out_begin(x->out, x->rec, err);
}

static int record_line(struct import *x, const json_t *line, struct bt_err *err)
{
    int rc = BT_OK;

    if (x->state == NOTHING)
        rc = begin_own(x, err);
    if (!rc && x->state == BETWEEN)
        rc = bt_fail(err, BT_ERR_JSON, "%s:%llu: a record behind the end line; lines are missing", AT(x));
    if (!rc && x->state == TWIN) {
        const json_t *n = json_object_get(line, "n");

        if (!json_is_integer(n) || json_integer_value(n) != (json_int_t)bt_frames_out_count(x->out))
            rc = bt_fail(
                err, BT_ERR_BT_SEQ,
                "%s:%llu: out of order, record %llu must follow; lines are missing, or leave begin and "
                "end lines out after a filter",
                AT(x), (unsigned long long)bt_frames_out_count(x->out));
    }
    if (!rc) {
        rc = bt_twin_record(x->rec, line, err);
        if (rc)
            bt_context(err, "%s:%llu", AT(x));
    }
    if (!rc && x->state == OWN && bt_record_get(x->rec, "id").kind == BT_ABSENT) {
        char id[24];
        int size = snprintf(id, sizeof id, "%llu", (unsigned long long)bt_lines_number(x->lines));

        rc = bt_record_set_str(x->rec, "id", id, (size_t)size, err);
    }
    if (!rc && bt_record_get(x->rec, "id").kind != BT_STR)
        rc = bt_fail(err, BT_ERR_JSON, "%s:%llu: the record's \"id\" is not a string; quote it", AT(x));
    x->count += !rc;
    return rc ? rc : bt_frames_out_record(x->out, x->rec, err);
}

static int abort_line(struct import *x, const json_t *line, struct bt_err *err)
{
    const char *message = json_string_value(json_object_get(line, "msg"));

    return bt_fail(err, BT_ERR_BT_ABORT, "%s:%llu: the producer failed: %s; see to that first", AT(x),
                   message ? bt_quote_str(message) : "no message");
}

/* What the line is to the twin: 'b', 'r', 'e', 'a', or 0 when "type" is a user's own field or not there. */
static char kind_of(const struct import *x, const json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    if (!type)
        return 0;
    if (strcmp(type, "begin") == 0)
        return json_object_get(line, "bt") ? 'b' : 0;
    if (strcmp(type, "end") == 0 || strcmp(type, "abort") == 0)
        return x->state == OWN ? 0 : *type;
    return strcmp(type, "record") == 0 ? 'r' : 0;
}

static int take_line(struct import *x, json_t *line, struct bt_err *err)
{
    char kind = kind_of(x, line);

    if (kind)
        json_object_del(line, "type");
    switch (kind) {
    case 'b':
        return begin_line(x, line, err);
    case 'e':
        return end_line(x, line, err);
    case 'a':
        return abort_line(x, line, err);
    default:
        return record_line(x, line, err);
    }
}

static int parse_line(struct import *x, const char *text, size_t size, json_t **line, struct bt_err *err)
{
    struct bt_err why = { 0 };
    int rc = bt_json_slice(line, x->name, bt_lines_number(x->lines), text, size, &why);

    if (!rc && !json_is_object(*line))
        return bt_fail(err, BT_ERR_JSON, "%s:%llu: not an object; each line is one record", AT(x));
    if (rc && (bt_lines_ended(x->lines) || rc == BT_ERR_MEMORY))
        return bt_fail(err, rc, "%s", why.text);
    if (rc)
        return bt_fail(err, BT_ERR_JSON_TRUNC, "%s:%llu: the last line is cut; make the file again", AT(x));
    if (!bt_lines_ended(x->lines))
        bt_warn("%s:%llu: the last line has no end; the file may be cut (--expect tells)", AT(x));
    return BT_OK;
}

static int read_lines(struct import *x, struct bt_err *err)
{
    const char *text;
    size_t size;
    int rc = BT_OK;

    while (!rc) {
        json_t *line = NULL;

        if (bt_stop_requested())
            return bt_fail(err, BT_ERR_STOPPED, "%s:%llu: stopped on request; run the same command again", AT(x));
        rc = bt_lines_next(x->lines, &text, &size, err);
        if (!rc && size == 0)
            continue;
        if (!rc)
            rc = parse_line(x, text, size, &line, err);
        if (!rc)
            rc = take_line(x, line, err);
        json_decref(line);
    }
    return rc == BT_END ? BT_OK : rc;
}

static int check_whole(struct import *x, struct bt_err *err)
{
    int rc = BT_OK;

    if (x->state == TWIN)
        return bt_fail(err, BT_ERR_JSON_TRUNC,
                       "%s:%llu: ends without its end line; the producer died or the file is cut", AT(x));
    if (x->job->expect != UINT64_MAX && x->job->expect != x->count)
        return bt_fail(err, BT_ERR_JSON_TRUNC,
                       "%s: %llu records, %llu expected; the file is cut or another one", x->name,
                       (unsigned long long)x->count, (unsigned long long)x->job->expect);
    if (x->state == NOTHING && x->job->expect != 0)
        return bt_fail(err, BT_ERR_BT_EMPTY, "%s: no lines at all; if that is right, say --expect 0",
                       x->name);
    if (x->state == NOTHING)
        rc = begin_own(x, err);
    if (!rc && x->state == OWN)
        rc = bt_frames_out_end(x->out, false, 0, err);
    return rc;
}

static int check_sha256(const struct bt_twin_import *job, struct bt_err *err)
{
    uint8_t digest[32];
    uint64_t bytes;
    char hex[65];

    if (!job->expect_sha256)
        return BT_OK;
    if (strcmp(job->path, "-") == 0)
        return bt_fail(err, BT_ERR_USAGE,
                       "--expect-sha256 reads its file twice; name a file, not standard input");
    int rc = bt_sha256_file(job->path, digest, &bytes, err);
    if (rc)
        return rc;
    bt_hex(hex, digest, sizeof digest);
    return strcmp(hex, job->expect_sha256) == 0
               ? BT_OK
               : bt_fail(err, BT_ERR_INPUT, "%s: its sha256 is %s, not the one expected; fetch it again",
                         job->path, hex);
}

int bt_twin_import(const struct bt_twin_import *job, struct bt_err *err)
{
    struct import x = { .job = job, .name = strcmp(job->path, "-") == 0 ? "stdin" : job->path };
    int rc = check_sha256(job, err);

    x.rec = bt_record_new();
    if (!rc && !x.rec)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", x.name);
    if (!rc)
        rc = bt_lines_open(&x.lines, job->path, err);
    if (!rc)
        rc = bt_frames_out_open(&x.out, job->output, job->force, err);
    if (!rc)
        rc = read_lines(&x, err);
    if (!rc)
        rc = check_whole(&x, err);
    if (!rc)
        rc = bt_frames_out_finish(x.out, err);
    if (rc && x.out)
        bt_frames_out_abort(x.out, bt_status_name(rc), err ? err->text : "");
    bt_frames_out_close(x.out);
    bt_lines_close(x.lines);
    bt_record_free(x.rec);
    return rc;
}
