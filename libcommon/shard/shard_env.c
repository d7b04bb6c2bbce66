/* One LMDB file: opened with care, its values checked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/shard/shard_private.h"

/* LMDB's meta page, data version 1, 64-bit little-endian: a 16-byte page head, then these. */
enum {
    META_BYTES = 152,
    AT_FLAGS = 10,
    AT_MAGIC = 16,
    AT_VERSION = 20,
    AT_ADDRESS = 24,
    AT_FREE_DB = 40,
    AT_MAIN_DB = 88, /* each: pad u32, flags u16, depth u16, four counts u64, root u64 */
    AT_LAST_PAGE = 136,
    AT_TXN = 144,
    P_META = 0x08,
    DEPTH_LIMIT = 16,
};
#define MAGIC   0xBEEFC0DEu
#define NO_ROOT UINT64_MAX

static uint64_t le(const uint8_t *p, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static int damaged(const char *path, uint64_t at, const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_LMDB_STRUCT,
                   "%s:%llu: %s; the file is damaged, cut or hostile: fetch it again", path,
                   (unsigned long long)at, what);
}

static int check_meta(const char *path, const uint8_t *p, uint64_t at, uint64_t psize, struct bt_err *err)
{
    if (le(p + AT_MAGIC, 4) != MAGIC)
        return damaged(path, at + AT_MAGIC, "no LMDB file", err);
    if (le(p + AT_VERSION, 4) != 1)
        return bt_fail(err, BT_ERR_LMDB_VERSION,
                       "%s:%llu: LMDB data version %llu, this build reads 1; write it as a stream "
                       "with 'bt-cat' where it was made and read that here",
                       path, (unsigned long long)(at + AT_VERSION),
                       (unsigned long long)le(p + AT_VERSION, 4));
    if (le(p + AT_FLAGS, 2) != P_META || le(p + AT_ADDRESS, 8) != 0 || le(p + AT_FREE_DB, 4) != psize)
        return damaged(path, at, "a meta page that LMDB does not write", err);
    if ((le(p + AT_FREE_DB + 4, 2) & ~0x4000u) != 0x0008 || le(p + AT_MAIN_DB + 4, 2) != 0)
        return damaged(path, at, "a database of another kind than a shard's", err);
    return BT_OK;
}

int bt_shard_check(const char *path, struct bt_err *err)
{
    uint8_t first[META_BYTES], second[META_BYTES];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return bt_fail_errno(err, errno, 0, path,
                             "check the set; its shards must lie beside bt-dataset.json");
    int rc = BT_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = damaged(path, 0, "not a regular file", err);
    if (!rc && pread(fd, first, META_BYTES, 0) != META_BYTES)
        rc = damaged(path, 0, "shorter than one page", err);
    uint64_t psize = rc ? 0 : le(first + AT_FREE_DB, 4);
    if (!rc)
        rc = check_meta(path, first, 0, psize, err);
    if (!rc && (psize < 4096 || psize > 32768 || (psize & (psize - 1))))
        rc = damaged(path, AT_FREE_DB, "a page size that LMDB does not have", err);
    if (!rc && pread(fd, second, META_BYTES, (off_t)psize) != META_BYTES)
        rc = damaged(path, psize, "the second page is missing", err);
    if (!rc)
        rc = check_meta(path, second, psize, psize, err);
    close(fd);
    if (rc)
        return rc;
    const uint8_t *meta = le(second + AT_TXN, 8) > le(first + AT_TXN, 8) ? second : first;
    uint64_t last = le(meta + AT_LAST_PAGE, 8), root = le(meta + AT_MAIN_DB + 40, 8), bytes;
    if (!bt_add_u64(last, 1, &bytes) || !bt_mul_u64(bytes, psize, &bytes) || bytes > (uint64_t)st.st_size)
        return damaged(path, AT_LAST_PAGE, "pages are missing at the end", err);
    if (le(meta + AT_MAIN_DB + 6, 2) > DEPTH_LIMIT || (root > last && root != NO_ROOT))
        return damaged(path, AT_MAIN_DB, "the root of its tree is outside the file", err);
    return BT_OK;
}

