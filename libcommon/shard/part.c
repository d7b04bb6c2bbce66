/* The shard being written: batches in memory until their commit returns. Source: formats.md 2.2. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/frames.h"

#define MAP_FIRST   ((uint64_t)1 << 30)
#define MAX_BYTES   ((uint64_t)64 << 30)
#define BATCH_BYTES ((uint64_t)64 << 20)
enum { BATCH_RECORDS = 1000 };

struct entry {
    uint8_t key[BT_ID_KEY];
    size_t key_size;
    uint64_t at, size; /* of its value in the batch's bytes */
};

/* Where the shard stands; `done` is kept apart from what belongs to an input that is still open. */
struct state {
    uint64_t next, n, rejects, repeated;
    uint64_t entries, bytes; /* of the batch */
};

struct bt_part {
    struct bt_shard_env e;
    uint64_t first_input, map, max_bytes;
    uint64_t safe_before, committed; /* records: of earlier shards, and of this one */
    uint64_t committed_next;
    struct bt_record *header, *scratch;
    bool has_header;
    struct entry *entries;
    uint64_t capacity;
    struct bt_buf bytes, body;
    struct state now, done;
    char last_id[BT_MAX_ID + 1], done_id[BT_MAX_ID + 1];
};

static void take_id(char out[BT_MAX_ID + 1], struct bt_value id)
{
    size_t size = id.kind == BT_STR && id.size <= BT_MAX_ID ? id.size : 0;

    if (size > 0)
        memcpy(out, id.data, size);
    out[size] = 0;
}

/* ---- opening and going on ---- */

static int load_cursor(struct bt_part *p, struct bt_err *err)
{
    int64_t next, n, rejects;
    int rc = bt_shard_get_record(&p->e, BT_KEY_CURSOR, BT_NAME_KEY, p->scratch, err);

    if (rc)
        return rc == BT_END ? BT_OK : rc;
    rc = bt_record_need_int(p->scratch, "input", &next, err);
    if (!rc)
        rc = bt_record_need_int(p->scratch, "n", &n, err);
    if (!rc)
        rc = bt_record_need_int(p->scratch, "rejects", &rejects, err);
    if (rc)
        return bt_context(err, "%s", p->e.path);
    p->now.next = (uint64_t)next;
    p->now.n = (uint64_t)n;
    p->now.rejects = (uint64_t)rejects;
    p->now.repeated = (uint64_t)bt_record_get(p->scratch, "repeated").integer;
    take_id(p->last_id, bt_record_get(p->scratch, "id"));
    return BT_OK;
}

int bt_part_open(struct bt_part **part, const char *path, const struct bt_part_options *options,
                 struct bt_err *err)
{
    struct bt_part *p = bt_alloc(1, sizeof *p, err);
    struct stat st = { 0 };

    if (!p)
        return BT_ERR_MEMORY;
    p->first_input = p->now.next = options->first_input;
    p->map = options->map_bytes ? options->map_bytes : MAP_FIRST;
    p->max_bytes = options->max_bytes ? options->max_bytes : MAX_BYTES;
    if (p->map > p->max_bytes)
        p->map = p->max_bytes;
    if (stat(path, &st) == 0)
        while (p->map < (uint64_t)st.st_size)
            p->map *= 2;
    p->header = bt_record_new();
    p->scratch = bt_record_new();
    int rc = p->header && p->scratch
                 ? BT_OK
                 : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);
    if (!rc)
        rc = bt_shard_env_write(&p->e, path, p->map, err);
    if (!rc && options->no_sync)
        mdb_env_set_flags(p->e.env, MDB_NOSYNC, 1);
    if (!rc) {
        rc = bt_shard_get_record(&p->e, BT_KEY_HEADER, BT_NAME_KEY, p->header, err);
        p->has_header = !rc;
        if (rc == BT_END)
            rc = BT_OK;
    }
    if (!rc)
        rc = load_cursor(p, err);
    p->done = p->now;
    p->safe_before = options->safe;
    p->committed = p->now.n;
    p->committed_next = p->now.next;
    strcpy(p->done_id, p->last_id);
    if (rc)
        bt_part_close(p);
    else
        *part = p;
    return rc;
}

void bt_part_close(struct bt_part *p)
{
    struct bt_err ignored = { 0 };

    if (!p)
        return;
    if (p->e.env && p->has_header && p->done.next != p->committed_next)
        bt_part_commit(p, &ignored); /* only saves work: an uncommitted input is read again */
    bt_shard_env_close(&p->e);
    bt_record_free(p->header);
    bt_record_free(p->scratch);
    bt_buf_free(&p->bytes);
    bt_buf_free(&p->body);
    free(p->entries);
    free(p);
}

const struct bt_record *bt_part_header(const struct bt_part *p)
{
    return p->has_header ? p->header : NULL;
}

