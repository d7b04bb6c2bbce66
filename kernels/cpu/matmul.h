/* Matrix products on the CPU, by oneDNN's sgemm (dnnl_sgemm, oneDNN 2.6 reference).
 *
 * One product is cut into tiles by its sizes alone; each tile is one thread's, from its first term to its
 * last. So the result has the same bytes for any number of threads. Private to kernels/cpu. */
#ifndef BT_KERNELS_CPU_MATMUL_H
#define BT_KERNELS_CPU_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/cpu/queue.h"

/* A matrix in memory: row r begins at data + r * stride. Transposed: it is used as the transpose of what is
 * there. */
struct bt_matrix {
    const float *data;
    size_t stride;
    bool transposed;
};

/* Called for each tile while it is in cache: `tile` is its first element, in row `row` and column `column`. */
typedef void bt_tile_end(void *context, float *tile, size_t row, size_t rows, size_t column, size_t columns);

/* c = a b, or c += a b when `add`; a: [m, k], b: [k, n], c: [m, n] with rows c_stride apart. tile_end may be
 * NULL. BT_ERR_MEMORY when oneDNN cannot have its buffers. */
int bt_matmul(struct bt_queue *q, float *c, size_t c_stride, struct bt_matrix a, struct bt_matrix b, bool add,
              size_t m, size_t n, size_t k, bt_tile_end *tile_end, void *context);

/* The same by the calling thread alone, inside a parallel region or not. */
int bt_matmul_alone(float *c, size_t c_stride, struct bt_matrix a, struct bt_matrix b, bool add, size_t m,
                    size_t n, size_t k);

/* Row length at which a matrix of `width` columns is walked down its columns without conflicts in the cache:
 * a power of two puts a whole column into a few cache sets, and halves the speed of a product that goes down
 * it. */
static inline size_t bt_padded(size_t width)
{
    return width >= 256 && width % 128 == 0 ? width + 16 : width;
}

/* Copies rows to such a stride. */
void bt_pad_rows(struct bt_queue *q, float *to, size_t to_stride, const float *from, size_t rows,
                 size_t width);

#endif
