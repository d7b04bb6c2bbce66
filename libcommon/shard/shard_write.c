/* Writing a set: shard after shard, and where an earlier run left off. Source: formats.md 2.2, 2.4. */
#include "libcommon/shard/shard_write.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/shard/lock.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/rejects.h"

struct bt_shard_writer {
    char *dir;
    struct bt_shard_writer_options o;
    bool replace; /* a complete set that --force gives up at begin */
    bool over;    /* nothing is left to do in .ingest */
    struct bt_lock lock;
    struct bt_manifest m;      /* of the finished shards; m.complete: nothing is left to do */
    struct bt_record *earlier; /* header of an earlier run; NULL: there was none */
    struct bt_part *part;      /* of shard m.count; NULL until needed */
    uint64_t resume_at;
    char *last_id; /* of the finished shards */
};

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

static char *shard_path(const struct bt_shard_writer *w, uint64_t k, struct bt_err *err)
{
    char *path = bt_format("%s/shard-%06llu.mdb", w->dir, (unsigned long long)k);

    if (!path)
        no_memory(w->dir, err);
    return path;
}

static char *part_path(const struct bt_shard_writer *w, uint64_t k, struct bt_err *err)
{
    char *path = bt_format("%s/.ingest/shard-%06llu.part", w->dir, (unsigned long long)k);

    if (!path)
        no_memory(w->dir, err);
    return path;
}

/* ---- what is there ---- */

static bool is_ours(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".ingest") == 0 ||
           strcmp(name, "bt-dataset.json") == 0 || strcmp(name, "rejects.jsonl") == 0 ||
           strncmp(name, "shard-", 6) == 0 || strncmp(name, ".bt-", 4) == 0;
}

static int check_directory(const char *dir, struct bt_err *err)
{
    DIR *d;
    struct dirent *entry;
    int rc = BT_OK;

    if (!bt_path_exists(dir))
        return bt_make_dirs(dir, err);
    if (!bt_path_is_dir(dir))
        return bt_fail(err, BT_ERR_EXISTS,
                       "%s: a file, and a set of shards is a directory; name another output", dir);
    d = opendir(dir);
    if (!d)
        return bt_fail_errno(err, errno, 1, dir, NULL);
    while (!rc && (entry = readdir(d)))
        if (!is_ours(entry->d_name))
            rc = bt_fail(err, BT_ERR_EXISTS,
                         "%s: holds '%s', which is no part of a set; name another directory", dir,
                         bt_quote_str(entry->d_name));
    closedir(d);
    return rc;
}

static int take_lock(struct bt_shard_writer *w, bool break_lock, struct bt_err *err)
{
    char *dir = bt_format("%s/.ingest", w->dir), *path = bt_format("%s/.ingest/lock-0", w->dir);
    int rc = dir && path ? bt_make_dirs(dir, err) : no_memory(w->dir, err);

    if (!rc)
        rc = bt_lock_take(&w->lock, path, w->dir, break_lock, err);
    free(dir);
    free(path);
    return rc;
}

static bool same_totals(const struct bt_shard_info *a, const struct bt_shard_info *b)
{
    return a->n == b->n && a->content == b->content && a->rejects == b->rejects && a->inputs == b->inputs;
}

/* A finished shard is kept when it is what the manifest says, and else, as when the manifest does not know it
 * yet, checked as a whole. */
static int adopt_shard(struct bt_shard_writer *w, const char *path, const struct bt_shard_info *known,
                       struct bt_err *err)
{
    struct bt_shard_env e = { 0 };
    struct bt_shard_info info = { .n = 0 };
    struct bt_record *header = w->earlier ? NULL : bt_record_new();
    struct stat st;
    int rc = w->earlier || header ? bt_shard_env_read(&e, path, err) : no_memory(path, err);

    free(w->last_id);
    w->last_id = NULL;
    if (!rc)
        rc = bt_shard_totals(&e, &info, &w->last_id, err);
    if (!rc && w->earlier)
        rc = bt_shard_belongs(&e, w->earlier, err);
    if (!rc && known && same_totals(&info, known) && stat(path, &st) == 0 &&
        (uint64_t)st.st_size == known->bytes)
        info = *known;
    else if (!rc)
        rc = bt_shard_describe(path, &info, err);
    if (!rc && header)
        rc = bt_shard_get_record(&e, BT_KEY_HEADER, BT_NAME_KEY, header, err);
    if (!rc && header) {
        w->earlier = header;
        header = NULL;
    }
    if (!rc)
        rc = bt_manifest_add(&w->m, &info, err);
    bt_shard_env_close(&e);
    bt_record_free(header);
    return rc;
}

