/* What the writer and bt-cat's parts ask of a reader beyond stream.h. */
#ifndef BT_STREAM_READER_PRIVATE_H
#define BT_STREAM_READER_PRIVATE_H

#include "libcommon/shard/shard.h"
#include "libcommon/stream/stream.h"

/* A directory of shards, by its name or by its manifest. */
bool bt_path_is_set(const char *path);
/* A value of the begin record ("must", "prov"), or of a set's manifest. */
struct bt_value bt_reader_header(const struct bt_reader *reader, const char *key);
struct bt_value bt_shard_set_header(const struct bt_shard_set *set, const char *key);
bool bt_shard_set_is_complete(const struct bt_shard_set *set);
const char *bt_shard_set_path(const struct bt_shard_set *set);
/* The set behind the reader, NULL for a stream. */
struct bt_shard_set *bt_reader_set(const struct bt_reader *reader);

#endif
