/* Records: fields over decoded msgpack, changed in place. */
#include "libcommon/stream/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/stream/record_private.h"
#include "libcommon/stream/walk.h"

static int no_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for a record; use smaller records or a larger machine");
}

struct bt_record *bt_record_new(void)
{
    struct bt_record *rec = calloc(1, sizeof *rec);

    if (rec)
        rec->zone = msgpack_zone_new(8192);
    if (rec && !rec->zone) {
        free(rec);
        rec = NULL;
    }
    return rec;
}

void bt_record_clear(struct bt_record *rec)
{
    msgpack_zone_clear(rec->zone);
    rec->count = 0;
    rec->body.size = 0;
    rec->packed.size = 0;
    rec->building = NULL;
    rec->failed = false;
}

size_t bt_record_bytes(const struct bt_record *rec)
{
    return rec->body.size;
}

void bt_record_free(struct bt_record *rec)
{
    if (!rec)
        return;
    msgpack_zone_free(rec->zone);
    bt_buf_free(&rec->body);
    bt_buf_free(&rec->packed);
    free(rec->fields);
    free(rec);
}

/* A field's bytes go from its key's head to that of the next key, where the last one's end with the body. */
static void note_raw(struct bt_field *fields, uint64_t count, const char *end)
{
    for (uint64_t i = count; i-- > 0;) {
        struct bt_field *field = &fields[i];

        field->raw = field->key - (field->key_size < 32 ? 1 : 2);
        field->raw_size = (uint32_t)(end - field->raw);
        end = field->raw;
    }
}

/* The fields of the body, of which `skip` bytes stand before the map. */
static int decode(struct bt_record *rec, size_t skip, struct bt_err *err)
{
    msgpack_object root;
    bool shortest;
    int rc = bt_build(rec->zone, rec->body.data + skip, rec->body.size - skip, &root, &shortest, err);

    if (!rc && root.type != MSGPACK_OBJECT_MAP)
        rc = bt_fail(err, BT_ERR_BT_BODY,
                     "the body is not a map; the data is damaged or was not written by bt");
    if (!rc)
        rc = bt_grow(&rec->fields, &rec->capacity, root.via.map.size, sizeof *rec->fields, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < root.via.map.size; i++) {
        const msgpack_object_kv *pair = &root.via.map.ptr[i];

        rec->fields[i] = (struct bt_field){ .key = pair->key.via.str.ptr,
                                            .key_size = pair->key.via.str.size,
                                            .value = pair->val };
    }
    rec->count = root.via.map.size;
    if (shortest)
        note_raw(rec->fields, rec->count, rec->body.data + rec->body.size);
    return BT_OK;
}

int bt_record_decode(struct bt_record *rec, const void *body, size_t size, struct bt_err *err)
{
    bt_record_clear(rec);
    int rc = bt_buf_add(&rec->body, body, size, err);
    return rc ? rc : decode(rec, 0, err);
}

char *bt_record_room(struct bt_record *rec, size_t size, struct bt_err *err)
{
    bt_record_clear(rec);
    return bt_grow(&rec->body.data, &rec->body.capacity, size, 1, err) ? NULL : rec->body.data;
}

int bt_record_decode_room(struct bt_record *rec, size_t offset, size_t size, struct bt_err *err)
{
    rec->body.size = offset + size;
    return decode(rec, offset, err);
}

int bt_record_take(struct bt_record *rec, struct bt_buf *buf, size_t skip, struct bt_err *err)
{
    struct bt_buf own = rec->body;

    bt_record_clear(rec);
    rec->body = *buf;
    *buf = own;
    return decode(rec, skip, err);
}

/* ---- writing ---- */

struct target {
    struct bt_buf *buf;
    struct bt_err *err;
};

static int put_bytes(void *data, const char *bytes, size_t size)
{
    struct target *t = data;
    struct bt_buf *buf = t->buf;

    if (size == 0)
        return 0;
    if (size >= buf->capacity - buf->size) /* no room for the NUL */
        return bt_buf_add(buf, bytes, size, t->err) ? -1 : 0; /* msgpack takes no other for a failure */
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = 0;
    return 0;
}

