/* Base64 to bytes and back. */
#include "libcommon/base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int bt_base64_encode(struct bt_buf *buf, const void *bytes, size_t size, struct bt_err *err)
{
    const uint8_t *p = bytes;
    char out[4096];
    size_t used = 0;
    int rc = BT_OK;

    for (size_t i = 0; !rc && i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);

        out[used++] = digits[v >> 18];
        out[used++] = digits[v >> 12 & 63];
        out[used++] = n > 1 ? digits[v >> 6 & 63] : '=';
        out[used++] = n > 2 ? digits[v & 63] : '=';
        if (used == sizeof out) {
            rc = bt_buf_add(buf, out, used, err);
            used = 0;
        }
    }
    return !rc && used > 0 ? bt_buf_add(buf, out, used, err) : rc;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool bt_base64_decode(const char *text, size_t size, uint8_t *out, size_t *bytes)
{
    size_t letters = size, made = 0;
    uint32_t bits = 0;

    if (size % 4)
        return false;
    while (letters > 0 && size - letters < 2 && text[letters - 1] == '=')
        letters--;
    for (size_t i = 0; i < letters; i++) {
        int value = value_of(text[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4) /* the letters of a group end bytes 0, 1 and 2 */
            out[made++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *bytes = made;
    /* What the last letter holds beyond the last byte has to be nothing. */
    return letters % 4 == 0 || (bits & ((1u << (2 * (4 - letters % 4))) - 1)) == 0;
}
