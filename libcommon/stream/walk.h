/* The one pass over a msgpack value: it is checked, and its nodes made (record_private.h) as it goes. msgpack-c's own
 * unpacking would be a second pass over what was just read. Private to stream and shard. Source: formats.md 1.2, 8. */
#ifndef BT_STREAM_WALK_H
#define BT_STREAM_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "libcommon/base/err.h"

enum {
    BT_MAX_DEPTH = 16,
    BT_MAX_KEY = 64,
    BT_MAX_KEYS = 4096,
    BT_MAX_ELEMENTS = 65536,
    BT_MAX_STRING = 16 << 20,
    BT_MAX_RECORD = 64 << 20,
};
#define BT_MAX_INTEGER ((int64_t)9007199254740991) /* 2^53-1: exact in JSON */

/* Exactly one value of the subset fills the `size` bytes: known types, counts that the bytes left can hold,
 * depth, strings of UTF-8, keys that are short and unique, integers that JSON can hold. Allocates nothing
 * that an unchecked count sizes. Errors: E_BT_BODY, E_BT_DUPKEY, E_LIMIT, E_MEMORY; messages give the byte.
 */
int bt_walk(const void *data, size_t size, struct bt_err *err);

bool bt_utf8_valid(const void *text, size_t size);

#endif
