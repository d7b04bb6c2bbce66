/* One writer over streams and sets of shards. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/shard/shard_write.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/reader_private.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/rejects.h"
#include "libcommon/stream/stream.h"

enum { INPUTS_NAMED = 64, JUDGED_AFTER = 1000, PER_SHARD = 10000 };

struct bt_writing bt_writing;

struct bt_writer {
    struct bt_frames_out *frames; /* one of the two */
    struct bt_shard_writer *shards;
    char *path, *options_hash, schema[80];
    bool provenance, begun, partial, over;
    uint64_t per_shard, share_i, share_of;
    uint64_t more_inputs; /* hash of those that prov does not name; 0: it names all */
    struct bt_record *must, *prov, *entry; /* prov: "inputs" alone, until begin */

    bool caller_counts; /* inputs end by input_done, not with each put */
    uint64_t inputs;    /* of this share ended so far, over all runs */
    uint64_t total;     /* inputs met, of all shares */
    char *dropped;      /* id of the record last dropped when going on */
    uint64_t written, rejected;
    double max_rejects;
    struct bt_tally tally;
    struct bt_outfile log;
    bool logging;
};

static int no_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for a writer; free some and run again");
}

static int carry_on(struct bt_writer *w, const struct bt_reader *from, struct bt_err *err)
{
    struct bt_value must = bt_reader_header(from, "must");
    struct bt_value inputs = bt_value_member(bt_reader_header(from, "prov"), "inputs");
    int rc = BT_OK;

    for (size_t i = 0; !rc && must.kind == BT_MAP && i < must.size; i++) {
        struct bt_value key, value = bt_value_pair(must, i, &key);
        char name[72] = "";

        memcpy(name, key.data, key.size < sizeof name ? key.size : sizeof name - 1);
        rc = bt_record_set_value(w->must, name, value, err);
    }
    if (!rc && inputs.kind == BT_ARRAY)
        rc = bt_record_set_value(w->prov, "inputs", inputs, err);
    return rc;
}

static int open_output(struct bt_writer *w, const struct bt_writer_options *o, struct bt_err *err)
{
    bool is_set = bt_path_is_set(w->path);

    if (!is_set && (bt_writing.work || bt_writing.no_sync))
        return bt_fail(err, BT_ERR_USAGE, "--work and --no-sync are for sets of shards; name the output FILE.lmdb");
    if (!is_set)
        return bt_frames_out_open(&w->frames, w->path, o->force, err);
    struct bt_shard_writer_options shards = {
        .per_shard = w->per_shard, .share_i = o->share_i, .share_of = o->share_of, .max_bytes = (uint64_t)bt_writing.max_shard,
        .work = bt_writing.work, .no_sync = bt_writing.no_sync, .force = o->force, .break_lock = bt_writing.break_lock
    };
    int rc = bt_shard_writer_open(&w->shards, w->path, &shards, err);
    if (!rc) {
        w->inputs = 0; /* simple tools begin at the beginning; others ask what is wanted */
        w->written = bt_shard_writer_written(w->shards);
        w->rejected = bt_shard_writer_rejected(w->shards);
    }
    return rc;
}

int bt_writer_open(struct bt_writer **writer, const char *path, const struct bt_writer_options *o,
                   struct bt_err *err)
{
    struct bt_writer *w = bt_alloc(1, sizeof *w, err);

    if (!w)
        return BT_ERR_MEMORY;
    w->path = bt_format("%s", path);
    w->options_hash = o->options_hash ? bt_format("%s", o->options_hash) : NULL;
    w->must = bt_record_new();
    w->prov = bt_record_new();
    w->entry = bt_record_new();
    w->provenance = o->provenance;
    w->per_shard = o->per_shard ? o->per_shard : bt_writing.per_shard ? (uint64_t)bt_writing.per_shard : PER_SHARD;
    w->share_i = o->share_i;
    w->share_of = o->share_of;
    w->max_rejects = 0.05;
    snprintf(w->schema, sizeof w->schema, "%s/%d", o->schema->name, o->schema->major);
    int rc = w->path && w->must && w->prov && w->entry && !o->options_hash == !w->options_hash
                 ? BT_OK
                 : no_memory(err);
    if (!rc && o->from)
        rc = carry_on(w, o->from, err);
    if (!rc)
        rc = open_output(w, o, err);
    if (rc) {
        w->over = true;
        bt_writer_close(w);
    } else {
        *writer = w;
    }
    return rc;
}

