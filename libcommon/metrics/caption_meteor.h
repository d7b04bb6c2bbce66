/* METEOR of captions that a lexicon has read. Source: metrics.md 1.1 (5), 2.4. */
#ifndef BT_METRICS_CAPTION_METEOR_H
#define BT_METRICS_CAPTION_METEOR_H

#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/sentence.h"

/* stats[i] for items[i]; errors as bt_meteor_align. */
int bt_caption_meteor(const struct bt_meteor_data *data, const struct bt_lexicon *lex,
                      const struct bt_caption_item *items, size_t count, struct bt_meteor_stats *stats,
                      struct bt_err *err);

#endif
