/* Values: looking into a record. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/stream/record_private.h"

struct bt_value bt_value_of(const msgpack_object *o)
{
    struct bt_value v = { .kind = BT_NIL, .node = o };

    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        v.kind = BT_BOOL;
        v.integer = o->via.boolean;
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        v.kind = BT_INT;
        v.integer = o->via.i64; /* both within 2^53-1 */
        v.number = (double)o->via.i64;
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        v.kind = BT_FLOAT;
        v.number = o->via.f64;
        break;
    case MSGPACK_OBJECT_STR:
        v.kind = BT_STR;
        v.data = o->via.str.ptr;
        v.size = o->via.str.size;
        break;
    case MSGPACK_OBJECT_BIN:
        v.kind = BT_BIN;
        v.data = o->via.bin.ptr;
        v.size = o->via.bin.size;
        break;
    case MSGPACK_OBJECT_ARRAY:
        v.kind = BT_ARRAY;
        v.size = o->via.array.size;
        break;
    case MSGPACK_OBJECT_MAP:
        v.kind = BT_MAP;
        v.size = o->via.map.size;
        break;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_EXT: /* the walk lets none in */
        break;
    }
    return v;
}

static const struct bt_value absent = { .kind = BT_ABSENT };

static bool key_is(const char *data, size_t size, const char *key)
{
    return (size == 0 || data[0] == key[0]) && strlen(key) == size && memcmp(data, key, size) == 0;
}

struct bt_value bt_record_get(const struct bt_record *rec, const char *key)
{
    for (uint64_t i = 0; i < rec->count; i++)
        if (key_is(rec->fields[i].key, rec->fields[i].key_size, key))
            return bt_value_of(&rec->fields[i].value);
    return absent;
}

size_t bt_record_field_count(const struct bt_record *rec)
{
    return rec->count;
}

static struct bt_value key_value(const char *data, size_t size)
{
    return (struct bt_value){ .kind = BT_STR, .data = data, .size = size };
}

struct bt_value bt_record_field(const struct bt_record *rec, size_t i, struct bt_value *key)
{
    if (i >= rec->count)
        return absent;
    if (key)
        *key = key_value(rec->fields[i].key, rec->fields[i].key_size);
    return bt_value_of(&rec->fields[i].value);
}

struct bt_value bt_value_at(struct bt_value array, size_t i)
{
    const msgpack_object *o = array.node;

    return array.kind == BT_ARRAY && i < array.size ? bt_value_of(&o->via.array.ptr[i]) : absent;
}

struct bt_value bt_value_pair(struct bt_value map, size_t i, struct bt_value *key)
{
    const msgpack_object *o = map.node;

    if (map.kind != BT_MAP || i >= map.size)
        return absent;
    if (key)
        *key = bt_value_of(&o->via.map.ptr[i].key);
    return bt_value_of(&o->via.map.ptr[i].val);
}

struct bt_value bt_value_member(struct bt_value map, const char *key)
{
    for (size_t i = 0; map.kind == BT_MAP && i < map.size; i++) {
        struct bt_value name, member = bt_value_pair(map, i, &name);

        if (key_is(name.data, name.size, key))
            return member;
    }
    return absent;
}

bool bt_value_is(struct bt_value v, const char *text)
{
    return v.kind == BT_STR && key_is(v.data, v.size, text);
}

