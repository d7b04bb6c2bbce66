/* The products of the backward pass of linear, shared with the linear form of cross-entropy. Private to
 * kernels/cpu. */
#ifndef BT_KERNELS_CPU_LINEAR_H
#define BT_KERNELS_CPU_LINEAR_H

#include "kernels/cpu/matmul.h"
#include "kernels/linear.h"

/* Rows that a backward pass takes at a time: few enough for x and g to stay in cache from one product to the
 * next, and the more the larger dweight is, which every block walks once. */
static inline size_t bt_linear_block(size_t in, size_t out)
{
    return 512 + in * out / 1024;
}

/* Floats of scratch that bt_linear_gradients needs; the weight at this address may be packed. */
size_t bt_linear_scratch(const struct bt_queue *q, const float *weight, size_t rows, size_t in, size_t out);

/* dx += g W, dweight += g^T x, dbias += sums of g over rows; each may be NULL. Row r of g begins at g + r *
 * g_stride; bt_padded(out) is the best stride. */
int bt_linear_gradients(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *g,
                        size_t g_stride, const float *x, const float *weight, size_t rows, size_t in,
                        size_t out, float *scratch);

#endif
