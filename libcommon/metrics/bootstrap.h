/* How far a score is due to the items it was taken from: the bootstrap over items. A sample draws as many
 * items as there are, with replacement; draws are keyed by seed and sample, so a figure depends on nothing
 * else. CIDEr keeps the document frequencies of the whole set. Source: Efron, Annals of Statistics 7 (1979);
 * for paired tests Koehn, EMNLP 2004, and Riezler and Maxwell, ACL workshop 2005. */
#ifndef BT_METRICS_BOOTSTRAP_H
#define BT_METRICS_BOOTSTRAP_H

#include "libcommon/metrics/items.h"

/* The 2.5 and 97.5 percentiles over samples, interpolated linearly; NaN where there are none. */
struct bt_interval {
    double low, high;
};

/* intervals: [column_count]. samples >= 1. E_MEMORY. */
int bt_bootstrap(const struct bt_items *items, int64_t samples, uint64_t seed, struct bt_interval *intervals,
                 struct bt_err *err);

/* Two systems on the same items, drawn together. `p`, two-sided: how often the difference of a sample lies as
 * far from the mean of all samples' as the difference observed lies from 0, (hits + 1) / (samples + 1). */
struct bt_comparison {
    double value, other, difference; /* corpus values, and value - other */
    struct bt_interval interval;     /* of the difference */
    double p;
};

/* comparisons: [column_count]; both have the same columns. E_INPUT when they differ in ids, E_MEMORY. */
int bt_bootstrap_compare(const struct bt_items *items, const struct bt_items *other, int64_t samples,
                         uint64_t seed, struct bt_comparison *comparisons, struct bt_err *err);

#endif
