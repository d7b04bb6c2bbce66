/* Reading frames: what ends a stream, and everything that must not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/walk.h"

enum { HEAD_BYTES = 10, STEP_BYTES = 1 << 20, MAX_SEGMENTS = 1 << 20 };

struct bt_frames_in {
    struct bt_source *source;
    const struct bt_schema *const *schemas;
    bool allow_partial;
    uint64_t max_body;

    struct bt_buf frame; /* head and body of the frame last read */
    uint64_t size;       /* bytes of its body */
    struct bt_record *begin, *first, *last; /* first: begin of the first segment; last: an end record */
    char schema[80];

    bool inside, partial;
    uint64_t segments, n, bytes, total;
    struct bt_xxh64_state *sum;
    uint8_t *seen; /* one byte per segment of a job, when they are numbered */
    uint64_t seen_of, seen_count;
};

uint64_t bt_get_u64(const void *bytes)
{
    const uint8_t *p = bytes;
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int bt_frames_in_open(struct bt_frames_in **in, const char *const *paths, size_t count,
                      const struct bt_reader_options *options, struct bt_err *err)
{
    struct bt_frames_in *f = bt_alloc(1, sizeof *f, err);

    if (!f)
        return BT_ERR_MEMORY;
    f->max_body = bt_reading.max_record ? (uint64_t)bt_reading.max_record : BT_MAX_RECORD;
    f->allow_partial = bt_reading.allow_partial;
    if (options) {
        f->schemas = options->schemas;
        f->allow_partial = f->allow_partial || options->allow_partial;
        if (options->max_record)
            f->max_body = options->max_record;
    }
    f->begin = bt_record_new();
    f->first = bt_record_new();
    f->last = bt_record_new();
    f->sum = bt_xxh64_new();
    int rc = BT_OK;
    if (!f->begin || !f->first || !f->last || !f->sum)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", paths[0]);
    if (!rc)
        rc = bt_source_open(&f->source, paths, count, false, err);
    if (rc)
        bt_frames_in_close(f);
    else
        *in = f;
    return rc;
}

void bt_frames_in_close(struct bt_frames_in *f)
{
    if (!f)
        return;
    bt_source_close(f->source);
    bt_record_free(f->begin);
    bt_record_free(f->first);
    bt_record_free(f->last);
    bt_xxh64_free(f->sum);
    bt_buf_free(&f->frame);
    free(f->seen);
    free(f);
}

uint64_t bt_frames_in_count(const struct bt_frames_in *f)
{
    return f->total;
}

const struct bt_record *bt_frames_in_begin(const struct bt_frames_in *f)
{
    return f->begin;
}

bool bt_frames_in_is_partial(const struct bt_frames_in *f)
{
    return f->partial;
}

const char *bt_frames_in_schema(const struct bt_frames_in *f)
{
    return f->schema;
}

const char *bt_frames_in_name(const struct bt_frames_in *f)
{
    return bt_source_name(f->source);
}

/* Messages name the record that was to come. */
#define AT(f) bt_source_name((f)->source), (unsigned long long)(f)->total

static int cut(struct bt_frames_in *f, struct bt_err *err)
{
    return bt_fail(
        err, BT_ERR_BT_TRUNC,
        "%s:record %llu: stream ends without its end record; the producer died or the file is cut: rerun "
        "it, or salvage with 'bt-cat --repair'",
        AT(f));
}

/* The body arrives in steps, so that a false length costs no more memory than there are bytes. */
static int read_body(struct bt_frames_in *f, uint64_t size, struct bt_err *err)
{
    int rc = BT_OK;

    f->size = size;
    while (!rc && f->frame.size < HEAD_BYTES + size) {
        uint64_t rest = HEAD_BYTES + size - f->frame.size, step = rest < STEP_BYTES ? rest : STEP_BYTES;
        size_t got = 0;

        rc = bt_grow(&f->frame.data, &f->frame.capacity, f->frame.size + step, 1, err);
        if (!rc)
            rc = bt_source_read(f->source, f->frame.data + f->frame.size, step, &got, err);
        f->frame.size += got;
        if (!rc && got < step)
            rc = cut(f, err);
    }
    return rc;
}

/* One frame whose checksum holds. BT_END at the end of the input. */
static int read_frame(struct bt_frames_in *f, struct bt_err *err)
{
    uint64_t at = bt_source_offset(f->source);
    size_t got = 0;
    int rc = bt_grow(&f->frame.data, &f->frame.capacity, HEAD_BYTES, 1, err);

    if (!rc)
        rc = bt_source_read(f->source, f->frame.data, HEAD_BYTES, &got, err);
    if (rc)
        return rc;
    const uint8_t *head = (const uint8_t *)f->frame.data;
    f->frame.size = HEAD_BYTES;
    if (got == 0)
        return BT_END;
    if (head[0] != 0xC9)
        return bt_fail(
            err, BT_ERR_BT_MAGIC,
            "%s:%llu: byte 0x%02x where a frame must begin; this is no bt stream, or bytes are missing",
            bt_source_name(f->source), (unsigned long long)at, head[0]);
    if (got < HEAD_BYTES)
        return cut(f, err);
    uint64_t size = get_u32(head + 1);
    if (size < 5)
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:%llu: a frame of %llu bytes; copy the file again and compare sha256",
                       bt_source_name(f->source), (unsigned long long)at, (unsigned long long)size);
    size -= 4;
    if (size > f->max_body)
        return bt_fail(err, BT_ERR_LIMIT,
                       "%s:%llu: record %llu claims %llu bytes, at most %llu are read; raise --max-record, "
                       "if the data is not damaged",
                       bt_source_name(f->source), (unsigned long long)at, (unsigned long long)f->total,
                       (unsigned long long)size, (unsigned long long)f->max_body);
    rc = read_body(f, size, err);
    head = (const uint8_t *)f->frame.data;
    if (!rc && bt_crc32c(bt_crc32c(0, head + 1, 5), head + HEAD_BYTES, size) != get_u32(head + 6))
        rc = bt_fail(err, BT_ERR_BT_CRC,
                     "%s:%llu: record %llu does not match its checksum; copy the file again and "
                     "compare sha256",
                     bt_source_name(f->source), (unsigned long long)at, (unsigned long long)f->total);
    return rc;
}

