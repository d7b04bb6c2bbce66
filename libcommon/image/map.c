/* Fields under other names. */
#include "libcommon/image/map.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

enum { MOST = 16 };

struct bt_map {
    char *text; /* cut up in place */
    size_t count;
    struct {
        const char *field, *from;
    } entry[MOST];
};

static const char *const fields[] = { "id", "image", "image_id", "caption", "captions", "text", "question", "question_id",
                                      "answer", "answers", "question_type", "answer_type", "split" };

static bool is_field(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i], name) == 0)
            return true;
    return false;
}

static int add(struct bt_map *map, char *entry, struct bt_err *err)
{
    char *equals = strchr(entry, '=');

    if (!equals || equals == entry || !equals[1])
        return bt_fail(err, BT_ERR_USAGE, "--map: '%s' is not FIELD=NAME", bt_quote_str(entry));
    *equals = '\0';
    if (!is_field(entry))
        return bt_fail(err, BT_ERR_USAGE, "--map: there is no field '%s'; bt-preprocess(1) lists them", bt_quote_str(entry));
    if (bt_map_from(map, entry))
        return bt_fail(err, BT_ERR_USAGE, "--map: field '%s' stands there twice", entry);
    if (map->count == MOST)
        return bt_fail(err, BT_ERR_USAGE, "--map: more than %d fields", MOST);
    map->entry[map->count].field = entry;
    map->entry[map->count++].from = equals + 1;
    return BT_OK;
}

int bt_map_parse(struct bt_map **out, const char *text, struct bt_err *err)
{
    struct bt_map *map;
    char *rest, *entry;
    int rc = BT_OK;

    *out = NULL;
    if (!text)
        return BT_OK;
    map = bt_alloc(1, sizeof *map, err);
    if (!map)
        return err->status;
    map->text = strdup(text);
    if (!map->text)
        rc = bt_fail(err, BT_ERR_MEMORY, "--map: out of memory");
    for (rest = map->text; !rc && (entry = strsep(&rest, ","));)
        rc = add(map, entry, err);
    if (rc)
        bt_map_free(map);
    else
        *out = map;
    return rc;
}

void bt_map_free(struct bt_map *map)
{
    if (!map)
        return;
    free(map->text);
    free(map);
}

/* A member by its whole name, else step by step. */
static json_t *look_up(const json_t *object, const char *path)
{
    json_t *value = json_object_get(object, path);
    const char *dot = strchr(path, '.');

    if (value || !dot)
        return value;
    value = json_object_getn(object, path, (size_t)(dot - path));
    return json_is_object(value) ? look_up(value, dot + 1) : NULL;
}

json_t *bt_map_apply(const struct bt_map *map, json_t *object)
{
    json_t *mapped = map && json_is_object(object) ? json_copy(object) : json_incref(object);

    for (size_t i = 0; mapped && mapped != object && i < map->count; i++) {
        json_t *value = look_up(object, map->entry[i].from);

        if (!value)
            json_object_del(mapped, map->entry[i].field);
        else if (json_object_set(mapped, map->entry[i].field, value)) {
            json_decref(mapped);
            return NULL;
        }
    }
    return mapped;
}

const char *bt_map_from(const struct bt_map *map, const char *field)
{
    for (size_t i = 0; map && i < map->count; i++)
        if (strcmp(map->entry[i].field, field) == 0)
            return map->entry[i].from;
    return NULL;
}

bool bt_map_by_number(const struct bt_map *map)
{
    for (size_t i = 0; map && i < map->count; i++)
        if (map->entry[i].from[strspn(map->entry[i].from, "0123456789")])
            return false;
    return map != NULL;
}

size_t bt_map_last_column(const struct bt_map *map)
{
    size_t last = 0;

    for (size_t i = 0; i < map->count; i++) {
        size_t column = strtoul(map->entry[i].from, NULL, 10);

        last = column > last ? column : last;
    }
    return last;
}
