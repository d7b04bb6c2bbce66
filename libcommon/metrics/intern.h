/* Strings numbered 0, 1, 2, ... in order of first appearance: words, ids and type names become array indices.
 * The table is keyed per process (formats.md 11); numbers never depend on the key. */
#ifndef BT_METRICS_INTERN_H
#define BT_METRICS_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* Borrowed UTF-8, no NUL behind it; may hold any byte. */
struct bt_text {
    const char *data;
    size_t size;
};

struct bt_intern;

struct bt_intern *bt_intern_new(void); /* NULL when out of memory */
/* The number of `text`, which is copied when it is new. E_MEMORY; E_LIMIT beyond 2^30 strings. */
int bt_intern_add(struct bt_intern *in, struct bt_text text, int32_t *number, struct bt_err *err);
int32_t bt_intern_find(const struct bt_intern *in, struct bt_text text); /* -1: not there */
int32_t bt_intern_count(const struct bt_intern *in);
struct bt_text bt_intern_text(const struct bt_intern *in, int32_t number); /* lives as long as the table */
void bt_intern_free(struct bt_intern *in);

/* A keyed 64-bit mix, for other tables over what inputs hold; the key is drawn once per process. */
struct bt_hash_key {
    uint64_t add, times;
};
struct bt_hash_key bt_hash_key(void);

static inline uint64_t bt_keyed_hash(struct bt_hash_key key, uint64_t value)
{
    unsigned __int128 product = (unsigned __int128)(value ^ key.add) * key.times;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