static int decode(struct bt_frames_in *f, struct bt_record *rec, struct bt_err *err)
{
    int rc = bt_record_take(rec, &f->frame, HEAD_BYTES, err);

    return rc ? bt_context(err, "%s:record %llu", AT(f)) : BT_OK;
}

/* ---- begin ---- */

static int check_schema(struct bt_frames_in *f, struct bt_err *err)
{
    struct bt_value schema = bt_record_get(f->begin, "schema");
    char wanted[400] = "";

    if (schema.kind != BT_STR || schema.size == 0 || schema.size >= sizeof f->schema ||
        memchr(schema.data, 0, schema.size))
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:record %llu: begin record without a schema; it was not written by bt", AT(f));
    memcpy(f->schema, schema.data, schema.size);
    f->schema[schema.size] = 0;
    for (size_t i = 0; f->schemas && f->schemas[i]; i++) {
        char name[100];

        snprintf(name, sizeof name, "%s/%d", f->schemas[i]->name, f->schemas[i]->major);
        if (strcmp(name, f->schema) == 0)
            return BT_OK;
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s", i ? " or " : "", name);
    }
    if (!f->schemas)
        return BT_OK;
    return bt_fail(err, BT_ERR_BT_SCHEMA,
                   "%s:record %llu: records of kind %s, this tool reads %s; run the tool that makes "
                   "them first",
                   AT(f), bt_quote_str(f->schema), wanted);
}

static int check_joined(struct bt_frames_in *f, struct bt_err *err)
{
    struct bt_value old = bt_record_get(f->first, "schema"), new = bt_record_get(f->begin, "schema");

    if (!bt_value_same(old, new))
        return bt_fail(err, BT_ERR_BT_MIXED,
                       "%s:record %llu: a segment of %s follows one of %s; join segments of one kind", AT(f),
                       bt_quote(new.data, new.size), bt_quote(old.data, old.size));
    old = bt_record_get(f->first, "must");
    new = bt_record_get(f->begin, "must");
    if ((old.size || new.size) && !bt_value_same(old, new))
        return bt_fail(err, BT_ERR_BT_MIXED,
                       "%s:record %llu: segments made with different settings (see 'must' in "
                       "'bt-cat --to=json'); make them alike, then join",
                       AT(f));
    return BT_OK;
}

