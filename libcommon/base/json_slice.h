/* Inside base: one JSON value out of a larger text. */
#ifndef BT_BASE_JSON_SLICE_H
#define BT_BASE_JSON_SLICE_H

#include "libcommon/base/json.h"

enum { BT_JSON_DEPTH = 64 };

/* Parses text that is one value and no more; `line` is the number of its first line, for messages. */
int bt_json_slice(json_t **value, const char *place, uint64_t line, const char *text, size_t size,
                  struct bt_err *err);

#endif
