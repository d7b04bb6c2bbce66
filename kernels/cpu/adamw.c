#include <math.h>

#include "kernels/adamw.h"
#include "kernels/cpu/grid.h"

static int step(struct bt_queue *q, float *param, float *m, float *v, const float *grad,
                const struct bt_adamw_rule *rule, size_t n)
{
    double correction1 = 1 - pow(rule->beta1, (double)rule->t);
    double correction2 = 1 - pow(rule->beta2, (double)rule->t);
    float keep = (float)(1 - rule->lr * rule->weight_decay), rate = (float)(rule->lr / correction1);
    float beta1 = (float)rule->beta1, new1 = (float)(1 - rule->beta1);
    float beta2 = (float)rule->beta2, new2 = (float)(1 - rule->beta2);
    float root = (float)(1 / sqrt(correction2)), eps = (float)rule->eps;

    (void)q;
    #pragma omp parallel for simd if (parallel : n > BT_PARALLEL_MIN)
    for (size_t i = 0; i < n; i++) {
        float g = grad[i];

        m[i] = beta1 * m[i] + new1 * g;
        v[i] = beta2 * v[i] + new2 * g * g;
        param[i] = keep * param[i] - rate * m[i] / (sqrtf(v[i]) * root + eps);
    }
    return BT_OK;
}

const struct bt_adamw bt_adamw_cpu = { step };