static int adopt_shards(struct bt_shard_writer *w, const struct bt_manifest *known, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t k = 0; !rc; k++) {
        char *path = shard_path(w, k, err);

        if (!path)
            return BT_ERR_MEMORY;
        bool there = bt_path_exists(path);
        if (there)
            rc = adopt_shard(w, path, k < known->count ? &known->shards[k] : NULL, err);
        free(path);
        if (!there)
            break;
    }
    return rc;
}

static int open_part(struct bt_shard_writer *w, struct bt_err *err)
{
    char *path = part_path(w, w->m.count, err);
    struct bt_part_options o = { w->m.count * w->o.per_shard, w->m.n, w->o.map_bytes, w->o.max_bytes };
    int rc = path ? bt_part_open(&w->part, path, &o, err) : BT_ERR_MEMORY;

    free(path);
    return rc;
}

static int look(struct bt_shard_writer *w, bool force, struct bt_err *err)
{
    struct bt_manifest known = { .n = 0 };
    int rc = bt_manifest_load(&known, w->dir, err);

    if (rc == BT_END)
        rc = BT_OK;
    if (!rc && known.complete && force) {
        w->replace = true;
    } else if (!rc) {
        rc = adopt_shards(w, &known, err);
        w->m.complete = !rc && known.complete && known.count == w->m.count;
    }
    bt_manifest_free(&known);
    if (rc || w->replace)
        return rc;
    w->resume_at =
        w->m.count > 0 ? (w->m.count - 1) * w->o.per_shard + w->m.shards[w->m.count - 1].inputs : 0;
    char *path = part_path(w, w->m.count, err);
    if (!path)
        return BT_ERR_MEMORY;
    if (bt_path_exists(path) && !w->m.complete) {
        rc = open_part(w, err);
        if (!rc && bt_part_header(w->part) && !w->earlier) {
            w->earlier = bt_record_new();
            rc = w->earlier ? bt_record_copy(w->earlier, bt_part_header(w->part), err)
                            : no_memory(w->dir, err);
        }
        if (!rc && bt_part_next(w->part) > w->resume_at)
            w->resume_at = bt_part_next(w->part);
    }
    free(path);
    return rc;
}

int bt_shard_writer_open(struct bt_shard_writer **writer, const char *path,
                         const struct bt_shard_writer_options *options, struct bt_err *err)
{
    struct bt_shard_writer *w = bt_alloc(1, sizeof *w, err);

    if (!w)
        return BT_ERR_MEMORY;
    w->lock.fd = -1;
    w->o = *options;
    w->dir = bt_format("%s", path);
    w->last_id = bt_format("%s", "");
    w->m.header = bt_record_new();
    int rc = w->dir && w->last_id && w->m.header ? BT_OK : no_memory(path, err);
    if (!rc)
        rc = check_directory(path, err);
    if (!rc)
        rc = take_lock(w, options->break_lock, err);
    if (!rc)
        rc = look(w, options->force, err);
    if (rc)
        bt_shard_writer_close(w);
    else
        *writer = w;
    return rc;
}

static void remove_ingest(struct bt_shard_writer *w)
{
    struct bt_err ignored = { 0 }; /* a leftover does no harm; the next run removes it */
    char *dir = bt_format("%s/.ingest", w->dir);

    if (dir)
        bt_remove_dir(dir, &ignored);
    free(dir);
}

void bt_shard_writer_close(struct bt_shard_writer *w)
{
    if (!w)
        return;
    bt_part_close(w->part);
    if ((w->m.complete || w->over) && w->lock.fd >= 0)
        remove_ingest(w);
    bt_lock_release(&w->lock);
    bt_record_free(w->earlier);
    bt_manifest_free(&w->m);
    free(w->last_id);
    free(w->dir);
    free(w);
}

uint64_t bt_shard_writer_resume_at(const struct bt_shard_writer *w)
{
    return w->resume_at;
}

const char *bt_shard_writer_last_id(const struct bt_shard_writer *w)
{
    return w->part && bt_part_next(w->part) > w->m.count * w->o.per_shard ? bt_part_last_id(w->part)
                                                                          : w->last_id;
}

