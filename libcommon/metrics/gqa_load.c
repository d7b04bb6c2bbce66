/* GQA's files. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/gqa_private.h"
#include "libcommon/metrics/input.h"
#include "libcommon/metrics/words.h"
#include "libcommon/stream/stream.h"

#define MAX_OBJECTS 1000 /* of one question */
#define MAX_SIDE    256  /* of an attention map */

struct loader {
    struct bt_gqa *set;
    struct bt_buf text; /* scratch */
    bool own_answers, to_answer;
};

/* Takes one member of an object file or one element of an array (key is NULL). */
typedef int take_function(struct loader *l, const char *key, const json_t *value, struct bt_err *err);

static int for_each(struct loader *l, const char *path, bool members, take_function *take, uint64_t *count,
                    struct bt_err *err)
{
    struct bt_json_array *file = NULL;
    json_t *value = NULL;
    const char *key = NULL;

    *count = 0;
    int rc = members ? bt_json_members_open(&file, path, err) : bt_json_array_open(&file, path, NULL, err);
    while (!rc) {
        rc = members ? bt_json_members_next(file, &key, &value, err) : bt_json_array_next(file, &value, err);
        if (rc)
            break;
        rc = take(l, key, value, err);
        json_decref(value);
        ++*count;
        if (rc && members)
            bt_context(err, "%s: %s", bt_input_name(path), bt_quote_str(key));
        else if (rc)
            bt_context(err, "%s: record %llu", bt_input_name(path), (unsigned long long)*count);
    }
    bt_json_array_close(file);
    bt_buf_free(&l->text);
    return rc == BT_END ? BT_OK : rc;
}

/* ---------------------------------------------------------------- values */

static struct bt_text text_of(const json_t *string)
{
    return (struct bt_text){ json_string_value(string), json_string_length(string) };
}

/* The number of a string; -1 when it is absent or null. */
static int number_of(struct loader *l, const json_t *value, const char *key, int32_t *number,
                     struct bt_err *err)
{
    *number = -1;
    if (!value || json_is_null(value))
        return BT_OK;
    if (!json_is_string(value))
        return bt_fail(err, BT_ERR_INPUT, "%s is not a string", key);
    return bt_intern_add(l->set->texts, text_of(value), number, err);
}

/* An id with its quotes, as join.h has it. */
static int quote_id(struct loader *l, const char *key, size_t size, struct bt_err *err)
{
    l->text.size = 0;
    int rc = bt_buf_add(&l->text, "\"", 1, err);
    if (!rc)
        rc = bt_buf_add(&l->text, key, size, err);
    return rc ? rc : bt_buf_add(&l->text, "\"", 1, err);
}

static int32_t *take_list(struct loader *l, size_t count, struct bt_err *err)
{
    int32_t *items = bt_arena_take(l->set->arena, count > 0 ? count : 1, sizeof *items);
    if (!items)
        bt_fail(err, BT_ERR_MEMORY, "out of memory for the questions");
    return items;
}

/* An array of strings, or none where it is absent; `ids`: with quotes. */
static int read_list(struct loader *l, const json_t *array, const char *key, bool ids,
                     struct bt_gqa_list *list, struct bt_err *err)
{
    const json_t *value;
    size_t i;
    if (!array)
        return BT_OK;
    if (!json_is_array(array))
        return bt_fail(err, BT_ERR_INPUT, "%s is not an array", key);
    int32_t *items = take_list(l, json_array_size(array), err);
    if (!items)
        return BT_ERR_MEMORY;
    json_array_foreach(array, i, value)
    {
        if (!json_is_string(value))
            return bt_fail(err, BT_ERR_INPUT, "%s holds something that is not a string", key);
        int rc = ids ? quote_id(l, json_string_value(value), json_string_length(value), err) : BT_OK;
        if (!rc)
            rc = bt_intern_add(l->set->texts, ids ? bt_buf_text(&l->text) : text_of(value), &items[i], err);
        if (rc)
            return rc;
    }
    *list = (struct bt_gqa_list){ items, (int32_t)json_array_size(array) };
    return BT_OK;
}

