/* Texts made ready and encoded by several tokenizers at once: what all threads share, and what each has of its own.
 * Source: data.md 6, tokenizers.md 1. */
#ifndef BT_TEXT_TEXT_WORKER_H
#define BT_TEXT_TEXT_WORKER_H

#include "libcommon/text/corpus.h"
#include "libcommon/text/text_stats.h"
#include "libcommon/text/tokenizer.h"

#define BT_TOKENIZERS_MAX 8

/* Everything is borrowed. */
struct bt_text_settings {
    const char *prompt;  /* put before each text; NULL: nothing */
    const char *clean;   /* "caption", "question", "none"; NULL: as the field is used to */
    const char *newline; /* whether an OPT text ends with one: "yes", "no", or "auto", which the caller knows */
    int64_t max_len;     /* 0: no cut */
    bool literal;        /* special tokens written in a text are text: bt_tokenizer_literal */
    int count;           /* of tokenizers */
    struct {
        const char *name;
        struct bt_tokenizer *tok;
    } tokenizers[BT_TOKENIZERS_MAX];
    struct bt_corpus *corpus; /* its words are counted instead, by one worker; NULL: texts are encoded */
};

struct bt_text_worker {
    const struct bt_text_settings *settings;
    struct bt_tokenizer *twins[BT_TOKENIZERS_MAX];
    struct bt_text_stats *stats; /* by tokenizer */
    uint64_t replacements;       /* characters U+FFFD in the texts so far */
    struct bt_buf text;          /* the text made ready */
    struct bt_ids ids;           /* of the last encode */
    char apart[64];              /* from the next worker, so that no cache line is written by two */
};

/* settings outlive it. bt_text_worker_free may follow a failure. */
int bt_text_worker_init(struct bt_text_worker *w, const struct bt_text_settings *settings, struct bt_err *err);
void bt_text_worker_free(struct bt_text_worker *w);

/* Sets w->text to the prompt and the cleaned text behind it; field, which decides how to clean, may be NULL. E_UTF8. */
int bt_text_worker_make(struct bt_text_worker *w, const char *field, const char *text, size_t size, struct bt_err *err);

/* The same for a prompt that asks (bt_prompt_asks) and its question. */
int bt_text_worker_ask(struct bt_text_worker *w, const char *question, size_t size, struct bt_err *err);

/* w->text into w->ids by tokenizer t, and counted; `ends`: what "auto" means for the newline. E_UTF8, E_INPUT. */
int bt_text_worker_encode(struct bt_text_worker *w, int t, bool ends, struct bt_err *err);

/* Adds what `from` has counted. */
void bt_text_worker_add(struct bt_text_worker *w, const struct bt_text_worker *from);

#endif
