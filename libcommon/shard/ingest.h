/* A set in the making, as its writers share it: locks, the plan, the manifest, and how far the shards of one share are.
 * Private to shard. Source: formats.md 2.2, 2.4. */
#ifndef BT_SHARD_INGEST_H
#define BT_SHARD_INGEST_H

#include "libcommon/shard/lock.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/shard/shard_write.h"

/* Shard `number`, finished or begun; of one that is begun n, rejects and inputs are what is safe. */
struct bt_ingest_shard {
    uint64_t number;
    bool finished;
    struct bt_shard_info info;
};

struct bt_ingest {
    char *dir, *ingest, *parts; /* parts: where shards are made, `ingest` or below the directory for work */
    struct bt_shard_writer_options o;
    struct bt_lock share;  /* held by the one writer of this share */
    struct bt_lock common; /* held while plan and manifest are changed */
    struct bt_record *header; /* of the runs before, as the plan or a shard has it; NULL: there was none */
    struct bt_ingest_shard *shards; /* of this share, by number */
    uint64_t count, capacity;
    struct bt_manifest m; /* as it was when it was looked at last: of all shares */
    uint64_t resume_at;   /* the first input of the share that is not safe */
    char *last_id;        /* of the last record that is safe, "" when there is none, */
    uint64_t last_number; /* and the shard that it is in */
};

/* Takes the share's lock and looks at what earlier runs have left. On failure close it all the same. */
int bt_ingest_open(struct bt_ingest *in, const char *dir, const struct bt_shard_writer_options *options,
                   struct bt_err *err);
/* Compares the header of this run with that of the set, writes the plan, and tells the manifest of shards that it does
 * not know. replace: what is there is a complete set that is given up. */
int bt_ingest_begin(struct bt_ingest *in, const struct bt_record *header, bool replace, struct bt_err *err);
/* NULL when shard `number` is neither finished nor begun. */
struct bt_ingest_shard *bt_ingest_find(const struct bt_ingest *in, uint64_t number);
/* The number of a file "shard-NNNNNN<ending>". */
bool bt_ingest_is_numbered(const char *name, const char *ending, uint64_t *number);
/* For the caller to free; NULL with E_MEMORY. */
char *bt_ingest_shard_path(const struct bt_ingest *in, uint64_t number, struct bt_err *err);
/* *no_sync: it is to be written without waiting for the disk. One that was begun otherwise is gone on with as it was. */
char *bt_ingest_part_path(const struct bt_ingest *in, uint64_t number, bool *no_sync, struct bt_err *err);
/* One writer for each part, also where the processes that share the set disagree on their number. */
int bt_ingest_lock_part(struct bt_ingest *in, struct bt_lock *lock, uint64_t number, struct bt_err *err);
/* Releases it, and removes its file: a lock that is not taken any more. */
void bt_ingest_unlock_part(const struct bt_ingest *in, struct bt_lock *lock, uint64_t number);
void bt_ingest_remove_part(const struct bt_ingest *in, uint64_t number);
/* The shard has got its name: into the manifest with it. */
int bt_ingest_finished(struct bt_ingest *in, uint64_t number, const struct bt_shard_info *info, struct bt_err *err);
/* All inputs were met, `total` of them. *whole: all shards are in the manifest, and nobody else may change that until
 * close. E_INPUT_CHANGED when another writer of the set has met another number. */
int bt_ingest_join(struct bt_ingest *in, uint64_t total, bool *whole, struct bt_err *err);
/* Between join and close: the manifest says whether the set is complete. */
int bt_ingest_complete(struct bt_ingest *in, bool complete, uint64_t repeated, struct bt_err *err);
/* over: nothing is left to do, and the last writer to leave removes what they have shared. */
void bt_ingest_close(struct bt_ingest *in, bool over);

/* ---- plan.c; under the common lock ---- */

/* E_EXISTS, or E_INPUT_CHANGED, unless both are of one command. */
int bt_ingest_compare(const struct bt_ingest *in, const struct bt_record *earlier, const struct bt_record *header,
                      struct bt_err *err);
/* The same with the plan, which is written when there is none, or under `replace`. */
int bt_ingest_agree(struct bt_ingest *in, const struct bt_record *header, bool replace, struct bt_err *err);
/* The first writer that has met all inputs says how many there are. */
int bt_ingest_agree_on_total(struct bt_ingest *in, uint64_t total, struct bt_err *err);

/* ---- adopt.c ---- */

/* Fills `shards`, resume_at and last_id from what the directories hold. */
int bt_ingest_look(struct bt_ingest *in, struct bt_err *err);
/* A finished shard, of any share: kept when it is what the manifest says, and else, as when the manifest does not know it
 * yet, checked as a whole. last_id, which the caller frees, may be NULL. */
int bt_ingest_check(struct bt_ingest *in, uint64_t number, struct bt_shard_info *info, char **last_id,
                    struct bt_err *err);
/* A shard of the table; one that is finished counts, however much of it was begun. */
int bt_ingest_note(struct bt_ingest *in, const struct bt_ingest_shard *shard, struct bt_err *err);
/* The header of a shard, unless there is one from elsewhere. */
int bt_ingest_take_header(struct bt_ingest *in, const struct bt_shard_env *e, struct bt_err *err);
bool bt_shard_same_totals(const struct bt_shard_info *a, const struct bt_shard_info *b);

/* export.c: the J entries of all shards of the manifest as rejects.jsonl. */
int bt_shards_export_rejects(const char *dir, const struct bt_manifest *m, struct bt_err *err);

#endif
