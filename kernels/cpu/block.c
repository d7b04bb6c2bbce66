#include "kernels/cpu/block.h"

#include <string.h>

#define ROWS 6 /* with two vectors a row: twelve sums, which is what hides the latency of multiply-add */

static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vectors, float *c,
                                                       size_t c_stride, struct bt_operand a, const float *b,
                                                       size_t b_stride, bool add, size_t k)
{
    bt_lanes sum[ROWS][2];

    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++)
            sum[i][v] = add ? *(const bt_lanes *)(c + i * c_stride + v * BT_LANES) : (bt_lanes){ 0 };
    for (size_t j = 0; j < k; j++) {
        const bt_lanes *row = (const bt_lanes *)(b + j * b_stride);

        for (size_t i = 0; i < rows; i++) {
            float factor = a.data[i * a.row + j * a.column];

            for (size_t v = 0; v < vectors; v++)
                sum[i][v] += factor * row[v];
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++)
            *(bt_lanes *)(c + i * c_stride + v * BT_LANES) = sum[i][v];
}

static inline __attribute__((always_inline)) void column_of_tiles(const size_t vectors, float *c,
                                                                  size_t c_stride, struct bt_operand a,
                                                                  const float *b, size_t b_stride, bool add,
                                                                  size_t m, size_t k)
{
    while (m >= ROWS) {
        tile(ROWS, vectors, c, c_stride, a, b, b_stride, add, k);
        a.data += ROWS * a.row;
        c += ROWS * c_stride;
        m -= ROWS;
    }
    switch (m) {
    case 5: tile(5, vectors, c, c_stride, a, b, b_stride, add, k); break;
    case 4: tile(4, vectors, c, c_stride, a, b, b_stride, add, k); break;
    case 3: tile(3, vectors, c, c_stride, a, b, b_stride, add, k); break;
    case 2: tile(2, vectors, c, c_stride, a, b, b_stride, add, k); break;
    case 1: tile(1, vectors, c, c_stride, a, b, b_stride, add, k); break;
    default: break;
    }
}

void bt_block_product(float *c, size_t c_stride, struct bt_operand a, const float *b, size_t b_stride,
                      bool add, size_t m, size_t n, size_t k)
{
    size_t j = 0;

    for (; j + 2 * BT_LANES <= n; j += 2 * BT_LANES)
        column_of_tiles(2, c + j, c_stride, a, b + j, b_stride, add, m, k);
    if (j < n)
        column_of_tiles(1, c + j, c_stride, a, b + j, b_stride, add, m, k);
}

/* One row of b against all of a; k is cut into whole vectors and a rest. */
static inline __attribute__((always_inline)) void
dots(const size_t rows, float *c, size_t c_stride, const float *a, size_t a_stride, const float *b, size_t k)
{
    bt_lanes even[BT_DOTS_ROWS], odd[BT_DOTS_ROWS];
    size_t i = 0;

    for (size_t r = 0; r < rows; r++)
        even[r] = odd[r] = (bt_lanes){ 0 };
    for (; i + 2 * BT_LANES <= k; i += 2 * BT_LANES) {
        bt_lanes b0 = *(const bt_lanes *)(b + i), b1 = *(const bt_lanes *)(b + i + BT_LANES);

        __builtin_prefetch(b + i + 512);
        for (size_t r = 0; r < rows; r++) {
            even[r] += *(const bt_lanes *)(a + r * a_stride + i) * b0;
            odd[r] += *(const bt_lanes *)(a + r * a_stride + i + BT_LANES) * b1;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        bt_lanes both = even[r] + odd[r];
        float sum = 0.0f;

        for (size_t j = 0; j < BT_LANES; j++)
            sum += both[j];
        for (size_t j = i; j < k; j++)
            sum += a[r * a_stride + j] * b[j];
        c[r * c_stride] = sum;
    }
}

void bt_block_dots(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                   size_t b_stride, size_t m, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j++, b += b_stride, c++) {
        switch (m) {
        case 8: dots(8, c, c_stride, a, a_stride, b, k); break;
        case 7: dots(7, c, c_stride, a, a_stride, b, k); break;
        case 6: dots(6, c, c_stride, a, a_stride, b, k); break;
        case 5: dots(5, c, c_stride, a, a_stride, b, k); break;
        case 4: dots(4, c, c_stride, a, a_stride, b, k); break;
        case 3: dots(3, c, c_stride, a, a_stride, b, k); break;
        case 2: dots(2, c, c_stride, a, a_stride, b, k); break;
        case 1: dots(1, c, c_stride, a, a_stride, b, k); break;
        default: break;
        }
    }
}

typedef float eight __attribute__((vector_size(8 * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Eight rows of eight in registers. Weaving row i with row i + 4 rotates the bits of (row, column) by one, so
 * three times over exchanges them. */
static void transpose_eight(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    eight row[8], woven[8];

    for (size_t i = 0; i < 8; i++)
        row[i] = *(const eight *)(from + i * from_stride);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4; i++) {
            woven[2 * i] = __builtin_shufflevector(row[i], row[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            woven[2 * i + 1] = __builtin_shufflevector(row[i], row[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
        memcpy(row, woven, sizeof row);
    }
    for (size_t i = 0; i < 8; i++)
        *(eight *)(to + i * to_stride) = row[i];
}

void bt_block_transpose(float *to, size_t to_stride, const float *from, size_t from_stride, size_t m,
                        size_t n)
{
    size_t whole_m = m / 8 * 8, whole_n = n / 8 * 8;

    for (size_t i = 0; i < whole_m; i += 8)
        for (size_t j = 0; j < whole_n; j += 8)
            transpose_eight(to + j * to_stride + i, to_stride, from + i * from_stride + j, from_stride);
    for (size_t j = 0; j < n; j++)
        for (size_t i = j < whole_n ? whole_m : 0; i < bt_whole_lanes(m); i++)
            to[j * to_stride + i] = i < m ? from[i * from_stride + j] : 0.0f;
}
