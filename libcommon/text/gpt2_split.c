/* GPT-2's pieces as an automaton: the published regular expression, alternative by alternative. */
#include <stdint.h>
#include <string.h>

#include "libcommon/text/gpt2_split.h"
#include "libcommon/text/unicode.h"

enum class { LETTER = 'L', NUMBER = 'N', WHITE = 'W', OTHER = 'O' };

static const char ascii[] = "OOOOOOOOOWWWWWOOOOOOOOOOOOOOOOOO"
                            "WOOOOOOOOOOOOOOONNNNNNNNNNOOOOOO"  /* space to ? */
                            "OLLLLLLLLLLLLLLLLLLLLLLLLLLOOOOO"  /* @ to _ */
                            "OLLLLLLLLLLLLLLLLLLLLLLLLLLOOOOO"; /* ` to DEL */

static enum class class_of(uint32_t c)
{
    if (c < 0x80)
        return (enum class)ascii[c];
    utf8proc_category_t category = bt_char_category(c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
        return LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
        return NUMBER;
    return bt_char_is_white(c) ? WHITE : OTHER;
}

static size_t contraction(const char *text, size_t size)
{
    static const char *const ends[] = { "s", "t", "re", "ve", "m", "ll", "d" };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t length = strlen(ends[i]);

        if (size > length && memcmp(text + 1, ends[i], length) == 0)
            return 1 + length;
    }
    return 0;
}

/* Bytes of the run of characters of one class that starts at text[0]; *last is where its last character starts. */
static size_t run_of(enum class class, const char *text, size_t size, size_t *last)
{
    size_t i = 0;

    while (i < size) {
        uint32_t c = (uint8_t)text[i];
        int length = 1;

        if (c >= 0x80)
            length = bt_utf8_next(text + i, size - i, &c);
        if (class_of(c) != class)
            break;
        *last = i;
        i += (size_t)length;
    }
    return i;
}

size_t bt_gpt2_piece(const char *text, size_t size)
{
    size_t space = text[0] == ' ' && size > 1, last = 0;
    uint32_t c;

    if (text[0] == '\'') {
        size_t length = contraction(text, size);

        if (length)
            return length;
    }
    bt_utf8_next(text + space, size - space, &c);
    enum class class = class_of(c);
    if (class != WHITE)
        return space + run_of(class, text + space, size - space, &last);

    /* The last white character before something else is left for the next piece. */
    size_t run = run_of(WHITE, text, size, &last);
    return run < size && last > 0 ? last : run;
}
