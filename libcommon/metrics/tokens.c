#include "libcommon/metrics/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/ptb.h"
#include "libcommon/metrics/words.h"

#define PORTION 512 /* captions */

struct bt_token_reader {
    struct bt_ptb *ptb;
    struct bt_ptb_stream *stream;
    const struct bt_token_source *source;
    size_t at, end;
};

const char *bt_tokens_name(enum bt_tokens how)
{
    static const char *const names[] = { "ptb", "words", "given" };
    return names[how];
}

int bt_token_source_init(struct bt_token_source *source, enum bt_tokens how, const struct bt_text *captions, size_t count,
                         struct bt_err *err)
{
    *source = (struct bt_token_source){ how, captions, count, NULL };
    return how == BT_TOKENS_PTB ? bt_ptb_text_new(&source->text, captions, count, err) : BT_OK;
}

void bt_token_source_free(struct bt_token_source *source)
{
    bt_ptb_text_free(source->text);
    *source = (struct bt_token_source){ 0 };
}

int bt_token_reader_new(struct bt_token_reader **reader, enum bt_tokens how, struct bt_err *err)
{
    struct bt_token_reader *r = bt_alloc(1, sizeof *r, err);
    if (!r)
        return BT_ERR_MEMORY;
    if (how == BT_TOKENS_PTB && !(r->ptb = bt_ptb_new())) {
        free(r);
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokenizer");
    }
    *reader = r;
    return BT_OK;
}

void bt_token_reader_free(struct bt_token_reader *r)
{
    if (!r)
        return;
    bt_ptb_stream_close(r->stream);
    bt_ptb_free(r->ptb);
    free(r);
}

int bt_token_reader_begin(struct bt_token_reader *r, const struct bt_token_source *source, size_t first, size_t end,
                          struct bt_err *err)
{
    bt_ptb_stream_close(r->stream);
    r->stream = NULL;
    r->source = source;
    r->at = first;
    r->end = end;
    return source->text ? bt_ptb_stream_open(&r->stream, r->ptb, source->text, first, end, err) : BT_OK;
}

bool bt_token_reader_met(const struct bt_token_reader *r)
{
    return !r->stream || bt_ptb_stream_met(r->stream);
}

static int make_words(const struct bt_text *captions, struct bt_token_portion *p, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < p->count; i++) {
        uint64_t from = p->text.size;
        rc = bt_tokenize_words(&p->text, captions[i], err);
        p->tokens[i].size = p->text.size - from;
    }
    const char *at = p->text.data ? p->text.data : "";
    for (size_t i = 0; !rc && i < p->count; at += p->tokens[i++].size)
        p->tokens[i].data = at; /* only now: the text has moved while it grew */
    return rc;
}

static size_t count_lines(const struct bt_buf *text)
{
    size_t count = 0;
    for (uint64_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

static int read_stream(struct bt_token_reader *r, struct bt_token_portion *p, struct bt_err *err)
{
    int rc = bt_ptb_stream_next(r->stream, PORTION, &p->text, err);
    p->count = count_lines(&p->text); /* more than asked for where a token holds a line feed */
    if (!rc)
        rc = bt_grow(&p->tokens, &p->capacity, p->count, sizeof *p->tokens, err);
    if (!rc)
        bt_ptb_split(&p->text, p->tokens, p->count);
    return rc;
}

int bt_token_reader_next(struct bt_token_reader *r, struct bt_token_portion *p, struct bt_err *err)
{
    const struct bt_text *captions = r->source->captions + r->at;
    const size_t left = r->end - r->at;
    p->text.size = 0;
    if (r->stream)
        return read_stream(r, p, err);
    if (left == 0)
        return BT_END;
    p->count = left < PORTION ? left : PORTION;
    int rc = bt_grow(&p->tokens, &p->capacity, p->count, sizeof *p->tokens, err);
    if (!rc && r->source->how == BT_TOKENS_WORDS)
        rc = make_words(captions, p, err);
    else if (!rc)
        memcpy(p->tokens, captions, p->count * sizeof *p->tokens);
    r->at += p->count;
    return rc;
}

void bt_token_portion_free(struct bt_token_portion *p)
{
    free(p->tokens);
    bt_buf_free(&p->text);
    *p = (struct bt_token_portion){ 0 };
}
