/* Questions about a scene. */
#include "data/emoji/question.h"

#include <stdio.h>
#include <string.h>

struct list {
    struct question *item;
    int count;
};

static struct question *add(struct list *list, const char *kind, const char *answer_type, const char *answer)
{
    struct question *q = &list->item[list->count++];

    *q = (struct question){ .kind = kind, .answer_type = answer_type };
    snprintf(q->answer, sizeof q->answer, "%s", answer);
    return q;
}

/* The thing that stands on `side` of what the question names. */
static void ask_relation(struct list *list, const char *side, const char *named, int thing)
{
    struct question *q = add(list, "relation", "other", things[thing].name);

    snprintf(q->text, sizeof q->text, "what is %s the %s?", side, named);
    q->second = kind_names[things[thing].kind];
}

static void ask_relations(struct list *list, const struct scene *scene)
{
    if (scene->type == SCENE_TWO) {
        const char *a = things[scene->thing[0]].name, *b = things[scene->thing[1]].name;

        ask_relation(list, scene->above ? "above" : "to the left of", b, scene->thing[0]);
        ask_relation(list, scene->above ? "below" : "to the right of", a, scene->thing[1]);
    } else if (scene->type == SCENE_PERSON && scene->thing[0] >= 0) {
        ask_relation(list, scene->person_left ? "to the right of" : "to the left of", genders[scene->gender],
                     scene->thing[0]);
    }
}

/* A thing that is not in the scene; with other_kind, nor anything of its kind. */
static int absent_thing(const struct scene *scene, struct bt_draw *draw, bool other_kind)
{
    for (;;) {
        int thing = (int)bt_draw_below(draw, THING_COUNT);

        if (!scene_has_thing(scene, thing) && !(other_kind && scene_has_kind(scene, things[thing].kind)))
            return thing;
    }
}

static int present_thing(const struct scene *scene, struct bt_draw *draw)
{
    return scene->type == SCENE_TWO ? scene->thing[bt_draw_below(draw, 2)] : scene->thing[0];
}

/* Of a person alone it is asked whether it is a man: a thing would always be absent. */
static void ask_exists(struct list *list, const struct scene *scene, struct bt_draw *draw)
{
    bool yes = scene->ordinal % 2 == 0;
    struct question *q = add(list, "exists", "yes/no", yes ? "yes" : "no");
    char what[PHRASE_SIZE];

    if (scene->thing[0] < 0)
        snprintf(what, sizeof what, "a %s", genders[yes ? scene->gender : 1 - scene->gender]);
    else
        phrase_thing(what, yes ? present_thing(scene, draw) : absent_thing(scene, draw, false));
    snprintf(q->text, sizeof q->text, "%s there %s in the picture?", what[0] == 'a' ? "is" : "are", what);
}

/* A kind is named as often as it has things, in yes as in no: the question does not tell the answer. */
static void ask_exists_kind(struct list *list, const struct scene *scene, struct bt_draw *draw)
{
    bool yes = scene->ordinal / 2 % 2 == 0;
    int thing = yes ? present_thing(scene, draw) : absent_thing(scene, draw, true);
    struct question *q = add(list, "existskind", "yes/no", yes ? "yes" : "no");

    snprintf(q->text, sizeof q->text, "is there any %s in the picture?", kind_names[things[thing].kind]);
}

static void ask_count(struct list *list, int thing, int number)
{
    char digits[8];
    struct question *q;

    snprintf(digits, sizeof digits, "%d", number);
    q = add(list, "count", "number", digits);
    snprintf(q->text, sizeof q->text, "how many %s are there?", things[thing].plural);
}

static void ask_what(struct list *list, const struct scene *scene)
{
    const struct thing *thing = &things[scene->thing[0]];
    bool many = scene->type == SCENE_COUNT_OF || !thing->plural;
    struct question *q =
        add(list, "what", "other", scene->type == SCENE_COUNT_OF ? thing->plural : thing->name);

    snprintf(q->text, sizeof q->text, "%s", many ? "what are these?" : "what is this?");
    q->second = kind_names[thing->kind];
}

static void ask_size(struct list *list, const struct scene *scene)
{
    const struct thing *thing = &things[scene->thing[0]];
    struct question *q = add(list, "size", "other", scene->large ? "large" : "small");

    snprintf(q->text, sizeof q->text, "%s the %s small or large?", thing->plural ? "is" : "are", thing->name);
}

static void ask_person(struct list *list, const struct scene *scene)
{
    const char *gender = genders[scene->gender];
    struct question *q = add(list, "tone", "other", tones[scene->tone]);

    snprintf(q->text, sizeof q->text, "what is the skin tone of the %s?", gender);
    q = add(list, "gender", "other", gender);
    snprintf(q->text, sizeof q->text, "is the person a man or a woman?");
    q = add(list, "job", "other", jobs[scene->job]);
    snprintf(q->text, sizeof q->text, "what is the job of the %s?", gender);
}

int scene_questions(const struct scene *scene, struct bt_draw *draw, struct question out[QUESTION_MAX])
{
    struct list list = { out, 0 };
    struct question *color = add(&list, "color", "other", colors[scene->color].name);

    snprintf(color->text, sizeof color->text, "what color is the background?");
    ask_relations(&list, scene);
    ask_exists(&list, scene, draw);
    if (scene->thing[0] >= 0)
        ask_exists_kind(&list, scene, draw);
    if (scene->type == SCENE_COUNT_OF || scene->type == SCENE_ONE)
        ask_what(&list, scene);
    if (scene->type == SCENE_ONE)
        ask_size(&list, scene);
    if (scene->type == SCENE_PERSON)
        ask_person(&list, scene);
    if (scene->type == SCENE_COUNT_OF)
        ask_count(&list, scene->thing[0], scene->number);
    else if (scene->type == SCENE_ONE && things[scene->thing[0]].plural && bt_draw_below(draw, 10) < 4)
        ask_count(&list, scene->thing[0], 1); /* of all, "1" would be the answer to half */
    return list.count;
}
