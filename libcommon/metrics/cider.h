/* CIDEr-D (n = 1..4, sigma 6), as COCO's captioning evaluation computes it. Document frequencies are those of
 * a corpus of images, officially the images scored, so that a value depends on the whole set and a set of one
 * image scores 0. Source: Vedantam et al., arXiv:1411.5726; metrics.md 2.3. */
#ifndef BT_METRICS_CIDER_H
#define BT_METRICS_CIDER_H

#include <stddef.h>

#include "libcommon/metrics/sentence.h"

/* each: [count], from 0 to 10. Of `corpus`, which may be `items`, only the references count. `gram_count` is
 * the lexicon's. E_MEMORY. The corpus value is the mean. */
int bt_cider_score(const struct bt_caption_item *items, size_t count, const struct bt_caption_item *corpus,
                   size_t corpus_count, int32_t gram_count, double *each, struct bt_err *err);

#endif
