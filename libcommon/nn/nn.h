/* Layers: parameters that belong together, and the calls that use them. Source: models.md 0.2. */
#ifndef BT_NN_NN_H
#define BT_NN_NN_H

#include "libcommon/tensor/ops.h"
#include "libcommon/tensor/params.h"

static const struct bt_init bt_zeros = { BT_INIT_CONSTANT, 0.0f }, bt_ones = { BT_INIT_CONSTANT, 1.0f };
static inline struct bt_init bt_normal(float sd)
{
    return (struct bt_init){ BT_INIT_NORMAL, sd };
}

/* A linear map: weight [out, in], bias [out]. */
struct bt_affine {
    struct bt_tensor *weight, *bias;
};
/* "<name>.weight" and "<name>.bias"; name is printf-like. The second form initialises as torch's Linear does: weight and
 * bias uniform in +-1/sqrt(in). */
struct bt_affine bt_affine_new(struct bt_params *params, struct bt_init weight, size_t in, size_t out, const char *name, ...)
    __attribute__((format(printf, 5, 6)));
struct bt_affine bt_affine_default(struct bt_params *params, size_t in, size_t out, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
struct bt_tensor *bt_apply(struct bt_tape *tape, const struct bt_affine *layer, struct bt_tensor *x, enum bt_act act);

struct bt_norm {
    struct bt_tensor *weight, *bias;
    float eps;
};
struct bt_norm bt_norm_new(struct bt_params *params, size_t width, float eps, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
struct bt_tensor *bt_normalize(struct bt_tape *tape, const struct bt_norm *norm, struct bt_tensor *x);
/* LN(x + residual); *sum, if asked for, is x + residual. */
struct bt_tensor *bt_add_normalize(struct bt_tape *tape, const struct bt_norm *norm, struct bt_tensor *x,
                                   struct bt_tensor *residual, struct bt_tensor **sum);

/* Query, key and value of one input, by three maps. Where their parameters lie end to end in the flat buffer (declared
 * one after the other, sizes that need no padding) this is one product, and the three are parts of one tensor. */
void bt_project(struct bt_tape *tape, struct bt_attend *attend, struct bt_tensor *x, const struct bt_affine *query,
                const struct bt_affine *key, const struct bt_affine *value);

/* Keys and values of one layer that later calls see: [batch, room, width] each, filled from the left. */
struct bt_kv {
    struct bt_tensor key, value;
    size_t length;
};
struct bt_kv_cache {
    const struct bt_backend *backend;
    size_t layers, batch, room, width;
    struct bt_kv *layer;
    float *memory;
};
/* Room for `room` tokens of `batch` rows in every layer, on the device. */
int bt_kv_cache_new(struct bt_kv_cache *cache, const struct bt_backend *backend, size_t layers, size_t batch, size_t room,
                    size_t width, struct bt_err *err);
void bt_kv_cache_free(struct bt_kv_cache *cache);
/* Adds the tokens of key and value (parts of `attend`, as bt_project left them) to the layer, and makes `attend` use all that
 * is there. Nothing is recorded: caches serve generation. */
void bt_kv_append(struct bt_tape *tape, struct bt_kv *kv, struct bt_attend *attend);
/* Every row of `from`, cache->batch / from->batch times over, into an empty cache: beams that begin alike. */
void bt_kv_cache_spread(struct bt_tape *tape, struct bt_kv_cache *cache, const struct bt_kv_cache *from);
/* Row r becomes what row from[r] was: beams that go on from others. */
void bt_kv_cache_reorder(struct bt_tape *tape, struct bt_kv_cache *cache, const int32_t *from);

#endif
