/* The parts of a shard set; LMDB's one home is this folder. Source: formats.md 2.1-2.4. */
#ifndef BT_SHARD_SHARD_PRIVATE_H
#define BT_SHARD_SHARD_PRIVATE_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/shard/structure.h"
#include "libcommon/stream/record.h"

enum {
    BT_VALUE_HEAD = 8, /* format, three zero bytes, crc32c of the rest */
    BT_ID_KEY = 17,    /* 'I' and 16 bytes of sha256 */
    BT_NUMBER_KEY = 9, /* 'R' or 'J' and a number */
    BT_NAME_KEY = 4,
    BT_MAX_ID = 1024,
};
#define BT_KEY_HEADER "Mhdr"
#define BT_KEY_CURSOR "Mcur"
#define BT_KEY_DICT   "Mdict"
#define BT_KEY_END    "Mend"

enum bt_format { BT_FORMAT_MSGPACK, BT_FORMAT_ZSTD, BT_FORMAT_DICT, BT_FORMAT_RAW };

/* ---- shard_env.c: one LMDB file ---- */
struct bt_shard_env {
    MDB_env *env;
    MDB_dbi dbi;
    char *path;
    struct bt_structure structure; /* of the file when it was opened */
    struct bt_buf dict;            /* for values of format 2 */
    const void *mapped;            /* of a finished shard: where its file begins */
};
/* A finished shard, read-only and without locks, after the check of structure.h. */
int bt_shard_env_read(struct bt_shard_env *e, const char *path, struct bt_err *err);
/* A shard in the making. */
int bt_shard_env_write(struct bt_shard_env *e, const char *path, uint64_t map_bytes, struct bt_err *err);
void bt_shard_env_close(struct bt_shard_env *e);
int bt_shard_fail(const struct bt_shard_env *e, int mdb_status, struct bt_err *err);

void bt_number_key(uint8_t key[BT_NUMBER_KEY], char letter, uint64_t number);
void bt_id_key(uint8_t key[BT_ID_KEY], const void *id, size_t size);
/* A value's 8 bytes in front of its body. */
void bt_value_head(uint8_t head[BT_VALUE_HEAD], enum bt_format format, const void *body, size_t size);
/* Whether the checksum in its head is that of its body. */
bool bt_value_is_whole(const void *value, size_t size);
/* The body of a value, checked and unpacked; it lives as long as the transaction and `space`, which the
 * caller frees. BT_END when the key is not there. */
int bt_shard_get(const struct bt_shard_env *e, MDB_txn *txn, const void *key, size_t key_size,
                 struct bt_buf *space, const void **body, size_t *size, struct bt_err *err);
/* Key and record in a transaction of its own; BT_END when it is not there. */
int bt_shard_get_record(const struct bt_shard_env *e, const void *key, size_t key_size, struct bt_record *rec,
                        struct bt_err *err);
/* A read transaction and its place that outlive a record: a finished shard never changes. One thread at a time; closed before
 * its environment. */
struct bt_shard_view {
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint64_t next; /* the record behind the one read last */
    bool placed;   /* the cursor stands on that */
    struct bt_shard_view *other; /* for who keeps several */
};
int bt_shard_view_open(struct bt_shard_view **view, const struct bt_shard_env *e, struct bt_err *err);
void bt_shard_view_close(struct bt_shard_view *view); /* accepts NULL */
/* BT_END when the shard has no record of that number. */
int bt_shard_view_record(struct bt_shard_view *view, const struct bt_shard_env *e, uint64_t number, struct bt_record *rec,
                         struct bt_err *err);
/* Walks the records: their number and the hash of formats.md 2.1. A gap is E_SHARD. */
int bt_shard_content(const struct bt_shard_env *e, uint64_t *n, uint64_t *content, struct bt_err *err);

/* ---- manifest.c ---- */
struct bt_shard_info {
    char file[40], sha256[65];
    uint64_t first, n, bytes, content, rejects, inputs;
};
struct bt_manifest {
    bool complete;
    uint64_t n, rejects, inputs;
    struct bt_record *header; /* schema, must, prov {tool, version, options, inputs} */
    struct bt_shard_info *shards;
    uint64_t count, capacity;
    char identity[65]; /* sha256 of the file; "" when there is none */
};
/* Fills a zeroed manifest; BT_END when the directory has none. */
int bt_manifest_load(struct bt_manifest *m, const char *dir, struct bt_err *err);
int bt_manifest_add(struct bt_manifest *m, const struct bt_shard_info *info, struct bt_err *err);
/* By the name of the file, in whose order they stand; NULL when it is not there. */
const struct bt_shard_info *bt_manifest_find(const struct bt_manifest *m, const char *file);
int bt_manifest_put(struct bt_manifest *m, const struct bt_shard_info *info, struct bt_err *err);
int bt_manifest_drop(struct bt_manifest *m, const char *file, struct bt_err *err); /* absent is fine */
/* repeated: ids found in two shards, told once the set is complete. */
int bt_manifest_save(const struct bt_manifest *m, const char *dir, uint64_t repeated, struct bt_err *err);
void bt_manifest_free(struct bt_manifest *m);

/* ---- describe.c: what a finished shard says of itself ---- */

/* n, content, rejects and inputs as `M end` has them; *last_id, which the caller frees, may be NULL. */
int bt_shard_totals(const struct bt_shard_env *e, struct bt_shard_info *info, char **last_id,
                    struct bt_err *err);
/* The whole shard checked: totals, records, rejects and index; with size and sha256 of its file. header may
 * be NULL. */
int bt_shard_describe(const char *path, struct bt_shard_info *info, struct bt_err *err);
/* Schema and `must` of a shard are those of its set. */
int bt_shard_belongs(const struct bt_shard_env *e, const struct bt_record *header, struct bt_err *err);

/* repeated.c: how many ids lie in more than one shard. */
int bt_shards_repeated(const char *dir, const struct bt_manifest *m, uint64_t *repeated, struct bt_err *err);

/* ---- part.c: the shard being written ---- */
struct bt_part;
struct bt_part_options {
    uint64_t first_input;
    uint64_t safe;                 /* records in finished shards, for messages */
    uint64_t map_bytes, max_bytes; /* as in shard_write.h */
    bool no_sync; /* nothing is on the disk before it is finished: no part to go on with after a stop */
};
int bt_part_open(struct bt_part **part, const char *path, const struct bt_part_options *options,
                 struct bt_err *err);
const struct bt_record *bt_part_header(const struct bt_part *part); /* NULL: it is new */
int bt_part_set_header(struct bt_part *part, const struct bt_record *header, struct bt_err *err);
int bt_part_put(struct bt_part *part, const struct bt_record *rec, bool *added, bool *clash,
                struct bt_err *err);
int bt_part_reject(struct bt_part *part, const struct bt_record *entry, struct bt_err *err);
/* The inputs before `next` are done; commits when the batch is full. */
int bt_part_mark(struct bt_part *part, uint64_t next, struct bt_err *err);
int bt_part_commit(struct bt_part *part, struct bt_err *err);
uint64_t bt_part_next(const struct bt_part *part); /* the first input that is not done */
const char *bt_part_last_id(const struct bt_part *part);
uint64_t bt_part_count(const struct bt_part *part);
uint64_t bt_part_rejects(const struct bt_part *part);
/* Writes `M end` and a compacted copy under its final name, and describes it. */
int bt_part_finish(struct bt_part *part, const char *final_path, struct bt_shard_info *info,
                   struct bt_err *err);
void bt_part_close(struct bt_part *part); /* commits what is marked, if it can */
#endif
