/* bt-tokenize - texts in, token ids out; ids back to text; vocabularies learnt.  See bt-tokenize(1). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/reject_log.h"
#include "libcommon/stream/stream.h"
#include "libcommon/text/line_batch.h"
#include "libcommon/text/prompt.h"
#include "libcommon/text/text_stats.h"
#include "libcommon/text/tokenizer.h"
#include "libcommon/text/train.h"
#include "libcommon/text/unicode.h"

enum { MAX_TOKENIZERS = 8, MAX_FIELDS = 8, FLUSH_BYTES = 1 << 16 };
enum { RECORD_MAX_LEN = 32 }; /* the published length of captions and questions */

static const char *input = "-", *output = "-", *clean, *newline = "auto", *prompt, *answer_field = "answers", *train,
                  *rejects;
static struct bt_list tokenizers, fields;
static int64_t max_len, vocab_size, threads;
static double max_rejects = 0.05;
static bool text_mode, decode_mode, count_mode, explain_mode, keep_specials, no_specials, force;

static const struct bt_option options[] = {
    BT_OPT_STRING('i', "input", &input, "FILE", "records, or with --text and --decode lines"),
    BT_OPT_STRING('o', "output", &output, "FILE", "records or lines; with --train the vocabulary"),
    BT_OPT_LIST('t', "tokenizer", &tokenizers, "NAME=PATH", "vocab.txt, tokenizer.json, spiece.model, or a folder; NAME ends the new fields"),
    BT_OPT_LIST('f', "field", &fields, "NAME", "field to tokenize; captions and text if not given"),
    BT_OPT_CHOICE('c', "clean", &clean, "caption|question|none", "how to clean; by the field if not given, not at all with --text"),
    BT_OPT_COUNT('n', "max-len", &max_len, "TOKENS", "cut longer texts; 32 if not given, no cut with --text"),
    BT_OPT_CHOICE('l', "newline", &newline, "auto|yes|no", "end each OPT text with a newline; auto: in records, not in --text"),
    BT_OPT_STRING('p', "prompt", &prompt, "TEXT", "put before each text; with {} or {question}, ask the record's question"),
    BT_OPT_STRING('a', "answer-field", &answer_field, "NAME", "answers to the question; the commonest is taken"),
    BT_OPT_FLAG(0, "text", &text_mode, "lines of text in, lines of ids out"),
    BT_OPT_FLAG('d', "decode", &decode_mode, "lines of ids in, lines of text out"),
    BT_OPT_FLAG(0, "keep-specials", &keep_specials, "leave special tokens in decoded text"),
    BT_OPT_FLAG(0, "count", &count_mode, "print lengths, cuts and unknowns instead of ids"),
    BT_OPT_FLAG(0, "explain", &explain_mode, "with --text: a line for each id, with its entry"),
    BT_OPT_FLAG(0, "no-special-in-text", &no_specials, "special tokens written in a text are ordinary text"),
    BT_OPT_COUNT('j', "threads", &threads, "N", "encode lines of text on N threads; all processors if not given"),
    BT_OPT_CHOICE(0, "train", &train, "wordpiece|bpe|unigram", "learn a vocabulary from the texts"),
    BT_OPT_COUNT(0, "vocab-size", &vocab_size, "N", "entries of the vocabulary to learn"),
    BT_OPT_STRING(0, "rejects", &rejects, "FILE", "log of texts that were left out, JSON lines"),
    BT_OPT_NUMBER(0, "max-rejects", &max_rejects, "N", "stop above this share of inputs, or count if 1 or more"),
    BT_OPT_READING,
    BT_OPT_FLAG(0, "force", &force, "replace the output"),
    BT_OPT_END
};
static const struct bt_tool tool = { "bt-tokenize", "turn texts into token ids, and ids into text", options };

/* ---------------------------------------------------------------- what a run holds */

struct named {
    char *name;
    struct bt_tokenizer *tok;
    char *keys[MAX_FIELDS], *prompt_key; /* "captions.opt", "prompt_len.opt" */
    struct bt_text_stats stats;
    struct bt_encoder *encoder; /* --text */
};

