#include <stdlib.h>
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/base/window.h"

struct bt_lines {
    struct bt_window in;
    uint64_t number;
    char delimiter;
    bool ended;
};

int bt_lines_open(struct bt_lines **lines, const char *path, struct bt_err *err)
{
    struct bt_lines *made = calloc(1, sizeof *made);
    int rc;

    if (!made)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    made->delimiter = '\n';
    rc = bt_window_open(&made->in, path, err);
    if (rc)
        free(made);
    else
        *lines = made;
    return rc;
}

/* Bytes from `begin` to the delimiter, or to the end of the file where there is none (then *ended is false). */
static int find_end(struct bt_lines *lines, size_t *length, struct bt_err *err)
{
    struct bt_window *in = &lines->in;
    size_t searched = 0;
    int rc = BT_OK;

    while (!rc) {
        size_t size = in->end - in->begin;
        const char *found = memchr(in->data + in->begin + searched, lines->delimiter, size - searched);

        if (found) {
            *length = (size_t)(found - in->data) - in->begin;
            lines->ended = true;
            return BT_OK;
        }
        searched = size;
        rc = bt_window_more(in, err);
    }
    *length = searched;
    lines->ended = false;
    return rc == BT_END && searched > 0 ? BT_OK : rc;
}

int bt_lines_next(struct bt_lines *lines, const char **line, size_t *size, struct bt_err *err)
{
    struct bt_window *in = &lines->in;
    size_t length = 0, consumed;
    char *begin;
    int rc = find_end(lines, &length, err);

    if (!rc && length > in->limit)
        rc = bt_fail(err, BT_ERR_LIMIT, "%s:%llu: a line of %zu bytes, at most %zu are read; raise --max-line", in->place,
                     (unsigned long long)lines->number + 1, length, in->limit);
    if (rc)
        return rc;
    begin = in->data + in->begin;
    consumed = length + lines->ended;
    if (lines->delimiter == '\n' && length > 0 && begin[length - 1] == '\r')
        length--;
    begin[length] = '\0';
    in->begin += consumed;
    lines->number++;
    *line = begin;
    *size = length;
    return BT_OK;
}

void bt_lines_delimit(struct bt_lines *lines, char delimiter)
{
    lines->delimiter = delimiter;
}

uint64_t bt_lines_number(const struct bt_lines *lines)
{
    return lines->number;
}

bool bt_lines_ended(const struct bt_lines *lines)
{
    return lines->ended;
}

void bt_lines_close(struct bt_lines *lines)
{
    if (!lines)
        return;
    bt_window_close(&lines->in);
    free(lines);
}
