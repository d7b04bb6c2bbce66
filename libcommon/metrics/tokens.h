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

/* Captions as one stream. Set captions and count; both arrays and the rest are the caller's. */
struct bt_token_stream {
    const struct bt_text *captions;
    size_t count;
    struct bt_text *tokens; /* [count], filled; they live in `text` or are the captions */
    struct bt_buf text;
};

/* Fills streams[stream_count], one after the other. E_UTF8 with the number of the caption, E_MEMORY. */
int bt_tokens_make(enum bt_tokens how, struct bt_token_stream *streams, size_t stream_count,
                   struct bt_err *err);

#endif