struct run {
    struct named named[MAX_TOKENIZERS];
    int count;
    const char *fields[MAX_FIELDS];
    int field_count;
    int64_t max_len;
    const char *place; /* of the input */
    uint64_t inputs, rejected, replacements;
    struct bt_ids ids, flat;
    uint64_t *ends, ends_capacity; /* in flat, one per text of a list */
    struct bt_buf text;
    const struct bt_trainer *trainer; /* --train */
    struct bt_corpus corpus;
    struct bt_progress progress;
};

/* ---------------------------------------------------------------- a text made ready */

static enum bt_clean cleaner_of(const char *field)
{
    const char *how = clean ? clean : field ? field : "";

    if (strcmp(how, "question") == 0)
        return BT_CLEAN_QUESTION;
    return strcmp(how, clean ? "caption" : "captions") == 0 || strcmp(how, "text") == 0 ? BT_CLEAN_CAPTION : BT_CLEAN_NONE;
}

/* prompt in front, cleaned text behind. */
static int make_text(struct run *run, const char *field, const char *text, size_t size, struct bt_err *err)
{
    run->text.size = 0;
    return bt_prompt_before(&run->text, prompt, cleaner_of(field), text, size, err);
}

/* What stands behind a text: the newline that ends one of OPT's. */
static const char *ending(const struct named *n, bool ended)
{
    return ended && bt_tokenizer_kind(n->tok) == BT_TOKENIZER_OPT ? "\n" : "";
}

/* Encodes run->text, ended or not, into run->ids, and counts. */
static int encode(struct run *run, struct named *n, bool ended, struct bt_err *err)
{
    uint64_t size = run->text.size;
    int rc = bt_buf_add(&run->text, ending(n, ended), strlen(ending(n, ended)), err);

    if (!rc)
        rc = bt_tokenizer_encode(n->tok, run->text.data, run->text.size, true, run->max_len, &run->ids, err);
    run->text.size = size;
    if (!rc)
        bt_text_stats_add(&n->stats, n->tok, &run->ids);
    return rc;
}

/* "prompt_len.NAME": how many of run->ids are the prompt's. */
static int set_prompt_length(struct run *run, struct named *n, struct bt_record *rec, const char *text, size_t size,
                             struct bt_err *err)
{
    int64_t length = 0;
    int rc = bt_prompt_length(n->tok, text, size, run->ids.count, &length, err);

    return rc ? rc : bt_record_set_int(rec, n->prompt_key, length, err);
}

/* ---------------------------------------------------------------- rejects */

/* Why a line or record is left out; no code: it is not. */
struct bad_text {
    struct bt_reject why;
    char detail[256];
};

/* What a failed text becomes: a reject that names the code, or still a failure. */
static int as_reject(int rc, const char *text, size_t size, struct bad_text *bad, struct bt_err *err)
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

/* ---------------------------------------------------------------- lines */

static int stopped(struct bt_err *err)
{
    return bt_stop_requested() ? bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", output)
                               : BT_OK;
}

static int flush(struct bt_outfile *file, struct bt_buf *out, struct bt_err *err)
{
    int rc = out->size ? bt_outfile_write(file, out->data, out->size, err) : BT_OK;

    out->size = 0;
    return rc;
}

/* One line of ids, of --decode, or of text, of --train. */
static int take_line(struct run *run, const char *line, size_t size, struct bt_buf *out, struct bt_err *err)
{
    struct bt_tokenizer *tok = run->named[0].tok;
    int rc;

    if (train) {
        run->replacements += bt_utf8_replacements(line, size);
        rc = make_text(run, NULL, line, size, err);
        return rc ? rc : bt_corpus_add(&run->corpus, run->text.data, run->text.size, err);
    }
    rc = bt_ids_parse(&run->ids, line, size, bt_tokenizer_vocab_size(tok), err);
    if (!rc)
        rc = bt_tokenizer_decode_line(tok, run->ids.data, run->ids.count, !keep_specials, out, err);
    return rc ? rc : bt_buf_add(out, "\n", 1, err);
}