/* ---------------------------------------------------------------- questions */

/* How many operations are steps: those that neither ask for existence nor name or choose the thing. */
static int count_steps(const json_t *semantic, struct bt_buf *text, int32_t *steps, struct bt_err *err)
{
    static const char *const not_steps[] = { "exist", "query: name", "choose name" };
    const json_t *step;
    size_t i;
    json_array_foreach(semantic, i, step)
    {
        const char *operation = json_string_value(json_object_get(step, "operation"));
        const char *argument = json_string_value(json_object_get(step, "argument"));
        bool is_step = true;
        text->size = 0;
        int rc = bt_buf_printf(text, err, "%s: %s", operation ? operation : "", argument ? argument : "");
        if (rc)
            return rc;
        for (size_t k = 0; k < sizeof not_steps / sizeof *not_steps; k++)
            is_step = is_step && !strstr(text->data, not_steps[k]);
        *steps += is_step;
    }
    return BT_OK;
}

static int32_t count_words(const json_t *question)
{
    struct bt_text rest = { json_is_string(question) ? json_string_value(question) : "",
                            json_string_length(question) },
                   word;
    int32_t count = 0;
    while (bt_next_word(&rest, &word))
        count++;
    return count;
}

/* Objects that the question and the full answer speak of; one that is named twice counts twice. */
static int read_objects(struct loader *l, const json_t *annotations, struct bt_gqa_question *q,
                        struct bt_err *err)
{
    static const char *const keys[] = { "question", "fullAnswer" };
    size_t total = 0, at = 0;
    const char *word;
    json_t *object;

    for (size_t k = 0; k < 2; k++)
        total += json_object_size(json_object_get(annotations, keys[k]));
    if (total > MAX_OBJECTS)
        return bt_fail(err, BT_ERR_LIMIT, "%zu annotated objects, the limit is %d", total, MAX_OBJECTS);
    int32_t *items = take_list(l, total, err);
    if (!items)
        return BT_ERR_MEMORY;
    for (size_t k = 0; k < 2; k++)
        json_object_foreach(json_object_get(annotations, keys[k]), word, object)
        {
            int rc = json_is_string(object) ? number_of(l, object, keys[k], &items[at++], err)
                                            : bt_fail(err, BT_ERR_INPUT, "annotations name no object");
            if (rc)
                return rc;
        }
    q->objects = (struct bt_gqa_list){ items, (int32_t)total };
    return BT_OK;
}

static int read_types(struct loader *l, const json_t *types, struct bt_gqa_question *q, struct bt_err *err)
{
    const char *detailed = json_string_value(json_object_get(types, "detailed"));
    q->common = detailed && strstr(detailed, "Common");
    int rc = number_of(l, json_object_get(types, "structural"), "structural", &q->structural, err);
    if (!rc)
        rc = number_of(l, json_object_get(types, "semantic"), "semantic", &q->semantic, err);
    if (!rc && (q->structural < 0 || q->semantic < 0))
        rc = bt_fail(err, BT_ERR_INPUT, "no types; this is not a file of GQA questions with answers");
    return rc;
}

static int read_question(struct loader *l, const json_t *value, struct bt_gqa_question *q, struct bt_err *err)
{
    int rc = number_of(l, json_object_get(value, "answer"), "answer", &q->answer, err);
    if (!rc && q->answer < 0)
        rc = bt_fail(err, BT_ERR_INPUT, "no answer; these questions are to be answered, not scored");
    if (!rc)
        rc = number_of(l, json_object_get(value, "imageId"), "imageId", &q->image, err);
    if (!rc)
        rc = read_types(l, json_object_get(value, "types"), q, err);
    if (!rc)
        rc = number_of(l, json_object_get(json_object_get(value, "groups"), "global"), "global", &q->group,
                       err);
    if (!rc)
        rc = read_list(l, json_object_get(value, "entailed"), "entailed", true, &q->entailed, err);
    if (!rc)
        rc = read_objects(l, json_object_get(value, "annotations"), q, err);
    if (!rc)
        rc = count_steps(json_object_get(value, "semantic"), &l->text, &q->steps, err);
    q->words = count_words(json_object_get(value, "question"));
    return rc;
}

