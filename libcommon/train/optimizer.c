/* AdamW over flat buffers. Source: training.md 4. */
#include "libcommon/train/optimizer.h"

#include "kernels/adamw.h"

int bt_optimizer_new(struct bt_optimizer *o, const struct bt_backend *b, const struct bt_params *params, struct bt_err *err)
{
    size_t total = bt_params_flat(params).total, bytes = (total ? total : 1) * sizeof(float);
    void *m = NULL, *v = NULL;

    if (b->alloc(b->queue, &m, bytes) || b->alloc(b->queue, &v, bytes) || b->zero(b->queue, m, bytes) ||
        b->zero(b->queue, v, bytes)) {
        b->free(b->queue, m);
        b->free(b->queue, v);
        return bt_fail(err, BT_ERR_MEMORY, "%s: no room for the optimizer's state", b->name);
    }
    *o = (struct bt_optimizer){ b, m, v, total, 0 };
    return BT_OK;
}

void bt_optimizer_free(struct bt_optimizer *o)
{
    if (!o->backend)
        return;
    o->backend->free(o->backend->queue, o->m);
    o->backend->free(o->backend->queue, o->v);
    *o = (struct bt_optimizer){ 0 };
}

int bt_optimizer_step(struct bt_optimizer *o, const struct bt_params *params, const struct bt_recipe *r, double lr, struct bt_err *err)
{
    const struct bt_backend *b = o->backend;
    struct bt_flat flat = bt_params_flat(params);
    struct bt_adamw_rule rule = { lr, r->beta1, r->beta2, r->adam_eps, r->weight_decay, o->t + 1 };
    size_t rest = flat.decayed;
    int rc = b->adamw->step(b->queue, flat.data, o->m, o->v, flat.grad, &rule, flat.decayed);

    rule.weight_decay = 0;
    if (!rc)
        rc = b->adamw->step(b->queue, flat.data + rest, o->m + rest, o->v + rest, flat.grad + rest, &rule, flat.total - rest);
    if (rc)
        return bt_fail(err, rc, "%s: the optimizer's step failed", b->name);
    o->t++;
    return BT_OK;
}
