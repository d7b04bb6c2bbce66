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

/* tokens[i] for captions[i], i < count. The strings live in `text`, which begins empty and is the caller's,
 * or are the captions themselves. E_UTF8 with the number of the caption, E_MEMORY. */
int bt_tokens_make(enum bt_tokens how, const struct bt_text *captions, size_t count, struct bt_buf *text,
                   struct bt_text *tokens, struct bt_err *err);

#endif
