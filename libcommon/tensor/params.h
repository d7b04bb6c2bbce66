/* A model's parameters by their published names, in flat buffers: one for what trains, one for what does not, so that
 * AdamW is one pass, a gradient reduction a few large calls, and a checkpoint a walk over names.
 *
 * Use: declare (bt_param), freeze, place, then initialise and load. Source: DESIGN.md 3.3; models.md (names, shapes,
 * initialisation); training.md 4 (which parameters decay). */
#ifndef BT_TENSOR_PARAMS_H
#define BT_TENSOR_PARAMS_H

#include "libcommon/tensor/tape.h"

enum bt_init_kind { BT_INIT_CONSTANT, BT_INIT_NORMAL, BT_INIT_UNIFORM, BT_INIT_TRUNCATED_NORMAL };
/* CONSTANT: value. NORMAL: mean 0, sd value. UNIFORM: from -value to value. TRUNCATED_NORMAL: sd value, redrawn
 * beyond +-2 absolute (models.md 1.1). */
struct bt_init {
    enum bt_init_kind kind;
    float value;
};

struct bt_param {
    const char *name;
    struct bt_tensor tensor; /* data (and grad, if it trains) from bt_params_place on */
    struct bt_init init;
    bool loaded;             /* its values came from a file */
};

struct bt_params;

struct bt_params *bt_params_new(const struct bt_backend *backend, struct bt_err *err);
void bt_params_free(struct bt_params *params);

/* Declares a parameter and returns its tensor, which stays where it is. The name is printf-like. A failure sticks and
 * shows in bt_params_place. */
struct bt_tensor *bt_param(struct bt_params *params, struct bt_init init, int rank, const size_t *shape,
                           const char *name, ...) __attribute__((format(printf, 5, 6)));

/* Every parameter whose name begins with prefix ("" is all) does or does not train. Before placing. */
void bt_params_train(struct bt_params *params, const char *prefix, bool trains);
/* Takes the buffers: trainable ones that decay (rank 2 or more) first, then those that do not, then the frozen. */
int bt_params_place(struct bt_params *params, struct bt_err *err);

/* Values by kind, keyed by (seed, name): adding a parameter changes no other. Loaded ones keep theirs. */
int bt_params_init(struct bt_params *params, uint64_t seed, struct bt_err *err);

/* Takes from a weight file every tensor whose name, after `strip` is replaced by `put` at its front, is a parameter;
 * the shape must agree (E_WEIGHTS). Names the model does not have are ignored, as the published loaders do. *loaded
 * counts, may be NULL. */
struct bt_safetensors;
int bt_params_load(struct bt_params *params, const struct bt_safetensors *file, const char *strip, const char *put,
                   size_t *loaded, struct bt_err *err);
/* Fails (E_WEIGHTS) naming up to three parameters that begin with prefix and were not loaded. */
int bt_params_require(const struct bt_params *params, const char *prefix, struct bt_err *err);
/* Call after values were changed by hand or by loading: tells the backend which frozen weights to pack. */
int bt_params_ready(struct bt_params *params, struct bt_err *err);

/* The values of one parameter to another of the same size. */
int bt_params_copy(struct bt_params *params, struct bt_param *to, const struct bt_param *from);

size_t bt_params_count(const struct bt_params *params);
struct bt_param *bt_params_at(struct bt_params *params, size_t i);
struct bt_param *bt_params_find(struct bt_params *params, const char *name);

/* xxh64 over the names and values of everything that does not train, in order of declaration. */
int bt_params_frozen_hash(struct bt_params *params, uint64_t *hash, struct bt_err *err);

/* The trainable buffer: [0, decayed) decays, [decayed, total) does not. Views into it are the tensors. */
struct bt_flat {
    float *data, *grad;
    size_t decayed, total;
};
struct bt_flat bt_params_flat(const struct bt_params *params);
int bt_params_zero_grad(struct bt_params *params);
/* Elements that train. */
size_t bt_params_trainable(const struct bt_params *params);

#endif
