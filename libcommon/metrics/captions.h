/* Generated captions scored against references: BLEU-1..4, METEOR, ROUGE-L, CIDEr-D, and the share that
 * equals a reference. Source: metrics.md 1.1, 2. */
#ifndef BT_METRICS_CAPTIONS_H
#define BT_METRICS_CAPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/bleu.h"
#include "libcommon/metrics/join.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/sentence.h"
#include "libcommon/metrics/tokens.h"

struct bt_captions;

struct bt_captions *bt_captions_new(void); /* NULL when out of memory */
void bt_captions_free(struct bt_captions *set);

/* An image to be scored; again is no error. Scores are in the order of these calls. */
int bt_captions_image(struct bt_captions *set, struct bt_text id, struct bt_err *err);
/* One more reference, copied; ignored when the id is no image of the set. */
int bt_captions_reference(struct bt_captions *set, struct bt_text id, struct bt_text caption,
                          struct bt_err *err);
int bt_captions_result(struct bt_captions *set, struct bt_text id, struct bt_text caption,
                       struct bt_err *err);

/* Images from the `images` of a JSON object, or from records: what is to be described, without references. */
int bt_captions_load_images(struct bt_captions *set, const char *path, struct bt_err *err);
/* References from COCO captions JSON (images and annotations; perhaps read twice, so a file) or from records with
 * `captions`. E_INPUT when there are no images. */
int bt_captions_load_references(struct bt_captions *set, const char *path, struct bt_err *err);
/* Results from a JSON array of {image_id, caption} or from prediction records. With `own_references` the
 * records bring their references along, in `captions`. E_INPUT when there are no results. */
int bt_captions_load_results(struct bt_captions *set, const char *path, bool own_references,
                             struct bt_err *err);

/* Document frequencies for CIDEr from the references of `corpus`, which must outlive the scoring, instead of
 * those of the images scored. *hash, over its references, may be NULL. */
int bt_captions_frequencies(struct bt_captions *set, struct bt_captions *corpus, uint64_t *hash,
                            struct bt_err *err);

/* METEOR is scored too, by these data, which must outlive the scoring; NULL: it is not. */
void bt_captions_set_meteor(struct bt_captions *set, const struct bt_meteor_data *meteor);

struct bt_caption_score {
    int32_t number; /* of the image, for the functions below */
    struct bt_bleu_counts counts;
    struct bt_meteor_stats meteor_stats;
    double bleu[BT_ORDERS], meteor, rouge_l, cider;
    bool exact;
};

struct bt_caption_scores {
    size_t count;
    struct bt_caption_score *each;
    double bleu[BT_ORDERS], meteor, rouge_l, cider; /* fractions; CIDEr from 0 to 10 */
    double exact;                           /* share of captions equal to one of their references */
    int32_t fewest_references, most_references;
    uint64_t data; /* hash over ids and references, whatever their order */
};

/* Joins and scores. The tokenizer gets all references as one stream, then all results, each in the order of
 * the images. E_INPUT as in bt_join_check, and for an image without references. The caller frees
 * scores->each. */
int bt_captions_score(struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                      struct bt_caption_scores *scores, struct bt_err *err);

/* After scoring: the token strings that were compared, results[scores->count] and the references of each, one
 * image after the other. All live in `arena`. */
int bt_captions_tokens(const struct bt_captions *set, const struct bt_join_policy *policy, enum bt_tokens how,
                       const struct bt_caption_scores *scores, struct bt_arena *arena,
                       struct bt_text **results, struct bt_text **references, struct bt_err *err);
/* After scoring: what was compared, as it was given. */
struct bt_join *bt_captions_join(const struct bt_captions *set);
const struct bt_text *bt_captions_references(const struct bt_captions *set, int32_t number, int32_t *count);

#endif
