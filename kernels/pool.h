/* kernels/pool.h: mean or maximum over the middle axis.
 * x: [outer, count, inner] -> y: [outer, inner]; count >= 1. max keeps which element won (the first of
 * equals, or the first NaN) in argmax [outer, inner]; its gradient goes there alone. Source: models.md 5
 * (ITC, ITM). */
#ifndef BT_KERNELS_POOL_H
#define BT_KERNELS_POOL_H

#include "kernels/backend.h"

struct bt_pool {
    int (*mean)(struct bt_queue *q, float *y, const float *x, size_t outer, size_t count, size_t inner);
    int (*mean_backward)(struct bt_queue *q, float *dx, const float *dy, size_t outer, size_t count,
                         size_t inner);
    int (*max)(struct bt_queue *q, float *y, int32_t *argmax, const float *x, size_t outer, size_t count,
               size_t inner);
    int (*max_backward)(struct bt_queue *q, float *dx, const float *dy, const int32_t *argmax, size_t outer,
                        size_t count, size_t inner);
};
extern const struct bt_pool bt_pool_cpu, bt_pool_cuda;

#endif
