#include <math.h>

#include "kernels/cpu/grid.h"
#include "kernels/l2_norm.h"

static float row_dot(const float *a, const float *b, size_t width)
{
    float sum = 0;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < width; i++)
        sum += a[i] * b[i];
    return sum;
}

static int forward(struct bt_queue *q, float *y, float *norm, const float *x, size_t rows, size_t width)
{
    (void)q;
    #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        float length = sqrtf(row_dot(x + r * width, x + r * width, width));
        float divisor = length < BT_L2_NORM_MIN ? BT_L2_NORM_MIN : length; /* NaN stays NaN */

        #pragma omp simd
        for (size_t i = r * width; i < (r + 1) * width; i++)
            y[i] = x[i] / divisor;
        norm[r] = divisor;
    }
    return BT_OK;
}

static int backward(struct bt_queue *q, float *dx, const float *dy, const float *y, const float *norm,
                    size_t rows, size_t width)
{
    (void)q;
    if (!dx)
        return BT_OK;
    #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        float divisor = norm[r];
        /* a divisor held at the minimum does not depend on x */
        float along = divisor > BT_L2_NORM_MIN ? row_dot(y + r * width, dy + r * width, width) : 0;

        #pragma omp simd
        for (size_t i = r * width; i < (r + 1) * width; i++)
            dx[i] += (dy[i] - y[i] * along) / divisor;
    }
    return BT_OK;
}

const struct bt_l2_norm bt_l2_norm_cpu = { forward, backward };
