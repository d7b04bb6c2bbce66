/* Readers of what is a list: LAVIS's JSON arrays, JSON lines, lines of text. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

struct list {
    struct bt_reader_of_items base;
    struct bt_json_array *array;
    struct bt_lines *lines;
};

static void close_list(struct bt_reader_of_items *r)
{
    struct list *l = (struct list *)r;

    bt_json_array_close(l->array);
    bt_lines_close(l->lines);
    free(l);
}

/* The entry's own id, that of its question, or its place in the file. */
static int name_entry(struct bt_item *item, const json_t *object, const char *file, uint64_t number,
                      struct bt_err *err)
{
    const json_t *id = json_object_get(object, "id");

    if (!id)
        id = json_object_get(object, "question_id");
    item->id = bt_id_text(id);
    if (!item->id)
        item->id = bt_format("%s:%llu", file, (unsigned long long)number);
    return item->id ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

static int entry(struct bt_item *item, json_t *object, const struct bt_place *place, uint64_t number,
                 struct bt_err *err)
{
    json_t *mapped = bt_map_apply(place->options->map, object);
    int rc = mapped ? name_entry(item, mapped, place->name, number, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");

    if (!rc)
        rc = bt_item_from_object(item, mapped, place, err);
    json_decref(mapped);
    return rc;
}

static int next_element(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct list *l = (struct list *)r;
    json_t *object;
    int rc = bt_json_array_next(l->array, &object, err);

    if (rc)
        return rc;
    rc = entry(item, object, &r->place, bt_json_array_index(l->array), err);
    json_decref(object);
    return rc;
}

/* A line that is not JSON is one bad item, except that a cut last line says that the file is cut. */
static int next_json_line(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct list *l = (struct list *)r;
    struct bt_err why = { 0 };
    json_t *object = NULL;
    const char *line;
    size_t size;
    int rc;

    do {
        rc = bt_lines_next(l->lines, &line, &size, err);
    } while (!rc && strspn(line, " \t") == size);
    if (rc)
        return rc;
    if (bt_json_parse(&object, r->place.name, line, size, &why)) {
        rc = name_entry(item, NULL, r->place.name, bt_lines_number(l->lines), err);
        return rc ? rc : bt_item_reject(item, "JSON_SYNTAX", "%.190s", why.text);
    }
    rc = entry(item, object, &r->place, bt_lines_number(l->lines), err);
    json_decref(object);
    return rc;
}

static int next_text(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct list *l = (struct list *)r;
    json_t *text;
    const char *line;
    size_t size;
    int rc;

    for (;;) {
        rc = bt_lines_next(l->lines, &line, &size, err);
        if (rc)
            return rc;
        if (strspn(line, " \t") < size)
            break;
        r->place.stats->blank_lines++;
    }
    rc = name_entry(item, NULL, r->place.name, bt_lines_number(l->lines), err);
    if (rc)
        return rc;
    if (memchr(line, 0, size))
        return bt_item_reject(item, "TEXT_NUL", "a NUL byte in the line");
    text = json_stringn(line, size);
    if (!text)
        return bt_item_reject(item, "TEXT_UTF8", "the line is not UTF-8");
    return bt_item_set(item, "text", text, err);
}

static struct list *new_list(const struct bt_place *place, struct bt_err *err)
{
    struct list *l = bt_alloc(1, sizeof *l, err);

    if (l) {
        l->base.place = *place;
        l->base.close = close_list;
    }
    return l;
}

int bt_read_list(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct list *l = new_list(place, err);
    int rc = l ? bt_json_array_open(&l->array, place->path, NULL, err) : BT_ERR_MEMORY;

    if (rc) {
        free(l);
        return rc;
    }
    l->base.next = next_element;
    *r = &l->base;
    return BT_OK;
}

static int read_lines(struct bt_reader_of_items **r, const struct bt_place *place,
                      int (*next)(struct bt_reader_of_items *, struct bt_item *, struct bt_err *),
                      struct bt_err *err)
{
    struct list *l = new_list(place, err);
    int rc = l ? bt_lines_open(&l->lines, place->path, err) : BT_ERR_MEMORY;

    if (rc) {
        free(l);
        return rc;
    }
    l->base.next = next;
    *r = &l->base;
    return BT_OK;
}

int bt_read_lines(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_lines(r, place, next_json_line, err);
}

int bt_read_text(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_lines(r, place, next_text, err);
}
