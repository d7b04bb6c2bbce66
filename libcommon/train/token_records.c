/* The flow of records through the workers. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/relay.h"
#include "libcommon/base/tool.h"
#include "libcommon/train/token_records.h"

enum { PIECE_RECORDS = 128, PIECE_BYTES = 1 << 20, KEPT_BYTES = 1 << 16 };

/* Records on their way through the workers, and what has become of them. */
struct piece {
    struct item {
        struct bt_record *rec;
        uint64_t number; /* of the input, from 0 */
        struct bt_bad_text bad;
    } items[PIECE_RECORDS];
    int count;
};

struct run {
    struct bt_token_records *job;
    const struct bt_text_settings *settings;
    const char *place; /* of the input */
    struct piece *pieces;
    struct bt_token_lists *lists; /* by worker */
    struct bt_reader *reader;
    struct bt_writer *writer; /* NULL: texts are only counted */
    uint64_t resume_at;
};

/* ---------------------------------------------------------------- pieces */

static int fill(void *context, int piece, struct bt_err *err)
{
    struct run *run = context;
    struct piece *p = &run->pieces[piece];
    size_t bytes = 0;
    int rc = BT_OK;

    for (p->count = 0; p->count < PIECE_RECORDS && bytes < PIECE_BYTES && !rc; p->count += !rc) {
        struct item *item = &p->items[p->count];

        item->number = bt_reader_position(run->reader);
        if (bt_stop_requested())
            rc = bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", run->job->output);
        if (!rc && !item->rec && !(item->rec = bt_record_new()))
            rc = bt_fail(err, BT_ERR_MEMORY, "out of memory");
        if (!rc)
            rc = bt_reader_next(run->reader, item->rec, err);
        if (!rc)
            bytes += bt_record_bytes(item->rec);
    }
    return rc;
}

static int work(void *context, int piece, int worker, struct bt_err *err)
{
    struct run *run = context;
    struct piece *p = &run->pieces[piece];
    int rc = BT_OK;

    for (int i = 0; i < p->count && !rc; i++) {
        struct item *item = &p->items[i];

        if (item->number < run->resume_at)
            continue;
        item->bad.why = (struct bt_reject){ .off = -1, .bytes = -1 };
        rc = bt_token_fields_add(run->job->fields, &run->job->workers[worker], &run->lists[worker], item->rec, &item->bad, err);
        if (rc)
            rc = bt_context(err, "%s:record %" PRIu64, run->place, item->number);
    }
    return rc;
}

static int reject_record(struct run *run, struct item *item, struct bt_err *err)
{
    struct bt_value id = bt_record_get(item->rec, "id");
    char name[256], place[PATH_MAX + 40];

    run->job->rejected++;
    if (!run->writer)
        return BT_OK;
    snprintf(place, sizeof place, "%s:record %" PRIu64, run->place, item->number);
    item->bad.why.src = place;
    if (id.kind == BT_STR) {
        snprintf(name, sizeof name, "%.*s", (int)(id.size < 255 ? id.size : 255), id.data);
        item->bad.why.id = name;
    }
    return bt_writer_reject(run->writer, &item->bad.why, err);
}

static int put_record(struct run *run, struct item *item, struct bt_err *err)
{
    int rc = BT_OK;

    if (item->number >= run->resume_at) {
        if (item->bad.why.code)
            rc = reject_record(run, item, err);
        else if (run->writer)
            rc = bt_writer_put(run->writer, item->rec, err);
    }
    if (!rc && run->writer)
        rc = bt_writer_input_done(run->writer, item->number, err);
    if (bt_record_bytes(item->rec) > KEPT_BYTES) { /* or many pieces would keep room for many large ones */
        bt_record_free(item->rec);
        item->rec = NULL;
    }
    return rc;
}

static int put(void *context, int piece, struct bt_err *err)
{
    struct run *run = context;
    struct piece *p = &run->pieces[piece];
    int rc = BT_OK;

    for (int i = 0; i < p->count && !rc; i++) {
        rc = put_record(run, &p->items[i], err);
        bt_progress_update(run->job->progress, ++run->job->inputs, NULL);
    }
    return rc;
}

/* ---------------------------------------------------------------- the output */

