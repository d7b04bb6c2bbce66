/* Writing the shards of one share of a set, one after the other. Source: formats.md 2.2, 2.4. */
#include "libcommon/shard/shard_write.h"

#include <stdlib.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/shard/ingest.h"
#include "libcommon/stream/frames.h"

struct bt_shard_writer {
    struct bt_ingest in;
    bool replace; /* a complete set that --force gives up at begin */
    bool whole;   /* all shards are there, those of other shares too */
    bool over;    /* nothing is left to do in .ingest */
    struct bt_record *header;
    uint64_t number;      /* of the shard that is being written, or is next */
    struct bt_part *part; /* NULL until needed */
    struct bt_lock part_lock;
};

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

int bt_shard_writer_open(struct bt_shard_writer **writer, const char *path,
                         const struct bt_shard_writer_options *options, struct bt_err *err)
{
    struct bt_shard_writer *w = bt_alloc(1, sizeof *w, err);

    if (!w)
        return BT_ERR_MEMORY;
    w->part_lock.fd = -1;
    w->number = options->share_i;
    int rc = bt_ingest_open(&w->in, path, options, err);
    w->replace = w->in.m.complete && options->force;
    w->header = bt_record_new();
    if (!rc && !w->header)
        rc = no_memory(path, err);
    if (rc)
        bt_shard_writer_close(w);
    else
        *writer = w;
    return rc;
}

/* The lock stays behind, for a writer that went on with the part to find it taken. */
static void drop_part(struct bt_shard_writer *w)
{
    bt_part_close(w->part);
    w->part = NULL;
    bt_lock_release(&w->part_lock);
}

void bt_shard_writer_close(struct bt_shard_writer *w)
{
    if (!w)
        return;
    drop_part(w);
    bt_ingest_close(&w->in, w->over || w->in.m.complete);
    bt_record_free(w->header);
    free(w);
}

/* ---- where it is ---- */

static bool is_complete(const struct bt_shard_writer *w)
{
    return w->in.m.complete && !w->replace;
}

uint64_t bt_shard_writer_resume_at(const struct bt_shard_writer *w)
{
    return w->in.resume_at;
}

bool bt_shard_writer_wants(const struct bt_shard_writer *w, uint64_t input)
{
    uint64_t number = input / w->in.o.per_shard;
    const struct bt_ingest_shard *shard = bt_ingest_find(&w->in, number);

    if (number % w->in.o.share_of != w->in.o.share_i)
        return false;
    if (is_complete(w))
        return input >= w->in.m.inputs;
    return !shard || input - number * w->in.o.per_shard >= shard->info.inputs;
}

const char *bt_shard_writer_last_id(const struct bt_shard_writer *w)
{
    return w->in.last_id;
}

/* What is safe of all shards but the open one, and of that what it says. */
static struct bt_shard_info totals(const struct bt_shard_writer *w)
{
    struct bt_shard_info sum = { .n = 0 };

    for (uint64_t i = 0; i < w->in.count; i++) {
        const struct bt_ingest_shard *shard = &w->in.shards[i];

        if (w->part && shard->number == w->number)
            continue;
        sum.n += shard->info.n;
        sum.rejects += shard->info.rejects;
        sum.inputs += shard->info.inputs;
    }
    if (w->part) {
        sum.n += bt_part_count(w->part);
        sum.rejects += bt_part_rejects(w->part);
        sum.inputs += bt_part_next(w->part) - w->number * w->in.o.per_shard;
    }
    return sum;
}

uint64_t bt_shard_writer_inputs(const struct bt_shard_writer *w)
{
    return w->whole ? w->in.m.inputs : totals(w).inputs;
}

uint64_t bt_shard_writer_written(const struct bt_shard_writer *w)
{
    return w->whole ? w->in.m.n : totals(w).n;
}

uint64_t bt_shard_writer_rejected(const struct bt_shard_writer *w)
{
    return w->whole ? w->in.m.rejects : totals(w).rejects;
}

uint64_t bt_shard_writer_content(const struct bt_shard_writer *w)
{
    struct bt_xxh64_state *sum = bt_xxh64_new();
    uint64_t value = 0;

    for (uint64_t k = 0; sum && k < w->in.m.count; k++) {
        uint8_t bytes[8];

        bt_put_u64(bytes, w->in.m.shards[k].content);
        bt_xxh64_add(sum, bytes, sizeof bytes);
    }
    if (sum)
        value = bt_xxh64_value(sum);
    bt_xxh64_free(sum);
    return value;
}

