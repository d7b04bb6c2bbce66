/* Parameters: declared by name, laid out in flat buffers, initialised and loaded. */
#include "libcommon/tensor/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linear.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/rng.h"
#include "libcommon/tensor/safetensors.h"

/* Every parameter begins at a multiple of this many floats, so that vectors and packed weights are aligned. */
#define ALIGN_FLOATS 16

struct bt_params {
    const struct bt_backend *backend;
    struct bt_arena *arena;
    struct bt_param **items;
    uint64_t capacity;
    size_t count;
    struct bt_flat flat;
    float *frozen;
    struct bt_err err;
};

struct bt_params *bt_params_new(const struct bt_backend *backend, struct bt_err *err)
{
    struct bt_params *p = bt_alloc(1, sizeof *p, err);

    if (!p)
        return NULL;
    p->backend = backend;
    p->arena = bt_arena_new((size_t)1 << 16);
    if (!p->arena) {
        bt_fail(err, BT_ERR_MEMORY, "parameters: out of memory");
        free(p);
        return NULL;
    }
    return p;
}

static bool packs(const struct bt_param *param)
{
    return !param->tensor.trains && param->tensor.rank >= 2;
}

void bt_params_free(struct bt_params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count && p->frozen; i++)
        if (packs(p->items[i]))
            p->backend->linear->unpack(p->backend->queue, p->items[i]->tensor.data);
    p->backend->free(p->backend->queue, p->flat.data);
    p->backend->free(p->backend->queue, p->flat.grad);
    p->backend->free(p->backend->queue, p->frozen);
    bt_arena_free(p->arena);
    free(p->items);
    free(p);
}

struct bt_tensor *bt_param(struct bt_params *p, struct bt_init init, int rank, const size_t *shape, const char *fmt, ...)
{
    char name[512];
    va_list args;
    struct bt_param *param = bt_arena_take(p->arena, 1, sizeof *param);
    static struct bt_tensor nothing;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    if (!param || bt_grow(&p->items, &p->capacity, p->count + 1, sizeof *p->items, &p->err)) {
        bt_fail(&p->err, BT_ERR_MEMORY, "parameters: out of memory");
        return param ? &param->tensor : &nothing;
    }
    memset(param, 0, sizeof *param);
    param->name = bt_arena_str(p->arena, name, strlen(name));
    param->init = init;
    param->tensor.rank = rank;
    param->tensor.trains = true;
    for (int i = 0; i < rank; i++)
        param->tensor.shape[i] = shape[i];
    p->items[p->count++] = param;
    return &param->tensor;
}

void bt_params_train(struct bt_params *p, const char *prefix, bool trains)
{
    for (size_t i = 0; i < p->count; i++)
        if (strncmp(p->items[i]->name, prefix, strlen(prefix)) == 0)
            p->items[i]->tensor.trains = trains;
}

