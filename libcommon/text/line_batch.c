/* Lines of text, many at a time. */
#include <string.h>

#include "libcommon/text/line_batch.h"

void bt_line_batch_free(struct bt_line_batch *b)
{
    bt_buf_free(&b->bytes);
    memset(b, 0, sizeof *b);
}

int bt_line_batch_fill(struct bt_line_batch *b, struct bt_lines *lines, struct bt_err *err)
{
    const char *line;
    size_t size;
    int rc = BT_OK;

    b->count = b->bytes.size = 0;
    b->first = bt_lines_number(lines) + 1;
    while (!rc && b->count < BT_BATCH_LINES && b->bytes.size < BT_BATCH_BYTES) {
        rc = bt_lines_next(lines, &line, &size, err);
        if (!rc)
            rc = bt_buf_add(&b->bytes, line, size + 1, err);
        if (!rc)
            b->ends[b->count++] = b->bytes.size;
    }
    return rc;
}

const char *bt_line_batch_line(const struct bt_line_batch *b, uint64_t i, size_t *size)
{
    uint64_t begin = i ? b->ends[i - 1] : 0;

    *size = (size_t)(b->ends[i] - begin - 1);
    return b->bytes.data + begin;
}
