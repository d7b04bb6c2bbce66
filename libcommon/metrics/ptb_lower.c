#include "libcommon/metrics/ptb_lower.h"

#include <stdbool.h>
#include <string.h>

#include "libcommon/text/unicode.h"

/* What a character is to Java's word boundaries. */
enum part { LETTER, NUMBER, MARK, FORMAT, SURROGATES, MID_WORD, MID_BOTH, MID_NUMBER, DANDA, OTHER };

static bool is_ideograph_or_kana(uint32_t c)
{
    return c == 0x3005 || (c >= 0x3041 && c <= 0x3094) || c == 0x309D || c == 0x309E ||
           (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x30FC && c <= 0x30FE) || (c >= 0x4E00 && c <= 0x9FA5) ||
           (c >= 0xF900 && c <= 0xFA2D);
}

static enum part part_of(uint32_t c)
{
    if (c > 0xFFFF)
        return SURROGATES;
    if (!bt_char_is_in_unicode13(c))
        return OTHER;
    if (c == '.' || c == '\'' || c == '"')
        return MID_BOTH;
    if (c == ',' || c == 0x066B)
        return MID_NUMBER;
    if (c == 0xAD || c == 0x2027)
        return MID_WORD;
    if (c == 0x0964 || c == 0x0965)
        return DANDA;
    if (c == 0x1734) /* not yet a spacing mark */
        return MARK;
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
    case UTF8PROC_CATEGORY_ME:
        return MARK;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_CF:
        return FORMAT;
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
    if (before == LETTER && (after == LETTER || after == SURROGATES))
        return middle == MID_WORD || middle == MID_BOTH;
    if (before == LETTER && after == NUMBER)
        return middle == DANDA;
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

/* The part at the front of the text, where what formats is passed over. */
static enum part next_part(const char *text, size_t size)
{
    enum part part = OTHER;
    uint32_t c;
    for (size_t i = 0; i < size && (i == 0 || part == FORMAT);) {
        i += (size_t)bt_utf8_next(text + i, size - i, &c);
        part = part_of(c);
    }
    return part;
}

/* Capital sigmas become small ones, final where nothing cased follows in the word and something precedes. */
static void settle_sigmas(char *token, size_t size)
{
    struct word w = { OTHER, NULL, 0 };
    uint32_t c;
    for (size_t i = 0, bytes; i < size; i += bytes) {
        bytes = (size_t)bt_utf8_next(token + i, size - i, &c);
        enum part part = part_of(c);
        if (part >= MID_WORD && !joins(w.last, part, next_part(token + i + bytes, size - i - bytes)))
            end_word(&w);
        else if (part <= NUMBER)
            w.last = part;
        if (part == OTHER) /* a word of its own */
            continue;
        if (bt_char_is_in_unicode13(c) && c < 0x1F130 && bt_char_is_cased(c)) { /* letters in squares are symbols to Java */
            w.cased++;
            w.last_sigma = c == 0x03A3 ? memcpy(token + i, "\xcf\x83", 2) : NULL;
        }
        if (part == SURROGATES) /* ends a word */
            end_word(&w);
    }
    end_word(&w);
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
        int count = bt_char_is_in_unicode13(c) ? bt_char_lower(c, lower) : 0;
        if (count == 0)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, c);
        for (int k = 0; k < count; k++)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, lower[k]);
    }
    return rc;
}
