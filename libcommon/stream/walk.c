/* The check of a msgpack value, and its nodes: see walk.h. */
#include "libcommon/stream/walk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/stream/record_private.h"

struct walk {
    const uint8_t *start, *p, *end;
    int depth;
    msgpack_zone *zone; /* where nodes are made; NULL: none are */
    bool shortest;      /* all so far is encoded as a writer would encode it */
    struct bt_err *err;
};

struct key {
    const char *data;
    size_t size;
};

enum { FEW_KEYS = 24 }; /* compared pairwise; more are sorted */

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* Most text is, and then a word at a time tells; the last word may overlap the one before. */
static bool is_ascii(const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    uint64_t all = 0;

    if (size >= 8) {
        all = word_at(end - 8);
        for (; end - p > 32; p += 32)
            all |= word_at(p) | word_at(p + 8) | word_at(p + 16) | word_at(p + 24);
        for (; end - p > 8; p += 8)
            all |= word_at(p);
    } else {
        while (p < end)
            all |= *p++;
    }
    return (all & 0x8080808080808080u) == 0;
}

bool bt_utf8_valid(const void *text, size_t size)
{
    const uint8_t *p = text, *end = p + size;

    if (is_ascii(p, size))
        return true;
    while (p < end) {
        uint32_t c = *p++;
        int more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;

        if (more < 0 || end - p < more)
            return false;
        if (more == 0)
            continue;
        c &= 0x3Fu >> more;
        for (int i = 0; i < more; i++, p++) {
            if ((*p & 0xC0) != 0x80)
                return false;
            c = c << 6 | (*p & 0x3F);
        }
        if ((more == 2 && (c < 0x800 || (c >= 0xD800 && c < 0xE000))) ||
            (more == 3 && (c < 0x10000 || c > 0x10FFFF)))
            return false;
    }
    return true;
}

__attribute__((cold)) static int bad(struct walk *w, const char *what)
{
    return bt_fail(w->err, BT_ERR_BT_BODY,
                   "byte %zu of the body: %s; the data is damaged or was not written by bt",
                   (size_t)(w->p - w->start), what);
}

__attribute__((cold)) static int over(struct walk *w, const char *what, uint64_t limit)
{
    return bt_fail(w->err, BT_ERR_LIMIT, "byte %zu of the body: more than %llu %s; split the record",
                   (size_t)(w->p - w->start), (unsigned long long)limit, what);
}

