/* The ids of pieces seen before. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libcommon/base/mem.h"
#include "libcommon/text/piece_cache.h"

#define SLOTS 65536u
#define USED_MOST 49152u
#define SHORT 14 /* bytes that fit into a key */
#define INLINE 4
#define COUNT_AT 48
#define SIZE_AT 56
#define COUNT_MASK ((uint64_t)0xFF << COUNT_AT)

/* Up to eight bytes as a number, reading none beyond them. */
static uint64_t bytes_of(const char *text, size_t size)
{
    uint64_t eight = 0;
    uint32_t first, last;

    if (size >= 8) {
        memcpy(&eight, text, 8);
        return eight;
    }
    if (size >= 4) {
        memcpy(&first, text, 4);
        memcpy(&last, text + size - 4, 4);
        return first | (uint64_t)last << 8 * (size - 4);
    }
    for (size_t i = 0; i < size; i++)
        eight |= (uint64_t)(uint8_t)text[i] << 8 * i;
    return eight;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static struct bt_piece_key key_of(const struct bt_piece_cache *cache, const char *piece, size_t size)
{
    struct bt_piece_key key = { bytes_of(piece, size), (uint64_t)size << SIZE_AT };

    if (size > SHORT) {
        key.head = cache->salt;
        for (size_t i = 0; i < size; i += 8)
            key.head = mix(key.head, bytes_of(piece + i, size - i));
    } else if (size > 8) {
        key.rest |= bytes_of(piece + 8, size - 8);
    }
    return key;
}

static uint64_t count_of(const struct bt_piece_slot *slot)
{
    return (slot->key.rest & COUNT_MASK) >> COUNT_AT;
}

static bool is_inline(size_t size, uint64_t count)
{
    return size <= SHORT && count <= INLINE;
}

/* The slot of the piece, or the free one where it would go. */
static struct bt_piece_slot *slot_of(const struct bt_piece_cache *cache, struct bt_piece_key key, const char *piece,
                                     size_t size)
{
    uint64_t at = mix(mix(cache->salt, key.head), key.rest);

    for (;; at++) {
        struct bt_piece_slot *slot = &cache->slots[at & (SLOTS - 1)];

        if (slot->key.rest == 0)
            return slot;
        if (slot->key.head != key.head || (slot->key.rest & ~COUNT_MASK) != key.rest)
            continue;
        if (size <= SHORT || memcmp(cache->store + slot->ids[0] + count_of(slot), piece, size) == 0)
            return slot;
    }
}

int bt_piece_cache_init(struct bt_piece_cache *cache, struct bt_err *err)
{
    memset(cache, 0, sizeof *cache);
    if (getrandom(&cache->salt, sizeof cache->salt, GRND_NONBLOCK) != (ssize_t)sizeof cache->salt)
        cache->salt = (uintptr_t)cache;
    cache->slots = bt_alloc(SLOTS, sizeof *cache->slots, err);
    return cache->slots ? BT_OK : BT_ERR_MEMORY;
}

void bt_piece_cache_free(struct bt_piece_cache *cache)
{
    free(cache->slots);
    free(cache->store);
    memset(cache, 0, sizeof *cache);
}

bool bt_piece_cache_get(const struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t **ids,
                        uint64_t *count)
{
    const struct bt_piece_slot *slot = slot_of(cache, key_of(cache, piece, size), piece, size);

    if (slot->key.rest == 0)
        return false;
    *count = count_of(slot);
    *ids = is_inline(size, *count) ? slot->ids : (const int32_t *)(cache->store + slot->ids[0]);
    return true;
}

/* Appends the ids and bytes to the store and says where. */
static int store(struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t *ids, uint64_t count,
                 int32_t *at, struct bt_err *err)
{
    uint64_t need = count + (size + 3) / 4;
    int rc = bt_grow(&cache->store, &cache->store_capacity, cache->store_size + need, sizeof *cache->store, err);

    if (rc)
        return rc;
    *at = (int32_t)cache->store_size; /* at most USED_MOST times 80 */
    memcpy(cache->store + cache->store_size, ids, count * sizeof *ids);
    memcpy(cache->store + cache->store_size + count, piece, size);
    cache->store_size += need;
    return BT_OK;
}

int bt_piece_cache_put(struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t *ids,
                       uint64_t count, struct bt_err *err)
{
    struct bt_piece_slot made = { .key = key_of(cache, piece, size) };
    int rc = BT_OK;

    if (cache->used == USED_MOST) {
        memset(cache->slots, 0, SLOTS * sizeof *cache->slots);
        cache->used = cache->store_size = 0;
    }
    if (is_inline(size, count))
        memcpy(made.ids, ids, count * sizeof *ids);
    else
        rc = store(cache, piece, size, ids, count, &made.ids[0], err);
    if (rc)
        return rc;
    struct bt_piece_slot *slot = slot_of(cache, made.key, piece, size);
    made.key.rest |= count << COUNT_AT;
    *slot = made;
    cache->used++;
    return BT_OK;
}
