/* The processes of one run and what they say to each other. One process needs no library; MPI and NCCL fill the same
 * interface for many. Source: DESIGN.md 3.6, 3.8; models.md 4.4 (gathering). */
#ifndef BT_COMM_COMM_H
#define BT_COMM_COMM_H

#include "libcommon/tensor/tape.h"

struct bt_comm {
    int rank, size;
    /* to[size * n]: every rank's n values in rank order, on the device. */
    int (*all_gather)(const struct bt_comm *comm, const struct bt_backend *b, float *to, const float *from, size_t n);
    /* data[n] becomes the sum over ranks, added in rank order. */
    int (*all_reduce)(const struct bt_comm *comm, const struct bt_backend *b, float *data, size_t n);
    /* The largest of the ranks' values, on the host: agreement about stopping, or about a failure. */
    int (*maximum)(const struct bt_comm *comm, double *value);
};

/* The communicator of a process that is alone. */
extern const struct bt_comm bt_comm_single;

/* Features of every rank, [size * B, ...], without a way back: what contrastive losses compare with (quirk K10). */
struct bt_tensor *bt_comm_gather(struct bt_tape *tape, const struct bt_comm *comm, struct bt_tensor *x);

#endif