static uint64_t left(const struct walk *w)
{
    return (uint64_t)(w->end - w->p);
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static int number(struct walk *w, size_t bytes, uint64_t *value)
{
    uint64_t v;

    if (left(w) < bytes)
        return bad(w, "the value is cut");
    v = *w->p++;
    while (--bytes > 0)
        v = v << 8 | *w->p++;
    *value = v;
    return BT_OK;
}

/* A length, of which less than `least` fits a shorter form. */
static int length(struct walk *w, size_t bytes, uint64_t least, uint64_t *value)
{
    int rc = number(w, bytes, value);

    w->shortest = w->shortest && *value >= least;
    return rc;
}

static void set_integer(msgpack_object *o, int64_t value)
{
    o->type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    o->via.i64 = value;
}

static int integer(struct walk *w, size_t bytes, bool is_signed, msgpack_object *o)
{
    uint64_t v = 0;
    int rc = number(w, bytes, &v), unused = 64 - 8 * (int)bytes;

    if (rc)
        return rc;
    int64_t s = is_signed ? (int64_t)(v << unused) >> unused : (int64_t)v;
    if (is_signed ? (s > BT_MAX_INTEGER || s < -BT_MAX_INTEGER) : v > (uint64_t)BT_MAX_INTEGER)
        return bad(w, "an integer beyond 2^53-1");
    int64_t limit = bytes == 1 ? (is_signed ? 32 : 128) : INT64_C(1) << (8 * (bytes / 2) - is_signed);
    w->shortest = w->shortest && (is_signed ? s < -limit : s >= limit);
    set_integer(o, s);
    return BT_OK;
}

/* Readers accept float 32, writers never write it: it becomes a float 64. */
static int real(struct walk *w, size_t bytes, msgpack_object *o)
{
    uint64_t v = 0;
    int rc = number(w, bytes, &v);
    uint32_t half = (uint32_t)v;
    float single;

    o->type = MSGPACK_OBJECT_FLOAT64;
    memcpy(&single, &half, 4);
    w->shortest = w->shortest && bytes == 8;
    if (bytes == 4)
        o->via.f64 = single;
    else
        memcpy(&o->via.f64, &v, 8);
    return rc;
}

static int bytes_of(struct walk *w, uint64_t size, bool is_text, msgpack_object *o)
{
    if (size > left(w))
        return bad(w, "a string longer than the bytes left");
    if (is_text && size > BT_MAX_STRING)
        return over(w, "bytes in a string", BT_MAX_STRING);
    if (is_text && !bt_utf8_valid(w->p, size))
        return bad(w, "a string that is not UTF-8");
    o->type = is_text ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN;
    o->via.str.ptr = (const char *)w->p; /* bin has the same layout */
    o->via.str.size = (uint32_t)size;
    w->p += size;
    return BT_OK;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->size == b->size && a->data[0] == b->data[0] && memcmp(a->data, b->data, a->size) == 0;
}

static int key_order(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return memcmp(x->data, y->data, x->size);
}

static int check_unique(struct walk *w, struct key *keys, size_t count)
{
    if (count > FEW_KEYS)
        qsort(keys, count, sizeof *keys, key_order);
    for (size_t i = 1; i < count; i++)
        for (size_t j = count > FEW_KEYS ? i - 1 : 0; j < i; j++)
            if (same_key(&keys[i], &keys[j]))
                return bt_fail(w->err, BT_ERR_BT_DUPKEY,
                               "a map has the key '%s' twice; whoever wrote it must keep one",
                               bt_quote(keys[i].data, keys[i].size));
    return BT_OK;
}

static int map_key(struct walk *w, msgpack_object *key)
{
    uint64_t size = 0;
    int rc;

    if (left(w) < 1)
        return bad(w, "a map is cut");
    uint8_t tag = *w->p++;
    if (tag >= 0xA0 && tag <= 0xBF) {
        size = tag & 0x1F;
    } else if (tag >= 0xD9 && tag <= 0xDB) {
        rc = length(w, (size_t)1 << (tag - 0xD9), tag == 0xD9 ? 32 : 256, &size);
        if (rc)
            return rc;
    } else {
        return bad(w, "a map key that is not a string");
    }
    if (size < 1 || size > BT_MAX_KEY)
        return bad(w, "a map key that is not 1 to 64 bytes long");
    return bytes_of(w, size, true, key);
}

static int value(struct walk *w, msgpack_object *o);

/* Room for the children of a node. Their number is no larger than that of the bytes left. */
static int nodes(struct walk *w, uint64_t count, size_t size, void *made)
{
    void *memory = w->zone && count > 0 ? msgpack_zone_malloc(w->zone, count * size) : NULL;

    memcpy(made, &memory, sizeof memory);
    if (w->zone && count > 0 && !memory)
        return bt_fail(w->err, BT_ERR_MEMORY,
                       "out of memory for a record; use smaller records or a larger machine");
    return BT_OK;
}

/* One of 64 bits; equal keys have the same. */
static uint64_t bit_of(const struct key *key)
{
    return UINT64_C(1) << ((key->size * 7 + (uint8_t)key->data[0] * 5 + (uint8_t)key->data[key->size - 1]) % 64);
}

static int pairs(struct walk *w, uint64_t count, struct key *keys, msgpack_object_kv *made)
{
    msgpack_object_kv unkept;
    uint64_t seen = 0;
    bool repeated = false; /* a bit is, so that a key may be */
    int rc = BT_OK;

    w->depth++;
    for (uint64_t i = 0; !rc && i < count; i++) {
        msgpack_object_kv *pair = made ? &made[i] : &unkept;

        rc = map_key(w, &pair->key);
        if (rc)
            break;
        keys[i] = (struct key){ pair->key.via.str.ptr, pair->key.via.str.size };
        repeated = repeated || (seen & bit_of(&keys[i]));
        seen |= bit_of(&keys[i]);
        rc = value(w, &pair->val);
    }
    w->depth--;
    return rc || !repeated ? rc : check_unique(w, keys, count);
}

static int map(struct walk *w, uint64_t count, msgpack_object *o)
{
    struct key few[FEW_KEYS], *keys = few;

    if (count > left(w) / 2)
        return bad(w, "a map with more pairs than bytes left");
    if (count > BT_MAX_KEYS)
        return over(w, "keys in a map", BT_MAX_KEYS);
    if (w->depth == BT_MAX_DEPTH)
        return bad(w, "nested deeper than 16");
    o->type = MSGPACK_OBJECT_MAP;
    o->via.map.size = (uint32_t)count;
    int rc = nodes(w, count, sizeof *o->via.map.ptr, &o->via.map.ptr);
    if (!rc && count > FEW_KEYS) {
        keys = bt_alloc(count, sizeof *keys, w->err);
        rc = keys ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc)
        rc = pairs(w, count, keys, o->via.map.ptr);
    if (keys != few)
        free(keys);
    return rc;
}

static int array(struct walk *w, uint64_t count, msgpack_object *o)
{
    msgpack_object unkept;

    if (count > left(w))
        return bad(w, "an array with more elements than bytes left");
    if (count > BT_MAX_ELEMENTS)
        return over(w, "elements in an array", BT_MAX_ELEMENTS);
    if (w->depth == BT_MAX_DEPTH)
        return bad(w, "nested deeper than 16");
    o->type = MSGPACK_OBJECT_ARRAY;
    o->via.array.size = (uint32_t)count;
    int rc = nodes(w, count, sizeof *o->via.array.ptr, &o->via.array.ptr);
    w->depth++;
    for (uint64_t i = 0; !rc && i < count; i++)
        rc = value(w, o->via.array.ptr ? &o->via.array.ptr[i] : &unkept);
    w->depth--;
    return rc;
}

/* What one byte says: small integers, nil, false, true. */
static int small(uint8_t tag, msgpack_object *o)
{
    if (tag < 0x80 || tag >= 0xE0) {
        set_integer(o, (int8_t)tag);
    } else {
        o->type = tag == 0xC0 ? MSGPACK_OBJECT_NIL : MSGPACK_OBJECT_BOOLEAN;
        o->via.boolean = tag == 0xC3;
    }
    return BT_OK;
}

static int value(struct walk *w, msgpack_object *o)
{
    uint64_t n = 0;
    int rc = BT_OK;

    if (left(w) < 1)
        return bad(w, "a value is missing");
    uint8_t tag = *w->p++;
    if (tag < 0x80 || tag >= 0xE0 || tag == 0xC0 || tag == 0xC2 || tag == 0xC3)
        return small(tag, o);
    if (tag < 0x90)
        return map(w, tag & 0x0F, o);
    if (tag < 0xA0)
        return array(w, tag & 0x0F, o);
    if (tag < 0xC0)
        return bytes_of(w, tag & 0x1F, true, o);
    if (tag == 0xD9) { /* captions are these; foreseen more easily than a place in a table */
        rc = length(w, 1, 32, &n);
        return rc ? rc : bytes_of(w, n, true, o);
    }
    switch (tag) {
    case 0xC4: case 0xC5: case 0xC6: /* bin 8, 16, 32 */
        rc = length(w, (size_t)1 << (tag - 0xC4), tag == 0xC4 ? 0 : tag == 0xC5 ? 256 : 65536, &n);
        return rc ? rc : bytes_of(w, n, false, o);
    case 0xCA: case 0xCB: /* float 32, 64 */
        return real(w, tag == 0xCA ? 4 : 8, o);
    case 0xCC: case 0xCD: case 0xCE: case 0xCF: /* unsigned 8 to 64 */
        return integer(w, (size_t)1 << (tag - 0xCC), false, o);
    case 0xD0: case 0xD1: case 0xD2: case 0xD3: /* signed 8 to 64 */
        return integer(w, (size_t)1 << (tag - 0xD0), true, o);
    case 0xDA: case 0xDB: /* str 16, 32 */
        rc = length(w, (size_t)1 << (tag - 0xD9), tag == 0xDA ? 256 : 65536, &n);
        return rc ? rc : bytes_of(w, n, true, o);
    case 0xDC: case 0xDD: /* array 16, 32 */
        rc = length(w, tag == 0xDC ? 2 : 4, tag == 0xDC ? 16 : 65536, &n);
        return rc ? rc : array(w, n, o);
    case 0xDE: case 0xDF: /* map 16, 32 */
        rc = length(w, tag == 0xDE ? 2 : 4, tag == 0xDE ? 16 : 65536, &n);
        return rc ? rc : map(w, n, o);
    default:
        return bad(w, "a type outside the subset (ext, or 0xC1)");
    }
}

int bt_build(msgpack_zone *zone, const void *data, size_t size, msgpack_object *root, bool *shortest,
             struct bt_err *err)
{
    struct walk w = { data, data, (const uint8_t *)data + size, 0, zone, true, err };
    int rc = value(&w, root);

    if (!rc && w.p != w.end)
        rc = bad(&w, "something behind the value");
    if (shortest)
        *shortest = w.shortest;
    return rc;
}

int bt_walk(const void *data, size_t size, struct bt_err *err)
{
    msgpack_object unkept;

    return bt_build(NULL, data, size, &unkept, NULL, err);
}
