/* A set of shards open for reading by index: what training draws its samples from. For reading in order and
 * for writing use stream.h. Source: formats.md 2.1, 2.3, 2.4. */
#ifndef BT_SHARD_SHARD_H
#define BT_SHARD_SHARD_H

#include "libcommon/base/err.h"
#include "libcommon/stream/record.h"

struct bt_shard_set;

/* Opens the set's manifest (complete:true unless allow_partial) and checks the sizes of its shards. Shards are opened
 * when first read, read-only and without locks, at most 64 at a time; their structure, totals, schema and `must` are
 * checked then. A path that is a shard by itself is a set of one. */
int bt_shard_set_open(struct bt_shard_set **set, const char *path, bool allow_partial, struct bt_err *err);
/* A file that is a shard, finished or not: by its name (.mdb, .part), or by how it begins. */
bool bt_path_is_shard(const char *path);
/* From now on the set is read from a copy below `dir` (a local disk), made unless it is there; its sha256 is checked
 * either way. Before the first read. */
int bt_shard_set_stage(struct bt_shard_set *set, const char *dir, struct bt_err *err);
/* What reading the records alone does not show: sha256 of the files, content, index, rejects and totals. */
int bt_shard_set_verify(struct bt_shard_set *set, struct bt_err *err);
uint64_t bt_shard_set_count(const struct bt_shard_set *set);
const char *bt_shard_set_schema(const struct bt_shard_set *set);
struct bt_value bt_shard_set_must(const struct bt_shard_set *set, const char *key);
/* sha256 of the manifest, hex: the set's identity in checkpoints. */
const char *bt_shard_set_identity(const struct bt_shard_set *set);
/* Record `index` (0..count-1), its checksum verified. May be called from several threads at once. */
int bt_shard_set_read(struct bt_shard_set *set, uint64_t index, struct bt_record *rec, struct bt_err *err);
void bt_shard_set_close(struct bt_shard_set *set);

#endif
