#include "libcommon/metrics/ptb_lower.h"

#include <stdbool.h>
#include <string.h>

#include "libcommon/text/unicode.h"

/* What a character is to Java's word boundaries. */
enum part { LETTER, NUMBER, MARK, MID_WORD, MID_BOTH, MID_NUMBER, OTHER };

static bool is_ideograph_or_kana(uint32_t c)
{
    return c == 0x3005 || (c >= 0x3041 && c <= 0x3094) || c == 0x309D || c == 0x309E ||
           (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x30FC && c <= 0x30FE) || (c >= 0x4E00 && c <= 0x9FA5) ||
           (c >= 0xF900 && c <= 0xFA2D);
}

static enum part part_of(uint32_t c)
{
    if (c == '.' || c == '\'')
        return MID_BOTH;
    if (c == ',' || c == 0x066B)
        return MID_NUMBER;
    if (c == 0x2027)
        return MID_WORD;
    switch (bt_char_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return is_ideograph_or_kana(c) ? OTHER : LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
        return MARK;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PC:
        return MID_WORD;
    default:
        return OTHER;
    }
}

/* Whether punctuation between two parts joins them. */
static bool joins(enum part before, enum part middle, enum part after)
{
    if (before == LETTER && after == LETTER)
        return middle == MID_WORD || middle == MID_BOTH;
    return before == NUMBER && after == NUMBER && (middle == MID_NUMBER || middle == MID_BOTH);
}

/* The cased characters of the word that is being read. */
struct word {
    enum part last;   /* its last letter or number; OTHER: no word */
    char *last_sigma; /* of the last cased character, where that is a sigma */
    int cased;
};

static void end_word(struct word *w)
{
    if (w->last_sigma && w->cased > 1)
        memcpy(w->last_sigma, "\xcf\x82", 2);
    *w = (struct word){ OTHER, NULL, 0 };
}

/* Capital sigmas become small ones, final where nothing cased follows in the word and something precedes. */
static void settle_sigmas(char *token, size_t size)
{
    struct word w = { OTHER, NULL, 0 };
    uint32_t c, next;
    for (size_t i = 0, bytes; i < size; i += bytes) {
        bytes = (size_t)bt_utf8_next(token + i, size - i, &c);
        enum part part = part_of(c), after = OTHER;
        if (i + bytes < size && bt_utf8_next(token + i + bytes, size - i - bytes, &next) > 0)
            after = part_of(next);
        if (part >= MID_WORD && !joins(w.last, part, after))
            end_word(&w);
        else if (part <= NUMBER)
            w.last = part;
        if (bt_char_is_cased(c)) {
            w.cased++;
            w.last_sigma = c == 0x03A3 ? memcpy(token + i, "\xcf\x83", 2) : NULL;
        }
    }
    end_word(&w);
}

/* Capital letters of Unicode 14.0, which Java 17 does not know. */
static bool is_later(uint32_t c)
{
    return c == 0x2C2F || c == 0xA7C0 || c == 0xA7D0 || c == 0xA7D6 || c == 0xA7D8 ||
           (c >= 0x10570 && c <= 0x10595);
}

int bt_ptb_lower(struct bt_buf *out, char *token, size_t size, struct bt_err *err)
{
    /* Two bytes may become three, and none more than half as many again. */
    int rc = bt_grow(&out->data, &out->capacity, out->size + size + size / 2 + 1, 1, err);
    if (rc)
        return rc;
    if (memmem(token, size, "\xce\xa3", 2))
        settle_sigmas(token, size);
    for (size_t i = 0; i < size;) {
        uint32_t c, lower[2];
        if ((unsigned char)token[i] < 0x80) {
            char ascii = token[i++];
            out->data[out->size++] = (char)(ascii >= 'A' && ascii <= 'Z' ? ascii | 0x20 : ascii);
            continue;
        }
        i += (size_t)bt_utf8_next(token + i, size - i, &c);
        int count = is_later(c) ? 0 : bt_char_lower(c, lower);
        if (count == 0)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, c);
        for (int k = 0; k < count; k++)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, lower[k]);
    }
    return rc;
}
