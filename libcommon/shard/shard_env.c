/* One LMDB file: opened with care, its values checked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mapped.h"
#include "libcommon/shard/pages.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/record_private.h"
#include "libcommon/stream/walk.h"

int bt_shard_fail(const struct bt_shard_env *e, int status, struct bt_err *err)
{
    if (status == ENOMEM)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory for the map; raise the limit on address space",
                       e->path);
    if (status > 0)
        return bt_fail_errno(err, status, 0, e->path, "the file system must have working mmap and locks");
    if (status == MDB_VERSION_MISMATCH)
        return bt_fail(err, BT_ERR_LMDB_VERSION,
                       "%s: another LMDB layout; write it as a stream with 'bt-cat' where it was made",
                       e->path);
    return bt_fail(err, BT_ERR_LMDB_STRUCT, "%s: %s; the file is damaged: fetch it or make it again", e->path,
                   mdb_strerror(status));
}

static int open_env(struct bt_shard_env *e, const char *path, unsigned flags, uint64_t map_bytes,
                    struct bt_err *err)
{
    MDB_txn *txn = NULL;
    int status;

    e->path = bt_format("%s", path);
    if (!e->path)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);
    status = mdb_env_create(&e->env);
    if (!status)
        status = mdb_env_set_mapsize(e->env, map_bytes);
    if (!status)
        status = mdb_env_open(e->env, path, flags | MDB_NOSUBDIR, 0644);
    if (!status)
        status = mdb_txn_begin(e->env, NULL, flags & MDB_RDONLY, &txn);
    if (!status)
        status = mdb_dbi_open(txn, NULL, 0, &e->dbi);
    if (!status)
        status = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (!status)
        return BT_OK;
    int rc = bt_shard_fail(e, status, err);
    bt_shard_env_close(e);
    return rc;
}

/* Opens the file for the check; the same file must be the one that liblmdb then opens. */
static int open_checked(struct bt_shard_env *e, const char *path, bool finished, struct stat *st,
                        struct bt_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return bt_fail_errno(err, errno, 0, path,
                             "check the set; its shards must lie beside bt-dataset.json");
    int rc = fstat(fd, st) == 0 ? bt_structure_check(&e->structure, fd, path, finished, err)
                                : bt_fail_errno(err, errno, 0, path, NULL);
    close(fd);
    return rc;
}

static int check_same_file(struct bt_shard_env *e, const struct stat *checked, struct bt_err *err)
{
    struct stat st;
    int fd;

    if (mdb_env_get_fd(e->env, &fd) == 0 && fstat(fd, &st) == 0 && st.st_dev == checked->st_dev &&
        st.st_ino == checked->st_ino)
        return BT_OK;
    return bt_fail(err, BT_ERR_SHARD, "%s: another file took its place while it was opened; run again",
                   e->path);
}

/* liblmdb does not say where it mapped the file; a value whose place in the file is known does. */
static int note_map(struct bt_shard_env *e, uint64_t bytes, struct bt_err *err)
{
    MDB_val key = { BT_NAME_KEY, (void *)(uintptr_t)BT_KEY_HEADER }, value;
    MDB_txn *txn = NULL;
    int status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (!status)
        status = mdb_get(txn, e->dbi, &key, &value);
    if (!status) {
        e->mapped = (const char *)value.mv_data - e->structure.header_at;
        bt_mapped_add(e->mapped, bytes, e->path);
    }
    mdb_txn_abort(txn);
    return status ? bt_shard_fail(e, status, err) : BT_OK;
}

static int load_dict(struct bt_shard_env *e, struct bt_err *err)
{
    struct bt_buf space = { 0 };
    const void *body;
    size_t size;
    MDB_txn *txn = NULL;
    int status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (status)
        return bt_shard_fail(e, status, err);
    int rc = bt_shard_get(e, txn, BT_KEY_DICT, sizeof BT_KEY_DICT - 1, &space, &body, &size, err);
    if (!rc)
        rc = bt_buf_add(&e->dict, body, size, err);
    mdb_txn_abort(txn);
    bt_buf_free(&space);
    return rc == BT_END ? BT_OK : rc;
}

int bt_shard_env_read(struct bt_shard_env *e, const char *path, struct bt_err *err)
{
    struct stat st;
    int rc = open_checked(e, path, true, &st, err);

    if (!rc)
        rc = open_env(e, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, (uint64_t)st.st_size, err);
    if (!rc)
        rc = check_same_file(e, &st, err);
    if (!rc)
        rc = note_map(e, (uint64_t)st.st_size, err);
    if (!rc)
        rc = load_dict(e, err);
    if (rc)
        bt_shard_env_close(e);
    return rc;
}

/* A file without even its meta pages was being made when its writer died: nothing was committed to it. */
static bool is_stillborn(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < 2 * (off_t)BT_PAGE_SMALLEST;
}

