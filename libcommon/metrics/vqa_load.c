/* Questions, annotations and answers from JSON files and from records. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/input.h"
#include "libcommon/metrics/vqa.h"
#include "libcommon/stream/stream.h"

/* Scratch that is used again for every element. */
struct loader {
    struct bt_vqa *set;
    struct bt_buf id;
    struct bt_vqa_answer *answers;
    uint64_t capacity;
};

/* One element of an array of a JSON file. */
typedef int element_function(struct loader *l, const json_t *element, struct bt_err *err);

static int for_each_element(struct loader *l, const char *path, const char *member, element_function *apply,
                            uint64_t *count, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    json_t *element = NULL;

    *count = 0;
    int rc = bt_json_array_open(&array, path, member, err);
    while (!rc && (rc = bt_json_array_next(array, &element, err)) == BT_OK) {
        rc = apply(l, element, err);
        json_decref(element);
        ++*count;
        if (rc)
            bt_context(err, "%s: %s %llu", bt_input_name(path), member ? member : "record",
                       (unsigned long long)*count);
    }
    bt_json_array_close(array);
    return rc == BT_END ? BT_OK : rc;
}

static void loader_free(struct loader *l)
{
    bt_buf_free(&l->id);
    free(l->answers);
}

static int json_choices(struct loader *l, const json_t *question, struct bt_err *err)
{
    const json_t *choices = json_object_get(question, "multiple_choices"), *choice;
    size_t i;
    if (!json_is_array(choices))
        return bt_fail(err, BT_ERR_INPUT, "no multiple_choices, but the task is multiple choice");
    json_array_foreach(choices, i, choice)
    {
        if (!json_is_string(choice))
            return bt_fail(err, BT_ERR_INPUT, "multiple_choices holds something that is not a string");
        struct bt_text text = { json_string_value(choice), json_string_length(choice) };
        int rc = bt_vqa_choice(l->set, bt_buf_text(&l->id), text, err);
        if (rc)
            return rc;
    }
    return BT_OK;
}

/* Whether two annotators' objects are equal but for the answer. */
static bool same_identity(const json_t *a, const json_t *b)
{
    const json_t *a_id = json_object_get(a, "answer_id"), *b_id = json_object_get(b, "answer_id");
    if (json_is_integer(a_id) && json_is_integer(b_id) &&
        json_integer_value(a_id) != json_integer_value(b_id))
        return false;
    if (json_object_size(a) != json_object_size(b))
        return false;

    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (!other || (strcmp(key, "answer") != 0 && !json_equal(value, other)))
            return false;
    }
    return true;
}

static int json_answers(struct loader *l, const json_t *array, struct bt_err *err)
{
    size_t count = json_array_size(array);
    if (count > BT_VQA_ANSWERS)
        return bt_fail(err, BT_ERR_LIMIT, "%zu answers, the limit is %d", count, BT_VQA_ANSWERS);
    int rc = bt_grow(&l->answers, &l->capacity, count, sizeof *l->answers, err);
    for (size_t i = 0; !rc && i < count; i++) {
        const json_t *object = json_array_get(array, i);
        struct bt_vqa_answer *answer = &l->answers[i];
        bool found = false;
        rc = bt_input_json_text(object, "answer", &answer->text, &found, err);
        if (!rc && !found)
            rc = bt_fail(err, BT_ERR_INPUT, "answers %zu has no answer", i + 1);
        size_t same = 0;
        while (same < i && !same_identity(json_array_get(array, same), object))
            same++;
        answer->identity = (int32_t)same;
    }
    return rc;
}

/* Answers as plain strings, each an annotator of its own: an array of them, or one alone. */
static int json_strings(struct loader *l, const json_t *value, const char *key, size_t *count,
                        struct bt_err *err)
{
    *count = json_is_array(value) ? json_array_size(value) : 1;
    int rc = bt_grow(&l->answers, &l->capacity, *count, sizeof *l->answers, err);
    for (size_t i = 0; !rc && i < *count; i++) {
        const json_t *string = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(string))
            return bt_fail(err, BT_ERR_INPUT, "%s is neither a string nor an array of strings", key);
        l->answers[i].text = (struct bt_text){ json_string_value(string), json_string_length(string) };
        l->answers[i].identity = (int32_t)i;
    }
    return rc;
}

