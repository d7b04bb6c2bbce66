/* One caption against one reference: candidate matches and the search for the best alignment.
 * Source: metrics.md 2.4, "Candidate matches", "Fixed matches", "Search", "Statistics". */
#ifndef BT_METRICS_METEOR_ALIGN_H
#define BT_METRICS_METEOR_ALIGN_H

#include "libcommon/metrics/meteor_paraphrase.h"

#define BT_METEOR_MAX_WORDS 2048 /* time grows with the square */

struct bt_aligner;

/* One for each thread; words and paraphrases are borrowed. NULL when out of memory. */
struct bt_aligner *bt_aligner_new(const struct bt_meteor_words *words,
                                  const struct bt_paraphrases *paraphrases);
void bt_aligner_free(struct bt_aligner *aligner);

/* Both sentences have at most BT_METEOR_MAX_WORDS words. E_LIMIT beyond 2^24 candidate matches, E_MEMORY. */
int bt_aligner_align(struct bt_aligner *aligner, const struct bt_meteor_sentence *hypothesis,
                     const struct bt_meteor_sentence *reference, struct bt_meteor_stats *stats,
                     struct bt_err *err);

#endif
