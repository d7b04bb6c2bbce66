/* A set of shards open for reading by index: what training draws its samples from. For reading in order and
 * for writing use stream.h. Source: formats.md 2.1, 2.3, 2.4. */
#ifndef BT_SHARD_SHARD_H
#define BT_SHARD_SHARD_H

#include "libcommon/base/err.h"
#include "libcommon/stream/record.h"

struct bt_shard_set;

/* Opens the set's manifest (complete:true unless allow_partial) and checks the sizes of its shards. Shards
 * are opened when first read, read-only and without locks; at most 64 at a time. */
int bt_shard_set_open(struct bt_shard_set **set, const char *path, bool allow_partial, struct bt_err *err);
uint64_t bt_shard_set_count(const struct bt_shard_set *set);
const char *bt_shard_set_schema(const struct bt_shard_set *set);
struct bt_value bt_shard_set_must(const struct bt_shard_set *set, const char *key);
/* sha256 of the manifest, hex: the set's identity in checkpoints. */
const char *bt_shard_set_identity(const struct bt_shard_set *set);
/* Record `index` (0..count-1), its checksum verified. May be called from several threads at once. */
int bt_shard_set_read(struct bt_shard_set *set, uint64_t index, struct bt_record *rec, struct bt_err *err);
void bt_shard_set_close(struct bt_shard_set *set);

#endif
