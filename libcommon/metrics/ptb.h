/* The Penn Treebank tokenizer of COCO's captioning evaluation: the lexer of Stanford CoreNLP 3.4.1 with
 * newlines kept and lower case, and what the evaluation's wrapper does before and after it. The captions are
 * lexed as one stream, joined by line feeds, so that a caption's end is read with sight of the next one.
 * Source: metrics.md 1.2, 1.3. */
#ifndef BT_METRICS_PTB_H
#define BT_METRICS_PTB_H

#include <stddef.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

struct bt_ptb;

/* One serves any number of streams, one after the other. NULL when out of memory. */
struct bt_ptb *bt_ptb_new(void);
void bt_ptb_free(struct bt_ptb *ptb);

/* Appends to `raw` what the lexer prints for captions[count] as one stream: the tokens of a line between
 * single spaces, lines between line feeds. A line feed in a caption is a space. There is a line for every
 * caption at least; vertical tabs, form feeds, carriage returns, U+2028 and U+2029 end one too. Time and
 * memory are linear. E_UTF8 with the number of the caption (from 1), E_MEMORY. */
int bt_ptb_lex(struct bt_ptb *ptb, const struct bt_text *captions, size_t count, struct bt_buf *raw,
               struct bt_err *err);

/* tokens[i] is the token string of captions[i]: line i of the above without punctuation, so an extra line
 * shifts the captions behind it. The strings live in `text`, which begins empty and is the caller's. */
int bt_ptb_tokenize(struct bt_ptb *ptb, const struct bt_text *captions, size_t count, struct bt_buf *text,
                    struct bt_text *tokens, struct bt_err *err);

/* The same in portions. The stream keeps what it needs of the captions, one at a time uses `ptb`. E_UTF8, E_MEMORY. */
struct bt_ptb_stream;
int bt_ptb_stream_open(struct bt_ptb_stream **stream, struct bt_ptb *ptb, const struct bt_text *captions, size_t count,
                       struct bt_err *err);
/* Appends the next lines, each with its line feed: at least `lines`, fewer at the end. BT_END after it; E_MEMORY. */
int bt_ptb_stream_next(struct bt_ptb_stream *stream, size_t lines, struct bt_buf *text, struct bt_err *err);
void bt_ptb_stream_close(struct bt_ptb_stream *stream);
/* Makes token strings of the first `count` lines, where they stand. */
void bt_ptb_split(struct bt_buf *text, struct bt_text *tokens, size_t count);

#endif
