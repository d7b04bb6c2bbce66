/* Prompts. */
#include <string.h>

#include "libcommon/text/prompt.h"

/* The place for the question and its bytes; NULL when there is none. */
static const char *place_of(const char *prompt, size_t *size)
{
    static const char *const places[] = { "{question}", "{}" };
    const char *place = NULL;

    for (int i = 0; i < 2 && !place; i++) {
        place = strstr(prompt, places[i]);
        *size = strlen(places[i]);
    }
    return place;
}

bool bt_prompt_asks(const char *prompt)
{
    size_t size;

    return prompt && place_of(prompt, &size) != NULL;
}

int bt_prompt_before(struct bt_buf *out, const char *prompt, enum bt_clean how, const char *text, size_t size,
                     struct bt_err *err)
{
    int rc = prompt ? bt_buf_add(out, prompt, strlen(prompt), err) : BT_OK;

    return rc ? rc : bt_clean(out, how, text, size, err);
}

int bt_prompt_fill(struct bt_buf *out, const char *prompt, const char *question, size_t size, struct bt_err *err)
{
    size_t place_size = 0;
    const char *place = place_of(prompt, &place_size), *behind = place + place_size;
    int rc = bt_buf_add(out, prompt, (size_t)(place - prompt), err);

    if (!rc)
        rc = bt_buf_add(out, question, size, err);
    return rc ? rc : bt_buf_add(out, behind, strlen(behind), err);
}

int bt_prompt_ask(struct bt_buf *out, const char *prompt, enum bt_clean how, const char *question, size_t size,
                  struct bt_err *err)
{
    struct bt_buf cleaned = { 0 };
    int rc = bt_clean(&cleaned, how, question, size, err);

    if (!rc)
        rc = bt_prompt_fill(out, prompt, cleaned.data, cleaned.size, err);
    bt_buf_free(&cleaned);
    return rc;
}

int bt_prompt_length(struct bt_tokenizer *tok, const char *prompt, size_t size, uint64_t encoded, int64_t *length,
                     struct bt_err *err)
{
    struct bt_ids ids = { 0 };

    while (size > 0 && (prompt[size - 1] == ' ' || prompt[size - 1] == '\n' || prompt[size - 1] == '\t'))
        size--;
    int rc = bt_tokenizer_encode(tok, prompt, size, false, 0, &ids, err);
    if (!rc) {
        uint64_t own = ids.count + (uint64_t)bt_tokenizer_marks_before(tok);

        *length = (int64_t)(own < encoded ? own : encoded);
    }
    bt_ids_free(&ids);
    return rc;
}