/* What joined streams have to share. */
static int write_must(struct run *run, struct bt_err *err)
{
    int rc = BT_OK;

    for (int t = 0; t < run->settings->count && !rc; t++) {
        const struct bt_tokenizer *tok = run->settings->tokenizers[t].tok;
        const char *name = run->settings->tokenizers[t].name;
        char *hash = bt_format("tokenizer.%s", name), *size = bt_format("vocab_size.%s", name),
             *length = bt_format("max_len.%s", name), *special = bt_format("special_in_text.%s", name);

        rc = hash && size && length && special ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        if (!rc)
            rc = bt_writer_must_str(run->writer, hash, bt_tokenizer_hash(tok), err);
        if (!rc)
            rc = bt_writer_must_int(run->writer, size, bt_tokenizer_vocab_size(tok), err);
        if (!rc)
            rc = bt_writer_must_int(run->writer, length, run->settings->max_len, err);
        if (!rc && (run->settings->literal || bt_reader_must(run->reader, special).kind != BT_ABSENT)) /* what it carries on */
            rc = bt_writer_must_int(run->writer, special, !run->settings->literal, err);
        free(hash);
        free(size);
        free(length);
        free(special);
    }
    return rc;
}

/* The options that the records depend on; neither paths nor threads. */
static int options_hash(const struct run *run, char hex[65], struct bt_err *err)
{
    const struct bt_token_fields *f = run->job->fields;
    const struct bt_text_settings *s = run->settings;
    struct bt_buf text = { 0 };
    uint8_t digest[32];
    int rc = bt_buf_printf(&text, err, "clean=%s len=%" PRId64 " newline=%s prompt=%s answers=%s literal=%d fields=",
                           s->clean ? s->clean : "", s->max_len, s->newline, s->prompt ? s->prompt : "", f->answers, s->literal);

    for (int i = 0; i < f->field_count && !rc; i++)
        rc = bt_buf_printf(&text, err, "%s,", f->fields[i]);
    if (!rc) {
        bt_sha256(text.data, text.size, digest);
        bt_hex(hex, digest, sizeof digest);
    }
    bt_buf_free(&text);
    return rc;
}

static int open_writer(struct run *run, struct bt_err *err)
{
    const struct bt_token_records *job = run->job;
    char hash[65];
    const struct bt_writer_options how = { .schema = &bt_schema_tokens, .from = run->reader, .options_hash = hash,
                                           .force = job->force, .provenance = true };
    int rc = options_hash(run, hash, err);

    if (!rc)
        rc = bt_writer_open(&run->writer, job->output, &how, err);
    if (!rc && job->rejects)
        rc = bt_writer_rejects_to(run->writer, job->rejects, err);
    if (!rc)
        rc = write_must(run, err);
    if (rc)
        return rc;
    bt_writer_max_rejects(run->writer, job->max_rejects);
    run->resume_at = bt_writer_resume_at(run->writer);
    return BT_OK;
}

static void tear_down(struct run *run, int piece_count)
{
    for (int p = 0; p < piece_count && run->pieces; p++)
        for (int i = 0; i < PIECE_RECORDS; i++)
            bt_record_free(run->pieces[p].items[i].rec);
    for (int w = 0; w < run->job->worker_count && run->lists; w++)
        bt_token_lists_free(&run->lists[w]);
    free(run->pieces);
    free(run->lists);
    bt_writer_close(run->writer);
    bt_reader_close(run->reader);
}

int bt_token_records_run(struct bt_token_records *job, struct bt_err *err)
{
    struct run run = { .job = job, .settings = job->fields->settings,
                       .place = strcmp(job->input, "-") ? job->input : "stdin" };
    const struct bt_relay relay = { job->worker_count, &run, fill, work, put };
    int piece_count = bt_relay_pieces(job->worker_count);
    int rc = bt_reader_open(&run.reader, job->input, NULL, err);

    job->inputs = job->rejected = 0;
    if (!rc && job->fields->kept)
        rc = open_writer(&run, err);
    if (!rc) {
        run.pieces = bt_alloc((uint64_t)piece_count, sizeof *run.pieces, err);
        run.lists = bt_alloc((uint64_t)job->worker_count, sizeof *run.lists, err);
        rc = run.pieces && run.lists ? bt_relay_run(&relay, err) : BT_ERR_MEMORY;
    }
    if (!rc && run.writer && bt_reader_is_partial(run.reader))
        bt_writer_partial(run.writer);
    if (!rc && run.writer)
        rc = bt_writer_finish(run.writer, err);
    tear_down(&run, piece_count);
    return rc;
}
