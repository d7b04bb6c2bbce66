#include "libcommon/metrics/words.h"

#include <stdint.h>
#include <stdlib.h>

#include "libcommon/text/clean.h"
#include "libcommon/text/unicode.h"

/* The bytes of the character at the front of the text, and whether it is white space. */
static size_t step(struct bt_text text, bool *white)
{
    uint32_t c;
    int length = bt_utf8_next(text.data, text.size, &c);
    *white = bt_char_is_python_white(c);
    return (size_t)abs(length);
}

static struct bt_text cut(struct bt_text text, size_t bytes)
{
    return (struct bt_text){ text.data + bytes, text.size - bytes };
}

bool bt_next_word(struct bt_text *rest, struct bt_text *word)
{
    bool white = true;
    word->size = 0;
    while (rest->size > 0) {
        size_t bytes = step(*rest, &white);
        if (white && word->size > 0)
            break;
        if (!white && word->size == 0)
            word->data = rest->data;
        word->size += white ? 0 : bytes;
        *rest = cut(*rest, bytes);
    }
    return word->size > 0;
}

struct bt_text bt_strip(struct bt_text text)
{
    struct bt_text rest = text, word, first, last;
    if (!bt_next_word(&rest, &first))
        return (struct bt_text){ text.data, 0 };
    for (last = first; bt_next_word(&rest, &word);)
        last = word;
    return (struct bt_text){ first.data, (size_t)(last.data + last.size - first.data) };
}

bool bt_digit_at(struct bt_text text, size_t i)
{
    uint32_t c;
    return i < text.size && bt_utf8_next(text.data + i, text.size - i, &c) > 0 &&
           bt_char_category14(c) == UTF8PROC_CATEGORY_ND;
}

bool bt_digit_before(struct bt_text text, size_t i)
{
    if (i == 0)
        return false;
    for (i--; i > 0 && ((unsigned char)text.data[i] & 0xC0) == 0x80;)
        i--;
    return bt_digit_at(text, i);
}

int bt_tokenize_words(struct bt_buf *out, struct bt_text text, struct bt_err *err)
{
    struct bt_buf lower = { 0 };
    struct bt_text rest, word;
    bool first = true;

    int rc = bt_utf8_check(text.data, text.size, err);
    if (!rc)
        rc = bt_lower(&lower, text.data, text.size, err);
    rest = (struct bt_text){ lower.data, lower.size };
    while (!rc && bt_next_word(&rest, &word)) {
        if (!first)
            rc = bt_buf_add(out, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(out, word.data, word.size, err);
        first = false;
    }
    bt_buf_free(&lower);
    return rc;
}
