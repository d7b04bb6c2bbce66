/* Layers: declaration and use. */
#include "libcommon/nn/nn.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/embedding.h"
#include "kernels/strided.h"
#include "libcommon/base/mem.h"

static struct bt_affine affine(struct bt_params *params, struct bt_init weight, struct bt_init bias, size_t in,
                               size_t out, const char *fmt, va_list args)
{
    char name[256];
    size_t shape[2] = { out, in };
    struct bt_affine layer;

    vsnprintf(name, sizeof name, fmt, args);
    layer.weight = bt_param(params, weight, 2, shape, "%s.weight", name);
    layer.bias = bt_param(params, bias, 1, shape, "%s.bias", name);
    return layer;
}

struct bt_affine bt_affine_new(struct bt_params *params, struct bt_init weight, size_t in, size_t out, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    struct bt_affine layer = affine(params, weight, bt_zeros, in, out, fmt, args);

    va_end(args);
    return layer;
}

struct bt_affine bt_affine_default(struct bt_params *params, size_t in, size_t out, const char *fmt, ...)
{
    struct bt_init init = { BT_INIT_UNIFORM, 1.0f / sqrtf((float)in) };
    va_list args;

    va_start(args, fmt);
    struct bt_affine layer = affine(params, init, init, in, out, fmt, args);

    va_end(args);
    return layer;
}

struct bt_tensor *bt_apply(struct bt_tape *tape, const struct bt_affine *layer, struct bt_tensor *x, enum bt_act act)
{
    return bt_linear(tape, x, layer->weight, layer->bias, act);
}

struct bt_norm bt_norm_new(struct bt_params *params, size_t width, float eps, const char *fmt, ...)
{
    char name[256];
    va_list args;
    struct bt_norm norm = { .eps = eps };

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    norm.weight = bt_param(params, bt_ones, 1, &width, "%s.weight", name);
    norm.bias = bt_param(params, bt_zeros, 1, &width, "%s.bias", name);
    return norm;
}

struct bt_tensor *bt_normalize(struct bt_tape *tape, const struct bt_norm *norm, struct bt_tensor *x)
{
    return bt_layer_norm(tape, x, norm->weight, norm->bias, norm->eps);
}

struct bt_tensor *bt_add_normalize(struct bt_tape *tape, const struct bt_norm *norm, struct bt_tensor *x,
                                   struct bt_tensor *residual, struct bt_tensor **sum)
{
    return bt_add_layer_norm(tape, x, residual, norm->weight, norm->bias, norm->eps, sum);
}

/* ---- one product for query, key and value ---- */

static bool end_to_end(const struct bt_tensor *a, const struct bt_tensor *b)
{
    size_t n = bt_tensor_count(a);

    return b->data == a->data + n && a->trains == b->trains && (!a->trains || b->grad == a->grad + n);
}

/* `three` tensors of equal size that lie end to end, seen as one. The gradient is already there: it needs no base. */
static struct bt_tensor *joined(struct bt_tape *tape, const struct bt_tensor *first)
{
    size_t shape[BT_RANK_MAX] = { 3 * first->shape[0], first->shape[1] };
    struct bt_tensor *t = bt_reshape(tape, (struct bt_tensor *)first, first->rank, first->shape);

    if (!bt_tape_failed(tape)) {
        t->shape[0] = shape[0];
        t->base = NULL;
        t->grad = first->grad;
        t->trains = first->trains;
    }
    return t;
}

void bt_project(struct bt_tape *tape, struct bt_attend *a, struct bt_tensor *x, const struct bt_affine *query,
                const struct bt_affine *key, const struct bt_affine *value)
{
    if (end_to_end(query->weight, key->weight) && end_to_end(key->weight, value->weight) &&
        end_to_end(query->bias, key->bias) && end_to_end(key->bias, value->bias)) {
        size_t width = query->weight->shape[0];

        a->query = a->key = a->value =
            bt_linear(tape, x, joined(tape, query->weight), joined(tape, query->bias), BT_ACT_NONE);
        a->query_at = 0;
        a->key_at = width;
        a->value_at = 2 * width;
        return;
    }
    a->query = bt_apply(tape, query, x, BT_ACT_NONE);
    a->key = bt_apply(tape, key, x, BT_ACT_NONE);
    a->value = bt_apply(tape, value, x, BT_ACT_NONE);
    a->query_at = a->key_at = a->value_at = 0;
}

/* ---- cached keys and values ---- */