static int reject_line(struct run *run, struct bt_reject_log *log, int failed, uint64_t number, const char *line,
                       size_t size, struct bt_err *err)
{
    struct bad_text bad = { .why = { .src = run->place } };
    char id[32];
    int rc = as_reject(failed, line, size, &bad, err);

    if (rc || !bad.why.code)
        return rc;
    snprintf(id, sizeof id, "line %" PRIu64, number);
    bad.why.id = id;
    rc = bt_reject_log_add(log, &bad.why, err);
    return rc || !bt_reject_log_is_over(log, run->inputs) ? rc : bt_reject_log_finish(log, run->place, run->inputs, err);
}

/* Lines one at a time. BT_END when there are no more. */
static int each_line(struct run *run, struct bt_lines *lines, struct bt_reject_log *log, struct bt_outfile *file,
                     struct bt_buf *out, struct bt_err *err)
{
    const char *line;
    size_t size;
    int rc = BT_OK;

    while (!rc && (rc = stopped(err)) == BT_OK && (rc = bt_lines_next(lines, &line, &size, err)) == BT_OK) {
        uint64_t before = out->size;

        run->inputs++;
        rc = take_line(run, line, size, out, err);
        if (rc) {
            out->size = before;
            rc = reject_line(run, log, rc, run->inputs, line, size, err);
        }
        if (!rc && out->size >= FLUSH_BYTES)
            rc = flush(file, out, err);
        bt_progress_update(&run->progress, run->inputs, NULL);
    }
    return rc;
}

/* A line of the batch: its ids, or its reject, which doing it once more explains. */
static int put_line(struct run *run, const struct bt_line_batch *batch, uint64_t i, struct named *n,
                    struct bt_reject_log *log, struct bt_buf *out, struct bt_err *err)
{
    const struct bt_ids *ids = &batch->encoded[i].ids;

    if (batch->encoded[i].bad) {
        struct bt_text line = bt_line_batch_line(batch, i);
        int rc = make_text(run, NULL, line.data, line.size, err);

        if (rc && n != run->named) /* the first tokenizer has said so */
            return BT_OK;
        rc = rc ? rc : encode(run, n, strcmp(newline, "yes") == 0, err);
        return reject_line(run, log, rc, run->inputs - batch->count + i + 1, line.data, line.size, err);
    }
    bt_text_stats_add(&n->stats, n->tok, ids);
    if (explain_mode)
        return bt_tokenizer_explain(n->tok, n->name, ids->data, ids->count, out, err);
    int rc = count_mode ? BT_OK : bt_ids_print(ids, out, err);
    return rc || count_mode ? rc : bt_buf_add(out, "\n", 1, err);
}

/* Lines of --text, many at a time. BT_END when there are no more. */
static int batches_of_lines(struct run *run, struct bt_lines *lines, struct bt_reject_log *log, struct bt_outfile *file,
                            struct bt_buf *out, struct bt_err *err)
{
    struct bt_line_batch batch;
    int rc = bt_line_batch_init(&batch, prompt, cleaner_of(NULL), err);

    while (!rc && (rc = stopped(err)) == BT_OK) {
        int end = bt_line_batch_fill(&batch, lines, err);

        rc = end == BT_END ? BT_OK : end;
        run->inputs += batch.count;
        run->replacements += batch.replacements;
        for (int t = 0; t < run->count && !rc; t++) {
            struct named *n = &run->named[t];

            rc = bt_line_batch_encode(&batch, n->encoder, ending(n, strcmp(newline, "yes") == 0), run->max_len, err);
            for (uint64_t i = 0; i < batch.count && !rc; i++)
                rc = put_line(run, &batch, i, n, log, out, err);
        }
        if (!rc)
            rc = flush(file, out, err);
        bt_progress_update(&run->progress, run->inputs, NULL);
        rc = rc ? rc : end;
    }
    bt_line_batch_free(&batch);
    return rc;
}

static int run_lines(struct run *run, struct bt_err *err)
{
    struct bt_lines *lines = NULL;
    struct bt_outfile file = { 0 };
    struct bt_reject_log *log = NULL;
    struct bt_buf out = { 0 };
    bool writes = !count_mode && !train;
    int rc = bt_lines_open(&lines, input, err);

    if (!rc)
        rc = bt_reject_log_open(&log, rejects, max_rejects, err);
    if (!rc && writes)
        rc = bt_outfile_open(&file, output, force, err);
    if (!rc)
        rc = (train || decode_mode ? each_line : batches_of_lines)(run, lines, log, &file, &out, err);
    if (rc == BT_END)
        rc = flush(&file, &out, err);
    if (!rc)
        rc = bt_reject_log_finish(log, run->place, run->inputs, err);
    if (!rc && writes)
        rc = bt_outfile_finish(&file, err);
    run->rejected = log ? bt_reject_log_count(log) : 0;
    bt_outfile_close(&file);
    bt_reject_log_close(log);
    bt_buf_free(&out);
    bt_lines_close(lines);
    return rc;
}