uint64_t bt_part_next(const struct bt_part *p)
{
    return p->done.next;
}

const char *bt_part_last_id(const struct bt_part *p)
{
    return p->done_id;
}

uint64_t bt_part_count(const struct bt_part *p)
{
    return p->now.n;
}

uint64_t bt_part_rejects(const struct bt_part *p)
{
    return p->now.rejects;
}

/* ---- the batch ---- */

static int add_entry(struct bt_part *p, const void *key, size_t key_size, enum bt_format format,
                     const struct bt_buf *body, struct bt_err *err)
{
    uint8_t head[BT_VALUE_HEAD];
    int rc = bt_grow(&p->entries, &p->capacity, p->now.entries + 1, sizeof *p->entries, err);

    if (rc)
        return rc;
    struct entry *entry = &p->entries[p->now.entries];
    memcpy(entry->key, key, key_size);
    entry->key_size = key_size;
    entry->at = p->bytes.size;
    bt_value_head(head, format, body->data, body->size);
    rc = bt_buf_add(&p->bytes, head, sizeof head, err);
    if (!rc)
        rc = bt_buf_add(&p->bytes, body->data, body->size, err);
    entry->size = p->bytes.size - entry->at;
    p->now.entries += !rc;
    p->now.bytes = p->bytes.size;
    return rc;
}

static int add_number(struct bt_part *p, const uint8_t id_key[BT_ID_KEY], uint64_t n, struct bt_err *err)
{
    char number[8];
    struct bt_buf body = { number, sizeof number, sizeof number };

    bt_put_u64((uint8_t *)number, n);
    return add_entry(p, id_key, BT_ID_KEY, BT_FORMAT_RAW, &body, err);
}

static struct entry *find_entry(const struct bt_part *p, const void *key, size_t key_size)
{
    for (uint64_t i = p->now.entries; i-- > 0;)
        if (p->entries[i].key_size == key_size && memcmp(p->entries[i].key, key, key_size) == 0)
            return &p->entries[i];
    return NULL;
}

/* *same: a record of this id is there with these bytes; *other: with others. */
static int compare_earlier(struct bt_part *p, const uint8_t id_key[BT_ID_KEY], bool *same, bool *other,
                           struct bt_err *err)
{
    const struct entry *entry = find_entry(p, id_key, BT_ID_KEY);
    uint8_t record_key[BT_NUMBER_KEY];
    struct bt_buf space = { 0 };
    const void *body = NULL;
    size_t size = 0;
    MDB_txn *txn = NULL;
    int rc = BT_OK;

    if (!entry) {
        int status = mdb_txn_begin(p->e.env, NULL, MDB_RDONLY, &txn);

        if (status)
            return bt_shard_fail(&p->e, status, err);
        rc = bt_shard_get(&p->e, txn, id_key, BT_ID_KEY, &space, &body, &size, err);
    } else {
        body = p->bytes.data + entry->at + BT_VALUE_HEAD;
        size = entry->size - BT_VALUE_HEAD;
    }
    if (!rc && size != 8)
        rc = bt_fail(err, BT_ERR_LMDB_STRUCT,
                     "%s: an index entry of %zu bytes; remove the set and make it again", p->e.path, size);
    if (!rc) {
        bt_number_key(record_key, 'R', bt_get_u64(body));
        entry = find_entry(p, record_key, sizeof record_key);
        if (entry) {
            body = p->bytes.data + entry->at + BT_VALUE_HEAD;
            size = entry->size - BT_VALUE_HEAD;
        } else {
            rc = bt_shard_get(&p->e, txn, record_key, sizeof record_key, &space, &body, &size, err);
        }
    }
    if (!rc) {
        *same = size == p->body.size &&
                memcmp(body, p->body.data, size) == 0; /* the id in full is in the record */
        *other = !*same;
    }
    mdb_txn_abort(txn);
    bt_buf_free(&space);
    return rc == BT_END ? BT_OK : rc;
}

int bt_part_put(struct bt_part *p, const struct bt_record *rec, bool *added, bool *clash, struct bt_err *err)
{
    uint8_t id_key[BT_ID_KEY], record_key[BT_NUMBER_KEY];
    bool same = false;
    const char *id;
    size_t size;
    int rc = bt_record_need_str(rec, "id", &id, &size, err);

    *added = *clash = false;
    if (!rc && (size == 0 || size > BT_MAX_ID || memchr(id, 0, size)))
        rc = bt_fail(err, BT_ERR_LIMIT, "an id of %zu bytes; shards take ids of 1 to 1024 bytes without NUL",
                     size);
    if (rc)
        return bt_context(err, "%s: input %llu", p->e.path, (unsigned long long)p->now.next);
    p->body.size = 0;
    rc = bt_record_encode(rec, &p->body, err);
    if (rc)
        return rc;
    bt_id_key(id_key, id, size);
    rc = compare_earlier(p, id_key, &same, clash, err);
    if (rc)
        return rc;
    memcpy(p->last_id, id, size);
    p->last_id[size] = 0;
    p->now.repeated += same;
    if (same || *clash)
        return BT_OK;
    bt_number_key(record_key, 'R', p->now.n);
    rc = add_entry(p, record_key, sizeof record_key, BT_FORMAT_MSGPACK, &p->body, err);
    if (!rc)
        rc = add_number(p, id_key, p->now.n, err);
    if (!rc) {
        p->now.n++;
        *added = true;
    }
    return rc;
}

