/* Ids back to text. */
#include <string.h>

#include "libcommon/text/byte_alphabet.h"
#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"

/* Replaces `pattern` by `with` (which is no longer) from `start` on, left to right, without overlap. */
static void replace(struct bt_buf *buf, uint64_t start, const char *pattern, const char *with)
{
    size_t length = strlen(pattern), with_length = strlen(with);
    char *end = buf->data + buf->size, *from = buf->data + start, *to = from, *hit;

    while ((hit = memmem(from, (size_t)(end - from), pattern, length)) != NULL) {
        memmove(to, from, (size_t)(hit - from));
        to += hit - from;
        memcpy(to, with, with_length);
        to += with_length;
        from = hit + length;
    }
    if (to == from)
        return;
    memmove(to, from, (size_t)(end - from));
    to += end - from;
    buf->size = (uint64_t)(to - buf->data);
    *to = '\0';
}

static void clean_up(struct bt_buf *buf, uint64_t start)
{
    static const char *const rules[][2] = { { " .", "." },     { " ?", "?" },   { " !", "!" },   { " ,", "," },
                                            { " ' ", "'" },    { " n't", "n't" }, { " 'm", "'m" }, { " 's", "'s" },
                                            { " 've", "'ve" }, { " 're", "'re" } };

    for (size_t i = 0; i < sizeof rules / sizeof *rules && buf->size > start; i++)
        replace(buf, start, rules[i][0], rules[i][1]);
}

static bool is_skipped(const struct bt_tokenizer *tok, int32_t id)
{
    size_t size;

    return bt_vocab_text(&tok->specials, id, &size) != NULL;
}

/* White space at both ends of what stands from `start` on. */
static void strip(struct bt_buf *buf, uint64_t start)
{
    uint64_t first = start, end = buf->size;
    uint32_t c;

    while (first < end) {
        int length = bt_utf8_next(buf->data + first, end - first, &c);
        if (!bt_char_is_python_white(c))
            break;
        first += (uint64_t)(length < 0 ? -length : length);
    }
    while (end > first) {
        uint64_t at = end - 1;
        while (at > first && ((uint8_t)buf->data[at] & 0xC0) == 0x80)
            at--;
        bt_utf8_next(buf->data + at, end - at, &c);
        if (!bt_char_is_python_white(c))
            break;
        end = at;
    }
    memmove(buf->data + start, buf->data + first, end - first);
    buf->size = start + (end - first);
    buf->data[buf->size] = '\0';
}

/* A run of the model's own entries: single spaces between, none before a continuation. */
static int bert_run(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip, bool *first,
                    struct bt_buf *out, struct bt_err *err)
{
    uint64_t start = 0, tokens = 0;
    int rc = BT_OK;

    for (uint64_t i = 0; i < count && !rc; i++) {
        size_t size = 0;
        const char *text = bt_vocab_text(&tok->vocab, ids[i], &size);

        if (!text || (skip && is_skipped(tok, ids[i])))
            continue;
        if (tokens == 0 && !*first)
            rc = bt_buf_add(out, " ", 1, err); /* between parts */
        if (tokens == 0)
            start = out->size;
        else
            rc = bt_buf_add(out, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(out, text, size, err);
        tokens++;
    }
    if (!rc && tokens) {
        replace(out, start, " ##", "");
        strip(out, start);
        *first = false;
    }
    return rc;
}

static int bert_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip,
                       struct bt_buf *out, struct bt_err *err)
{
    uint64_t from = 0;
    bool first = true;
    int rc = BT_OK;

    for (uint64_t i = 0; i <= count && !rc; i++) {
        bool added = i < count && ids[i] >= tok->model_count && ids[i] < tok->vocab.count;

        if (i < count && (!added || (skip && is_skipped(tok, ids[i]))))
            continue;
        rc = bert_run(tok, ids + from, i - from, skip, &first, out, err);
        if (!rc && added) {
            size_t size = 0;
            const char *text = bt_vocab_text(&tok->vocab, ids[i], &size);

            if (!first)
                rc = bt_buf_add(out, " ", 1, err);
            if (!rc)
                rc = bt_buf_add(out, text, size, err);
            first = false;
        }
        from = i + 1;
    }
    return rc;
}

static int bpe_bytes(const char *text, size_t size, const int16_t byte[BT_BYTE_LETTERS], struct bt_buf *raw,
                     struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = 0; i < size && !rc;) {
        uint32_t c;
        int length = bt_utf8_next(text + i, size - i, &c);
        char one = c < BT_BYTE_LETTERS && byte[c] >= 0 ? (char)byte[c] : '\0';
        bool letter = c < BT_BYTE_LETTERS && byte[c] >= 0;

        rc = letter ? bt_buf_add(raw, &one, 1, err) : bt_buf_add(raw, text + i, (size_t)length, err);
        i += (size_t)length;
    }
    return rc;
}

