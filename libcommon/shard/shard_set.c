/* Reading a set by index, from any number of threads. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/shard/shard.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/reader_private.h"

enum { OPEN_AT_ONCE = 64 };

struct open_shard {
    struct bt_shard_env e;
    struct bt_shard_view *idle; /* what readers have given back */
    unsigned users;
    uint64_t used_at;
};

struct bt_shard_set {
    char *dir, *staged; /* staged: a copy that is read instead */
    struct bt_manifest m;
    char schema[80];
    pthread_mutex_t lock; /* over what follows */
    struct open_shard *shards;
    uint64_t open, clock;
};

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

bool bt_path_is_shard(const char *path)
{
    static const uint8_t magic[4] = { 0xDE, 0xC0, 0xEF, 0xBE };
    size_t size = strlen(path);
    uint8_t head[20];
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    if ((size > 4 && strcmp(path + size - 4, ".mdb") == 0) ||
        (size > 5 && strcmp(path + size - 5, ".part") == 0))
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && pread(fd, head, sizeof head, 0) == sizeof head && memcmp(head + 16, magic, 4) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* Where shard k is read from. */
static char *shard_path(const struct bt_shard_set *s, uint64_t k)
{
    return bt_format("%s/%s", s->staged ? s->staged : s->dir, s->m.shards[k].file);
}

static int check_sizes(struct bt_shard_set *s, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t k = 0; !rc && k < s->m.count; k++) {
        char *path = shard_path(s, k);
        struct stat st;

        if (!path)
            return no_memory(s->dir, err);
        if (stat(path, &st) != 0)
            rc = bt_fail_errno(err, errno, 0, path, "the manifest names it: fetch it, or make the set again");
        else if ((uint64_t)st.st_size != s->m.shards[k].bytes)
            rc = bt_fail(err, BT_ERR_SHARD, "%s: %lld bytes, its manifest says %llu; fetch it again", path,
                         (long long)st.st_size, (unsigned long long)s->m.shards[k].bytes);
        free(path);
    }
    return rc;
}

static int load_manifest(struct bt_shard_set *s, bool allow_partial, struct bt_err *err)
{
    int rc = bt_manifest_load(&s->m, s->dir, err);

    if (rc == BT_END)
        return bt_path_is_dir(s->dir)
                   ? bt_fail(err, BT_ERR_SHARD,
                             "%s: no bt-dataset.json, so no set of shards; finish the run that makes it",
                             s->dir)
                   : bt_fail_errno(err, ENOENT, 0, s->dir, "check the path");
    if (!rc && !s->m.complete && !allow_partial)
        rc = bt_fail(err, BT_ERR_BT_PARTIAL,
                     "%s: the set is not complete; run the command that makes it again, or take what is "
                     "there with --allow-partial",
                     s->dir);
    return rc ? rc : check_sizes(s, err);
}

/* A shard by itself: what a manifest would say, it says. */
static int load_shard(struct bt_shard_set *s, const char *path, struct bt_err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct bt_shard_env e = { 0 };
    struct bt_shard_info info = { .n = 0 };
    struct stat st;
    int rc = bt_shard_env_read(&e, path, err);

    if (!rc && (strlen(name) >= sizeof info.file || stat(path, &st) != 0))
        rc = bt_fail(err, BT_ERR_NOINPUT, "%s: too long a name; give it one like shard-000000.mdb", path);
    if (!rc)
        rc = bt_shard_totals(&e, &info, NULL, err);
    if (!rc)
        rc = bt_shard_get_record(&e, BT_KEY_HEADER, BT_NAME_KEY, s->m.header, err);
    if (!rc) {
        strcpy(info.file, name);
        info.bytes = (uint64_t)st.st_size;
        snprintf(s->m.identity, sizeof s->m.identity, "%016llx", (unsigned long long)info.content);
        s->m.complete = true; /* a shard is whole in itself */
        rc = bt_manifest_add(&s->m, &info, err);
    }
    bt_shard_env_close(&e);
    return rc;
}

