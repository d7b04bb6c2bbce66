/* Answers to GQA's questions: accuracy, and with the official files all its other measures.
 * Source: Hudson and Manning, arXiv:1902.09506 (eval.py as distributed with the data); metrics.md 4. */
#ifndef BT_METRICS_GQA_H
#define BT_METRICS_GQA_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/join.h"
#include "libcommon/metrics/vqa.h"

/* How an answer is compared with the one expected (metrics.md 4.1):
 *   official  as they stand
 *   lavis     both after the text processing of VQA
 *   blitext   the prediction alone after it (BLIText, and older LAVIS) */
enum bt_gqa_variant { BT_GQA_OFFICIAL, BT_GQA_LAVIS, BT_GQA_BLITEXT };
#define BT_GQA_VARIANTS 3
const char *bt_gqa_variant_name(enum bt_gqa_variant variant);

struct bt_gqa;

struct bt_gqa *bt_gqa_new(void); /* NULL when out of memory */
void bt_gqa_free(struct bt_gqa *set);

/* The official files, questions first: an object of questions by id, of {valid, plausible} by question, of
 * scene graphs by image; an array of {questionId, attention}, maps of n x n. With `to_answer` every question
 * is to be answered and nothing else is read of it; otherwise the balanced ones are. */
int bt_gqa_load_questions(struct bt_gqa *set, const char *path, bool to_answer, struct bt_err *err);
int bt_gqa_load_choices(struct bt_gqa *set, const char *path, struct bt_err *err);
int bt_gqa_load_scenes(struct bt_gqa *set, const char *path, struct bt_err *err);
int bt_gqa_load_attentions(struct bt_gqa *set, const char *path, struct bt_err *err);
/* [{questionId, prediction}], LAVIS's [{question_id, pred_ans, gt_ans}], or prediction records. With
 * `own_answers` they bring the answer along, in gt_ans or as the first of `answers`. */
int bt_gqa_load_results(struct bt_gqa *set, const char *path, bool own_answers, struct bt_err *err);

/* Measures in the order of the official tool; all but the last are means over questions. */
enum bt_gqa_measure {
    BT_GQA_BINARY,
    BT_GQA_OPEN,
    BT_GQA_ACCURACY,
    BT_GQA_CONSISTENCY,
    BT_GQA_VALIDITY,
    BT_GQA_PLAUSIBILITY,
    BT_GQA_GROUNDING,
    BT_GQA_DISTRIBUTION,
    BT_GQA_MEASURES,
};
extern const char *const bt_gqa_measure_names[BT_GQA_MEASURES];

/* Accuracy by structural type, semantic type, steps and words; names sorted, numbers as numbers. */
#define BT_GQA_DETAILS 4

struct bt_gqa_scores {
    size_t count;
    int32_t *numbers;            /* [count] balanced questions, in the order of their file */
    double *values;              /* [count][BT_GQA_DISTRIBUTION] per cent; NaN: the question has no part */
    double all[BT_GQA_MEASURES]; /* per cent, distribution as it is; NaN: the files for it are not there */
    int64_t questions[BT_GQA_MEASURES]; /* that have a part */
    struct bt_vqa_group *details[BT_GQA_DETAILS];
    int32_t detail_count[BT_GQA_DETAILS];
    uint64_t data; /* hash over ids and answers, whatever their order */
};

/* A measure that cannot be had for want of predictions or of groups is NaN, and a note says why. E_INPUT as
 * in bt_join_check, and for a balanced question without choices, attention or scene where there are such
 * files. */
int bt_gqa_score(struct bt_gqa *set, enum bt_gqa_variant variant, const struct bt_join_policy *policy,
                 struct bt_gqa_scores *scores, struct bt_err *err);
void bt_gqa_scores_free(struct bt_gqa_scores *scores);

struct bt_join *bt_gqa_join(const struct bt_gqa *set);
struct bt_text bt_gqa_answer(const struct bt_gqa *set, int32_t number);

#endif
