/* kernels/linear.h: affine map with an activation.
 *     forward:   pre = x W^T + b,  y = act(pre)
 *     backward:  g = dy act'(pre),  dx += g W,  dW += g^T x,  db += sum over rows of g
 * x: [rows, in], weight: [out, in] as published, bias: [out] or NULL, y, dy, slope: [rows, out].
 * Activations: erf GELU (Hendrycks and Gimpel, arXiv:1606.08415), ReLU, tanh.
 * Source: models.md 0.2, 12. */
#ifndef BT_KERNELS_LINEAR_H
#define BT_KERNELS_LINEAR_H

#include "kernels/backend.h"

enum bt_act { BT_ACT_NONE, BT_ACT_GELU, BT_ACT_RELU, BT_ACT_TANH };

struct bt_linear {
    /* slope: where to keep act'(pre) for GELU's backward; NULL when there will be none, and for other
     * activations. */
    int (*forward)(struct bt_queue *q, float *y, float *slope, const float *x, const float *weight,
                   const float *bias, enum bt_act act, size_t rows, size_t in, size_t out);
    /* saved: slope for GELU, y for ReLU and tanh, unused for NONE. dx, dweight, dbias may each be NULL. */
    int (*backward)(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *dy,
                    const float *saved, const float *x, const float *weight, enum bt_act act, size_t rows,
                    size_t in, size_t out);
    /* Tells that `weight` will not change until unpack: it may be kept in the layout that multiplies fastest. */
    int (*pack)(struct bt_queue *q, const float *weight, size_t in, size_t out);
    void (*unpack)(struct bt_queue *q, const float *weight);
};
extern const struct bt_linear bt_linear_cpu, bt_linear_cuda;

#endif
