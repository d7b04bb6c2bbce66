/* The ids of pieces seen before: text is mostly the same few thousand pieces. Bounded; forgets everything when full, so
 * that what it answers never depends on what it holds. Source: tokenizers.md 8.1. */
#ifndef BT_TEXT_PIECE_CACHE_H
#define BT_TEXT_PIECE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

#define BT_PIECE_CACHED 64 /* bytes of the longest piece kept, and most ids of one */

struct bt_piece_key {
    uint64_t head; /* the first eight bytes of the piece; of a long one a hash */
    uint64_t rest; /* the next six and, on top, its size: never 0 */
};

/* Half a cache line, so that most pieces take one look at memory. */
struct bt_piece_slot {
    struct bt_piece_key key; /* rest 0: free. Its seventh byte is the count of ids */
    int32_t ids[4];          /* if they are more, or the piece is long: ids[0] is where in store they are, its bytes behind */
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
/* count is at most BT_PIECE_CACHED. The piece is not there yet. */
int bt_piece_cache_put(struct bt_piece_cache *cache, const char *piece, size_t size, const int32_t *ids,
                       uint64_t count, struct bt_err *err);

#endif
