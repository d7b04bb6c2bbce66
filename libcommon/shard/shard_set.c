/* Reading a set by index, from any number of threads. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/shard.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/reader_private.h"

enum { OPEN_AT_ONCE = 64 };

struct open_shard {
    struct bt_shard_env e;
    unsigned users;
    uint64_t used_at;
};

struct bt_shard_set {
    char *dir;
    struct bt_manifest m;
    char schema[80];
    pthread_mutex_t lock; /* over what follows */
    struct open_shard *shards;
    uint64_t open, clock;
};

static int check_sizes(struct bt_shard_set *s, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t k = 0; !rc && k < s->m.count; k++) {
        char *path = bt_format("%s/%s", s->dir, s->m.shards[k].file);
        struct stat st;

        if (!path)
            return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", s->dir);
        if (stat(path, &st) != 0)
            rc = bt_fail_errno(err, errno, 0, path, "the manifest names it: fetch it, or make the set again");
        else if ((uint64_t)st.st_size != s->m.shards[k].bytes)
            rc = bt_fail(err, BT_ERR_SHARD, "%s: %lld bytes, its manifest says %llu; fetch it again", path,
                         (long long)st.st_size, (unsigned long long)s->m.shards[k].bytes);
        free(path);
    }
    return rc;
}

static int load(struct bt_shard_set *s, bool allow_partial, struct bt_err *err)
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
    if (rc)
        return rc;
    struct bt_value schema = bt_record_get(s->m.header, "schema");
    if (schema.size >= sizeof s->schema)
        return bt_fail(err, BT_ERR_SHARD, "%s: a schema with too long a name; make the set again", s->dir);
    memcpy(s->schema, schema.data, schema.size);
    rc = check_sizes(s, err);
    if (!rc) {
        s->shards = bt_alloc(s->m.count, sizeof *s->shards, err);
        rc = s->shards ? BT_OK : BT_ERR_MEMORY;
    }
    return rc;
}

int bt_shard_set_open(struct bt_shard_set **set, const char *path, bool allow_partial, struct bt_err *err)
{
    struct bt_shard_set *s = bt_alloc(1, sizeof *s, err);

    if (!s)
        return BT_ERR_MEMORY;
    pthread_mutex_init(&s->lock, NULL);
    s->dir = bt_format("%s", path);
    int rc = s->dir ? load(s, allow_partial, err) : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
    if (rc)
        bt_shard_set_close(s);
    else
        *set = s;
    return rc;
}

void bt_shard_set_close(struct bt_shard_set *s)
{
    if (!s)
        return;
    for (uint64_t k = 0; s->shards && k < s->m.count; k++)
        bt_shard_env_close(&s->shards[k].e);
    free(s->shards);
    bt_manifest_free(&s->m);
    pthread_mutex_destroy(&s->lock);
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
        bt_shard_env_close(&oldest->e);
        s->open--;
    }
}

static int take(struct bt_shard_set *s, uint64_t k, struct bt_err *err)
{
    struct open_shard *shard = &s->shards[k];
    int rc = BT_OK;

    pthread_mutex_lock(&s->lock);
    if (!shard->e.env) {
        char *path = bt_format("%s/%s", s->dir, s->m.shards[k].file);

        if (s->open >= OPEN_AT_ONCE)
            close_one(s);
        rc = path ? bt_shard_env_read(&shard->e, path, err)
                  : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", s->dir);
        s->open += !rc;
        free(path);
    }
    if (!rc) {
        shard->users++;
        shard->used_at = ++s->clock;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void give_back(struct bt_shard_set *s, uint64_t k)
{
    pthread_mutex_lock(&s->lock);
    s->shards[k].users--;
    pthread_mutex_unlock(&s->lock);
}

int bt_shard_set_read(struct bt_shard_set *s, uint64_t index, struct bt_record *rec, struct bt_err *err)
{
    uint8_t key[BT_NUMBER_KEY];

    if (index >= s->m.n)
        return bt_fail(err, BT_ERR_BUG, "%s: record %llu asked for, there are %llu; please report this",
                       s->dir, (unsigned long long)index, (unsigned long long)s->m.n);
    uint64_t k = shard_of(s, index);
    int rc = take(s, k, err);
    if (rc)
        return rc;
    bt_number_key(key, 'R', index - s->m.shards[k].first);
    rc = bt_shard_get_record(&s->shards[k].e, key, sizeof key, rec, err);
    if (rc == BT_END)
        rc = bt_fail(err, BT_ERR_SHARD, "%s/%s: record %llu is missing; fetch the shard again", s->dir,
                     s->m.shards[k].file, (unsigned long long)(index - s->m.shards[k].first));
    give_back(s, k);
    return rc;
}