static int bpe_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip,
                      struct bt_buf *out, struct bt_err *err)
{
    uint32_t letter[256];
    int16_t byte[BT_BYTE_LETTERS];
    struct bt_buf raw = { 0 };
    int rc = BT_OK;

    bt_byte_alphabet(letter, byte);
    for (uint64_t i = 0; i < count && !rc; i++) {
        size_t size = 0;
        const char *text = bt_vocab_text(&tok->vocab, ids[i], &size);

        if (!text || (skip && is_skipped(tok, ids[i])))
            continue;
        rc = tok->bpe.byte_level ? bpe_bytes(text, size, byte, &raw, err) : bt_buf_add(&raw, text, size, err);
    }
    if (!rc && raw.size)
        rc = bt_utf8_repair(out, raw.data, raw.size, err);
    bt_buf_free(&raw);
    return rc;
}

/* U+2581 is a space, and in the first token nothing. */
static int unigram_token(const char *text, size_t size, bool first, struct bt_buf *out, struct bt_err *err)
{
    const size_t mark = strlen(BT_UNIGRAM_SPACE);
    const char *end = text + size, *hit;
    int rc = BT_OK;

    while (!rc && (hit = memmem(text, (size_t)(end - text), BT_UNIGRAM_SPACE, mark)) != NULL) {
        rc = bt_buf_add(out, text, (size_t)(hit - text), err);
        if (!rc && !first)
            rc = bt_buf_add(out, " ", 1, err);
        text = hit + mark;
    }
    return rc ? rc : bt_buf_add(out, text, (size_t)(end - text), err);
}

static int unigram_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip,
                          struct bt_buf *out, struct bt_err *err)
{
    bool first = true;
    int rc = BT_OK;

    for (uint64_t i = 0; i < count && !rc; i++) {
        size_t size = 0;
        const char *text = bt_vocab_text(&tok->vocab, ids[i], &size);

        if (!text || (skip && is_skipped(tok, ids[i])))
            continue;
        rc = unigram_token(text, size, first, out, err);
        first = false;
    }
    return rc;
}

int bt_tokenizer_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip_specials,
                        struct bt_buf *out, struct bt_err *err)
{
    uint64_t start = out->size;

    if (count == 0)
        return BT_OK;
    int rc = tok->kind == BT_TOKENIZER_BERT ? bert_decode(tok, ids, count, skip_specials, out, err)
             : tok->kind == BT_TOKENIZER_T5 ? unigram_decode(tok, ids, count, skip_specials, out, err)
                                            : bpe_decode(tok, ids, count, skip_specials, out, err);

    if (!rc && out->size > start)
        clean_up(out, start);
    return rc;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As part of a line: a line break in the text is written \n. */
static int add_to_line(struct bt_buf *out, const char *text, size_t size, struct bt_err *err)
{
    const char *end = text + size, *stop;
    int rc = BT_OK;

    while (!rc && size && (stop = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        rc = bt_buf_add(out, text, (size_t)(stop - text), err);
        if (!rc)
            rc = bt_buf_add(out, "\\n", 2, err);
        text = stop + 1;
    }
    return rc || text == end ? rc : bt_buf_add(out, text, (size_t)(end - text), err);
}

int bt_tokenizer_decode_line(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip_specials,
                             struct bt_buf *out, struct bt_err *err)
{
    struct bt_buf text = { 0 };
    int rc = bt_tokenizer_decode(tok, ids, count, skip_specials, &text, err);
    uint64_t from = 0, to = text.size;

    while (from < to && is_blank(text.data[from]))
        from++;
    while (to > from && is_blank(text.data[to - 1]))
        to--;
    if (!rc && from < to)
        rc = add_to_line(out, text.data + from, to - from, err);
    bt_buf_free(&text);
    return rc;
}

int bt_tokenizer_explain(const struct bt_tokenizer *tok, const char *name, const int32_t *ids, uint64_t count,
                         struct bt_buf *out, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; i < count && !rc; i++) {
        size_t size = 0;
        const char *text = bt_vocab_text(&tok->vocab, ids[i], &size);

        rc = bt_buf_printf(out, err, "%s\t%d\t", name, ids[i]);
        if (!rc && text)
            rc = add_to_line(out, text, size, err);
        if (!rc)
            rc = bt_buf_add(out, "\n", 1, err);
    }
    return rc;
}
