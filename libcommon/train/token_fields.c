/* Texts of a record into fields of ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/text/prompt.h"
#include "libcommon/text/unicode.h"
#include "libcommon/train/token_fields.h"

int bt_token_fields_init(struct bt_token_fields *f, struct bt_err *err)
{
    bool all = true;

    for (int t = 0; t < f->settings->count; t++) {
        const char *name = f->settings->tokenizers[t].name;

        f->prompt_keys[t] = bt_format("prompt_len.%s", name);
        all &= f->prompt_keys[t] != NULL;
        for (int i = 0; i < f->field_count; i++) {
            f->keys[t][i] = bt_format("%s.%s", f->fields[i], name);
            all &= f->keys[t][i] != NULL;
        }
    }
    return all ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

void bt_token_fields_free(struct bt_token_fields *f)
{
    for (int t = 0; t < BT_TOKENIZERS_MAX; t++) {
        free(f->prompt_keys[t]);
        for (int i = 0; i < BT_TOKEN_FIELDS_MAX; i++)
            free(f->keys[t][i]);
    }
    memset(f, 0, sizeof *f);
}

void bt_token_lists_free(struct bt_token_lists *lists)
{
    for (int t = 0; t < BT_TOKENIZERS_MAX; t++)
        bt_ids_free(&lists->ids[t]);
    free(lists->ends);
    memset(lists, 0, sizeof *lists);
}

int bt_bad_text_of(int rc, const char *text, size_t size, struct bt_bad_text *bad, struct bt_err *err)
{
    if (rc != BT_ERR_UTF8 && rc != BT_ERR_INPUT)
        return rc;
    bad->why.code = rc == BT_ERR_UTF8 ? "TEXT_UTF8" : "TOKEN_RANGE";
    bad->why.off = rc == BT_ERR_UTF8 ? (int64_t)bt_utf8_prefix(text, size) : -1;
    bad->why.bytes = (int64_t)size;
    snprintf(bad->detail, sizeof bad->detail, "%.255s", err->text);
    bad->why.detail = bad->detail;
    bt_err_clear(err);
    return BT_OK;
}

/* ---------------------------------------------------------------- texts */

struct job { /* what bt_token_fields_add was given */
    const struct bt_token_fields *f;
    struct bt_text_worker *w;
    struct bt_token_lists *lists;
    struct bt_record *rec;
    struct bt_bad_text *bad;
};

static int set_ids(const struct job *j, const char *key, const struct bt_ids *ids, struct bt_err *err)
{
    int64_t shape = (int64_t)ids->count;

    return bt_record_set_array(j->rec, key, "i32", 1, &shape, ids->data, ids->count * sizeof *ids->data, err);
}

/* How many of the `encoded` ids of a text are the prompt's. */
static int set_prompt_length(const struct job *j, int t, const char *prompt, size_t size, uint64_t encoded,
                             struct bt_err *err)
{
    int64_t length = 0;
    int rc = bt_prompt_length(j->w->twins[t], prompt, size, encoded, &length, err);

    return rc ? rc : bt_record_set_int(j->rec, j->f->prompt_keys[t], length, err);
}

/* Text i of a field, by every tokenizer. */
static int encode_text(const struct job *j, const char *field, struct bt_value text, size_t i, struct bt_err *err)
{
    int count = j->w->settings->count;
    int rc;

    if (text.kind != BT_STR) {
        j->bad->why.code = "JSON_TYPE";
        j->bad->why.detail = "neither a text nor a list of texts";
        return BT_OK;
    }
    rc = bt_text_worker_make(j->w, field, text.data, text.size, err);
    if (!rc && j->w->settings->corpus)
        rc = bt_text_worker_encode(j->w, 0, true, err);
    for (int t = 0; t < count && !rc; t++) {
        rc = bt_text_worker_encode(j->w, t, true, err);
        if (!rc)
            rc = bt_ids_add(&j->lists->ids[t], j->w->ids.data, j->w->ids.count, err);
        j->lists->ends[i * (size_t)count + (size_t)t] = j->lists->ids[t].count;
    }
    return bt_bad_text_of(rc, text.data, text.size, j->bad, err);
}

/* The ids of a list of texts as tokenizer t made them. */
static int set_list(const struct job *j, int t, const char *key, size_t texts, struct bt_err *err)
{
    const int32_t *ids = j->lists->ids[t].data;
    const uint64_t *end = j->lists->ends + t;

    bt_record_begin(j->rec, key);
    bt_pack_array(j->rec, texts);
    for (uint64_t i = 0, from = 0; i < texts; i++, from = *end, end += j->w->settings->count)
        bt_pack_i32s(j->rec, ids + from, *end - from);
    return bt_record_end(j->rec, err);
}

