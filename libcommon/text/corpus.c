/* Words and their counts. */
#include <string.h>

#include "libcommon/text/corpus.h"
#include "libcommon/text/gpt2_split.h"
#include "libcommon/text/unicode.h"
#include "libcommon/text/unigram.h"
#include "libcommon/text/wordpiece.h"

int bt_corpus_init(struct bt_corpus *c, enum bt_tokenizer_kind kind, struct bt_err *err)
{
    memset(c, 0, sizeof *c);
    c->kind = kind;
    int rc = bt_vocab_init(&c->words, err);
    return rc ? rc : bt_bert_splitter_init(&c->splitter, BT_WORDPIECE_MAX_CHARS, err);
}

void bt_corpus_free(struct bt_corpus *c)
{
    bt_vocab_free(&c->words);
    bt_bert_splitter_free(&c->splitter);
    free(c->counts);
    memset(c, 0, sizeof *c);
}

int bt_corpus_count(struct bt_corpus *c, const char *word, size_t size, uint64_t count, struct bt_err *err)
{
    int32_t id = bt_vocab_find(&c->words, word, size);
    int rc = BT_OK;

    if (id < 0) {
        if (c->words.count == BT_VOCAB_MAX)
            return bt_fail(err, BT_ERR_LIMIT, "more than 2^24 different words; train on a part of the text");
        rc = bt_grow(&c->counts, &c->counts_capacity, (uint64_t)c->words.count + 1, sizeof *c->counts, err);
        if (!rc)
            rc = bt_vocab_append(&c->words, word, size, &id, err);
        if (rc)
            return rc;
        c->counts[id] = 0;
    }
    c->counts[id] += count;
    return BT_OK;
}

static int count_word(void *context, const char *word, size_t size, size_t chars, struct bt_err *err)
{
    if (chars > BT_WORDPIECE_MAX_CHARS || size > BT_CORPUS_WORD_MAX)
        return BT_OK;
    return bt_corpus_count(context, word, size, 1, err);
}

/* What spaces part, each word with U+2581 in front: T5's words where no character is normalized. */
static int count_spaced(struct bt_corpus *c, const char *text, size_t size, struct bt_err *err)
{
    const size_t mark = strlen(BT_UNIGRAM_SPACE);
    char word[BT_CORPUS_WORD_MAX];
    int rc = BT_OK;

    memcpy(word, BT_UNIGRAM_SPACE, mark);
    for (const char *end = text + size, *stop; text < end && !rc; text = stop + (stop < end)) {
        stop = memchr(text, ' ', (size_t)(end - text));
        stop = stop ? stop : end;
        size_t length = (size_t)(stop - text);
        if (length == 0 || length > sizeof word - mark || memmem(text, length, BT_UNIGRAM_SPACE, mark))
            continue;
        memcpy(word + mark, text, length);
        rc = bt_corpus_count(c, word, mark + length, 1, err);
    }
    return rc;
}

int bt_corpus_add(struct bt_corpus *c, const char *text, size_t size, struct bt_err *err)
{
    int rc = bt_utf8_check(text, size, err);

    if (!rc && c->kind == BT_TOKENIZER_BERT)
        return bt_bert_words(&c->splitter, text, size, count_word, c, err);
    if (!rc && c->kind == BT_TOKENIZER_T5)
        return count_spaced(c, text, size, err);
    for (size_t i = 0; i < size && !rc;) {
        size_t length = bt_gpt2_piece(text + i, size - i);

        if (length <= BT_CORPUS_WORD_MAX)
            rc = bt_corpus_count(c, text + i, length, 1, err);
        i += length;
    }
    return rc;
}

struct key {
    const char *text;
    size_t size;
    uint64_t count; /* 0 when it does not decide */
    int32_t id;
};

static int by_key(const void *x, const void *y)
{
    const struct key *a = x, *b = y;
    size_t shorter = a->size < b->size ? a->size : b->size;
    int order;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

int bt_corpus_sorted(const struct bt_corpus *c, bool by_count, int32_t **out, struct bt_err *err)
{
    size_t count = (size_t)c->words.count;
    struct key *keys = bt_alloc(count, sizeof *keys, err);
    int32_t *ids = bt_alloc(count, sizeof *ids, err);

    if (!keys || !ids) {
        free(keys);
        free(ids);
        return BT_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        keys[i].id = (int32_t)i;
        keys[i].count = by_count ? c->counts[i] : 0;
        keys[i].text = bt_vocab_text(&c->words, (int32_t)i, &keys[i].size);
    }
    qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; i < count; i++)
        ids[i] = keys[i].id;
    free(keys);
    *out = ids;
    return BT_OK;
}