/* seg {i, of}: the parts of one job, each of which must come once. */
static int note_segment(struct bt_frames_in *f, struct bt_err *err)
{
    struct bt_value seg = bt_record_get(f->begin, "seg");
    struct bt_value i = bt_value_member(seg, "i"), of = bt_value_member(seg, "of");

    if (seg.kind == BT_ABSENT)
        return BT_OK;
    if (i.kind != BT_INT || of.kind != BT_INT || i.integer < 0 || i.integer >= of.integer ||
        of.integer > MAX_SEGMENTS)
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:record %llu: a segment number that makes no sense; it was not written by bt",
                       AT(f));
    if (f->seen && f->seen_of != (uint64_t)of.integer)
        return bt_fail(err, BT_ERR_BT_MIXED,
                       "%s:record %llu: a segment of %lld follows one of %llu; join those of one job", AT(f),
                       (long long)of.integer, (unsigned long long)f->seen_of);
    if (!f->seen) {
        f->seen_of = (uint64_t)of.integer;
        f->seen = bt_alloc(f->seen_of, 1, err);
        if (!f->seen)
            return BT_ERR_MEMORY;
    }
    if (f->seen[i.integer])
        return bt_fail(err, BT_ERR_BT_SEGMENTS,
                       "%s:record %llu: segment %lld comes twice; join each part once", AT(f),
                       (long long)i.integer);
    f->seen[i.integer] = 1;
    f->seen_count++;
    return BT_OK;
}

static int begin(struct bt_frames_in *f, struct bt_err *err)
{
    struct bt_value key, version;
    int rc = decode(f, f->begin, err);

    if (rc)
        return rc;
    version = bt_record_field(f->begin, 0, &key);
    if (version.kind != BT_INT || !bt_value_is(key, "bt") || version.integer != 1)
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:record %llu: not version 1 of the bt stream; use the bt that wrote it", AT(f));
    if (bt_record_get(f->begin, "must").kind != BT_MAP && bt_record_get(f->begin, "must").kind != BT_ABSENT)
        return bt_fail(err, BT_ERR_BT_BODY, "%s:record %llu: 'must' is not a map; it was not written by bt",
                       AT(f));
    rc = check_schema(f, err);
    if (!rc && f->segments > 0)
        rc = check_joined(f, err);
    else if (!rc)
        rc = bt_record_copy(f->first, f->begin, err);
    if (!rc)
        rc = note_segment(f, err);
    f->inside = true;
    f->segments++;
    f->n = f->bytes = 0;
    bt_source_segment(f->source, true);
    return rc;
}

/* ---- record and end ---- */

static int record(struct bt_frames_in *f, struct bt_record *rec, struct bt_err *err)
{
    int rc = decode(f, rec, err);

    if (rc)
        return rc;
    struct bt_value n = bt_record_get(rec, "n");
    if (n.kind != BT_INT || n.integer != (int64_t)f->n)
        return bt_fail(err, BT_ERR_BT_SEQ,
                       "%s:record %llu: out of order (%lld where %llu must follow); records were lost, "
                       "doubled or swapped: make the stream again",
                       AT(f), (long long)n.integer, (unsigned long long)f->n);
    f->n++;
    f->total++;
    f->bytes += f->size;
    return BT_OK;
}

