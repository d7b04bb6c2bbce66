/* Token ids that grow. Zero it to begin, free with bt_ids_free. */
#ifndef BT_TEXT_IDS_H
#define BT_TEXT_IDS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct bt_ids {
    int32_t *data;
    uint64_t count, capacity;
    uint64_t whole; /* after an encode: how many there were before the cut to max_len */
};

static inline int bt_ids_push(struct bt_ids *ids, int32_t id, struct bt_err *err)
{
    if (ids->count == ids->capacity) {
        int rc = bt_grow(&ids->data, &ids->capacity, ids->count + 1, sizeof *ids->data, err);
        if (rc)
            return rc;
    }
    ids->data[ids->count++] = id;
    return BT_OK;
}

static inline int bt_ids_add(struct bt_ids *ids, const int32_t *data, uint64_t count, struct bt_err *err)
{
    if (count > ids->capacity - ids->count) {
        int rc = bt_grow(&ids->data, &ids->capacity, ids->count + count, sizeof *ids->data, err);
        if (rc)
            return rc;
    }
    if (count == 0)
        return BT_OK;
    memcpy(ids->data + ids->count, data, count * sizeof *data);
    ids->count += count;
    return BT_OK;
}

static inline void bt_ids_free(struct bt_ids *ids)
{
    free(ids->data);
    memset(ids, 0, sizeof *ids);
}

/* Appends the ids in decimal, single spaces between, and a line's end; none is negative. */
int bt_ids_print_line(const struct bt_ids *ids, struct bt_buf *out, struct bt_err *err);

/* Sets ids to the numbers of a line (a NUL behind it), which blanks separate. E_INPUT for anything that is not an id below
 * vocab_size. */
int bt_ids_parse(struct bt_ids *ids, const char *line, size_t size, int32_t vocab_size, struct bt_err *err);

#endif
