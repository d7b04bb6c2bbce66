/* What a finished shard says of itself, and whether that is so. Source: formats.md 2.1, 2.3. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/record_private.h"

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

static int read_named(const struct bt_shard_env *e, const char *key, struct bt_record *rec,
                      struct bt_err *err)
{
    int rc = bt_shard_get_record(e, key, BT_NAME_KEY, rec, err);

    return rc == BT_END ? bt_fail(err, BT_ERR_SHARD, "%s: no '%s'; make the shard again", e->path, key) : rc;
}

int bt_shard_totals(const struct bt_shard_env *e, struct bt_shard_info *info, char **last_id,
                    struct bt_err *err)
{
    struct bt_record *end = bt_record_new();
    int rc = end ? read_named(e, BT_KEY_END, end, err) : no_memory(e->path, err);

    if (!rc) {
        struct bt_value n = bt_record_get(end, "n"), content = bt_record_get(end, "content"),
                        id = bt_record_get(end, "last_id");

        if (n.kind != BT_INT || (uint64_t)n.integer != e->structure.records || content.kind != BT_BIN ||
            content.size != 8 || !bt_record_get(end, "complete").integer)
            rc = bt_fail(err, BT_ERR_BT_SUM, "%s: %llu records, which its end does not say; fetch it again",
                         e->path, (unsigned long long)e->structure.records);
        else if (last_id && !(*last_id = bt_format("%.*s", (int)id.size, id.data ? id.data : "")))
            rc = no_memory(e->path, err);
        if (!rc) {
            info->n = e->structure.records;
            info->content = bt_get_u64(content.data);
            info->rejects = (uint64_t)bt_record_get(end, "rejects").integer;
            info->inputs = (uint64_t)bt_record_get(end, "inputs").integer;
        }
    }
    bt_record_free(end);
    return rc;
}

int bt_shard_belongs(const struct bt_shard_env *e, const struct bt_record *header, struct bt_err *err)
{
    static const char *const keys[] = { "schema", "must" };
    struct bt_record *own = bt_record_new();
    int rc = own ? read_named(e, BT_KEY_HEADER, own, err) : no_memory(e->path, err);

    for (int i = 0; !rc && i < 2; i++)
        if (!bt_value_same(bt_record_get(own, keys[i]), bt_record_get(header, keys[i])))
            rc = bt_fail(err, BT_ERR_SHARD, "%s: its '%s' is not that of its set; fetch the set again",
                         e->path, keys[i]);
    bt_record_free(own);
    return rc;
}

/* ---- all of it ---- */

/* Every record is found by its id: as many ids as records, and each leads to its record. */
static int check_index(const struct bt_shard_env *e, MDB_txn *txn, struct bt_record *rec, struct bt_err *err)
{
    struct bt_buf space = { 0 };
    int rc = BT_OK;

    if (e->structure.ids != e->structure.records)
        rc = bt_fail(err, BT_ERR_SHARD, "%s: %llu ids for %llu records; make the shard again", e->path,
                     (unsigned long long)e->structure.ids, (unsigned long long)e->structure.records);
    for (uint64_t i = 0; !rc && i < e->structure.records; i++) {
        uint8_t key[BT_NUMBER_KEY], id_key[BT_ID_KEY];
        const char *id = NULL;
        const void *number = NULL;
        size_t size = 0;

        bt_number_key(key, 'R', i);
        rc = bt_shard_get_record(e, key, sizeof key, rec, err);
        if (!rc)
            rc = bt_record_need_str(rec, "id", &id, &size, err);
        if (rc)
            break;
        bt_id_key(id_key, id, size);
        rc = bt_shard_get(e, txn, id_key, sizeof id_key, &space, &number, &size, err);
        if (rc == BT_END || (!rc && (size != 8 || bt_get_u64(number) != i)))
            rc = bt_fail(err, BT_ERR_SHARD,
                         "%s: the id of record %llu does not lead to it; make the shard again", e->path,
                         (unsigned long long)i);
    }
    bt_buf_free(&space);
    return rc;
}

static int check_rejects(const struct bt_shard_env *e, uint64_t count, struct bt_record *rec,
                         struct bt_err *err)
{
    int rc = BT_OK;

    if (e->structure.rejects != count)
        rc = bt_fail(err, BT_ERR_BT_SUM, "%s: %llu rejects, its end says %llu; fetch it again", e->path,
                     (unsigned long long)e->structure.rejects, (unsigned long long)count);
    for (uint64_t i = 0; !rc && i < count; i++) {
        uint8_t key[BT_NUMBER_KEY];

        bt_number_key(key, 'J', i);
        rc = bt_shard_get_record(e, key, sizeof key, rec, err);
        if (rc == BT_END)
            rc = bt_fail(err, BT_ERR_SHARD, "%s: reject %llu is missing; make the shard again", e->path,
                         (unsigned long long)i);
    }
    return rc;
}

static int check_all(const struct bt_shard_env *e, struct bt_shard_info *info, struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    MDB_txn *txn = NULL;
    uint64_t n = 0, content = 0;
    int status, rc = rec ? bt_shard_totals(e, info, NULL, err) : no_memory(e->path, err);

    if (!rc)
        rc = bt_shard_content(e, &n, &content, err);
    if (!rc && (n != info->n || content != info->content))
        rc = bt_fail(err, BT_ERR_BT_SUM, "%s: its records do not match the totals at its end; fetch it again",
                     e->path);
    if (!rc) {
        status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
        rc = status ? bt_shard_fail(e, status, err) : check_index(e, txn, rec, err);
        mdb_txn_abort(txn);
    }
    if (!rc)
        rc = check_rejects(e, info->rejects, rec, err);
    bt_record_free(rec);
    return rc;
}

int bt_shard_describe(const char *path, struct bt_shard_info *info, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    struct bt_shard_env e = { 0 };
    uint8_t digest[32];
    int rc = bt_shard_env_read(&e, path, err);

    if (!rc)
        rc = check_all(&e, info, err);
    bt_shard_env_close(&e);
    if (!rc)
        rc = bt_sha256_file(path, digest, &info->bytes, err);
    if (!rc) {
        bt_hex(info->sha256, digest, sizeof digest);
        snprintf(info->file, sizeof info->file, "%s", slash ? slash + 1 : path);
    }
    return rc;
}
