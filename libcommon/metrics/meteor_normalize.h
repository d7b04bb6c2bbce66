/* METEOR's normaliser: a text into lower-case words. Source: metrics.md 2.4, "Normalisation". */
#ifndef BT_METRICS_METEOR_NORMALIZE_H
#define BT_METRICS_METEOR_NORMALIZE_H

#include "libcommon/base/mem.h"
#include "libcommon/metrics/meteor.h"

struct bt_meteor_normalizer;

struct bt_meteor_normalizer *
bt_meteor_normalizer_new(const struct bt_meteor_data *data); /* NULL: no memory */
void bt_meteor_normalizer_free(struct bt_meteor_normalizer *normalizer);

/* The words with single spaces between them, into *out, which is emptied first. E_UTF8, E_MEMORY. */
int bt_meteor_normalize(struct bt_meteor_normalizer *normalizer, struct bt_text text, struct bt_buf *out,
                        struct bt_err *err);

#endif
