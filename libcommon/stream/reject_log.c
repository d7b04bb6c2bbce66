/* The reject log of a tool whose output is not records. */
#include <inttypes.h>
#include <stdlib.h>

#include "libcommon/base/file.h"
#include "libcommon/stream/reject_log.h"
#include "libcommon/stream/rejects.h"

enum { JUDGED_AFTER = 1000 };

struct bt_reject_log {
    struct bt_outfile file;
    bool open;
    double limit;
    struct bt_tally tally;
    struct bt_record *entry;
    struct bt_buf line;
};

int bt_reject_log_open(struct bt_reject_log **out, const char *path, double limit, struct bt_err *err)
{
    struct bt_reject_log *log = bt_alloc(1, sizeof *log, err);
    int rc = BT_OK;

    if (!log)
        return BT_ERR_MEMORY;
    log->limit = limit;
    log->entry = bt_record_new();
    if (!log->entry)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc && path) {
        rc = bt_outfile_open(&log->file, path, true, err);
        log->open = !rc;
    }
    if (rc)
        bt_reject_log_close(log);
    else
        *out = log;
    return rc;
}

static int write_line(struct bt_reject_log *log, struct bt_err *err)
{
    int rc = log->open ? bt_outfile_write(&log->file, log->line.data, log->line.size, err) : BT_OK;

    log->line.size = 0;
    return rc;
}

int bt_reject_log_add(struct bt_reject_log *log, const struct bt_reject *reject, struct bt_err *err)
{
    int rc = bt_reject_record(reject, log->entry, err);

    if (!rc)
        rc = bt_reject_line(&log->line, log->tally.total, log->entry, err);
    if (!rc)
        rc = write_line(log, err);
    return rc ? rc : bt_tally_add(&log->tally, log->entry, err);
}

uint64_t bt_reject_log_count(const struct bt_reject_log *log)
{
    return log->tally.total;
}

static bool is_beyond(const struct bt_reject_log *log, uint64_t inputs)
{
    return (double)log->tally.total > (log->limit < 1 ? log->limit * (double)inputs : log->limit);
}

bool bt_reject_log_is_over(const struct bt_reject_log *log, uint64_t inputs)
{
    return (log->limit >= 1 || inputs >= JUDGED_AFTER) && is_beyond(log, inputs);
}

int bt_reject_log_finish(struct bt_reject_log *log, const char *place, uint64_t inputs, struct bt_err *err)
{
    char commonest[600];
    int rc = bt_reject_end_line(&log->line, &log->tally, err);

    if (!rc)
        rc = write_line(log, err);
    if (!rc && log->open)
        rc = bt_outfile_finish(&log->file, err);
    if (rc || !is_beyond(log, inputs))
        return rc;
    bt_tally_describe(&log->tally, commonest, sizeof commonest);
    return bt_fail(err, BT_ERR_REJECTS, "%s: %" PRIu64 " of %" PRIu64 " inputs rejected: %s; mend them or raise "
                   "--max-rejects", place, log->tally.total, inputs, commonest);
}

void bt_reject_log_close(struct bt_reject_log *log)
{
    if (!log)
        return;
    if (log->open)
        bt_outfile_close(&log->file);
    bt_tally_free(&log->tally);
    bt_record_free(log->entry);
    bt_buf_free(&log->line);
    free(log);
}
