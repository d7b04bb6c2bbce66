/* A stream of captions read into sentences, on two threads: while a portion is tokenized, the last ones get their
 * numbers. */
#ifndef BT_METRICS_SENTENCES_H
#define BT_METRICS_SENTENCES_H

#include "libcommon/metrics/sentence.h"
#include "libcommon/metrics/tokens.h"

/* sentences: [count], in the lexicon's memory. Of a failure *failed is the caption, or `count` where it is none of
 * them: E_LIMIT and E_MEMORY as bt_lexicon_read, E_UTF8. */
int bt_sentences_read(struct bt_token_reader *reader, const struct bt_text *captions, size_t count,
                      struct bt_lexicon *lex, struct bt_sentence *sentences, size_t *failed, struct bt_err *err);

#endif
