/* Base64 (RFC 4648, section 4) to bytes. */
#ifndef BT_BASE_BASE64_H
#define BT_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the bytes of text into out, which has room for size / 4 * 3, and their number into *bytes. False unless text is
 * padded base64 and nothing else. */
bool bt_base64_decode(const char *text, size_t size, uint8_t *out, size_t *bytes);

#endif
