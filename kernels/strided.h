/* kernels/strided.h: blocks of a matrix, for joining and cutting along an axis.
 * Row r of y begins at y + r * y_stride, of x at x + r * x_stride; width floats of each are used. copy moves
 * bits, so it serves int32 as well. */
#ifndef BT_KERNELS_STRIDED_H
#define BT_KERNELS_STRIDED_H

#include "kernels/backend.h"

struct bt_strided {
    int (*copy)(struct bt_queue *q, float *y, size_t y_stride, const float *x, size_t x_stride, size_t rows,
                size_t width);
    int (*add)(struct bt_queue *q, float *y, size_t y_stride, const float *x, size_t x_stride, size_t rows,
               size_t width); /* y += x */
};
extern const struct bt_strided bt_strided_cpu, bt_strided_cuda;

#endif
