#include <string.h>

#include "kernels/cpu/grid.h"
#include "kernels/strided.h"

static int copy(struct bt_queue *q, float *y, size_t y_stride, const float *x, size_t x_stride, size_t rows,
                size_t width)
{
    size_t chunks = bt_pieces(width, BT_CHUNK);

    (void)q;
    #pragma omp parallel for collapse(2) if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < chunks; c++) {
            size_t first = c * BT_CHUNK;

            memcpy(y + r * y_stride + first, x + r * x_stride + first,
                   bt_least(BT_CHUNK, width - first) * sizeof *y);
        }
    }
    return BT_OK;
}

static int add(struct bt_queue *q, float *y, size_t y_stride, const float *x, size_t x_stride, size_t rows,
               size_t width)
{
    size_t chunks = bt_pieces(width, BT_CHUNK);

    (void)q;
    #pragma omp parallel for collapse(2) if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < chunks; c++) {
            size_t end = bt_least((c + 1) * BT_CHUNK, width);

            #pragma omp simd
            for (size_t i = c * BT_CHUNK; i < end; i++)
                y[r * y_stride + i] += x[r * x_stride + i];
        }
    }
    return BT_OK;
}

const struct bt_strided bt_strided_cpu = { copy, add };
