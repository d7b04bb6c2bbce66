#include <string.h>

#include "kernels/cpu/grid.h"
#include "kernels/embedding.h"

static int forward(struct bt_queue *q, float *y, const float *table, const int32_t *ids, size_t rows,
                   size_t width)
{
    (void)q;
    #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++)
        memcpy(y + r * width, table + (size_t)ids[r] * width, width * sizeof *y);
    return BT_OK;
}

/* Threads share out the columns: rows of one id would collide, and their order is part of the result. */
static int backward(struct bt_queue *q, float *dtable, const float *dy, const int32_t *ids, size_t rows,
                    size_t width)
{
    (void)q;
    if (!dtable)
        return BT_OK;
    #pragma omp parallel for if (rows * width > BT_PARALLEL_MIN)
    for (size_t c = 0; c < width; c += BT_BAND) {
        size_t band = bt_least(BT_BAND, width - c);

        for (size_t r = 0; r < rows; r++) {
            float *to = dtable + (size_t)ids[r] * width + c;

            #pragma omp simd
            for (size_t i = 0; i < band; i++)
                to[i] += dy[r * width + c + i];
        }
    }
    return BT_OK;
}

const struct bt_embedding bt_embedding_cpu = { forward, backward };
