/* BERT's words, one character at a time: cleaned, lowered, decomposed, put into canonical order, then sorted into words. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/text/bert_split.h"
#include "libcommon/text/unicode.h"

struct sink {
    struct bt_bert_splitter *s;
    bt_word_fn word;
    void *context;
    struct bt_err *err;
};

int bt_bert_splitter_init(struct bt_bert_splitter *s, size_t max_chars, struct bt_err *err)
{
    memset(s, 0, sizeof *s);
    s->max_chars = max_chars;
    s->word = bt_alloc(max_chars, 4, err);
    return s->word ? BT_OK : BT_ERR_MEMORY;
}

void bt_bert_splitter_free(struct bt_bert_splitter *s)
{
    free(s->word);
    free(s->marks);
    free(s->sorted);
    memset(s, 0, sizeof *s);
}

static bool is_cjk(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* What an ASCII character is: deleted, white space, punctuation, or part of a word. */
enum { DELETED = 'D', WHITE = 'W', PUNCTUATION = 'P', WORD = 'L' };

static const char ascii[] = "DDDDDDDDDWWDDWDDDDDDDDDDDDDDDDDD"
                            "WPPPPPPPPPPPPPPPLLLLLLLLLLPPPPPP"  /* space to ? */
                            "PLLLLLLLLLLLLLLLLLLLLLLLLLLPPPPP"  /* @ to _ */
                            "PLLLLLLLLLLLLLLLLLLLLLLLLLLPPPPD"; /* ` to DEL */

