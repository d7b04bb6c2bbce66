/* The reject log of a tool whose output is not records (those keep theirs with the writer, stream.h).
 * Source: formats.md 4. */
#ifndef BT_STREAM_REJECT_LOG_H
#define BT_STREAM_REJECT_LOG_H

#include "libcommon/stream/stream.h"

struct bt_reject_log;

/* path NULL: only counts. `limit` as for bt_writer_max_rejects. An older log is replaced. */
int bt_reject_log_open(struct bt_reject_log **log, const char *path, double limit, struct bt_err *err);
int bt_reject_log_add(struct bt_reject_log *log, const struct bt_reject *reject, struct bt_err *err);
uint64_t bt_reject_log_count(const struct bt_reject_log *log);

/* True when after so many inputs there are too many rejects to go on: a share is judged after 1000 inputs, a count always. */
bool bt_reject_log_is_over(const struct bt_reject_log *log, uint64_t inputs);

/* Writes the last line; then E_REJECTS when more than the limit of the inputs were rejected, with the commonest codes. `place`
 * names the input. */
int bt_reject_log_finish(struct bt_reject_log *log, const char *place, uint64_t inputs, struct bt_err *err);
void bt_reject_log_close(struct bt_reject_log *log);

#endif
