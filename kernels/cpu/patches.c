#include <string.h>

#include "kernels/cpu/grid.h"
#include "kernels/patches.h"

static int forward(struct bt_queue *q, float *y, const float *x, size_t batch, size_t channels, size_t side,
                   size_t patch)
{
    size_t across = side / patch, patch_size = channels * patch * patch;

    (void)q;
    #pragma omp parallel for collapse(3) if (batch * channels * side * side > BT_PARALLEL_MIN)
    for (size_t b = 0; b < batch; b++) {
        for (size_t down = 0; down < across; down++) {
            for (size_t right = 0; right < across; right++) {
                float *to = y + ((b * across + down) * across + right) * patch_size;
                const float *from = x + b * channels * side * side + down * patch * side + right * patch;

                for (size_t c = 0; c < channels; c++) {
                    for (size_t line = 0; line < patch; line++, to += patch)
                        memcpy(to, from + (c * side + line) * side, patch * sizeof *to);
                }
            }
        }
    }
    return BT_OK;
}

const struct bt_patches bt_patches_cpu = { forward };
