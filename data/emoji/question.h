/* Questions about a scene, with their answers. Source: demo.md 4. */
#ifndef EMOJI_QUESTION_H
#define EMOJI_QUESTION_H

#include "data/emoji/scene.h"

enum { QUESTION_MAX = 8, ANSWER_SIZE = PHRASE_SIZE, QUESTION_SIZE = 96 };

struct question {
    const char *kind;        /* "color", "relation", ...: the question type */
    const char *answer_type; /* "other", "yes/no", "number" */
    char text[QUESTION_SIZE], answer[ANSWER_SIZE];
    const char *second; /* what some people answer instead ("animal" for "dog"), or NULL */
};

/* All questions that a scene allows, at most QUESTION_MAX; returns how many. Yes and no take turns over the
 * scenes of a type, so that each is half of the answers whatever the type. */
int scene_questions(const struct scene *scene, struct bt_draw *draw, struct question out[QUESTION_MAX]);

#endif
