#include <math.h>

#include "kernels/cpu/grid.h"
#include "kernels/elementwise.h"

static int add(struct bt_queue *q, float *y, const float *a, const float *b, size_t n, size_t period)
{
    size_t repeats = period ? n / period : 0, chunks = bt_pieces(period, BT_CHUNK);

    (void)q;
    #pragma omp parallel for collapse(2) if (n > BT_PARALLEL_MIN)
    for (size_t k = 0; k < repeats; k++) {
        for (size_t c = 0; c < chunks; c++) {
            size_t end = bt_least((c + 1) * BT_CHUNK, period);

            #pragma omp simd
            for (size_t i = c * BT_CHUNK; i < end; i++)
                y[k * period + i] = a[k * period + i] + b[i];
        }
    }
    return BT_OK;
}

static void accumulate_flat(float *to, const float *from, float factor, size_t n)
{
    #pragma omp parallel for simd if (parallel : n > BT_PARALLEL_MIN)
    for (size_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

static inline void accumulate_band(float *to, const float *from, float factor, size_t repeats, size_t period,
                                   size_t band)
{
    float total[BT_BAND] = { 0 };

    for (size_t first = 0; first < repeats; first += BT_ROW_RUN) {
        size_t end = bt_least(first + BT_ROW_RUN, repeats);
        float run[BT_BAND] = { 0 };

        for (size_t k = first; k < end; k++) {
            #pragma omp simd
            for (size_t c = 0; c < band; c++)
                run[c] += from[k * period + c];
        }
        for (size_t c = 0; c < band; c++)
            total[c] += run[c];
    }
    for (size_t c = 0; c < band; c++)
        to[c] += factor * total[c];
}

static int accumulate(struct bt_queue *q, float *to, const float *from, float factor, size_t n, size_t period)
{
    (void)q;
    if (period == n) {
        accumulate_flat(to, from, factor, n);
        return BT_OK;
    }
    #pragma omp parallel for if (n > BT_PARALLEL_MIN)
    for (size_t c = 0; c < period; c += BT_BAND)
        accumulate_band(to + c, from + c, factor, n / period, period, bt_least(BT_BAND, period - c));
    return BT_OK;
}

static int scale(struct bt_queue *q, float *y, const float *x, float factor, size_t n)
{
    (void)q;
    #pragma omp parallel for simd if (parallel : n > BT_PARALLEL_MIN)
    for (size_t i = 0; i < n; i++)
        y[i] = factor * x[i];
    return BT_OK;
}

static int divide(struct bt_queue *q, float *y, const float *x, const float *t, size_t n)
{
    float divisor = *t;

    (void)q;
    #pragma omp parallel for simd if (parallel : n > BT_PARALLEL_MIN)
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / divisor;
    return BT_OK;
}

/* sum of a[i] b[i] over the blocks of grid.h, in double. */
static double dot(const float *a, const float *b, size_t n)
{
    double part[BT_BLOCKS], total = 0;

    #pragma omp parallel for if (n > BT_PARALLEL_MIN)
    for (size_t k = 0; k < BT_BLOCKS; k++) {
        double sum = 0;

        #pragma omp simd reduction(+ : sum)
        for (size_t i = bt_block_start(n, k); i < bt_block_start(n, k + 1); i++)
            sum += (double)a[i] * b[i];
        part[k] = sum;
    }
    for (size_t k = 0; k < BT_BLOCKS; k++)
        total += part[k];
    return total;
}

static int divide_backward(struct bt_queue *q, float *dx, float *dt, const float *dy, const float *y,
                           const float *t, size_t n)
{
    (void)q;
    if (dx)
        accumulate_flat(dx, dy, 1.0f / *t, n);
    if (dt)
        *dt -= (float)(dot(dy, y, n) / *t);
    return BT_OK;
}

/* In double no square of a float overflows, so the sum is finite exactly when every element is. */
static int norm(struct bt_queue *q, double *sum_of_squares, int *finite, const float *x, size_t n)
{
    (void)q;
    *sum_of_squares = dot(x, x, n);
    *finite = isfinite(*sum_of_squares) != 0;
    return BT_OK;
}

const struct bt_elementwise bt_elementwise_cpu = { add, accumulate, scale, divide, divide_backward, norm };
