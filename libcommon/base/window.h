/* Inside base: the part of a file that a scanner looks at, which moves on and grows as far as it must. */
#ifndef BT_BASE_WINDOW_H
#define BT_BASE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "libcommon/base/err.h"
#include "libcommon/base/unpack.h"

enum { BT_WINDOW_MAX = 64 << 20 };

/* What is not consumed yet is data[begin] to data[end - 1]; there is always room for a NUL at data[end]. */
struct bt_window {
    struct bt_unpack *bytes;
    char *place, *data;
    size_t begin, end, capacity;
    size_t limit; /* of bytes that wait */
    bool at_end; /* the file has no more */
};

/* Opens the file ("-" is stdin; a compressed one is unpacked), skips a byte-order mark and refuses UTF-16. bt_window_close may follow a
 * failure. */
int bt_window_open(struct bt_window *w, const char *path, struct bt_err *err);
/* Reads more behind `end`, which may move everything to the front: keep offsets from `begin`, no pointers.
 * BT_END when there is no more; E_LIMIT when more than `limit` bytes wait to be consumed. */
int bt_window_more(struct bt_window *w, struct bt_err *err);
void bt_window_close(struct bt_window *w);

/* E_UTF8 when text begins with a byte-order mark of UTF-16, or looks like UTF-16 without one; else *skip
 * becomes the length of the UTF-8 byte-order mark, 3 or 0. */
int bt_text_begin(const char *place, const char *text, size_t size, size_t *skip, struct bt_err *err);

#endif
