/* What people have said of the pictures: COCO captions, VQAv2 and GQA questions, and two files of our own. */
#include <stdio.h>
#include <string.h>

#include "data/emoji/json_out.h"
#include "data/emoji/paint.h"
#include "data/emoji/question.h"
#include "data/emoji/set.h"
#include "libcommon/base/file.h"

enum { PEOPLE = 10 }; /* answers to a question */

/* The files of one split, all made in one walk over its scenes. */
struct files {
    struct bt_buf images, captions, questions, annotations, gqa, text_qa, scenes;
};

static int open_files(struct files *files, enum split split, struct bt_err *err)
{
    const char *name = split_names[split];
    int rc = bt_buf_printf(&files->images, err, "{\"info\":{},\"licenses\":[],\"images\":[");

    if (!rc)
        rc = bt_buf_printf(&files->captions, err, "\"annotations\":[");
    if (!rc)
        rc = bt_buf_printf(&files->questions, err,
                           "{\"info\":{},\"task_type\":\"Open-Ended\",\"data_type\":\"emoji\",\"license\":{},"
                           "\"data_subtype\":\"%s\",\"questions\":[",
                           name);
    if (!rc)
        rc = bt_buf_printf(&files->annotations, err,
                           "{\"info\":{},\"license\":{},\"data_subtype\":\"%s\",\"data_type\":\"emoji\","
                           "\"annotations\":[",
                           name);
    return rc ? rc : bt_buf_printf(&files->gqa, err, "{");
}

static int write_file(struct set *set, const char *what, enum split split, const char *suffix,
                      struct bt_buf *bytes, const char *end, struct bt_err *err)
{
    char name[PHRASE_SIZE];
    int rc = bt_buf_printf(bytes, err, "%s", end);

    if (rc)
        return rc;
    snprintf(name, sizeof name, "%s_%s%s", what, split_names[split], suffix);
    return set_write(set, name, bytes, err);
}

static int close_files(struct set *set, struct files *files, enum split split, struct bt_err *err)
{
    int rc = bt_buf_printf(&files->images, err, "],\n");

    if (!rc)
        rc = bt_buf_add(&files->images, files->captions.data, files->captions.size, err);
    if (!rc)
        rc = write_file(set, "captions", split, ".json", &files->images, "]}\n", err);
    if (!rc)
        rc = write_file(set, "questions", split, ".json", &files->questions, "]}\n", err);
    if (!rc)
        rc = write_file(set, "annotations", split, ".json", &files->annotations, "]}\n", err);
    if (!rc)
        rc = write_file(set, "gqa", split, ".json", &files->gqa, "}\n", err);
    if (!rc && split != SPLIT_TRAIN) /* it only measures */
        rc = write_file(set, "text_qa", split, ".jsonl", &files->text_qa, "", err);
    if (!rc)
        rc = write_file(set, "scenes", split, ".jsonl", &files->scenes, "", err);
    return rc;
}

static void free_files(struct files *files)
{
    bt_buf_free(&files->images);
    bt_buf_free(&files->captions);
    bt_buf_free(&files->questions);
    bt_buf_free(&files->annotations);
    bt_buf_free(&files->gqa);
    bt_buf_free(&files->text_qa);
    bt_buf_free(&files->scenes);
}

static int put_captions(struct files *files, const struct scene *scene, uint64_t id, const char *file_name,
                        struct bt_err *err)
{
    char caption[CAPTION_SIZE];
    int rc = json_put_element(&files->images,
                              json_pack("{s:I, s:s, s:i, s:i}", "id", (json_int_t)id, "file_name", file_name,
                                        "width", PICTURE_SIDE, "height", PICTURE_SIDE),
                              err);

    for (int k = 0; !rc && k < CAPTION_COUNT; k++) {
        scene_caption(scene, k, caption);
        rc = json_put_element(&files->captions,
                              json_pack("{s:I, s:I, s:s}", "id", (json_int_t)id * 10 + k, "image_id",
                                        (json_int_t)id, "caption", caption),
                              err);
    }
    return rc;
}

static int put_scene(struct files *files, const struct scene *scene, uint64_t id, const char *file_name,
                     struct bt_err *err)
{
    json_t *names = json_array(), *value;
    char key[KEY_SIZE];
    int rc;

    for (int i = 0; i < 2; i++)
        if (scene->thing[i] >= 0)
            json_array_append_new(names, json_string(things[scene->thing[i]].name));
    scene_key(scene, key);
    value = json_pack("{s:I, s:s, s:s, s:s, s:o, s:s*}", "id", (json_int_t)id, "file_name", file_name, "type",
                      scene_type_names[scene->type], "key", key, "things", names, "job",
                      scene->type == SCENE_PERSON ? jobs[scene->job] : NULL);
    rc = json_put(&files->scenes, value, err);
    return rc ? rc : bt_buf_add(&files->scenes, "\n", 1, err);
}

