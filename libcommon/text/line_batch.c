/* Lines of text, many at a time. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/line_batch.h"
#include "libcommon/text/prompt.h"
#include "libcommon/text/unicode.h"

struct bt_line_place {
    uint64_t line, line_size, made, made_size;
    bool bad;
};

int bt_line_batch_init(struct bt_line_batch *b, const char *prompt, enum bt_clean clean, struct bt_err *err)
{
    *b = (struct bt_line_batch){ .prompt = prompt, .clean = clean };
    b->places = bt_alloc(BT_BATCH_LINES, sizeof *b->places, err);
    b->texts = bt_alloc(BT_BATCH_LINES, sizeof *b->texts, err);
    b->encoded = bt_alloc(BT_BATCH_LINES, sizeof *b->encoded, err);
    return b->places && b->texts && b->encoded ? BT_OK : BT_ERR_MEMORY;
}

void bt_line_batch_free(struct bt_line_batch *b)
{
    free(b->places);
    free(b->texts);
    free(b->encoded);
    bt_buf_free(&b->lines);
    bt_buf_free(&b->made);
    memset(b, 0, sizeof *b);
}

static int add_line(struct bt_line_batch *b, const char *line, size_t size, struct bt_err *err)
{
    struct bt_line_place *p = &b->places[b->count];
    int rc = bt_buf_add(&b->lines, line, size, err);

    *p = (struct bt_line_place){ .line = b->lines.size - size, .line_size = size, .made = b->made.size };
    if (!rc)
        rc = bt_prompt_before(&b->made, b->prompt, b->clean, line, size, err);
    p->bad = rc == BT_ERR_UTF8;
    if (p->bad) {
        b->made.size = p->made;
        bt_err_clear(err);
        rc = BT_OK;
    }
    p->made_size = b->made.size - p->made;
    b->count += !rc;
    b->replacements += bt_utf8_replacements(line, size);
    return rc;
}

int bt_line_batch_fill(struct bt_line_batch *b, struct bt_lines *lines, struct bt_err *err)
{
    const char *line;
    size_t size;
    int rc = BT_OK;

    b->count = b->replacements = b->lines.size = b->made.size = 0;
    while (!rc && b->count < BT_BATCH_LINES && b->lines.size < BT_BATCH_BYTES) {
        rc = bt_lines_next(lines, &line, &size, err);
        if (!rc)
            rc = add_line(b, line, size, err);
    }
    for (uint64_t i = 0; i < b->count; i++) /* the buffer has stopped moving */
        b->texts[i] = (struct bt_text){ b->made.data + b->places[i].made, b->places[i].made_size };
    return rc;
}

struct bt_text bt_line_batch_line(const struct bt_line_batch *b, uint64_t i)
{
    return (struct bt_text){ b->lines.data + b->places[i].line, b->places[i].line_size };
}

int bt_line_batch_encode(struct bt_line_batch *b, struct bt_encoder *encoder, const char *end, int64_t max_len,
                         struct bt_err *err)
{
    int rc = bt_encoder_run(encoder, b->texts, b->count, end, max_len, b->encoded, err);

    for (uint64_t i = 0; i < b->count && !rc; i++)
        b->encoded[i].bad |= b->places[i].bad;
    return rc;
}
