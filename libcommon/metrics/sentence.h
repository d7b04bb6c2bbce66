/* Sentences as numbers. A lexicon numbers words and n-grams (n = 1..4) over all sentences of a corpus, so that the metrics
 * count in arrays and compare integers: sentences are read one by one, then all get their n-grams at once.
 *
 * A token string is read in two ways (metrics.md 2): BLEU and CIDEr split it at Unicode white space into
 * words, ROUGE-L at single U+0020 into pieces (the empty string is one empty piece). */
#ifndef BT_METRICS_SENTENCE_H
#define BT_METRICS_SENTENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

#define BT_ORDERS 4 /* n-grams of 1 to 4 words */

struct bt_gram {
    int32_t id, count;
};

/* The distinct n-grams in order of first occurrence, all 1-grams, then all 2-grams, ...; gram_end[n-1] is the
 * end of the n-grams, gram_end[3] their number in all. Memory belongs to the lexicon. */
struct bt_sentence {
    int32_t *pieces;
    const struct bt_gram *grams;
    int32_t piece_count, word_count;
    int32_t gram_end[BT_ORDERS];
    size_t first_word; /* among those of the lexicon */
};

/* One image: a generated caption and at least one reference. */
struct bt_caption_item {
    struct bt_sentence hypothesis;
    const struct bt_sentence *references;
    int32_t reference_count;
};

struct bt_lexicon;

struct bt_lexicon *bt_lexicon_new(void); /* NULL when out of memory */
/* Reads pieces and words. E_LIMIT beyond 64 KiB, E_MEMORY. */
int bt_lexicon_read(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *sentence,
                    struct bt_err *err);
/* Takes over what `other` has read: the sentences get their numbers in `lex`. `other` is freed, whatever comes. E_LIMIT,
 * E_MEMORY. */
int bt_lexicon_append(struct bt_lexicon *lex, struct bt_lexicon *other, struct bt_sentence *sentences, size_t count,
                      struct bt_err *err);

/* Gives all sentences that were read their n-grams. Once, then nothing more is read. E_LIMIT, E_MEMORY. */
struct bt_sentence_range {
    struct bt_sentence *sentences;
    size_t count;
};
int bt_lexicon_number(struct bt_lexicon *lex, const struct bt_sentence_range *ranges, int count, struct bt_err *err);

/* Appends the token string that a sentence was read from. */
int bt_lexicon_text(const struct bt_lexicon *lex, const struct bt_sentence *sentence, struct bt_buf *out,
                    struct bt_err *err);
int32_t bt_lexicon_gram_count(const struct bt_lexicon *lex);  /* n-gram ids are below this, */
int32_t bt_lexicon_piece_count(const struct bt_lexicon *lex); /* pieces below this */
void bt_lexicon_free(struct bt_lexicon *lex);

/* The most n-grams that a hypothesis has. */
uint64_t bt_longest_hypothesis(const struct bt_caption_item *items, size_t count);
/* The same pieces in the same order. */
bool bt_sentence_equal(const struct bt_sentence *a, const struct bt_sentence *b);

#endif
