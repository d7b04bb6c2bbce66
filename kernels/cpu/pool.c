#include "kernels/pool.h"
#include "kernels/cpu/grid.h"

static int mean(struct bt_queue *q, float *y, const float *x, size_t outer, size_t count, size_t inner)
{
    (void)q;
    #pragma omp parallel for if (outer * count * inner > BT_PARALLEL_MIN)
    for (size_t o = 0; o < outer; o++) {
        float *to = y + o * inner;

        for (size_t i = 0; i < inner; i++)
            to[i] = 0;
        for (size_t c = 0; c < count; c++) {
            #pragma omp simd
            for (size_t i = 0; i < inner; i++)
                to[i] += x[(o * count + c) * inner + i];
        }
        for (size_t i = 0; i < inner; i++)
            to[i] /= (float)count;
    }
    return BT_OK;
}

static int mean_backward(struct bt_queue *q, float *dx, const float *dy, size_t outer, size_t count,
                         size_t inner)
{
    (void)q;
    if (!dx)
        return BT_OK;
    #pragma omp parallel for if (outer * count * inner > BT_PARALLEL_MIN)
    for (size_t o = 0; o < outer; o++) {
        for (size_t c = 0; c < count; c++) {
            #pragma omp simd
            for (size_t i = 0; i < inner; i++)
                dx[(o * count + c) * inner + i] += dy[o * inner + i] / (float)count;
        }
    }
    return BT_OK;
}

static int max(struct bt_queue *q, float *y, int32_t *argmax, const float *x, size_t outer, size_t count,
               size_t inner)
{
    (void)q;
    #pragma omp parallel for if (outer * count * inner > BT_PARALLEL_MIN)
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < inner; i++) {
            y[o * inner + i] = x[o * count * inner + i];
            argmax[o * inner + i] = 0;
        }
        for (size_t c = 1; c < count; c++) {
            for (size_t i = 0; i < inner; i++) {
                float value = x[(o * count + c) * inner + i], best = y[o * inner + i];

                /* NaN wins once and for all: a maximum must not hide it */
                if (best == best && !(value <= best)) {
                    y[o * inner + i] = value;
                    argmax[o * inner + i] = (int32_t)c;
                }
            }
        }
    }
    return BT_OK;
}

static int max_backward(struct bt_queue *q, float *dx, const float *dy, const int32_t *argmax, size_t outer,
                        size_t count, size_t inner)
{
    (void)q;
    if (!dx)
        return BT_OK;
    #pragma omp parallel for if (outer * inner > BT_PARALLEL_MIN)
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = o * inner; i < (o + 1) * inner; i++)
            dx[(o * count + (size_t)argmax[i]) * inner + i - o * inner] += dy[i];
    }
    return BT_OK;
}

const struct bt_pool bt_pool_cpu = { mean, mean_backward, max, max_backward };