static int put_key(msgpack_packer *pk, const char *key, size_t size)
{
    return msgpack_pack_str(pk, size) || msgpack_pack_str_body(pk, key, size);
}

static bool is_number(const struct bt_field *field)
{
    return field->key_size == 1 && field->key[0] == 'n';
}

static int encode(const struct bt_record *rec, const uint64_t *n, struct bt_buf *buf, struct bt_err *err)
{
    struct target target = { buf, err };
    msgpack_packer pk;
    size_t count = n ? 1 : 0;
    int bad = 0;

    for (uint64_t i = 0; i < rec->count; i++)
        count += !(n && is_number(&rec->fields[i]));
    msgpack_packer_init(&pk, &target, put_bytes);
    bad |= msgpack_pack_map(&pk, count);
    if (n)
        bad |= put_key(&pk, "n", 1) || msgpack_pack_uint64(&pk, *n);
    for (uint64_t i = 0; !bad && i < rec->count; i++) {
        const struct bt_field *field = &rec->fields[i];

        if (n && is_number(field))
            continue;
        if (field->raw)
            bad |= put_bytes(&target, field->raw, field->raw_size);
        else
            bad |= put_key(&pk, field->key, field->key_size) || msgpack_pack_object(&pk, field->value);
    }
    return bad ? no_memory(err) : BT_OK;
}

int bt_record_encode(const struct bt_record *rec, struct bt_buf *buf, struct bt_err *err)
{
    return encode(rec, NULL, buf, err);
}

int bt_record_encode_numbered(const struct bt_record *rec, uint64_t n, struct bt_buf *buf, struct bt_err *err)
{
    return encode(rec, &n, buf, err);
}

/* ---- setting ---- */