/* ---------------------------------------------------------------- records */

static int handle_text(struct run *run, struct named *n, const char *field, struct bt_value text, struct bad_text *bad,
                       struct bt_err *err)
{
    int rc;

    if (text.kind != BT_STR) {
        bad->why.code = "JSON_TYPE";
        bad->why.detail = "neither a text nor a list of texts";
        return BT_OK;
    }
    if (!n || n == run->named) /* once for each text, not for each tokenizer */
        run->replacements += bt_utf8_replacements(text.data, text.size);
    rc = make_text(run, field, text.data, text.size, err);
    if (!rc && !n)
        rc = bt_corpus_add(&run->corpus, run->text.data, run->text.size, err);
    else if (!rc)
        rc = encode(run, n, strcmp(newline, "no") != 0, err);
    return as_reject(rc, text.data, text.size, bad, err);
}

static int set_ids(struct bt_record *rec, const char *key, const struct bt_ids *ids, struct bt_err *err)
{
    int64_t shape = (int64_t)ids->count;

    return bt_record_set_array(rec, key, "i32", 1, &shape, ids->data, ids->count * sizeof *ids->data, err);
}

/* The ids of a list of texts, all of them before the record is touched: the texts are borrowed from it. */
static int list_of_texts(struct run *run, struct named *n, int f, struct bt_value list, struct bt_record *rec,
                         struct bad_text *bad, struct bt_err *err)
{
    uint64_t from = 0;
    int rc = bt_grow(&run->ends, &run->ends_capacity, list.size, sizeof *run->ends, err);

    run->flat.count = 0;
    for (size_t i = 0; i < list.size && !rc && !bad->why.code; i++) {
        rc = handle_text(run, n, run->fields[f], bt_value_at(list, i), bad, err);
        if (!rc && !bad->why.code && n)
            rc = bt_ids_add(&run->flat, run->ids.data, run->ids.count, err);
        run->ends[i] = run->flat.count;
    }
    if (rc || bad->why.code || !n || count_mode)
        return rc;
    bt_record_begin(rec, n->keys[f]);
    bt_pack_array(rec, list.size);
    for (size_t i = 0; i < list.size; from = run->ends[i++])
        bt_pack_i32s(rec, run->flat.data + from, run->ends[i] - from);
    return bt_record_end(rec, err);
}

static int one_field(struct run *run, struct named *n, int f, struct bt_record *rec, struct bad_text *bad,
                     struct bt_err *err)
{
    struct bt_value value = bt_record_get(rec, run->fields[f]);
    int rc;

    if (value.kind == BT_ARRAY)
        rc = list_of_texts(run, n, f, value, rec, bad, err);
    else
        rc = handle_text(run, n, run->fields[f], value, bad, err);
    if (rc || bad->why.code || !n || count_mode)
        return rc;
    if (value.kind != BT_ARRAY)
        rc = set_ids(rec, n->keys[f], &run->ids, err);
    return rc || !prompt ? rc : set_prompt_length(run, n, rec, prompt, strlen(prompt), err);
}

