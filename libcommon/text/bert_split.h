/* BERT's words: lower case, cleaned, without accents, cut at white space and punctuation, CJK characters alone.
 * The slow (Python) tokenizer of the published models, with Unicode 14.0. Source: tokenizers.md 3.2. */
#ifndef BT_TEXT_BERT_SPLIT_H
#define BT_TEXT_BERT_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* Called for each word in turn. `chars` counts its characters; of a word with more than the splitter's max_chars only
 * the first max_chars are in word. A status other than BT_OK ends the splitting and is returned. */
typedef int (*bt_word_fn)(void *context, const char *word, size_t size, size_t chars, struct bt_err *err);

struct bt_bert_splitter {
    size_t max_chars;
    char *word;
    size_t size, chars;
    uint32_t *marks, *sorted; /* combining characters that wait for their canonical order */
    uint64_t mark_count, marks_capacity, sorted_capacity;
};

int bt_bert_splitter_init(struct bt_bert_splitter *s, size_t max_chars, struct bt_err *err);
void bt_bert_splitter_free(struct bt_bert_splitter *s);

/* text must be UTF-8. Linear in its size whatever it holds. */
int bt_bert_words(struct bt_bert_splitter *s, const char *text, size_t size, bt_word_fn word, void *context,
                  struct bt_err *err);

#endif
