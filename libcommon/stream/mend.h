/* What is left of damaged streams: the records whose frames match their checksums, in order, and an account of the rest (on
 * stderr). A damaged place is stepped over to the next byte where a whole frame begins, a damaged zstd frame to the next one.
 * Private to stream. Source: formats.md 1.3. */
#ifndef BT_STREAM_MEND_H
#define BT_STREAM_MEND_H

#include "libcommon/base/err.h"
#include "libcommon/stream/stream.h"

struct bt_mend;

/* Several files as one, joined where they may be. `paths` must outlive it. Without a begin record the records are of
 * options->kind; E_BT_MAGIC when there is neither. */
int bt_mend_open(struct bt_mend **mend, const char *const *paths, size_t count,
                 const struct bt_reader_options *options, struct bt_err *err);
/* The next whole record, without its number; BT_END after the last, when the account has been given. Errors: E_BT_MIXED, for
 * segments that never belonged together; E_BOMB; E_LIMIT when too much looks like frames and is none; E_IO. */
int bt_mend_next(struct bt_mend *mend, struct bt_record *rec, struct bt_err *err);
const struct bt_record *bt_mend_begin(const struct bt_mend *mend); /* of the first segment that has one */
const char *bt_mend_name(const struct bt_mend *mend);
uint64_t bt_mend_lost(const struct bt_mend *mend); /* records that their numbers say are missing */
bool bt_mend_is_partial(const struct bt_mend *mend);
void bt_mend_close(struct bt_mend *mend);

#endif