/* A sample of LAVIS, as its convert_to_coco_gt reads it, or of A-OKVQA (`direct_answers`). */
static int json_sample(struct loader *l, const json_t *sample, struct bt_err *err)
{
    struct bt_text question_type = { "", 0 }, answer_type = { "", 0 };
    const char *key = json_object_get(sample, "direct_answers") ? "direct_answers" : "answers";
    size_t count = 0;
    bool found;

    int rc = bt_input_json_id(sample, "question_id", &l->id, err);
    if (!rc)
        rc = bt_input_plain_number(&l->id, err);
    if (!rc)
        rc = bt_input_json_text(sample, "question_type", &question_type, &found, err);
    if (!rc)
        rc = bt_input_json_text(sample, "answer_type", &answer_type, &found, err);
    if (!rc)
        rc = json_strings(l, json_object_get(sample, key), key, &count, err);
    return rc ? rc
              : bt_vqa_question(l->set, bt_buf_text(&l->id), question_type, answer_type, l->answers,
                                (int32_t)count, err);
}

static int json_annotation(struct loader *l, const json_t *annotation, struct bt_err *err)
{
    struct bt_text question_type = { "", 0 }, answer_type = { "", 0 };
    const json_t *answers = json_object_get(annotation, "answers");
    bool found;

    int rc = bt_input_json_id(annotation, "question_id", &l->id, err);
    if (!rc)
        rc = bt_input_json_text(annotation, "question_type", &question_type, &found, err);
    if (!rc)
        rc = bt_input_json_text(annotation, "answer_type", &answer_type, &found, err);
    if (!rc)
        rc = json_answers(l, answers, err);
    if (rc)
        return rc;
    return bt_vqa_question(l->set, bt_buf_text(&l->id), question_type, answer_type, l->answers,
                           (int32_t)json_array_size(answers), err);
}

/* Whether the question has its answers from an earlier record that gave another result for it. */
static bool answered(const struct loader *l)
{
    const struct bt_join *join = bt_vqa_join(l->set);
    int32_t number = bt_join_find(join, bt_buf_text(&l->id));
    return number >= 0 && bt_join_expected(join, number);
}

