/* ROUGE-L, as COCO's captioning evaluation computes it: the F-measure (beta 1.2) of the longest common
 * subsequence, with the best precision and the best recall over the references, each on its own. Source: Lin,
 * ACL workshop 2004; metrics.md 2.2. */
#ifndef BT_METRICS_ROUGE_H
#define BT_METRICS_ROUGE_H

#include <stddef.h>

#include "libcommon/metrics/sentence.h"

/* each: [count]. `piece_count` is the lexicon's. E_MEMORY. The corpus value is the mean. */
int bt_rouge_score(const struct bt_caption_item *items, size_t count, int32_t piece_count, double *each,
                   struct bt_err *err);

#endif
