/* Lines of text, many at a time. */
#ifndef BT_TEXT_LINE_BATCH_H
#define BT_TEXT_LINE_BATCH_H

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"

#define BT_BATCH_LINES 1024 /* at most, and no more once there are so many bytes */
#define BT_BATCH_BYTES (1 << 17)

/* Zero it to begin, free with bt_line_batch_free. */
struct bt_line_batch {
    uint64_t count, first; /* its lines are first, first + 1, ... of the file, which begins with line 1 */
    uint64_t ends[BT_BATCH_LINES];
    struct bt_buf bytes; /* of the lines, a NUL behind each */
};
void bt_line_batch_free(struct bt_line_batch *batch);

/* Replaces what it holds by the next lines. BT_END when there are no more, though some may have come; so it is when reading fails. */
int bt_line_batch_fill(struct bt_line_batch *batch, struct bt_lines *lines, struct bt_err *err);

/* Line i, 0 to count - 1, with a NUL behind it; until the next fill. */
const char *bt_line_batch_line(const struct bt_line_batch *batch, uint64_t i, size_t *size);

#endif