static int load(struct bt_shard_set *s, const char *path, bool allow_partial, struct bt_err *err)
{
    bool alone = bt_path_is_shard(path);
    const char *slash = strrchr(path, '/');
    int rc = BT_OK;

    s->m.header = alone ? bt_record_new() : NULL;
    s->dir = !alone  ? bt_format("%s", path)
             : slash ? bt_format("%.*s", (int)(slash - path) + (slash == path), path)
                     : bt_format(".");
    if (!s->dir || (alone && !s->m.header))
        return no_memory(path, err);
    rc = alone ? load_shard(s, path, err) : load_manifest(s, allow_partial, err);
    if (rc)
        return rc;
    struct bt_value schema = bt_record_get(s->m.header, "schema");
    if (schema.kind != BT_STR || schema.size >= sizeof s->schema)
        return bt_fail(err, BT_ERR_SHARD, "%s: a schema with no name or too long a one; make the set again",
                       path);
    memcpy(s->schema, schema.data, schema.size);
    s->shards = bt_alloc(s->m.count, sizeof *s->shards, err);
    return s->shards ? BT_OK : BT_ERR_MEMORY;
}

int bt_shard_set_open(struct bt_shard_set **set, const char *path, bool allow_partial, struct bt_err *err)
{
    struct bt_shard_set *s = bt_alloc(1, sizeof *s, err);

    if (!s)
        return BT_ERR_MEMORY;
    pthread_mutex_init(&s->lock, NULL);
    int rc = load(s, path, allow_partial, err);
    if (rc)
        bt_shard_set_close(s);
    else
        *set = s;
    return rc;
}

static void close_shard(struct open_shard *shard)
{
    while (shard->idle) {
        struct bt_shard_view *view = shard->idle;

        shard->idle = view->other;
        bt_shard_view_close(view);
    }
    bt_shard_env_close(&shard->e);
}

void bt_shard_set_close(struct bt_shard_set *s)
{
    if (!s)
        return;
    for (uint64_t k = 0; s->shards && k < s->m.count; k++)
        close_shard(&s->shards[k]);
    free(s->shards);
    bt_manifest_free(&s->m);
    pthread_mutex_destroy(&s->lock);
    free(s->staged);
    free(s->dir);
    free(s);
}

uint64_t bt_shard_set_count(const struct bt_shard_set *s)
{
    return s->m.n;
}

const char *bt_shard_set_schema(const struct bt_shard_set *s)
{
    return s->schema;
}

bool bt_shard_set_is_complete(const struct bt_shard_set *s)
{
    return s->m.complete;
}

const char *bt_shard_set_path(const struct bt_shard_set *s)
{
    return s->dir;
}

struct bt_value bt_shard_set_header(const struct bt_shard_set *s, const char *key)
{
    return bt_record_get(s->m.header, key);
}

struct bt_value bt_shard_set_must(const struct bt_shard_set *s, const char *key)
{
    return bt_value_member(bt_record_get(s->m.header, "must"), key);
}

const char *bt_shard_set_identity(const struct bt_shard_set *s)
{
    return s->m.identity;
}

