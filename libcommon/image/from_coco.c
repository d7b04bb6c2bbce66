/* Readers of COCO's captions: the official object (images and annotations, to be joined) and Karpathy's (a
 * picture with its sentences). data.md 3.5. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

/* One caption waiting for its picture. */
struct caption {
    int64_t image_id;
    uint64_t order;
    json_t *id, *text;
};

struct coco {
    struct bt_reader_of_items base;
    struct bt_json_array *images;
    struct caption *captions;
    uint64_t count, capacity, used;
};

static void close_coco(struct bt_reader_of_items *r)
{
    struct coco *c = (struct coco *)r;

    r->place.stats->orphans += c->count - c->used;
    for (uint64_t i = 0; i < c->count; i++) {
        json_decref(c->captions[i].id);
        json_decref(c->captions[i].text);
    }
    free(c->captions);
    bt_json_array_close(c->images);
    free(c);
}

static int by_image(const void *a, const void *b)
{
    const struct caption *x = a, *y = b;

    if (x->image_id != y->image_id)
        return x->image_id < y->image_id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int add_caption(struct coco *c, const json_t *o, const struct bt_json_array *array, struct bt_err *err)
{
    json_t *image_id = json_object_get(o, "image_id"), *text = json_object_get(o, "caption");
    int rc;

    if (!json_is_integer(image_id) || !json_is_string(text))
        return bt_fail(err, BT_ERR_INPUT,
                       "%s:%llu: annotation without 'image_id' and 'caption'; is this a caption file?",
                       c->base.place.path, (unsigned long long)bt_json_array_line(array));
    rc = bt_grow(&c->captions, &c->capacity, c->count + 1, sizeof *c->captions, err);
    if (rc)
        return rc;
    c->captions[c->count] = (struct caption){ json_integer_value(image_id), c->count,
                                              json_incref(json_object_get(o, "id")), json_incref(text) };
    c->count++;
    return BT_OK;
}

/* All captions, sorted by picture. A file without them (a test set) has none. */
static int load_captions(struct coco *c, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    struct bt_err none = { 0 };
    json_t *o;
    int rc;

    rc = bt_json_array_open(&array, c->base.place.path, "annotations", &none);
    if (!rc)
        rc = bt_json_array_next(array, &o, &none);
    if (rc == BT_ERR_JSON && strstr(none.text, "has no '")) {
        bt_json_array_close(array);
        return BT_OK;
    }
    if (rc && rc != BT_END)
        rc = bt_fail(err, rc, "%s", none.text);
    while (!rc) {
        rc = add_caption(c, o, array, err);
        json_decref(o);
        if (!rc)
            rc = bt_json_array_next(array, &o, err);
    }
    bt_json_array_close(array);
    if (rc != BT_END)
        return rc;
    if (c->count)
        qsort(c->captions, c->count, sizeof *c->captions, by_image);
    return BT_OK;
}

static uint64_t first_caption(const struct coco *c, int64_t image_id)
{
    uint64_t low = 0, high = c->count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (c->captions[middle].image_id < image_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int set_captions(struct bt_item *item, json_t *texts, json_t *ids, struct bt_err *err)
{
    item->by_caption = true;
    if (json_array_size(ids) == json_array_size(texts))
        item->caption_ids = ids;
    else
        json_decref(ids);
    return bt_item_set(item, "captions", texts, err);
}

static int take_captions(struct coco *c, struct bt_item *item, int64_t image_id, struct bt_err *err)
{
    json_t *texts = json_array(), *ids = json_array();

    for (uint64_t i = first_caption(c, image_id); i < c->count && c->captions[i].image_id == image_id; i++) {
        json_array_append(texts, c->captions[i].text);
        if (c->captions[i].id)
            json_array_append(ids, c->captions[i].id);
        c->used++;
    }
    if (json_array_size(texts) > 0)
        return set_captions(item, texts, ids, err);
    json_decref(texts);
    json_decref(ids);
    return BT_OK;
}

static int next_coco(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct coco *c = (struct coco *)r;
    json_t *o, *id, *name;
    int rc = bt_json_array_next(c->images, &o, err);

    if (rc)
        return rc;
    id = json_object_get(o, "id");
    name = json_object_get(o, "file_name");
    if (!json_is_integer(id) || (name && !json_is_string(name))) {
        rc = bt_fail(err, BT_ERR_INPUT, "%s:%llu: image without integer 'id' and string 'file_name'",
                     r->place.path, (unsigned long long)bt_json_array_line(c->images));
    } else {
        item->id = bt_id_text(id);
        rc = bt_item_set(item, "image_id", json_incref(id), err);
        if (!rc)
            rc = take_captions(c, item, json_integer_value(id), err);
        if (!rc)
            rc = bt_item_find_image(item, &r->place, json_string_value(name), json_integer_value(id), err);
    }
    json_decref(o);
    return rc;
}

static int new_coco(struct coco **coco, const struct bt_place *place, struct bt_err *err)
{
    struct coco *c = bt_alloc(1, sizeof *c, err);

    if (!c)
        return BT_ERR_MEMORY;
    c->base.place = *place;
    c->base.close = close_coco;
    *coco = c;
    return BT_OK;
}

int bt_read_coco(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct coco *c;
    int rc = new_coco(&c, place, err);

    if (rc)
        return rc;
    c->base.next = next_coco;
    rc = load_captions(c, err);
    if (!rc)
        rc = bt_json_array_open(&c->images, place->path, "images", err);
    if (rc)
        close_coco(&c->base);
    else
        *r = &c->base;
    return rc;
}

/* ---- Karpathy ---- */

static int sentences(struct bt_item *item, const json_t *o, struct bt_err *err)
{
    json_t *texts = json_array(), *ids = json_array(), *sentence, *id;
    size_t i;

    json_array_foreach (json_object_get(o, "sentences"), i, sentence) {
        json_t *raw = json_object_get(sentence, "raw");

        if (!json_is_string(raw)) {
            json_decref(texts);
            json_decref(ids);
            return bt_item_reject(item, "JSON_TYPE", "sentence %zu has no string 'raw'", i);
        }
        json_array_append(texts, raw);
        id = json_object_get(sentence, "sentid");
        if (json_is_integer(id))
            json_array_append(ids, id);
    }
    return set_captions(item, texts, ids, err);
}

static int karpathy_image(struct bt_item *item, const json_t *o, const struct bt_place *place,
                          struct bt_err *err)
{
    const char *folder = json_string_value(json_object_get(o, "filepath"));
    const char *name = json_string_value(json_object_get(o, "filename"));
    char *path;

    if (!name)
        return bt_item_reject(item, "FIELD_MISSING", "no string 'filename'");
    if (!folder)
        return bt_item_find_image(item, place, name, -1, err);
    path = bt_format("%s/%s", folder, name);
    if (!path)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    item->root = place->root;
    item->image = place->options->text_only ? NULL : path;
    if (!item->image)
        free(path);
    return BT_OK;
}

static int next_karpathy(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct coco *c = (struct coco *)r;
    const char *split;
    json_t *o, *id;
    int rc = bt_json_array_next(c->images, &o, err);

    if (rc)
        return rc;
    id = json_object_get(o, "cocoid");
    if (!id)
        id = json_object_get(o, "imgid");
    split = json_string_value(json_object_get(o, "split"));
    item->id = bt_id_text(id);
    if (!item->id)
        item->id = bt_format("%s:%llu", r->place.name, (unsigned long long)bt_json_array_index(c->images));
    if (id && (json_is_integer(id) || json_is_string(id)))
        rc = bt_item_set(item, "image_id", json_incref(id), err);
    if (!rc)
        rc = sentences(item, o, err);
    if (!rc && split)
        rc = bt_item_set(item, "split", json_string(split), err);
    if (!rc && !item->reject.code)
        rc = karpathy_image(item, o, &r->place, err);
    item->by_caption = split && (strcmp(split, "train") == 0 || strcmp(split, "restval") == 0);
    json_decref(o);
    return rc;
}

int bt_read_karpathy(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct coco *c;
    int rc = new_coco(&c, place, err);

    if (rc)
        return rc;
    c->base.next = next_karpathy;
    rc = bt_json_array_open(&c->images, place->path, "images", err);
    if (rc)
        close_coco(&c->base);
    else
        *r = &c->base;
    return rc;
}
