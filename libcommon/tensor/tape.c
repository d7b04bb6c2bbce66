/* The tape: memory of one step, its notes, and the walk back. */
#include "libcommon/tensor/tape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/tensor/tape_private.h"

/* Device memory grows by blocks and is kept from step to step. */
#define BLOCK_BYTES ((size_t)64 << 20)

struct block {
    char *memory;
    size_t bytes, used;
};

static size_t round_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

struct bt_tape *bt_tape_new(const struct bt_backend *backend, struct bt_err *err)
{
    struct bt_tape *tape = bt_alloc(1, sizeof *tape, err);

    if (!tape)
        return NULL;
    tape->backend = backend;
    tape->host = bt_arena_new((size_t)1 << 20);
    tape->recording = true;
    if (!tape->host) {
        bt_fail(err, BT_ERR_MEMORY, "tape: out of memory");
        bt_tape_free(tape);
        return NULL;
    }
    return tape;
}

void bt_tape_free(struct bt_tape *tape)
{
    if (!tape)
        return;
    for (size_t i = 0; i < tape->block_count; i++)
        tape->backend->free(tape->backend->queue, tape->blocks[i].memory);
    free(tape->blocks);
    bt_arena_free(tape->host);
    free(tape);
}

void bt_tape_reset(struct bt_tape *tape)
{
    bt_arena_reset(tape->host);
    for (size_t i = 0; i < tape->block_count; i++)
        tape->blocks[i].used = 0;
    tape->block_now = 0;
    tape->used = 0;
    tape->notes = NULL;
    tape->spare = NULL;
    tape->site = 0;
    bt_err_clear(&tape->err);
}

const struct bt_backend *bt_tape_backend(const struct bt_tape *tape)
{
    return tape->backend;
}

int bt_tape_status(const struct bt_tape *tape, struct bt_err *err)
{
    if (tape->err.status && err && !err->status)
        *err = tape->err;
    return tape->err.status;
}

bool bt_tape_failed(const struct bt_tape *tape)
{
    return tape->err.status != BT_OK;
}

void bt_tape_fail(struct bt_tape *tape, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bt_fail(&tape->err, status, "%s", text);
}

bool bt_tape_record(struct bt_tape *tape, bool on)
{
    bool was = tape->recording;

    tape->recording = on;
    return was;
}

bool bt_tape_recording(const struct bt_tape *tape)
{
    return tape->recording;
}

void bt_tape_dropout(struct bt_tape *tape, bool active, uint64_t seed, uint32_t step)
{
    tape->dropout = active;
    tape->dropout_seed = seed;
    tape->dropout_step = step;
}

bool bt_tape_dropout_key(struct bt_tape *tape, uint32_t key[4])
{
    if (!tape->dropout)
        return false;
    key[0] = (uint32_t)tape->dropout_seed;
    key[1] = (uint32_t)(tape->dropout_seed >> 32);
    key[2] = tape->dropout_step;
    key[3] = tape->site++;
    return true;
}

size_t bt_tape_bytes(const struct bt_tape *tape)
{
    return tape->most;
}

static struct block *block_with(struct bt_tape *tape, size_t bytes)
{
    for (; tape->block_now < tape->block_count; tape->block_now++) {
        struct block *b = &tape->blocks[tape->block_now];

        if (b->bytes - b->used >= bytes)
            return b;
    }
    if (bt_grow(&tape->blocks, &tape->block_capacity, tape->block_count + 1, sizeof *tape->blocks, &tape->err))
        return NULL;

    struct block *b = &tape->blocks[tape->block_count];
    void *memory = NULL;

    b->bytes = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    b->used = 0;
    if (tape->backend->alloc(tape->backend->queue, &memory, b->bytes)) {
        bt_tape_fail(tape, BT_ERR_MEMORY, "%s: out of memory after %s; use a smaller batch", tape->backend->name,
                     bt_human_bytes(tape->used));
        return NULL;
    }
    b->memory = memory;
    tape->block_count++;
    return b;
}

void *bt_tape_memory(struct bt_tape *tape, size_t bytes)
{
    if (tape->err.status)
        return NULL;
    bytes = round_up(bytes ? bytes : 1);

    struct block *b = block_with(tape, bytes);

    if (!b)
        return NULL;
    void *memory = b->memory + b->used;

    b->used += bytes;
    tape->used += bytes;
    if (tape->used > tape->most)
        tape->most = tape->used;
    return memory;
}

void *bt_tape_host(struct bt_tape *tape, size_t bytes)
{
    void *memory = tape->err.status ? NULL : bt_arena_take(tape->host, bytes, 1);

    if (!memory)
        bt_tape_fail(tape, BT_ERR_MEMORY, "tape: out of memory");
    return memory;
}

