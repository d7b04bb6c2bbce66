/* Ids as lines of decimal numbers. */
#include "libcommon/text/ids.h"

int bt_ids_print(const struct bt_ids *ids, struct bt_buf *out, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; i < ids->count && !rc; i++) {
        uint32_t id = (uint32_t)ids->data[i];
        char digits[16];
        size_t at = sizeof digits;

        do
            digits[--at] = (char)('0' + id % 10);
        while ((id /= 10) > 0);
        if (i > 0)
            digits[--at] = ' ';
        rc = bt_buf_add(out, digits + at, sizeof digits - at, err);
    }
    return rc;
}

int bt_ids_parse(struct bt_ids *ids, const char *line, size_t size, int32_t vocab_size, struct bt_err *err)
{
    const char *end = line + size;
    int rc = BT_OK;

    ids->count = 0;
    while (!rc && (line += strspn(line, " \t")) < end) {
        char *stop;
        long long id = strtoll(line, &stop, 10);

        if (stop == line || (*stop && *stop != ' ' && *stop != '\t') || id < 0 || id >= vocab_size)
            return bt_fail(err, BT_ERR_INPUT, "'%s' is not an id from 0 to %d",
                           bt_quote(line, strcspn(line, " \t")), vocab_size - 1);
        rc = bt_ids_push(ids, (int32_t)id, err);
        line = stop;
    }
    return rc;
}
