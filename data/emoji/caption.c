/* Captions: five ways to tell each type of scene (demo.md 3). */
#include <stdio.h>

#include "data/emoji/scene.h"

#define SAY(out, ...) snprintf(out, CAPTION_SIZE, __VA_ARGS__)

static void caption_two(const struct scene *scene, int which, const char *bg, char *out)
{
    char x[PHRASE_SIZE], y[PHRASE_SIZE];

    phrase_thing(x, scene->thing[0]);
    phrase_thing(y, scene->thing[1]);
    if (which == 0)
        SAY(out, "%s %s %s on %s", x, scene->above ? "above" : "to the left of", y, bg);
    else if (which == 1)
        SAY(out, "%s %s %s on %s", y, scene->above ? "below" : "to the right of", x, bg);
    else if (which == 2)
        SAY(out, "%s %s %s on %s", x, scene->above ? "over" : "and", y, bg);
    else if (which == 3)
        SAY(out, scene->above ? "%s with %s at the top and %s at the bottom"
                              : "%s with %s on the left and %s on the right", bg, x, y);
    else
        SAY(out, "%s %s %s on %s", x, scene->above ? "and" : "beside", y, bg);
}

static void caption_count(const struct scene *scene, int which, const char *bg, char *out)
{
    char what[PHRASE_SIZE];

    snprintf(what, sizeof what, "%s %s", number_words[scene->number], things[scene->thing[0]].plural);
    if (which == 0)
        SAY(out, "%s on %s", what, bg);
    else if (which == 1)
        SAY(out, "a group of %s on %s", what, bg);
    else if (which == 2)
        SAY(out, "%s with %s", bg, what);
    else if (which == 3)
        SAY(out, "there are %s on %s", what, bg);
    else
        SAY(out, "%s in front of %s", what, bg);
}

static void caption_one(const struct scene *scene, int which, const char *bg, char *out)
{
    const struct thing *thing = &things[scene->thing[0]];
    const char *size = scene->large ? "large" : "small", *a = thing->plural ? "a " : "";
    char what[PHRASE_SIZE];

    snprintf(what, sizeof what, "%s%s %s", a, size, thing->name);
    if (which == 0)
        SAY(out, "%s on %s", what, bg);
    else if (which == 1)
        SAY(out, "%s with %s", bg, what);
    else if (which == 2)
        SAY(out, "%s %s %s on %s", thing->plural ? "one" : "some", size, thing->name, bg);
    else if (which == 3)
        SAY(out, "a picture of %s on %s", what, bg);
    else
        SAY(out, "%s in front of %s", what, bg);
}

static void caption_person(const struct scene *scene, int which, const char *bg, char *out)
{
    const char *gender = genders[scene->gender], *job = jobs[scene->job], *tone = tones[scene->tone];
    const char *person_side = scene->person_left ? "left" : "right";
    const char *thing_side = scene->person_left ? "right" : "left";
    bool alone = scene->thing[0] < 0;
    char p[80], skinned[80], y[PHRASE_SIZE] = "";

    snprintf(p, sizeof p, "a %s %s with %s skin", gender, job, tone);
    snprintf(skinned, sizeof skinned, "a %s skinned %s %s", tone, gender, job);
    if (!alone)
        phrase_thing(y, scene->thing[0]);
    if (which == 0 && alone)
        SAY(out, "%s on %s", p, bg);
    else if (which == 0)
        SAY(out, "%s to the %s of %s on %s", p, person_side, y, bg);
    else if (which == 1 && alone)
        SAY(out, "%s with %s", bg, p);
    else if (which == 1)
        SAY(out, "%s to the %s of %s on %s", y, thing_side, p, bg);
    else if (which == 2 && alone)
        SAY(out, "%s on %s", skinned, bg);
    else if (which == 2)
        SAY(out, "%s and %s on %s", p, y, bg);
    else if (which == 3 && alone)
        SAY(out, "a picture of %s on %s", p, bg);
    else if (which == 3)
        SAY(out, "%s and %s on %s", skinned, y, bg);
    else if (alone)
        SAY(out, "%s in front of %s", p, bg);
    else
        SAY(out, "%s beside %s on %s", p, y, bg);
}

void scene_caption(const struct scene *scene, int which, char out[CAPTION_SIZE])
{
    static void (*const tell[SCENE_TYPE_COUNT])(const struct scene *, int, const char *, char *) = {
        caption_two, caption_count, caption_one, caption_person,
    };
    const char *color = colors[scene->color].name;
    char bg[PHRASE_SIZE];

    snprintf(bg, sizeof bg, "%s %s background", article(color), color);
    tell[scene->type](scene, which, bg, out);
}

bool scene_caption_places(const struct scene *scene, int which)
{
    if (scene->type == SCENE_TWO)
        return which <= 1 || which == 3 || (which == 2 && scene->above);
    return scene->type == SCENE_PERSON && scene->thing[0] >= 0 && which <= 1;
}
