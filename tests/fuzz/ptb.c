/* Any bytes, lines being captions: tokens for each, or a refusal; and what was lexed before changes nothing
 * (tried on one size in sixteen, since a new lexer takes its time). */
#include <string.h>

#include "libcommon/metrics/ptb.h"

#define CAPTIONS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(const char *text, size_t size, struct bt_text *captions)
{
    size_t count = 0;
    for (const char *end = text + size; count < CAPTIONS; text++) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        captions[count] = (struct bt_text){ text, (size_t)((line ? line : end) - text) };
        text += captions[count++].size;
        if (!line)
            break;
    }
    return count;
}

static void check_fresh(const struct bt_text *captions, size_t count, const struct bt_buf *want)
{
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_buf raw = { 0 };
    struct bt_err err = { 0 };
    if (bt_ptb_lex(ptb, captions, count, &raw, &err) || raw.size != want->size ||
        memcmp(raw.data, want->data, raw.size) != 0)
        __builtin_trap();
    bt_buf_free(&raw);
    bt_ptb_free(ptb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bt_ptb *ptb;
    struct bt_text captions[CAPTIONS], tokens[CAPTIONS];
    struct bt_buf text = { 0 }, raw = { 0 };
    struct bt_err err = { 0 };

    if (!ptb)
        ptb = bt_ptb_new();
    size_t count = split((const char *)data, size, captions);
    int rc = bt_ptb_tokenize(ptb, captions, count, &text, tokens, &err);
    if (!rc && bt_ptb_lex(ptb, captions, count, &raw, &err))
        __builtin_trap();
    for (size_t i = 0; !rc && i < count; i++)
        if (memchr(tokens[i].data, '\n', tokens[i].size))
            __builtin_trap();
    if (!rc && size % 16 == 0)
        check_fresh(captions, count, &raw);
    bt_buf_free(&raw);
    bt_buf_free(&text);
    return 0;
}