/* The ids of the last text. */
static uint64_t last_count(const struct job *j, int t, size_t texts)
{
    size_t count = (size_t)j->w->settings->count, last = (texts - 1) * count + (size_t)t;
    const uint64_t *ends = j->lists->ends;

    return texts == 0 ? 0 : texts == 1 ? ends[last] : ends[last] - ends[last - count];
}

/* A text or a list of them, all encoded before the record is touched: they are borrowed from it. */
static int add_field(const struct job *j, int field, struct bt_value value, struct bt_err *err)
{
    const struct bt_token_fields *f = j->f;
    const char *prompt = j->w->settings->prompt;
    bool list = value.kind == BT_ARRAY;
    size_t texts = list ? value.size : 1, count = (size_t)j->w->settings->count;
    int rc = bt_grow(&j->lists->ends, &j->lists->capacity, texts * count, sizeof *j->lists->ends, err);

    for (size_t t = 0; t < count; t++)
        j->lists->ids[t].count = 0;
    for (size_t i = 0; i < texts && !rc && !j->bad->why.code; i++)
        rc = encode_text(j, f->fields[field], list ? bt_value_at(value, i) : value, i, err);
    if (j->bad->why.code || !f->kept)
        return rc;
    for (int t = 0; t < (int)count && !rc; t++) {
        rc = list ? set_list(j, t, f->keys[t][field], texts, err)
                  : set_ids(j, f->keys[t][field], &j->lists->ids[t], err);
        if (!rc && prompt)
            rc = set_prompt_length(j, t, prompt, strlen(prompt), last_count(j, t, texts), err);
    }
    return rc;
}

/* ---------------------------------------------------------------- questions */

/* j->w->text: the question asked, and behind it the answer where there is one. *prompt_size is the size of the first. */
static int make_question(const struct job *j, struct bt_value *answer, uint64_t *prompt_size, struct bt_err *err)
{
    struct bt_value question = bt_record_get(j->rec, "question");
    int rc = bt_value_commonest(bt_record_get(j->rec, j->f->answers), answer, err);

    if (rc)
        return rc;
    if (question.kind != BT_STR || (answer->kind != BT_STR && answer->kind != BT_ABSENT)) {
        j->bad->why.code = question.kind == BT_ABSENT ? "FIELD_MISSING" : "JSON_TYPE";
        j->bad->why.detail = question.kind == BT_STR ? j->f->answers : "question";
        return BT_OK;
    }
    rc = bt_text_worker_ask(j->w, question.data, question.size, err);
    if (rc)
        return bt_bad_text_of(rc, question.data, question.size, j->bad, err);
    *prompt_size = j->w->text.size;
    if (answer->kind == BT_STR) {
        rc = bt_buf_add(&j->w->text, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(&j->w->text, answer->data, answer->size, err);
    }
    return rc;
}

static int add_question(const struct job *j, struct bt_err *err)
{
    struct bt_buf *text = &j->w->text;
    struct bt_value answer;
    uint64_t prompt_size = 0;
    int rc = make_question(j, &answer, &prompt_size, err);

    if (rc || j->bad->why.code)
        return rc;
    bool answered = answer.kind == BT_STR; /* the answer itself goes when the record is set */
    rc = bt_record_set_str(j->rec, "text", text->data, text->size, err);
    for (int t = 0; t < j->w->settings->count && !rc && !j->bad->why.code; t++) {
        rc = bt_text_worker_encode(j->w, t, answered, err);
        if (!rc)
            rc = set_ids(j, j->f->keys[t][0], &j->w->ids, err);
        if (!rc)
            rc = set_prompt_length(j, t, text->data, prompt_size, j->w->ids.count, err);
        rc = bt_bad_text_of(rc, text->data, text->size, j->bad, err);
    }
    return rc;
}

int bt_token_fields_add(const struct bt_token_fields *f, struct bt_text_worker *w, struct bt_token_lists *lists,
                        struct bt_record *rec, struct bt_bad_text *bad, struct bt_err *err)
{
    const struct job j = { f, w, lists, rec, bad };
    bool found = false;
    int rc = BT_OK;

    if (bt_prompt_asks(w->settings->prompt))
        return add_question(&j, err);
    for (int i = 0; i < f->field_count && !rc && !bad->why.code; i++) {
        struct bt_value value = bt_record_get(rec, f->fields[i]);

        if (value.kind == BT_ABSENT)
            continue;
        found = true;
        rc = add_field(&j, i, value, err);
    }
    if (!rc && !found) {
        bad->why.code = "FIELD_MISSING";
        bad->why.detail = f->fields[0];
    }
    return rc;
}
