#include "libcommon/metrics/ptb_lower.h"

#include <stdbool.h>
#include <string.h>

#include "libcommon/text/unicode.h"

/* Characters of Unicode 14.0, which Java 17 does not know: those of 16 bits, and those with a case. Later ones it does not know either. */
static const struct range {
    uint32_t first, last;
} new_in_14[] = {
    { 0x061D, 0x061D }, { 0x0870, 0x088E }, { 0x0890, 0x0891 }, { 0x0898, 0x089F }, { 0x08B5, 0x08B5 },
    { 0x08C8, 0x08D2 }, { 0x0C3C, 0x0C3C }, { 0x0C5D, 0x0C5D }, { 0x0CDD, 0x0CDD }, { 0x170D, 0x170D },
    { 0x1715, 0x1715 }, { 0x171F, 0x171F }, { 0x180F, 0x180F }, { 0x1AC1, 0x1ACE }, { 0x1B4C, 0x1B4C },
    { 0x1B7D, 0x1B7E }, { 0x1DFA, 0x1DFA }, { 0x20C0, 0x20C0 }, { 0x2C2F, 0x2C2F }, { 0x2C5F, 0x2C5F },
    { 0x2E53, 0x2E5D }, { 0x9FFD, 0x9FFF }, { 0xA7C0, 0xA7C1 }, { 0xA7D0, 0xA7D1 }, { 0xA7D3, 0xA7D3 },
    { 0xA7D5, 0xA7D9 }, { 0xA7F2, 0xA7F4 }, { 0xFBC2, 0xFBC2 }, { 0xFD40, 0xFD4F }, { 0xFDCF, 0xFDCF },
    { 0xFDFE, 0xFDFF }, { 0x10570, 0x1057A }, { 0x1057C, 0x1058A }, { 0x1058C, 0x10592 }, { 0x10594, 0x10595 },
    { 0x10597, 0x105A1 }, { 0x105A3, 0x105B1 }, { 0x105B3, 0x105B9 }, { 0x105BB, 0x105BC }, { 0x10780, 0x10785 },
    { 0x10787, 0x107B0 }, { 0x107B2, 0x107BA }, { 0x1DF00, 0x1DF1E },
};

static bool is_known(uint32_t c)
{
    size_t low = 0, high = sizeof new_in_14 / sizeof *new_in_14;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (new_in_14[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return (low == sizeof new_in_14 / sizeof *new_in_14 || c < new_in_14[low].first) &&
           bt_char_category14(c) != UTF8PROC_CATEGORY_CN;
}

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
    if (!is_known(c))
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
        if (is_known(c) && c < 0x1F130 && bt_char_is_cased(c)) { /* letters in squares are symbols to Java */
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
        int count = is_known(c) ? bt_char_lower(c, lower) : 0;
        if (count == 0)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, c);
        for (int k = 0; k < count; k++)
            out->size += (uint64_t)bt_utf8_put(out->data + out->size, lower[k]);
    }
    return rc;
}
