#include <math.h>

#include "kernels/cpu/grid.h"
#include "kernels/layer_norm.h"

static float row_mean(const float *s, size_t width)
{
    float sum = 0;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < width; i++)
        sum += s[i];
    return sum / (float)width;
}

/* Around the mean, not as a difference of squares: that loses every digit when the mean is large. */
static float row_variance(const float *s, float mean, size_t width)
{
    float sum = 0;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < width; i++)
        sum += (s[i] - mean) * (s[i] - mean);
    return sum / (float)width;
}

static int forward(struct bt_queue *q, float *y, float *sum, float *mean, float *rstd, const float *x,
                   const float *residual, const float *weight, const float *bias, float eps, size_t rows,
                   size_t width)
{
    (void)q;
    #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        const float *s = x + r * width;

        if (residual) {
            #pragma omp simd
            for (size_t i = 0; i < width; i++)
                sum[r * width + i] = x[r * width + i] + residual[r * width + i];
            s = sum + r * width;
        }

        float m = row_mean(s, width), inv = 1.0f / sqrtf(row_variance(s, m, width) + eps);

        #pragma omp simd
        for (size_t i = 0; i < width; i++)
            y[r * width + i] = (s[i] - m) * inv * weight[i] + bias[i];
        mean[r] = m;
        rstd[r] = inv;
    }
    return BT_OK;
}

/* ds = dsum + rstd (g - mean(g) - n mean(g n)), where n is the normalised row and g = dy weight. */
static void row_backward(float *dx, float *dresidual, const float *dy, const float *dsum, const float *s,
                         float mean, float rstd, const float *weight, size_t width)
{
    float sum_g = 0, sum_gn = 0;

    #pragma omp simd reduction(+ : sum_g, sum_gn)
    for (size_t i = 0; i < width; i++) {
        float g = dy[i] * weight[i];

        sum_g += g;
        sum_gn += g * (s[i] - mean) * rstd;
    }

    float mean_g = sum_g / (float)width, mean_gn = sum_gn / (float)width;

    for (size_t i = 0; i < width; i++) {
        float n = (s[i] - mean) * rstd;
        float ds = rstd * (dy[i] * weight[i] - mean_g - n * mean_gn) + (dsum ? dsum[i] : 0);

        if (dx)
            dx[i] += ds;
        if (dresidual)
            dresidual[i] += ds;
    }
}

/* One band of the gradients of weight and bias. */
static inline void band_backward(float *dweight, float *dbias, const float *dy, const float *s,
                                 const float *mean, const float *rstd, size_t rows, size_t width, size_t band)
{
    float total_w[BT_BAND] = { 0 }, total_b[BT_BAND] = { 0 };

    for (size_t first = 0; first < rows; first += BT_ROW_RUN) {
        size_t end = bt_least(first + BT_ROW_RUN, rows);
        float run_w[BT_BAND] = { 0 }, run_b[BT_BAND] = { 0 };

        for (size_t r = first; r < end; r++) {
            #pragma omp simd
            for (size_t c = 0; c < band; c++) {
                run_w[c] += dy[r * width + c] * (s[r * width + c] - mean[r]) * rstd[r];
                run_b[c] += dy[r * width + c];
            }
        }
        for (size_t c = 0; c < band; c++) {
            total_w[c] += run_w[c];
            total_b[c] += run_b[c];
        }
    }
    for (size_t c = 0; c < band; c++) {
        if (dweight)
            dweight[c] += total_w[c];
        if (dbias)
            dbias[c] += total_b[c];
    }
}

static int backward(struct bt_queue *q, float *dx, float *dresidual, float *dweight, float *dbias,
                    const float *dy, const float *dsum, const float *s, const float *mean, const float *rstd,
                    const float *weight, size_t rows, size_t width)
{
    (void)q;
    if (dx || dresidual) {
        #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
        for (size_t r = 0; r < rows; r++)
            row_backward(dx ? dx + r * width : NULL, dresidual ? dresidual + r * width : NULL, dy + r * width,
                         dsum ? dsum + r * width : NULL, s + r * width, mean[r], rstd[r], weight, width);
    }
    if (dweight || dbias) {
        #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
        for (size_t c = 0; c < width; c += BT_BAND)
            band_backward(dweight ? dweight + c : NULL, dbias ? dbias + c : NULL, dy + c, s + c, mean, rstd,
                          rows, width, bt_least(BT_BAND, width - c));
    }
    return BT_OK;
}

const struct bt_layer_norm bt_layer_norm_cpu = { forward, backward };
