/* bt-tokenize - texts in, token ids out; ids back to text; vocabularies learnt.  See bt-tokenize(1). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/relay.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/reject_log.h"
#include "libcommon/text/line_batch.h"
#include "libcommon/text/prompt.h"
#include "libcommon/text/text_worker.h"
#include "libcommon/text/train.h"
#include "libcommon/text/unicode.h"
#include "libcommon/train/token_records.h"

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
    BT_OPT_COUNT('j', "threads", &threads, "N", "tokenize on N threads; all processors if not given"),
    BT_OPT_CHOICE(0, "train", &train, "wordpiece|bpe|unigram", "learn a vocabulary from the texts"),
    BT_OPT_COUNT(0, "vocab-size", &vocab_size, "N", "entries of the vocabulary to learn"),
    BT_OPT_STRING(0, "rejects", &rejects, "FILE", "log of texts that were left out, JSON lines"),
    BT_OPT_NUMBER(0, "max-rejects", &max_rejects, "N", "stop above this share of inputs, or count if 1 or more"),
    BT_OPT_READING,
    BT_OPT_WRITING,
    BT_OPT_LINES,
    BT_OPT_FLAG(0, "force", &force, "replace the output"),
    BT_OPT_END
};
static const struct bt_tool tool = { "bt-tokenize", "turn texts into token ids, and ids into text", options };

/* ---------------------------------------------------------------- what a run holds */

/* Lines on their way through the workers, and what has become of them. */
struct line_piece {
    struct bt_line_batch lines;
    struct bt_buf out;
    struct bad_line {
        uint64_t i; /* in lines */
        struct bt_bad_text text;
    } *bad;
    uint64_t bad_count, bad_capacity;
    char apart[64]; /* from the next piece, so that no cache line is written by two threads */
};

struct run {
    struct bt_text_settings settings;
    char *names[BT_TOKENIZERS_MAX]; /* of its tokenizers */
    struct bt_token_fields fields;
    struct bt_text_worker *workers;
    int worker_count;
    const char *place; /* of the input */
    uint64_t inputs, rejected;
    const struct bt_trainer *trainer; /* --train */
    struct bt_corpus corpus;
    struct bt_progress progress;

    struct bt_lines *lines; /* lines in, */
    struct line_piece *pieces;
    struct bt_outfile file; /* and out */
    struct bt_reject_log *log;
};

static int stopped(struct bt_err *err)
{
    return bt_stop_requested() ? bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", output)
                               : BT_OK;
}

/* ---------------------------------------------------------------- lines */

static int fill_lines(void *context, int piece, struct bt_err *err)
{
    struct run *run = context;
    struct line_piece *p = &run->pieces[piece];
    int rc = stopped(err);

    p->lines.count = 0;
    p->lines.first = bt_lines_number(run->lines) + 1;
    return rc ? rc : bt_line_batch_fill(&p->lines, run->lines, err);
}

/* A line of ids into one of text. */
static int decode_line(const struct run *run, struct bt_text_worker *w, const char *line, size_t size, struct bt_buf *out,
                       struct bt_err *err)
{
    const struct bt_tokenizer *tok = run->settings.tokenizers[0].tok;
    int rc = bt_ids_parse(&w->ids, line, size, bt_tokenizer_vocab_size(tok), err);

    if (!rc)
        rc = bt_tokenizer_decode_line(tok, w->ids.data, w->ids.count, !keep_specials, out, err);
    return rc ? rc : bt_buf_add(out, "\n", 1, err);
}

/* A line of text into what is asked for of each tokenizer. */
static int encode_line(const struct run *run, struct bt_text_worker *w, const char *line, size_t size, struct bt_buf *out,
                       struct bt_err *err)
{
    int rc = bt_text_worker_make(w, NULL, line, size, err);

    if (!rc && train)
        rc = bt_text_worker_encode(w, 0, false, err);
    for (int t = 0; t < run->settings.count && !rc; t++) {
        rc = bt_text_worker_encode(w, t, false, err);
        if (!rc && explain_mode)
            rc = bt_tokenizer_explain(w->twins[t], run->settings.tokenizers[t].name, w->ids.data, w->ids.count, out, err);
        else if (!rc && !count_mode)
            rc = bt_ids_print_line(&w->ids, out, err);
    }
    return rc;
}

static int note_bad_line(struct line_piece *p, uint64_t i, int failed, const char *line, size_t size, struct bt_err *err)
{
    struct bad_line bad = { .i = i };
    int rc = bt_bad_text_of(failed, line, size, &bad.text, err);

    if (!rc)
        rc = bt_grow(&p->bad, &p->bad_capacity, p->bad_count + 1, sizeof *p->bad, err);
    if (!rc)
        p->bad[p->bad_count++] = bad;
    return rc;
}

