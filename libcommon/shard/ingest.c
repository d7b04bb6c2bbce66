#include "libcommon/shard/ingest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"

enum { SHARES_NAMED = 8 };

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

/* ---- names ---- */

char *bt_ingest_shard_path(const struct bt_ingest *in, uint64_t number, struct bt_err *err)
{
    char *path = bt_format("%s/shard-%06llu.mdb", in->dir, (unsigned long long)number);

    if (!path)
        no_memory(in->dir, err);
    return path;
}

static char *part_path(const struct bt_ingest *in, uint64_t number, const char *ending, struct bt_err *err)
{
    char *path = bt_format("%s/shard-%06llu%s", in->parts, (unsigned long long)number, ending);

    if (!path)
        no_memory(in->dir, err);
    return path;
}

char *bt_ingest_part_path(const struct bt_ingest *in, uint64_t number, bool *no_sync, struct bt_err *err)
{
    char *path = part_path(in, number, ".part", err);

    *no_sync = path && in->o.no_sync && !bt_path_exists(path);
    if (*no_sync) {
        free(path);
        path = part_path(in, number, ".nosync", err);
    }
    return path;
}

bool bt_ingest_is_numbered(const char *name, const char *ending, uint64_t *number)
{
    char *end;

    if (strncmp(name, "shard-", 6) != 0 || name[6] < '0' || name[6] > '9')
        return false;
    *number = strtoull(name + 6, &end, 10);
    return end - name >= 12 && strcmp(end, ending) == 0;
}

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

/* ---- locks ---- */

/* The directory of the locks may be removed by the last writer of the set just now; then it is made again. */
static int take_lock(struct bt_ingest *in, struct bt_lock *lock, const char *name, bool wait, struct bt_err *err)
{
    char *path = bt_format("%s/%s", in->ingest, name);
    int rc = path ? BT_OK : no_memory(in->dir, err);

    for (bool gone = true; !rc && gone;) {
        rc = bt_make_dirs(in->ingest, err);
        if (!rc)
            rc = (wait ? bt_lock_wait : bt_lock_take)(lock, path, in->dir, in->o.break_lock, err);
        gone = rc == BT_ERR_CANTCREAT && !bt_path_exists(in->ingest) && bt_path_exists(in->dir);
        if (gone) {
            bt_err_clear(err);
            rc = BT_OK;
        }
    }
    free(path);
    return rc;
}

static int take_common(struct bt_ingest *in, struct bt_err *err)
{
    return in->common.fd >= 0 ? BT_OK : take_lock(in, &in->common, "lock", true, err);
}

int bt_ingest_lock_part(struct bt_ingest *in, struct bt_lock *lock, uint64_t number, struct bt_err *err)
{
    char name[40];

    snprintf(name, sizeof name, "shard-%06llu.lock", (unsigned long long)number);
    return take_lock(in, lock, name, false, err);
}

void bt_ingest_unlock_part(const struct bt_ingest *in, struct bt_lock *lock, uint64_t number)
{
    char *path = bt_format("%s/shard-%06llu.lock", in->ingest, (unsigned long long)number);

    if (path && lock->fd >= 0)
        unlink(path);
    bt_lock_release(lock);
    free(path);
}

/* Whether a writer of another share is there. */
static bool others_at_work(struct bt_ingest *in)
{
    DIR *d = opendir(in->ingest);
    struct dirent *entry;
    bool found = false;

    while (d && !found && (entry = readdir(d))) {
        char *path = strncmp(entry->d_name, "lock-", 5) == 0 ? bt_format("%s/%s", in->ingest, entry->d_name) : NULL;

        found = path && bt_lock_is_held(path);
        free(path);
    }
    if (d)
        closedir(d);
    return found;
}

void bt_ingest_remove_part(const struct bt_ingest *in, uint64_t number)
{
    static const char *const endings[] = { ".part", ".part-lock", ".nosync", ".nosync-lock" };

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *path = part_path(in, number, endings[i], NULL);

        if (path) /* a leftover does no harm */
            unlink(path);
        free(path);
    }
}

