/* Captions and references from JSON files and from records. */
#include <string.h>

#include "libcommon/metrics/captions.h"
#include "libcommon/metrics/input.h"
#include "libcommon/stream/stream.h"

/* What an array of a JSON file holds, and what is done with each element; without `wants_caption` the caption
 * is empty. */
struct element_kind {
    const char *member, *id_key;
    bool wants_caption;
    int (*apply)(struct bt_captions *set, struct bt_text id, struct bt_text caption, struct bt_err *err);
};

static int apply_image(struct bt_captions *set, struct bt_text id, struct bt_text caption, struct bt_err *err)
{
    (void)caption;
    return bt_captions_image(set, id, err);
}

static const struct element_kind image_kind = { "images", "id", false, apply_image };
static const struct element_kind reference_kind = { "annotations", "image_id", true, bt_captions_reference };
static const struct element_kind result_kind = { NULL, "image_id", true, bt_captions_result };

static int read_json(const json_t *object, const struct element_kind *kind, struct bt_buf *id,
                     struct bt_text *caption, struct bt_err *err)
{
    bool found = false;
    int rc = bt_input_json_id(object, kind->id_key, id, err);
    if (!rc && kind->wants_caption)
        rc = bt_input_json_text(object, "caption", caption, &found, err);
    if (!rc && kind->wants_caption && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no caption");
    return rc;
}

/* The same from a plain object: false when something is missing or of another kind, for the above to say. */
static bool read_flat(const struct bt_json_flat *flat, const struct element_kind *kind, struct bt_buf *id,
                      struct bt_text *caption)
{
    const struct bt_json_member *number = bt_json_flat_find(flat, kind->id_key, strlen(kind->id_key));
    const struct bt_json_member *text = bt_json_flat_find(flat, "caption", strlen("caption"));
    id->size = 0;
    if (!number || number->is_string || (kind->wants_caption && (!text || !text->is_string)))
        return false;
    if (kind->wants_caption)
        *caption = (struct bt_text){ text->text, text->size };
    return bt_buf_add(id, number->text, number->size, NULL) == BT_OK;
}

/* `element` is NULL for a plain object. */
static int take_element(struct bt_captions *set, const struct bt_json_flat *flat, json_t *element,
                        const struct element_kind *kind, struct bt_buf *id, struct bt_err *err)
{
    struct bt_text caption = { "", 0 };
    int rc = BT_OK;
    if (element || !read_flat(flat, kind, id, &caption)) {
        if (!element)
            rc = bt_json_parse(&element, "element", flat->text, flat->size, err);
        if (!rc)
            rc = read_json(element, kind, id, &caption, err);
    }
    if (!rc)
        rc = kind->apply(set, bt_buf_text(id), caption, err);
    json_decref(element);
    return rc;
}

/* The rest of an array. */
static int take_elements(struct bt_captions *set, struct bt_json_array *array, const char *path,
                         const struct element_kind *kind, uint64_t *count, struct bt_err *err)
{
    struct bt_json_flat flat;
    struct bt_buf id = { 0 };
    json_t *element = NULL;
    int rc;

    *count = 0;
    while ((rc = bt_json_array_next_flat(array, &flat, &element, err)) == BT_OK) {
        rc = take_element(set, &flat, element, kind, &id, err);
        ++*count;
        if (rc) {
            bt_context(err, "%s: %s %llu", bt_input_name(path), kind->member ? kind->member : "record",
                       (unsigned long long)*count);
            break;
        }
    }
    bt_buf_free(&id);
    return rc == BT_END ? BT_OK : rc;
}

static int for_each_element(struct bt_captions *set, const char *path, const struct element_kind *kind,
                            uint64_t *count, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    int rc = bt_json_array_open(&array, path, kind->member, err);
    if (!rc)
        rc = take_elements(set, array, path, kind, count, err);
    bt_json_array_close(array);
    return rc;
}

/* Images, then annotations, which are read again where they stand before the images. */
static int read_references(struct bt_captions *set, const char *path, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    uint64_t count;
    bool ended = false;
    int rc = bt_json_array_open(&array, path, image_kind.member, err);
    if (!rc)
        rc = bt_json_array_follow(array, reference_kind.member, err);
    if (!rc)
        rc = take_elements(set, array, path, &image_kind, &count, err);
    if (!rc && !(ended = bt_json_array_ended(array)))
        rc = take_elements(set, array, path, &reference_kind, &count, err);
    bt_json_array_close(array);
    return rc || !ended ? rc : for_each_element(set, path, &reference_kind, &count, err);
}

/* The record's `captions`, all references of the image `id`. */
static int record_references(struct bt_captions *set, const struct bt_record *rec, struct bt_text id,
                             struct bt_err *err)
{
    struct bt_value captions = bt_record_get(rec, "captions");
    if (captions.kind != BT_ARRAY || captions.size == 0)
        return bt_fail(err, BT_ERR_INPUT, "no references in `captions`; give them with --refs");
    int rc = bt_captions_image(set, id, err);
    for (size_t i = 0; !rc && i < captions.size; i++) {
        struct bt_value caption = bt_value_at(captions, i);
        if (caption.kind != BT_STR)
            return bt_fail(err, BT_ERR_INPUT, "captions holds something that is not a string");
        rc = bt_captions_reference(set, id, (struct bt_text){ caption.data, caption.size }, err);
    }
    return rc;
}

static int record_result(struct bt_captions *set, const struct bt_record *rec, struct bt_text id,
                         struct bt_err *err)
{
    struct bt_text caption;
    bool found = false;
    int rc = bt_input_record_text(rec, "caption", &caption, &found, err);
    if (!rc && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no caption");
    bt_input_record_preset(rec, bt_captions_join(set));
    return rc ? rc : bt_captions_result(set, id, caption, err);
}

/* What records are read for; own references and results go together. */
enum part { IMAGES, REFERENCES, RESULTS, BOTH };

static int load_records(struct bt_captions *set, const char *path, enum part part, struct bt_err *err)
{
    const bool results = part >= RESULTS, references = part == REFERENCES || part == BOTH;
    static const struct bt_schema *const predictions[] = { &bt_schema_prediction, NULL };
    const struct bt_reader_options options = { .schemas = results ? predictions : NULL };
    struct bt_reader *reader = NULL;
    struct bt_record *rec = bt_record_new();
    struct bt_buf id = { 0 };

    int rc =
        rec ? bt_reader_open(&reader, path, &options, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    while (!rc && (rc = bt_reader_next(reader, rec, err)) == BT_OK) {
        rc = bt_input_record_id(rec, "image_id", &id, err);
        if (!rc && part == IMAGES)
            rc = bt_captions_image(set, bt_buf_text(&id), err);
        if (!rc && references)
            rc = record_references(set, rec, bt_buf_text(&id), err);
        if (!rc && results)
            rc = record_result(set, rec, bt_buf_text(&id), err);
        if (rc)
            bt_context(err, "%s", bt_reader_place(reader));
    }
    bt_reader_close(reader);
    bt_record_free(rec);
    bt_buf_free(&id);
    return rc == BT_END ? BT_OK : rc;
}

int bt_captions_load_images(struct bt_captions *set, const char *path, struct bt_err *err)
{
    enum bt_input kind;
    uint64_t count = 0;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        rc = load_records(set, path, IMAGES, err);
    else if (kind == BT_INPUT_OBJECT)
        rc = for_each_element(set, path, &image_kind, &count, err);
    else
        rc = bt_fail(err, BT_ERR_INPUT, "%s: neither records nor an object with images", bt_input_name(path));
    if (!rc && bt_join_count(bt_captions_join(set)) == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no images", bt_input_name(path));
    return rc;
}

int bt_captions_load_references(struct bt_captions *set, const char *path, struct bt_err *err)
{
    enum bt_input kind;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        rc = load_records(set, path, REFERENCES, err);
    else if (kind != BT_INPUT_OBJECT)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: neither records nor an object with images and annotations",
                     bt_input_name(path));
    else if (strcmp(path, "-") == 0)
        rc = bt_fail(err, BT_ERR_USAGE, "stdin: captions JSON is read twice; give it as a file");
    else
        rc = read_references(set, path, err);
    if (!rc && bt_join_count(bt_captions_join(set)) == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no images; nothing can be scored", bt_input_name(path));
    return rc;
}

int bt_captions_load_results(struct bt_captions *set, const char *path, bool own_references,
                             struct bt_err *err)
{
    enum bt_input kind;
    uint64_t count = 0;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        return load_records(set, path, own_references ? BOTH : RESULTS, err);
    if (kind != BT_INPUT_ARRAY)
        return bt_fail(err, BT_ERR_INPUT,
                       "%s: not an array; results are [{\"image_id\": ..., \"caption\": ...}, ...]",
                       bt_input_name(path));
    if (own_references)
        return bt_fail(err, BT_ERR_USAGE, "%s: holds no references; give them with --refs",
                       bt_input_name(path));
    rc = for_each_element(set, path, &result_kind, &count, err);
    if (!rc && count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no results; the array is empty", bt_input_name(path));
    return rc;
}
