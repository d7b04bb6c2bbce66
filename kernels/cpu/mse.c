#include "kernels/mse.h"
#include "kernels/cpu/grid.h"

static int forward(struct bt_queue *q, float *loss, const float *a, const float *b, size_t n)
{
    double part[BT_BLOCKS], total = 0;

    (void)q;
    #pragma omp parallel for if (n > BT_PARALLEL_MIN)
    for (size_t k = 0; k < BT_BLOCKS; k++) {
        double sum = 0;

        #pragma omp simd reduction(+ : sum)
        for (size_t i = bt_block_start(n, k); i < bt_block_start(n, k + 1); i++)
            sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        part[k] = sum;
    }
    for (size_t k = 0; k < BT_BLOCKS; k++)
        total += part[k];
    *loss = n ? (float)(total / (double)n) : 0;
    return BT_OK;
}

static int backward(struct bt_queue *q, float *da, float *db, const float *dloss, const float *a,
                    const float *b, size_t n)
{
    float factor = n ? 2 * *dloss / (float)n : 0;

    (void)q;
    #pragma omp parallel for simd if (parallel : n > BT_PARALLEL_MIN)
    for (size_t i = 0; i < n; i++) {
        float d = factor * (a[i] - b[i]);

        if (da)
            da[i] += d;
        if (db)
            db[i] -= d;
    }
    return BT_OK;
}

const struct bt_mse bt_mse_cpu = { forward, backward };
