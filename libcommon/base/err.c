#include "libcommon/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { QUOTE_BYTES = 200, QUOTE_BUFFERS = 4 };

int bt_fail(struct bt_err *err, int status, const char *fmt, ...)
{
    va_list args;

    assert(status > BT_END);
    if (!err || err->status != BT_OK)
        return status;
    err->status = status;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return status;
}

static int status_of_errno(int errnum, int writing)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return BT_ERR_NOSPACE;
    case ENOMEM:
        return BT_ERR_MEMORY;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EACCES:
    case EPERM:
    case EROFS:
        return writing ? BT_ERR_CANTCREAT : BT_ERR_NOINPUT;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return BT_ERR_OS;
    default:
        return BT_ERR_IO;
    }
}

int bt_fail_errno(struct bt_err *err, int errnum, int writing, const char *place, const char *remedy)
{
    char buffer[128];
    const char *why = strerror_r(errnum, buffer, sizeof buffer);

    return bt_fail(err, status_of_errno(errnum, writing), "%s: %s%s%s", place, why, remedy ? "; " : "",
                   remedy ? remedy : "");
}

int bt_context(struct bt_err *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    size_t used, rest;

    if (!err)
        return BT_OK;
    va_start(args, fmt);
    vsnprintf(text, sizeof text - 2, fmt, args);
    va_end(args);
    strcat(text, ": ");

    used = strlen(text);
    rest = strnlen(err->text, sizeof text - used - 1);
    memcpy(text + used, err->text, rest);
    text[used + rest] = '\0';
    memcpy(err->text, text, used + rest + 1);
    return err->status;
}

void bt_err_clear(struct bt_err *err)
{
    if (!err)
        return;
    err->status = BT_OK;
    err->text[0] = '\0';
}

static const struct {
    const char *name;
    int exit_status;
} codes[] = {
#define CODE(name, exit_status, template) [BT_ERR_##name] = { "E_" #name, exit_status },
    BT_ERR_TABLE(CODE)
#undef CODE
};

static bool is_code(int status)
{
    return status > BT_END && (size_t)status < sizeof codes / sizeof codes[0];
}

int bt_exit_status(int status)
{
    if (status == BT_OK || status == BT_END)
        return 0;
    return is_code(status) ? codes[status].exit_status : codes[BT_ERR_BUG].exit_status;
}

const char *bt_status_name(int status)
{
    if (status == BT_OK)
        return "OK";
    if (status == BT_END)
        return "END";
    return is_code(status) ? codes[status].name : codes[BT_ERR_BUG].name;
}

/* Bytes of the UTF-8 character that begins so, or 0. */
static size_t utf8_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Bytes of the printable UTF-8 character that p begins with, or 0. Characters that steer a terminal are not
 * printable: the C1 controls, line and paragraph separators, and those that turn the writing direction. */
static size_t printable(const unsigned char *p, size_t size)
{
    size_t length = utf8_length(p[0]);
    unsigned code;

    if (length == 0 || length > size)
        return 0;
    if (length == 1)
        return p[0] >= 0x20 && p[0] != 0x7F;
    code = p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10FFFF)
        return 0;
    if (code < 0xA0 || (code >= 0xD800 && code < 0xE000))
        return 0;
    if (code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0;
    return length;
}

const char *bt_quote(const void *bytes, size_t size)
{
    static _Thread_local char buffers[QUOTE_BUFFERS][4 * QUOTE_BYTES + sizeof "..."];
    static _Thread_local unsigned turn;
    char *buffer = buffers[turn++ % QUOTE_BUFFERS], *to = buffer;
    const unsigned char *from = bytes;
    size_t i = 0;

    while (i < size) {
        size_t length = printable(from + i, size - i);

        if (i + (length ? length : 1) > QUOTE_BYTES)
            break;
        if (length) {
            memcpy(to, from + i, length);
            to += length;
            i += length;
        } else {
            to += sprintf(to, "\\x%02x", from[i++]);
        }
    }
    strcpy(to, i < size ? "..." : "");
    return buffer;
}

const char *bt_quote_str(const char *text)
{
    return text ? bt_quote(text, strlen(text)) : "(null)";
}