int bt_part_reject(struct bt_part *p, const struct bt_record *rec, struct bt_err *err)
{
    uint8_t key[BT_NUMBER_KEY];

    p->body.size = 0;
    int rc = bt_record_encode(rec, &p->body, err);
    bt_number_key(key, 'J', p->now.rejects);
    if (!rc)
        rc = add_entry(p, key, sizeof key, BT_FORMAT_MSGPACK, &p->body, err);
    p->now.rejects += !rc;
    return rc;
}

/* ---- committing ---- */

static int put_value(struct bt_part *p, MDB_txn *txn, const void *key, size_t key_size, const void *data,
                     size_t size, unsigned flags)
{
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v = { size, (void *)(uintptr_t)data };

    return mdb_put(txn, p->e.dbi, &k, &v, flags);
}

static int put_named(struct bt_part *p, MDB_txn *txn, const char name[BT_NAME_KEY + 1],
                     const struct bt_buf *body, struct bt_err *err)
{
    struct bt_buf value = { 0 };
    uint8_t head[BT_VALUE_HEAD];

    bt_value_head(head, BT_FORMAT_MSGPACK, body->data, body->size);
    if (bt_buf_add(&value, head, sizeof head, err) || bt_buf_add(&value, body->data, body->size, err)) {
        bt_buf_free(&value);
        return ENOMEM;
    }
    int status = put_value(p, txn, name, BT_NAME_KEY, value.data, value.size, 0);
    bt_buf_free(&value);
    return status;
}

/* Records sort last and go in by MDB_APPEND, so the other entries go first. */
static int put_batch(struct bt_part *p, MDB_txn *txn)
{
    int status = 0;

    for (int records = 0; records < 2; records++)
        for (uint64_t i = 0; !status && i < p->done.entries; i++) {
            const struct entry *entry = &p->entries[i];

            if ((entry->key[0] == 'R') == records)
                status = put_value(p, txn, entry->key, entry->key_size, p->bytes.data + entry->at,
                                   entry->size, records ? MDB_APPEND : 0);
        }
    return status;
}

/* liblmdb reports a short write, which is what a full disk looks like, as EIO. `file` lies on that disk. */
static int write_failed(const struct bt_part *p, int status, const char *file, const char *place, struct bt_err *err)
{
    struct statvfs fs;

    if ((status != ENOSPC && status != EDQUOT && status != EIO) || statvfs(file, &fs) != 0)
        return bt_shard_fail(&p->e, status, err);
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return bt_fail(
        err, status == EIO && free_bytes > 2 * BATCH_BYTES ? BT_ERR_IO : BT_ERR_NOSPACE,
        "%s: %s (%llu MiB free, the next batch needs %llu); free space and run the same command, %llu "
        "records are safe",
        place, strerror(status), (unsigned long long)(free_bytes >> 20),
        (unsigned long long)(p->done.bytes >> 20) + 1, (unsigned long long)(p->safe_before + p->committed));
}

/* One transaction: the named value, and with it the batch when there is one. The map doubles until it fits; a
 * full map kills the transaction, and nothing else. */
static int transact(struct bt_part *p, const char name[BT_NAME_KEY + 1], const struct bt_buf *body,
                    bool with_batch, struct bt_err *err)
{
    for (;;) {
        MDB_txn *txn = NULL;
        int status = mdb_txn_begin(p->e.env, NULL, 0, &txn);

        if (!status)
            status = put_named(p, txn, name, body, err);
        if (!status && with_batch)
            status = put_batch(p, txn);
        if (!status)
            status = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
        if (status != MDB_MAP_FULL)
            return status ? write_failed(p, status, p->e.path, p->e.path, err) : BT_OK;
        if (p->map >= p->max_bytes)
            return bt_fail(
                err, BT_ERR_LMDB_FULL,
                "%s: more than %llu MiB in one shard; use a smaller --per-shard, or a larger --max-shard",
                p->e.path, (unsigned long long)(p->max_bytes >> 20));
        p->map = p->map < p->max_bytes / 2 ? p->map * 2 : p->max_bytes;
        status = mdb_env_set_mapsize(p->e.env, p->map);
        if (status)
            return bt_shard_fail(&p->e, status, err);
    }
}

