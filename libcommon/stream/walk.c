/* The check of a msgpack value: see walk.h. */
#include "libcommon/stream/walk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct walk {
    const uint8_t *start, *p, *end;
    int depth;
    struct bt_err *err;
};

struct key {
    const uint8_t *data;
    size_t size;
};

enum { FEW_KEYS = 24 }; /* compared pairwise; more are sorted */

bool bt_utf8_valid(const void *text, size_t size)
{
    const uint8_t *p = text, *end = p + size;

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

static int bad(struct walk *w, const char *what)
{
    return bt_fail(w->err, BT_ERR_BT_BODY,
                   "byte %zu of the body: %s; the data is damaged or was not written by bt",
                   (size_t)(w->p - w->start), what);
}

static int over(struct walk *w, const char *what, uint64_t limit)
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
    uint64_t v = 0;

    if (left(w) < bytes)
        return bad(w, "the value is cut");
    while (bytes-- > 0)
        v = v << 8 | *w->p++;
    *value = v;
    return BT_OK;
}

static int integer(struct walk *w, size_t bytes, bool is_signed)
{
    uint64_t v = 0;
    int rc = number(w, bytes, &v);

    if (rc || bytes < 8)
        return rc;
    int64_t s = (int64_t)v;
    if (is_signed ? (s > BT_MAX_INTEGER || s < -BT_MAX_INTEGER) : v > (uint64_t)BT_MAX_INTEGER)
        return bad(w, "an integer beyond 2^53-1");
    return BT_OK;
}

static int bytes_of(struct walk *w, uint64_t size, bool is_text)
{
    if (size > left(w))
        return bad(w, "a string longer than the bytes left");
    if (is_text && size > BT_MAX_STRING)
        return over(w, "bytes in a string", BT_MAX_STRING);
    if (is_text && !bt_utf8_valid(w->p, size))
        return bad(w, "a string that is not UTF-8");
    w->p += size;
    return BT_OK;
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
            if (key_order(&keys[i], &keys[j]) == 0)
                return bt_fail(w->err, BT_ERR_BT_DUPKEY,
                               "a map has the key '%s' twice; whoever wrote it must keep one",
                               bt_quote(keys[i].data, keys[i].size));
    return BT_OK;
}

static int map_key(struct walk *w, struct key *key)
{
    uint64_t size = 0;
    int rc;

    if (left(w) < 1)
        return bad(w, "a map is cut");
    uint8_t tag = *w->p++;
    if (tag >= 0xA0 && tag <= 0xBF) {
        size = tag & 0x1F;
    } else if (tag >= 0xD9 && tag <= 0xDB) {
        rc = number(w, (size_t)1 << (tag - 0xD9), &size);
        if (rc)
            return rc;
    } else {
        return bad(w, "a map key that is not a string");
    }
    if (size < 1 || size > BT_MAX_KEY)
        return bad(w, "a map key that is not 1 to 64 bytes long");
    key->data = w->p;
    key->size = size;
    return bytes_of(w, size, true);
}

static int value(struct walk *w);

static int map(struct walk *w, uint64_t count)
{
    struct key few[FEW_KEYS], *keys = few;
    int rc = BT_OK;

    if (count > left(w) / 2)
        return bad(w, "a map with more pairs than bytes left");
    if (count > BT_MAX_KEYS)
        return over(w, "keys in a map", BT_MAX_KEYS);
    if (w->depth == BT_MAX_DEPTH)
        return bad(w, "nested deeper than 16");
    if (count > FEW_KEYS) {
        keys = bt_alloc(count, sizeof *keys, w->err);
        if (!keys)
            return BT_ERR_MEMORY;
    }
    w->depth++;
    for (uint64_t i = 0; !rc && i < count; i++) {
        rc = map_key(w, &keys[i]);
        if (!rc)
            rc = value(w);
    }
    w->depth--;
    if (!rc)
        rc = check_unique(w, keys, count);
    if (keys != few)
        free(keys);
    return rc;
}

static int array(struct walk *w, uint64_t count)
{
    int rc = BT_OK;

    if (count > left(w))
        return bad(w, "an array with more elements than bytes left");
    if (count > BT_MAX_ELEMENTS)
        return over(w, "elements in an array", BT_MAX_ELEMENTS);
    if (w->depth == BT_MAX_DEPTH)
        return bad(w, "nested deeper than 16");
    w->depth++;
    for (uint64_t i = 0; !rc && i < count; i++)
        rc = value(w);
    w->depth--;
    return rc;
}

static int value(struct walk *w)
{
    uint64_t n = 0;
    int rc = BT_OK;

    if (left(w) < 1)
        return bad(w, "a value is missing");
    uint8_t tag = *w->p++;
    if (tag < 0x80 || tag >= 0xE0 || tag == 0xC0 || tag == 0xC2 || tag == 0xC3)
        return BT_OK; /* small integers, nil, false, true */
    if (tag < 0x90)
        return map(w, tag & 0x0F);
    if (tag < 0xA0)
        return array(w, tag & 0x0F);
    if (tag < 0xC0)
        return bytes_of(w, tag & 0x1F, true);
    switch (tag) {
    case 0xC4: case 0xC5: case 0xC6: /* bin 8, 16, 32 */
        rc = number(w, (size_t)1 << (tag - 0xC4), &n);
        return rc ? rc : bytes_of(w, n, false);
    case 0xCA: case 0xCB: /* float 32, 64 */
        return number(w, tag == 0xCA ? 4 : 8, &n);
    case 0xCC: case 0xCD: case 0xCE: case 0xCF: /* unsigned 8 to 64 */
        return integer(w, (size_t)1 << (tag - 0xCC), false);
    case 0xD0: case 0xD1: case 0xD2: case 0xD3: /* signed 8 to 64 */
        return integer(w, (size_t)1 << (tag - 0xD0), true);
    case 0xD9: case 0xDA: case 0xDB: /* str 8, 16, 32 */
        rc = number(w, (size_t)1 << (tag - 0xD9), &n);
        return rc ? rc : bytes_of(w, n, true);
    case 0xDC: case 0xDD: /* array 16, 32 */
        rc = number(w, tag == 0xDC ? 2 : 4, &n);
        return rc ? rc : array(w, n);
    case 0xDE: case 0xDF: /* map 16, 32 */
        rc = number(w, tag == 0xDE ? 2 : 4, &n);
        return rc ? rc : map(w, n);
    default:
        return bad(w, "a type outside the subset (ext, or 0xC1)");
    }
}

int bt_walk(const void *data, size_t size, struct bt_err *err)
{
    struct walk w = { data, data, (const uint8_t *)data + size, 0, err };
    int rc = value(&w);

    if (!rc && w.p != w.end)
        rc = bad(&w, "something behind the value");
    return rc;
}
