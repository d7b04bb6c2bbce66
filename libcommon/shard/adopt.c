/* How far the runs before have come with the shards of one share. Source: formats.md 2.2. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/ingest.h"

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

static uint64_t place_of(const struct bt_ingest *in, uint64_t number)
{
    uint64_t low = 0, high = in->count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (in->shards[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct bt_ingest_shard *bt_ingest_find(const struct bt_ingest *in, uint64_t number)
{
    uint64_t at = place_of(in, number);

    return at < in->count && in->shards[at].number == number ? &in->shards[at] : NULL;
}

/* One that is finished counts, however much of it was begun. */
int bt_ingest_note(struct bt_ingest *in, const struct bt_ingest_shard *shard, struct bt_err *err)
{
    struct bt_ingest_shard *known = bt_ingest_find(in, shard->number);
    uint64_t at = place_of(in, shard->number);

    if (known) {
        if (!known->finished)
            *known = *shard;
        return BT_OK;
    }
    int rc = bt_grow(&in->shards, &in->capacity, in->count + 1, sizeof *in->shards, err);
    if (rc)
        return rc;
    memmove(&in->shards[at + 1], &in->shards[at], (in->count++ - at) * sizeof *in->shards);
    in->shards[at] = *shard;
    return BT_OK;
}

bool bt_shard_same_totals(const struct bt_shard_info *a, const struct bt_shard_info *b)
{
    return a->n == b->n && a->content == b->content && a->rejects == b->rejects && a->inputs == b->inputs;
}

int bt_ingest_take_header(struct bt_ingest *in, const struct bt_shard_env *e, struct bt_err *err)
{
    int rc = BT_OK;

    if (!in->header) {
        in->header = bt_record_new();
        rc = in->header ? bt_shard_get_record(e, BT_KEY_HEADER, BT_NAME_KEY, in->header, err)
                        : no_memory(e->path, err);
    }
    return rc;
}

/* The last id of the last shard that has any. */
static int keep_id(struct bt_ingest *in, const struct bt_ingest_shard *shard, const char *id, struct bt_err *err)
{
    if (shard->info.inputs == 0 || (in->last_id[0] && shard->number < in->last_number))
        return BT_OK;
    char *copy = bt_format("%s", id);
    if (!copy)
        return no_memory(in->dir, err);
    free(in->last_id);
    in->last_id = copy;
    in->last_number = shard->number;
    return BT_OK;
}

int bt_ingest_check(struct bt_ingest *in, uint64_t number, struct bt_shard_info *info, char **last_id,
                    struct bt_err *err)
{
    struct bt_shard_env e = { 0 };
    struct stat st;
    char *path = bt_ingest_shard_path(in, number, err);
    const struct bt_shard_info *known = path ? bt_manifest_find(&in->m, strrchr(path, '/') + 1) : NULL;
    int rc = path ? bt_shard_env_read(&e, path, err) : BT_ERR_MEMORY;

    if (!rc)
        rc = bt_ingest_take_header(in, &e, err);
    if (!rc)
        rc = bt_shard_totals(&e, info, last_id, err);
    if (!rc)
        rc = bt_shard_belongs(&e, in->header, err);
    if (!rc && known && bt_shard_same_totals(info, known) && stat(path, &st) == 0 &&
        (uint64_t)st.st_size == known->bytes)
        *info = *known;
    else if (!rc)
        rc = bt_shard_describe(path, info, err);
    bt_shard_env_close(&e);
    free(path);
    return rc;
}

static int adopt_shard(struct bt_ingest *in, uint64_t number, struct bt_err *err)
{
    struct bt_ingest_shard shard = { .number = number, .finished = true };
    char *id = NULL;
    int rc = bt_ingest_check(in, number, &shard.info, &id, err);

    if (!rc)
        rc = keep_id(in, &shard, id, err);
    free(id);
    return rc ? rc : bt_ingest_note(in, &shard, err);
}

/* How far a shard that was begun is. */
static int adopt_part(struct bt_ingest *in, uint64_t number, struct bt_err *err)
{
    struct bt_ingest_shard shard = { .number = number };
    struct bt_part_options o = { .first_input = number * in->o.per_shard };
    struct bt_lock lock = { .fd = -1 };
    struct bt_part *part = NULL;
    char *path = bt_ingest_part_path(in, number, &o.no_sync, err);
    int rc = path ? bt_ingest_lock_part(in, &lock, number, err) : BT_ERR_MEMORY;

    if (!rc)
        rc = bt_part_open(&part, path, &o, err);
    if (!rc && bt_part_header(part)) {
        shard.info.n = bt_part_count(part);
        shard.info.rejects = bt_part_rejects(part);
        if (bt_part_next(part) > o.first_input)
            shard.info.inputs = bt_part_next(part) - o.first_input;
        rc = keep_id(in, &shard, bt_part_last_id(part), err);
        if (!rc)
            rc = bt_ingest_note(in, &shard, err);
    }
    bt_part_close(part);
    bt_ingest_unlock_part(in, &lock, number);
    free(path);
    return rc;
}

/* What was not synchronised with the disk may be anything. */
static int throw_away(struct bt_ingest *in, uint64_t number, struct bt_err *err)
{
    struct bt_lock lock = { .fd = -1 };
    int rc = bt_ingest_lock_part(in, &lock, number, err);

    if (!rc)
        bt_ingest_remove_part(in, number);
    bt_ingest_unlock_part(in, &lock, number);
    return rc;
}

/* Every shard of the share whose name ends so, finished ones first. */
static int look_into(struct bt_ingest *in, const char *dir, const char *ending,
                     int (*adopt)(struct bt_ingest *, uint64_t, struct bt_err *), struct bt_err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    uint64_t number;
    int rc = BT_OK;

    if (!d)
        return errno == ENOENT ? BT_OK : bt_fail_errno(err, errno, 1, dir, NULL);
    while (!rc && (entry = readdir(d)))
        if (bt_ingest_is_numbered(entry->d_name, ending, &number) && number % in->o.share_of == in->o.share_i) {
            const struct bt_ingest_shard *known = bt_ingest_find(in, number);

            if (!known || !known->finished)
                rc = adopt(in, number, err);
            else
                bt_ingest_remove_part(in, number);
        }
    closedir(d);
    return rc;
}

static void find_place(struct bt_ingest *in)
{
    uint64_t number = in->o.share_i;
    const struct bt_ingest_shard *shard = bt_ingest_find(in, number);

    while (shard && shard->finished && shard->info.inputs >= in->o.per_shard) {
        number += in->o.share_of;
        shard = bt_ingest_find(in, number);
    }
    in->resume_at = number * in->o.per_shard + (shard ? shard->info.inputs : 0);
}

int bt_ingest_look(struct bt_ingest *in, struct bt_err *err)
{
    int rc = look_into(in, in->dir, ".mdb", adopt_shard, err);

    if (!rc && !in->m.complete)
        rc = look_into(in, in->parts, ".nosync", throw_away, err);
    if (!rc && !in->m.complete)
        rc = look_into(in, in->parts, ".part", adopt_part, err);
    find_place(in);
    return rc;
}
