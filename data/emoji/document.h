/* Documents for the language model: a scene told and asked about, a fact, or a gloss. Source: demo.md 4. */
#ifndef EMOJI_DOCUMENT_H
#define EMOJI_DOCUMENT_H

#include "data/emoji/question.h"
#include "data/emoji/source.h"

enum { SENTENCE_MAX = 2, DOCUMENT_QUESTION_MAX = 6, SENTENCE_SIZE = 320 };

struct document {
    bool has_scene;
    struct scene scene; /* of the training side */
    int sentence_count, question_count;
    char sentence[SENTENCE_MAX][SENTENCE_SIZE];
    struct question question[DOCUMENT_QUESTION_MAX]; /* each answered by the sentences */
};

/* 85 % scenes told by one or two of their captions, 7 % facts about things, 8 % glosses. */
int document_draw(struct document *document, const struct origin *origin, const struct source *source,
                  struct bt_err *err);

#endif
