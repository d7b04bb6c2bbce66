#include "libcommon/base/window.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"

enum { FIRST_BYTES = 256 << 10 };

int64_t bt_max_line;

/* Without a mark: every other byte of the first four is zero, as in Latin letters of 16 bits. */
static bool looks_utf16(const char *text, size_t size)
{
    return size >= 4 && !text[0] != !text[1] && !text[0] == !text[2] && !text[1] == !text[3];
}

int bt_text_begin(const char *place, const char *text, size_t size, size_t *skip, struct bt_err *err)
{
    bool mark = size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0);

    if (mark || looks_utf16(text, size))
        return bt_fail(err, BT_ERR_UTF8, "%s: is UTF-16; convert it with 'iconv -f UTF-16 -t UTF-8'", place);
    *skip = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return BT_OK;
}

int bt_window_open(struct bt_window *w, const char *path, struct bt_err *err)
{
    size_t skip = 0;
    int rc;

    *w = (struct bt_window){ .capacity = FIRST_BYTES, .limit = bt_max_line ? (size_t)bt_max_line : BT_WINDOW_MAX };
    w->place = strdup(bt_input_name(path));
    w->data = malloc(w->capacity);
    if (!w->place || !w->data)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    else
        rc = bt_unpack_open(&w->bytes, path, err);
    while (!rc && w->end < 4)
        rc = bt_window_more(w, err);
    if (rc == BT_OK || rc == BT_END)
        rc = bt_text_begin(w->place, w->data, w->end, &skip, err);
    w->begin = skip;
    if (rc)
        bt_window_close(w);
    return rc;
}

/* Makes room behind `end`: by moving to the front, then by doubling. */
static int make_room(struct bt_window *w, struct bt_err *err)
{
    size_t waiting = w->end - w->begin, capacity;
    char *larger;

    if (w->begin > 0)
        memmove(w->data, w->data + w->begin, waiting);
    w->begin = 0;
    w->end = waiting;
    if (w->end + 1 < w->capacity)
        return BT_OK;
    if (w->end > w->limit)
        return bt_fail(err, BT_ERR_LIMIT, "%s: a line or value of more than %zu bytes; split it, or raise --max-line", w->place, w->limit);
    /* in the end one byte over the limit, and the NUL */
    capacity = w->capacity < w->limit / 2 ? w->capacity * 2 : w->limit + 2;
    larger = realloc(w->data, capacity);
    if (!larger)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", w->place);
    w->data = larger;
    w->capacity = capacity;
    return BT_OK;
}

int bt_window_more(struct bt_window *w, struct bt_err *err)
{
    ssize_t got;
    int rc;

    if (w->at_end)
        return BT_END;
    rc = make_room(w, err);
    if (rc)
        return rc;
    got = bt_unpack_read(w->bytes, w->data + w->end, w->capacity - 1 - w->end, err);
    if (got < 0)
        return err->status;
    w->end += (size_t)got;
    w->at_end = got == 0;
    return w->at_end ? BT_END : BT_OK;
}

void bt_window_close(struct bt_window *w)
{
    bt_unpack_close(w->bytes);
    free(w->place);
    free(w->data);
    *w = (struct bt_window){ 0 };
}
