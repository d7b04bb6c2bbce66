/* A backend: one device's memory and one line per op. Chosen once at start; the CPU one is the reference.
 *
 * Rules of every op: arguments run queue, outputs, inputs, sizes; forward writes its outputs, backward ADDS
 * to gradients; a gradient that is NULL is not wanted; data is float32 row-major and contiguous unless a
 * stride is given, ids and labels are int32; shapes have been checked by tensor/ops; sums are float32 or
 * wider; the result is the same for any number of threads. Ops return BT_OK, BT_ERR_MEMORY or BT_ERR_DEVICE. */
#ifndef BT_KERNELS_BACKEND_H
#define BT_KERNELS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

struct bt_queue; /* a device's stream of work, its handles and its workspace */

struct bt_backend {
    const char *name; /* "cpu", "cuda" */
    struct bt_queue *queue;
    /* Memory on the device, aligned to 64 bytes, not zeroed. */
    int (*alloc)(struct bt_queue *q, void **memory, size_t bytes);
    void (*free)(struct bt_queue *q, void *memory);
    int (*zero)(struct bt_queue *q, void *to, size_t bytes);
    int (*copy)(struct bt_queue *q, void *to, const void *from, size_t bytes);    /* device to device */
    int (*copy_in)(struct bt_queue *q, void *to, const void *from, size_t bytes); /* host to device */
    /* device to host; synchronises */
    int (*copy_out)(struct bt_queue *q, void *to, const void *from, size_t bytes);
    int (*sync)(struct bt_queue *q);
    void (*close)(struct bt_backend *backend); /* for bt_backend_free */

    const struct bt_linear *linear;
    const struct bt_attention *attention;
    const struct bt_layer_norm *layer_norm;
    const struct bt_embedding *embedding;
    const struct bt_cross_entropy *cross_entropy;
    const struct bt_linear_cross_entropy *linear_cross_entropy;
    const struct bt_mse *mse;
    const struct bt_nearest *nearest;
    const struct bt_elementwise *elementwise;
    const struct bt_l2_norm *l2_norm;
    const struct bt_pool *pool;
    const struct bt_strided *strided;
    const struct bt_dropout *dropout;
    const struct bt_patches *patches;
    const struct bt_adamw *adamw;
};

/* The CPU backend (NULL with a message when it cannot start). `threads` 0: all there are; the number is the
 * process's, so of several backends the latest says. One thread at a time may use a backend. */
const struct bt_backend *bt_backend_cpu(int threads, struct bt_err *err);
/* Releases any backend and what it holds, not the memory that alloc gave out. */
void bt_backend_free(const struct bt_backend *backend);

#endif
