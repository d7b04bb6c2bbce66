/* What was seen before: a set of 64-bit hashes with a value each. 16 bytes an entry at most half full; grows as it must. */
#ifndef BT_IMAGE_SEEN_H
#define BT_IMAGE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"

struct bt_seen {
    struct bt_seen_entry {
        uint64_t key, value;
    } *entries;
    uint64_t capacity, count;
};

/* Adds `key` with `value`. When it is there already, *found is true and *before the value that it has. Zero it to begin. E_MEMORY. */
int bt_seen_add(struct bt_seen *seen, uint64_t key, uint64_t value, bool *found, uint64_t *before, struct bt_err *err);
void bt_seen_free(struct bt_seen *seen);

#endif
