#include "kernels/cpu/matmul.h"

#include <dnnl.h>
#include <omp.h>
#include <string.h>

#include "kernels/cpu/block.h"
#include "kernels/cpu/grid.h"

/* A tile at best, and at least; between them, small enough that many cores find work. */
#define TILE_ROWS    ((size_t)256)
#define TILE_COLUMNS ((size_t)512)
#define TILE_MIN     ((size_t)128)
#define TILES_WANTED ((size_t)8)
/* Multiply-adds below which starting threads costs more than it saves. */
#define ALONE_MAX ((size_t)1 << 15)

int bt_matmul_alone(float *c, size_t c_stride, struct bt_matrix a, struct bt_matrix b, bool add, size_t m,
                    size_t n, size_t k)
{
    /* oneDNN takes one thread inside a parallel region; a region of one thread does not count as one. */
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    dnnl_status_t status;

    /* A step of generation, bound by memory. */
    if (m <= BT_DOTS_ROWS && !a.transposed && b.transposed && !add) {
        bt_block_dots(c, c_stride, a.data, a.stride, b.data, b.stride, m, n, k);
        return BT_OK;
    }
    if (threads > 1)
        omp_set_num_threads(1);
    status = dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n,
                        (dnnl_dim_t)k, 1.0f, a.data, (dnnl_dim_t)a.stride, b.data, (dnnl_dim_t)b.stride,
                        add ? 1.0f : 0.0f, c, (dnnl_dim_t)c_stride);
    if (threads > 1)
        omp_set_num_threads(threads);
    return status == dnnl_success ? BT_OK : BT_ERR_MEMORY;
}

static const float *element(struct bt_matrix a, size_t row, size_t column)
{
    return a.transposed ? a.data + column * a.stride + row : a.data + row * a.stride + column;
}

int bt_matmul(struct bt_queue *q, float *c, size_t c_stride, struct bt_matrix a, struct bt_matrix b, bool add,
              size_t m, size_t n, size_t k, bt_tile_end *tile_end, void *context)
{
    size_t tile_rows = TILE_ROWS, tile_columns = TILE_COLUMNS, across, count;
    int rc = BT_OK;

    while (tile_columns > TILE_MIN && bt_pieces(m, tile_rows) * bt_pieces(n, tile_columns) < TILES_WANTED) {
        if (tile_columns > tile_rows)
            tile_columns /= 2;
        else
            tile_rows /= 2;
    }
    across = bt_pieces(n, tile_columns);
    count = bt_pieces(m, tile_rows) * across;

    #pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (count > 1 && m * n * k > ALONE_MAX)
    for (size_t t = 0; t < count; t++) {
        size_t row = t / across * tile_rows, column = t % across * tile_columns;
        size_t rows = bt_least(tile_rows, m - row);
        size_t columns = bt_least(tile_columns, n - column);
        float *tile = c + row * c_stride + column;
        struct bt_matrix left = { element(a, row, 0), a.stride, a.transposed };
        struct bt_matrix right = { element(b, 0, column), b.stride, b.transposed };
        int tile_rc = bt_matmul_alone(tile, c_stride, left, right, add, rows, columns, k);

        if (tile_rc) {
            #pragma omp atomic write
            rc = tile_rc;
        } else if (tile_end) {
            tile_end(context, tile, row, rows, column, columns);
        }
    }
    return rc;
}

void bt_pad_rows(struct bt_queue *q, float *to, size_t to_stride, const float *from, size_t rows,
                 size_t width)
{
    #pragma omp parallel for num_threads(q->threads) if (rows * width > ALONE_MAX)
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * to_stride, from + r * width, width * sizeof *to);
}
