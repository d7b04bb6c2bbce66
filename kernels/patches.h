/* kernels/patches.h: an image cut into square patches, so that the patch convolution is a linear map.
 * x: [batch, channels, side, side] -> y: [batch, (side/patch)^2, channels * patch * patch]; `patch` divides
 * `side`; patches row-major, each flattened (channel, y, x) as the published convolution weight. No gradient:
 * images do not train. Source: models.md 1.1 step 1. */
#ifndef BT_KERNELS_PATCHES_H
#define BT_KERNELS_PATCHES_H

#include "kernels/backend.h"

struct bt_patches {
    int (*forward)(struct bt_queue *q, float *y, const float *x, size_t batch, size_t channels, size_t side,
                   size_t patch);
};
extern const struct bt_patches bt_patches_cpu, bt_patches_cuda;

#endif
