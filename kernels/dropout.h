/* kernels/dropout.h: elements set to 0 with probability p, the others scaled by 1/(1-p).
 *     forward:   y = x m / (1 - p);   backward:  dx += dy m / (1 - p)
 * The mask m is a function of (key, element index): word i mod 4 of Philox block i / 4 with counter {block
 * low, block high, step, site} under the seed, kept when below (1-p) 2^32. key: seed low, seed high, step,
 * site. x, y: [n]; y may be x; 0 <= p < 1. Source: Srivastava et al., JMLR 15 (2014). */
#ifndef BT_KERNELS_DROPOUT_H
#define BT_KERNELS_DROPOUT_H

#include "kernels/backend.h"

struct bt_dropout {
    int (*forward)(struct bt_queue *q, float *y, const float *x, float p, const uint32_t key[4], size_t n);
    int (*backward)(struct bt_queue *q, float *dx, const float *dy, float p, const uint32_t key[4], size_t n);
};
extern const struct bt_dropout bt_dropout_cpu, bt_dropout_cuda;

#endif
