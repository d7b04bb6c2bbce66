#include "libcommon/metrics/pairs.h"

#include <stdbool.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

/* The table is larger than the caches: so many places are asked for before the first is needed. */
#define BLOCK 32

#define LEAST_SLOTS 1024

/* All that is known of a pair stands in one line of the cache. */
struct slot {
    int32_t left, right;
    int32_t number; /* -1: free */
    uint32_t hash;
};

struct table {
    struct bt_hash_key key;
    struct slot *slots;
    uint64_t slot_count; /* a power of two, at least twice `distinct` */
    int32_t distinct;
};

static struct slot *find(const struct table *t, int32_t left, int32_t right, uint32_t hash)
{
    uint64_t at = hash & (t->slot_count - 1);
    while (t->slots[at].number >= 0 && (t->slots[at].left != left || t->slots[at].right != right))
        at = (at + 1) & (t->slot_count - 1);
    return &t->slots[at];
}

static int make_slots(struct table *t, uint64_t count, struct bt_err *err)
{
    t->slots = bt_alloc_filled(count, sizeof *t->slots, 0xFF, err);
    t->slot_count = count;
    return t->slots ? BT_OK : BT_ERR_MEMORY;
}

static int grow(struct table *t, struct bt_err *err)
{
    struct slot *old = t->slots;
    const uint64_t count = t->slot_count;
    int rc = make_slots(t, count * 2, err);
    for (uint64_t i = 0; !rc && i < count; i++)
        if (old[i].number >= 0)
            *find(t, old[i].left, old[i].right, old[i].hash) = old[i];
    free(old);
    return rc;
}

static void number_block(struct table *t, const int32_t *left, const int32_t *right, size_t count, int32_t *numbers)
{
    uint32_t hashes[BLOCK];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = (uint32_t)bt_keyed_hash(t->key, (uint64_t)(uint32_t)left[i] << 32 | (uint32_t)right[i]);
        __builtin_prefetch(&t->slots[hashes[i] & (t->slot_count - 1)], 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (left[i] < 0 || right[i] < 0) {
            numbers[i] = -1;
            continue;
        }
        struct slot *slot = find(t, left[i], right[i], hashes[i]);
        if (slot->number < 0)
            *slot = (struct slot){ left[i], right[i], t->distinct++, hashes[i] };
        numbers[i] = slot->number;
    }
}

int bt_number_pairs(const int32_t *left, const int32_t *right, size_t count, int32_t *numbers, int32_t *distinct,
                    struct bt_err *err)
{
    struct table t = { .key = bt_hash_key() };
    uint64_t slot_count = LEAST_SLOTS;
    while (slot_count < count / 4) /* half of them full where one pair in eight is new */
        slot_count *= 2;
    int rc = make_slots(&t, slot_count, err);
    for (size_t i = 0, size; !rc && i < count; i += size) {
        size = count - i < BLOCK ? count - i : BLOCK;
        if (((uint64_t)t.distinct + size) * 2 > t.slot_count)
            rc = grow(&t, err);
        if (!rc)
            number_block(&t, left + i, right + i, size, numbers + i);
    }
    *distinct = t.distinct;
    free(t.slots);
    return rc;
}
