/* Writing frames. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/walk.h"

enum { HEAD_BYTES = 10, COLLECTED_BYTES = 512 << 10 };

struct bt_frames_out {
    struct bt_sink *sink;
    struct bt_buf frames; /* not yet given to the sink; the last may be in the making */
    uint64_t begin;       /* of that one */
    struct bt_record *end;
    struct bt_xxh64_state *sum, *content;
    uint64_t n, bytes;
    bool inside;
};

void bt_put_u64(uint8_t out[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void put_u32(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

int bt_frames_out_open(struct bt_frames_out **out, const char *path, bool force, struct bt_err *err)
{
    struct bt_frames_out *f = bt_alloc(1, sizeof *f, err);

    if (!f)
        return BT_ERR_MEMORY;
    f->end = bt_record_new();
    f->sum = bt_xxh64_new();
    f->content = bt_xxh64_new();
    int rc = BT_OK;
    if (!f->end || !f->sum || !f->content)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);
    if (!rc)
        rc = bt_sink_open(&f->sink, path, force, err);
    if (rc)
        bt_frames_out_close(f);
    else
        *out = f;
    return rc;
}

void bt_frames_out_close(struct bt_frames_out *f)
{
    if (!f)
        return;
    bt_sink_close(f->sink);
    bt_buf_free(&f->frames);
    bt_record_free(f->end);
    bt_xxh64_free(f->sum);
    bt_xxh64_free(f->content);
    free(f);
}

uint64_t bt_frames_out_count(const struct bt_frames_out *f)
{
    return f->n;
}

uint64_t bt_frames_out_content(const struct bt_frames_out *f)
{
    return bt_xxh64_value(f->content);
}

static int start(struct bt_frames_out *f, struct bt_err *err)
{
    static const uint8_t empty[HEAD_BYTES];

    f->begin = f->frames.size;
    return bt_buf_add(&f->frames, empty, HEAD_BYTES, err);
}

static uint64_t body_size(const struct bt_frames_out *f)
{
    return f->frames.size - f->begin - HEAD_BYTES;
}

/* The body stands behind the room for its head. */
static int end_frame(struct bt_frames_out *f, enum bt_frame_type type, struct bt_err *err)
{
    uint8_t *head = (uint8_t *)f->frames.data + f->begin;
    uint64_t size = body_size(f);

    if (size > BT_MAX_RECORD)
        return bt_fail(err, BT_ERR_LIMIT,
                       "record %llu has %llu bytes, at most 64 MiB fit; make its picture smaller",
                       (unsigned long long)f->n, (unsigned long long)size);
    head[0] = 0xC9;
    put_u32(head + 1, size + 4);
    head[5] = (uint8_t)type;
    put_u32(head + 6, bt_crc32c(bt_crc32c(0, head + 1, 5), head + HEAD_BYTES, size));
    if (type != BT_FRAME_END)
        bt_xxh64_add(f->sum, head, HEAD_BYTES + size);
    return BT_OK;
}

/* Ends the frame, when `rc` says that its body is there, and passes it on with others before it. One that fails was never
 * there. */
static int send_frame(struct bt_frames_out *f, int rc, enum bt_frame_type type, struct bt_err *err)
{
    const bool last = type == BT_FRAME_END || type == BT_FRAME_ABORT;

    rc = rc ? rc : end_frame(f, type, err);
    if (rc) {
        f->frames.size = f->begin;
        return rc;
    }
    if (f->frames.size < COLLECTED_BYTES && !last && !bt_sink_is_due(f->sink))
        return BT_OK;
    rc = bt_sink_write(f->sink, f->frames.data, f->frames.size, err);
    f->frames.size = 0;
    return rc ? rc : bt_sink_mark(f->sink, last, err);
}

int bt_frames_out_begin(struct bt_frames_out *f, const struct bt_record *body, struct bt_err *err)
{
    bt_xxh64_reset(f->sum);
    f->n = f->bytes = 0;
    f->inside = true;
    int rc = start(f, err);
    if (!rc)
        rc = bt_record_encode(body, &f->frames, err);
    return send_frame(f, rc, BT_FRAME_BEGIN, err);
}

int bt_frames_out_record(struct bt_frames_out *f, const struct bt_record *rec, struct bt_err *err)
{
    int rc = start(f, err);

    if (!rc)
        rc = bt_record_encode_numbered(rec, f->n, &f->frames, err);
    const uint64_t size = rc ? 0 : body_size(f);
    rc = send_frame(f, rc, BT_FRAME_RECORD, err);
    if (!rc) {
        f->n++;
        f->bytes += size;
    }
    return rc;
}

int bt_frames_out_end(struct bt_frames_out *f, bool partial, uint64_t rejects, struct bt_err *err)
{
    const char *status = partial ? "partial" : "complete";
    uint8_t sum[8];

    bt_put_u64(sum, bt_xxh64_value(f->sum));
    bt_xxh64_add(f->content, sum, sizeof sum);
    bt_record_clear(f->end);
    int rc = bt_record_set_int(f->end, "n", (int64_t)f->n, err);
    if (!rc)
        rc = bt_record_set_int(f->end, "bytes", (int64_t)f->bytes, err);
    if (!rc)
        rc = bt_record_set_bin(f->end, "xxh64", sum, sizeof sum, err);
    if (!rc)
        rc = bt_record_set_str(f->end, "status", status, strlen(status), err);
    if (!rc && rejects > 0)
        rc = bt_record_set_int(f->end, "rejects", (int64_t)rejects, err);
    if (!rc)
        rc = start(f, err);
    if (!rc)
        rc = bt_record_encode(f->end, &f->frames, err);
    rc = send_frame(f, rc, BT_FRAME_END, err);
    f->inside = false;
    return rc;
}

int bt_frames_out_finish(struct bt_frames_out *f, struct bt_err *err)
{
    return bt_sink_finish(f->sink, err);
}

void bt_frames_out_abort(struct bt_frames_out *f, const char *code, const char *message)
{
    struct bt_err err = { 0 };

    if (!bt_sink_direct(f->sink) || !f->inside)
        return; /* a file in the making vanishes instead */
    bt_record_clear(f->end);
    int rc = bt_record_set_str(f->end, "code", code, strlen(code), &err);
    if (!rc)
        rc = bt_record_set_str(f->end, "msg", message, strlen(message), &err);
    if (!rc)
        rc = start(f, &err);
    if (!rc)
        rc = bt_record_encode(f->end, &f->frames, &err);
    rc = send_frame(f, rc, BT_FRAME_ABORT, &err);
    if (!rc)
        bt_sink_finish(f->sink, &err); /* the pipe may be gone; there is no one left to tell */
    f->inside = false;
}
