/* Streams and shards behind one reader and one writer: a tool does not know which it has.
 *
 * A path that ends in ".lmdb" is a directory of shards (formats.md 2), a directory that holds bt-dataset.json
 * is one too; anything else is a stream (formats.md 1), "-" stdin or stdout. zstd is recognised by content
 * when reading, and written when the name ends in ".zst". Streams are never written to a terminal (E_TTY). */
#ifndef BT_STREAM_STREAM_H
#define BT_STREAM_STREAM_H

#include "libcommon/base/err.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/record.h"

/* What kind of records: name and major version, as in begin.schema "bt.sample/1". */
struct bt_schema {
    const char *name; /* "bt.sample" */
    int major;
};
extern const struct bt_schema bt_schema_sample, bt_schema_tokens, bt_schema_features, bt_schema_prediction,
    bt_schema_score;

/* ---- reading ---- */
struct bt_reader;

/* What the user lets this program read: BT_OPT_READING stands in the option table of every tool that reads records, and
 * each reader keeps to it (formats.md 1.3, 8). 0: the limit that the option's text names. */
struct bt_reading {
    bool allow_partial;
    int64_t max_record, max_window, max_ratio;
};
extern struct bt_reading bt_reading;
#define BT_OPT_READING                                                                                     \
    BT_OPT_FLAG(0, "allow-partial", &bt_reading.allow_partial, "read what says that it is not complete"),  \
    BT_OPT_COUNT(0, "max-record", &bt_reading.max_record, "BYTES", "largest record to read; 64M if not given"), \
    BT_OPT_COUNT(0, "max-window", &bt_reading.max_window, "BYTES", "largest zstd window; 128M if not given"), \
    BT_OPT_COUNT(0, "max-ratio", &bt_reading.max_ratio, "N", "times that zstd may expand; 2000 if not given")

struct bt_reader_options {
    const struct bt_schema *const *schemas; /* NULL-ended list of kinds accepted; NULL: any */
    bool allow_partial;  /* whatever the user says */
    bool salvage;        /* read what damage has left, and give an account of the rest (on stderr) */
    const char *kind;    /* with salvage, of a stream whose begin record is lost: "bt.sample/1"; NULL: E_BT_MAGIC */
    const char *stage;   /* a directory on a local disk, from a copy in which shards are read; NULL: none */
    uint64_t max_record; /* bytes of one frame; 0: as the user says */
};
/* options may be NULL. Opens and reads up to the first record's begin. */
int bt_reader_open(struct bt_reader **reader, const char *path, const struct bt_reader_options *options,
                   struct bt_err *err);
/* Several files as one stream, as `cat` would join them, each of them whole. Sets of shards come alone. */
int bt_reader_open_all(struct bt_reader **reader, const char *const *paths, size_t count,
                       const struct bt_reader_options *options, struct bt_err *err);
/* The next record, in order. BT_END only when every segment ended complete and the totals agree; every other
 * end of input is an error that names path and record. */
int bt_reader_next(struct bt_reader *reader, struct bt_record *rec, struct bt_err *err);
uint64_t bt_reader_position(const struct bt_reader *reader); /* records returned so far over all segments */
uint64_t bt_reader_count(const struct bt_reader *reader);    /* records in all, 0 when not known (a stream) */
/* "stdin:record 7", of the last record returned. */
const char *bt_reader_place(const struct bt_reader *reader);
/* "bt.sample/1" of the current segment. */
const char *bt_reader_schema(const struct bt_reader *reader);
/* A value of begin.must, BT_ABSENT when not there. */
struct bt_value bt_reader_must(const struct bt_reader *reader, const char *key);
/* Whether what was read so far is known to be less than all: it says so, segments are missing, damage was met. What is made
 * of it is partial too (bt_writer_partial). */
bool bt_reader_is_partial(const struct bt_reader *reader);
/* Records that are known to be lost so far, with `salvage`. */
uint64_t bt_reader_lost(const struct bt_reader *reader);
/* Of shards, what reading all records does not show: the sha256 of the files, index, rejects, totals. */
int bt_reader_verify(struct bt_reader *reader, struct bt_err *err);
void bt_reader_close(struct bt_reader *reader);

/* Whether a path is read as shards: a set, or one shard by itself. */
bool bt_path_is_shards(const char *path);

/* ---- writing ---- */
struct bt_writer;

/* What the user says of sets: BT_OPT_WRITING stands in the option table of every tool that writes records, and each writer
 * keeps to it (formats.md 2.2, 8). 0: what the option's text names. */
struct bt_writing {
    int64_t per_shard, max_shard;
    const char *work; /* NULL: in the set */
    bool no_sync, break_lock;
};
extern struct bt_writing bt_writing;
#define BT_OPT_WRITING                                                                                              \
    BT_OPT_COUNT(0, "per-shard", &bt_writing.per_shard, "N", "inputs for each shard of a set; 10000 if not given"), \
    BT_OPT_COUNT(0, "max-shard", &bt_writing.max_shard, "BYTES", "largest shard to write; 64G if not given"),       \
    BT_OPT_STRING(0, "work", &bt_writing.work, "DIR", "make shards on this local disk, then copy them into the set"), \
    BT_OPT_FLAG(0, "no-sync", &bt_writing.no_sync, "do not wait for the disk; a shard that is interrupted is begun anew"), \
    BT_OPT_FLAG(0, "break-lock", &bt_writing.break_lock, "write a set whose writer is gone, but not its lock")