/* ---- one shard ---- */

static int meanwhile(const struct bt_shard_writer *w, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_LOCKED, "%s: another process has gone on with shard %llu meanwhile; run again",
                   w->in.dir, (unsigned long long)w->number);
}

/* Where it lies may be removed by another process that has no more to do there; then it is made again. */
static int open_file(struct bt_shard_writer *w, const char *path, const struct bt_part_options *o, struct bt_err *err)
{
    for (;;) {
        int rc = bt_make_dirs(w->in.parts, err);

        if (rc)
            return rc;
        rc = bt_part_open(&w->part, path, o, err);
        if (!rc || bt_path_exists(w->in.parts))
            return rc;
        bt_err_clear(err);
    }
}

static int open_part(struct bt_shard_writer *w, const char *path, bool no_sync, struct bt_err *err)
{
    const struct bt_ingest_shard *known = bt_ingest_find(&w->in, w->number);
    struct bt_part_options o = { .first_input = w->number * w->in.o.per_shard,
                                 .safe = totals(w).n,
                                 .map_bytes = w->in.o.map_bytes,
                                 .max_bytes = w->in.o.max_bytes,
                                 .no_sync = no_sync };
    int rc = open_file(w, path, &o, err);

    if (rc)
        return rc;
    if (bt_part_next(w->part) != o.first_input + (known ? known->info.inputs : 0))
        return meanwhile(w, err);
    return bt_part_header(w->part) ? bt_ingest_compare(&w->in, bt_part_header(w->part), w->header, err)
                                   : bt_part_set_header(w->part, w->header, err);
}

static int ensure_part(struct bt_shard_writer *w, struct bt_err *err)
{
    const struct bt_ingest_shard *shard;

    if (w->part)
        return BT_OK;
    while ((shard = bt_ingest_find(&w->in, w->number)) && shard->finished)
        w->number += w->in.o.share_of;
    bool no_sync;
    char *path = bt_ingest_part_path(&w->in, w->number, &no_sync, err);
    char *final = bt_ingest_shard_path(&w->in, w->number, err);
    int rc = path && final ? bt_ingest_lock_part(&w->in, &w->part_lock, w->number, err) : BT_ERR_MEMORY;
    if (!rc && bt_path_exists(final))
        rc = meanwhile(w, err);
    if (!rc)
        rc = open_part(w, path, no_sync, err);
    if (rc)
        drop_part(w);
    free(path);
    free(final);
    return rc;
}

static int finish_part(struct bt_shard_writer *w, struct bt_err *err)
{
    struct bt_shard_info info = { .n = 0 };
    char *final = bt_ingest_shard_path(&w->in, w->number, err);
    int rc = final ? bt_part_finish(w->part, final, &info, err) : BT_ERR_MEMORY;

    if (!rc)
        rc = bt_ingest_finished(&w->in, w->number, &info, err);
    if (!rc) {
        bt_part_close(w->part);
        w->part = NULL;
        bt_ingest_remove_part(&w->in, w->number);
        bt_ingest_unlock_part(&w->in, &w->part_lock, w->number);
    }
    free(final);
    return rc;
}

/* Shards whose run was stopped between their last input and their name. */
static int finish_full_parts(struct bt_shard_writer *w, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; !rc && i < w->in.count; i++)
        if (!w->in.shards[i].finished && w->in.shards[i].info.inputs >= w->in.o.per_shard) {
            w->number = w->in.shards[i].number;
            rc = ensure_part(w, err);
            if (!rc)
                rc = finish_part(w, err);
        }
    w->number = w->in.o.share_i;
    return rc;
}

int bt_shard_writer_begin(struct bt_shard_writer *w, const struct bt_record *header, struct bt_err *err)
{
    int rc = bt_record_copy(w->header, header, err);

    if (!rc)
        rc = bt_ingest_begin(&w->in, header, w->replace, err);
    w->replace = w->replace && rc;
    return rc || w->in.m.complete ? rc : finish_full_parts(w, err);
}

/* ---- inputs ---- */