/* ---- the manifest ---- */

/* As it is on disk now, to be written with the header of this run. */
static int load_manifest(struct bt_ingest *in, struct bt_err *err)
{
    bt_manifest_free(&in->m);
    int rc = bt_manifest_load(&in->m, in->dir, err);

    return rc == BT_END ? BT_OK : rc;
}

static int save_manifest(struct bt_ingest *in, uint64_t repeated, struct bt_err *err)
{
    int rc = bt_record_copy(in->m.header, in->header, err);

    return rc ? rc : bt_manifest_save(&in->m, in->dir, repeated, err);
}

int bt_ingest_complete(struct bt_ingest *in, bool complete, uint64_t repeated, struct bt_err *err)
{
    in->m.complete = complete;
    int rc = save_manifest(in, repeated, err);
    in->m.complete = complete && !rc;
    return rc;
}

static bool is_of_share(const struct bt_ingest *in, const struct bt_shard_info *info)
{
    uint64_t number;

    return bt_ingest_is_numbered(info->file, ".mdb", &number) && number % in->o.share_of == in->o.share_i;
}

static bool is_gone(const struct bt_ingest *in, const struct bt_shard_info *info)
{
    char *path = bt_format("%s/%s", in->dir, info->file);
    bool gone = path && !bt_path_exists(path);

    free(path);
    return gone;
}

/* Another writer may have found the shard there before. */
static int add_to_manifest(struct bt_ingest *in, const struct bt_shard_info *info, struct bt_err *err)
{
    const struct bt_shard_info *known = bt_manifest_find(&in->m, info->file);

    if (known && bt_shard_same_totals(known, info) && strcmp(known->sha256, info->sha256) == 0)
        return BT_OK;
    in->m.complete = false;
    int rc = bt_manifest_put(&in->m, info, err);
    return rc ? rc : save_manifest(in, 0, err);
}

/* The manifest knows the finished shards of the share, and none that are gone. */
static int reconcile(struct bt_ingest *in, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = in->m.count; !rc && i-- > 0;)
        if (is_of_share(in, &in->m.shards[i]) && is_gone(in, &in->m.shards[i])) {
            struct bt_shard_info gone = in->m.shards[i];

            in->m.complete = false;
            rc = bt_manifest_drop(&in->m, gone.file, err);
            if (!rc)
                rc = save_manifest(in, 0, err);
        }
    for (uint64_t i = 0; !rc && i < in->count; i++)
        if (in->shards[i].finished)
            rc = add_to_manifest(in, &in->shards[i].info, err);
    return rc;
}

/* Shards of others that the manifest does not know: who made them was killed in between, or the manifest is lost. */
static int adopt_others(struct bt_ingest *in, uint64_t shard_count, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t k = 0; !rc && k < shard_count; k++) {
        char *path = bt_ingest_shard_path(in, k, err);
        struct bt_shard_info info = { .n = 0 };

        rc = path ? BT_OK : BT_ERR_MEMORY;
        if (!rc && !bt_manifest_find(&in->m, strrchr(path, '/') + 1) && bt_path_exists(path)) {
            rc = bt_ingest_check(in, k, &info, NULL, err);
            if (!rc)
                rc = add_to_manifest(in, &info, err);
        }
        free(path);
    }
    return rc;
}

int bt_ingest_finished(struct bt_ingest *in, uint64_t number, const struct bt_shard_info *info, struct bt_err *err)
{
    struct bt_ingest_shard shard = { number, true, *info };
    int rc = take_common(in, err);

    if (!rc)
        rc = load_manifest(in, err);
    if (!rc)
        rc = add_to_manifest(in, info, err);
    if (!rc)
        rc = bt_ingest_note(in, &shard, err);
    bt_lock_release(&in->common);
    return rc;
}

/* ---- opening ---- */

