/* kernels/l2_norm.h: rows scaled to unit length.
 *     forward:   y = x / max(|x|, 1e-12)
 *     backward:  dx += (dy - y (y dy)) / |x|, or dy / 1e-12 where the divisor was held at 1e-12
 * x, y: [rows, width]; norm: [rows], the divisor, kept for backward.
 * Source: models.md 0.2 (torch F.normalize). */
#ifndef BT_KERNELS_L2_NORM_H
#define BT_KERNELS_L2_NORM_H

#include "kernels/backend.h"

#define BT_L2_NORM_MIN 1e-12f

struct bt_l2_norm {
    int (*forward)(struct bt_queue *q, float *y, float *norm, const float *x, size_t rows, size_t width);
    int (*backward)(struct bt_queue *q, float *dx, const float *dy, const float *y, const float *norm,
                    size_t rows, size_t width);
};
extern const struct bt_l2_norm bt_l2_norm_cpu, bt_l2_norm_cuda;

#endif
