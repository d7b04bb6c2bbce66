/* Pairs numbered 0, 1, 2, ... in order of first appearance: how n-grams get their numbers, an n-gram being one that is
 * shorter and what follows it. */
#ifndef BT_METRICS_PAIRS_H
#define BT_METRICS_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* numbers[i] is the number of the pair (left[i], right[i]), or -1 where either is negative; *distinct is how many there
 * are. count: below 2^31. E_MEMORY. */
int bt_number_pairs(const int32_t *left, const int32_t *right, size_t count, int32_t *numbers, int32_t *distinct,
                    struct bt_err *err);

#endif