void bt_writer_close(struct bt_writer *w)
{
    if (!w)
        return;
    if (!w->over)
        bt_writer_abort(w, NULL);
    bt_frames_out_close(w->frames);
    bt_shard_writer_close(w->shards);
    if (w->logging)
        bt_outfile_close(&w->log);
    bt_tally_free(&w->tally);
    bt_record_free(w->must);
    bt_record_free(w->prov);
    bt_record_free(w->entry);
    free(w->dropped);
    free(w->options_hash);
    free(w->path);
    free(w);
}

/* ---- the header ---- */

static int too_late(struct bt_writer *w, const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_BUG, "%s: %s given after the first record; please report this", w->path, what);
}

int bt_writer_must_str(struct bt_writer *w, const char *key, const char *value, struct bt_err *err)
{
    return w->begun ? too_late(w, key, err) : bt_record_set_str(w->must, key, value, strlen(value), err);
}

int bt_writer_must_int(struct bt_writer *w, const char *key, int64_t value, struct bt_err *err)
{
    return w->begun ? too_late(w, key, err) : bt_record_set_int(w->must, key, value, err);
}

int bt_writer_joins(const struct bt_writer *w, const struct bt_reader *r, struct bt_err *err)
{
    struct bt_value must = bt_reader_header(r, "must");
    size_t count = bt_record_field_count(w->must);
    bool same = count == (must.kind == BT_MAP ? must.size : 0);

    if (strcmp(w->schema, bt_reader_schema(r)) != 0)
        return bt_fail(err, BT_ERR_BT_MIXED,
                       "%s: records of kind %s follow some of %s; join records of one kind",
                       bt_reader_place(r), bt_quote_str(bt_reader_schema(r)), w->schema);
    for (size_t i = 0; same && i < count; i++) {
        struct bt_value key, mine = bt_record_field(w->must, i, &key), theirs = { .kind = BT_ABSENT };

        for (size_t j = 0; j < must.size && theirs.kind == BT_ABSENT; j++) {
            struct bt_value name, value = bt_value_pair(must, j, &name);

            if (bt_value_same(key, name))
                theirs = value;
        }
        same = bt_value_same(mine, theirs);
    }
    return same ? BT_OK
                : bt_fail(err, BT_ERR_BT_MIXED,
                          "%s: made with other settings than the records before it (see 'must' in 'bt-cat "
                          "--to=json'); make them alike, then join",
                          bt_reader_place(r));
}

static void pack_key(struct bt_record *rec, const char *key)
{
    bt_pack_str(rec, key, strlen(key));
}

int bt_writer_input(struct bt_writer *w, const char *name, uint64_t bytes, uint64_t xxh64, struct bt_err *err)
{
    struct bt_value before = bt_record_get(w->prov, "inputs");
    const char *slash = strrchr(name, '/');
    uint8_t sum[8];

    if (w->begun)
        return too_late(w, "an input", err);
    if (slash && slash[1])
        name = slash + 1;
    bt_put_u64(sum, xxh64);
    if (before.size >= INPUTS_NAMED) {
        uint64_t what[] = { w->more_inputs, bt_xxh64(name, strlen(name)), bytes, xxh64 };

        w->more_inputs = bt_xxh64(what, sizeof what);
        return BT_OK;
    }
    bt_record_begin(w->prov, "inputs");
    bt_pack_array(w->prov, before.size + 1);
    for (size_t i = 0; i < before.size; i++)
        bt_pack_value(w->prov, bt_value_at(before, i));
    bt_pack_map(w->prov, 3);
    pack_key(w->prov, "name");
    bt_pack_str(w->prov, name, strlen(name));
    pack_key(w->prov, "bytes");
    bt_pack_int(w->prov, (int64_t)bytes);
    pack_key(w->prov, "xxh64");
    bt_pack_bin(w->prov, sum, sizeof sum);
    return bt_record_end(w->prov, err);
}

