/* Many texts at once. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/batch.h"

#define CHUNK 64 /* texts that a thread takes at a time */

struct worker {
    struct bt_tokenizer *tok;
    struct bt_ids ids, all; /* of one text; of all texts of this worker, one behind the other */
    struct bt_buf text;
    struct bt_err err;
    int rc;
};

struct bt_encoder {
    struct worker *workers; /* the first has the caller's tokenizer */
    int count;
    struct worker **owners; /* of each chunk of a run */
    uint64_t owners_capacity;
};

/* ---------------------------------------------------------------- presets */

static const struct bt_text_preset presets[] = {
    { .name = "bert", .end = "\n", .full = true, .max_len = 32 },
    { .name = "qformer", .end = "", .dec = true, .full = true, .max_len = 32 },
    { .name = "opt", .end = "\n", .max_len = 32 },
    { .name = "opt-question", .end = "", .left = true, .max_len = 32 },
    { .name = "t5", .end = "", .max_len = 32 },
};

const struct bt_text_preset *bt_text_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

/* ---------------------------------------------------------------- encoding */

int bt_encoder_new(struct bt_encoder **out, struct bt_tokenizer *tok, int threads, struct bt_err *err)
{
    struct bt_encoder *e = bt_alloc(1, sizeof *e, err);
    int rc = BT_OK;

    if (!e)
        return BT_ERR_MEMORY;
    e->workers = bt_alloc((uint64_t)threads, sizeof *e->workers, err);
    if (!e->workers)
        rc = BT_ERR_MEMORY;
    else
        e->workers[e->count++].tok = tok;
    while (!rc && e->count < threads) {
        rc = bt_tokenizer_twin(&e->workers[e->count].tok, tok, err);
        e->count += !rc;
    }
    if (rc)
        bt_encoder_free(e);
    else
        *out = e;
    return rc;
}

void bt_encoder_free(struct bt_encoder *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->count; i++) {
        struct worker *w = &e->workers[i];

        if (i > 0)
            bt_tokenizer_free(w->tok);
        bt_ids_free(&w->ids);
        bt_ids_free(&w->all);
        bt_buf_free(&w->text);
    }
    free(e->workers);
    free(e->owners);
    free(e);
}

/* The text with what ends it. */
static int text_and_end(struct worker *w, struct bt_text *text, const char *end)
{
    w->text.size = 0;
    int rc = bt_buf_add(&w->text, text->data, text->size, &w->err);
    if (!rc)
        rc = bt_buf_add(&w->text, end, strlen(end), &w->err);
    *text = (struct bt_text){ w->text.data, w->text.size };
    return rc;
}

/* Leaves in ids.capacity where in w->all the ids begin: w->all moves as it grows. */
static int encode_one(struct worker *w, struct bt_text text, const char *end, int64_t max_len, struct bt_encoded *one)
{
    int rc = end && *end ? text_and_end(w, &text, end) : BT_OK;

    if (!rc)
        rc = bt_tokenizer_encode(w->tok, text.data, text.size, true, max_len, &w->ids, &w->err);
    *one = (struct bt_encoded){ .bad = rc == BT_ERR_UTF8 || rc == BT_ERR_INPUT };
    if (one->bad)
        return BT_OK;
    if (!rc) {
        one->ids = (struct bt_ids){ .count = w->ids.count, .whole = w->ids.whole, .capacity = w->all.count };
        rc = bt_ids_add(&w->all, w->ids.data, w->ids.count, &w->err);
    }
    return rc;
}

int bt_encoder_run(struct bt_encoder *e, const struct bt_text *texts, uint64_t count, const char *end, int64_t max_len,
                   struct bt_encoded *encoded, struct bt_err *err)
{
    uint64_t chunks = (count + CHUNK - 1) / CHUNK;
    int rc = bt_grow(&e->owners, &e->owners_capacity, chunks, sizeof *e->owners, err);

    if (rc)
        return rc;
    for (int t = 0; t < e->count; t++) {
        e->workers[t].all.count = 0;
        e->workers[t].rc = BT_OK;
    }
    #pragma omp parallel for schedule(dynamic) num_threads(e->count) if (e->count > 1 && chunks > 1)
    for (uint64_t c = 0; c < chunks; c++) {
        struct worker *w = e->owners[c] = &e->workers[omp_get_thread_num()];

        for (uint64_t i = c * CHUNK; i < count && i < (c + 1) * CHUNK && !w->rc; i++)
            w->rc = encode_one(w, texts[i], end, max_len, &encoded[i]);
    }
    for (int t = 0; t < e->count; t++)
        if (e->workers[t].rc) {
            *err = e->workers[t].err;
            return e->workers[t].rc;
        }
    for (uint64_t i = 0; i < count; i++) { /* the buffers have stopped moving */
        struct bt_ids *ids = &encoded[i].ids;

        if (ids->count)
            ids->data = e->owners[i / CHUNK]->all.data + ids->capacity;
        ids->capacity = 0;
    }
    return BT_OK;
}

/* ---------------------------------------------------------------- rows */

void bt_rows_free(struct bt_rows *rows)
{
    free(rows->ids);
    free(rows->mask);
    memset(rows, 0, sizeof *rows);
}

/* Encodes a text once more, for its message. */
static int why_bad(struct bt_encoder *e, struct bt_text text, uint64_t number, struct bt_err *err)
{
    struct worker *w = &e->workers[0];
    int rc = bt_tokenizer_encode(w->tok, text.data, text.size, true, 0, &w->ids, err);

    return rc ? bt_context(err, "text %llu", (unsigned long long)number) : rc;
}

int bt_encoder_rows(struct bt_encoder *e, const struct bt_text_preset *preset, const struct bt_text *texts,
                    uint64_t count, struct bt_rows *rows, struct bt_err *err)
{
    struct bt_encoded *encoded = bt_alloc(count, sizeof *encoded, err);
    uint64_t width = preset->full ? (uint64_t)preset->max_len : 0;
    int rc = encoded ? bt_encoder_run(e, texts, count, preset->end, preset->max_len, encoded, err) : BT_ERR_MEMORY;

    for (uint64_t i = 0; i < count && !rc; i++) {
        if (encoded[i].bad)
            rc = why_bad(e, texts[i], i, err);
        else if (encoded[i].ids.count > width)
            width = encoded[i].ids.count;
    }
    if (!rc)
        rc = bt_grow(&rows->ids, &rows->ids_capacity, count * width, sizeof *rows->ids, err);
    if (!rc)
        rc = bt_grow(&rows->mask, &rows->mask_capacity, count * width, sizeof *rows->mask, err);
    for (uint64_t i = 0; i < count && !rc; i++)
        bt_tokenizer_pad(e->workers[0].tok, encoded[i].ids.data, encoded[i].ids.count, preset->left,
                         rows->ids + i * width, rows->mask + i * width, width);
    if (!rc) {
        rows->count = count;
        rows->width = width;
    }
    free(encoded);
    return rc;
}
