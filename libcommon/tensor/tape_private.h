/* What tape.c and ops.c share about a tape and nobody else needs. */
#ifndef BT_TENSOR_TAPE_PRIVATE_H
#define BT_TENSOR_TAPE_PRIVATE_H

#include <stdlib.h>

#include "libcommon/base/mem.h"
#include "libcommon/tensor/tape.h"

#define BT_OP_KINDS 32

struct block;
struct spare;
struct bt_tape {
    const struct bt_backend *backend;
    struct bt_arena *host; /* tensors and notes */
    struct block *blocks;  /* device memory */
    uint64_t block_capacity;
    size_t block_count, block_now, used, most;
    struct spare *spare; /* memory of gradients that are done with, for the next ones */
    struct bt_note *notes;
    struct bt_err err;
    struct bt_tensor nothing; /* what ops return after a failure */
    struct bt_ints no_ints;
    bool recording, dropout, profiling;
    uint64_t dropout_seed;
    uint32_t dropout_step, site;
    bt_tape_watcher *watcher;
    void *watcher_context;
    int op;
    double op_start_s;
    struct bt_op_time times[BT_OP_KINDS + 1];
};

/* A tensor without data of its own. */
struct bt_tensor *bt_tape_bare(struct bt_tape *tape, int rank, const size_t *shape);
/* The key of the next dropout site; false while dropout is off. */
bool bt_tape_dropout_key(struct bt_tape *tape, uint32_t key[4]);
/* Around the kernel of an op: which op (a literal), how it ended, its matrix products' cost. */
void bt_tape_op_begin(struct bt_tape *tape, const char *name);
void bt_tape_op_end(struct bt_tape *tape, int status, double flops);

#endif
