/* Reader of VQAv2's official pair: a question file and, where there are answers, an annotation file. The
 * picture is found by its number. data.md 3.5. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

struct answer {
    json_t *question_id, *object;
};

struct vqa {
    struct bt_reader_of_items base;
    struct bt_json_array *questions;
    struct answer *answers;
    uint64_t count, capacity;
};

static void close_vqa(struct bt_reader_of_items *r)
{
    struct vqa *v = (struct vqa *)r;

    for (uint64_t i = 0; i < v->count; i++)
        json_decref(v->answers[i].object);
    free(v->answers);
    bt_json_array_close(v->questions);
    free(v);
}

/* Integers before strings: an id of the one kind never equals one of the other. */
static int order_ids(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return x < y ? -1 : x > y;
    }
    if (json_is_integer(a) || json_is_integer(b))
        return json_is_integer(a) ? -1 : 1;
    return strcmp(json_string_value(a), json_string_value(b));
}

static bool is_id(const json_t *id)
{
    return json_is_integer(id) || json_is_string(id);
}

static int by_question(const void *a, const void *b)
{
    return order_ids(((const struct answer *)a)->question_id, ((const struct answer *)b)->question_id);
}

/* Of an annotation only what a record takes is kept. */
static json_t *slimmed(const json_t *o)
{
    static const char *const keys[] = { "question_id", "question_type", "answer_type" };
    json_t *slim = json_object(), *answers = json_array(), *one;
    size_t i;

    for (i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(o, keys[i]))
            json_object_set(slim, keys[i], json_object_get(o, keys[i]));
    json_array_foreach (json_object_get(o, "answers"), i, one)
        json_array_append(answers, json_is_object(one) ? json_object_get(one, "answer") : one);
    json_object_set_new(slim, "answers", answers);
    return slim;
}

static int load_answers(struct vqa *v, const char *path, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    json_t *o;
    int rc = bt_json_array_open(&array, path, "annotations", err);

    while (!rc) {
        rc = bt_json_array_next(array, &o, err);
        if (rc)
            break;
        if (!is_id(json_object_get(o, "question_id")))
            rc = bt_fail(err, BT_ERR_INPUT, "%s:%llu: annotation without 'question_id'; is this a VQA file?",
                         path, (unsigned long long)bt_json_array_line(array));
        if (!rc)
            rc = bt_grow(&v->answers, &v->capacity, v->count + 1, sizeof *v->answers, err);
        if (!rc) {
            json_t *slim = slimmed(o);
            v->answers[v->count++] = (struct answer){ json_object_get(slim, "question_id"), slim };
        }
        json_decref(o);
    }
    bt_json_array_close(array);
    if (rc != BT_END)
        return rc;
    if (v->count)
        qsort(v->answers, v->count, sizeof *v->answers, by_question);
    return BT_OK;
}

/* The question's own fields, and after them those of its annotation. */
static int join(struct vqa *v, struct bt_item *item, const json_t *question_id, struct bt_err *err)
{
    struct answer key = { (json_t *)question_id, NULL }, *found = NULL;
    struct bt_place place = v->base.place;
    struct bt_annotations_options no_picture = *place.options;

    if (v->count)
        found = bsearch(&key, v->answers, v->count, sizeof key, by_question);
    if (!found)
        return v->base.place.options->answers
                   ? bt_item_reject(item, "FIELD_MISSING", "the question has no entry in the annotation file")
                   : BT_OK;
    no_picture.text_only = true;
    place.options = &no_picture;
    return bt_item_from_object(item, found->object, &place, err);
}

static int question(struct vqa *v, struct bt_item *item, json_t *o, struct bt_err *err)
{
    json_t *id = json_object_get(o, "question_id"), *image_id = json_object_get(o, "image_id");
    json_t *text = json_object_get(o, "question");
    int rc;

    if (!is_id(id) || !json_is_integer(image_id) || !json_is_string(text))
        return bt_item_reject(item, "FIELD_MISSING",
                              "a question needs 'question_id', 'image_id' and 'question'");
    rc = bt_item_set(item, "image_id", json_incref(image_id), err);
    if (!rc)
        rc = bt_item_set(item, "question", json_incref(text), err);
    if (!rc)
        rc = bt_item_set(item, "question_id", json_incref(id), err);
    if (!rc)
        rc = join(v, item, id, err);
    if (!rc && !item->reject.code)
        rc = bt_item_find_image(item, &v->base.place, NULL, json_integer_value(image_id), err);
    return rc;
}

static int next_question(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct vqa *v = (struct vqa *)r;
    json_t *o;
    int rc = bt_json_array_next(v->questions, &o, err);

    if (rc)
        return rc;
    item->id = bt_id_text(json_object_get(o, "question_id"));
    rc = question(v, item, o, err);
    json_decref(o);
    return rc;
}

int bt_read_vqa(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct vqa *v = bt_alloc(1, sizeof *v, err);
    int rc;

    if (!v)
        return BT_ERR_MEMORY;
    v->base.place = *place;
    v->base.next = next_question;
    v->base.close = close_vqa;
    rc = place->options->answers ? load_answers(v, place->options->answers, err) : BT_OK;
    if (!rc)
        rc = bt_json_array_open(&v->questions, place->path, "questions", err);
    if (rc)
        close_vqa(&v->base);
    else
        *r = &v->base;
    return rc;
}
