/* Ids as lines of decimal numbers. */
#include "libcommon/text/ids.h"

enum { ID_ROOM = 11 }; /* ten digits, and a space or the line's end behind */

int bt_ids_print_line(const struct bt_ids *ids, struct bt_buf *out, struct bt_err *err)
{
    int rc = bt_grow(&out->data, &out->capacity, out->size + ids->count * ID_ROOM + 2, 1, err);

    if (rc)
        return rc;
    char *to = out->data + out->size;
    for (uint64_t i = 0; i < ids->count; i++) {
        char digits[ID_ROOM];
        size_t at = sizeof digits;
        uint32_t id = (uint32_t)ids->data[i];

        digits[--at] = ' ';
        do
            digits[--at] = (char)('0' + id % 10);
        while ((id /= 10) > 0);
        memcpy(to, digits + at, sizeof digits - at);
        to += sizeof digits - at;
    }
    to -= ids->count > 0; /* over the last space */
    *to++ = '\n';
    *to = '\0';
    out->size = (uint64_t)(to - out->data);
    return BT_OK;
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