size_t bt_tensor_count(const struct bt_tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

struct bt_tensor *bt_tape_bare(struct bt_tape *tape, int rank, const size_t *shape)
{
    if (tape->err.status)
        return &tape->nothing;

    struct bt_tensor *t = bt_arena_take(tape->host, 1, sizeof *t);

    if (!t) {
        bt_tape_fail(tape, BT_ERR_MEMORY, "tape: out of memory");
        return &tape->nothing;
    }
    memset(t, 0, sizeof *t);
    t->rank = rank;
    memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    return t;
}

struct bt_tensor *bt_tape_tensor(struct bt_tape *tape, int rank, const size_t *shape)
{
    struct bt_tensor *t = bt_tape_bare(tape, rank, shape);

    if (!tape->err.status)
        t->data = bt_tape_memory(tape, bt_tensor_count(t) * sizeof(float));
    return tape->err.status ? &tape->nothing : t;
}

void *bt_tape_note(struct bt_tape *tape, size_t size, struct bt_tensor *out,
                   int (*backward)(const struct bt_backend *, struct bt_tape *, struct bt_note *))
{
    struct bt_note *note = bt_arena_take(tape->host, 1, size);

    if (!note) {
        bt_tape_fail(tape, BT_ERR_MEMORY, "tape: out of memory");
        return NULL;
    }
    memset(note, 0, size);
    note->previous = tape->notes;
    note->backward = backward;
    note->out = out;
    note->op = tape->op;
    tape->notes = note;
    out->trains = true;
    return note;
}

/* ---- gradients: the walk back needs few of them at a time, and memory used a moment ago is still in cache ---- */

struct spare {
    struct spare *next;
    float *memory;
    size_t bytes;
};

static float *grad_memory(struct bt_tape *tape, size_t bytes)
{
    for (struct spare **at = &tape->spare; *at; at = &(*at)->next)
        if ((*at)->bytes == bytes) {
            float *memory = (*at)->memory;

            *at = (*at)->next;
            return memory;
        }
    return bt_tape_memory(tape, bytes);
}

/* An op that made t has gone back: with its first note, so has everyone who adds to t's gradient or reads it. */
static void grad_done(struct bt_tape *tape, const struct bt_note *note, struct bt_tensor *t)
{
    bool done = t && t->grad && !t->base && !(note->previous && note->previous->out == t);
    struct spare *spare = done ? bt_arena_take(tape->host, 1, sizeof *spare) : NULL;

    if (!spare)
        return;
    *spare = (struct spare){ tape->spare, t->grad, bt_tensor_count(t) * sizeof *t->grad };
    tape->spare = spare;
    t->grad = NULL;
}

float *bt_tape_grad(struct bt_tape *tape, struct bt_tensor *t)
{
    if (!t || !t->trains || tape->err.status)
        return NULL;
    if (t->grad)
        return t->grad;
    if (t->base) {
        float *grad = bt_tape_grad(tape, t->base);

        return t->grad = grad ? grad + t->base_offset : NULL;
    }

    size_t bytes = bt_tensor_count(t) * sizeof(float);
    float *grad = grad_memory(tape, bytes);

    if (grad && tape->backend->zero(tape->backend->queue, grad, bytes))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: clearing memory failed", tape->backend->name);
    return t->grad = tape->err.status ? NULL : grad;
}

/* A view that nobody asked a gradient of may still have one, through its base. */
static bool has_grad(const struct bt_tensor *t)
{
    return t->grad || (t->base && has_grad(t->base));
}

void bt_tape_seed(struct bt_tape *tape, struct bt_tensor *t, const float *host)
{
    const struct bt_backend *b = tape->backend;
    float *grad = bt_tape_grad(tape, t);

    if (grad && b->copy_in(b->queue, grad, host, bt_tensor_count(t) * sizeof *host))
        bt_tape_fail(tape, BT_ERR_DEVICE, "%s: copying to the device failed", b->name);
}

void bt_tape_watch(struct bt_tape *tape, bt_tape_watcher *watcher, void *context)
{
    tape->watcher = watcher;
    tape->watcher_context = context;
}

void bt_mark(struct bt_tape *tape, struct bt_tensor *value, const char *module, ...)
{
    char name[256];
    va_list args;

    if (!tape->watcher || tape->err.status)
        return;
    va_start(args, module);
    vsnprintf(name, sizeof name, module, args);
    va_end(args);
    tape->watcher(tape->watcher_context, tape, name, value);
}

int bt_tape_backward(struct bt_tape *tape, struct bt_err *err)
{
    const struct bt_backend *b = tape->backend;

    for (struct bt_note *note = tape->notes; note && !tape->err.status; note = note->previous) {
        if (!has_grad(note->out) && !(note->also && has_grad(note->also)))
            continue;
        double start_s = tape->profiling ? bt_now_s() : 0;

        bt_tape_grad(tape, note->out);
        int status = note->backward(b, tape, note);

        if (status && !tape->err.status)
            bt_tape_fail(tape, status, "%s: the way back of op %s failed", b->name, tape->times[note->op].name);
        if (tape->profiling) {
            b->sync(b->queue);
            tape->times[note->op].backward_s += bt_now_s() - start_s;
        }
        grad_done(tape, note, note->out);
        grad_done(tape, note, note->also);
    }
    tape->notes = NULL;
    return bt_tape_status(tape, err);
}

/* ---- times per op ---- */

void bt_tape_profile(struct bt_tape *tape, bool on)
{
    tape->profiling = on;
    for (size_t i = 0; i < BT_OP_KINDS; i++)
        tape->times[i] = (struct bt_op_time){ .name = tape->times[i].name };
}

const struct bt_op_time *bt_tape_times(const struct bt_tape *tape)
{
    return tape->times;
}

void bt_tape_op_begin(struct bt_tape *tape, const char *name)
{
    int op = 0;

    while (op < BT_OP_KINDS - 1 && tape->times[op].name && strcmp(tape->times[op].name, name) != 0)
        op++;
    tape->times[op].name = name;
    tape->op = op;
    if (tape->profiling)
        tape->op_start_s = bt_now_s();
}

void bt_tape_op_end(struct bt_tape *tape, int status, double flops)
{
    const struct bt_backend *b = tape->backend;

    if (status)
        bt_tape_fail(tape, status, "%s: op %s failed", b->name, tape->times[tape->op].name);
    if (!tape->profiling)
        return;
    b->sync(b->queue);
    tape->times[tape->op].forward_s += bt_now_s() - tape->op_start_s;
    tape->times[tape->op].calls++;
    tape->times[tape->op].flops += flops;
}