static int json_result(struct loader *l, const json_t *result, struct bt_err *err)
{
    struct bt_text answer;
    bool found = false;
    int rc = bt_input_json_id(result, "question_id", &l->id, err);
    if (!rc)
        rc = bt_input_json_text(result, json_object_get(result, "pred_ans") ? "pred_ans" : "answer", &answer,
                                &found, err);
    if (!rc && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no answer");
    return rc ? rc : bt_vqa_result(l->set, bt_buf_text(&l->id), answer, err);
}

/* A result record of LAVIS, which brings its answers along: {question_id, pred_ans, gt_ans}. */
static int json_own_result(struct loader *l, const json_t *result, struct bt_err *err)
{
    const struct bt_text type = { "", 0 };
    const json_t *given = json_object_get(result, "gt_ans");
    size_t count = 0;
    int rc = bt_input_json_id(result, "question_id", &l->id, err);
    if (!rc && !given)
        rc = bt_fail(err, BT_ERR_INPUT, "no `gt_ans` to compare with; give the annotations with --refs");
    if (!rc && !answered(l))
        rc = json_strings(l, given, "gt_ans", &count, err);
    if (!rc && count > 0)
        rc = bt_vqa_question(l->set, bt_buf_text(&l->id), type, type, l->answers, (int32_t)count, err);
    return rc ? rc : json_result(l, result, err);
}

static int record_question(struct loader *l, const struct bt_record *rec, struct bt_err *err)
{
    struct bt_text question_type = { "", 0 }, answer_type = { "", 0 };
    struct bt_value answers = bt_record_get(rec, "answers");
    bool found;

    if (answers.kind != BT_ARRAY || answers.size == 0)
        return bt_fail(err, BT_ERR_INPUT, "no `answers` to compare with; give the annotations with --refs");
    int rc = bt_grow(&l->answers, &l->capacity, answers.size, sizeof *l->answers, err);
    for (size_t i = 0; !rc && i < answers.size; i++) {
        struct bt_value answer = bt_value_at(answers, i);
        if (answer.kind != BT_STR)
            return bt_fail(err, BT_ERR_INPUT, "answers holds something that is not a string");
        l->answers[i] = (struct bt_vqa_answer){ { answer.data, answer.size }, (int32_t)i };
    }
    if (!rc)
        rc = bt_input_record_text(rec, "question_type", &question_type, &found, err);
    if (!rc)
        rc = bt_input_record_text(rec, "answer_type", &answer_type, &found, err);
    if (rc)
        return rc;
    return bt_vqa_question(l->set, bt_buf_text(&l->id), question_type, answer_type, l->answers,
                           (int32_t)answers.size, err);
}

static int record_result(struct loader *l, const struct bt_record *rec, struct bt_err *err)
{
    struct bt_text answer;
    bool found = false;
    int rc = bt_input_record_text(rec, "answer", &answer, &found, err);
    if (!rc && !found)
        rc = bt_fail(err, BT_ERR_INPUT, "no answer");
    bt_input_record_preset(rec, bt_vqa_join(l->set));
    return rc ? rc : bt_vqa_result(l->set, bt_buf_text(&l->id), answer, err);
}

static int load_records(struct loader *l, const char *path, bool questions, bool results, struct bt_err *err)
{
    static const struct bt_schema *const predictions[] = { &bt_schema_prediction, NULL };
    const struct bt_reader_options options = { .schemas = results ? predictions : NULL };
    struct bt_reader *reader = NULL;
    struct bt_record *rec = bt_record_new();

    int rc =
        rec ? bt_reader_open(&reader, path, &options, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    while (!rc && (rc = bt_reader_next(reader, rec, err)) == BT_OK) {
        rc = bt_input_record_id(rec, "question_id", &l->id, err);
        if (!rc && questions && !(results && answered(l)))
            rc = record_question(l, rec, err);
        if (!rc && results)
            rc = record_result(l, rec, err);
        if (rc)
            bt_context(err, "%s", bt_reader_place(reader));
    }
    bt_reader_close(reader);
    bt_record_free(rec);
    return rc == BT_END ? BT_OK : rc;
}

static int json_question(struct loader *l, const json_t *question, bool expect, bool choices,
                         struct bt_err *err)
{
    int rc = bt_input_json_id(question, "question_id", &l->id, err);
    if (!rc && expect)
        rc = bt_vqa_expect(l->set, bt_buf_text(&l->id), err);
    return rc || !choices ? rc : json_choices(l, question, err);
}

int bt_vqa_load_questions(struct bt_vqa *set, const char *path, bool expect, struct bt_err *err)
{
    struct loader l = { .set = set };
    json_t *file = NULL, *question;
    const char *task = NULL;
    size_t i;
    int rc = bt_json_load(&file, path, err);
    if (!rc)
        rc = bt_json_get_str(file, "task_type", &task, path, err);
    const bool choices = task && strcmp(task, "Multiple Choice") == 0;
    const json_t *questions = json_object_get(file, "questions");
    if (!rc && !json_is_array(questions))
        rc = bt_fail(err, BT_ERR_INPUT, "%s: has no array 'questions'; this is another kind of file",
                     bt_input_name(path));
    json_array_foreach(questions, i, question) if (!rc)
    {
        rc = json_question(&l, question, expect, choices, err);
        if (rc)
            bt_context(err, "%s: question %zu", bt_input_name(path), i + 1);
    }
    json_decref(file);
    loader_free(&l);
    return rc;
}

int bt_vqa_load_annotations(struct bt_vqa *set, const char *path, struct bt_err *err)
{
    struct loader l = { .set = set };
    enum bt_input kind;
    uint64_t count = 0;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        rc = load_records(&l, path, true, false, err);
    else if (kind == BT_INPUT_ARRAY)
        rc = for_each_element(&l, path, NULL, json_sample, &count, err);
    else if (kind != BT_INPUT_OBJECT)
        rc = bt_fail(err, BT_ERR_INPUT,
                     "%s: neither records, an object with annotations nor an array of samples",
                     bt_input_name(path));
    else
        rc = for_each_element(&l, path, "annotations", json_annotation, &count, err);
    if (!rc && bt_join_count(bt_vqa_join(set)) == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no annotations; nothing can be scored", bt_input_name(path));
    loader_free(&l);
    return rc;
}

int bt_vqa_load_results(struct bt_vqa *set, const char *path, bool own_answers, struct bt_err *err)
{
    struct loader l = { .set = set };
    enum bt_input kind;
    uint64_t count = 0;
    int rc = bt_input_detect(path, &kind, err);
    if (rc)
        return rc;
    if (kind == BT_INPUT_RECORDS)
        rc = load_records(&l, path, own_answers, true, err);
    else if (kind != BT_INPUT_ARRAY)
        rc = bt_fail(err, BT_ERR_INPUT,
                     "%s: not an array; results are [{\"question_id\": ..., \"answer\": ...}, ...]",
                     bt_input_name(path));
    else
        rc = for_each_element(&l, path, NULL, own_answers ? json_own_result : json_result, &count, err);
    if (!rc && kind == BT_INPUT_ARRAY && count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no results; the array is empty", bt_input_name(path));
    loader_free(&l);
    return rc;
}