int bt_shard_fail(const struct bt_shard_env *e, int status, struct bt_err *err)
{
    struct statvfs fs;

    /* liblmdb reports a short write, which is what a full disk looks like, as EIO. */
    if ((status == ENOSPC || status == EDQUOT || status == EIO) && statvfs(e->path, &fs) == 0)
        return bt_fail(
            err, status == EIO && fs.f_bavail > 65536 ? BT_ERR_IO : BT_ERR_NOSPACE,
            "%s: %s (%llu MiB free); free space and run the same command, what was committed is safe",
            e->path, strerror(status), (unsigned long long)(fs.f_bavail * fs.f_frsize >> 20));
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

int bt_shard_env_read(struct bt_shard_env *e, const char *path, struct bt_err *err)
{
    struct stat st;
    int rc = bt_shard_check(path, err);

    if (rc)
        return rc;
    if (stat(path, &st) != 0)
        return bt_fail_errno(err, errno, 0, path, "check the set");
    return open_env(e, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, (uint64_t)st.st_size, err);
}

int bt_shard_env_write(struct bt_shard_env *e, const char *path, uint64_t map_bytes, struct bt_err *err)
{
    return open_env(e, path, 0, map_bytes, err);
}

void bt_shard_env_close(struct bt_shard_env *e)
{
    if (e->env)
        mdb_env_close(e->env);
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

void bt_value_head(uint8_t head[BT_VALUE_HEAD], const void *body, size_t size)
{
    uint32_t crc = bt_crc32c(0, body, size);

    memset(head, 0, 4); /* format 0, msgpack */
    for (int i = 0; i < 4; i++)
        head[4 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static int check_value(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value,
                       const void **body, size_t *size, struct bt_err *err)
{
    const uint8_t *head = value->mv_data;
    char name[2 * 32 + 1];

    bt_hex(name, key->mv_data, key->mv_size < 32 ? key->mv_size : 32);
    if (value->mv_size < BT_VALUE_HEAD ||
        get_crc(head) != bt_crc32c(0, head + BT_VALUE_HEAD, value->mv_size - BT_VALUE_HEAD))
        return bt_fail(err, BT_ERR_BT_CRC,
                       "%s: the value of key %s does not match its checksum; fetch the shard again", e->path,
                       name);
    if (head[0] | head[1] | head[2] | head[3])
        return bt_fail(err, BT_ERR_SHARD,
                       "%s: the value of key %s has format %u, this build reads 0 (msgpack); use the bt that "
                       "wrote it",
                       e->path, name, head[0]);
    *body = head + BT_VALUE_HEAD;
    *size = value->mv_size - BT_VALUE_HEAD;
    return BT_OK;
}

int bt_shard_get(const struct bt_shard_env *e, MDB_txn *txn, const void *key, size_t key_size,
                 const void **body, size_t *size, struct bt_err *err)
{
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v;
    int status = mdb_get(txn, e->dbi, &k, &v);

    if (status == MDB_NOTFOUND)
        return BT_END;
    return status ? bt_shard_fail(e, status, err) : check_value(e, &k, &v, body, size, err);
}

int bt_shard_get_record(const struct bt_shard_env *e, const void *key, size_t key_size, struct bt_record *rec,
                        struct bt_err *err)
{
    const void *body;
    size_t size;
    MDB_txn *txn;
    int status = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

    if (status)
        return bt_shard_fail(e, status, err);
    int rc = bt_shard_get(e, txn, key, key_size, &body, &size, err);
    if (!rc)
        rc = bt_record_decode(rec, body, size, err);
    if (rc && rc != BT_END)
        bt_context(err, "%s", e->path);
    mdb_txn_abort(txn);
    return rc;
}

static int add_record(const struct bt_shard_env *e, const MDB_val *key, const MDB_val *value, uint64_t n,
                      struct bt_xxh64_state *sum, struct bt_err *err)
{
    uint8_t want[BT_NUMBER_KEY], length[4];
    const void *body;
    size_t size;

    bt_number_key(want, 'R', n);
    if (key->mv_size != sizeof want || memcmp(key->mv_data, want, sizeof want) != 0)
        return bt_fail(err, BT_ERR_SHARD, "%s: record %llu is missing; make the shard again", e->path,
                       (unsigned long long)n);
    int rc = check_value(e, key, value, &body, &size, err);
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
        rc = add_record(e, &key, &value, count, sum, err);
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
    bt_xxh64_free(sum);
    return rc;
}
