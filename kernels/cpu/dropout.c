#include <math.h>

#include "kernels/cpu/grid.h"
#include "kernels/dropout.h"
#include "libcommon/base/rng.h"

/* Elements whose factors are made together, so that Philox runs in vector registers. */
#define RUN ((size_t)256)

/* Factors of the elements from `first` on, a multiple of RUN: 1 / (1-p) or 0. */
static void make_factors(float factor[RUN], size_t first, float p, const uint32_t key[4])
{
    const uint32_t last_kept = (uint32_t)(ceil((1 - (double)p) * 0x1p32) - 1);
    const uint32_t seed[2] = { key[0], key[1] }, step = key[2], site = key[3];
    const float kept = 1 / (1 - p);

    for (size_t b = 0; b < RUN / 4; b++) {
        const uint64_t block = first / 4 + b;
        const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), step, site };
        uint32_t word[4];

        bt_philox(counter, seed, word);
        factor[4 * b] = word[0] <= last_kept ? kept : 0;
        factor[4 * b + 1] = word[1] <= last_kept ? kept : 0;
        factor[4 * b + 2] = word[2] <= last_kept ? kept : 0;
        factor[4 * b + 3] = word[3] <= last_kept ? kept : 0;
    }
}

static int forward(struct bt_queue *q, float *y, const float *x, float p, const uint32_t key[4], size_t n)
{
    (void)q;
    #pragma omp parallel for if (n > BT_PARALLEL_MIN)
    for (size_t first = 0; first < n; first += RUN) {
        size_t count = bt_least(RUN, n - first);
        float factor[RUN];

        make_factors(factor, first, p, key);
        #pragma omp simd
        for (size_t i = 0; i < count; i++)
            y[first + i] = x[first + i] * factor[i];
    }
    return BT_OK;
}

static int backward(struct bt_queue *q, float *dx, const float *dy, float p, const uint32_t key[4], size_t n)
{
    (void)q;
    if (!dx)
        return BT_OK;
    #pragma omp parallel for if (n > BT_PARALLEL_MIN)
    for (size_t first = 0; first < n; first += RUN) {
        size_t count = bt_least(RUN, n - first);
        float factor[RUN];

        make_factors(factor, first, p, key);
        #pragma omp simd
        for (size_t i = 0; i < count; i++)
            dx[first + i] += dy[first + i] * factor[i];
    }
    return BT_OK;
}

const struct bt_dropout bt_dropout_cpu = { forward, backward };
