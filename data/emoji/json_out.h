/* JSON text into a buffer. */
#ifndef EMOJI_JSON_OUT_H
#define EMOJI_JSON_OUT_H

#include <jansson.h>

#include "libcommon/base/mem.h"

/* One value, compact, members in the order they were set; takes the value. NULL, jansson's answer when it is
 * out of memory, is E_MEMORY. */
int json_put(struct bt_buf *out, json_t *value, struct bt_err *err);

/* An element of an array that is open in out: after a comma and a line break unless it is the first. */
int json_put_element(struct bt_buf *out, json_t *value, struct bt_err *err);

#endif
