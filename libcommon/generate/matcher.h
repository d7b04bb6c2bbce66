/* How well pictures and texts fit each other, after stage 1: cosines between what the Q-Former's queries and its text mode say,
 * and the matching head's word on the best of them. Source: models.md 9.1, 9.3. */
#ifndef BT_GENERATE_MATCHER_H
#define BT_GENERATE_MATCHER_H

#include "libcommon/model/vlm.h"

struct bt_matcher;

#define BT_MATCH_NONE (-100.0f) /* the score of a pair that was not looked at, as published */

/* The vlm must outlive it, loaded and ready. `tokens` is the width of text rows; `batch` is how many pictures, texts or pairs are
 * looked at together. E_CONFIG for another stage than stage 1, or more tokens than the Q-Former has positions. */
int bt_matcher_new(struct bt_matcher **matcher, const struct bt_vlm *vlm, size_t tokens, size_t batch, struct bt_err *err);
void bt_matcher_free(struct bt_matcher *matcher);

/* Adds pictures: host images [count, 3, S, S], normalised. What the tower says of each is kept on the host. */
int bt_matcher_add_images(struct bt_matcher *matcher, const float *images, size_t count, struct bt_err *err);
/* Adds texts: host ids [count, tokens] from [CLS] on, and mask (1 is a token). E_INPUT for ids that the Q-Former does not have. */
int bt_matcher_add_texts(struct bt_matcher *matcher, const int32_t *ids, const int32_t *mask, size_t count, struct bt_err *err);
size_t bt_matcher_images(const struct bt_matcher *matcher);
size_t bt_matcher_texts(const struct bt_matcher *matcher);

/* What is compared: [images, Q, embed] and [texts, embed], of length 1. Borrowed until something is added. */
const float *bt_matcher_image_features(const struct bt_matcher *matcher);
const float *bt_matcher_text_features(const struct bt_matcher *matcher);

/* similarity [images, texts]: the largest cosine of a picture's queries with the text. */
int bt_matcher_similarity(struct bt_matcher *matcher, float *similarity, struct bt_err *err);

struct bt_pair {
    size_t image, text;
};
/* The matching head: mean over the queries of the logits (no match, match), [count, 2]. */
int bt_matcher_match(struct bt_matcher *matcher, const struct bt_pair *pairs, size_t count, float *logits, struct bt_err *err);

/* Scores for retrieval from similarity [images, texts]: image_scores [images, texts] holds, for the `top` most similar texts of
 * each picture, the logit "match" plus the similarity, and BT_MATCH_NONE for the others; text_scores [texts, images] likewise.
 * Equal similarities: the first comes first. */
int bt_matcher_scores(struct bt_matcher *matcher, const float *similarity, size_t top, float *image_scores, float *text_scores,
                      struct bt_err *err);

#endif