uint64_t bt_shard_writer_written(const struct bt_shard_writer *w)
{
    return w->m.n + (w->part ? bt_part_count(w->part) : 0);
}

uint64_t bt_shard_writer_rejected(const struct bt_shard_writer *w)
{
    return w->m.rejects + (w->part ? bt_part_rejects(w->part) : 0);
}

uint64_t bt_shard_writer_content(const struct bt_shard_writer *w)
{
    struct bt_xxh64_state *sum = bt_xxh64_new();
    uint64_t value = 0;

    for (uint64_t k = 0; sum && k < w->m.count; k++) {
        uint8_t bytes[8];

        bt_put_u64(bytes, w->m.shards[k].content);
        bt_xxh64_add(sum, bytes, sizeof bytes);
    }
    if (sum)
        value = bt_xxh64_value(sum);
    bt_xxh64_free(sum);
    return value;
}

/* ---- beginning ---- */

/* The manifest goes first: a set half removed is then no set. */
static int remove_set(struct bt_shard_writer *w, struct bt_err *err)
{
    char *path = bt_format("%s/bt-dataset.json", w->dir), *rejects = bt_format("%s/rejects.jsonl", w->dir);
    int rc = path && rejects ? BT_OK : no_memory(w->dir, err);

    if (!rc && unlink(path) != 0 && errno != ENOENT)
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    if (!rc)
        unlink(rejects);
    for (uint64_t k = 0; !rc; k++) {
        char *shard = shard_path(w, k, err);
        bool more = shard && unlink(shard) == 0;

        free(shard);
        if (!more)
            break;
    }
    free(path);
    free(rejects);
    return rc;
}

static int compare_headers(struct bt_shard_writer *w, const struct bt_record *header, struct bt_err *err)
{
    static const char *const keys[] = { "schema", "must", "per_shard", "prov" };
    struct bt_value old = bt_record_get(w->earlier, "prov"), new = bt_record_get(header, "prov");

    for (size_t i = 0; i < 4; i++) {
        struct bt_value a = bt_record_get(w->earlier, keys[i]), b = bt_record_get(header, keys[i]);

        if (bt_value_same(a, b))
            continue;
        if (i == 3 && bt_value_same(bt_value_member(old, "options"), bt_value_member(new, "options")) &&
            !bt_value_same(bt_value_member(old, "inputs"), bt_value_member(new, "inputs")))
            return bt_fail(err, BT_ERR_INPUT_CHANGED,
                           "%s: was begun from other inputs; give those, or remove the directory and "
                           "begin anew",
                           w->dir);
        return bt_fail(err, BT_ERR_EXISTS, "%s: holds a set made by another command ('%s' differs); %s",
                       w->dir, keys[i],
                       w->m.complete ? "name another output, or use --force to replace it"
                                     : "give the same options to go on with it, or remove the directory");
    }
    return BT_OK;
}

static int ensure_part(struct bt_shard_writer *w, struct bt_err *err)
{
    int rc = w->part ? BT_OK : open_part(w, err);

    return rc || bt_part_header(w->part) ? rc : bt_part_set_header(w->part, w->m.header, err);
}

static int finish_part(struct bt_shard_writer *w, struct bt_err *err)
{
    struct bt_shard_info info = { .n = 0 };
    char *final = shard_path(w, w->m.count, err), *part = part_path(w, w->m.count, err);
    char *lock_file = part ? bt_format("%s-lock", part) : NULL;
    int rc = final && part && lock_file ? bt_part_finish(w->part, final, &info, err) : no_memory(w->dir, err);

    if (!rc)
        rc = bt_manifest_add(&w->m, &info, err);
    if (!rc) {
        free(w->last_id);
        w->last_id = bt_format("%s", bt_part_last_id(w->part));
        rc = w->last_id ? bt_manifest_save(&w->m, w->dir, 0, err) : no_memory(w->dir, err);
    }
    if (!rc) {
        bt_part_close(w->part);
        w->part = NULL;
        unlink(part);
        unlink(lock_file);
    }
    free(final);
    free(part);
    free(lock_file);
    return rc;
}

int bt_shard_writer_begin(struct bt_shard_writer *w, const struct bt_record *header, struct bt_err *err)
{
    int rc = bt_record_copy(w->m.header, header, err);

    if (!rc && w->replace)
        rc = remove_set(w, err);
    if (!rc && w->earlier)
        rc = compare_headers(w, header, err);
    if (!rc && !w->m.complete && w->m.count == 0)
        rc = ensure_part(w, err);
    if (!rc && w->part && bt_part_next(w->part) >= (w->m.count + 1) * w->o.per_shard)
        rc = finish_part(w, err); /* the run before was stopped between its last input and its name */
    return rc;
}

