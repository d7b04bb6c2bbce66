/* A tape, and tensors that train as parameters do, for the tests of tensor/. */
#ifndef BT_TESTS_TENSOR_LEAF_H
#define BT_TESTS_TENSOR_LEAF_H

#include "libcommon/tensor/ops.h"
#include "tests/kernels/kernel_test.h"

static inline struct bt_tape *tape_new(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_tape *tape = bt_tape_new(b, &err);

    if (!tape) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return tape;
}

/* A tensor that trains, as a parameter does: memory of its own and a gradient that is there. */
static inline struct bt_tensor leaf(const struct bt_backend *b, int rank, const size_t *shape, uint32_t seed)
{
    struct bt_tensor t = { .rank = rank, .trains = true };

    for (int i = 0; i < rank; i++)
        t.shape[i] = shape[i];
    t.data = dev_noise(b, bt_tensor_count(&t), seed);
    t.grad = dev_zeros(b, bt_tensor_count(&t));
    return t;
}

static inline struct bt_tensor leaf1(const struct bt_backend *b, size_t n, uint32_t seed)
{
    return leaf(b, 1, &n, seed);
}

static inline struct bt_tensor leaf2(const struct bt_backend *b, size_t rows, size_t width, uint32_t seed)
{
    return leaf(b, 2, (size_t[]){ rows, width }, seed);
}

static inline struct bt_tensor leaf3(const struct bt_backend *b, size_t outer, size_t rows, size_t width, uint32_t seed)
{
    return leaf(b, 3, (size_t[]){ outer, rows, width }, seed);
}

static inline void leaf_free(const struct bt_backend *b, struct bt_tensor *t)
{
    dev_free(b, t->data, t->grad);
}

#endif
