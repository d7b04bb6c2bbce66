/* kernels/cross_entropy.h: mean cross-entropy over rows, with label smoothing and ignored rows.
 *     row loss = (1 - e) * mean over the row's labels of -logp[label]  +  e * mean over classes of -logp
 *     loss = sum of row losses / number of rows that have a label
 * labels: [rows, per_row] int32; -100 is no label; a row without any is ignored (loss 0 when all are). The
 * smoothing mass includes the labels. lse: [rows], kept for backward. loss: one float; dloss: one float. The
 * linear form makes its logits x W^T + bias in chunks of rows and never holds them all. Source: models.md 0.2
 * (CE, CE_ls), 3.3; torch CrossEntropyLoss. */
#ifndef BT_KERNELS_CROSS_ENTROPY_H
#define BT_KERNELS_CROSS_ENTROPY_H

#include "kernels/backend.h"

#define BT_IGNORE (-100)

struct bt_cross_entropy {
    int (*forward)(struct bt_queue *q, float *loss, float *lse, const float *logits, const int32_t *labels,
                   size_t per_row, float smoothing, size_t rows, size_t classes);
    int (*backward)(struct bt_queue *q, float *dlogits, const float *dloss, const float *lse,
                    const float *logits, const int32_t *labels, size_t per_row, float smoothing, size_t rows,
                    size_t classes);
};
struct bt_linear_cross_entropy {
    /* x: [rows, in], weight: [classes, in], bias: [classes] or NULL; one label a row. */
    int (*forward)(struct bt_queue *q, float *loss, float *lse, const float *x, const float *weight,
                   const float *bias, const int32_t *labels, float smoothing, size_t rows, size_t in,
                   size_t classes);
    int (*backward)(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *dloss,
                    const float *lse, const float *x, const float *weight, const float *bias,
                    const int32_t *labels, float smoothing, size_t rows, size_t in, size_t classes);
};
extern const struct bt_cross_entropy bt_cross_entropy_cpu, bt_cross_entropy_cuda;
extern const struct bt_linear_cross_entropy bt_linear_cross_entropy_cpu, bt_linear_cross_entropy_cuda;

#endif
