/* Streams and sets as JSON lines: see twin.h. */
#include <string.h>

#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/reader_private.h"
#include "libcommon/stream/twin.h"

enum { FLUSH_BYTES = 64 << 10 };

struct export
{
    const struct bt_twin_export *job;
    struct bt_outfile *out;
    struct bt_buf lines;
    double written_s;
    uint64_t count;
};

static int flush(struct export *x, struct bt_err *err)
{
    int rc = x->lines.size > 0 ? bt_outfile_write(x->out, x->lines.data, x->lines.size, err) : BT_OK;

    x->lines.size = 0;
    x->written_s = bt_now_s();
    return rc;
}

static int put_line(struct export *x, const char *head, const struct bt_record *rec, struct bt_err *err)
{
    int rc = bt_buf_printf(&x->lines, err, "%s%s", head, bt_record_field_count(rec) > 0 ? "," : "");

    if (!rc)
        rc = bt_twin_members(&x->lines, rec, x->job->bin, err);
    if (!rc)
        rc = bt_buf_add(&x->lines, "}\n", 2, err);
    if (!rc && (x->lines.size >= FLUSH_BYTES || bt_now_s() - x->written_s > 0.2))
        rc = flush(x, err);
    if (!rc && bt_stop_requested())
        rc = bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", x->job->paths[0]);
    return rc;
}

/* "bt":1 stands in the line's head, so the rest of a begin record follows without it. */
static int put_begin(struct export *x, struct bt_record *rec, struct bt_err *err)
{
    int rc = bt_record_remove(rec, "bt", err);

    return rc ? rc : put_line(x, "{\"bt\":1,\"type\":\"begin\"", rec, err);
}

static int export_frames(struct export *x, struct bt_record *rec, struct bt_err *err)
{
    struct bt_frames_in *in = NULL;
    enum bt_frame_type type = BT_FRAME_BEGIN;
    int rc = bt_frames_in_open(&in, x->job->paths, x->job->path_count, x->job->options, err);

    while (!rc && x->count < x->job->head) {
        rc = bt_frames_in_next(in, &type, rec, err);
        if (rc)
            break;
        switch (type) {
        case BT_FRAME_BEGIN:
            rc = put_begin(x, rec, err);
            break;
        case BT_FRAME_END:
            rc = put_line(x, "{\"type\":\"end\"", rec, err);
            break;
        case BT_FRAME_ABORT:
            rc = put_line(x, "{\"type\":\"abort\"", rec, err);
            if (!rc)
                rc = bt_frames_in_aborted(in, rec, err);
            break;
        default:
            rc = put_line(x, "{\"type\":\"record\"", rec, err);
            x->count++;
        }
    }
    bt_frames_in_close(in);
    return rc == BT_END ? BT_OK : rc;
}

static int put_set_begin(struct export *x, const struct bt_reader *r, struct bt_record *rec,
                         struct bt_err *err)
{
    const char *schema = bt_reader_schema(r);
    struct bt_value must = bt_reader_header(r, "must"), prov = bt_reader_header(r, "prov");

    bt_record_clear(rec);
    int rc = bt_record_set_int(rec, "minor", 0, err);
    if (!rc)
        rc = bt_record_set_str(rec, "schema", schema, strlen(schema), err);
    if (!rc && must.kind == BT_MAP)
        rc = bt_record_set_value(rec, "must", must, err);
    if (!rc && prov.kind == BT_MAP)
        rc = bt_record_set_value(rec, "prov", prov, err);
    return rc ? rc : put_line(x, "{\"bt\":1,\"type\":\"begin\"", rec, err);
}

/* A set has no sums of a stream; its end line tells the number alone. */
static int put_set_end(struct export *x, struct bt_record *rec, struct bt_err *err)
{
    bt_record_clear(rec);
    int rc = bt_record_set_int(rec, "n", (int64_t)x->count, err);
    if (!rc)
        rc = bt_record_set_str(rec, "status", "complete", 8, err);
    return rc ? rc : put_line(x, "{\"type\":\"end\"", rec, err);
}

static int export_set(struct export *x, struct bt_record *rec, struct bt_err *err)
{
    struct bt_reader *r = NULL;
    int rc = bt_reader_open_all(&r, x->job->paths, x->job->path_count, x->job->options, err);

    if (!rc)
        rc = put_set_begin(x, r, rec, err);
    while (!rc && x->count < x->job->head) {
        char head[60];

        rc = bt_reader_next(r, rec, err);
        snprintf(head, sizeof head, "{\"type\":\"record\",\"n\":%llu", (unsigned long long)x->count);
        if (!rc)
            rc = put_line(x, head, rec, err);
        x->count += !rc;
    }
    if (rc == BT_END)
        rc = put_set_end(x, rec, err);
    bt_reader_close(r);
    return rc;
}

int bt_twin_export(const struct bt_twin_export *job, struct bt_outfile *out, uint64_t *count,
                   struct bt_err *err)
{
    struct export x = { .job = job, .out = out };
    struct bt_err late = { 0 };
    struct bt_record *rec = bt_record_new();
    int rc = rec ? BT_OK
                 : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", job->paths[0]);

    if (!rc)
        rc = bt_path_is_set(job->paths[0]) ? export_set(&x, rec, err) : export_frames(&x, rec, err);
    int written = flush(&x, rc ? &late : err); /* what came before a failure is shown */
    *count = x.count;
    bt_buf_free(&x.lines);
    bt_record_free(rec);
    return rc ? rc : written;
}
