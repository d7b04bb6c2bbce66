#include "kernels/nearest.h"

#include <math.h>
#include <omp.h>

#include "kernels/cpu/grid.h"
#include "kernels/cpu/matmul.h"

#define ROWS  ((size_t)64) /* vectors, and entries of the table, whose products are in cache at once */
#define TABLE ((size_t)256)

static float square(const float *x, size_t n)
{
    float sum = 0.0f;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* Entries first .. first + count - 1 against the best so far. |x|^2 is the same for all and left out. */
static void reduce(int32_t *index, float *best, const float *product, const float *norm, size_t first,
                   size_t count, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < count; v++) {
            float distance = norm[first + v] - 2.0f * product[r * TABLE + v];

            if (distance < best[r]) {
                best[r] = distance;
                index[r] = (int32_t)(first + v);
            }
        }
}

static int nearest_rows(int32_t *index, const float *x, const float *table, const float *norm, float *product,
                        size_t rows, size_t width, size_t table_rows)
{
    float best[ROWS];
    int rc = BT_OK;

    for (size_t r = 0; r < rows; r++) {
        best[r] = INFINITY;
        index[r] = 0; /* a vector that is not finite is near to nothing */
    }
    for (size_t first = 0; first < table_rows && !rc; first += TABLE) {
        size_t count = bt_least(TABLE, table_rows - first);
        struct bt_matrix left = { x, width, false }, right = { table + first * width, width, true };

        rc = bt_matmul_alone(product, TABLE, left, right, false, rows, count, width);
        if (!rc)
            reduce(index, best, product, norm, first, count, rows);
    }
    return rc;
}

static int forward(struct bt_queue *q, int32_t *index, const float *x, const float *table, size_t rows,
                   size_t width, size_t table_rows)
{
    size_t norms = (table_rows + 15) / 16 * 16;
    float *norm = bt_workspace(q, (norms + (size_t)q->threads * ROWS * TABLE) * sizeof *norm);
    float *products = norm + norms;
    int rc = BT_OK;

    if (!norm)
        return BT_ERR_MEMORY;
    #pragma omp parallel num_threads(q->threads) if (rows * width * table_rows > BT_PARALLEL_MIN)
    {
        #pragma omp for
        for (size_t v = 0; v < table_rows; v++)
            norm[v] = square(table + v * width, width);
        #pragma omp for schedule(dynamic)
        for (size_t first = 0; first < rows; first += ROWS) {
            size_t count = bt_least(ROWS, rows - first);
            float *product = products + (size_t)omp_get_thread_num() * ROWS * TABLE;
            int rows_rc = nearest_rows(index + first, x + first * width, table, norm, product, count, width,
                                       table_rows);

            if (rows_rc) {
                #pragma omp atomic write
                rc = rows_rc;
            }
        }
    }
    return rc;
}

const struct bt_nearest bt_nearest_cpu = { forward };
