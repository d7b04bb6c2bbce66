/* VQA accuracy (VQAv2, OK-VQA, A-OKVQA): an answer counts by how many annotators gave it.
 * Source: Antol et al., arXiv:1505.00468; metrics.md 3. */
#ifndef BT_METRICS_VQA_H
#define BT_METRICS_VQA_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/join.h"

/* Three published evaluators that disagree (metrics.md 3.2, 3.4):
 *   official  answers are cleaned only where the annotators differ, the prediction with them
 *   lavis     the prediction is always cleaned, the annotators' answers lose punctuation at most
 *   aokvqa    nothing is cleaned and no annotator is left out; values are not rounded */
enum bt_vqa_variant { BT_VQA_OFFICIAL, BT_VQA_LAVIS, BT_VQA_AOKVQA };
#define BT_VQA_VARIANTS 3
const char *bt_vqa_variant_name(enum bt_vqa_variant variant);

/* What one annotator said. Two answers are the same object when text and identity agree: with an answer_id
 * each is its own, without one equal answers leave each other out. */
struct bt_vqa_answer {
    struct bt_text text;
    int32_t identity;
};

/* From 0 to 1; count >= 1. `arena` holds scratch. E_UTF8, E_MEMORY. */
int bt_vqa_accuracy(enum bt_vqa_variant variant, const struct bt_vqa_answer *answers, int32_t count,
                    struct bt_text prediction, struct bt_arena *arena, double *accuracy, struct bt_err *err);

struct bt_vqa;
#define BT_VQA_ANSWERS 1000 /* of one question, at most */

struct bt_vqa *bt_vqa_new(void); /* NULL when out of memory */
void bt_vqa_free(struct bt_vqa *set);

/* A question to be scored; everything is copied. E_INPUT when it is there already or has no answers. */
int bt_vqa_question(struct bt_vqa *set, struct bt_text id, struct bt_text question_type,
                    struct bt_text answer_type, const struct bt_vqa_answer *answers, int32_t count,
                    struct bt_err *err);
/* Makes the task multiple choice: a result must be one of the choices of its question. */
int bt_vqa_choice(struct bt_vqa *set, struct bt_text id, struct bt_text choice, struct bt_err *err);
/* E_INPUT when it is none of the choices. */
int bt_vqa_result(struct bt_vqa *set, struct bt_text id, struct bt_text answer, struct bt_err *err);

/* A question that is to be answered, but not scored. */
int bt_vqa_expect(struct bt_vqa *set, struct bt_text id, struct bt_err *err);

/* The official files: questions (for multiple choice, before the results; with `expect` each is to be
 * answered), annotations, results [{question_id, answer}]. Annotations may also be records with `answers`, or
 * an array of LAVIS's samples {question_id, answers} or A-OKVQA's {question_id, direct_answers}; results
 * prediction records or LAVIS's {question_id, pred_ans, gt_ans}. With `own_answers` results bring their
 * answers along. E_INPUT when there is nothing in them. Source: metrics.md 3.3, 3.4. */
int bt_vqa_load_questions(struct bt_vqa *set, const char *path, bool expect, struct bt_err *err);
int bt_vqa_load_annotations(struct bt_vqa *set, const char *path, struct bt_err *err);
int bt_vqa_load_results(struct bt_vqa *set, const char *path, bool own_answers, struct bt_err *err);

struct bt_vqa_score {
    int32_t number;  /* of the question, for bt_vqa_join and bt_vqa_answers */
    double accuracy; /* per cent */
};

/* Questions of one type, in order of first appearance. */
struct bt_vqa_group {
    struct bt_text name;
    double accuracy;
    int64_t count;
};

/* Accuracies in per cent, rounded to two decimals (aokvqa: as they are). */
struct bt_vqa_scores {
    double overall;
    size_t count;
    struct bt_vqa_score *each;
    struct bt_vqa_group *question_types, *answer_types;
    int32_t question_type_count, answer_type_count;
    int32_t fewest_answers, most_answers;
    uint64_t data; /* hash over ids and answers, whatever their order */
};

int bt_vqa_score(struct bt_vqa *set, enum bt_vqa_variant variant, const struct bt_join_policy *policy,
                 struct bt_vqa_scores *scores, struct bt_err *err);
void bt_vqa_scores_free(struct bt_vqa_scores *scores);

struct bt_join *bt_vqa_join(const struct bt_vqa *set);
const struct bt_vqa_answer *bt_vqa_answers(const struct bt_vqa *set, int32_t number, int32_t *count);

#endif