/* Ten people: up to three of them name the kind of the thing instead. */
static json_t *ten_answers(const struct question *question, struct bt_draw *draw)
{
    static const int spread[5] = { 0, 0, 1, 2, 3 };
    int others = question->second ? spread[bt_draw_below(draw, 5)] : 0;
    json_t *answers = json_array();

    for (int i = 0; i < PEOPLE; i++)
        json_array_append_new(answers, json_pack("{s:s, s:s, s:i}", "answer",
                                                 i < PEOPLE - others ? question->answer : question->second,
                                                 "answer_confidence", "yes", "answer_id", i + 1));
    return answers;
}

/* The question again, about a caption that answers it: what the language model can do with words alone. */
static int put_text_question(struct files *files, const struct scene *scene, const struct question *question,
                             uint64_t id, struct bt_draw *draw, struct bt_err *err)
{
    int which = (int)bt_draw_below(draw, CAPTION_COUNT), rc;
    char context[CAPTION_SIZE];

    while (strcmp(question->kind, "relation") == 0 && !scene_caption_places(scene, which))
        which = (which + 1) % CAPTION_COUNT;
    scene_caption(scene, which, context);

    json_t *answers = json_array(); /* ten people agree: with words alone there is no other name for it */

    for (int i = 0; i < PEOPLE; i++)
        json_array_append_new(answers, json_string(question->answer));
    rc = json_put(&files->text_qa,
                  json_pack("{s:I, s:s, s:s, s:s, s:s, s:o}", "question_id", (json_int_t)id, "question_type", question->kind,
                            "answer_type", question->answer_type, "text", context, "question", question->text, "answers",
                            answers),
                  err);
    return rc ? rc : bt_buf_add(&files->text_qa, "\n", 1, err);
}

static int put_gqa(struct files *files, const struct question *question, uint64_t id, const char *file_name,
                   struct bt_err *err)
{
    int stem = (int)strcspn(file_name, ".");
    int rc = files->gqa.size > 1 ? bt_buf_printf(&files->gqa, err, ",\n") : BT_OK;

    if (!rc)
        rc = bt_buf_printf(&files->gqa, err, "\"%llu\":", (unsigned long long)id);
    return rc ? rc
              : json_put(&files->gqa,
                         json_pack("{s:s%, s:s, s:s}", "imageId", file_name, (size_t)stem, "question",
                                   question->text, "answer", question->answer),
                         err);
}

static int put_question(struct files *files, const struct scene *scene, const struct question *question,
                        uint64_t image_id, uint64_t id, const char *file_name, struct bt_draw *draw,
                        struct bt_err *err)
{
    int rc = json_put_element(&files->questions,
                              json_pack("{s:I, s:s, s:I}", "image_id", (json_int_t)image_id, "question",
                                        question->text, "question_id", (json_int_t)id),
                              err);

    if (!rc)
        rc = json_put_element(&files->annotations,
                              json_pack("{s:I, s:I, s:s, s:s, s:s, s:o}", "question_id", (json_int_t)id,
                                        "image_id", (json_int_t)image_id, "question_type", question->kind,
                                        "answer_type", question->answer_type, "multiple_choice_answer",
                                        question->answer, "answers", ten_answers(question, draw)),
                              err);
    if (!rc)
        rc = put_gqa(files, question, id, file_name, err);
    return rc ? rc : put_text_question(files, scene, question, id, draw, err);
}

static int put_questions(struct files *files, const struct set *set, enum split split, uint64_t number,
                         const char *file_name, struct tally *tally, struct bt_err *err)
{
    struct origin origin = set_origin(set, split, number);
    struct bt_draw draw = origin_draw(&origin, USE_QUESTION);
    const struct scene *scene = &set->scene[split][number];
    struct question question[QUESTION_MAX];
    uint64_t image_id = set_image_id(split, number);
    int count = scene_questions(scene, &draw, question), rc = BT_OK;

    for (int k = 0; !rc && k < count; k++) {
        rc = put_question(files, scene, &question[k], image_id, image_id * 10 + (uint64_t)k, file_name, &draw,
                          err);
        tally->yes[split] += strcmp(question[k].answer, "yes") == 0;
        tally->no[split] += strcmp(question[k].answer, "no") == 0;
    }
    tally->questions[split] += (uint64_t)count;
    return rc;
}

int set_write_split(struct set *set, enum split split, struct tally *tally, struct bt_err *err)
{
    struct files files = { 0 };
    int rc = open_files(&files, split, err);

    for (uint64_t i = 0; !rc && i < set->picture_count[split]; i++) {
        const struct scene *scene = &set->scene[split][i];
        char file_name[FILE_NAME_SIZE];

        set_file_name(file_name, split, i);
        rc = put_captions(&files, scene, set_image_id(split, i), file_name, err);
        if (!rc)
            rc = put_scene(&files, scene, set_image_id(split, i), file_name, err);
        if (!rc)
            rc = put_questions(&files, set, split, i, file_name, tally, err);
    }
    if (!rc)
        rc = close_files(set, &files, split, err);
    free_files(&files);
    return rc;
}