static size_t place(struct bt_params *p, size_t at, bool trains, bool decays, float *data, float *grad)
{
    for (size_t i = 0; i < p->count; i++) {
        struct bt_tensor *t = &p->items[i]->tensor;

        if (t->trains != trains || (trains && (t->rank >= 2) != decays))
            continue;
        if (data)
            t->data = data + at;
        if (grad)
            t->grad = grad + at;
        at += (bt_tensor_count(t) + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    }
    return at;
}

static int take(struct bt_params *p, float **memory, size_t floats, struct bt_err *err)
{
    const struct bt_backend *b = p->backend;
    void *taken = NULL;
    int rc = b->alloc(b->queue, &taken, (floats ? floats : 1) * sizeof(float));

    if (!rc)
        rc = b->zero(b->queue, taken, floats * sizeof(float));
    if (rc)
        return bt_fail(err, rc, "parameters: %zu bytes are not to be had on %s", floats * sizeof(float), b->name);
    *memory = taken;
    return BT_OK;
}

int bt_params_place(struct bt_params *p, struct bt_err *err)
{
    if (p->err.status) {
        *err = p->err;
        return err->status;
    }

    size_t decayed = place(p, 0, true, true, NULL, NULL);
    size_t total = place(p, decayed, true, false, NULL, NULL);
    size_t frozen = place(p, 0, false, false, NULL, NULL);
    int rc = take(p, &p->flat.data, total, err);

    if (!rc)
        rc = take(p, &p->flat.grad, total, err);
    if (!rc)
        rc = take(p, &p->frozen, frozen, err);
    if (rc)
        return rc;
    p->flat.decayed = decayed;
    p->flat.total = total;
    place(p, 0, true, true, p->flat.data, p->flat.grad);
    place(p, decayed, true, false, p->flat.data, p->flat.grad);
    place(p, 0, false, false, p->frozen, NULL);
    return BT_OK;
}

static float init_value(struct bt_draw *d, struct bt_init init)
{
    double z;

    switch (init.kind) {
    case BT_INIT_CONSTANT:
        return init.value;
    case BT_INIT_NORMAL:
        return (float)bt_draw_normal(d) * init.value;
    case BT_INIT_UNIFORM:
        return (2.0f * bt_draw_uniform(d) - 1.0f) * init.value;
    case BT_INIT_TRUNCATED_NORMAL:
        do
            z = bt_draw_normal(d) * (double)init.value;
        while (z < -2.0 || z > 2.0);
        return (float)z;
    }
    return 0;
}

int bt_params_init(struct bt_params *p, uint64_t seed, struct bt_err *err)
{
    float *host = NULL;
    uint64_t capacity = 0;
    int rc = BT_OK;

    for (size_t i = 0; i < p->count && !rc; i++) {
        struct bt_param *param = p->items[i];
        size_t n = bt_tensor_count(&param->tensor);
        struct bt_draw d = bt_draw(seed, BT_DRAW_INIT, 0, bt_xxh64(param->name, strlen(param->name)) >> 16);

        if (param->loaded)
            continue;
        rc = bt_grow(&host, &capacity, n, sizeof *host, err);
        for (size_t k = 0; k < n && !rc; k++)
            host[k] = init_value(&d, param->init);
        if (!rc && p->backend->copy_in(p->backend->queue, param->tensor.data, host, n * sizeof *host))
            rc = bt_fail(err, BT_ERR_DEVICE, "%s: copying to the device failed", p->backend->name);
    }
    free(host);
    return rc;
}

/* "[2, 3]" */
static const char *shape_text(char text[128], int rank, const size_t *shape)
{
    int at = snprintf(text, 128, "[");

    for (int i = 0; i < rank && at < 100; i++)
        at += snprintf(text + at, (size_t)(128 - at), "%s%zu", i ? ", " : "", shape[i]);
    snprintf(text + at, (size_t)(128 - at), "]");
    return text;
}

static int load_one(struct bt_params *p, struct bt_param *param, const struct bt_safetensors *file,
                    const struct bt_st_tensor *t, float **host, uint64_t *capacity, struct bt_err *err)
{
    size_t n = bt_tensor_count(&param->tensor);
    bool fits = t->rank == param->tensor.rank;

    for (int k = 0; k < t->rank && fits; k++)
        fits = (size_t)t->shape[k] == param->tensor.shape[k];
    if (!fits) {
        size_t shape[BT_ST_RANK_MAX] = { 0 };
        char has[128], wants[128];

        for (int k = 0; k < t->rank; k++)
            shape[k] = (size_t)t->shape[k];
        return bt_fail(err, BT_ERR_WEIGHTS, "%s: tensor '%s' is %s, but the model's is %s; use the weights' own model file",
                       bt_safetensors_path(file), bt_quote_str(t->name), shape_text(has, t->rank, shape),
                       shape_text(wants, param->tensor.rank, param->tensor.shape));
    }

    int rc = bt_grow(host, capacity, n, sizeof **host, err);

    if (!rc)
        rc = bt_safetensors_read(file, t, *host, err);
    if (!rc && p->backend->copy_in(p->backend->queue, param->tensor.data, *host, n * sizeof **host))
        rc = bt_fail(err, BT_ERR_DEVICE, "%s: copying to the device failed", p->backend->name);
    param->loaded = !rc;
    return rc;
}

int bt_params_load(struct bt_params *p, const struct bt_safetensors *file, const char *strip, const char *put,
                   size_t *loaded, struct bt_err *err)
{
    float *host = NULL;
    uint64_t capacity = 0;
    size_t found = 0, put_length = strlen(put);
    int rc = BT_OK;

    for (size_t i = 0; i < p->count && !rc; i++) {
        struct bt_param *param = p->items[i];
        char name[600];

        if (strncmp(param->name, put, put_length) != 0)
            continue;
        snprintf(name, sizeof name, "%s%s", strip, param->name + put_length);

        const struct bt_st_tensor *t = bt_safetensors_find(file, name);

        if (!t)
            continue;
        rc = load_one(p, param, file, t, &host, &capacity, err);
        found += !rc;
    }
    free(host);
    if (loaded)
        *loaded = found;
    return rc;
}

int bt_params_require(const struct bt_params *p, const char *prefix, struct bt_err *err)
{
    const char *missing[3] = { NULL };
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++)
        if (!p->items[i]->loaded && strncmp(p->items[i]->name, prefix, strlen(prefix)) == 0) {
            if (count < 3)
                missing[count] = p->items[i]->name;
            count++;
        }
    if (!count)
        return BT_OK;
    return bt_fail(err, BT_ERR_WEIGHTS, "weights: %zu tensors are in none of the files: %s%s%s%s%s%s; name the file that has them",
                   count, missing[0], missing[1] ? ", " : "", missing[1] ? missing[1] : "", missing[2] ? ", " : "",
                   missing[2] ? missing[2] : "", count > 3 ? " ..." : "");
}

