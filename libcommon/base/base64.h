/* Base64 (RFC 4648, section 4), padded. */
#ifndef BT_BASE_BASE64_H
#define BT_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/mem.h"

/* Appends the text of bytes to buf. E_MEMORY. */
int bt_base64_encode(struct bt_buf *buf, const void *bytes, size_t size, struct bt_err *err);

/* Writes the bytes of text into out, which has room for size / 4 * 3, and their number into *bytes. False unless text is
 * padded base64 and nothing else, what the last letter holds beyond the last byte being zero. */
bool bt_base64_decode(const char *text, size_t size, uint8_t *out, size_t *bytes);

#endif
