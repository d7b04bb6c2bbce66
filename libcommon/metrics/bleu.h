/* BLEU-1 to BLEU-4, as COCO's captioning evaluation computes them: clipped n-gram precision with a brevity
 * penalty against the closest reference, no smoothing (but t = 1e-15 and s = 1e-9 in every fraction). Source:
 * Papineni et al., ACL 2002; metrics.md 2.1. */
#ifndef BT_METRICS_BLEU_H
#define BT_METRICS_BLEU_H

#include <stddef.h>

#include "libcommon/metrics/sentence.h"

/* What BLEU counts; sums over images are counts of the same kind. */
struct bt_bleu_counts {
    int64_t length, reference; /* words of the hypothesis, of the reference of closest length */
    int64_t guess[BT_ORDERS], correct[BT_ORDERS];
};

/* bleu[n-1] is BLEU-n of the counts. */
void bt_bleu_value(const struct bt_bleu_counts *counts, double bleu[BT_ORDERS]);

/* counts: [count], of every image; all: [4], the values of their sum. `gram_count` is the lexicon's.
 * E_MEMORY. */
int bt_bleu_score(const struct bt_caption_item *items, size_t count, int32_t gram_count,
                  struct bt_bleu_counts *counts, double all[BT_ORDERS], struct bt_err *err);
/* Adds `times` such images. */
void bt_bleu_add(struct bt_bleu_counts *sum, const struct bt_bleu_counts *counts, int64_t times);

#endif