/* Keeps `q` under the number that the join gave it. */
static int keep(struct bt_gqa *set, int32_t number, const struct bt_gqa_question *q, struct bt_err *err)
{
    int rc = bt_grow(&set->questions, &set->capacity, (uint64_t)number + 1, sizeof *set->questions, err);
    if (rc)
        return rc;
    for (; set->question_count <= (uint64_t)number; set->question_count++)
        set->questions[set->question_count] = (struct bt_gqa_question){ .answer = -1 };
    set->questions[number] = *q;
    return BT_OK;
}

static int take_question(struct loader *l, const char *key, const json_t *value, struct bt_err *err)
{
    struct bt_gqa_question q = { .answer = -1, .structural = -1, .semantic = -1, .group = -1, .image = -1 };
    const bool expected = l->to_answer || json_is_true(json_object_get(value, "isBalanced"));
    bool known = false;
    int32_t number = -1;

    if (!json_is_object(value))
        return bt_fail(err, BT_ERR_INPUT, "not a question; GQA's file is an object of questions by id");
    int rc = l->to_answer ? BT_OK : read_question(l, value, &q, err);
    if (!rc)
        rc = quote_id(l, key, strlen(key), err);
    if (!rc)
        rc = expected ? bt_join_expect(l->set->join, bt_buf_text(&l->text), &number, &known, err)
                      : bt_join_allow(l->set->join, bt_buf_text(&l->text), &number, &known, err);
    if (!rc && (known || (uint64_t)number < l->set->question_count))
        rc = bt_fail(err, BT_ERR_JSON, "the question is there twice; keep one");
    return rc ? rc : keep(l->set, number, &q, err);
}