char *bt_record_keep(struct bt_record *rec, const void *data, size_t size, struct bt_err *err)
{
    char *copy = msgpack_zone_malloc_no_align(rec->zone, size ? size : 1);

    if (!copy)
        no_memory(err);
    else if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static struct bt_field *find(const struct bt_record *rec, const char *key, size_t key_size)
{
    for (uint64_t i = 0; i < rec->count; i++)
        if (rec->fields[i].key_size == key_size && memcmp(rec->fields[i].key, key, key_size) == 0)
            return &rec->fields[i];
    return NULL;
}

struct bt_field *bt_record_place(struct bt_record *rec, const char *key, size_t key_size, struct bt_err *err)
{
    struct bt_field *field = find(rec, key, key_size);

    if (field) {
        field->raw = NULL;
        return field;
    }
    if (bt_grow(&rec->fields, &rec->capacity, rec->count + 1, sizeof *rec->fields, err))
        return NULL;
    const char *kept = bt_record_keep(rec, key, key_size, err);
    if (!kept)
        return NULL;
    field = &rec->fields[rec->count++];
    *field = (struct bt_field){ .key = kept, .key_size = (uint32_t)key_size, .value.type = MSGPACK_OBJECT_NIL };
    return field;
}

static int set(struct bt_record *rec, const char *key, msgpack_object value, struct bt_err *err)
{
    struct bt_field *field = bt_record_place(rec, key, strlen(key), err);

    if (!field)
        return BT_ERR_MEMORY;
    field->value = value;
    return BT_OK;
}

int bt_record_set_str(struct bt_record *rec, const char *key, const char *data, size_t size,
                      struct bt_err *err)
{
    msgpack_object o = { .type = MSGPACK_OBJECT_STR };

    if (size > BT_MAX_STRING)
        return bt_fail(err, BT_ERR_LIMIT, "field '%s': %zu bytes of text; at most 16 MiB fit into a record",
                       key, size);
    if (!bt_utf8_valid(data, size))
        return bt_fail(err, BT_ERR_UTF8, "field '%s': '%s' is not UTF-8; convert it first", key,
                       bt_quote(data, size));
    o.via.str.ptr = bt_record_keep(rec, data, size, err);
    o.via.str.size = (uint32_t)size;
    return o.via.str.ptr ? set(rec, key, o, err) : BT_ERR_MEMORY;
}

int bt_record_set_bin(struct bt_record *rec, const char *key, const void *data, size_t size,
                      struct bt_err *err)
{
    msgpack_object o = { .type = MSGPACK_OBJECT_BIN };

    if (size > BT_MAX_RECORD)
        return bt_fail(err, BT_ERR_LIMIT, "field '%s': %zu bytes; at most 64 MiB fit into a record", key,
                       size);
    o.via.bin.ptr = bt_record_keep(rec, data, size, err);
    o.via.bin.size = (uint32_t)size;
    return o.via.bin.ptr ? set(rec, key, o, err) : BT_ERR_MEMORY;
}

int bt_record_set_int(struct bt_record *rec, const char *key, int64_t value, struct bt_err *err)
{
    msgpack_object o = { .type =
                             value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER };

    if (value > BT_MAX_INTEGER || value < -BT_MAX_INTEGER)
        return bt_fail(err, BT_ERR_BT_BODY, "field '%s': %lld is beyond 2^53-1; store it as a string", key,
                       (long long)value);
    o.via.i64 = value;
    return set(rec, key, o, err);
}

int bt_record_set_float(struct bt_record *rec, const char *key, double value, struct bt_err *err)
{
    msgpack_object o = { .type = MSGPACK_OBJECT_FLOAT64 };

    o.via.f64 = isnan(value) ? (double)NAN : value; /* one NaN, so that the JSON twin gives its bytes back */
    return set(rec, key, o, err);
}

int bt_record_set_bool(struct bt_record *rec, const char *key, bool value, struct bt_err *err)
{
    msgpack_object o = { .type = MSGPACK_OBJECT_BOOLEAN };

    o.via.boolean = value;
    return set(rec, key, o, err);
}

/* A deep copy goes through bytes: what is packed is checked and unpacked like everything else. */
int bt_record_set_pair(struct bt_record *rec, const char *key, size_t key_size, struct bt_value value,
                       struct bt_err *err)
{
    struct bt_buf bytes = { 0 };
    struct target target = { &bytes, err };
    msgpack_packer pk;
    msgpack_object object;
    char *kept = NULL;
    int rc = BT_OK;

    msgpack_packer_init(&pk, &target, put_bytes);
    if (value.node ? msgpack_pack_object(&pk, *(const msgpack_object *)value.node) : msgpack_pack_nil(&pk))
        rc = no_memory(err);
    if (!rc && !(kept = bt_record_keep(rec, bytes.data, bytes.size, err)))
        rc = BT_ERR_MEMORY;
    if (!rc)
        rc = bt_build(rec->zone, kept, bytes.size, &object, NULL, err);
    struct bt_field *field = rc ? NULL : bt_record_place(rec, key, key_size, err);
    if (field)
        field->value = object;
    bt_buf_free(&bytes);
    return rc ? rc : field ? BT_OK : BT_ERR_MEMORY;
}

int bt_record_set_value(struct bt_record *rec, const char *key, struct bt_value v, struct bt_err *err)
{
    return bt_record_set_pair(rec, key, strlen(key), v, err);
}

int bt_record_set_array(struct bt_record *rec, const char *key, const char *dtype, int rank,
                        const int64_t *shape, const void *data, size_t bytes, struct bt_err *err)
{
    bt_record_begin(rec, key);
    bt_pack_map(rec, 3);
    bt_pack_str(rec, "dt", 2);
    bt_pack_str(rec, dtype, strlen(dtype));
    bt_pack_str(rec, "sh", 2);
    bt_pack_array(rec, (size_t)rank);
    for (int i = 0; i < rank; i++)
        bt_pack_int(rec, shape[i]);
    bt_pack_str(rec, "d", 1);
    bt_pack_bin(rec, data, bytes);
    return bt_record_end(rec, err);
}

int bt_record_remove(struct bt_record *rec, const char *key, struct bt_err *err)
{
    struct bt_field *field = find(rec, key, strlen(key));

    (void)err; /* nothing that can fail; the signature is that of its siblings */
    if (field) {
        size_t behind = (size_t)(rec->fields + rec->count - field - 1);

        memmove(field, field + 1, behind * sizeof *field);
        rec->count--;
    }
    return BT_OK;
}

int bt_record_copy(struct bt_record *to, const struct bt_record *from, struct bt_err *err)
{
    struct bt_buf body = { 0 };
    int rc = bt_record_encode(from, &body, err);

    if (!rc)
        rc = bt_record_decode(to, body.data, body.size, err);
    bt_buf_free(&body);
    return rc;
}

/* ---- building nested values ---- */

void bt_record_begin(struct bt_record *rec, const char *key)
{
    rec->building = key;
    rec->packed.size = 0;
    rec->failed = false;
}

/* A packer is two pointers, so one is made for each call and none is kept. */
#define PACK(call)                                                                                           \
    do {                                                                                                     \
        struct target target = { &rec->packed, NULL };                                                       \
        msgpack_packer pk;                                                                                   \
        msgpack_packer_init(&pk, &target, put_bytes);                                                        \
        if (call)                                                                                            \
            rec->failed = true;                                                                              \
    } while (0)

void bt_pack_array(struct bt_record *rec, size_t count)
{
    PACK(msgpack_pack_array(&pk, count));
}

void bt_pack_map(struct bt_record *rec, size_t count)
{
    PACK(msgpack_pack_map(&pk, count));
}

void bt_pack_str(struct bt_record *rec, const char *data, size_t size)
{
    PACK(put_key(&pk, data, size));
}

void bt_pack_bin(struct bt_record *rec, const void *data, size_t size)
{
    PACK(msgpack_pack_bin(&pk, size) || msgpack_pack_bin_body(&pk, data, size));
}

void bt_pack_int(struct bt_record *rec, int64_t value)
{
    PACK(msgpack_pack_int64(&pk, value));
}

void bt_pack_float(struct bt_record *rec, double value)
{
    PACK(msgpack_pack_double(&pk, isnan(value) ? (double)NAN : value));
}

void bt_pack_bool(struct bt_record *rec, bool value)
{
    PACK(value ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk));
}

