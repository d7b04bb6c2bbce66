/* Streams mended: see mend.h. */
#include "libcommon/stream/mend.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/walk.h"

enum { HEAD_BYTES = 10, STEP_BYTES = 1 << 20, MOST_TOLD = 20 };
#define FREE_WASTE ((uint64_t)1 << 30)

struct bt_mend {
    struct bt_source *source;
    uint64_t max_body;
    struct bt_buf window; /* bytes not yet looked at begin at `at` */
    size_t at;
    uint64_t offset, wasted; /* bytes behind us; summed for what was no frame after all */

    struct bt_record *begin, *body; /* of the first segment; of the frame at hand */
    struct bt_xxh64_state *sum;
    bool inside, clean; /* clean: this segment has had no damage */
    uint64_t n, bytes, segments, segments_of;

    uint64_t kept, lost, skipped, places, told;
    uint64_t gap; /* bytes since the last frame */
    bool partial, accounted;
};

/* The first of them; the rest is in the numbers at the end. */
#define TELL(m, ...)                                                                                         \
    do {                                                                                                     \
        (m)->places++;                                                                                       \
        (m)->clean = false;                                                                                  \
        if ((m)->told++ < MOST_TOLD)                                                                         \
            bt_warn(__VA_ARGS__);                                                                            \
    } while (0)

typedef unsigned long long number;

/* ---- frames among bytes ---- */

/* Bytes from `at` on in the window, `size` of them or fewer where the input ends. They arrive in steps, so that a false
 * length costs no more memory than there are bytes. */
static int look(struct bt_mend *m, size_t size, size_t *here, struct bt_err *err)
{
    int rc = BT_OK;
    size_t got = 1;

    if (m->window.size - m->at < size && m->at > 0) {
        m->window.size -= m->at;
        memmove(m->window.data, m->window.data + m->at, m->window.size);
        m->at = 0;
    }
    while (!rc && got > 0 && m->window.size - m->at < size) {
        size_t rest = size - (m->window.size - m->at), step = rest < STEP_BYTES ? rest : STEP_BYTES;

        rc = bt_grow(&m->window.data, &m->window.capacity, m->window.size + step, 1, err);
        if (!rc)
            rc = bt_source_read(m->source, m->window.data + m->window.size, step, &got, err);
        m->window.size += rc ? 0 : got;
    }
    *here = m->window.size - m->at;
    return rc;
}

static void pass(struct bt_mend *m, size_t size)
{
    m->at += size;
    m->offset += size;
}

static void step(struct bt_mend *m, size_t size)
{
    m->gap += size;
    m->skipped += size;
    pass(m, size);
    bt_source_segment(m->source, false);
}

/* The length of the frame that may begin with these bytes, 0 when none does. */
static size_t claimed(const struct bt_mend *m, const uint8_t *head)
{
    uint64_t size = (uint64_t)head[1] << 24 | (uint64_t)head[2] << 16 | (uint64_t)head[3] << 8 | head[4];
    uint8_t letter = head[5] & 0xDF;

    if (head[0] != 0xC9 || letter < 'A' || letter > 'Z' || size < 5 || size - 4 > m->max_body)
        return 0;
    return (size_t)size - 4 + HEAD_BYTES;
}

static bool sum_holds(const uint8_t *frame, size_t size)
{
    uint32_t sum = bt_crc32c(bt_crc32c(0, frame + 1, 5), frame + HEAD_BYTES, size - HEAD_BYTES);
    uint8_t bytes[4] = { (uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8), (uint8_t)sum };

    return memcmp(bytes, frame + 6, 4) == 0;
}

/* To the next whole frame, at window[at], of `size` bytes. BT_END when there is none. */
static int find_frame(struct bt_mend *m, size_t *size, struct bt_err *err)
{
    for (;;) {
        size_t here = 0, wanted;
        int rc = look(m, HEAD_BYTES, &here, err);

        if (rc)
            return rc;
        if (here < HEAD_BYTES) {
            step(m, here);
            return BT_END;
        }
        wanted = claimed(m, (const uint8_t *)m->window.data + m->at);
        if (wanted > 0) {
            rc = look(m, wanted, &here, err);
            if (rc)
                return rc;
            if (here >= wanted && sum_holds((const uint8_t *)m->window.data + m->at, wanted)) {
                *size = wanted;
                return BT_OK;
            }
            m->wasted += wanted;
            if (m->wasted > FREE_WASTE + 16 * m->offset)
                return bt_fail(err, BT_ERR_LIMIT, "%s:%llu: too much looks like frames and is none; it was made to",
                               bt_mend_name(m), (number)m->offset);
        }
        const char *next = memchr(m->window.data + m->at + 1, 0xC9, m->window.size - m->at - 1);
        step(m, next ? (size_t)(next - m->window.data) - m->at : m->window.size - m->at);
    }
}

