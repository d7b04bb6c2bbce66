#include "libcommon/metrics/tokens.h"

#include <string.h>

#include "libcommon/metrics/ptb.h"
#include "libcommon/metrics/words.h"

const char *bt_tokens_name(enum bt_tokens how)
{
    static const char *const names[] = { "ptb", "words", "given" };
    return names[how];
}

static int make_ptb(const struct bt_text *captions, size_t count, struct bt_buf *text, struct bt_text *tokens,
                    struct bt_err *err)
{
    struct bt_ptb *ptb = bt_ptb_new();
    int rc = ptb ? bt_ptb_tokenize(ptb, captions, count, text, tokens, err)
                 : bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokenizer");
    bt_ptb_free(ptb);
    return rc;
}

static int make_words(const struct bt_text *captions, size_t count, struct bt_buf *text,
                      struct bt_text *tokens, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        uint64_t from = text->size;
        rc = bt_tokenize_words(text, captions[i], err);
        if (rc)
            bt_context(err, "caption %zu", i + 1);
        tokens[i].size = text->size - from;
    }
    const char *at = text->data ? text->data : "";
    for (size_t i = 0; !rc && i < count; at += tokens[i++].size)
        tokens[i].data = at; /* only now: the text has moved while it grew */
    return rc;
}

int bt_tokens_make(enum bt_tokens how, const struct bt_text *captions, size_t count, struct bt_buf *text,
                   struct bt_text *tokens, struct bt_err *err)
{
    if (how == BT_TOKENS_PTB)
        return make_ptb(captions, count, text, tokens, err);
    if (how == BT_TOKENS_WORDS)
        return make_words(captions, count, text, tokens, err);
    if (count > 0)
        memcpy(tokens, captions, count * sizeof *tokens);
    return BT_OK;
}
