/* Records in, records with token ids out: read and written by one thread, in order, tokenized by several.
 * Source: formats.md 1, 2.4, 4. */
#ifndef BT_TRAIN_TOKEN_RECORDS_H
#define BT_TRAIN_TOKEN_RECORDS_H

#include "libcommon/base/log.h"
#include "libcommon/train/token_fields.h"

struct bt_token_records {
    const char *input, *output; /* output: where fields->kept */
    const struct bt_token_fields *fields;
    struct bt_text_worker *workers; /* one for each thread */
    int worker_count;
    struct bt_progress *progress;

    const char *rejects; /* file for the reject log, or NULL */
    double max_rejects;  /* as for bt_writer_max_rejects */
    bool force;

    uint64_t inputs, rejected; /* set: how many there were */
};

/* Everything is borrowed. A set of shards is gone on with where an earlier run has stopped. What readers and writers return. */
int bt_token_records_run(struct bt_token_records *job, struct bt_err *err);

#endif
