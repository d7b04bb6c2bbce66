/* What goes through bt-generate: records of a stream or a set of shards, or pictures named one by one, come in; predictions go
 * out as records or as lines "id<TAB>text"; what could not be used goes to the reject log.
 * Source: formats.md 1, 2.4, 4. */
#ifndef BT_GENERATE_FLOW_H
#define BT_GENERATE_FLOW_H

#include "libcommon/base/tool.h"
#include "libcommon/stream/stream.h"

struct bt_flow_options {
    const char *input;              /* records, unless pictures are named */
    const struct bt_list *pictures; /* JPEG or PNG files; may be empty */
    const char *output;
    bool lines, force;
    const char *field;              /* what a line shows of a record: "caption" or "answer" */
    const char *rejects;            /* file for the reject log, or NULL */
    double max_rejects;             /* as for bt_writer_max_rejects */
};
struct bt_flow;

/* `options` must outlive it. */
int bt_flow_open(struct bt_flow **flow, const struct bt_flow_options *options, struct bt_err *err);
/* How many inputs there are; 0 when that is not known. */
uint64_t bt_flow_total(const struct bt_flow *flow);
/* The next input that is not safe in the output already, and its number: a record with an id and, of a named picture, the file
 * in "image". BT_END after the last. *rec is borrowed until the next call. */
int bt_flow_next(struct bt_flow *flow, struct bt_record **rec, uint64_t *number, struct bt_err *err);
/* Every input is ended by one of these, in order. A reject is the input last returned by bt_flow_next; of a picture that the
 * user named it says so at once. E_REJECTS when there are too many. */
int bt_flow_put(struct bt_flow *flow, struct bt_record *rec, struct bt_err *err);
int bt_flow_reject(struct bt_flow *flow, const char *code, const struct bt_err *why, struct bt_err *err);
/* All inputs are through: only then the output is complete. */
int bt_flow_finish(struct bt_flow *flow, struct bt_err *err);
void bt_flow_close(struct bt_flow *flow);

#endif
