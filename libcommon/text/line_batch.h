/* Lines of text, made ready and encoded many at a time. A line that cannot be is marked; doing it alone once more says why. */
#ifndef BT_TEXT_LINE_BATCH_H
#define BT_TEXT_LINE_BATCH_H

#include "libcommon/base/json.h"
#include "libcommon/text/batch.h"
#include "libcommon/text/clean.h"

#define BT_BATCH_LINES 4096
#define BT_BATCH_BYTES (1 << 20)

struct bt_line_place; /* where a line is */

struct bt_line_batch {
    uint64_t count;
    uint64_t replacements;      /* characters U+FFFD in these lines */
    struct bt_encoded *encoded; /* of the last encode */

    const char *prompt; /* the rest is for the functions below */
    enum bt_clean clean;
    struct bt_line_place *places;
    struct bt_text *texts;
    struct bt_buf lines, made;
};

/* prompt (borrowed, may be NULL) is put before each line, which is cleaned. */
int bt_line_batch_init(struct bt_line_batch *batch, const char *prompt, enum bt_clean clean, struct bt_err *err);
void bt_line_batch_free(struct bt_line_batch *batch);

/* Replaces what it holds by the next lines. BT_END when there are no more, though some may have come. */
int bt_line_batch_fill(struct bt_line_batch *batch, struct bt_lines *lines, struct bt_err *err);

/* The line as it was read, until the next fill. */
struct bt_text bt_line_batch_line(const struct bt_line_batch *batch, uint64_t i);

/* As bt_encoder_run; encoded[i].bad also where the line could not be made ready. */
int bt_line_batch_encode(struct bt_line_batch *batch, struct bt_encoder *encoder, const char *end, int64_t max_len,
                         struct bt_err *err);

#endif