/* ---- what frames say ---- */

static void note_gap(struct bt_mend *m)
{
    if (m->gap > 0)
        TELL(m, "%s:%llu: %llu bytes that are no whole frame", bt_mend_name(m), (number)(m->offset - m->gap), (number)m->gap);
    m->gap = 0;
}

static int check_joined(struct bt_mend *m, struct bt_err *err)
{
    struct bt_value a = bt_record_get(m->begin, "schema"), b = bt_record_get(m->body, "schema");

    if (bt_value_same(a, b) && bt_value_same(bt_record_get(m->begin, "must"), bt_record_get(m->body, "must")))
        return BT_OK;
    return bt_fail(err, BT_ERR_BT_MIXED,
                   "%s:%llu: a segment of another kind, or made with other settings, than the first; mend them one by one",
                   bt_mend_name(m), (number)m->offset);
}

static int begin(struct bt_mend *m, struct bt_err *err)
{
    struct bt_value of = bt_value_member(bt_record_get(m->body, "seg"), "of");
    int rc = BT_OK;

    if (m->inside)
        TELL(m, "%s:%llu: the segment before ends without its end record", bt_mend_name(m), (number)m->offset);
    if (bt_record_field_count(m->begin) == 0)
        rc = bt_record_copy(m->begin, m->body, err);
    else
        rc = check_joined(m, err);
    if (of.kind == BT_INT && of.integer > 0)
        m->segments_of = (uint64_t)of.integer;
    m->segments++;
    m->inside = m->clean = true;
    m->n = m->bytes = 0;
    bt_xxh64_reset(m->sum);
    return rc;
}

/* Records are numbered: what is missing shows. One that is behind its time came twice, or was swapped; but behind bytes that
 * were no frames it may also be one of a segment whose begin is lost. */
static int record(struct bt_mend *m, bool behind_gap, bool *whole, struct bt_err *err)
{
    struct bt_value n = bt_record_get(m->body, "n");
    uint64_t at = n.kind == BT_INT && n.integer >= 0 ? (uint64_t)n.integer : m->n;

    if (at < m->n && !behind_gap) {
        TELL(m, "%s:%llu: record %llu again, or too late; left out", bt_mend_name(m), (number)m->offset, (number)at);
        return BT_OK;
    }
    if (at < m->n)
        m->n = 0;
    if (at > m->n) {
        m->lost += at - m->n;
        TELL(m, "%s:%llu: %llu records of the segment are lost before record %llu", bt_mend_name(m), (number)m->offset,
             (number)(at - m->n), (number)at);
    }
    m->n = at + 1;
    m->kept++;
    *whole = true;
    return bt_record_remove(m->body, "n", err);
}

static void end(struct bt_mend *m)
{
    struct bt_value n = bt_record_get(m->body, "n"), sum = bt_record_get(m->body, "xxh64");

    if (n.kind == BT_INT && n.integer > (int64_t)m->n) {
        m->lost += (uint64_t)n.integer - m->n;
        TELL(m, "%s:%llu: %llu records are lost at the end of the segment", bt_mend_name(m), (number)m->offset,
             (number)n.integer - m->n);
    } else if (m->clean && (sum.kind != BT_BIN || sum.size != 8 || bt_get_u64(sum.data) != bt_xxh64_value(m->sum))) {
        TELL(m, "%s:%llu: the segment does not match the totals at its end; records may stand in for others",
             bt_mend_name(m), (number)m->offset);
    }
    m->partial = m->partial || !bt_value_is(bt_record_get(m->body, "status"), "complete");
    m->inside = false;
}

static void aborted(struct bt_mend *m)
{
    struct bt_value message = bt_record_get(m->body, "msg");

    TELL(m, "%s:%llu: the producer failed: %s", bt_mend_name(m), (number)m->offset,
         message.kind == BT_STR ? bt_quote(message.data, message.size) : "no message");
    m->inside = false;
}

/* The frame at hand, read into `body`. A record is *whole when it is to be kept. */
static int take(struct bt_mend *m, size_t size, bool *whole, struct bt_err *err)
{
    const char *frame = m->window.data + m->at;
    bool behind_gap = m->gap > 0;
    struct bt_err why = { 0 };
    char type = frame[5];
    int rc = bt_record_decode(m->body, frame + HEAD_BYTES, size - HEAD_BYTES, &why);

    note_gap(m);
    if (type != BT_FRAME_END)
        bt_xxh64_add(m->sum, frame, size);
    if (rc == BT_ERR_MEMORY)
        return bt_fail(err, rc, "%s", why.text);
    if (rc) {
        TELL(m, "%s:%llu: %s", bt_mend_name(m), (number)m->offset, why.text);
        rc = BT_OK;
    } else if (type == BT_FRAME_BEGIN) {
        rc = begin(m, err);
        bt_xxh64_add(m->sum, frame, size);
    } else if (bt_record_field_count(m->begin) == 0) {
        m->lost += type == BT_FRAME_RECORD; /* of a kind that nothing tells yet */
        m->places++;
    } else if (type == BT_FRAME_RECORD) {
        rc = record(m, behind_gap, whole, err);
    } else if (type == BT_FRAME_END) {
        end(m);
    } else if (type == BT_FRAME_ABORT) {
        aborted(m);
    } else if (type < 'a') {
        TELL(m, "%s:%llu: a frame of type '%c', which is not known here; left out", bt_mend_name(m), (number)m->offset, type);
    }
    pass(m, size);
    bt_source_segment(m->source, m->inside);
    return rc;
}

