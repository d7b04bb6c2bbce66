/* How the CPU kernels cut their work: by sizes alone, never by the number of threads, so that every sum has
 * one order. Sums to one number go over BT_BLOCKS parts that are added in order; sums over rows go down bands
 * of columns, each one thread's, in runs of BT_ROW_RUN rows so that rounding does not pile up. */
#ifndef BT_KERNELS_CPU_GRID_H
#define BT_KERNELS_CPU_GRID_H

#include <stddef.h>

#define BT_PARALLEL_MIN ((size_t)16384) /* elements below which starting threads costs more than it saves */
#define BT_BLOCKS       ((size_t)64)
#define BT_BAND         ((size_t)32) /* columns: two cache lines */
#define BT_ROW_RUN      ((size_t)64)
#define BT_CHUNK        ((size_t)4096) /* elements of a long row that one thread takes at a time */

/* Where block k of n elements starts, k <= BT_BLOCKS. */
static inline size_t bt_block_start(size_t n, size_t k)
{
    return n / BT_BLOCKS * k + n % BT_BLOCKS * k / BT_BLOCKS;
}

static inline size_t bt_pieces(size_t n, size_t piece)
{
    return n / piece + (n % piece != 0);
}

static inline size_t bt_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
