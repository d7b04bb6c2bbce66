/* Streams of captions read into sentences, half of them by a second thread. */
#ifndef BT_METRICS_SENTENCES_H
#define BT_METRICS_SENTENCES_H

#include "libcommon/metrics/sentence.h"
#include "libcommon/metrics/tokens.h"

/* Captions that are tokenized as one stream, and room for as many sentences. */
struct bt_sentence_stream {
    const struct bt_text *captions;
    size_t count;
    struct bt_sentence *sentences;
};

#define BT_MAX_STREAMS 3

/* Reads all streams; the sentences lie in the lexicon's memory. Of a failure *failed is the caption, counted through all
 * streams, or their sum where it is none of them: E_LIMIT and E_MEMORY as bt_lexicon_read, E_UTF8. */
int bt_sentences_read(struct bt_lexicon *lex, enum bt_tokens how, const struct bt_sentence_stream *streams, int count,
                      size_t *failed, struct bt_err *err);

#endif
