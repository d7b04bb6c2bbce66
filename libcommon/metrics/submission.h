/* Result files as the evaluation servers of COCO, NoCaps, VQA and GQA take them: a JSON array with one object
 * for every id, in the order of the references. Source: data.md 9; metrics.md 3.3, 4.2, 6. */
#ifndef BT_METRICS_SUBMISSION_H
#define BT_METRICS_SUBMISSION_H

#include <stdbool.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/join.h"

struct bt_submission {
    const char *id_key, *text_key; /* "image_id" and "caption" */
    bool string_ids;               /* ids are strings (GQA); otherwise whole numbers */
};

/* Checks the results as bt_join_check does, and their ids, and writes them. A file of that name needs `force`
 * (E_EXISTS). */
int bt_submission_write(const struct bt_join *join, const struct bt_join_policy *policy,
                        const struct bt_submission *form, const char *path, bool force, struct bt_err *err);

#endif
