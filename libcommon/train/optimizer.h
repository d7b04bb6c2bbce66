/* AdamW over the flat buffer of what trains: one pass for what decays, one for what does not. Source: training.md 4. */
#ifndef BT_TRAIN_OPTIMIZER_H
#define BT_TRAIN_OPTIMIZER_H

#include "libcommon/tensor/params.h"
#include "libcommon/train/recipe.h"

struct bt_optimizer {
    const struct bt_backend *backend;
    float *m, *v; /* as the flat buffer, on the device */
    size_t total;
    int64_t t;    /* updates made */
};
int bt_optimizer_new(struct bt_optimizer *optimizer, const struct bt_backend *backend, const struct bt_params *params,
                     struct bt_err *err);
void bt_optimizer_free(struct bt_optimizer *optimizer);
int bt_optimizer_step(struct bt_optimizer *optimizer, const struct bt_params *params, const struct bt_recipe *recipe,
                      double lr, struct bt_err *err);

#endif
