/* Inside metrics: what the commands of bt-score share once they have scores. */
#ifndef BT_METRICS_SCORING_H
#define BT_METRICS_SCORING_H

#include "libcommon/metrics/items.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/report.h"
#include "libcommon/metrics/score.h"

struct bt_scoring {
    const struct bt_score_options *o;
    struct bt_join_policy policy; /* that of the options, or the evaluation's own */
    struct bt_report report;
    struct bt_arena *arena; /* what the report borrows */
    struct bt_buf signature;
    struct bt_meteor_data *meteor; /* captions; NULL: METEOR is skipped */
};

int bt_scoring_open(struct bt_scoring *s, const struct bt_score_options *o, enum bt_duplicates duplicates,
                    struct bt_err *err);
void bt_scoring_close(struct bt_scoring *s);

/* Report rows, or anything else that the report borrows: [count] of `size` bytes. E_MEMORY. */
void *bt_scoring_take(struct bt_scoring *s, size_t count, size_t size, struct bt_err *err);
struct bt_text bt_scoring_text(const char *literal);

/* The texts of an item's references. */
typedef const struct bt_text *bt_references_function(const void *set, int32_t number, struct bt_arena *arena,
                                                     int32_t *count);

struct bt_scoring_items {
    const struct bt_items *items, *other; /* other: of the system compared with, or NULL */
    int worst_by;                         /* column */
    bt_references_function *references;
    const void *set;
    bool highest; /* there is worst, not the lowest */
};

/* The worst items, intervals and comparison that the options ask for, the end of the signature, the records
 * per item, and the report to stdout. `data` is the hash of ids and references. The signature names the
 * decoding preset where results do. */
int bt_scoring_finish(struct bt_scoring *s, const struct bt_scoring_items *with, uint64_t data,
                      struct bt_err *err);
/* The same where samples are drawn of several parts, each on its own: intervals and comparisons are of the columns of
 * all parts one after the other. */
int bt_scoring_finish_parts(struct bt_scoring *s, const struct bt_scoring_items *with,
                            const struct bt_scoring_items *parts, size_t count, uint64_t data, struct bt_err *err);

/* E_INPUT where both systems bring their references along, and they differ. */
int bt_scoring_same_data(const struct bt_score_options *o, uint64_t data, uint64_t other, struct bt_err *err);

/* "|refs:5", or "|refs:4-7". */
int bt_scoring_sign_range(struct bt_scoring *s, const char *name, int32_t least, int32_t most,
                          struct bt_err *err);

#endif
