/* kernels/embedding.h: rows of a table, by index.
 *     forward:   y[r] = table[ids[r]]
 *     backward:  dtable[ids[r]] += dy[r], in the order of r (so repeated ids sum the same way every time)
 * table: [table_rows, width], ids: [rows] in 0..table_rows-1 (checked before), y: [rows, width]. */
#ifndef BT_KERNELS_EMBEDDING_H
#define BT_KERNELS_EMBEDDING_H

#include "kernels/backend.h"

struct bt_embedding {
    int (*forward)(struct bt_queue *q, float *y, const float *table, const int32_t *ids, size_t rows,
                   size_t width);
    int (*backward)(struct bt_queue *q, float *dtable, const float *dy, const int32_t *ids, size_t rows,
                    size_t width);
};
extern const struct bt_embedding bt_embedding_cpu, bt_embedding_cuda;

#endif
