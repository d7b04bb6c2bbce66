/* Inputs and outputs of bt-generate. Source: formats.md 1, 2.4, 4. */
#include "libcommon/generate/flow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/stream/reject_log.h"

struct bt_flow {
    const struct bt_flow_options *o;
    struct bt_record *rec;
    struct bt_reader *in;      /* NULL: pictures are named */
    uint64_t taken, ended, rejected;
    struct bt_writer *out;     /* NULL: lines, whose rejects are kept here */
    struct bt_outfile lines;
    struct bt_reject_log *log;
    struct bt_buf line;
};

static int open_records(struct bt_flow *f, struct bt_err *err)
{
    struct bt_writer_options how = { .schema = &bt_schema_prediction, .from = f->in, .force = f->o->force, .provenance = true };
    int rc = bt_writer_open(&f->out, f->o->output, &how, err);

    if (!rc && f->o->rejects)
        rc = bt_writer_rejects_to(f->out, f->o->rejects, err);
    if (!rc)
        bt_writer_max_rejects(f->out, f->o->max_rejects);
    return rc;
}

static int open_lines(struct bt_flow *f, struct bt_err *err)
{
    int rc = bt_outfile_open(&f->lines, f->o->output, f->o->force, err);

    return rc ? rc : bt_reject_log_open(&f->log, f->o->rejects, f->o->max_rejects, err);
}

int bt_flow_open(struct bt_flow **out, const struct bt_flow_options *o, struct bt_err *err)
{
    static const struct bt_schema *const accepted[] = { &bt_schema_sample, &bt_schema_tokens, NULL };
    struct bt_flow *f = bt_alloc(1, sizeof *f, err);
    int rc = BT_OK;

    if (!f)
        return err->status;
    f->o = o;
    if (!(f->rec = bt_record_new()))
        rc = bt_fail(err, BT_ERR_MEMORY, "generate: out of memory");
    if (!rc && !o->pictures->count)
        rc = bt_reader_open(&f->in, o->input, &(struct bt_reader_options){ .schemas = accepted }, err);
    if (!rc)
        rc = o->lines ? open_lines(f, err) : open_records(f, err);
    if (rc) {
        bt_flow_close(f);
        return rc;
    }
    *out = f;
    return BT_OK;
}

uint64_t bt_flow_total(const struct bt_flow *f)
{
    return f->in ? bt_reader_count(f->in) : f->o->pictures->count;
}

/* ---- in ---- */

static int next_picture(struct bt_flow *f, struct bt_err *err)
{
    const char *path = f->o->pictures->items[f->taken];
    char *data = NULL;
    size_t size = 0;
    int rc = bt_file_read(path, (size_t)64 << 20, &data, &size, err);

    bt_record_clear(f->rec);
    if (!rc)
        rc = bt_record_set_str(f->rec, "id", path, strlen(path), err);
    if (!rc)
        rc = bt_record_set_bin(f->rec, "image", data, size, err);
    free(data);
    return rc;
}

int bt_flow_next(struct bt_flow *f, struct bt_record **rec, uint64_t *number, struct bt_err *err)
{
    uint64_t safe = f->out ? bt_writer_resume_at(f->out) : 0;
    int rc = BT_OK;

    do {
        if (f->in)
            rc = bt_reader_next(f->in, f->rec, err);
        else if (f->taken == f->o->pictures->count)
            rc = BT_END;
        else if (f->taken >= safe)
            rc = next_picture(f, err);
        if (rc)
            return rc;
        *number = f->taken++;
        if (f->taken <= safe)
            rc = bt_writer_input_done(f->out, f->ended++, err);
    } while (!rc && f->taken <= safe);
    *rec = f->rec;
    return rc;
}

/* ---- out ---- */

