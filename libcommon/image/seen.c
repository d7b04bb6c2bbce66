/* Open addressing; key 0 marks an empty place, so it counts as 1. */
#include "libcommon/image/seen.h"

#include <stdlib.h>

#include "libcommon/base/mem.h"

static struct bt_seen_entry *place(const struct bt_seen *seen, uint64_t key)
{
    uint64_t i = key & (seen->capacity - 1);

    while (seen->entries[i].key && seen->entries[i].key != key)
        i = (i + 1) & (seen->capacity - 1);
    return &seen->entries[i];
}

static int widen(struct bt_seen *seen, struct bt_err *err)
{
    struct bt_seen wider = { .capacity = seen->capacity ? 2 * seen->capacity : 1024, .count = seen->count };

    wider.entries = bt_alloc(wider.capacity, sizeof *wider.entries, err);
    if (!wider.entries)
        return err->status;
    for (uint64_t i = 0; i < seen->capacity; i++)
        if (seen->entries[i].key)
            *place(&wider, seen->entries[i].key) = seen->entries[i];
    free(seen->entries);
    *seen = wider;
    return BT_OK;
}

int bt_seen_add(struct bt_seen *seen, uint64_t key, uint64_t value, bool *found, uint64_t *before, struct bt_err *err)
{
    struct bt_seen_entry *entry;
    int rc = 2 * seen->count < seen->capacity ? BT_OK : widen(seen, err);

    if (rc)
        return rc;
    key = key ? key : 1;
    entry = place(seen, key);
    *found = entry->key != 0;
    if (*found) {
        *before = entry->value;
        return BT_OK;
    }
    *entry = (struct bt_seen_entry){ key, value };
    seen->count++;
    return BT_OK;
}

void bt_seen_free(struct bt_seen *seen)
{
    free(seen->entries);
    *seen = (struct bt_seen){ 0 };
}
