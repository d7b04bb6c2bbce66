#include "libcommon/metrics/tokens.h"

#include <string.h>

#include "libcommon/metrics/ptb.h"
#include "libcommon/metrics/words.h"

const char *bt_tokens_name(enum bt_tokens how)
{
    static const char *const names[] = { "ptb", "words", "given" };
    return names[how];
}

static int make_words(struct bt_token_stream *s, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < s->count; i++) {
        uint64_t from = s->text.size;
        rc = bt_tokenize_words(&s->text, s->captions[i], err);
        if (rc)
            bt_context(err, "caption %zu", i + 1);
        s->tokens[i].size = s->text.size - from;
    }
    const char *at = s->text.data ? s->text.data : "";
    for (size_t i = 0; !rc && i < s->count; at += s->tokens[i++].size)
        s->tokens[i].data = at; /* only now: the text has moved while it grew */
    return rc;
}

int bt_tokens_make(enum bt_tokens how, struct bt_token_stream *streams, size_t stream_count,
                   struct bt_err *err)
{
    struct bt_ptb *ptb = how == BT_TOKENS_PTB ? bt_ptb_new() : NULL;
    int rc = BT_OK;
    if (how == BT_TOKENS_PTB && !ptb)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokenizer");
    for (struct bt_token_stream *s = streams; !rc && s < streams + stream_count; s++) {
        if (how == BT_TOKENS_PTB)
            rc = bt_ptb_tokenize(ptb, s->captions, s->count, &s->text, s->tokens, err);
        else if (how == BT_TOKENS_WORDS)
            rc = make_words(s, err);
        else if (s->count > 0)
            memcpy(s->tokens, s->captions, s->count * sizeof *s->tokens);
    }
    bt_ptb_free(ptb);
    return rc;
}
