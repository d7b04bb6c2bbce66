/* Strict UTF-8 and character classes. */
#include <string.h>

#include "libcommon/text/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct range {
    uint32_t first, last;
};

/* Assigned in Unicode 15.0 and not in 14.0. */
static const struct range later_than_14[] = {
    { 0x0CF3, 0x0CF3 },   { 0x0ECE, 0x0ECE },   { 0x10EFD, 0x10EFF }, { 0x1123F, 0x11241 }, { 0x11B00, 0x11B09 },
    { 0x11F00, 0x11F10 }, { 0x11F12, 0x11F3A }, { 0x11F3E, 0x11F59 }, { 0x1342F, 0x1342F }, { 0x13439, 0x13455 },
    { 0x1B132, 0x1B132 }, { 0x1B155, 0x1B155 }, { 0x1D2C0, 0x1D2D3 }, { 0x1DF25, 0x1DF2A }, { 0x1E030, 0x1E06D },
    { 0x1E08F, 0x1E08F }, { 0x1E4D0, 0x1E4F9 }, { 0x1F6DC, 0x1F6DC }, { 0x1F774, 0x1F776 }, { 0x1F77B, 0x1F77F },
    { 0x1F7D9, 0x1F7D9 }, { 0x1FA75, 0x1FA77 }, { 0x1FA87, 0x1FA88 }, { 0x1FAAD, 0x1FAAF }, { 0x1FABB, 0x1FABD },
    { 0x1FABF, 0x1FABF }, { 0x1FACE, 0x1FACF }, { 0x1FADA, 0x1FADB }, { 0x1FAE8, 0x1FAE8 }, { 0x1FAF7, 0x1FAF8 },
    { 0x2B739, 0x2B739 }, { 0x31350, 0x323AF },
};