static int end(struct bt_frames_in *f, struct bt_err *err)
{
    int rc = decode(f, f->last, err);
    struct bt_value n, bytes, sum, status;

    if (rc)
        return rc;
    n = bt_record_get(f->last, "n");
    bytes = bt_record_get(f->last, "bytes");
    sum = bt_record_get(f->last, "xxh64");
    status = bt_record_get(f->last, "status");
    if (n.kind != BT_INT || bytes.kind != BT_INT || sum.kind != BT_BIN || sum.size != 8 ||
        status.kind != BT_STR)
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:record %llu: end record without its totals; it was not written by bt", AT(f));
    if (n.integer != (int64_t)f->n)
        return bt_fail(
            err, BT_ERR_BT_SEQ,
            "%s:record %llu: %llu records in the segment, its end says %lld; make the stream again", AT(f),
            (unsigned long long)f->n, (long long)n.integer);
    if (bytes.integer != (int64_t)f->bytes || bt_get_u64(sum.data) != bt_xxh64_value(f->sum))
        return bt_fail(err, BT_ERR_BT_SUM,
                       "%s:record %llu: the segment does not match the totals at its end; copy the file "
                       "again and compare sha256",
                       AT(f));
    if (!bt_value_is(status, "complete") && !bt_value_is(status, "partial"))
        return bt_fail(err, BT_ERR_BT_BODY,
                       "%s:record %llu: end record with an unknown status; use the bt that wrote it", AT(f));
    if (bt_value_is(status, "partial") && !f->allow_partial)
        return bt_fail(err, BT_ERR_BT_PARTIAL,
                       "%s:record %llu: the producer was stopped before it was done; rerun it, or "
                       "take what is there with --allow-partial",
                       AT(f));
    f->partial = f->partial || bt_value_is(status, "partial");
    f->inside = false;
    bt_source_segment(f->source, false);
    return BT_OK;
}

int bt_frames_in_aborted(const struct bt_frames_in *f, const struct bt_record *body, struct bt_err *err)
{
    struct bt_value code = bt_record_get(body, "code"), message = bt_record_get(body, "msg");

    return bt_fail(err, BT_ERR_BT_ABORT, "%s:record %llu: the producer failed: %s [%s]; see to that first",
                   AT(f), message.kind == BT_STR ? bt_quote(message.data, message.size) : "no message",
                   code.kind == BT_STR ? bt_quote(code.data, code.size) : "no code");
}

static int input_ended(struct bt_frames_in *f, struct bt_err *err)
{
    if (f->inside)
        return cut(f, err);
    if (f->segments == 0)
        return bt_fail(err, BT_ERR_BT_EMPTY,
                       "%s: no bytes at all, and an empty stream has a begin and an end; the "
                       "producer died before it wrote anything",
                       bt_source_name(f->source));
    if (f->seen && f->seen_count < f->seen_of && !f->allow_partial)
        return bt_fail(err, BT_ERR_BT_SEGMENTS,
                       "%s:record %llu: %llu of the job's %llu segments are here; join all of them, "
                       "or take what is there with --allow-partial",
                       AT(f), (unsigned long long)f->seen_count, (unsigned long long)f->seen_of);
    f->partial = f->partial || f->seen_count < f->seen_of;
    return BT_END;
}

static int out_of_place(struct bt_frames_in *f, uint8_t type, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_BT_SEQ,
                   "%s:record %llu: a frame of type '%c' out of place; make the stream again", AT(f), type);
}

int bt_frames_in_next(struct bt_frames_in *f, enum bt_frame_type *type, struct bt_record *rec,
                      struct bt_err *err)
{
    int rc;

    for (;;) {
        rc = read_frame(f, err);
        if (rc)
            return rc == BT_END ? input_ended(f, err) : rc;
        uint8_t kind = (uint8_t)f->frame.data[5];
        bool letter = (kind >= 'A' && kind <= 'Z') || (kind >= 'a' && kind <= 'z');
        if (!letter || (kind <= 'Z' && kind != 'R' && !strchr("BEX", kind)))
            return bt_fail(err, BT_ERR_BT_TYPE,
                           "%s:record %llu: a frame of type 0x%02x that must not be skipped and is not "
                           "known here; use a newer bt",
                           AT(f), kind);
        if (f->inside == (kind == BT_FRAME_BEGIN))
            return out_of_place(f, kind, err);
        if (kind == BT_FRAME_BEGIN)
            bt_xxh64_reset(f->sum);
        if (kind != BT_FRAME_END)
            bt_xxh64_add(f->sum, f->frame.data, f->frame.size);
        if (kind > 'Z')
            continue;
        *type = (enum bt_frame_type)kind;
        switch (kind) {
        case BT_FRAME_BEGIN:
            rc = begin(f, err);
            return rc ? rc : bt_record_copy(rec, f->begin, err);
        case BT_FRAME_RECORD:
            return record(f, rec, err);
        case BT_FRAME_END:
            rc = end(f, err);
            return rc ? rc : bt_record_copy(rec, f->last, err);
        default:
            return decode(f, rec, err);
        }
    }
}
