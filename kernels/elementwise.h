/* kernels/elementwise.h: sums, products with scalars, and their gradients.
 * a, x, y: [n]; b: [period], repeated n / period times (period = n: same shape). y may be an input of length
 * n. t and dt are one float on the device; dx and dt may be NULL. */
#ifndef BT_KERNELS_ELEMENTWISE_H
#define BT_KERNELS_ELEMENTWISE_H

#include "kernels/backend.h"

struct bt_elementwise {
    /* y = a + b */
    int (*add)(struct bt_queue *q, float *y, const float *a, const float *b, size_t n, size_t period);
    /* to[i] += factor * sum over k of from[i + k * period], i < period: the gradient of either term of add */
    int (*accumulate)(struct bt_queue *q, float *to, const float *from, float factor, size_t n,
                      size_t period);
    /* y = factor * x */
    int (*scale)(struct bt_queue *q, float *y, const float *x, float factor, size_t n);
    /* y = x / t[0]; backward: dx += dy / t, dt -= sum(dy y) / t */
    int (*divide)(struct bt_queue *q, float *y, const float *x, const float *t, size_t n);
    int (*divide_backward)(struct bt_queue *q, float *dx, float *dt, const float *dy, const float *y,
                           const float *t, size_t n);
    /* sum of squares of x, in double, and whether every element is finite; both on the host; synchronises */
    int (*norm)(struct bt_queue *q, double *sum_of_squares, int *finite, const float *x, size_t n);
};
extern const struct bt_elementwise bt_elementwise_cpu, bt_elementwise_cuda;

#endif