/* ---- inputs ---- */

static int check_open(struct bt_shard_writer *w, struct bt_err *err)
{
    if (w->m.complete)
        return bt_fail(err, BT_ERR_INPUT_CHANGED,
                       "%s: is complete with %llu inputs and more are given; use --force to make it "
                       "anew",
                       w->dir, (unsigned long long)w->resume_at);
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
    if (input < w->resume_at)
        return BT_OK; /* safe since an earlier run */
    int rc = check_open(w, err);
    if (!rc && input != bt_part_next(w->part))
        rc = bt_fail(err, BT_ERR_BUG, "%s: input %llu ended where %llu must; please report this", w->dir,
                     (unsigned long long)input, (unsigned long long)bt_part_next(w->part));
    if (!rc)
        rc = bt_part_mark(w->part, input + 1, err);
    if (!rc && (input + 1) % w->o.per_shard == 0)
        rc = finish_part(w, err);
    return rc;
}

/* ---- the end ---- */

/* The J entries of one shard as lines of the log. */
static int export_shard(struct bt_shard_writer *w, uint64_t k, struct bt_outfile *out, struct bt_tally *tally,
                        struct bt_err *err)
{
    struct bt_shard_env e = { 0 };
    struct bt_buf line = { 0 };
    struct bt_record *entry = bt_record_new();
    char *path = shard_path(w, k, err);
    int rc = entry && path ? bt_shard_env_read(&e, path, err) : no_memory(w->dir, err);

    for (uint64_t i = 0; !rc && i < w->m.shards[k].rejects; i++) {
        uint8_t key[BT_NUMBER_KEY];

        bt_number_key(key, 'J', i);
        rc = bt_shard_get_record(&e, key, sizeof key, entry, err);
        if (rc == BT_END)
            rc = bt_fail(err, BT_ERR_SHARD, "%s: reject %llu is missing; make the set again", path,
                         (unsigned long long)i);
        line.size = 0;
        if (!rc)
            rc = bt_reject_line(&line, tally->total, entry, err);
        if (!rc)
            rc = bt_outfile_write(out, line.data, line.size, err);
        if (!rc)
            rc = bt_tally_add(tally, entry, err);
    }
    bt_shard_env_close(&e);
    bt_buf_free(&line);
    bt_record_free(entry);
    free(path);
    return rc;
}

static int export_rejects(struct bt_shard_writer *w, struct bt_err *err)
{
    struct bt_tally tally = { 0 };
    struct bt_buf line = { 0 };
    struct bt_outfile out;
    char *path = bt_format("%s/rejects.jsonl", w->dir);
    int rc = path ? bt_outfile_open(&out, path, true, err) : no_memory(w->dir, err);

    if (rc) {
        free(path);
        return rc;
    }
    for (uint64_t k = 0; !rc && k < w->m.count; k++)
        rc = export_shard(w, k, &out, &tally, err);
    if (!rc)
        rc = bt_reject_end_line(&line, &tally, err);
    if (!rc)
        rc = bt_outfile_write(&out, line.data, line.size, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    bt_buf_free(&line);
    bt_tally_free(&tally);
    free(path);
    return rc;
}

int bt_shard_writer_finish(struct bt_shard_writer *w, bool partial, struct bt_err *err)
{
    uint64_t repeated = 0;
    int rc = BT_OK;

    if (w->m.complete)
        return BT_OK;
    if (w->part || w->m.count == 0)
        rc = ensure_part(w, err);
    if (!rc && w->part && (bt_part_next(w->part) > w->m.count * w->o.per_shard || w->m.count == 0))
        rc = finish_part(w, err);
    if (!rc)
        rc = export_rejects(w, err);
    if (!rc)
        rc = bt_shards_repeated(w->dir, &w->m, &repeated, err);
    if (!rc) {
        w->m.complete = !partial;
        rc = bt_manifest_save(&w->m, w->dir, repeated, err);
        w->m.complete = w->m.complete && !rc;
        w->over = !rc;
    }
    if (!rc && repeated > 0)
        bt_warn("%s: %llu ids are in more than one shard; see 'repeated_ids' in its manifest", w->dir,
                (unsigned long long)repeated);
    return rc;
}
