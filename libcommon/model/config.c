/* model.json: one table of members, read and written. */
#include "libcommon/model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { SIZE, REAL, ID };

struct member {
    const char *group, *name; /* group NULL: top level */
    enum kind kind;
    size_t offset;
    double least;
};

#define SIZE_OF(group, name, field, least) { group, name, SIZE, offsetof(struct bt_config, field), least }
#define REAL_OF(group, name, field)        { group, name, REAL, offsetof(struct bt_config, field), 0 }
#define ID_OF(group, name, field)          { group, name, ID, offsetof(struct bt_config, field), 0 }
#define BERT(group)                                                                                                    \
    SIZE_OF(#group, "hidden", group.hidden, 1), SIZE_OF(#group, "layers", group.layers, 1),                            \
        SIZE_OF(#group, "heads", group.heads, 1), SIZE_OF(#group, "ffn", group.ffn, 1),                                \
        SIZE_OF(#group, "vocab", group.vocab, 1), SIZE_OF(#group, "positions", group.positions, 1),                    \
        REAL_OF(#group, "eps", group.eps), REAL_OF(#group, "dropout", group.dropout),                                  \
        REAL_OF(#group, "init_std", group.init_std)

static const struct member members[] = {
    SIZE_OF("vit", "image_size", vit.image_size, 1), SIZE_OF("vit", "patch", vit.patch, 1),
    SIZE_OF("vit", "width", vit.width, 1), SIZE_OF("vit", "depth", vit.depth, 1), SIZE_OF("vit", "heads", vit.heads, 1),
    SIZE_OF("vit", "mlp", vit.mlp, 1), REAL_OF("vit", "eps", vit.eps), REAL_OF("vit", "init_std", vit.init_std),
    BERT(qformer), BERT(pformer), BERT(opt),
    SIZE_OF(NULL, "queries", queries, 1), SIZE_OF(NULL, "embed", embed, 1), SIZE_OF(NULL, "cross_every", cross_every, 1),
    SIZE_OF(NULL, "labels", labels, 0), REAL_OF(NULL, "ln_vision_eps", ln_vision_eps),
    ID_OF("tokens", "cls", cls), ID_OF("tokens", "sep", sep), ID_OF("tokens", "mask", mask), ID_OF("tokens", "dec", dec),
    ID_OF("tokens", "bos", bos), ID_OF("tokens", "pad", pad),
};
#define MEMBERS (sizeof members / sizeof *members)

static const struct member *find(const char *group, const char *name)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if ((group ? members[i].group && strcmp(members[i].group, group) == 0 : !members[i].group) &&
            strcmp(members[i].name, name) == 0)
            return &members[i];
    return NULL;
}

static int set(struct bt_config *config, const struct member *m, const json_t *value, const char *place, struct bt_err *err)
{
    void *at = (char *)config + m->offset;
    const char *group = m->group ? m->group : "", *dot = m->group ? "." : "";

    if (m->kind == REAL) {
        if (!json_is_number(value) || json_number_value(value) < 0)
            return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a number of at least 0", place, group, dot, m->name);
        *(float *)at = (float)json_number_value(value);
        return BT_OK;
    }
    if (!json_is_integer(value) || (double)json_integer_value(value) < m->least || json_integer_value(value) > INT32_MAX)
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a whole number of at least %.0f", place, group, dot, m->name, m->least);
    if (m->kind == ID)
        *(int32_t *)at = (int32_t)json_integer_value(value);
    else
        *(size_t *)at = (size_t)json_integer_value(value);
    return BT_OK;
}

/* Members of one object, each of them known; marks those seen. */
static int read_object(struct bt_config *config, const char *group, const json_t *object, bool *seen, const char *place,
                       struct bt_err *err)
{
    const char *key;
    json_t *value;
    int rc = BT_OK;

    json_object_foreach((json_t *)object, key, value) {
        const struct member *m = find(group, key);

        if (!m && !group && json_is_object(value))
            rc = read_object(config, key, value, seen, place, err);
        else if (!m)
            rc = bt_fail(err, BT_ERR_CONFIG, "%s: unknown member '%s%s%s'; see bt-checkpoint(5) for those of a model", place,
                         group ? group : "", group ? "." : "", bt_quote_str(key));
        else if (!(rc = set(config, m, value, place, err)))
            seen[m - members] = true;
        if (rc)
            break;
    }
    return rc;
}

static int check_heads(const char *what, size_t width, size_t heads, const char *place, struct bt_err *err)
{
    return width % heads ? bt_fail(err, BT_ERR_CONFIG, "%s: %s of width %zu cannot have %zu heads", place, what, width, heads)
                         : BT_OK;
}

int bt_config_read(struct bt_config *config, const json_t *json, const char *place, struct bt_err *err)
{
    bool seen[MEMBERS] = { false };
    struct bt_config c = { 0 };
    int rc;

    if (!json_is_object(json))
        return bt_fail(err, BT_ERR_CONFIG, "%s: a model is a JSON object", place);
    rc = read_object(&c, NULL, json, seen, place, err);
    for (size_t i = 0; i < MEMBERS && !rc; i++)
        if (!seen[i])
            rc = bt_fail(err, BT_ERR_CONFIG, "%s: member '%s%s%s' is missing", place, members[i].group ? members[i].group : "",
                         members[i].group ? "." : "", members[i].name);
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
    json_t *json = json_object();

    for (size_t i = 0; i < MEMBERS && json; i++) {
        const struct member *m = &members[i];
        const void *at = (const char *)config + m->offset;
        json_t *object = json, *value;

        if (m->group && !(object = json_object_get(json, m->group))) {
            json_object_set_new(json, m->group, json_object());
            object = json_object_get(json, m->group);
        }
        /* A float's shortest decimal form reads back as the same float; through double it would grow digits. */
        if (m->kind == REAL) {
            char text[32];

            snprintf(text, sizeof text, "%.9g", (double)*(const float *)at);
            value = json_real(strtod(text, NULL));
        } else {
            value = json_integer(m->kind == ID ? *(const int32_t *)at : (json_int_t) * (const size_t *)at);
        }
        if (json_object_set_new(object, m->name, value)) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}
