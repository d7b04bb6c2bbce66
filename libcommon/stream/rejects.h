/* The reject log and its tally. Private to stream and shard. Source: formats.md 4. */
#ifndef BT_STREAM_REJECTS_H
#define BT_STREAM_REJECTS_H

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/stream.h"

/* The entry as a record, its strings made printable and cut. */
int bt_reject_record(const struct bt_reject *reject, struct bt_record *entry, struct bt_err *err);

/* How often each code came, with its first example. Zero it to begin. */
struct bt_tally {
    struct bt_tally_row {
        char code[32];
        uint64_t count;
        char example[200];
    } * rows;
    uint64_t count, capacity, total;
};
int bt_tally_add(struct bt_tally *tally, const struct bt_record *entry, struct bt_err *err);
/* "IMG_TRUNCATED 12 (such as 000123), ..." for the three commonest. */
void bt_tally_describe(struct bt_tally *tally, char *out, size_t size);
void bt_tally_free(struct bt_tally *tally);

/* One line of the log, and its last line. */
int bt_reject_line(struct bt_buf *buf, uint64_t n, const struct bt_record *entry, struct bt_err *err);
int bt_reject_end_line(struct bt_buf *buf, struct bt_tally *tally, struct bt_err *err);

#endif