/* The last shard that begins at or before `index`; empty ones begin where the next one does. */
static uint64_t shard_of(const struct bt_shard_set *s, uint64_t index)
{
    uint64_t low = 0, high = s->m.count;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (s->m.shards[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Closes the shard that nobody reads and that was used longest ago. */
static void close_one(struct bt_shard_set *s)
{
    struct open_shard *oldest = NULL;

    for (uint64_t k = 0; k < s->m.count; k++) {
        struct open_shard *shard = &s->shards[k];

        if (shard->e.env && shard->users == 0 && (!oldest || shard->used_at < oldest->used_at))
            oldest = shard;
    }
    if (oldest) {
        close_shard(oldest);
        s->open--;
    }
}

/* Opens shard k, which has to be the one that the manifest means. */
static int open_shard(struct bt_shard_set *s, uint64_t k, struct bt_err *err)
{
    const struct bt_shard_info *want = &s->m.shards[k];
    struct bt_shard_env *e = &s->shards[k].e;
    struct bt_shard_info info = { .n = 0 };
    char *path = shard_path(s, k);
    int rc = path ? bt_shard_env_read(e, path, err) : no_memory(s->dir, err);

    free(path);
    if (rc)
        return rc;
    rc = bt_shard_totals(e, &info, NULL, err);
    if (!rc)
        rc = bt_shard_belongs(e, s->m.header, err);
    if (!rc && (info.n != want->n || info.content != want->content))
        rc = bt_fail(err, BT_ERR_SHARD, "%s: holds other records than its manifest says; fetch the set again",
                     e->path);
    if (rc)
        bt_shard_env_close(e);
    return rc;
}

/* Shard k, open, and a view of it. */
static int take(struct bt_shard_set *s, uint64_t k, struct bt_shard_view **view, struct bt_err *err)
{
    struct open_shard *shard = &s->shards[k];
    int rc = BT_OK;

    *view = NULL;
    pthread_mutex_lock(&s->lock);
    if (!shard->e.env) {
        if (s->open >= OPEN_AT_ONCE)
            close_one(s);
        rc = open_shard(s, k, err);
        s->open += !rc;
    }
    if (!rc && shard->idle) {
        *view = shard->idle;
        shard->idle = (*view)->other;
    } else if (!rc) {
        rc = bt_shard_view_open(view, &shard->e, err);
    }
    if (!rc) {
        shard->users++;
        shard->used_at = ++s->clock;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void give_back(struct bt_shard_set *s, uint64_t k, struct bt_shard_view *view)
{
    pthread_mutex_lock(&s->lock);
    s->shards[k].users--;
    view->other = s->shards[k].idle;
    s->shards[k].idle = view;
    pthread_mutex_unlock(&s->lock);
}

int bt_shard_set_read(struct bt_shard_set *s, uint64_t index, struct bt_record *rec, struct bt_err *err)
{
    struct bt_shard_view *view;

    if (index >= s->m.n)
        return bt_fail(err, BT_ERR_BUG, "%s: record %llu asked for, there are %llu; please report this",
                       s->dir, (unsigned long long)index, (unsigned long long)s->m.n);
    uint64_t k = shard_of(s, index);
    int rc = take(s, k, &view, err);
    if (rc)
        return rc;
    rc = bt_shard_view_record(view, &s->shards[k].e, index - s->m.shards[k].first, rec, err);
    if (rc == BT_END)
        rc = bt_fail(err, BT_ERR_SHARD, "%s/%s: record %llu is missing; fetch the shard again", s->dir,
                     s->m.shards[k].file, (unsigned long long)(index - s->m.shards[k].first));
    give_back(s, k, view);
    return rc;
}

/* ---- the whole set ---- */

static int differs(const char *path, const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_SHARD, "%s: %s differs from its manifest; fetch it again", path, what);
}

int bt_shard_set_verify(struct bt_shard_set *s, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t k = 0; !rc && k < s->m.count; k++) {
        const struct bt_shard_info *want = &s->m.shards[k];
        struct bt_shard_info info = { .n = 0 };
        struct bt_shard_view *view;
        char *path = shard_path(s, k);

        rc = path ? take(s, k, &view, err) : no_memory(s->dir, err);
        if (!rc)
            give_back(s, k, view);
        if (!rc)
            rc = bt_shard_describe(path, &info, err);
        if (!rc && want->sha256[0] && strcmp(info.sha256, want->sha256) != 0)
            rc = differs(path, "sha256", err);
        if (!rc && (info.rejects != want->rejects || info.inputs != want->inputs))
            rc = differs(path, "number of inputs or rejects", err);
        free(path);
    }
    return rc;
}

/* One shard copied beneath its name, unless it is there already; either is read to the end for its sha256. */
static int stage_shard(const struct bt_shard_info *info, const char *from, const char *to, struct bt_err *err)
{
    uint8_t digest[32];
    char hex[65];
    uint64_t bytes = 0;

    if (bt_path_exists(to) && !bt_sha256_file(to, digest, &bytes, NULL)) {
        bt_hex(hex, digest, sizeof digest);
        if (strcmp(hex, info->sha256) == 0)
            return BT_OK;
    }
    return bt_file_copy(from, to, info->sha256, err);
}

int bt_shard_set_stage(struct bt_shard_set *s, const char *dir, struct bt_err *err)
{
    if (s->m.count == 1 && !s->m.shards[0].sha256[0])
        return BT_OK; /* a shard by itself: nothing says what its sha256 must be */
    char *staged = bt_format("%s/%.16s.lmdb", dir, s->m.identity);
    int rc = staged ? bt_make_dirs(staged, err) : no_memory(dir, err);

    for (uint64_t k = 0; !rc && k < s->m.count; k++) {
        char *from = shard_path(s, k), *to = bt_format("%s/%s", staged, s->m.shards[k].file);

        rc = from && to ? stage_shard(&s->m.shards[k], from, to, err) : no_memory(dir, err);
        free(from);
        free(to);
    }
    if (rc) {
        free(staged);
        return rc;
    }
    free(s->staged);
    s->staged = staged;
    return BT_OK;
}
