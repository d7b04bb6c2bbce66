/* The ids of pieces seen before. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libcommon/base/mem.h"
#include "libcommon/text/piece_cache.h"

#define SLOTS 65536u
#define USED_MOST 49152u

static uint64_t hash_of(const struct bt_piece_cache *cache, const char *piece, size_t size)
{
    uint64_t h = cache->salt ^ size, word;

    for (; size >= 8; size -= 8, piece += 8) {
        memcpy(&word, piece, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    word = 0;
    memcpy(&word, piece, size);
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    return h ? h : 1;
}

/* The slot of the piece, or the free one where it would go. */
static struct bt_piece_slot *slot_of(const struct bt_piece_cache *cache, const char *piece, size_t size, uint64_t hash)
{
    for (uint64_t i = hash & (SLOTS - 1);; i = (i + 1) & (SLOTS - 1)) {
        struct bt_piece_slot *slot = &cache->slots[i];

        if (slot->hash == 0)
            return slot;
        if (slot->hash == hash) {
            const uint32_t *entry = cache->store + slot->at;

            if (entry[0] == size && memcmp(entry + 2 + entry[1], piece, size) == 0)
                return slot;
        }
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
    const struct bt_piece_slot *slot = slot_of(cache, piece, size, hash_of(cache, piece, size));

    if (slot->hash == 0)
        return false;
    *count = cache->store[slot->at + 1];
    *ids = (const int32_t *)(cache->store + slot->at + 2);
    return true;
}

int bt_piece_cache_put(struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t *ids,
                       uint64_t count, struct bt_err *err)
{
    uint64_t hash = hash_of(cache, piece, size), need = 2 + count + (size + 3) / 4;

    if (cache->used == USED_MOST) {
        memset(cache->slots, 0, SLOTS * sizeof *cache->slots);
        cache->used = cache->store_size = 0;
    }
    int rc = bt_grow(&cache->store, &cache->store_capacity, cache->store_size + need, sizeof *cache->store, err);
    if (rc)
        return rc;

    struct bt_piece_slot *slot = slot_of(cache, piece, size, hash);
    uint32_t *entry = cache->store + cache->store_size;
    entry[0] = (uint32_t)size;
    entry[1] = (uint32_t)count;
    memcpy(entry + 2, ids, count * sizeof *ids);
    memcpy(entry + 2 + count, piece, size);
    *slot = (struct bt_piece_slot){ hash, (uint32_t)cache->store_size };
    cache->store_size += need;
    cache->used++;
    return BT_OK;
}
