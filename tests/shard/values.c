/* Values in all their formats, from files that LMDB itself writes here: plain, compressed, with a dictionary,
 * raw. */
#include <lmdb.h>
#include <sys/stat.h>
#include <zstd.h>

#include "libcommon/base/hash.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/stream.h"
#include "tests/stream/scratch.h"

static const char dict[] =
    "a dictionary is any bytes that values have in common, number after number after number";

struct shard {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    struct bt_xxh64_state *content;
    uint64_t n;
};

static void begin(struct shard *s, const char *path)
{
    *s = (struct shard){ .content = bt_xxh64_new() };
    CHECK(mdb_env_create(&s->env) == 0 && mdb_env_open(s->env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0644) == 0);
    CHECK(mdb_txn_begin(s->env, NULL, 0, &s->txn) == 0 && mdb_dbi_open(s->txn, NULL, 0, &s->dbi) == 0);
}

static void put(struct shard *s, const void *key, size_t key_size, int format, const void *body, size_t size)
{
    uint8_t *value = malloc(BT_VALUE_HEAD + size);
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v = { BT_VALUE_HEAD + size, value };

    bt_value_head(value, (enum bt_format)format, body, size);
    memcpy(value + BT_VALUE_HEAD, body, size);
    CHECK(mdb_put(s->txn, s->dbi, &k, &v, 0) == 0);
    free(value);
}

static void encode(struct bt_record *rec, struct bt_buf *body)
{
    struct bt_err err = { 0 };

    body->size = 0;
    CHECK_OK(bt_record_encode(rec, body, &err), &err);
    bt_record_clear(rec);
}

/* A record in a format, or in none that there is. */
static void put_record(struct shard *s, int format)
{
    struct bt_record *rec = bt_record_new();
    struct bt_buf body = { 0 };
    struct bt_err err = { 0 };
    uint8_t key[BT_NUMBER_KEY], id_key[BT_ID_KEY], length[4], number[8], packed[4096];
    char id[20];

    snprintf(id, sizeof id, "number %d", (int)s->n);
    CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
    CHECK_OK(bt_record_set_str(rec, "text", dict, strlen(dict), &err), &err);
    encode(rec, &body);
    bt_number_key(key, 'R', s->n);
    for (int i = 0; i < 4; i++)
        length[i] = (uint8_t)(body.size >> (24 - 8 * i));
    bt_xxh64_add(s->content, key, sizeof key);
    bt_xxh64_add(s->content, length, sizeof length);
    bt_xxh64_add(s->content, body.data, body.size);
    if (format == BT_FORMAT_ZSTD || format == BT_FORMAT_DICT) {
        ZSTD_CCtx *zstd = ZSTD_createCCtx();
        size_t size = ZSTD_compress_usingDict(zstd, packed, sizeof packed, body.data, body.size, dict,
                                              format == BT_FORMAT_DICT ? sizeof dict : 0, 3);

        CHECK(!ZSTD_isError(size));
        put(s, key, sizeof key, format, packed, size);
        ZSTD_freeCCtx(zstd);
    } else {
        put(s, key, sizeof key, format, body.data, body.size);
    }
    bt_id_key(id_key, id, strlen(id));
    bt_put_u64(number, s->n++);
    put(s, id_key, sizeof id_key, BT_FORMAT_RAW, number, sizeof number);
    bt_buf_free(&body);
    bt_record_free(rec);
}

static void end(struct shard *s)
{
    struct bt_record *rec = bt_record_new();
    struct bt_buf body = { 0 };
    struct bt_err err = { 0 };
    uint8_t content[8];

    CHECK_OK(bt_record_set_int(rec, "bt_shard", 1, &err), &err);
    CHECK_OK(bt_record_set_str(rec, "schema", "bt.sample/1", 11, &err), &err);
    encode(rec, &body);
    put(s, BT_KEY_HEADER, BT_NAME_KEY, BT_FORMAT_MSGPACK, body.data, body.size);
    bt_put_u64(content, bt_xxh64_value(s->content));
    CHECK_OK(bt_record_set_int(rec, "n", (int64_t)s->n, &err), &err);
    CHECK_OK(bt_record_set_int(rec, "rejects", 0, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "content", content, sizeof content, &err), &err);
    CHECK_OK(bt_record_set_bool(rec, "complete", true, &err), &err);
    encode(rec, &body);
    put(s, BT_KEY_END, BT_NAME_KEY, BT_FORMAT_MSGPACK, body.data, body.size);
    CHECK(mdb_txn_commit(s->txn) == 0);
    mdb_env_close(s->env);
    bt_xxh64_free(s->content);
    bt_buf_free(&body);
    bt_record_free(rec);
}

/* Reads and verifies a shard by itself; *n: records that were as they must be. */
static int read_shard(const char *path, bool salvage, int *n, struct bt_err *err)
{
    struct bt_reader_options options = { .salvage = salvage };
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    int rc = bt_reader_open(&r, path, &options, err);

    *n = 0;
    while (!rc) {
        rc = bt_reader_next(r, rec, err);
        *n += !rc && bt_value_is(bt_record_get(rec, "text"), dict);
    }
    if (rc == BT_END)
        rc = bt_reader_verify(r, err);
    bt_reader_close(r);
    bt_record_free(rec);
    return rc;
}

static void test_all_formats(void)
{
    struct bt_err err = { 0 };
    struct shard s;
    int n;

    begin(&s, scratch("good.mdb"));
    put(&s, BT_KEY_DICT, 5, BT_FORMAT_RAW, dict, sizeof dict);
    for (int format = BT_FORMAT_MSGPACK; format <= BT_FORMAT_DICT; format++)
        put_record(&s, format);
    end(&s);
    CHECK_OK(read_shard(scratch("good.mdb"), false, &n, &err), &err);
    CHECK_INT(n, 3);
    CHECK_OK(read_shard(scratch("good.mdb"), true, &n, &err), &err);
    CHECK_INT(n, 3);
}

static void read_bad(int format, bool with_dict, int status, const char *says)
{
    struct bt_err err = { 0 };
    struct shard s;
    int n;

    unlink(scratch("bad.mdb"));
    begin(&s, scratch("bad.mdb"));
    if (with_dict)
        put(&s, BT_KEY_DICT, 5, BT_FORMAT_RAW, "another dictionary", 18);
    put_record(&s, BT_FORMAT_MSGPACK);
    put_record(&s, format);
    end(&s);
    CHECK_INT(read_shard(scratch("bad.mdb"), false, &n, &err), status);
    CHECK(strstr(err.text, says) != NULL);
    CHECK_INT(n, 1);
    CHECK_INT(read_shard(scratch("bad.mdb"), true, &n, NULL), BT_OK);
    CHECK_INT(n, 1);
}

static void test_bad_formats(void)
{
    read_bad(BT_FORMAT_RAW, false, BT_ERR_SHARD, "is bytes where a record must be");
    read_bad(4, false, BT_ERR_SHARD, "has a format that this build does not know");
    read_bad(BT_FORMAT_DICT, false, BT_ERR_SHARD, "needs a dictionary");
    read_bad(BT_FORMAT_DICT, true, BT_ERR_ZSTD, "bad.mdb");
}

int main(void)
{
    scratch_begin();
    RUN(test_all_formats);
    RUN(test_bad_formats);
    scratch_end();
    return test_end();
}
