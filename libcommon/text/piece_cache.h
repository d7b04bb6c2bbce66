/* The ids of pieces seen before: text is mostly the same few thousand pieces. Bounded; forgets everything when full, so
 * that what it answers never depends on what it holds. Source: tokenizers.md 8.1. */
#ifndef BT_TEXT_PIECE_CACHE_H
#define BT_TEXT_PIECE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

#define BT_PIECE_CACHED 64 /* bytes of the longest piece kept */

struct bt_piece_slot {
    uint64_t hash; /* 0: free */
    uint32_t at;   /* where in store: its size, the count of ids, the ids, the bytes */
};

struct bt_piece_cache {
    struct bt_piece_slot *slots;
    uint64_t used, salt;
    uint32_t *store;
    uint64_t store_size, store_capacity;
};

int bt_piece_cache_init(struct bt_piece_cache *cache, struct bt_err *err);
void bt_piece_cache_free(struct bt_piece_cache *cache);

/* piece has 1 to BT_PIECE_CACHED bytes. The ids live until the next put. */
bool bt_piece_cache_get(const struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t **ids,
                        uint64_t *count);
int bt_piece_cache_put(struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t *ids,
                       uint64_t count, struct bt_err *err);

#endif
