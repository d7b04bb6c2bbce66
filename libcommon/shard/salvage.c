#include "libcommon/shard/salvage.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/shard/remains.h"
#include "libcommon/shard/shard.h"
#include "libcommon/shard/shard_private.h"

enum { GAPS_NAMED = 8 };

struct file {
    char *path;
    uint64_t expected; /* as the manifest says, 0: it does not */
};

struct bt_salvage {
    struct file *files; /* in order */
    uint64_t count, capacity, current;
    struct bt_manifest m;
    struct bt_record *header; /* NULL: m's */
    struct bt_remains r;      /* of the current file, when open */
    bool open;
    uint64_t piece, number; /* the next piece, and the record that must follow */
    uint64_t kept, lost, lost_here;
    struct bt_buf gaps;
    unsigned gap_count;
};

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

/* ---- the files ---- */

static int add_file(struct bt_salvage *s, char *path, uint64_t expected, struct bt_err *err)
{
    int rc = path ? bt_grow(&s->files, &s->capacity, s->count + 1, sizeof *s->files, err)
                  : no_memory("a directory of shards", err);

    if (rc)
        free(path);
    else
        s->files[s->count++] = (struct file){ path, expected };
    return rc;
}

static bool has_file(const struct bt_salvage *s, const char *path)
{
    for (uint64_t i = 0; i < s->count; i++)
        if (strcmp(s->files[i].path, path) == 0)
            return true;
    return false;
}

static int by_path(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

/* What is in a directory and ends so, in the order of the names. */
static int add_directory(struct bt_salvage *s, const char *dir, const char *ending, struct bt_err *err)
{
    uint64_t first = s->count;
    DIR *d = opendir(dir);
    struct dirent *entry;
    int rc = BT_OK;

    if (!d)
        return errno == ENOENT ? BT_OK : bt_fail_errno(err, errno, 0, dir, NULL);
    while (!rc && (entry = readdir(d))) {
        size_t size = strlen(entry->d_name), end = strlen(ending);

        if (strncmp(entry->d_name, "shard-", 6) != 0 || size < end ||
            strcmp(entry->d_name + size - end, ending) != 0)
            continue;
        char *path = bt_format("%s/%s", dir, entry->d_name);
        if (path && has_file(s, path))
            free(path);
        else
            rc = add_file(s, path, 0, err);
    }
    closedir(d);
    if (s->count > first)
        qsort(s->files + first, s->count - first, sizeof *s->files, by_path);
    return rc;
}

/* What the manifest names, there or not; shards that it does not name; the one that was being written. */
static int find_files(struct bt_salvage *s, const char *dir, struct bt_err *err)
{
    char *ingest = bt_format("%s/.ingest", dir);
    int rc = ingest ? BT_OK : no_memory(dir, err);

    for (uint64_t k = 0; !rc && k < s->m.count; k++)
        rc = add_file(s, bt_format("%s/%s", dir, s->m.shards[k].file), s->m.shards[k].n, err);
    if (!rc)
        rc = add_directory(s, dir, ".mdb", err);
    if (!rc && !s->m.complete)
        rc = add_directory(s, ingest, ".part", err);
    free(ingest);
    return rc;
}

/* The manifest helps, but nothing depends on it. */
static int load_manifest(struct bt_salvage *s, const char *dir, struct bt_err *err)
{
    struct bt_err why = { 0 };
    int rc = bt_manifest_load(&s->m, dir, &why);

    if (rc == BT_ERR_MEMORY)
        return bt_fail(err, rc, "%s", why.text);
    if (rc) {
        if (rc != BT_END)
            bt_warn("%s; going on without the manifest", why.text);
        bt_manifest_free(&s->m);
    }
    return BT_OK;
}

/* Of a shard by itself the manifest beside it. */
static int look_around(struct bt_salvage *s, const char *path, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? bt_format("%.*s", (int)(slash - path) + (slash == path), path) : bt_format(".");
    int rc = dir ? load_manifest(s, dir, err) : no_memory(path, err);
    uint64_t expected = 0;

    for (uint64_t k = 0; k < s->m.count; k++)
        if (strcmp(s->m.shards[k].file, slash ? slash + 1 : path) == 0)
            expected = s->m.shards[k].n;
    free(dir);
    return rc ? rc : add_file(s, bt_format("%s", path), expected, err);
}

/* ---- one file after another ---- */

static void note_gap(struct bt_salvage *s, uint64_t first, uint64_t end)
{
    struct bt_err ignored = { 0 }; /* words only */

    if (first == end)
        return;
    s->lost_here += end - first;
    s->gap_count++;
    if (s->gap_count > GAPS_NAMED)
        return;
    bt_buf_printf(&s->gaps, &ignored, end - first > 1 ? "%s%llu to %llu" : "%s%llu",
                  s->gap_count > 1 ? ", " : "", (unsigned long long)first, (unsigned long long)end - 1);
}

static int open_file(struct bt_salvage *s, struct bt_err *err)
{
    struct bt_err why = { 0 };
    int rc = bt_remains_open(&s->r, s->files[s->current].path, &why);

    s->piece = s->number = s->kept = s->lost_here = s->gap_count = 0;
    s->gaps.size = 0;
    s->open = true;
    if (!rc)
        return BT_OK;
    if (rc == BT_ERR_MEMORY)
        return bt_fail(err, rc, "%s", why.text);
    bt_warn("%s", why.text); /* a file that is gone: all of it is lost */
    return BT_OK;
}

static void close_file(struct bt_salvage *s)
{
    const struct file *f = &s->files[s->current];
    uint64_t expected = f->expected > s->r.expected ? f->expected : s->r.expected;

    if (expected > s->number)
        note_gap(s, s->number, expected);
    if (s->lost_here > 0)
        bt_warn("%s: %llu records kept, %llu lost: %s%s", f->path, (unsigned long long)s->kept,
                (unsigned long long)s->lost_here, s->gaps.data, s->gap_count > GAPS_NAMED ? ", ..." : "");
    else if (expected == 0)
        bt_warn("%s: %llu records kept; how many there were is lost", f->path, (unsigned long long)s->kept);
    s->lost += s->lost_here + (expected == 0 && s->lost_here == 0);
    s->lost_here = 0;
    bt_remains_close(&s->r);
    s->open = false;
    s->current++;
}

int bt_salvage_next(struct bt_salvage *s, struct bt_record *rec, struct bt_err *err)
{
    int rc = BT_END;

    while (rc == BT_END && s->current < s->count) {
        rc = s->open ? BT_OK : open_file(s, err);
        if (rc)
            return rc;
        if (s->piece == s->r.count) {
            close_file(s);
            rc = BT_END;
            continue;
        }
        uint64_t i = s->piece++;
        rc = bt_remains_read(&s->r, i, rec, err);
        if (!rc) {
            note_gap(s, s->number, s->r.pieces[i].number);
            s->number = s->r.pieces[i].number + 1;
            s->kept++;
        }
    }
    return rc;
}

/* ---- opening ---- */

/* The first header that is left. */
static int find_header(struct bt_salvage *s, const char *path, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; !rc && !s->header && i < s->count; i++) {
        struct bt_err why = { 0 };

        rc = bt_remains_open(&s->r, s->files[i].path, &why);
        if (!rc) {
            s->header = s->r.header;
            s->r.header = NULL;
        }
        bt_remains_close(&s->r);
        rc = rc == BT_ERR_MEMORY ? bt_fail(err, rc, "%s", why.text) : BT_OK;
    }
    if (!rc && bt_salvage_header(s, "schema").kind != BT_STR)
        rc = bt_fail(
            err, BT_ERR_SHARD,
            "%s: no header is left that says of what kind the records are; put the set's bt-dataset.json "
            "beside the shards",
            path);
    return rc;
}