void bt_pack_nil(struct bt_record *rec)
{
    PACK(msgpack_pack_nil(&pk));
}

void bt_pack_i32s(struct bt_record *rec, const int32_t *data, size_t count)
{
    bt_pack_map(rec, 3);
    bt_pack_str(rec, "dt", 2);
    bt_pack_str(rec, "i32", 3);
    bt_pack_str(rec, "sh", 2);
    bt_pack_array(rec, 1);
    bt_pack_int(rec, (int64_t)count);
    bt_pack_str(rec, "d", 1);
    bt_pack_bin(rec, data, count * sizeof *data);
}

void bt_pack_value(struct bt_record *rec, struct bt_value v)
{
    PACK(v.node ? msgpack_pack_object(&pk, *(const msgpack_object *)v.node) : msgpack_pack_nil(&pk));
}

int bt_record_end(struct bt_record *rec, struct bt_err *err)
{
    struct bt_err why = { 0 };
    msgpack_object object;
    const char *key = rec->building;

    rec->building = NULL;
    if (rec->failed)
        return no_memory(err);
    const char *kept = bt_record_keep(rec, rec->packed.data, rec->packed.size, err);
    if (!kept)
        return BT_ERR_MEMORY;
    int rc = bt_build(rec->zone, kept, rec->packed.size, &object, NULL, &why);
    return rc ? bt_fail(err, rc, "field '%s': %s", key, why.text) : set(rec, key, object, err);
}