static int name_places(struct bt_ingest *in, const char *dir, struct bt_err *err)
{
    in->dir = bt_format("%s", dir);
    in->ingest = bt_format("%s/.ingest", dir);
    in->last_id = bt_format("%s", "");
    return in->dir && in->ingest && in->last_id ? BT_OK : no_memory(dir, err);
}

/* Below the directory for work each set has a place of its own. */
static int find_parts(struct bt_ingest *in, struct bt_err *err)
{
    char *real = in->o.work ? realpath(in->dir, NULL) : NULL;
    const char *slash = real ? strrchr(real, '/') : NULL;

    if (!in->o.work)
        in->parts = bt_format("%s", in->ingest);
    else if (slash)
        in->parts = bt_format("%s/%s.%016llx", in->o.work, slash + 1,
                              (unsigned long long)bt_xxh64(real, strlen(real)));
    free(real);
    return in->parts ? BT_OK : no_memory(in->dir, err);
}

/* The locks, and the manifest. That of the share may be lost until the other one is held. */
static int enter(struct bt_ingest *in, struct bt_err *err)
{
    char name[40];

    snprintf(name, sizeof name, "lock-%llu", (unsigned long long)in->o.share_i);
    char *path = bt_format("%s/%s", in->ingest, name);
    int rc = path ? take_lock(in, &in->share, name, false, err) : no_memory(in->dir, err);
    if (!rc)
        rc = take_common(in, err);
    if (!rc && bt_lock_is_lost(&in->share, path)) {
        bt_lock_release(&in->share);
        rc = take_lock(in, &in->share, name, false, err);
    }
    if (!rc)
        rc = load_manifest(in, err);
    bt_lock_release(&in->common);
    free(path);
    return rc;
}

/* A header to compare with, where the share itself has no shard yet. */
static int borrow_header(struct bt_ingest *in, struct bt_err *err)
{
    struct bt_shard_env e = { 0 };

    if (in->header || in->m.count == 0)
        return BT_OK;
    char *path = bt_format("%s/%s", in->dir, in->m.shards[0].file);
    int rc = path ? bt_shard_env_read(&e, path, err) : no_memory(in->dir, err);
    if (!rc)
        rc = bt_ingest_take_header(in, &e, err);
    bt_shard_env_close(&e);
    free(path);
    return rc;
}

int bt_ingest_open(struct bt_ingest *in, const char *dir, const struct bt_shard_writer_options *options,
                   struct bt_err *err)
{
    *in = (struct bt_ingest){ .o = *options, .share.fd = -1, .common.fd = -1 };
    if (in->o.share_of == 0)
        in->o.share_of = 1;
    int rc = name_places(in, dir, err);
    if (!rc)
        rc = check_directory(dir, err);
    if (!rc)
        rc = find_parts(in, err);
    if (!rc)
        rc = enter(in, err);
    if (rc || (in->m.complete && in->o.force)) /* which is replaced */
        return rc;
    rc = bt_ingest_look(in, err);
    if (!rc)
        rc = borrow_header(in, err);
    for (uint64_t i = 0; i < in->m.count; i++)
        in->m.complete = in->m.complete && !(is_of_share(in, &in->m.shards[i]) && is_gone(in, &in->m.shards[i]));
    in->o.break_lock = false; /* it has done what it was given for */
    return rc;
}

/* ---- beginning ---- */

/* The manifest goes first: a set half removed is then no set. */
static int remove_set(struct bt_ingest *in, struct bt_err *err)
{
    char *path = bt_format("%s/bt-dataset.json", in->dir), *rejects = bt_format("%s/rejects.jsonl", in->dir);
    int rc = path && rejects ? BT_OK : no_memory(in->dir, err);

    if (!rc && unlink(path) != 0 && errno != ENOENT)
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    if (!rc)
        unlink(rejects);
    for (uint64_t k = 0; !rc; k++) {
        char *shard = bt_ingest_shard_path(in, k, err);
        bool more = shard && unlink(shard) == 0;

        free(shard);
        if (!more)
            break;
    }
    free(path);
    free(rejects);
    return rc;
}