static bool is_punctuation(utf8proc_category_t category)
{
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static int word_end(const struct sink *k)
{
    struct bt_bert_splitter *s = k->s;
    size_t size = s->size, chars = s->chars;

    if (chars == 0)
        return BT_OK;
    s->size = s->chars = 0;
    return k->word(k->context, s->word, size, chars, k->err);
}

static void word_add(struct bt_bert_splitter *s, uint32_t c)
{
    if (s->chars++ < s->max_chars)
        s->size += (size_t)bt_utf8_put(s->word + s->size, c);
}

static int word_alone(const struct sink *k, uint32_t c)
{
    int rc = word_end(k);

    if (!rc) {
        word_add(k->s, c);
        rc = word_end(k);
    }
    return rc;
}

/* A decomposed character in its final place. */
static int place(const struct sink *k, uint32_t c)
{
    utf8proc_category_t category;

    if (c < 0x80) {
        if (ascii[c] == PUNCTUATION)
            return word_alone(k, c);
        word_add(k->s, c);
        return BT_OK;
    }
    category = bt_char_category14(c);
    if (category == UTF8PROC_CATEGORY_MN)
        return BT_OK;
    if (is_punctuation(category))
        return word_alone(k, c);
    word_add(k->s, c);
    return BT_OK;
}

static int combining_class(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

/* The waiting marks in the order of their combining classes, equal ones as they came: by counting, so that a million of
 * them take no longer than a million letters. */
static int marks_end(const struct sink *k)
{
    struct bt_bert_splitter *s = k->s;
    uint64_t count = s->mark_count, at[257] = { 0 };
    int rc = BT_OK;

    s->mark_count = 0;
    if (count == 1)
        return place(k, s->marks[0]);
    rc = bt_grow(&s->sorted, &s->sorted_capacity, count, sizeof *s->sorted, k->err);
    if (rc)
        return rc;
    for (uint64_t i = 0; i < count; i++)
        at[combining_class(s->marks[i]) + 1]++;
    for (int i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (uint64_t i = 0; i < count; i++)
        s->sorted[at[combining_class(s->marks[i])]++] = s->marks[i];
    for (uint64_t i = 0; i < count && !rc; i++)
        rc = place(k, s->sorted[i]);
    return rc;
}

static int arrive(const struct sink *k, uint32_t c)
{
    struct bt_bert_splitter *s = k->s;
    int rc = BT_OK;

    if (c >= 0x300 && combining_class(c) != 0) {
        rc = bt_grow(&s->marks, &s->marks_capacity, s->mark_count + 1, sizeof *s->marks, k->err);
        if (!rc)
            s->marks[s->mark_count++] = c;
        return rc;
    }
    if (s->mark_count)
        rc = marks_end(k);
    return rc ? rc : place(k, c);
}

static int white(const struct sink *k)
{
    int rc = k->s->mark_count ? marks_end(k) : BT_OK;

    return rc ? rc : word_end(k);
}

/* A lowered character that is not ASCII. */
static int other(const struct sink *k, uint32_t c)
{
    utf8proc_category_t category = bt_char_category14(c);
    utf8proc_int32_t parts[8];
    int last_class = 0, rc = BT_OK;

    if (c == 0xFFFD || category == UTF8PROC_CATEGORY_CN ||
        (category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO))
        return BT_OK;
    if (category == UTF8PROC_CATEGORY_ZS || bt_char_is_white(c))
        return white(k);

    bool alone = is_cjk(c);
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 8, UTF8PROC_DECOMPOSE, &last_class);
    if (count < 0 || count > 8)
        return bt_fail(k->err, BT_ERR_BUG, "U+%04X: decomposes into %d characters", c, (int)count);
    if (alone)
        rc = white(k);
    for (utf8proc_ssize_t i = 0; i < count && !rc; i++)
        rc = arrive(k, (uint32_t)parts[i]);
    if (alone && !rc)
        rc = white(k);
    return rc;
}

static char lower_ascii(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Most words are ASCII from one boundary to the next: no character of another word or mark can touch them, and they need
 * nothing but lower case. Such a word, or sign, goes out whole; *length is then its bytes, else 0. */
static int plain_word(const struct sink *k, const char *text, size_t size, size_t *length)
{
    struct bt_bert_splitter *s = k->s;
    size_t n = 0, most = size < s->max_chars ? size : s->max_chars;

    *length = 0;
    if (ascii[(uint8_t)text[0]] == PUNCTUATION) {
        *length = 1;
        return k->word(k->context, text, 1, 1, k->err);
    }
    for (; n < most && (uint8_t)text[n] < 0x80 && ascii[(uint8_t)text[n]] == WORD; n++)
        s->word[n] = lower_ascii(text[n]);
    if (n == 0 || (n < size && ((uint8_t)text[n] >= 0x80 || ascii[(uint8_t)text[n]] == DELETED ||
                                ascii[(uint8_t)text[n]] == WORD)))
        return BT_OK;
    *length = n;
    return k->word(k->context, s->word, n, n, k->err);
}

int bt_bert_words(struct bt_bert_splitter *s, const char *text, size_t size, bt_word_fn word, void *context,
                  struct bt_err *err)
{
    const struct sink sink = { s, word, context, err };
    int rc = BT_OK;

    s->size = s->chars = 0;
    s->mark_count = 0;
    for (size_t i = 0; i < size && !rc;) {
        uint32_t c = (uint8_t)text[i], lower[2];

        if (c < 0x80) {
            size_t length = 0;

            if (s->chars == 0 && s->mark_count == 0 && ascii[c] != WHITE)
                rc = plain_word(&sink, text + i, size - i, &length);
            i += length ? length : 1;
            if (length)
                continue;
            if (ascii[c] == WHITE)
                rc = white(&sink);
            else if (ascii[c] != DELETED)
                rc = arrive(&sink, (uint8_t)lower_ascii((char)c));
            continue;
        }
        i += (size_t)bt_utf8_next(text + i, size - i, &c);
        int count = bt_char_lower(c, lower);
        for (int n = 0; n < count && !rc; n++)
            rc = lower[n] < 0x80 ? arrive(&sink, lower[n]) : other(&sink, lower[n]);
    }
    return rc ? rc : white(&sink);
}
