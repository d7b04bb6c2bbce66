/* Inside GQA: what its files leave behind. */
#ifndef BT_METRICS_GQA_PRIVATE_H
#define BT_METRICS_GQA_PRIVATE_H

#include "libcommon/base/mem.h"
#include "libcommon/metrics/gqa.h"
#include "libcommon/metrics/intern.h"

/* Numbers of strings in `texts`; a list is one array, borrowed from the arena. */
struct bt_gqa_list {
    const int32_t *items;
    int32_t count;
};

struct bt_gqa_question {
    int32_t answer, structural, semantic, group, image; /* -1: none */
    int32_t steps, words;
    bool common; /* its choices are attributes as such */
    bool has_choices;
    struct bt_gqa_list entailed; /* ids as join.h has them */
    struct bt_gqa_list objects;  /* of the question and the full answer */
    struct bt_gqa_list valid, plausible;
    const double *attention; /* [side][side]: x, y; NULL: none */
    int32_t side;
};

/* In shares of the picture. */
struct bt_gqa_box {
    double x0, y0, x1, y1;
};

struct bt_gqa {
    struct bt_join *join;
    struct bt_arena *arena;
    struct bt_intern *texts, *box_names; /* a box's: image, NUL, object */
    struct bt_gqa_question *questions;   /* by number of the join */
    uint64_t question_count, capacity;
    struct bt_gqa_box *boxes; /* by number of its name */
    uint64_t box_capacity;
    bool with_choices, with_attentions;
};

/* The grounding of one question, from 0 to 1: the attention inside its objects. */
int bt_gqa_ground(const struct bt_gqa *set, const struct bt_gqa_question *q, struct bt_buf *scratch,
                  double *score, struct bt_err *err);
/* The name of a box. */
int bt_gqa_box_name(struct bt_buf *name, struct bt_text image, struct bt_text object, struct bt_err *err);

#endif
