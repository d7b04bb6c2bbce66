/* kernels/layer_norm.h: layer normalisation over the last axis, with the residual addition before it.
 *     forward:   s = x + residual,  y = (s - mean) / sqrt(var + eps) * weight + bias       (biased variance)
 *     backward:  ds = dsum + d(norm),  dx += ds,  dresidual += ds,  dweight, dbias += sums over rows
 * x, residual, sum, y: [rows, width]; mean, rstd: [rows]; weight, bias: [width]. residual NULL: s is x, and
 * sum is not written. dsum: gradient that reaches s from elsewhere, or NULL. In backward `s` is sum (or x).
 * Source: models.md 0.2. */
#ifndef BT_KERNELS_LAYER_NORM_H
#define BT_KERNELS_LAYER_NORM_H

#include "kernels/backend.h"

struct bt_layer_norm {
    int (*forward)(struct bt_queue *q, float *y, float *sum, float *mean, float *rstd, const float *x,
                   const float *residual, const float *weight, const float *bias, float eps, size_t rows,
                   size_t width);
    int (*backward)(struct bt_queue *q, float *dx, float *dresidual, float *dweight, float *dbias,
                    const float *dy, const float *dsum, const float *s, const float *mean, const float *rstd,
                    const float *weight, size_t rows, size_t width);
};
extern const struct bt_layer_norm bt_layer_norm_cpu, bt_layer_norm_cuda;

#endif
