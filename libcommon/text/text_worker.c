/* Texts made ready, encoded and counted. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/prompt.h"
#include "libcommon/text/text_worker.h"
#include "libcommon/text/unicode.h"

int bt_text_worker_init(struct bt_text_worker *w, const struct bt_text_settings *settings, struct bt_err *err)
{
    int rc = BT_OK;

    *w = (struct bt_text_worker){ .settings = settings };
    w->stats = bt_alloc((uint64_t)settings->count, sizeof *w->stats, err);
    if (!w->stats)
        rc = BT_ERR_MEMORY;
    for (int t = 0; t < settings->count && !rc; t++) {
        rc = bt_tokenizer_twin(&w->twins[t], settings->tokenizers[t].tok, err);
        if (!rc && settings->literal)
            bt_tokenizer_literal(w->twins[t]);
    }
    return rc;
}

void bt_text_worker_free(struct bt_text_worker *w)
{
    for (int t = 0; t < BT_TOKENIZERS_MAX; t++)
        bt_tokenizer_free(w->twins[t]);
    free(w->stats);
    bt_buf_free(&w->text);
    bt_ids_free(&w->ids);
    memset(w, 0, sizeof *w);
}

/* Captions and sentences are cleaned alike. */
static enum bt_clean cleaner_of(const struct bt_text_settings *settings, const char *field)
{
    const char *how = settings->clean ? settings->clean : field ? field : "none";

    if (strcmp(how, "question") == 0)
        return BT_CLEAN_QUESTION;
    if (settings->clean)
        return strcmp(how, "caption") == 0 ? BT_CLEAN_CAPTION : BT_CLEAN_NONE;
    return strcmp(how, "captions") == 0 || strcmp(how, "text") == 0 ? BT_CLEAN_CAPTION : BT_CLEAN_NONE;
}

int bt_text_worker_make(struct bt_text_worker *w, const char *field, const char *text, size_t size, struct bt_err *err)
{
    w->replacements += bt_utf8_replacements(text, size);
    w->text.size = 0;
    return bt_prompt_before(&w->text, w->settings->prompt, cleaner_of(w->settings, field), text, size, err);
}

int bt_text_worker_ask(struct bt_text_worker *w, const char *question, size_t size, struct bt_err *err)
{
    w->replacements += bt_utf8_replacements(question, size);
    w->text.size = 0;
    return bt_prompt_ask(&w->text, w->settings->prompt, cleaner_of(w->settings, "question"), question, size, err);
}

static bool has_newline(const struct bt_text_worker *w, int t, bool ends)
{
    const char *newline = w->settings->newline;

    return (strcmp(newline, "auto") == 0 ? ends : strcmp(newline, "yes") == 0) &&
           bt_tokenizer_kind(w->twins[t]) == BT_TOKENIZER_OPT;
}

int bt_text_worker_encode(struct bt_text_worker *w, int t, bool ends, struct bt_err *err)
{
    uint64_t size = w->text.size;
    int rc = BT_OK;

    if (w->settings->corpus)
        return bt_corpus_add(w->settings->corpus, w->text.data, size, err);
    if (has_newline(w, t, ends))
        rc = bt_buf_add(&w->text, "\n", 1, err);
    if (!rc)
        rc = bt_tokenizer_encode(w->twins[t], w->text.data, w->text.size, true, w->settings->max_len, &w->ids, err);
    w->text.size = size;
    if (!rc)
        bt_text_stats_add(&w->stats[t], w->twins[t], &w->ids);
    return rc;
}

void bt_text_worker_add(struct bt_text_worker *w, const struct bt_text_worker *from)
{
    for (int t = 0; t < w->settings->count; t++)
        bt_text_stats_join(&w->stats[t], &from->stats[t]);
    w->replacements += from->replacements;
}
