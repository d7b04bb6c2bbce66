/* Tensors and the tape: ops run forward as they are called and, where something upstream trains, leave a note of how
 * to go back; bt_tape_backward walks the notes in reverse.
 *
 * A tape serves one step: bt_tape_reset releases every tensor made on it and keeps the memory for the next. The
 * first failure sticks to the tape; later calls do nothing and return an empty tensor, so a model is a page of
 * calls that its caller checks once with bt_tape_status. */
#ifndef BT_TENSOR_TAPE_H
#define BT_TENSOR_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/backend.h"
#include "libcommon/base/err.h"

#define BT_RANK_MAX 4

/* float32 values on the device, row-major. Made by ops (lives until the tape is reset) or by bt_params. */
struct bt_tensor {
    float *data;
    float *grad;              /* NULL until a gradient arrives and once its op has gone back; a parameter's stays */
    struct bt_tensor *base;   /* a view's gradient is part of its base's */
    size_t base_offset;
    struct bt_tensor *part[2]; /* what bt_concat joined, or NULL */
    int rank;
    size_t shape[BT_RANK_MAX];
    bool trains;              /* gradients are wanted here or upstream */
};

/* int32 values on the device: ids, labels, masks. */
struct bt_ints {
    int32_t *data;
    size_t count;
};

struct bt_tape;

struct bt_tape *bt_tape_new(const struct bt_backend *backend, struct bt_err *err);
void bt_tape_free(struct bt_tape *tape);
void bt_tape_reset(struct bt_tape *tape);
const struct bt_backend *bt_tape_backend(const struct bt_tape *tape);

/* BT_OK or the first failure, its message copied to err. */
int bt_tape_status(const struct bt_tape *tape, struct bt_err *err);
bool bt_tape_failed(const struct bt_tape *tape);
/* A failure found by the caller (an id out of range, say); printf-like. */
void bt_tape_fail(struct bt_tape *tape, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* While off, ops record nothing whatever trains; returns what it was. */
bool bt_tape_record(struct bt_tape *tape, bool on);

/* Dropout on the tape: probability-0 sites cost nothing. Every dropout site of a step takes the next number, so masks
 * are a function of (seed, step, site, element). Off until this is called with active true. */
void bt_tape_dropout(struct bt_tape *tape, bool active, uint64_t seed, uint32_t step);

/* Puts `host` (as many values as t has) where the gradient of t begins: {1} for a loss. */
void bt_tape_seed(struct bt_tape *tape, struct bt_tensor *t, const float *host);
/* Walks the notes in reverse: adds to the gradient of everything that trains upstream of what was seeded. */
int bt_tape_backward(struct bt_tape *tape, struct bt_err *err);

/* Who wants to look at values inside a model: called with the published module name of each tensor that a model marks. */
typedef void bt_tape_watcher(void *context, struct bt_tape *tape, const char *module, struct bt_tensor *value);
void bt_tape_watch(struct bt_tape *tape, bt_tape_watcher *watcher, void *context);
void bt_mark(struct bt_tape *tape, struct bt_tensor *value, const char *module, ...) __attribute__((format(printf, 3, 4)));

/* Most bytes the tape's device memory ever held. */
size_t bt_tape_bytes(const struct bt_tape *tape);

/* Seconds per kind of op since the last call with reset, for the bench: names and times, ended by NULL. */
struct bt_op_time {
    const char *name;
    double forward_s, backward_s;
    uint64_t calls;
    double flops; /* of matrix products */
};
void bt_tape_profile(struct bt_tape *tape, bool on);
const struct bt_op_time *bt_tape_times(const struct bt_tape *tape);

/* ---- for ops ---- */

/* One op's way back: called with its note after the gradient of its output is complete. */
struct bt_note {
    struct bt_note *previous;
    int (*backward)(const struct bt_backend *b, struct bt_tape *tape, struct bt_note *note);
    struct bt_tensor *out, *also; /* also: a second output, or NULL */
    int op;                       /* index into the times */
};

/* A tensor of the given shape on this tape; data not zeroed. trains is false. */
struct bt_tensor *bt_tape_tensor(struct bt_tape *tape, int rank, const size_t *shape);
void *bt_tape_memory(struct bt_tape *tape, size_t bytes); /* device memory that lives as long; NULL on failure */
void *bt_tape_host(struct bt_tape *tape, size_t bytes);   /* host memory that lives as long; NULL on failure */
/* A note of `size` bytes for `out`, zeroed, in the walk; also marks out as training. Several notes for one out follow
 * each other. */
void *bt_tape_note(struct bt_tape *tape, size_t size, struct bt_tensor *out,
                   int (*backward)(const struct bt_backend *, struct bt_tape *, struct bt_note *));
/* The gradient buffer of t, made and zeroed when first asked for; NULL when t does not train (or t is NULL). */
float *bt_tape_grad(struct bt_tape *tape, struct bt_tensor *t);
bool bt_tape_recording(const struct bt_tape *tape);
size_t bt_tensor_count(const struct bt_tensor *t);

#endif