static int check_open(struct bt_shard_writer *w, struct bt_err *err)
{
    if (w->in.m.complete)
        return bt_fail(err, BT_ERR_INPUT_CHANGED,
                       "%s: is complete with %llu inputs and more are given; use --force to make it "
                       "anew",
                       w->in.dir, (unsigned long long)w->in.m.inputs);
    return ensure_part(w, err);
}

int bt_shard_writer_put(struct bt_shard_writer *w, const struct bt_record *rec, bool *added, bool *clash,
                        struct bt_err *err)
{
    int rc = check_open(w, err);

    return rc ? rc : bt_part_put(w->part, rec, added, clash, err);
}

int bt_shard_writer_reject(struct bt_shard_writer *w, const struct bt_record *entry, struct bt_err *err)
{
    int rc = check_open(w, err);

    return rc ? rc : bt_part_reject(w->part, entry, err);
}

int bt_shard_writer_input_done(struct bt_shard_writer *w, uint64_t input, struct bt_err *err)
{
    if (!bt_shard_writer_wants(w, input))
        return BT_OK; /* safe since an earlier run, or of another share */
    int rc = check_open(w, err);
    if (!rc && input != bt_part_next(w->part))
        rc = bt_fail(err, BT_ERR_BUG, "%s: input %llu ended where %llu must; please report this", w->in.dir,
                     (unsigned long long)input, (unsigned long long)bt_part_next(w->part));
    if (!rc)
        rc = bt_part_mark(w->part, input + 1, err);
    if (!rc && (input + 1) % w->in.o.per_shard == 0)
        rc = finish_part(w, err);
    return rc;
}

/* ---- the end ---- */

static int other_inputs(const struct bt_shard_writer *w, uint64_t total, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_INPUT_CHANGED,
                   "%s: %llu inputs, and in an earlier run there were others; give those, or remove the directory and "
                   "begin anew",
                   w->in.dir, (unsigned long long)total);
}

/* Shard `number` ends with input `end`. */
static int finish_shard(struct bt_shard_writer *w, uint64_t number, uint64_t end, uint64_t total, struct bt_err *err)
{
    const struct bt_ingest_shard *shard = bt_ingest_find(&w->in, number);

    if (shard && shard->finished)
        return number * w->in.o.per_shard + shard->info.inputs == end ? BT_OK : other_inputs(w, total, err);
    if (w->part && w->number != number)
        return other_inputs(w, total, err);
    w->number = number;
    int rc = ensure_part(w, err);
    if (!rc && bt_part_next(w->part) != end)
        rc = other_inputs(w, total, err);
    return rc ? rc : finish_part(w, err);
}

int bt_shard_writer_join(struct bt_shard_writer *w, uint64_t total, bool *whole, struct bt_err *err)
{
    uint64_t per_shard = w->in.o.per_shard, shard_count = total ? (total + per_shard - 1) / per_shard : 1;
    int rc = BT_OK;

    if (!w->in.m.complete) {
        for (uint64_t k = w->in.o.share_i; !rc && k < shard_count; k += w->in.o.share_of)
            rc = finish_shard(w, k, k + 1 < shard_count ? (k + 1) * per_shard : total, total, err);
        for (uint64_t i = w->in.count; !rc && i-- > 0 && w->in.shards[i].number >= shard_count;)
            if (w->in.shards[i].info.inputs > 0)
                rc = other_inputs(w, total, err);
        if (!rc)
            rc = bt_ingest_join(&w->in, total, &w->whole, err);
    } else if (w->in.m.inputs != total) {
        rc = other_inputs(w, total, err);
    } else {
        w->whole = true;
    }
    *whole = w->whole;
    return rc;
}

int bt_shard_writer_finish(struct bt_shard_writer *w, bool partial, struct bt_err *err)
{
    uint64_t repeated = 0;

    if (w->in.m.complete || !w->whole)
        return BT_OK;
    int rc = bt_shards_export_rejects(w->in.dir, &w->in.m, err);
    if (!rc)
        rc = bt_shards_repeated(w->in.dir, &w->in.m, &repeated, err);
    if (!rc)
        rc = bt_ingest_complete(&w->in, !partial, repeated, err);
    w->over = !rc;
    if (!rc && repeated > 0)
        bt_warn("%s: %llu ids are in more than one shard; see 'repeated_ids' in its manifest", w->in.dir,
                (unsigned long long)repeated);
    return rc;
}
