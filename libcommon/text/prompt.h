/* Prompts: what stands before a text, or asks a question. Source: data.md 6 (prompts). */
#ifndef BT_TEXT_PROMPT_H
#define BT_TEXT_PROMPT_H

#include "libcommon/text/clean.h"
#include "libcommon/text/tokenizer.h"

/* True when there is a place for a question in it, {question} or {}. prompt may be NULL. */
bool bt_prompt_asks(const char *prompt);

/* Appends the prompt (may be NULL) as it stands, then the text cleaned. E_UTF8. */
int bt_prompt_before(struct bt_buf *out, const char *prompt, enum bt_clean how, const char *text, size_t size,
                     struct bt_err *err);

/* Appends a prompt that asks with the question, cleaned already, in its place. */
int bt_prompt_fill(struct bt_buf *out, const char *prompt, const char *question, size_t size, struct bt_err *err);

/* The same with a question that is cleaned first. E_UTF8. */
int bt_prompt_ask(struct bt_buf *out, const char *prompt, enum bt_clean how, const char *question, size_t size,
                  struct bt_err *err);

/* How many of the first ids of prompt-and-text are the prompt's, the marks before it included: those of the prompt alone
 * without the white space at its end, which goes with what follows. `encoded` ids are there in all. */
int bt_prompt_length(struct bt_tokenizer *tok, const char *prompt, size_t size, uint64_t encoded, int64_t *length,
                     struct bt_err *err);

#endif