int bt_ingest_begin(struct bt_ingest *in, const struct bt_record *header, bool replace, struct bt_err *err)
{
    int rc = take_common(in, err);

    if (!rc && replace)
        rc = remove_set(in, err);
    if (!rc)
        rc = load_manifest(in, err);
    if (!rc && in->header)
        rc = bt_ingest_compare(in, in->header, header, err);
    if (!rc)
        rc = bt_ingest_agree(in, header, replace, err);
    if (!rc && !in->header)
        in->header = bt_record_new();
    if (!rc)
        rc = in->header ? bt_record_copy(in->header, header, err) : no_memory(in->dir, err);
    if (!rc)
        rc = reconcile(in, err);
    bt_lock_release(&in->common);
    return rc;
}

/* ---- the end ---- */

/* Who has to run before the set is whole: the first few. */
static void tell_missing(const struct bt_ingest *in, uint64_t shard_count)
{
    char shares[300] = "";
    uint64_t missing = 0, named = 0;

    for (uint64_t share = 0; share < in->o.share_of; share++) {
        uint64_t lacks = 0;

        for (uint64_t k = share; k < shard_count; k += in->o.share_of) {
            char file[40];

            snprintf(file, sizeof file, "shard-%06llu.mdb", (unsigned long long)k);
            lacks += !bt_manifest_find(&in->m, file);
        }
        missing += lacks;
        if (lacks > 0 && named++ < SHARES_NAMED)
            snprintf(shares + strlen(shares), sizeof shares - strlen(shares), "%s%llu/%llu", named > 1 ? ", " : "",
                     (unsigned long long)share, (unsigned long long)in->o.share_of);
    }
    bt_note("%s: share %llu/%llu is done; %s of %s shards are still missing, of %s%s", in->dir,
            (unsigned long long)in->o.share_i, (unsigned long long)in->o.share_of, bt_human_count(missing),
            bt_human_count(shard_count), shares, named > SHARES_NAMED ? " and others" : "");
}

static bool has_all(const struct bt_ingest *in, uint64_t shard_count)
{
    uint64_t number = 0;
    bool all = in->m.count == shard_count;

    for (uint64_t i = 0; all && i < shard_count; i++)
        all = bt_ingest_is_numbered(in->m.shards[i].file, ".mdb", &number) && number < shard_count;
    return all;
}

int bt_ingest_join(struct bt_ingest *in, uint64_t total, bool *whole, struct bt_err *err)
{
    uint64_t shard_count = total ? (total + in->o.per_shard - 1) / in->o.per_shard : 1;
    int rc = take_common(in, err);

    *whole = false;
    if (!rc)
        rc = load_manifest(in, err);
    if (!rc && !in->m.complete)
        rc = bt_ingest_agree_on_total(in, total, err);
    if (!rc && !has_all(in, shard_count))
        rc = adopt_others(in, shard_count, err);
    if (rc)
        return rc;
    *whole = has_all(in, shard_count);
    if (*whole)
        return BT_OK;
    tell_missing(in, shard_count);
    bt_lock_release(&in->common);
    return BT_OK;
}

/* ---- closing ---- */

/* Under the common lock, and without its own, so that of several one finds the others gone. */
static void leave(struct bt_ingest *in)
{
    struct bt_err ignored = { 0 }; /* a leftover does no harm; the next run removes it */

    if (take_common(in, &ignored))
        return;
    bt_lock_release(&in->share);
    if (!others_at_work(in))
        bt_remove_dir(in->ingest, &ignored);
}

void bt_ingest_close(struct bt_ingest *in, bool over)
{
    if (over && in->share.fd >= 0)
        leave(in);
    if (in->o.work && in->parts)
        rmdir(in->parts); /* if it is empty */
    bt_lock_release(&in->share);
    bt_lock_release(&in->common);
    bt_record_free(in->header);
    bt_manifest_free(&in->m);
    free(in->shards);
    free(in->last_id);
    free(in->parts);
    free(in->ingest);
    free(in->dir);
}