static int work_on_lines(void *context, int piece, int worker, struct bt_err *err)
{
    struct run *run = context;
    struct line_piece *p = &run->pieces[piece];
    struct bt_text_worker *w = &run->workers[worker];
    int rc = BT_OK;

    p->out.size = p->bad_count = 0;
    for (uint64_t i = 0; i < p->lines.count && !rc; i++) {
        uint64_t before = p->out.size;
        size_t size;
        const char *line = bt_line_batch_line(&p->lines, i, &size);

        rc = (decode_mode ? decode_line : encode_line)(run, w, line, size, &p->out, err);
        if (rc) {
            p->out.size = before;
            rc = note_bad_line(p, i, rc, line, size, err);
        }
    }
    return rc;
}

static int reject_line(struct run *run, struct bad_line *bad, struct bt_err *err)
{
    struct bt_reject *why = &bad->text.why;
    char id[32];

    snprintf(id, sizeof id, "line %" PRIu64, run->inputs);
    why->src = run->place;
    why->id = id;
    why->detail = bad->text.detail; /* which has moved */
    int rc = bt_reject_log_add(run->log, why, err);
    if (rc || !bt_reject_log_is_over(run->log, run->inputs))
        return rc;
    return bt_reject_log_finish(run->log, run->place, run->inputs, err);
}

static int put_lines(void *context, int piece, struct bt_err *err)
{
    struct run *run = context;
    struct line_piece *p = &run->pieces[piece];
    int rc = BT_OK;

    for (uint64_t b = 0; b < p->bad_count && !rc; b++) {
        run->inputs = p->lines.first + p->bad[b].i;
        rc = reject_line(run, &p->bad[b], err);
    }
    if (!rc && p->out.size)
        rc = bt_outfile_write(&run->file, p->out.data, p->out.size, err);
    if (!rc)
        run->inputs = p->lines.first + p->lines.count - 1;
    bt_progress_update(&run->progress, run->inputs, NULL);
    return rc;
}

static int run_lines(struct run *run, struct bt_err *err)
{
    const struct bt_relay relay = { run->worker_count, run, fill_lines, work_on_lines, put_lines };
    int count = bt_relay_pieces(run->worker_count);
    bool writes = !count_mode && !train;
    int rc = bt_lines_open(&run->lines, input, err);

    if (!rc)
        rc = bt_reject_log_open(&run->log, rejects, max_rejects, err);
    if (!rc && writes)
        rc = bt_outfile_open(&run->file, output, force, err);
    if (!rc) {
        run->pieces = bt_alloc((uint64_t)count, sizeof *run->pieces, err);
        rc = run->pieces ? bt_relay_run(&relay, err) : BT_ERR_MEMORY;
    }
    if (!rc)
        rc = bt_reject_log_finish(run->log, run->place, run->inputs, err);
    if (!rc && writes)
        rc = bt_outfile_finish(&run->file, err);
    run->rejected = run->log ? bt_reject_log_count(run->log) : 0;
    for (int i = 0; i < count && run->pieces; i++) {
        bt_line_batch_free(&run->pieces[i].lines);
        bt_buf_free(&run->pieces[i].out);
        free(run->pieces[i].bad);
    }
    free(run->pieces);
    bt_outfile_close(&run->file);
    bt_reject_log_close(run->log);
    bt_lines_close(run->lines);
    return rc;
}

/* ---------------------------------------------------------------- records */

static int run_records(struct run *run, struct bt_err *err)
{
    struct bt_token_records job = { .input = input, .output = output, .fields = &run->fields, .workers = run->workers,
                                    .worker_count = run->worker_count, .progress = &run->progress, .rejects = rejects,
                                    .max_rejects = max_rejects, .force = force };
    int rc = bt_token_records_run(&job, err);

    run->inputs = job.inputs;
    run->rejected = job.rejected;
    return rc;
}

/* ---------------------------------------------------------------- reports */

static int print_counts(const struct run *run, struct bt_err *err)
{
    struct bt_buf out = { 0 };
    int rc = BT_OK;

    for (int t = 0; t < run->settings.count && !rc; t++)
        rc = bt_text_stats_row(&run->workers[0].stats[t], run->settings.tokenizers[t].name, &out, err);
    if (!rc)
        rc = bt_file_write(output, out.data, out.size, force, err);
    bt_buf_free(&out);
    return rc;
}