/* "text": the question asked, and the answer where there is one. */
static int ask(struct run *run, struct bt_record *rec, struct bad_text *bad, struct bt_err *err)
{
    struct bt_value question = bt_record_get(rec, "question"), answer;
    int rc = bt_value_commonest(bt_record_get(rec, answer_field), &answer, err);

    if (rc)
        return rc;
    if (question.kind != BT_STR || (answer.kind != BT_STR && answer.kind != BT_ABSENT)) {
        bad->why.code = question.kind == BT_ABSENT ? "FIELD_MISSING" : "JSON_TYPE";
        bad->why.detail = question.kind == BT_STR ? answer_field : "question";
        return BT_OK;
    }
    run->replacements += bt_utf8_replacements(question.data, question.size);
    run->text.size = 0;
    rc = bt_prompt_ask(&run->text, prompt, cleaner_of("question"), question.data, question.size, err);
    rc = as_reject(rc, question.data, question.size, bad, err);
    if (rc || bad->why.code)
        return rc;
    uint64_t prompt_size = run->text.size;
    bool ended = answer.kind == BT_STR && strcmp(newline, "no") != 0;
    if (answer.kind == BT_STR) {
        rc = bt_buf_add(&run->text, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(&run->text, answer.data, answer.size, err);
    }
    if (!rc)
        rc = bt_record_set_str(rec, "text", run->text.data, run->text.size, err);
    for (int t = 0; t < run->count && !rc && !bad->why.code; t++) {
        struct named *n = &run->named[t];

        rc = encode(run, n, ended || strcmp(newline, "yes") == 0, err);
        if (!rc)
            rc = set_ids(rec, n->keys[0], &run->ids, err);
        if (!rc)
            rc = set_prompt_length(run, n, rec, run->text.data, prompt_size, err);
        rc = as_reject(rc, run->text.data, run->text.size, bad, err);
    }
    return rc;
}

static int one_record(struct run *run, struct bt_record *rec, struct bad_text *bad, struct bt_err *err)
{
    bool found = false;
    int rc = BT_OK;

    if (bt_prompt_asks(prompt))
        return ask(run, rec, bad, err);
    for (int f = 0; f < run->field_count && !rc && !bad->why.code; f++) {
        if (bt_record_get(rec, run->fields[f]).kind == BT_ABSENT)
            continue;
        found = true;
        if (train)
            rc = one_field(run, NULL, f, rec, bad, err);
        for (int t = 0; t < run->count && !rc && !bad->why.code && !train; t++)
            rc = one_field(run, &run->named[t], f, rec, bad, err);
    }
    if (!rc && !found) {
        bad->why.code = "FIELD_MISSING";
        bad->why.detail = run->fields[0];
    }
    return rc;
}

/* What joined streams have to share. */
static int write_must(struct run *run, struct bt_writer *writer, struct bt_err *err)
{
    int rc = BT_OK;

    for (int t = 0; t < run->count && !rc; t++) {
        struct named *n = &run->named[t];
        char *keys[3] = { bt_format("tokenizer.%s", n->name), bt_format("vocab_size.%s", n->name),
                          bt_format("max_len.%s", n->name) };

        rc = keys[0] && keys[1] && keys[2] ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        if (!rc)
            rc = bt_writer_must_str(writer, keys[0], bt_tokenizer_hash(n->tok), err);
        if (!rc)
            rc = bt_writer_must_int(writer, keys[1], bt_tokenizer_vocab_size(n->tok), err);
        if (!rc)
            rc = bt_writer_must_int(writer, keys[2], run->max_len, err);
        for (int i = 0; i < 3; i++)
            free(keys[i]);
    }
    return rc;
}

static int open_writer(struct run *run, struct bt_writer **writer, const struct bt_reader *reader, struct bt_err *err)
{
    char *given = bt_options_given(&tool), hash[65];
    struct bt_writer_options how = { .schema = &bt_schema_tokens, .from = reader, .options_hash = hash,
                                     .force = force, .provenance = true };
    uint8_t digest[32];

    if (!given)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    bt_sha256(given, strlen(given), digest);
    bt_hex(hash, digest, sizeof digest);
    free(given);
    int rc = bt_writer_open(writer, output, &how, err);
    if (!rc && rejects)
        rc = bt_writer_rejects_to(*writer, rejects, err);
    if (rc)
        return rc;
    bt_writer_max_rejects(*writer, max_rejects);
    return write_must(run, *writer, err);
}

static int put_record(struct run *run, struct bt_reader *reader, struct bt_writer *writer, struct bt_record *rec,
                      struct bt_err *err)
{
    struct bad_text bad = { .why = { .off = -1, .bytes = -1, .src = bt_reader_place(reader) } };
    struct bt_value id = bt_record_get(rec, "id");
    char name[256];
    int rc = one_record(run, rec, &bad, err);

    if (rc)
        return bt_context(err, "%s", bt_reader_place(reader));
    if (!bad.why.code)
        return writer ? bt_writer_put(writer, rec, err) : BT_OK;
    run->rejected++;
    if (id.kind == BT_STR) {
        snprintf(name, sizeof name, "%.*s", (int)(id.size < 255 ? id.size : 255), id.data);
        bad.why.id = name;
    }
    return writer ? bt_writer_reject(writer, &bad.why, err) : BT_OK;
}

static int run_records(struct run *run, struct bt_err *err)
{
    struct bt_reader *reader = NULL;
    struct bt_writer *writer = NULL;
    struct bt_record *rec = bt_record_new();
    int rc = rec ? bt_reader_open(&reader, input, NULL, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");

    if (!rc && !count_mode && !train)
        rc = open_writer(run, &writer, reader, err);
    while (!rc && (rc = stopped(err)) == BT_OK && (rc = bt_reader_next(reader, rec, err)) == BT_OK) {
        if (!writer || run->inputs >= bt_writer_resume_at(writer))
            rc = put_record(run, reader, writer, rec, err);
        if (!rc && writer)
            rc = bt_writer_input_done(writer, run->inputs, err);
        run->inputs++;
        bt_progress_update(&run->progress, run->inputs, NULL);
    }
    if (rc == BT_END && writer && bt_reader_is_partial(reader))
        bt_writer_partial(writer);
    if (rc == BT_END)
        rc = writer ? bt_writer_finish(writer, err) : BT_OK;
    bt_record_free(rec);
    bt_writer_close(writer);
    bt_reader_close(reader);
    return rc;
}

/* ---------------------------------------------------------------- reports */

static int print_counts(const struct run *run, struct bt_err *err)
{
    struct bt_buf out = { 0 };
    int rc = BT_OK;

    for (int t = 0; t < run->count && !rc; t++)
        rc = bt_text_stats_row(&run->named[t].stats, run->named[t].name, &out, err);
    if (!rc)
        rc = bt_file_write(output, out.data, out.size, force, err);
    bt_buf_free(&out);
    return rc;
}

static void summarize(const struct run *run)
{
    for (int t = 0; t < run->count && !decode_mode; t++) {
        const struct bt_text_stats *s = &run->named[t].stats;

        bt_note("%s: %s texts, %s ids; %s cut, %s unknown", run->named[t].name, bt_human_count(s->texts),
                bt_human_count(s->ids), bt_human_count(s->cut), bt_human_count(s->unknown));
    }
    if (run->replacements)
        bt_warn("%s characters U+FFFD in the input: an earlier conversion could not read them",
                bt_human_count(run->replacements));
    if (run->rejected)
        bt_warn("%s of %s inputs rejected", bt_human_count(run->rejected), bt_human_count(run->inputs));
}

static int write_vocabulary(const struct run *run, struct bt_err *err)
{
    int64_t made = 0;
    int rc = run->trainer->learn(&run->corpus, vocab_size, output, force, &made, err);

    if (!rc)
        bt_note("%s: %s entries from %s different words", output, bt_human_count((uint64_t)made),
                bt_human_count((uint64_t)run->corpus.words.count));
    return rc;
}

/* ---------------------------------------------------------------- setting up */

static int check_options(struct bt_err *err)
{
    bool one_tokenizer = decode_mode || (text_mode && !count_mode && !explain_mode);
    const struct {
        bool broken;
        const char *text;
    } rules[] = {
        { train && (!vocab_size || strcmp(output, "-") == 0),
          "--train needs --vocab-size and --output (a file, but a folder for bpe)" },
        { train && (decode_mode || count_mode || prompt), "--train goes with neither --decode, --count nor --prompt" },
        { decode_mode && (text_mode || count_mode), "--decode goes with neither --text nor --count" },
        { explain_mode && (!text_mode || count_mode || train), "--explain goes with --text, without --count and --train" },
        { !train && tokenizers.count == 0, "no --tokenizer; give --tokenizer NAME=PATH" },
        { one_tokenizer && tokenizers.count > 1, "lines are of one tokenizer; give --tokenizer once" },
        { text_mode && (bt_prompt_asks(prompt) || fields.count),
          "--text has neither fields nor questions; leave out --field and {}" },
        { prompt && bt_utf8_prefix(prompt, strlen(prompt)) < strlen(prompt), "--prompt is not UTF-8; write it so" },
        { tokenizers.count > MAX_TOKENIZERS || fields.count > MAX_FIELDS, "more than 8 tokenizers or fields; use fewer" },
        { threads > 1024, "--threads is at most 1024" },
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].broken)
            return bt_fail(err, BT_ERR_USAGE, "%s", rules[i].text);
    return BT_OK;
}

static int load_named(struct run *run, const char *given, struct bt_err *err)
{
    const char *equals = strchr(given, '=');
    struct named *n = &run->named[run->count];

    if (!equals || equals == given || !equals[1])
        return bt_fail(err, BT_ERR_USAGE, "--tokenizer '%s': has to be NAME=PATH", bt_quote_str(given));
    n->name = bt_format("%.*s", (int)(equals - given), given);
    n->prompt_key = bt_format("prompt_len.%s", n->name);
    if (!n->name || !n->prompt_key)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    run->count++;
    for (int f = 0; f < run->field_count; f++)
        if ((n->keys[f] = bt_format("%s.%s", run->fields[f], n->name)) == NULL)
            return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    for (int t = 0; t < run->count - 1; t++)
        if (strcmp(run->named[t].name, n->name) == 0)
            return bt_fail(err, BT_ERR_USAGE, "--tokenizer %s is given twice; names have to differ", n->name);
    int rc = bt_tokenizer_load(&n->tok, equals + 1, err);
    if (!rc && no_specials)
        bt_tokenizer_literal(n->tok);
    if (!rc && text_mode)
        rc = bt_encoder_new(&n->encoder, n->tok, (int)threads, err);
    return rc;
}

static int set_up(struct run *run, struct bt_err *err)
{
    int rc = check_options(err);

    if (!threads)
        threads = sysconf(_SC_NPROCESSORS_ONLN) > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
    run->place = strcmp(input, "-") ? input : "stdin";
    run->max_len = max_len || text_mode ? max_len : RECORD_MAX_LEN;
    if (bt_prompt_asks(prompt))
        run->fields[run->field_count++] = "text";
    for (size_t i = 0; i < fields.count && !bt_prompt_asks(prompt); i++)
        run->fields[run->field_count++] = fields.items[i];
    if (run->field_count == 0) {
        run->fields[run->field_count++] = "captions";
        run->fields[run->field_count++] = "text";
    }
    for (size_t i = 0; i < tokenizers.count && !rc && !train; i++)
        rc = load_named(run, tokenizers.items[i], err);
    run->trainer = train ? bt_trainer(train) : NULL;
    if (!rc && train)
        rc = bt_corpus_init(&run->corpus, run->trainer->words, err);
    return rc;
}

static void tear_down(struct run *run)
{
    for (int t = 0; t < run->count; t++) {
        struct named *n = &run->named[t];

        free(n->name);
        free(n->prompt_key);
        for (int f = 0; f < MAX_FIELDS; f++)
            free(n->keys[f]);
        bt_encoder_free(n->encoder);
        bt_tokenizer_free(n->tok);
    }
    bt_ids_free(&run->ids);
    bt_ids_free(&run->flat);
    free(run->ends);
    bt_buf_free(&run->text);
    bt_corpus_free(&run->corpus);
    free(run);
}

static int run_tool(struct bt_err *err)
{
    struct run *run = bt_alloc(1, sizeof *run, err);
    bool lines = text_mode || decode_mode;

    if (!run)
        return BT_ERR_MEMORY;
    int rc = set_up(run, err);
    if (!rc) {
        bt_progress_start(&run->progress, train ? "train" : "tokenize", lines ? "lines" : "records", 0, 0);
        rc = lines ? run_lines(run, err) : run_records(run, err);
    }
    if (!rc) {
        bt_progress_finish(&run->progress);
        summarize(run);
    }
    if (!rc && count_mode)
        rc = print_counts(run, err);
    if (!rc && train)
        rc = write_vocabulary(run, err);
    tear_down(run);
    return rc;
}

int main(int argc, char **argv)
{
    return bt_tool_main(&tool, run_tool, argc, argv);
}
