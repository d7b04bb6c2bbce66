/* Caption and question cleaning. Each step works in place on the bytes that bt_lower appended: none makes the text longer. */
#include <string.h>

#include "libcommon/text/clean.h"
#include "libcommon/text/unicode.h"

static bool is_dropped(char c)
{
    return c != '\0' && strchr(".!\"()*#:;~", c) != NULL;
}

/* The character that ends before text[end]; *start is where it begins. */
static uint32_t char_before(const char *text, size_t end, size_t *start)
{
    uint32_t c;

    do
        end--;
    while (((uint8_t)text[end] & 0xC0) == 0x80);
    bt_utf8_next(text + end, 4, &c);
    *start = end;
    return c;
}

/* A capital sigma at text[at] (two bytes) is final when a cased letter stands before it and none behind, case-ignorable
 * characters not counting. */
static bool sigma_is_final(const char *text, size_t size, size_t at)
{
    size_t i = at;
    uint32_t c = 0;

    while (i > 0) {
        c = char_before(text, i, &i);
        if (!bt_char_is_case_ignorable(c))
            break;
        c = 0;
    }
    if (!bt_char_is_cased(c))
        return false;
    for (i = at + 2; i < size;) {
        i += (size_t)bt_utf8_next(text + i, size - i, &c);
        if (!bt_char_is_case_ignorable(c))
            return !bt_char_is_cased(c);
    }
    return true;
}

int bt_lower(struct bt_buf *out, const char *text, size_t size, struct bt_err *err)
{
    size_t i = 0;
    int rc = BT_OK;

    while (i < size && !rc) {
        char ascii[64], lower[8];
        size_t n = 0;
        uint32_t c, to[2];

        while (i < size && n < sizeof ascii && (uint8_t)text[i] < 0x80) {
            ascii[n] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
            n++;
            i++;
        }
        if (n > 0) {
            rc = bt_buf_add(out, ascii, n, err);
            continue;
        }
        int length = bt_utf8_next(text + i, size - i, &c);
        int count = bt_char_lower(c, to);

        if (c == 0x3A3 && sigma_is_final(text, size, i))
            to[0] = 0x3C2;
        for (int k = 0; k < count; k++)
            n += (size_t)bt_utf8_put(lower + n, to[k]);
        i += (size_t)length;
        rc = bt_buf_add(out, lower, n, err);
    }
    return rc;
}

/* Runs of two or more white characters become one space; returns the new size. */
static size_t collapse_white(char *text, size_t size)
{
    size_t from = 0, to = 0;

    while (from < size) {
        size_t end = from;
        int run = 0, length = 0;
        uint32_t c;

        while (end < size) {
            length = bt_utf8_next(text + end, size - end, &c);
            if (!bt_char_is_python_white(c))
                break;
            end += (size_t)length;
            run++;
        }
        if (run >= 2) {
            text[to++] = ' ';
        } else {
            if (run == 0)
                end += (size_t)length;
            memmove(text + to, text + from, end - from);
            to += end - from;
        }
        from = end;
    }
    return to;
}

/* The size of the first max_words fields between single spaces. */
static size_t first_words(const char *text, size_t size, int64_t max_words)
{
    if (max_words <= 0)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ' && --max_words == 0)
            return i;
    return size;
}

static void shorten(struct bt_buf *buf, size_t size)
{
    buf->size = size;
    if (buf->data)
        buf->data[size] = '\0';
}

int bt_clean_caption(struct bt_buf *out, const char *text, size_t size, const char *prompt, int64_t max_words,
                     struct bt_err *err)
{
    int rc = bt_utf8_check(text, size, err);

    if (!rc && prompt)
        rc = bt_buf_add(out, prompt, strlen(prompt), err);
    size_t start = out->size;
    if (!rc)
        rc = bt_lower(out, text, size, err);
    if (rc || out->size == start)
        return rc;

    char *s = out->data + start;
    size_t n = out->size - start, first = 0;
    for (size_t i = 0; i < n; i++)
        if (is_dropped(s[i]))
            s[i] = ' ';
    n = collapse_white(s, n);
    while (n > 0 && s[n - 1] == '\n')
        n--;
    while (n > 0 && s[n - 1] == ' ')
        n--;
    while (first < n && s[first] == ' ')
        first++;
    n = first_words(s + first, n - first, max_words);
    memmove(s, s + first, n);
    shorten(out, start + n);
    return BT_OK;
}

int bt_clean_question(struct bt_buf *out, const char *text, size_t size, int64_t max_words, struct bt_err *err)
{
    size_t start = out->size;
    int rc = bt_utf8_check(text, size, err);

    if (!rc)
        rc = bt_lower(out, text, size, err);
    if (rc || out->size == start)
        return rc;

    char *s = out->data + start;
    size_t n = 0;
    for (size_t i = 0; i < out->size - start; i++)
        if (!is_dropped(s[i]))
            s[n++] = s[i];
    while (n > 0 && s[n - 1] == ' ')
        n--;
    shorten(out, start + first_words(s, n, max_words));
    return BT_OK;
}

int bt_clean(struct bt_buf *out, enum bt_clean how, const char *text, size_t size, struct bt_err *err)
{
    if (how == BT_CLEAN_CAPTION)
        return bt_clean_caption(out, text, size, NULL, BT_CLEAN_MAX_WORDS, err);
    if (how == BT_CLEAN_QUESTION)
        return bt_clean_question(out, text, size, BT_CLEAN_MAX_WORDS, err);
    int rc = bt_utf8_check(text, size, err);
    return rc ? rc : bt_buf_add(out, text, size, err);
}
