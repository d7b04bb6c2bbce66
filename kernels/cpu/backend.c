/* The CPU backend: memory of the host, and the table of its kernels. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cpu/queue.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/l2_norm.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/mse.h"
#include "kernels/nearest.h"
#include "kernels/patches.h"
#include "kernels/pool.h"
#include "kernels/strided.h"

#define LINE      ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)

/* Large pieces stand on huge pages: the matrix products stride through them, and a TLB miss costs more than a
 * line. */
static void *take(size_t bytes)
{
    size_t align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : LINE;
    void *memory;

    if (bytes > SIZE_MAX - align)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    memory = aligned_alloc(align, bytes > 0 ? bytes : align);
    if (memory && align == HUGE_PAGE)
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish */
    return memory;
}

void *bt_workspace(struct bt_queue *q, size_t bytes)
{
    if (bytes > q->workspace_bytes || !q->workspace) {
        free(q->workspace);
        q->workspace = take(bytes);
        q->workspace_bytes = q->workspace ? bytes : 0;
    }
    return q->workspace;
}

static int cpu_alloc(struct bt_queue *q, void **memory, size_t bytes)
{
    void *piece = take(bytes);

    (void)q;
    if (!piece)
        return BT_ERR_MEMORY;
    *memory = piece;
    return BT_OK;
}

static void cpu_free(struct bt_queue *q, void *memory)
{
    (void)q;
    free(memory);
}

static int cpu_zero(struct bt_queue *q, void *to, size_t bytes)
{
    (void)q;
    if (bytes > 0)
        memset(to, 0, bytes);
    return BT_OK;
}

static int cpu_copy(struct bt_queue *q, void *to, const void *from, size_t bytes)
{
    (void)q;
    if (bytes > 0)
        memcpy(to, from, bytes);
    return BT_OK;
}

static int cpu_sync(struct bt_queue *q)
{
    (void)q;
    return BT_OK;
}

static void cpu_close(struct bt_backend *backend)
{
    struct bt_queue *queue = backend->queue;

    while (queue->packed_count > 0)
        bt_linear_cpu.unpack(queue, queue->packed[0].weight);
    free(queue->packed);
    free(queue->workspace);
    free(queue);
    free(backend);
}

static const struct bt_backend cpu = {
    .name = "cpu",
    .alloc = cpu_alloc,
    .free = cpu_free,
    .zero = cpu_zero,
    .copy = cpu_copy,
    .copy_in = cpu_copy,
    .copy_out = cpu_copy,
    .sync = cpu_sync,
    .close = cpu_close,
    .linear = &bt_linear_cpu,
    .attention = &bt_attention_cpu,
    .layer_norm = &bt_layer_norm_cpu,
    .embedding = &bt_embedding_cpu,
    .cross_entropy = &bt_cross_entropy_cpu,
    .linear_cross_entropy = &bt_linear_cross_entropy_cpu,
    .mse = &bt_mse_cpu,
    .nearest = &bt_nearest_cpu,
    .elementwise = &bt_elementwise_cpu,
    .l2_norm = &bt_l2_norm_cpu,
    .pool = &bt_pool_cpu,
    .strided = &bt_strided_cpu,
    .dropout = &bt_dropout_cpu,
    .patches = &bt_patches_cpu,
    .adamw = &bt_adamw_cpu,
};

const struct bt_backend *bt_backend_cpu(int threads, struct bt_err *err)
{
    struct bt_backend *backend = malloc(sizeof *backend);
    struct bt_queue *queue = calloc(1, sizeof *queue);

    if (!backend || !queue) {
        free(queue);
        free(backend);
        bt_fail(err, BT_ERR_MEMORY, "cpu: out of memory");
        return NULL;
    }
    queue->threads = threads > 0 ? threads : omp_get_num_procs();
    omp_set_num_threads(queue->threads);
    *backend = cpu;
    backend->queue = queue;
    return backend;
}

void bt_backend_free(const struct bt_backend *backend)
{
    if (backend)
        backend->close((struct bt_backend *)backend);
}