int bt_params_ready(struct bt_params *p, struct bt_err *err)
{
    const struct bt_backend *b = p->backend;

    for (size_t i = 0; i < p->count; i++) {
        const struct bt_tensor *t = &p->items[i]->tensor;

        if (!packs(p->items[i]))
            continue;
        b->linear->unpack(b->queue, t->data);
        if (b->linear->pack(b->queue, t->data, bt_tensor_count(t) / t->shape[0], t->shape[0]))
            return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory while packing '%s'", b->name, p->items[i]->name);
    }
    return BT_OK;
}

int bt_params_copy(struct bt_params *p, struct bt_param *to, const struct bt_param *from)
{
    return p->backend->copy(p->backend->queue, to->tensor.data, from->tensor.data,
                            bt_tensor_count(&to->tensor) * sizeof(float));
}

size_t bt_params_count(const struct bt_params *p)
{
    return p->count;
}

struct bt_param *bt_params_at(struct bt_params *p, size_t i)
{
    return p->items[i];
}

struct bt_param *bt_params_find(struct bt_params *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i]->name, name) == 0)
            return p->items[i];
    return NULL;
}

struct bt_flat bt_params_flat(const struct bt_params *p)
{
    return p->flat;
}

int bt_params_zero_grad(struct bt_params *p)
{
    return p->backend->zero(p->backend->queue, p->flat.grad, p->flat.total * sizeof(float));
}

size_t bt_params_trainable(const struct bt_params *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->count; i++)
        n += p->items[i]->tensor.trains ? bt_tensor_count(&p->items[i]->tensor) : 0;
    return n;
}

int bt_params_frozen_hash(struct bt_params *p, uint64_t *hash, struct bt_err *err)
{
    struct bt_xxh64_state *sum = bt_xxh64_new();
    float *host = NULL;
    uint64_t capacity = 0;
    int rc = sum ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "parameters: out of memory");

    for (size_t i = 0; i < p->count && !rc; i++) {
        const struct bt_param *param = p->items[i];
        size_t n = bt_tensor_count(&param->tensor);

        if (param->tensor.trains)
            continue;
        rc = bt_grow(&host, &capacity, n, sizeof *host, err);
        if (!rc && p->backend->copy_out(p->backend->queue, host, param->tensor.data, n * sizeof *host))
            rc = bt_fail(err, BT_ERR_DEVICE, "%s: copying from the device failed", p->backend->name);
        if (!rc) {
            bt_xxh64_add(sum, param->name, strlen(param->name));
            bt_xxh64_add(sum, host, n * sizeof *host);
        }
    }
    if (!rc)
        *hash = bt_xxh64_value(sum);
    bt_xxh64_free(sum);
    free(host);
    return rc;
}
