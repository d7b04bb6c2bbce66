/* What is left of damaged shards: the records whose bytes match their checksums, in order, and an account of
 * the rest (on stderr). Files are read page by page and never mapped. Private to stream and shard. Source:
 * formats.md 2, 8. */
#ifndef BT_SHARD_SALVAGE_H
#define BT_SHARD_SALVAGE_H

#include "libcommon/base/err.h"
#include "libcommon/stream/record.h"

struct bt_salvage;

/* A shard, finished or not, or a directory of them with or without its manifest. E_SHARD when nothing says of
 * what kind the records are. */
int bt_salvage_open(struct bt_salvage **salvage, const char *path, struct bt_err *err);
/* A value of the header of the first shard that has one, or of the manifest's. */
struct bt_value bt_salvage_header(const struct bt_salvage *salvage, const char *key);
/* The next whole record; BT_END after the last. */
int bt_salvage_next(struct bt_salvage *salvage, struct bt_record *rec, struct bt_err *err);
/* Records that are known to be lost in what was read so far. */
uint64_t bt_salvage_lost(const struct bt_salvage *salvage);
void bt_salvage_close(struct bt_salvage *salvage);

#endif