/* What all workers have counted; it is then with the first. */
static void summarize(const struct run *run)
{
    struct bt_text_worker *all = &run->workers[0];

    for (int w = 1; w < run->worker_count; w++)
        bt_text_worker_add(all, &run->workers[w]);
    for (int t = 0; t < run->settings.count && !decode_mode; t++) {
        const struct bt_text_stats *s = &all->stats[t];

        bt_note("%s: %s texts, %s ids; %s cut, %s unknown", run->settings.tokenizers[t].name, bt_human_count(s->texts),
                bt_human_count(s->ids), bt_human_count(s->cut), bt_human_count(s->unknown));
    }
    if (all->replacements)
        bt_warn("%s characters U+FFFD in the input: an earlier conversion could not read them",
                bt_human_count(all->replacements));
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
        { tokenizers.count > BT_TOKENIZERS_MAX || fields.count > BT_TOKEN_FIELDS_MAX, "more than 8 tokenizers or fields; use fewer" },
        { threads > 1024, "--threads is at most 1024" },
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].broken)
            return bt_fail(err, BT_ERR_USAGE, "%s", rules[i].text);
    return BT_OK;
}

/* NAME=PATH */
static int load_named(struct run *run, const char *given, struct bt_err *err)
{
    const char *equals = strchr(given, '=');
    struct bt_text_settings *s = &run->settings;
    int t = s->count;

    if (!equals || equals == given || !equals[1])
        return bt_fail(err, BT_ERR_USAGE, "--tokenizer '%s': has to be NAME=PATH", bt_quote_str(given));
    run->names[t] = bt_format("%.*s", (int)(equals - given), given);
    if (!run->names[t])
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    for (int other = 0; other < t; other++)
        if (strcmp(run->names[other], run->names[t]) == 0)
            return bt_fail(err, BT_ERR_USAGE, "--tokenizer %s is given twice; names have to differ", run->names[t]);
    int rc = bt_tokenizer_load(&s->tokenizers[t].tok, equals + 1, err);
    if (rc)
        return rc;
    s->tokenizers[t].name = run->names[t];
    s->count++;
    return BT_OK;
}

static int set_up_workers(struct run *run, struct bt_err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int count = threads ? (int)threads : processors > 0 ? (int)processors : 1;
    int rc = BT_OK;

    count = train ? 1 : count; /* words are counted in one place */
    run->workers = bt_alloc((uint64_t)count, sizeof *run->workers, err);
    if (!run->workers)
        return BT_ERR_MEMORY;
    while (!rc && run->worker_count < count)
        rc = bt_text_worker_init(&run->workers[run->worker_count++], &run->settings, err);
    return rc;
}

static void choose_fields(struct bt_token_fields *f)
{
    f->answers = answer_field;
    f->kept = !count_mode && !train;
    if (bt_prompt_asks(prompt))
        f->fields[f->field_count++] = "text";
    for (size_t i = 0; i < fields.count && !bt_prompt_asks(prompt); i++)
        f->fields[f->field_count++] = fields.items[i];
    if (f->field_count == 0) {
        f->fields[f->field_count++] = "captions";
        f->fields[f->field_count++] = "text";
    }
}

static int set_up(struct run *run, struct bt_err *err)
{
    int rc = check_options(err);

    run->place = strcmp(input, "-") ? input : "stdin";
    run->settings = (struct bt_text_settings){ .prompt = prompt, .clean = clean ? clean : text_mode ? "none" : NULL,
                                               .newline = text_mode && strcmp(newline, "auto") == 0 ? "no" : newline,
                                               .max_len = max_len || text_mode ? max_len : RECORD_MAX_LEN,
                                               .literal = no_specials };
    run->fields.settings = &run->settings;
    for (size_t i = 0; i < tokenizers.count && !rc && !train; i++)
        rc = load_named(run, tokenizers.items[i], err);
    run->trainer = train ? bt_trainer(train) : NULL;
    if (!rc && train)
        rc = bt_corpus_init(&run->corpus, run->trainer->words, err);
    if (train)
        run->settings.corpus = &run->corpus;
    if (!rc)
        rc = set_up_workers(run, err);
    if (rc)
        return rc;
    choose_fields(&run->fields);
    return bt_token_fields_init(&run->fields, err);
}

static void tear_down(struct run *run)
{
    for (int w = 0; w < run->worker_count; w++)
        bt_text_worker_free(&run->workers[w]);
    free(run->workers);
    for (int t = 0; t < BT_TOKENIZERS_MAX; t++) {
        bt_tokenizer_free(run->settings.tokenizers[t].tok);
        free(run->names[t]);
    }
    bt_token_fields_free(&run->fields);
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
