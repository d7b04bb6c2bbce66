/* Token strings of captions: what the caption metrics compare. Source: metrics.md 1.2, 2. */
#ifndef BT_METRICS_TOKENS_H
#define BT_METRICS_TOKENS_H

#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

enum bt_tokens {
    BT_TOKENS_PTB,   /* the official one, over all captions as one stream (ptb.h) */
    BT_TOKENS_WORDS, /* lower case, split at white space (words.h) */
    BT_TOKENS_GIVEN  /* the captions are token strings already */
};

const char *bt_tokens_name(enum bt_tokens how); /* "ptb", "words", "given" */

/* Reads streams of captions, one after the other, in portions that the caller may keep. */
struct bt_token_reader;
int bt_token_reader_new(struct bt_token_reader **reader, enum bt_tokens how, struct bt_err *err); /* E_MEMORY */
void bt_token_reader_free(struct bt_token_reader *reader);

/* Begins a stream, whose captions must last until its end. E_UTF8 with the number of the caption, E_MEMORY. */
int bt_token_reader_begin(struct bt_token_reader *reader, const struct bt_text *captions, size_t count,
                          struct bt_err *err);

/* The token strings of the captions from `first` on; they live in `text`, or are the captions. */
struct bt_token_portion {
    size_t first, count;
    struct bt_text *tokens;
    struct bt_buf text;
    uint64_t capacity;
};

/* Fills a portion, zero or to be used again. BT_END after the last; E_UTF8, E_MEMORY. Free it also after a failure. */
int bt_token_reader_next(struct bt_token_reader *reader, struct bt_token_portion *portion, struct bt_err *err);
void bt_token_portion_free(struct bt_token_portion *portion);

#endif
