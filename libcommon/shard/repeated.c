/* Ids that lie in two shards: counted once, when the set is complete. Source: formats.md 2.2. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/shard_private.h"

enum { HASH_BYTES = BT_ID_KEY - 1, IDS_AT_ONCE = 4 << 20 };

struct hash {
    uint8_t bytes[HASH_BYTES];
};

struct hashes {
    struct hash *items;
    uint64_t count, capacity;
};

static int order(const void *a, const void *b)
{
    return memcmp(a, b, HASH_BYTES);
}

/* The ids of one shard whose first hash byte is in low..high. */
static int collect(const struct bt_shard_env *e, unsigned low, unsigned high, struct hashes *h,
                   struct bt_err *err)
{
    uint8_t from[2] = { 'I', (uint8_t)low };
    MDB_val key = { sizeof from, from }, value;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    int rc = BT_OK, status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (!status)
        status = mdb_cursor_open(txn, e->dbi, &cursor);
    if (!status)
        status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!status && !rc) {
        const uint8_t *bytes = key.mv_data;

        if (key.mv_size != BT_ID_KEY || bytes[0] != 'I' || bytes[1] > high)
            break;
        rc = bt_grow(&h->items, &h->capacity, h->count + 1, sizeof *h->items, err);
        if (!rc)
            memcpy(h->items[h->count++].bytes, bytes + 1, HASH_BYTES);
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (!rc && status && status != MDB_NOTFOUND)
        rc = bt_shard_fail(e, status, err);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return rc;
}

static int collect_all(const char *dir, const struct bt_manifest *m, unsigned low, unsigned high,
                       struct hashes *h, struct bt_err *err)
{
    int rc = BT_OK;

    h->count = 0;
    for (uint64_t k = 0; !rc && k < m->count; k++) {
        struct bt_shard_env e = { 0 };
        char *path = bt_format("%s/%s", dir, m->shards[k].file);

        rc = path ? bt_shard_env_read(&e, path, err) : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", dir);
        if (!rc)
            rc = collect(&e, low, high, h, err);
        bt_shard_env_close(&e);
        free(path);
    }
    return rc;
}

/* In passes over ranges of the first hash byte, so that memory does not grow with the set. */
int bt_shards_repeated(const char *dir, const struct bt_manifest *m, uint64_t *repeated, struct bt_err *err)
{
    struct hashes h = { 0 };
    uint64_t passes = m->n / IDS_AT_ONCE + 1;
    unsigned width = passes >= 256 ? 1 : (unsigned)(256 / passes);
    int rc = BT_OK;

    *repeated = 0;
    if (m->count < 2)
        return BT_OK;
    for (unsigned low = 0; !rc && low < 256; low += width) {
        unsigned high = low + width - 1 < 255 ? low + width - 1 : 255;

        rc = collect_all(dir, m, low, high, &h, err);
        if (!rc && h.count > 1)
            qsort(h.items, h.count, sizeof *h.items, order);
        for (uint64_t i = 1; !rc && i < h.count; i++)
            *repeated += order(&h.items[i - 1], &h.items[i]) == 0;
    }
    free(h.items);
    return rc;
}