int bt_writer_input_file(struct bt_writer *w, const char *path, struct bt_err *err)
{
    char *manifest = bt_path_is_set(path) ? bt_format("%s/bt-dataset.json", path) : NULL;
    int fd =
        strcmp(path, "-") == 0 ? -1 : open(manifest ? manifest : path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st, out;
    uint64_t xxh64 = 0;
    int rc = BT_OK;

    if ((fd >= 0 || manifest) && stat(path, &st) == 0 && stat(w->path, &out) == 0 &&
        st.st_dev == out.st_dev && st.st_ino == out.st_ino)
        rc = bt_fail(err, BT_ERR_SAME_FILE, "%s: is the output too; name another output", bt_quote_str(path));
    if (!rc && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        rc = bt_xxh64_ends(fd, (uint64_t)st.st_size, &xxh64, path, err);
        if (!rc)
            rc = bt_writer_input(w, path, (uint64_t)st.st_size, xxh64, err);
    }
    if (fd >= 0)
        close(fd);
    free(manifest);
    return rc;
}

static int put_must(struct bt_writer *w, struct bt_record *begin, struct bt_err *err)
{
    size_t count = bt_record_field_count(w->must);

    if (count == 0)
        return BT_OK;
    bt_record_begin(begin, "must");
    bt_pack_map(begin, count);
    for (size_t i = 0; i < count; i++) {
        struct bt_value key, value = bt_record_field(w->must, i, &key);

        bt_pack_str(begin, key.data, key.size);
        bt_pack_value(begin, value);
    }
    return bt_record_end(begin, err);
}

static int put_seg(struct bt_writer *w, struct bt_record *begin, struct bt_err *err)
{
    if (w->share_of == 0)
        return BT_OK;
    bt_record_begin(begin, "seg");
    bt_pack_map(begin, 2);
    pack_key(begin, "i");
    bt_pack_int(begin, (int64_t)w->share_i);
    pack_key(begin, "of");
    bt_pack_int(begin, (int64_t)w->share_of);
    return bt_record_end(begin, err);
}

static int put_prov(struct bt_writer *w, struct bt_record *begin, struct bt_err *err)
{
    struct bt_value inputs = bt_record_get(w->prov, "inputs");

    if (!w->provenance)
        return BT_OK;
    bt_record_begin(begin, "prov");
    bt_pack_map(begin, 2 + (w->options_hash != NULL) + (inputs.kind == BT_ARRAY));
    pack_key(begin, "tool");
    pack_key(begin, bt_tool_name());
    pack_key(begin, "version");
    pack_key(begin, bt_version());
    if (w->options_hash) {
        pack_key(begin, "options");
        pack_key(begin, w->options_hash);
    }
    if (inputs.kind == BT_ARRAY) {
        pack_key(begin, "inputs");
        bt_pack_value(begin, inputs);
    }
    return bt_record_end(begin, err);
}

static int start(struct bt_writer *w, struct bt_err *err)
{
    if (w->begun)
        return BT_OK;
    struct bt_record *begin = bt_record_new();
    int rc = begin ? BT_OK : no_memory(err);
    if (!rc)
        rc = bt_record_set_int(begin, w->shards ? "bt_shard" : "bt", 1, err);
    if (!rc && w->frames)
        rc = bt_record_set_int(begin, "minor", 0, err);
    if (!rc)
        rc = bt_record_set_str(begin, "schema", w->schema, strlen(w->schema), err);
    if (!rc)
        rc = put_must(w, begin, err);
    if (!rc && w->frames)
        rc = put_seg(w, begin, err);
    if (!rc)
        rc = put_prov(w, begin, err);
    if (!rc && w->shards)
        rc = bt_record_set_int(begin, "per_shard", (int64_t)w->per_shard, err);
    if (!rc && w->shards && w->more_inputs) {
        uint8_t sum[8];

        bt_put_u64(sum, w->more_inputs);
        rc = bt_record_set_bin(begin, "more_inputs", sum, sizeof sum, err);
    }
    if (!rc) {
        rc = w->shards ? bt_shard_writer_begin(w->shards, begin, err)
                       : bt_frames_out_begin(w->frames, begin, err);
        w->begun = !rc;
    }
    if (!rc && w->shards) {
        w->written = bt_shard_writer_written(w->shards);
        w->rejected = bt_shard_writer_rejected(w->shards);
    }
    bt_record_free(begin);
    return rc;
}

/* ---- records and rejects ---- */

/* The caller says when an input ends, and does not come back to those that are safe. */
static void let_caller_count(struct bt_writer *w)
{
    if (!w->caller_counts && w->shards)
        w->inputs = bt_shard_writer_inputs(w->shards);
    w->caller_counts = true;
}

static void meet(struct bt_writer *w, uint64_t count)
{
    if (w->total < count)
        w->total = count;
}

uint64_t bt_writer_resume_at(struct bt_writer *w)
{
    uint64_t at = w->shards ? bt_shard_writer_resume_at(w->shards) : 0;

    let_caller_count(w);
    if (w->share_of < 2)
        meet(w, at);
    return at;
}

bool bt_writer_wants(struct bt_writer *w, uint64_t input)
{
    let_caller_count(w);
    meet(w, input + 1);
    if (w->shards)
        return bt_shard_writer_wants(w->shards, input);
    return w->share_of == 0 || input % w->share_of == w->share_i;
}

void bt_writer_max_rejects(struct bt_writer *w, double limit)
{
    w->max_rejects = limit;
}

static int check_rejects(struct bt_writer *w, bool at_end, struct bt_err *err)
{
    char rows[900];
    bool is_share = w->max_rejects < 1;

    if (is_share && !at_end && w->inputs < JUDGED_AFTER)
        return BT_OK;
    if ((double)w->rejected <= (is_share ? w->max_rejects * (double)w->inputs : w->max_rejects))
        return BT_OK;
    bt_tally_describe(&w->tally, rows, sizeof rows);
    return bt_fail(err, BT_ERR_REJECTS,
                   "%s: %llu of %llu inputs rejected (%s); mend the inputs, or allow more with "
                   "--max-rejects",
                   w->path, (unsigned long long)w->rejected, (unsigned long long)w->inputs,
                   rows[0] ? rows : "in an earlier run");
}

/* True while a simple tool repeats inputs that an earlier run has made safe. */
static bool is_safe(const struct bt_writer *w)
{
    return w->shards && !w->caller_counts && w->inputs < bt_shard_writer_resume_at(w->shards);
}

static int input_ended(struct bt_writer *w, bool was_safe, struct bt_err *err)
{
    if (w->caller_counts)
        return BT_OK;
    uint64_t input = w->inputs++;
    meet(w, w->inputs);
    if (was_safe) {
        const char *last = bt_shard_writer_last_id(w->shards);

        if (w->inputs == bt_shard_writer_resume_at(w->shards) &&
            strcmp(last, w->dropped ? w->dropped : "") != 0)
            return bt_fail(err, BT_ERR_INPUT_CHANGED,
                           "%s: input %llu has the id '%s', in the run before it was '%s'; give the "
                           "inputs of that run, or begin anew with --force",
                           w->path, (unsigned long long)input, bt_quote_str(w->dropped ? w->dropped : ""),
                           bt_quote_str(last));
        return BT_OK;
    }
    int rc = w->shards ? bt_shard_writer_input_done(w->shards, input, err) : BT_OK;
    return rc ? rc : check_rejects(w, false, err);
}

static int drop(struct bt_writer *w, const struct bt_record *rec, struct bt_err *err)
{
    const char *id;
    size_t size;
    int rc = bt_record_need_str(rec, "id", &id, &size, err);

    if (rc)
        return rc;
    free(w->dropped);
    w->dropped = bt_format("%.*s", (int)size, id);
    return w->dropped ? input_ended(w, true, err) : no_memory(err);
}

static int log_reject(struct bt_writer *w, const struct bt_reject *reject, struct bt_err *err)
{
    struct bt_buf line = { 0 };
    int rc = bt_reject_record(reject, w->entry, err);

    if (!rc)
        rc = bt_tally_add(&w->tally, w->entry, err);
    if (!rc && w->shards)
        rc = bt_shard_writer_reject(w->shards, w->entry, err);
    if (!rc && w->logging)
        rc = bt_reject_line(&line, w->rejected, w->entry, err);
    if (!rc && w->logging)
        rc = bt_outfile_write(&w->log, line.data, line.size, err);
    if (!rc)
        w->rejected++;
    bt_buf_free(&line);
    return rc;
}

static int put_in_shard(struct bt_writer *w, struct bt_record *rec, struct bt_err *err)
{
    bool added = false, clash = false;
    int rc = bt_shard_writer_put(w->shards, rec, &added, &clash, err);

    if (!rc && clash) {
        struct bt_value id = bt_record_get(rec, "id");
        char *text = bt_format("%.*s", (int)id.size, id.data);
        struct bt_reject reject = { .code = "DUP_ID",
                                    .id = text,
                                    .off = -1,
                                    .bytes = -1,
                                    .detail = "the id was there before, with other content" };

        rc = text ? log_reject(w, &reject, err) : no_memory(err);
        free(text);
    }
    w->written += added;
    return rc;
}

int bt_writer_put(struct bt_writer *w, struct bt_record *rec, struct bt_err *err)
{
    int rc = start(w, err);

    if (!rc && is_safe(w))
        return drop(w, rec, err);
    if (!rc)
        rc = w->shards ? put_in_shard(w, rec, err) : bt_frames_out_record(w->frames, rec, err);
    if (!rc && w->frames)
        w->written++;
    return rc ? rc : input_ended(w, false, err);
}

int bt_writer_reject(struct bt_writer *w, const struct bt_reject *reject, struct bt_err *err)
{
    int rc = start(w, err);

    if (!rc && is_safe(w))
        return input_ended(w, true, err);
    if (!rc)
        rc = log_reject(w, reject, err);
    return rc ? rc : input_ended(w, false, err);
}

int bt_writer_input_done(struct bt_writer *w, uint64_t input, struct bt_err *err)
{
    int rc = start(w, err);

    let_caller_count(w);
    meet(w, input + 1);
    w->inputs += !w->shards || bt_shard_writer_wants(w->shards, input);
    if (!rc && w->shards)
        rc = bt_shard_writer_input_done(w->shards, input, err);
    return rc ? rc : check_rejects(w, false, err);
}

int bt_writer_rejects_to(struct bt_writer *w, const char *path, struct bt_err *err)
{
    int rc = bt_outfile_open(&w->log, path, true, err);

    w->logging = !rc;
    return rc;
}

uint64_t bt_writer_rejected(const struct bt_writer *w)
{
    return w->rejected;
}

uint64_t bt_writer_written(const struct bt_writer *w)
{
    return w->written;
}

uint64_t bt_writer_content(const struct bt_writer *w)
{
    return w->shards ? bt_shard_writer_content(w->shards) : bt_frames_out_content(w->frames);
}

/* ---- the end ---- */

static int finish_log(struct bt_writer *w, struct bt_err *err)
{
    struct bt_buf line = { 0 };

    if (!w->logging)
        return BT_OK;
    int rc = bt_reject_end_line(&line, &w->tally, err);
    if (!rc)
        rc = bt_outfile_write(&w->log, line.data, line.size, err);
    if (!rc)
        rc = bt_outfile_finish(&w->log, err);
    bt_buf_free(&line);
    return rc;
}

/* Of several writers that share a set, the one that finds it whole judges the rejects of all. */
static int finish_shards(struct bt_writer *w, struct bt_err *err)
{
    bool whole;
    int rc = bt_shard_writer_join(w->shards, w->total, &whole, err);

    if (!rc && whole && w->share_of > 1) {
        w->inputs = bt_shard_writer_inputs(w->shards);
        w->written = bt_shard_writer_written(w->shards);
        w->rejected = bt_shard_writer_rejected(w->shards);
        rc = check_rejects(w, true, err);
    }
    return rc ? rc : bt_shard_writer_finish(w->shards, w->partial, err);
}

void bt_writer_partial(struct bt_writer *w)
{
    w->partial = true;
}

int bt_writer_finish(struct bt_writer *w, struct bt_err *err)
{
    int rc = start(w, err);

    if (!rc && w->shards && !w->caller_counts && is_safe(w))
        rc = bt_fail(err, BT_ERR_INPUT_CHANGED,
                     "%s: %llu inputs, but the run before had %llu; give the inputs of that run, or "
                     "begin anew with --force",
                     w->path, (unsigned long long)w->inputs,
                     (unsigned long long)bt_shard_writer_resume_at(w->shards));
    if (!rc && !(w->shards && w->share_of > 1))
        rc = check_rejects(w, true, err);
    if (!rc && w->shards)
        rc = finish_shards(w, err);
    if (!rc && w->frames)
        rc = bt_frames_out_end(w->frames, w->partial, w->rejected, err);
    if (!rc)
        rc = finish_log(w, err); /* before the output bears its name: a log that fails fails the run */
    if (!rc && w->frames)
        rc = bt_frames_out_finish(w->frames, err);
    w->over = !rc;
    return rc;
}

void bt_writer_abort(struct bt_writer *w, const struct bt_err *why)
{
    char message[300];

    if (w->frames && !w->over) {
        struct bt_err err = { 0 };

        snprintf(message, sizeof message, "%s stopped before its output was complete", bt_tool_name());
        if (!start(w, &err))
            bt_frames_out_abort(w->frames, why && why->status ? bt_status_name(why->status) : "E_BT_ABORT",
                                why && why->status ? why->text : message);
    }
    if (w->logging && !w->over && w->rejected > 0) { /* the log says why; a run that fails needs it most */
        struct bt_err ignored = { 0 };
        finish_log(w, &ignored);
    }
    w->over = true;
}
