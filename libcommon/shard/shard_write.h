/* Writing a set of shards, exactly once: what stream's writer stands on. Private to stream and shard.
 * Source: formats.md 2.2. */
#ifndef BT_SHARD_SHARD_WRITE_H
#define BT_SHARD_SHARD_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/stream/record.h"

struct bt_shard_writer;

struct bt_shard_writer_options {
    uint64_t per_shard;
    uint64_t share_i, share_of; /* of the shards k those with k = share_i modulo share_of; share_of 0: all */
    uint64_t max_bytes; /* of one shard; 0: 64 GiB */
    uint64_t map_bytes; /* the first size of the map, for tests; 0: 1 GiB */
    const char *work;   /* shards are made below this directory (a local disk); NULL: in the set */
    bool no_sync;       /* what is not finished is lost when it is stopped, and quicker */
    bool force;         /* what is there may be replaced by begin */
    bool break_lock;    /* another writer is believed to be gone */
};
/* Locks the share of the directory (made if need be), looks at what an earlier run left, and finds where to go on. */
int bt_shard_writer_open(struct bt_shard_writer **w, const char *path,
                         const struct bt_shard_writer_options *options, struct bt_err *err);
/* The header {bt_shard, schema, must, prov, per_shard} of this run. An earlier run with another one is
 * E_EXISTS, with other inputs E_INPUT_CHANGED, or replaced under force. Before anything else. */
int bt_shard_writer_begin(struct bt_shard_writer *w, const struct bt_record *header, struct bt_err *err);
/* Whether the input, counted over all shares, is of this one and not safe yet. Those that are have to come in order. */
bool bt_shard_writer_wants(const struct bt_shard_writer *w, uint64_t input);
/* The first input of the share that is not safe, and the id of the last record before it, "" when there is none. */
uint64_t bt_shard_writer_resume_at(const struct bt_shard_writer *w);
const char *bt_shard_writer_last_id(const struct bt_shard_writer *w);
/* *added: it was not there yet. *clash: its id was, with other content; the caller rejects it. */
int bt_shard_writer_put(struct bt_shard_writer *w, const struct bt_record *rec, bool *added, bool *clash,
                        struct bt_err *err);
int bt_shard_writer_reject(struct bt_shard_writer *w, const struct bt_record *entry, struct bt_err *err);
int bt_shard_writer_input_done(struct bt_shard_writer *w, uint64_t input, struct bt_err *err);
/* All inputs, `total` of them, were met: finishes the shards of the share. *whole: those of all others are finished too, and
 * finish completes the set, which no other writer can change until close; else it is told what is missing. */
int bt_shard_writer_join(struct bt_shard_writer *w, uint64_t total, bool *whole, struct bt_err *err);
/* After join. partial: the set does not become complete. */
int bt_shard_writer_finish(struct bt_shard_writer *w, bool partial, struct bt_err *err);
/* Of this share over all runs, and once the set is whole of all. */
uint64_t bt_shard_writer_inputs(const struct bt_shard_writer *w);
uint64_t bt_shard_writer_written(const struct bt_shard_writer *w);
uint64_t bt_shard_writer_rejected(const struct bt_shard_writer *w);
/* xxh64 of the shards' contents in order. */
uint64_t bt_shard_writer_content(const struct bt_shard_writer *w);
/* Commits the inputs that are done, so that the next run need not do them again. */
void bt_shard_writer_close(struct bt_shard_writer *w);

#endif
