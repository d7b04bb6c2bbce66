/* kernels/nearest.h: the row of a table nearest to each vector in Euclidean distance; ties go to the lowest
 * index. index[r] = argmin over v of |x_r|^2 + |e_v|^2 - 2 x_r e_v x: [rows, width], table: [table_rows,
 * width], index: [rows]. The distance matrix is never held: products are made in blocks and reduced at once.
 * No gradient. Source: models.md 4.2 step 6. */
#ifndef BT_KERNELS_NEAREST_H
#define BT_KERNELS_NEAREST_H

#include "kernels/backend.h"

struct bt_nearest {
    int (*forward)(struct bt_queue *q, int32_t *index, const float *x, const float *table, size_t rows,
                   size_t width, size_t table_rows);
};
extern const struct bt_nearest bt_nearest_cpu, bt_nearest_cuda;

#endif