int bt_gqa_load_questions(struct bt_gqa *set, const char *path, bool to_answer, struct bt_err *err)
{
    struct loader l = { .set = set, .to_answer = to_answer };
    uint64_t count;
    int rc = for_each(&l, path, true, take_question, &count, err);
    if (!rc && count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no questions; nothing can be scored", bt_input_name(path));
    return rc;
}

/* ---------------------------------------------------------------- what belongs to a question */

/* The question whose quoted id is in l->text; NULL: none. */
static struct bt_gqa_question *find(const struct loader *l)
{
    int32_t number = bt_join_find(l->set->join, bt_buf_text(&l->text));
    return number < 0 || (uint64_t)number >= l->set->question_count ? NULL : &l->set->questions[number];
}

static int take_choices(struct loader *l, const char *key, const json_t *value, struct bt_err *err)
{
    int rc = quote_id(l, key, strlen(key), err);
    struct bt_gqa_question *q = rc ? NULL : find(l);
    if (!q)
        return rc;
    q->has_choices = true;
    rc = read_list(l, json_object_get(value, "valid"), "valid", false, &q->valid, err);
    return rc ? rc
              : read_list(l, json_object_get(value, "plausible"), "plausible", false, &q->plausible, err);
}

int bt_gqa_load_choices(struct bt_gqa *set, const char *path, struct bt_err *err)
{
    struct loader l = { .set = set };
    uint64_t count;
    set->with_choices = true;
    return for_each(&l, path, true, take_choices, &count, err);
}

static int cell(const json_t *row, size_t j, double *value, struct bt_err *err)
{
    const json_t *number = json_array_get(row, j);
    *value = json_number_value(number);
    return json_is_number(number)
               ? BT_OK
               : bt_fail(err, BT_ERR_INPUT, "attention is not a square of numbers; maps are n x n");
}

static int take_attention(struct loader *l, const char *unused, const json_t *value, struct bt_err *err)
{
    const json_t *map = json_object_get(value, "attention");
    size_t side = json_array_size(map);
    (void)unused;

    int rc = bt_input_json_id(value, "questionId", &l->text, err);
    struct bt_gqa_question *q = rc ? NULL : find(l);
    if (!q)
        return rc;
    if (side > MAX_SIDE)
        return bt_fail(err, BT_ERR_LIMIT, "attention map of side %zu, the limit is %d", side, MAX_SIDE);
    double *cells = bt_arena_take(l->set->arena, side > 0 ? side * side : 1, sizeof *cells);
    if (!cells)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the attention maps");
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            if ((rc = cell(json_array_get(map, i), j, &cells[i * side + j], err)) != BT_OK)
                return rc;
    if (side == 0)
        return bt_fail(err, BT_ERR_INPUT, "no attention map");
    q->attention = cells;
    q->side = (int32_t)side;
    return BT_OK;
}

int bt_gqa_load_attentions(struct bt_gqa *set, const char *path, struct bt_err *err)
{
    struct loader l = { .set = set };
    uint64_t count;
    set->with_attentions = true;
    return for_each(&l, path, false, take_attention, &count, err);
}

/* ---------------------------------------------------------------- scenes */

int bt_gqa_box_name(struct bt_buf *name, struct bt_text image, struct bt_text object, struct bt_err *err)
{
    name->size = 0;
    int rc = bt_buf_add(name, image.data, image.size, err);
    if (!rc)
        rc = bt_buf_add(name, "", 1, err);
    return rc ? rc : bt_buf_add(name, object.data, object.size, err);
}

static int positive(const json_t *object, const char *key, double least, double *value, struct bt_err *err)
{
    const json_t *number = json_object_get(object, key);
    *value = json_number_value(number);
    if (json_is_number(number) && *value >= least)
        return BT_OK;
    return bt_fail(err, BT_ERR_INPUT, "%s is not a number of at least %g", key, least);
}

static int read_box(const json_t *object, double width, double height, struct bt_gqa_box *box,
                    struct bt_err *err)
{
    double x = 0, y = 0, w = 0, h = 0;
    int rc = positive(object, "x", -1e9, &x, err);
    if (!rc)
        rc = positive(object, "y", -1e9, &y, err);
    if (!rc)
        rc = positive(object, "w", 0, &w, err);
    if (!rc)
        rc = positive(object, "h", 0, &h, err);
    *box = (struct bt_gqa_box){ x / width, y / height, (x + w) / width, (y + h) / height };
    return rc;
}

static int take_scene(struct loader *l, const char *key, const json_t *scene, struct bt_err *err)
{
    struct bt_gqa *set = l->set;
    const char *name;
    json_t *object;
    double width = 0, height = 0;
    int rc = positive(scene, "width", 1, &width, err);
    if (!rc)
        rc = positive(scene, "height", 1, &height, err);
    json_object_foreach(json_object_get(scene, "objects"), name, object)
    {
        struct bt_gqa_box box;
        int32_t number = 0;
        if (!rc)
            rc = read_box(object, width, height, &box, err);
        if (!rc)
            rc = bt_gqa_box_name(&l->text, (struct bt_text){ key, strlen(key) },
                                 (struct bt_text){ name, strlen(name) }, err);
        if (!rc)
            rc = bt_intern_add(set->box_names, bt_buf_text(&l->text), &number, err);
        if (!rc)
            rc = bt_grow(&set->boxes, &set->box_capacity, (uint64_t)number + 1, sizeof *set->boxes, err);
        if (rc)
            return rc;
        set->boxes[number] = box;
    }
    return rc;
}

int bt_gqa_load_scenes(struct bt_gqa *set, const char *path, struct bt_err *err)
{
    struct loader l = { .set = set };
    uint64_t count;
    return for_each(&l, path, true, take_scene, &count, err);
}

/* ---------------------------------------------------------------- results */

/* An answer that came with the result whose id is in l->text; only the first of several counts. */
static int own_answer(struct loader *l, struct bt_text answer, struct bt_err *err)
{
    struct bt_gqa_question q = { .structural = -1, .semantic = -1, .group = -1, .image = -1 };
    int32_t number = -1;
    bool known = false;
    int rc = bt_join_expect(l->set->join, bt_buf_text(&l->text), &number, &known, err);
    if (!rc && !known)
        rc = bt_intern_add(l->set->texts, answer, &q.answer, err);
    return rc || known ? rc : keep(l->set, number, &q, err);
}

static const char *one_of(const json_t *object, const char *first, const char *second)
{
    return json_object_get(object, first) ? first : second;
}

static int take_result(struct loader *l, const char *unused, const json_t *value, struct bt_err *err)
{
    struct bt_text text = { "", 0 };
    bool found = false;
    (void)unused;
    int rc = bt_input_json_id(value, one_of(value, "questionId", "question_id"), &l->text, err);
    if (!rc && l->own_answers) {
        rc = bt_input_json_text(value, "gt_ans", &text, &found, err);
        if (!rc && !found)
            rc = bt_fail(err, BT_ERR_INPUT,
                         "no `gt_ans` to compare with; give the questions with --questions");
        if (!rc)
            rc = own_answer(l, text, err);
    }
    if (!rc)
        rc = bt_input_json_text(value, one_of(value, "prediction", one_of(value, "pred_ans", "answer")),
                                &text, &found, err);
    if (!rc && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no prediction");
    return rc ? rc : bt_join_result(l->set->join, bt_buf_text(&l->text), text, err);
}

static int take_record(struct loader *l, const struct bt_record *rec, struct bt_err *err)
{
    struct bt_value answers = bt_record_get(rec, "answers");
    struct bt_text text = { "", 0 };
    bool found = false;
    int rc = bt_input_record_id(rec, "question_id", &l->text, err);
    if (!rc && l->own_answers) {
        struct bt_value first =
            answers.kind == BT_ARRAY && answers.size > 0 ? bt_value_at(answers, 0) : answers;
        rc = first.kind == BT_STR
                 ? own_answer(l, (struct bt_text){ first.data, first.size }, err)
                 : bt_fail(err, BT_ERR_INPUT,
                           "no `answers` to compare with; give the questions with --questions");
    }
    if (!rc)
        rc = bt_input_record_text(rec, "answer", &text, &found, err);
    if (!rc && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no answer");
    bt_input_record_preset(rec, l->set->join);
    return rc ? rc : bt_join_result(l->set->join, bt_buf_text(&l->text), text, err);
}

static int load_records(struct loader *l, const char *path, struct bt_err *err)
{
    static const struct bt_schema *const predictions[] = { &bt_schema_prediction, NULL };
    const struct bt_reader_options options = { .schemas = predictions };
    struct bt_reader *reader = NULL;
    struct bt_record *rec = bt_record_new();

    int rc =
        rec ? bt_reader_open(&reader, path, &options, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    while (!rc && (rc = bt_reader_next(reader, rec, err)) == BT_OK) {
        rc = take_record(l, rec, err);
        if (rc)
            bt_context(err, "%s", bt_reader_place(reader));
    }
    bt_reader_close(reader);
    bt_record_free(rec);
    bt_buf_free(&l->text);
    return rc == BT_END ? BT_OK : rc;
}

int bt_gqa_load_results(struct bt_gqa *set, const char *path, bool own_answers, struct bt_err *err)
{
    struct loader l = { .set = set, .own_answers = own_answers };
    enum bt_input kind;
    uint64_t count = 0;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        return load_records(&l, path, err);
    if (kind != BT_INPUT_ARRAY)
        return bt_fail(err, BT_ERR_INPUT,
                       "%s: not an array; results are [{\"questionId\": ..., \"prediction\": ...}, ...]",
                       bt_input_name(path));
    rc = for_each(&l, path, false, take_result, &count, err);
    if (!rc && count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no results; the array is empty", bt_input_name(path));
    return rc;
}
