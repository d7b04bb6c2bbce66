/* Reader of GQA's official question files: an object that holds each question under its id. data.md 3.5. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

struct gqa {
    struct bt_reader_of_items base;
    struct bt_json_array *questions;
};

static void close_gqa(struct bt_reader_of_items *r)
{
    struct gqa *g = (struct gqa *)r;

    bt_json_array_close(g->questions);
    free(g);
}

/* Pictures are named by number or by "n" and number, without an ending. */
static int find_picture(struct bt_item *item, const struct bt_place *place, const char *number, struct bt_err *err)
{
    char *name = bt_format("%s.jpg", number);
    int rc = name ? bt_item_find_image(item, place, name, -1, err) : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);

    free(name);
    return rc;
}

static int fill(struct bt_item *item, const struct bt_place *place, const char *id, json_t *question, struct bt_err *err)
{
    const char *image = json_string_value(json_object_get(question, "imageId"));
    json_t *types = json_object_get(question, "types"), *kind = json_object_get(types, "structural");
    int rc;

    item->id = bt_format("%s", id);
    item->root = place->root;
    if (!item->id)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
    if (!json_is_object(question))
        return bt_item_reject(item, "JSON_TYPE", "the question is not an object");
    rc = bt_item_take_fields(item, question, err);
    /* Ids stay texts: two of them may differ in leading zeros alone. */
    if (!rc)
        rc = bt_item_set(item, "question_id", json_string(id), err);
    if (!rc && json_is_string(kind))
        rc = bt_item_set(item, "question_type", json_incref(kind), err);
    if (rc || item->reject.code)
        return rc;
    if (!image && !place->options->text_only)
        return bt_item_reject(item, "FIELD_MISSING", "no string 'imageId'");
    if (image)
        rc = bt_item_set(item, "image_id", json_string(image), err);
    return !rc && image ? find_picture(item, place, image, err) : rc;
}

static int next_question(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct gqa *g = (struct gqa *)r;
    const char *id;
    json_t *question;
    int rc = bt_json_members_next(g->questions, &id, &question, err);

    if (rc)
        return rc;
    rc = fill(item, &r->place, id, question, err);
    json_decref(question);
    return rc;
}

int bt_read_gqa(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct gqa *g = bt_alloc(1, sizeof *g, err);
    int rc = g ? bt_json_members_open(&g->questions, place->path, err) : BT_ERR_MEMORY;

    if (rc) {
        free(g);
        return rc;
    }
    g->base = (struct bt_reader_of_items){ .place = *place, .next = next_question, .close = close_gqa };
    *r = &g->base;
    return BT_OK;
}
