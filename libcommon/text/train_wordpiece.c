/* WordPiece training: whole words, with single characters to fall back on. */
#include <stdio.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/text/train.h"
#include "libcommon/text/unicode.h"

#define WORD_SEEN_LEAST 3
#define UNK_ID 100 /* where the published vocabulary has it */

/* Adds an entry unless it is there or the vocabulary is full. */
static int entry_add(struct bt_vocab *vocab, int64_t most, const char *text, size_t size, struct bt_err *err)
{
    if (vocab->count >= most || bt_vocab_find(vocab, text, size) >= 0)
        return BT_OK;
    return bt_vocab_append(vocab, text, size, NULL, err);
}

static int marks_add(struct bt_vocab *vocab, int64_t most, struct bt_err *err)
{
    static const char *const marks[] = { "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
    char filler[32];
    int rc = entry_add(vocab, most, "[PAD]", 5, err);

    for (int i = 0; i < UNK_ID - 1 && !rc; i++)
        rc = entry_add(vocab, most, filler, (size_t)snprintf(filler, sizeof filler, "[unused%d]", i), err);
    for (int i = 0; i < 4 && !rc; i++)
        rc = entry_add(vocab, most, marks[i], strlen(marks[i]), err);
    return rc;
}

static int character_add(struct bt_vocab *vocab, int64_t most, const char *c, size_t size, bool inside,
                         struct bt_err *err)
{
    char continued[8] = "##";
    int rc = entry_add(vocab, most, c, size, err);

    memcpy(continued + 2, c, size);
    return rc || !inside ? rc : entry_add(vocab, most, continued, size + 2, err);
}

/* Counts the characters of every word, and apart those that are not the first of theirs. */
static int characters_count(const struct bt_corpus *corpus, struct bt_corpus *all, struct bt_corpus *inside,
                            struct bt_err *err)
{
    int rc = BT_OK;

    for (int32_t id = 0; id < corpus->words.count && !rc; id++) {
        size_t size = 0;
        const char *word = bt_vocab_text(&corpus->words, id, &size);

        for (size_t i = 0; i < size && !rc;) {
            uint32_t c;
            size_t length = (size_t)bt_utf8_next(word + i, size - i, &c);

            rc = bt_corpus_count(all, word + i, length, corpus->counts[id], err);
            if (!rc && i > 0)
                rc = bt_corpus_count(inside, word + i, length, corpus->counts[id], err);
            i += length;
        }
    }
    return rc;
}

static int characters_add(struct bt_vocab *vocab, int64_t most, const struct bt_corpus *corpus, struct bt_err *err)
{
    static const char always[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct bt_corpus all = { 0 }, inside = { 0 };
    int32_t *order = NULL;
    int rc = bt_corpus_init(&all, BT_TOKENIZER_BERT, err);

    if (!rc)
        rc = bt_corpus_init(&inside, BT_TOKENIZER_BERT, err);
    for (const char *c = always; *c && !rc; c++)
        rc = character_add(vocab, most, c, 1, true, err);
    if (!rc)
        rc = characters_count(corpus, &all, &inside, err);
    if (!rc)
        rc = bt_corpus_sorted(&all, true, &order, err);
    for (int32_t i = 0; !rc && i < all.words.count; i++) {
        size_t size = 0;
        const char *c = bt_vocab_text(&all.words, order[i], &size);

        rc = character_add(vocab, most, c, size, bt_vocab_find(&inside.words, c, size) >= 0, err);
    }
    free(order);
    bt_corpus_free(&all);
    bt_corpus_free(&inside);
    return rc;
}

static int words_add(struct bt_vocab *vocab, int64_t most, const struct bt_corpus *corpus, struct bt_err *err)
{
    int32_t *order = NULL;
    int rc = bt_corpus_sorted(corpus, true, &order, err);

    for (int32_t i = 0; !rc && i < corpus->words.count && corpus->counts[order[i]] >= WORD_SEEN_LEAST; i++) {
        size_t size = 0;
        const char *word = bt_vocab_text(&corpus->words, order[i], &size);

        rc = entry_add(vocab, most, word, size, err);
    }
    free(order);
    return rc;
}

static int write_lines(const struct bt_vocab *vocab, const char *path, bool force, struct bt_err *err)
{
    struct bt_buf text = { 0 };
    int rc = BT_OK;

    for (int32_t id = 0; id < vocab->count && !rc; id++) {
        size_t size = 0;
        const char *entry = bt_vocab_text(vocab, id, &size);

        rc = bt_buf_add(&text, entry, size, err);
        if (!rc)
            rc = bt_buf_add(&text, "\n", 1, err);
    }
    if (!rc)
        rc = bt_file_write(path, text.data, text.size, force, err);
    bt_buf_free(&text);
    return rc;
}

int bt_train_wordpiece(const struct bt_corpus *corpus, int64_t vocab_size, const char *path, bool force, int64_t *made,
                       struct bt_err *err)
{
    struct bt_vocab vocab = { 0 };
    int rc = BT_OK;

    if (vocab_size < BT_TRAIN_WORDPIECE_LEAST || vocab_size >= BT_VOCAB_MAX)
        return bt_fail(err, BT_ERR_USAGE, "a vocabulary of %lld entries; WordPiece needs %d to 2^24-1",
                       (long long)vocab_size, BT_TRAIN_WORDPIECE_LEAST);
    rc = bt_vocab_init(&vocab, err);
    if (!rc)
        rc = marks_add(&vocab, vocab_size, err);
    if (!rc)
        rc = characters_add(&vocab, vocab_size, corpus, err);
    if (!rc)
        rc = words_add(&vocab, vocab_size, corpus, err);
    if (!rc)
        rc = write_lines(&vocab, path, force, err);
    if (!rc)
        *made = vocab.count;
    bt_vocab_free(&vocab);
    return rc;
}