int bt_shard_env_write(struct bt_shard_env *e, const char *path, uint64_t map_bytes, struct bt_err *err)
{
    struct stat st;
    int rc = BT_OK;

    if (is_stillborn(path))
        unlink(path);
    if (bt_path_exists(path))
        rc = open_checked(e, path, false, &st, err);
    if (rc)
        bt_context(err, "cannot go on");
    return rc ? rc : open_env(e, path, 0, map_bytes, err);
}

void bt_shard_env_close(struct bt_shard_env *e)
{
    bt_mapped_remove(e->mapped);
    if (e->env)
        mdb_env_close(e->env);
    bt_buf_free(&e->dict);
    free(e->path);
    *e = (struct bt_shard_env){ 0 };
}

/* ---- keys and values ---- */

void bt_number_key(uint8_t key[BT_NUMBER_KEY], char letter, uint64_t number)
{
    key[0] = (uint8_t)letter;
    for (int i = 0; i < 8; i++)
        key[1 + i] = (uint8_t)(number >> (56 - 8 * i));
}

void bt_id_key(uint8_t key[BT_ID_KEY], const void *id, size_t size)
{
    uint8_t digest[32];

    bt_sha256(id, size, digest);
    key[0] = 'I';
    memcpy(key + 1, digest, BT_ID_KEY - 1);
}