static int put_line(struct bt_flow *f, const struct bt_record *rec, struct bt_err *err)
{
    struct bt_value id = bt_record_get(rec, "question_id"), text = bt_record_get(rec, f->o->field);
    uint64_t begin;
    int rc;

    if (id.kind == BT_ABSENT)
        id = bt_record_get(rec, "id");
    f->line.size = 0;
    rc = id.kind == BT_INT ? bt_buf_printf(&f->line, err, "%" PRId64, id.integer)
                           : bt_buf_add(&f->line, id.kind == BT_STR ? id.data : "", id.kind == BT_STR ? id.size : 0, err);
    if (!rc)
        rc = bt_buf_add(&f->line, "\t", 1, err);
    begin = f->line.size;
    if (!rc)
        rc = bt_buf_add(&f->line, text.data, text.size, err);
    for (uint64_t i = begin; i < f->line.size && !rc; i++) /* a text is one line */
        if (f->line.data[i] == '\n' || f->line.data[i] == '\r')
            f->line.data[i] = ' ';
    if (!rc)
        rc = bt_buf_add(&f->line, "\n", 1, err);
    return rc ? rc : bt_outfile_write(&f->lines, f->line.data, f->line.size, err);
}

int bt_flow_put(struct bt_flow *f, struct bt_record *rec, struct bt_err *err)
{
    int rc = f->out ? bt_writer_put(f->out, rec, err) : put_line(f, rec, err);

    if (!rc && f->out)
        rc = bt_writer_input_done(f->out, f->ended, err);
    f->ended++;
    return rc;
}

static const char *input_name(const struct bt_flow *f)
{
    return f->in ? bt_input_name(f->o->input) : "pictures";
}

static int log_reject(struct bt_flow *f, const struct bt_reject *reject, struct bt_err *err)
{
    int rc = f->out ? bt_writer_reject(f->out, reject, err) : bt_reject_log_add(f->log, reject, err);

    if (!rc && f->out)
        rc = bt_writer_input_done(f->out, f->ended, err);
    f->ended++;
    f->rejected++;
    if (!rc && f->log && bt_reject_log_is_over(f->log, f->ended))
        rc = bt_reject_log_finish(f->log, input_name(f), f->ended, err);
    return rc;
}

int bt_flow_reject(struct bt_flow *f, const char *code, const struct bt_err *why, struct bt_err *err)
{
    struct bt_value id = bt_record_get(f->rec, "id");
    char *name = bt_format("%.*s", id.kind == BT_STR ? (int)id.size : 0, id.kind == BT_STR ? id.data : "");
    const char *place = f->in ? bt_reader_place(f->in) : name;
    int rc;

    if (!name)
        return bt_fail(err, BT_ERR_MEMORY, "generate: out of memory");
    if (!f->in)
        bt_warn("%s: %s", bt_quote_str(name), why->text);
    rc = log_reject(f, &(struct bt_reject){ .code = code, .src = place, .id = name, .detail = why->text, .off = -1, .bytes = -1 },
                    err);
    free(name);
    return rc;
}

int bt_flow_finish(struct bt_flow *f, struct bt_err *err)
{
    int rc;

    if (f->rejected && f->in)
        bt_warn("%s: %" PRIu64 " of %" PRIu64 " records rejected%s", input_name(f), f->rejected, f->taken,
                f->o->rejects ? "" : "; --rejects FILE says which and why");
    if (f->out && f->in && bt_reader_is_partial(f->in))
        bt_writer_partial(f->out);
    if (f->out)
        return bt_writer_finish(f->out, err);
    rc = bt_reject_log_finish(f->log, input_name(f), f->taken, err);
    return rc ? rc : bt_outfile_finish(&f->lines, err);
}

void bt_flow_close(struct bt_flow *f)
{
    if (!f)
        return;
    bt_reject_log_close(f->log);
    bt_outfile_close(&f->lines);
    bt_writer_close(f->out);
    bt_reader_close(f->in);
    bt_record_free(f->rec);
    bt_buf_free(&f->line);
    free(f);
}
