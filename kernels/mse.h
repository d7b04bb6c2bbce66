/* kernels/mse.h: mean squared error over all elements.
 *     forward:   loss = sum (a - b)^2 / n
 *     backward:  da += dloss 2 (a - b) / n,  db -= the same
 * a, b: [n]; loss, dloss: one float; da, db may be NULL. The loss of nothing (n = 0) is 0. */
#ifndef BT_KERNELS_MSE_H
#define BT_KERNELS_MSE_H

#include "kernels/backend.h"

struct bt_mse {
    int (*forward)(struct bt_queue *q, float *loss, const float *a, const float *b, size_t n);
    int (*backward)(struct bt_queue *q, float *da, float *db, const float *dloss, const float *a,
                    const float *b, size_t n);
};
extern const struct bt_mse bt_mse_cpu, bt_mse_cuda;

#endif