bool bt_value_same(struct bt_value a, struct bt_value b)
{
    if (a.kind != b.kind || a.size != b.size || a.integer != b.integer)
        return false;
    switch (a.kind) {
    case BT_FLOAT:
        return memcmp(&a.number, &b.number, sizeof a.number) == 0;
    case BT_STR:
    case BT_BIN:
        return a.size == 0 || memcmp(a.data, b.data, a.size) == 0;
    case BT_ARRAY:
        for (size_t i = 0; i < a.size; i++)
            if (!bt_value_same(bt_value_at(a, i), bt_value_at(b, i)))
                return false;
        return true;
    case BT_MAP:
        for (size_t i = 0; i < a.size; i++) {
            struct bt_value key, x = bt_value_pair(a, i, &key), y = { .kind = BT_ABSENT };

            for (size_t j = 0; j < b.size && y.kind == BT_ABSENT; j++) {
                struct bt_value other, candidate = bt_value_pair(b, j, &other);

                if (bt_value_same(key, other))
                    y = candidate;
            }
            if (!bt_value_same(x, y))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static size_t element_size(const char *dtype)
{
    static const struct {
        const char *name;
        size_t size;
    } known[] = { { "bool", 1 }, { "u8", 1 },   { "i8", 1 },  { "u16", 2 }, { "i16", 2 },
                  { "f16", 2 },  { "bf16", 2 }, { "u32", 4 }, { "i32", 4 }, { "f32", 4 },
                  { "u64", 8 },  { "i64", 8 },  { "f64", 8 } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, dtype) == 0)
            return known[i].size;
    return 0;
}

static int not_array(struct bt_err *err, const char *why)
{
    return bt_fail(err, BT_ERR_BT_BODY, "not an array of numbers: %s; it must be {dt, sh, d}", why);
}

int bt_value_array(struct bt_value v, struct bt_array *array, struct bt_err *err)
{
    struct bt_value dtype = bt_value_member(v, "dt"), shape = bt_value_member(v, "sh"),
                    data = bt_value_member(v, "d");
    struct bt_array a = { .data = data.data, .bytes = data.size };
    uint64_t count = 1;

    if (dtype.kind != BT_STR || shape.kind != BT_ARRAY || data.kind != BT_BIN)
        return not_array(err, "a member is missing or of another type");
    if (dtype.size >= sizeof a.dtype)
        return not_array(err, "the name of its type is too long");
    memcpy(a.dtype, dtype.data, dtype.size);
    if (shape.size > sizeof a.shape / sizeof *a.shape)
        return not_array(err, "more than 8 dimensions");
    a.rank = (int)shape.size;
    for (int i = 0; i < a.rank; i++) {
        struct bt_value extent = bt_value_at(shape, (size_t)i);

        if (extent.kind != BT_INT || extent.integer < 0 ||
            !bt_mul_u64(count, (uint64_t)extent.integer, &count))
            return not_array(err, "its shape is not one of whole numbers");
        a.shape[i] = extent.integer;
    }
    size_t size = element_size(a.dtype);
    if (size && (!bt_mul_u64(count, size, &count) || count != a.bytes))
        return not_array(err, "its shape and its bytes do not agree");
    *array = a;
    return BT_OK;
}

static int needs(struct bt_err *err, const char *key, const char *what, struct bt_value v)
{
    return bt_fail(err, BT_ERR_BT_BODY, "field '%s' %s; it must be %s", key,
                   v.kind == BT_ABSENT ? "is missing" : "is of another type", what);
}

int bt_record_need_str(const struct bt_record *rec, const char *key, const char **data, size_t *size,
                       struct bt_err *err)
{
    struct bt_value v = bt_record_get(rec, key);

    if (v.kind != BT_STR)
        return needs(err, key, "a string", v);
    *data = v.data;
    *size = v.size;
    return BT_OK;
}

int bt_record_need_int(const struct bt_record *rec, const char *key, int64_t *value, struct bt_err *err)
{
    struct bt_value v = bt_record_get(rec, key);

    if (v.kind != BT_INT)
        return needs(err, key, "a whole number", v);
    *value = v.integer;
    return BT_OK;
}

struct text {
    struct bt_value value;
    size_t index;
};

static int by_text(const void *x, const void *y)
{
    const struct text *a = x, *b = y;
    int order = memcmp(a->value.data, b->value.data, a->value.size < b->value.size ? a->value.size : b->value.size);

    if (order == 0)
        order = (a->value.size > b->value.size) - (a->value.size < b->value.size);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

int bt_value_commonest(struct bt_value list, struct bt_value *commonest, struct bt_err *err)
{
    size_t count = 0, most = 0, first = 0;

    *commonest = list.kind == BT_ARRAY ? absent : list;
    if (list.kind != BT_ARRAY || list.size == 0)
        return BT_OK;
    struct text *texts = bt_alloc(list.size, sizeof *texts, err);
    if (!texts)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < list.size; i++) {
        texts[count] = (struct text){ bt_value_at(list, i), i };
        count += texts[count].value.kind == BT_STR;
    }
    qsort(texts, count, sizeof *texts, by_text);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && bt_value_same(texts[from].value, texts[to].value);)
            to++;
        if (to - from > most || (to - from == most && texts[from].index < first)) {
            most = to - from;
            first = texts[from].index;
            *commonest = texts[from].value;
        }
    }
    free(texts);
    return BT_OK;
}
