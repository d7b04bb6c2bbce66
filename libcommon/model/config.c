/* model.json: one table of members, read and written. */
#include "libcommon/model/config.h"

#include "libcommon/base/members.h"

#define SIZE_OF(group, name, field, least) BT_MEMBER(struct bt_config, group, name, field, SIZE, least)
#define FLOAT_OF(group, name, field)       BT_MEMBER(struct bt_config, group, name, field, FLOAT, 0)
#define ID_OF(group, name, field)          BT_MEMBER(struct bt_config, group, name, field, ID, 0)
#define BERT(group)                                                                                                    \
    SIZE_OF(#group, "hidden", group.hidden, 1), SIZE_OF(#group, "layers", group.layers, 1),                            \
        SIZE_OF(#group, "heads", group.heads, 1), SIZE_OF(#group, "ffn", group.ffn, 1),                                \
        SIZE_OF(#group, "vocab", group.vocab, 1), SIZE_OF(#group, "positions", group.positions, 1),                    \
        FLOAT_OF(#group, "eps", group.eps), FLOAT_OF(#group, "dropout", group.dropout),                                \
        FLOAT_OF(#group, "init_std", group.init_std)

static const struct bt_member rows[] = {
    SIZE_OF("vit", "image_size", vit.image_size, 1), SIZE_OF("vit", "patch", vit.patch, 1),
    SIZE_OF("vit", "width", vit.width, 1), SIZE_OF("vit", "depth", vit.depth, 1), SIZE_OF("vit", "heads", vit.heads, 1),
    SIZE_OF("vit", "mlp", vit.mlp, 1), FLOAT_OF("vit", "eps", vit.eps), FLOAT_OF("vit", "init_std", vit.init_std),
    BERT(qformer), BERT(pformer), BERT(opt),
    SIZE_OF(NULL, "queries", queries, 1), SIZE_OF(NULL, "embed", embed, 1), SIZE_OF(NULL, "cross_every", cross_every, 1),
    SIZE_OF(NULL, "labels", labels, 0), FLOAT_OF(NULL, "ln_vision_eps", ln_vision_eps),
    ID_OF("tokens", "cls", cls), ID_OF("tokens", "sep", sep), ID_OF("tokens", "mask", mask), ID_OF("tokens", "dec", dec),
    ID_OF("tokens", "bos", bos), ID_OF("tokens", "pad", pad),
};
static const struct bt_members members = { "model", "bt-checkpoint(5)", rows, sizeof rows / sizeof *rows };

static int check_heads(const char *what, size_t width, size_t heads, const char *place, struct bt_err *err)
{
    return width % heads ? bt_fail(err, BT_ERR_CONFIG, "%s: %s of width %zu cannot have %zu heads", place, what, width, heads)
                         : BT_OK;
}

int bt_config_read(struct bt_config *config, const json_t *json, const char *place, struct bt_err *err)
{
    struct bt_config c = { 0 };
    int rc = bt_members_read(&members, &c, json, place, err);

    if (!rc)
        rc = bt_members_require(&members, json, place, err);
    if (!rc)
        rc = check_heads("vit", c.vit.width, c.vit.heads, place, err);
    if (!rc)
        rc = check_heads("qformer", c.qformer.hidden, c.qformer.heads, place, err);
    if (!rc)
        rc = check_heads("pformer", c.pformer.hidden, c.pformer.heads, place, err);
    if (!rc)
        rc = check_heads("opt", c.opt.hidden, c.opt.heads, place, err);
    if (!rc && c.vit.image_size % c.vit.patch)
        rc = bt_fail(err, BT_ERR_CONFIG, "%s: image_size %zu is not a multiple of patch %zu", place, c.vit.image_size, c.vit.patch);
    if (!rc)
        *config = c;
    return rc;
}

int bt_config_load(struct bt_config *config, const char *path, struct bt_err *err)
{
    json_t *json = NULL;
    int rc = bt_json_load(&json, path, err);

    if (!rc && json_object_get(json, "bt_checkpoint"))
        rc = bt_config_read(config, json_object_get(json, "model"), path, err);
    else if (!rc)
        rc = bt_config_read(config, json, path, err);
    json_decref(json);
    return rc;
}

json_t *bt_config_write(const struct bt_config *config)
{
    return bt_members_write(&members, config);
}