int bt_salvage_open(struct bt_salvage **salvage, const char *path, struct bt_err *err)
{
    struct bt_salvage *s = bt_alloc(1, sizeof *s, err);
    int rc = s ? BT_OK : BT_ERR_MEMORY;

    if (!rc && bt_path_is_dir(path)) {
        rc = load_manifest(s, path, err);
        if (!rc)
            rc = find_files(s, path, err);
    } else if (!rc) {
        rc = look_around(s, path, err);
    }
    if (!rc && s->count == 0)
        rc = bt_fail(err, BT_ERR_SHARD, "%s: no shards; name the directory that they are in", path);
    if (!rc)
        rc = find_header(s, path, err);
    if (rc)
        bt_salvage_close(s);
    else
        *salvage = s;
    return rc;
}

struct bt_value bt_salvage_header(const struct bt_salvage *s, const char *key)
{
    const struct bt_record *header = s->header ? s->header : s->m.header;

    return header ? bt_record_get(header, key) : (struct bt_value){ .kind = BT_ABSENT };
}

uint64_t bt_salvage_lost(const struct bt_salvage *s)
{
    return s->lost + s->lost_here;
}

void bt_salvage_close(struct bt_salvage *s)
{
    if (!s)
        return;
    bt_remains_close(&s->r);
    for (uint64_t i = 0; i < s->count; i++)
        free(s->files[i].path);
    free(s->files);
    bt_manifest_free(&s->m);
    bt_record_free(s->header);
    bt_buf_free(&s->gaps);
    free(s);
}