/* Assigned in Unicode 14.0 and not in 13.0: of 16 bits, or with a case. */
static const struct range later_than_13[] = {
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

/* Other_Lowercase and Other_Uppercase of Unicode 14.0: cased without being Lu, Ll or Lt. */
static const struct range other_cased[] = {
    { 0x00AA, 0x00AA },   { 0x00BA, 0x00BA },   { 0x02B0, 0x02B8 },   { 0x02C0, 0x02C1 },   { 0x02E0, 0x02E4 },
    { 0x0345, 0x0345 },   { 0x037A, 0x037A },   { 0x1D2C, 0x1D6A },   { 0x1D78, 0x1D78 },   { 0x1D9B, 0x1DBF },
    { 0x2071, 0x2071 },   { 0x207F, 0x207F },   { 0x2090, 0x209C },   { 0x2160, 0x217F },   { 0x24B6, 0x24E9 },
    { 0x2C7C, 0x2C7D },   { 0xA69C, 0xA69D },   { 0xA770, 0xA770 },   { 0xA7F8, 0xA7F9 },   { 0xAB5C, 0xAB5F },
    { 0x10780, 0x10780 }, { 0x10783, 0x10785 }, { 0x10787, 0x107B0 }, { 0x107B2, 0x107BA }, { 0x1F130, 0x1F149 },
    { 0x1F150, 0x1F169 }, { 0x1F170, 0x1F189 },
};

/* Word_Break MidLetter, MidNumLet and Single_Quote. */
static const struct range mid_word[] = {
    { 0x0027, 0x0027 }, { 0x002E, 0x002E }, { 0x003A, 0x003A }, { 0x00B7, 0x00B7 }, { 0x0387, 0x0387 },
    { 0x055F, 0x055F }, { 0x05F4, 0x05F4 }, { 0x2018, 0x2019 }, { 0x2024, 0x2024 }, { 0x2027, 0x2027 },
    { 0xFE13, 0xFE13 }, { 0xFE52, 0xFE52 }, { 0xFE55, 0xFE55 }, { 0xFF07, 0xFF07 }, { 0xFF0E, 0xFF0E },
    { 0xFF1A, 0xFF1A },
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (c > ranges[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && c >= ranges[low].first;
}

static int ill_formed(int subpart, uint32_t *c)
{
    *c = 0xFFFD;
    return -subpart;
}

int bt_utf8_next(const char *text, size_t size, uint32_t *c)
{
    const uint8_t *s = (const uint8_t *)text;
    uint8_t low = 0x80, high = 0xBF; /* what the second byte may be: Unicode table 3-7 */
    int length;

    if (s[0] < 0x80) {
        *c = s[0];
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return ill_formed(1, c);
    length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;

    uint32_t value = s[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size || s[i] < low || s[i] > high)
            return ill_formed(i, c);
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *c = value;
    return length;
}

int bt_utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

size_t bt_utf8_prefix(const char *text, size_t size)
{
    size_t i = 0;

    while (i < size) {
        uint64_t eight;
        uint32_t c;

        if (size - i >= sizeof eight) { /* most text is ASCII: eight bytes at a time */
            memcpy(&eight, text + i, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                i += sizeof eight;
                continue;
            }
        }
        int length = bt_utf8_next(text + i, size - i, &c);
        if (length < 0)
            break;
        i += (size_t)length;
    }
    return i;
}

int bt_utf8_check(const char *text, size_t size, struct bt_err *err)
{
    size_t bad = bt_utf8_prefix(text, size);

    if (bad == size)
        return BT_OK;
    return bt_fail(err, BT_ERR_UTF8, "byte %zu of the text is not UTF-8 (0x%02x); convert the text first", bad,
                   (unsigned)(uint8_t)text[bad]);
}

int bt_utf8_repair(struct bt_buf *out, const char *text, size_t size, struct bt_err *err)
{
    size_t from = 0, i = 0;
    int rc = BT_OK;

    while (i < size && !rc) {
        uint32_t c;
        int length = bt_utf8_next(text + i, size - i, &c);

        if (length > 0) {
            i += (size_t)length;
            continue;
        }
        rc = bt_buf_add(out, text + from, i - from, err);
        if (!rc)
            rc = bt_buf_add(out, "\xEF\xBF\xBD", 3, err);
        i += (size_t)-length;
        from = i;
    }
    return rc ? rc : bt_buf_add(out, text + from, size - from, err);
}

uint64_t bt_utf8_replacements(const char *text, size_t size)
{
    uint64_t count = 0;

    for (const char *end = text + size; (text = memmem(text, (size_t)(end - text), "\xEF\xBF\xBD", 3)) != NULL; text += 3)
        count++;
    return count;
}

utf8proc_category_t bt_char_category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

utf8proc_category_t bt_char_category14(uint32_t c)
{
    if (c >= later_than_14[0].first && in_ranges(later_than_14, COUNT(later_than_14), c))
        return UTF8PROC_CATEGORY_CN;
    return bt_char_category(c);
}

bool bt_char_is_in_unicode13(uint32_t c)
{
    return !in_ranges(later_than_13, COUNT(later_than_13), c) && bt_char_category14(c) != UTF8PROC_CATEGORY_CN;
}

bool bt_char_is_white(uint32_t c)
{
    if (c < 0x1680)
        return c == 0x20 || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0;
    return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

bool bt_char_is_python_white(uint32_t c)
{
    return bt_char_is_white(c) || (c >= 0x1C && c <= 0x1F);
}

int bt_char_lower(uint32_t c, uint32_t out[2])
{
    if (c < 0x80) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) { /* utf8proc has the one-character mappings, and this is the only longer one */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

bool bt_char_is_cased(uint32_t c)
{
    utf8proc_category_t category = bt_char_category14(c);

    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT ||
           in_ranges(other_cased, COUNT(other_cased), c);
}

bool bt_char_is_case_ignorable(uint32_t c)
{
    switch (bt_char_category14(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return in_ranges(mid_word, COUNT(mid_word), c);
    }
}
