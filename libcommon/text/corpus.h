/* The words of a corpus and how often each occurs: what vocabulary training starts from. Only the counts matter, never the
 * order of the lines. */
#ifndef BT_TEXT_CORPUS_H
#define BT_TEXT_CORPUS_H

#include "libcommon/text/bert_split.h"
#include "libcommon/text/tokenizer.h"
#include "libcommon/text/vocab.h"

#define BT_CORPUS_WORD_MAX 256 /* bytes; longer ones are not words and are left out */

struct bt_corpus {
    enum bt_tokenizer_kind kind; /* BERT's words, GPT-2's pieces, or T5's words with U+2581 in front */
    struct bt_vocab words;
    uint64_t *counts; /* by id of word */
    uint64_t counts_capacity;
    struct bt_bert_splitter splitter;
};

int bt_corpus_init(struct bt_corpus *corpus, enum bt_tokenizer_kind kind, struct bt_err *err);
void bt_corpus_free(struct bt_corpus *corpus);

/* Counts the words of text. E_UTF8 with the byte offset, E_LIMIT beyond 2^24 different words, E_MEMORY. */
int bt_corpus_add(struct bt_corpus *corpus, const char *text, size_t size, struct bt_err *err);

/* Counts one word, `count` times. */
int bt_corpus_count(struct bt_corpus *corpus, const char *word, size_t size, uint64_t count, struct bt_err *err);

/* The ids of all words, by their bytes, or the most frequent first and equally frequent ones by their bytes; the caller frees
 * *ids. */
int bt_corpus_sorted(const struct bt_corpus *corpus, bool by_count, int32_t **ids, struct bt_err *err);

#endif