struct bt_writer_options {
    const struct bt_schema *schema;
    const struct bt_reader *from; /* its must and provenance are carried on; may be NULL */
    const char *options_hash;     /* hex, for prov; may be NULL */
    bool force;
    bool provenance;        /* write prov */
    uint64_t per_shard;     /* of a set; 0: as the user says */
    uint64_t share_i, share_of; /* part share_i of a job that share_of processes share; share_of 0: the whole job */
};
int bt_writer_open(struct bt_writer **writer, const char *path, const struct bt_writer_options *options,
                   struct bt_err *err);
/* Before the first record: a value that joined segments must share (begin.must). */
int bt_writer_must_str(struct bt_writer *writer, const char *key, const char *value, struct bt_err *err);
int bt_writer_must_int(struct bt_writer *writer, const char *key, int64_t value, struct bt_err *err);
/* E_BT_MIXED unless the reader's records may follow those of the writer: same schema, same `must`. */
int bt_writer_joins(const struct bt_writer *writer, const struct bt_reader *reader, struct bt_err *err);
/* Before the first record, for prov.inputs. `name` loses its directories. */
int bt_writer_input(struct bt_writer *writer, const char *name, uint64_t bytes, uint64_t xxh64,
                    struct bt_err *err);

/* The same for a file, known by its size and the xxh64 of its first and last 64 KiB: that is how a set of
 * shards that is gone on with tells that its inputs have changed. Of a set of shards the manifest counts. "-"
 * and what is no regular file is left out. E_SAME_FILE when it is the output. */
int bt_writer_input_file(struct bt_writer *writer, const char *path, struct bt_err *err);

/* Exactly-once writing. Inputs are numbered 0, 1, ... by the caller and each is ended by
 * bt_writer_input_done, after its record was put (at most one per input for shards), or rejected, or neither.
 * After an interruption bt_writer_resume_at gives the first input that is not safe yet: the caller skips
 * those before it (always 0 for streams). `source_id` is the record's "id"; a second one with the same
 * content is dropped and counted, with other content rejected as DUP_ID. */
uint64_t bt_writer_resume_at(struct bt_writer *writer);
/* The same, input by input, for jobs that several processes share: whether the input, counted over all of them, is for this
 * one and not safe yet. Of streams, which then say which part they are, the inputs alternate; a set of shards is written by
 * all processes together, each making every share_of-th shard, and the one that finishes last completes it. Must be asked
 * for every input: each process has to know how many there are. */
bool bt_writer_wants(struct bt_writer *writer, uint64_t input);
/* Simple tools call none of resume_at, wants and input_done: each put or reject then counts as one input, and the
 * writer itself drops those that are already safe; the last of them must have the id that the set remembers
 * (E_INPUT_CHANGED). */
int bt_writer_put(struct bt_writer *writer, struct bt_record *rec, struct bt_err *err);
int bt_writer_input_done(struct bt_writer *writer, uint64_t input, struct bt_err *err);

/* A bad input: one line of the reject log (formats.md 4). Shards keep it in the batch; streams write it to
 * the file given with bt_writer_rejects_to, or only count it. */
struct bt_reject {
    const char *code;                       /* "IMG_TRUNCATED" */
    const char *src, *member, *id, *detail; /* NULL: left out */
    int64_t off, bytes;                     /* -1: left out */
};
int bt_writer_reject(struct bt_writer *writer, const struct bt_reject *reject, struct bt_err *err);
int bt_writer_rejects_to(struct bt_writer *writer, const char *path, struct bt_err *err);
/* E_REJECTS when more than the limit were rejected: a share of inputs (0.05 = 5 %, judged after 1000 inputs
 * and at the end) or, when >= 1, a count. Names the three commonest codes with an example each. */
void bt_writer_max_rejects(struct bt_writer *writer, double limit);
uint64_t bt_writer_rejected(const struct bt_writer *writer);
uint64_t bt_writer_written(const struct bt_writer *writer);

/* Before finish: what was written stands, but it is not all; a set then says complete:false. */
void bt_writer_partial(struct bt_writer *writer);
/* The only call that marks the output complete. */
int bt_writer_finish(struct bt_writer *writer, struct bt_err *err);
/* The output cannot be completed: a stream gets its X frame with the message. Called by bt_writer_close when
 * finish was not. */
void bt_writer_abort(struct bt_writer *writer, const struct bt_err *why);
void bt_writer_close(struct bt_writer *writer);

/* Content hash of a finished shard set, or of a stream's segments: xxh64 of the records, the identity a
 * resumed run must reproduce. */
uint64_t bt_writer_content(const struct bt_writer *writer);

#endif
