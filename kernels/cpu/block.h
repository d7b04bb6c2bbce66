/* Products of small matrices that are in cache already, by one thread: the inner loops of attention. GCC's
 * vector types (clang has them too) keep a block of sums in registers. Private to kernels/cpu. */
#ifndef BT_KERNELS_CPU_BLOCK_H
#define BT_KERNELS_CPU_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __AVX512F__
#define BT_LANES 16
#else
#define BT_LANES 8
#endif

typedef float bt_lanes
    __attribute__((vector_size(BT_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* n rounded up to whole vectors: the row length of the matrices here. */
static inline size_t bt_whole_lanes(size_t n)
{
    return (n + BT_LANES - 1) / BT_LANES * BT_LANES;
}

/* A matrix whose element (i, j) is data[i * row + j * column]: a transpose costs nothing. */
struct bt_operand {
    const float *data;
    size_t row, column;
};

/* c[m, n] = a[m, k] b[k, n], or += when `add`. n is a multiple of BT_LANES; rows of c and b are c_stride and
 * b_stride apart. */
void bt_block_product(float *c, size_t c_stride, struct bt_operand a, const float *b, size_t b_stride,
                      bool add, size_t m, size_t n, size_t k);

/* c[r, j] = a_r b_j for at most BT_DOTS_ROWS rows: b, [n, k], is read once, as fast as memory gives it. A
 * row's result does not depend on how many rows there are. */
#define BT_DOTS_ROWS ((size_t)8)
void bt_block_dots(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                   size_t b_stride, size_t m, size_t n, size_t k);

/* to[j, i] = from[i, j] for i < m, j < n, and 0 for m <= i < bt_whole_lanes(m). */
void bt_block_transpose(float *to, size_t to_stride, const float *from, size_t from_stride, size_t m,
                        size_t n);

#endif
