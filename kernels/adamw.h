/* kernels/adamw.h: one AdamW step over a flat buffer (Loshchilov and Hutter, arXiv:1711.05101).
 *     p *= 1 - lr wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *     p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps)
 * param, m, v, grad: [n]; t >= 1. Bias corrections are computed in double. Source: training.md 4. */
#ifndef BT_KERNELS_ADAMW_H
#define BT_KERNELS_ADAMW_H

#include "kernels/backend.h"

struct bt_adamw_rule {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t t;
};
struct bt_adamw {
    int (*step)(struct bt_queue *q, float *param, float *m, float *v, const float *grad,
                const struct bt_adamw_rule *rule, size_t n);
};
extern const struct bt_adamw bt_adamw_cpu, bt_adamw_cuda;

#endif
