/* The CPU queue: what the kernels of this folder share. Work is done when a kernel returns, so the queue is
 * always drained; it holds the number of threads, one workspace, and the weights that were declared constant.
 * Private. */
#ifndef BT_KERNELS_CPU_QUEUE_H
#define BT_KERNELS_CPU_QUEUE_H

#include <stddef.h>

#include "kernels/backend.h"

/* A weight that does not change, and its copy for the product that cannot use it as it stands. */
struct bt_packed {
    const float *weight;
    float *padded; /* NULL until a backward pass wants it */
};

struct bt_queue {
    int threads;
    char *workspace;
    size_t workspace_bytes;
    struct bt_packed *packed;
    size_t packed_count, packed_capacity;
};

/* At least `bytes` of scratch memory, aligned to 64 bytes, not zeroed, good until the next call; NULL when
 * out of memory. For the outermost kernel only, before its parallel region: a kernel that calls another
 * passes it on. */
void *bt_workspace(struct bt_queue *q, size_t bytes);

#endif
