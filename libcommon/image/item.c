/* Building one item. See reader.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libcommon/base/file.h"
#include "libcommon/image/reader.h"

void bt_item_clear(struct bt_item *item)
{
    free(item->id);
    free(item->image);
    free(item->bytes);
    json_decref(item->fields);
    json_decref(item->caption_ids);
    *item = (struct bt_item){ 0 };
}

int bt_item_reject(struct bt_item *item, const char *code, const char *fmt, ...)
{
    va_list args;

    item->reject.code = code;
    va_start(args, fmt);
    vsnprintf(item->reject.detail, sizeof item->reject.detail, fmt, args);
    va_end(args);
    return BT_OK;
}

int bt_item_set(struct bt_item *item, const char *key, json_t *value, struct bt_err *err)
{
    if (!item->fields)
        item->fields = json_object();
    if (!item->fields || json_object_set_new(item->fields, key, value))
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    return BT_OK;
}

char *bt_id_text(const json_t *id)
{
    if (json_is_integer(id))
        return bt_format("%lld", (long long)json_integer_value(id));
    return json_is_string(id) ? bt_format("%s", json_string_value(id)) : NULL;
}

bool bt_is_picture_name(const char *name)
{
    static const char *const endings[] = { "jpg", "jpeg", "jpe",  "jfif", "png",  "webp", "gif", "bmp",
                                           "tif", "tiff", "avif", "heic", "heif", "jp2",  "jxl" };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

int bt_item_find_image(struct bt_item *item, const struct bt_place *place, const char *name, int64_t number,
                       struct bt_err *err)
{
    const char *path = name;
    int rc = BT_OK;

    item->root = place->root;
    if (place->options->text_only)
        return BT_OK;
    if (!name || !strchr(name, '/')) {
        path = NULL;
        if (name)
            rc = bt_root_find(place->root, name, -1, &path, err);
        if (!rc && !path && number >= 0)
            rc = bt_root_find(place->root, NULL, number, &path, err);
    }
    if (rc)
        return rc;
    if (!path)
        return name ? bt_item_reject(item, "FILE_MISSING", "no file '%s' below the image root",
                                     bt_quote_str(name))
                    : bt_item_reject(item, "FILE_MISSING",
                                     "no file below the image root whose name ends in %lld",
                                     (long long)number);
    item->image = bt_format("%s", path);
    return item->image ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

/* ---- the fields of an entry ---- */

enum kind { KIND_STR, KIND_STRS, KIND_ID };

static const struct field {
    const char *key, *name; /* in the file, in the record */
    enum kind kind;
} known[] = {
    { "image_id", "image_id", KIND_ID },
    { "img_id", "image_id", KIND_ID },
    { "caption", "captions", KIND_STRS },
    { "captions", "captions", KIND_STRS },
    { "question", "question", KIND_STR },
    { "question_id", "question_id", KIND_ID },
    { "answer", "answers", KIND_STRS },
    { "answers", "answers", KIND_STRS },
    { "question_type", "question_type", KIND_STR },
    { "answer_type", "answer_type", KIND_STR },
    { "text", "text", KIND_STR },
    { "split", "split", KIND_STR },
};

/* A string, an array of them, or VQAv2's array of {"answer": ...}, as an array of strings; NULL for other
 * things. */
static json_t *strings(json_t *value)
{
    json_t *all = json_array(), *element;
    size_t i;

    if (json_is_string(value)) {
        json_array_append(all, value);
        return all;
    }
    json_array_foreach (value, i, element) {
        if (json_is_object(element))
            element = json_object_get(element, "answer");
        if (!json_is_string(element))
            break;
        json_array_append(all, element);
    }
    if (json_is_array(value) && i == json_array_size(value))
        return all;
    json_decref(all);
    return NULL;
}

static int take_field(struct bt_item *item, const struct field *f, json_t *value, struct bt_err *err)
{
    json_t *made = NULL;

    if (!value || json_is_null(value))
        return BT_OK;
    if (f->kind == KIND_STRS)
        made = strings(value);
    else if (json_is_string(value) || (f->kind == KIND_ID && json_is_integer(value)))
        made = json_incref(value);
    if (!made)
        return bt_item_reject(item, "JSON_TYPE", "field '%s' is not %s", f->key,
                              f->kind == KIND_STR    ? "a string"
                              : f->kind == KIND_STRS ? "a string or an array of strings"
                                                     : "an integer or a string");
    return bt_item_set(item, f->name, made, err);
}

/* "OLD=NEW" in front of paths: annotation files carry the absolute paths of whoever made them. */
static char *mapped(const char *path, const char *map)
{
    const char *equals = map ? strchr(map, '=') : NULL;
    size_t length = equals ? (size_t)(equals - map) : 0;

    if (length == 0 || strncmp(path, map, length) != 0)
        return bt_format("%s", path);
    path += length;
    return bt_format("%s%s", equals + 1, equals[1] ? path : path + strspn(path, "/"));
}

/* An absolute path is that of somebody else's machine: the file may well lie below the root under its own name. */
static int look_by_base_name(struct bt_item *item, const struct bt_place *place, struct bt_err *err)
{
    const char *found = NULL;
    int rc = bt_root_find(place->root, strrchr(item->image, '/') + 1, -1, &found, err);
    char *path;

    if (rc || !found)
        return rc; /* reading it will say what is wrong with it */
    path = bt_format("%s", found);
    if (!path)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    free(item->image);
    item->image = path;
    place->stats->by_base_name++;
    return BT_OK;
}

static int take_image(struct bt_item *item, const json_t *object, const struct bt_place *place,
                      struct bt_err *err)
{
    static const char *const keys[] = { "image", "file_name", "filename" };
    json_t *value = NULL;

    for (size_t i = 0; i < sizeof keys / sizeof *keys && !value; i++)
        value = json_object_get(object, keys[i]);
    if (place->options->text_only || (!value && json_object_get(item->fields, "text")))
        return BT_OK;
    if (!value)
        return bt_item_reject(item, "FIELD_MISSING", "no field 'image'");
    if (!json_is_string(value))
        return bt_item_reject(item, "JSON_TYPE", "field 'image' is not a string");
    item->image = mapped(json_string_value(value), place->options->map_prefix);
    if (!item->image)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    return item->image[0] == '/' ? look_by_base_name(item, place, err) : BT_OK;
}

int bt_item_take_fields(struct bt_item *item, const json_t *object, struct bt_err *err)
{
    int rc = BT_OK;

    if (!item->fields)
        item->fields = json_object();
    for (size_t i = 0; i < sizeof known / sizeof *known && !rc && !item->reject.code; i++)
        rc = take_field(item, &known[i], json_object_get(object, known[i].key), err);
    return rc;
}

int bt_item_from_object(struct bt_item *item, const json_t *object, const struct bt_place *place,
                        struct bt_err *err)
{
    int rc;

    item->root = place->root;
    if (!json_is_object(object))
        return bt_item_reject(item, "JSON_TYPE", "the entry is not an object");
    rc = bt_item_take_fields(item, object, err);
    if (!rc && !item->reject.code)
        rc = take_image(item, object, place, err);
    return rc;
}