/* ---- the account ---- */

static void account(struct bt_mend *m)
{
    if (m->accounted)
        return;
    m->accounted = true;
    note_gap(m);
    if (m->inside)
        TELL(m, "%s:%llu: ends without an end record", bt_mend_name(m), (number)m->offset);
    if (m->segments < m->segments_of)
        TELL(m, "%s: %llu of the job's %llu segments", bt_mend_name(m), (number)m->segments, (number)m->segments_of);
    if (bt_mend_is_partial(m))
        bt_warn("%s: %llu records kept, %llu known to be lost; %llu bytes stepped over, %llu faults", bt_mend_name(m),
                (number)m->kept, (number)m->lost, (number)m->skipped, (number)(m->places + bt_source_damage(m->source)));
}

int bt_mend_next(struct bt_mend *m, struct bt_record *rec, struct bt_err *err)
{
    bool whole = false;
    int rc = BT_OK;

    while (!rc && !whole) {
        size_t size = 0;

        rc = find_frame(m, &size, err);
        if (!rc)
            rc = take(m, size, &whole, err);
    }
    if (rc == BT_END)
        account(m);
    return rc ? rc : bt_record_copy(rec, m->body, err);
}

/* ---- opening ---- */

static int assume_kind(struct bt_mend *m, const char *kind, struct bt_err *err)
{
    int rc = bt_record_set_int(m->begin, "bt", 1, err);

    if (!rc)
        rc = bt_record_set_str(m->begin, "schema", kind, strlen(kind), err);
    m->inside = true;
    return rc;
}

/* As far as a begin record; the frames before it are of no known kind, unless the caller knows. */
static int find_begin(struct bt_mend *m, const char *kind, struct bt_err *err)
{
    bool whole = false;
    int rc = BT_OK;

    while (!rc && bt_record_field_count(m->begin) == 0) {
        size_t size = 0;

        rc = find_frame(m, &size, err);
        if (!rc && m->window.data[m->at + 5] != BT_FRAME_BEGIN && kind)
            return assume_kind(m, kind, err);
        if (!rc)
            rc = take(m, size, &whole, err);
    }
    if (rc == BT_END)
        rc = bt_fail(err, BT_ERR_BT_MAGIC,
                     "%s: no begin record is left that says of what kind the records are; say it with --schema",
                     bt_mend_name(m));
    return rc;
}

int bt_mend_open(struct bt_mend **mend, const char *const *paths, size_t count,
                 const struct bt_reader_options *options, struct bt_err *err)
{
    struct bt_mend *m = bt_alloc(1, sizeof *m, err);

    if (!m)
        return BT_ERR_MEMORY;
    m->max_body = bt_reading.max_record ? (uint64_t)bt_reading.max_record : BT_MAX_RECORD;
    m->begin = bt_record_new();
    m->body = bt_record_new();
    m->sum = bt_xxh64_new();
    int rc = m->begin && m->body && m->sum
                 ? BT_OK
                 : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", paths[0]);
    if (!rc)
        rc = bt_source_open(&m->source, paths, count, true, err);
    if (!rc)
        rc = find_begin(m, options->kind, err);
    if (rc)
        bt_mend_close(m);
    else
        *mend = m;
    return rc;
}

void bt_mend_close(struct bt_mend *m)
{
    if (!m)
        return;
    bt_source_close(m->source);
    bt_record_free(m->begin);
    bt_record_free(m->body);
    bt_xxh64_free(m->sum);
    bt_buf_free(&m->window);
    free(m);
}

const struct bt_record *bt_mend_begin(const struct bt_mend *m)
{
    return m->begin;
}

const char *bt_mend_name(const struct bt_mend *m)
{
    return bt_source_name(m->source);
}

uint64_t bt_mend_lost(const struct bt_mend *m)
{
    return m->lost;
}

bool bt_mend_is_partial(const struct bt_mend *m)
{
    return m->partial || m->places > 0 || m->lost > 0 || bt_source_damage(m->source) > 0;
}