static uint32_t get_crc(const uint8_t *head)
{
    return (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
}

void bt_value_head(uint8_t head[BT_VALUE_HEAD], enum bt_format format, const void *body, size_t size)
{
    uint32_t crc = bt_crc32c(0, body, size);

    memset(head, 0, 4);
    head[0] = (uint8_t)format;
    for (int i = 0; i < 4; i++)
        head[4 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static int value_failed(const struct bt_shard_env *e, const MDB_val *key, int status, const char *what,
                        struct bt_err *err)
{
    char name[2 * 32 + 1];

    bt_hex(name, key->mv_data, key->mv_size < 32 ? key->mv_size : 32);
    return bt_fail(err, status, "%s: the value of key %s %s", e->path, name, what);
}

static int damaged(const struct bt_shard_env *e, const MDB_val *key, struct bt_err *err)
{
    return value_failed(e, key, BT_ERR_BT_CRC, "does not match its checksum; fetch the shard again", err);
}

bool bt_value_is_whole(const void *value, size_t size)
{
    const uint8_t *head = value;

    return size >= BT_VALUE_HEAD && get_crc(head) == bt_crc32c(0, head + BT_VALUE_HEAD, size - BT_VALUE_HEAD);
}

static int open_value(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value, bool is_record,
                      struct bt_buf *space, const void **body, size_t *size, struct bt_err *err)
{
    const uint8_t *head = value->mv_data;

    if (!bt_value_is_whole(value->mv_data, value->mv_size))
        return damaged(e, key, err);
    if (head[0] > BT_FORMAT_RAW || head[1] | head[2] | head[3])
        return value_failed(e, key, BT_ERR_SHARD,
                            "has a format that this build does not know; use the bt that wrote it", err);
    if (is_record && head[0] == BT_FORMAT_RAW)
        return value_failed(e, key, BT_ERR_SHARD, "is bytes where a record must be; fetch the shard again",
                            err);
    *body = head + BT_VALUE_HEAD;
    *size = value->mv_size - BT_VALUE_HEAD;
    if (head[0] == BT_FORMAT_MSGPACK || head[0] == BT_FORMAT_RAW)
        return BT_OK;
    bool with_dict = head[0] == BT_FORMAT_DICT;
    if (with_dict && e->dict.size == 0)
        return value_failed(e, key, BT_ERR_SHARD, "needs a dictionary that the shard has not; fetch it again",
                            err);
    int rc = bt_unpack(space, *body, *size, with_dict ? e->dict.data : NULL, with_dict ? e->dict.size : 0,
                       BT_MAX_RECORD, err);
    if (rc)
        return rc;
    *body = space->data;
    *size = space->size;
    return BT_OK;
}

int bt_shard_get(const struct bt_shard_env *e, MDB_txn *txn, const void *key, size_t key_size,
                 struct bt_buf *space, const void **body, size_t *size, struct bt_err *err)
{
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v;
    int status = mdb_get(txn, e->dbi, &k, &v);

    if (status == MDB_NOTFOUND)
        return BT_END;
    return status ? bt_shard_fail(e, status, err) : open_value(e, &k, &v, false, space, body, size, err);
}

/* A record as it is stored, msgpack in pages of its own: checked while it is copied, the one pass over it in the map. BT_END:
 * it is of another kind. */
static int take_large(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value, struct bt_record *rec,
                      struct bt_err *err)
{
    const uint8_t *head = value->mv_data;
    size_t size = value->mv_size - BT_VALUE_HEAD;

    if (head[0] | head[1] | head[2] | head[3])
        return BT_END;
    char *room = bt_record_room(rec, size, err);
    if (!room)
        return BT_ERR_MEMORY;
    if (bt_crc32c_copy(0, room, head + BT_VALUE_HEAD, size) != get_crc(head))
        return damaged(e, key, err);
    return bt_record_decode_room(rec, 0, size, err);
}

static int to_record(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value, struct bt_record *rec,
                     struct bt_err *err)
{
    struct bt_buf space = { 0 };
    const void *body = NULL;
    size_t size = 0;
    int rc = value->mv_size > BT_PAGE_SMALLEST ? take_large(e, key, value, rec, err) : BT_END;

    if (rc == BT_END) {
        rc = open_value(e, key, value, true, &space, &body, &size, err);
        rc = rc ? rc : bt_record_decode(rec, body, size, err);
        bt_buf_free(&space);
    }
    return rc ? bt_context(err, "%s", e->path) : BT_OK;
}

int bt_shard_get_record(const struct bt_shard_env *e, const void *key, size_t key_size, struct bt_record *rec,
                        struct bt_err *err)
{
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v;
    MDB_txn *txn;
    int rc = BT_END, status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (status)
        return bt_shard_fail(e, status, err);
    status = mdb_get(txn, e->dbi, &k, &v);
    if (!status)
        rc = to_record(e, &k, &v, rec, err);
    else if (status != MDB_NOTFOUND)
        rc = bt_shard_fail(e, status, err);
    mdb_txn_abort(txn);
    return rc;
}

/* ---- views ---- */

int bt_shard_view_open(struct bt_shard_view **view, const struct bt_shard_env *e, struct bt_err *err)
{
    struct bt_shard_view *v = bt_alloc(1, sizeof *v, err);

    if (!v)
        return BT_ERR_MEMORY;
    v->next = UINT64_MAX;
    int status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &v->txn);
    if (!status)
        status = mdb_cursor_open(v->txn, e->dbi, &v->cursor);
    if (!status) {
        *view = v;
        return BT_OK;
    }
    bt_shard_view_close(v);
    return bt_shard_fail(e, status, err);
}

void bt_shard_view_close(struct bt_shard_view *v)
{
    if (!v)
        return;
    if (v->cursor)
        mdb_cursor_close(v->cursor);
    mdb_txn_abort(v->txn);
    free(v);
}

/* Reading on is a step of the cursor; elsewhere a new search costs less than one from where the cursor stands. */
int bt_shard_view_record(struct bt_shard_view *v, const struct bt_shard_env *e, uint64_t number, struct bt_record *rec,
                         struct bt_err *err)
{
    uint8_t name[BT_NUMBER_KEY];
    MDB_val key = { sizeof name, name }, value;
    bool follows = number == v->next;
    int status;

    bt_number_key(name, 'R', number);
    if (follows)
        status = mdb_cursor_get(v->cursor, &key, &value, v->placed ? MDB_NEXT : MDB_SET_KEY);
    else
        status = mdb_get(v->txn, e->dbi, &key, &value);
    if (!status && (key.mv_size != sizeof name || memcmp(key.mv_data, name, sizeof name) != 0))
        status = MDB_NOTFOUND;
    v->placed = follows && !status;
    v->next = status ? UINT64_MAX : number + 1;
    if (status)
        return status == MDB_NOTFOUND ? BT_END : bt_shard_fail(e, status, err);
    return to_record(e, &key, &value, rec, err);
}

static int add_record(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value, uint64_t n,
                      struct bt_buf *space, struct bt_xxh64_state *sum, struct bt_err *err)
{
    uint8_t want[BT_NUMBER_KEY], length[4];
    const void *body;
    size_t size;

    bt_number_key(want, 'R', n);
    if (key->mv_size != sizeof want || memcmp(key->mv_data, want, sizeof want) != 0)
        return bt_fail(err, BT_ERR_SHARD, "%s: record %llu is missing; make the shard again", e->path,
                       (unsigned long long)n);
    int rc = open_value(e, key, value, true, space, &body, &size, err);
    if (rc)
        return rc;
    for (int i = 0; i < 4; i++)
        length[i] = (uint8_t)(size >> (24 - 8 * i));
    bt_xxh64_add(sum, want, sizeof want);
    bt_xxh64_add(sum, length, sizeof length);
    bt_xxh64_add(sum, body, size);
    return BT_OK;
}

int bt_shard_content(const struct bt_shard_env *e, uint64_t *n, uint64_t *content, struct bt_err *err)
{
    struct bt_xxh64_state *sum = bt_xxh64_new();
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key = { 1, (void *)(uintptr_t) "R" }, value;
    struct bt_buf space = { 0 };
    uint64_t count = 0;
    int rc = BT_OK, status = 0;

    if (!sum)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", e->path);
    status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
    if (!status)
        status = mdb_cursor_open(txn, e->dbi, &cursor);
    if (!status)
        status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!status && !rc) {
        rc = add_record(e, &key, &value, count, &space, sum, err);
        count += !rc;
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (!rc && status != MDB_NOTFOUND)
        rc = bt_shard_fail(e, status, err);
    if (!rc) {
        *n = count;
        *content = bt_xxh64_value(sum);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    bt_buf_free(&space);
    bt_xxh64_free(sum);
    return rc;
}