int bt_kv_cache_new(struct bt_kv_cache *cache, const struct bt_backend *backend, size_t layers, size_t batch, size_t room,
                    size_t width, struct bt_err *err)
{
    size_t each = batch * room * width;
    void *memory = NULL;
    struct bt_kv *layer = bt_alloc(layers, sizeof *layer, err);

    if (!layer)
        return err->status;
    if (backend->alloc(backend->queue, &memory, 2 * layers * each * sizeof(float))) {
        free(layer);
        return bt_fail(err, BT_ERR_MEMORY, "%s: no room for cached keys and values; generate fewer at a time", backend->name);
    }
    *cache = (struct bt_kv_cache){ backend, layers, batch, room, width, layer, memory };
    for (size_t i = 0; i < layers; i++) {
        struct bt_tensor t = { .rank = 3, .shape = { batch, room, width } };

        layer[i].key = layer[i].value = t;
        layer[i].key.data = cache->memory + 2 * i * each;
        layer[i].value.data = cache->memory + (2 * i + 1) * each;
    }
    return BT_OK;
}

void bt_kv_cache_free(struct bt_kv_cache *cache)
{
    if (!cache->layer)
        return;
    cache->backend->free(cache->backend->queue, cache->memory);
    free(cache->layer);
    *cache = (struct bt_kv_cache){ 0 };
}

void bt_kv_append(struct bt_tape *tape, struct bt_kv *kv, struct bt_attend *a)
{
    const struct bt_backend *b = bt_tape_backend(tape);

    if (bt_tape_failed(tape))
        return;
    size_t batch = kv->key.shape[0], room = kv->key.shape[1], width = kv->key.shape[2], count = a->key->shape[1];

    if (kv->length + count > room || a->key->shape[0] != batch) {
        bt_tape_fail(tape, BT_ERR_BUG, "cache: %zu tokens and %zu more do not fit into %zu", kv->length, count, room);
        return;
    }
    for (size_t t = 0; t < count; t++) { /* one token of every row at a time: while generating there is only one */
        size_t to = (kv->length + t) * width, key_width = a->key->shape[2], value_width = a->value->shape[2];

        b->strided->copy(b->queue, kv->key.data + to, room * width, a->key->data + a->key_at + t * key_width,
                         count * key_width, batch, width);
        b->strided->copy(b->queue, kv->value.data + to, room * width, a->value->data + a->value_at + t * value_width,
                         count * value_width, batch, width);
    }
    kv->length += count;
    a->key = &kv->key;
    a->value = &kv->value;
    a->key_at = a->value_at = 0;
    a->keys = kv->length;
}

void bt_kv_cache_spread(struct bt_tape *tape, struct bt_kv_cache *cache, const struct bt_kv_cache *from)
{
    const struct bt_backend *b = cache->backend;
    size_t times = cache->batch / from->batch, row = cache->room * cache->width, from_row = from->room * from->width;

    if (bt_tape_failed(tape))
        return;
    for (size_t i = 0; i < cache->layers; i++) {
        struct bt_kv *to = &cache->layer[i];
        const struct bt_kv *kv = &from->layer[i];
        size_t filled = kv->length * from->width;

        for (size_t k = 0; k < times; k++) {
            b->strided->copy(b->queue, to->key.data + k * row, times * row, kv->key.data, from_row, from->batch, filled);
            b->strided->copy(b->queue, to->value.data + k * row, times * row, kv->value.data, from_row, from->batch, filled);
        }
        to->length = kv->length;
    }
}

void bt_kv_cache_reorder(struct bt_tape *tape, struct bt_kv_cache *cache, const int32_t *from)
{
    const struct bt_backend *b = cache->backend;
    struct bt_ints *ids = bt_int_constant(tape, from, cache->batch);
    size_t row = cache->room * cache->width, bytes = cache->batch * row * sizeof(float);
    float *moved = bt_tape_memory(tape, bytes);

    for (size_t i = 0; i < 2 * cache->layers && !bt_tape_failed(tape); i++) {
        float *data = i % 2 ? cache->layer[i / 2].value.data : cache->layer[i / 2].key.data;
        int rc = b->embedding->forward(b->queue, moved, data, ids->data, cache->batch, row);

        if (!rc)
            rc = b->copy(b->queue, data, moved, bytes);
        if (rc)
            bt_tape_fail(tape, rc, "%s: reordering cached keys and values failed", b->name);
    }
}