static int encode_cursor(struct bt_part *p, struct bt_err *err)
{
    bt_record_clear(p->scratch);
    int rc = bt_record_set_int(p->scratch, "input", (int64_t)p->done.next, err);
    if (!rc)
        rc = bt_record_set_str(p->scratch, "id", p->done_id, strlen(p->done_id), err);
    if (!rc)
        rc = bt_record_set_int(p->scratch, "n", (int64_t)p->done.n, err);
    if (!rc)
        rc = bt_record_set_int(p->scratch, "rejects", (int64_t)p->done.rejects, err);
    if (!rc)
        rc = bt_record_set_int(p->scratch, "repeated", (int64_t)p->done.repeated, err);
    p->body.size = 0;
    return rc ? rc : bt_record_encode(p->scratch, &p->body, err);
}

int bt_part_commit(struct bt_part *p, struct bt_err *err)
{
    p->now = p->done; /* what belongs to an input that is still open is dropped */
    p->bytes.size = p->done.bytes;
    strcpy(p->last_id, p->done_id);
    int rc = encode_cursor(p, err);
    if (!rc)
        rc = transact(p, BT_KEY_CURSOR, &p->body, true, err);
    if (rc)
        return rc;
    p->committed = p->done.n;
    p->committed_next = p->done.next;
    p->bytes.size = 0;
    p->now.entries = p->now.bytes = p->done.entries = p->done.bytes = 0;
    return BT_OK;
}

int bt_part_mark(struct bt_part *p, uint64_t next, struct bt_err *err)
{
    p->now.next = next;
    p->done = p->now;
    strcpy(p->done_id, p->last_id);
    return p->done.entries >= 2 * BATCH_RECORDS || p->done.bytes >= BATCH_BYTES ? bt_part_commit(p, err)
                                                                                : BT_OK;
}

int bt_part_set_header(struct bt_part *p, const struct bt_record *header, struct bt_err *err)
{
    int rc = bt_record_copy(p->header, header, err);

    p->body.size = 0;
    if (!rc)
        rc = bt_record_encode(p->header, &p->body, err);
    if (!rc)
        rc = transact(p, BT_KEY_HEADER, &p->body, false, err);
    p->has_header = !rc;
    return rc;
}

/* ---- finishing ---- */

static int write_end(struct bt_part *p, struct bt_err *err)
{
    uint64_t n, content;
    uint8_t sum[8];
    int rc = bt_shard_content(&p->e, &n, &content, err);

    if (!rc && n != p->done.n)
        rc = bt_fail(err, BT_ERR_SHARD,
                     "%s: %llu records where %llu were committed; remove the set and make it again",
                     p->e.path, (unsigned long long)n, (unsigned long long)p->done.n);
    if (rc)
        return rc;
    bt_put_u64(sum, content);
    bt_record_clear(p->scratch);
    rc = bt_record_set_int(p->scratch, "n", (int64_t)n, err);
    if (!rc)
        rc = bt_record_set_int(p->scratch, "rejects", (int64_t)p->done.rejects, err);
    if (!rc)
        rc = bt_record_set_bin(p->scratch, "content", sum, sizeof sum, err);
    if (!rc)
        rc = bt_record_set_bool(p->scratch, "complete", true, err);
    if (!rc)
        rc = bt_record_set_int(p->scratch, "inputs", (int64_t)(p->done.next - p->first_input), err);
    if (!rc)
        rc = bt_record_set_str(p->scratch, "last_id", p->done_id, strlen(p->done_id), err);
    p->body.size = 0;
    if (!rc)
        rc = bt_record_encode(p->scratch, &p->body, err);
    return rc ? rc : transact(p, BT_KEY_END, &p->body, false, err);
}

int bt_part_finish(struct bt_part *p, const char *final_path, struct bt_shard_info *info, struct bt_err *err)
{
    struct bt_outfile out;
    char *temp = NULL;
    int rc = bt_part_commit(p, err);

    if (!rc)
        rc = write_end(p, err);
    if (rc)
        return rc;
    rc = bt_outfile_open(&out, final_path, false, err);
    if (rc)
        return rc;
    out.read_only = true;
    temp = bt_format("%.*s%s", (int)(out.name - out.path), out.path, out.temp_name);
    if (!temp)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", final_path);
    int status = rc ? 0 : mdb_env_copyfd2(p->e.env, out.fd, MDB_CP_COMPACT);
    if (status)
        rc = write_failed(p, status, temp, final_path, err);
    if (!rc)
        rc = bt_shard_describe(temp, info, err);
    if (!rc) {
        snprintf(info->file, sizeof info->file, "%s", out.name);
        rc = bt_outfile_finish(&out, err);
    }
    bt_outfile_close(&out);
    free(temp);
    return rc;
}
