/* Token strings of captions: what the caption metrics compare. Source: metrics.md 1.2, 2. */
#ifndef BT_METRICS_TOKENS_H
#define BT_METRICS_TOKENS_H

#include <stdbool.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

enum bt_tokens {
    BT_TOKENS_PTB,   /* the official one, over all captions as one stream (ptb.h) */
    BT_TOKENS_WORDS, /* lower case, split at white space (words.h) */
    BT_TOKENS_GIVEN  /* the captions are token strings already */
};

const char *bt_tokens_name(enum bt_tokens how); /* "ptb", "words", "given" */

/* A stream of captions, which must last as long; any number of readers share it. E_UTF8 with the number of the caption,
 * E_MEMORY. */
struct bt_token_source {
    enum bt_tokens how;
    const struct bt_text *captions;
    size_t count;
    struct bt_ptb_text *text; /* of BT_TOKENS_PTB */
};
int bt_token_source_init(struct bt_token_source *source, enum bt_tokens how, const struct bt_text *captions, size_t count,
                         struct bt_err *err);
void bt_token_source_free(struct bt_token_source *source);

/* Reads parts of sources, one after the other, in portions that the caller may keep. */
struct bt_token_reader;
int bt_token_reader_new(struct bt_token_reader **reader, enum bt_tokens how, struct bt_err *err); /* E_MEMORY */
void bt_token_reader_free(struct bt_token_reader *reader);

/* Begins with captions[first, end) of a source. E_MEMORY. */
int bt_token_reader_begin(struct bt_token_reader *reader, const struct bt_token_source *source, size_t first, size_t end,
                          struct bt_err *err);

/* Token strings, of the captions behind those of the last portion; they live in `text`, or are the captions. */
struct bt_token_portion {
    size_t count;
    struct bt_text *tokens;
    struct bt_buf text;
    uint64_t capacity;
};

/* Fills a portion, zero or to be used again. BT_END after the last; E_UTF8, E_MEMORY. Free it also after a failure. As
 * published, a line too many in a caption shifts those behind it: then there are more token strings than captions. */
int bt_token_reader_next(struct bt_token_reader *reader, struct bt_token_portion *portion, struct bt_err *err);
/* At the end: see bt_ptb_stream_met. */
bool bt_token_reader_met(const struct bt_token_reader *reader);

void bt_token_portion_free(struct bt_token_portion *portion);

#endif
