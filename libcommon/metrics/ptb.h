/* The Penn Treebank tokenizer of COCO's captioning evaluation: the lexer of Stanford CoreNLP 3.4.1 with
 * newlines kept and lower case, and what the evaluation's wrapper does before and after it. The captions are
 * lexed as one stream, joined by line feeds, so that a caption's end is read with sight of the next one.
 * Source: metrics.md 1.2, 1.3. */
#ifndef BT_METRICS_PTB_H
#define BT_METRICS_PTB_H

#include <stdbool.h>
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

/* The captions of one stream, made ready for any number of readers at once. E_UTF8 as above, E_MEMORY. */
struct bt_ptb_text;
int bt_ptb_text_new(struct bt_ptb_text **text, const struct bt_text *captions, size_t count, struct bt_err *err);
void bt_ptb_text_free(struct bt_ptb_text *text);

/* Reads captions[first, end) of a text in portions, with sight of all others. One at a time uses `ptb`. E_MEMORY. */
struct bt_ptb_stream;
int bt_ptb_stream_open(struct bt_ptb_stream **stream, struct bt_ptb *ptb, const struct bt_ptb_text *text, size_t first,
                       size_t end, struct bt_err *err);
/* Appends the next lines, each with its line feed: at least `lines`, fewer at the end. BT_END after it; E_MEMORY. */
int bt_ptb_stream_next(struct bt_ptb_stream *stream, size_t lines, struct bt_buf *text, struct bt_err *err);
/* At the end: whether a token ended just where captions[end] begins, so that a stream from there on reads what this one
 * would. A token may hold a line feed and go over that border; then this stream has read on to the last caption. */
bool bt_ptb_stream_met(const struct bt_ptb_stream *stream);
void bt_ptb_stream_close(struct bt_ptb_stream *stream);
/* Makes token strings of the first `count` lines, where they stand. */
void bt_ptb_split(struct bt_buf *text, struct bt_text *tokens, size_t count);

#endif
