/* Inside METEOR's aligner: the candidate matches of a pair of sentences. Source: metrics.md 2.4, "Candidate
 * matches". */
#ifndef BT_METRICS_METEOR_MATCHES_H
#define BT_METRICS_METEOR_MATCHES_H

#include "libcommon/metrics/meteor_paraphrase.h"

struct bt_match {
    int32_t module;
    int32_t start, length; /* in the reference */
    int32_t at, at_length; /* in the hypothesis */
};

/* Those that start at word j of the reference are items[first[j]] to items[first[j + 1] - 1], in the order of
 * creation. Zero it to begin. */
struct bt_matches {
    struct bt_match *items, *made; /* by j; as they were made */
    uint64_t capacity, made_capacity;
    int32_t count;
    int32_t *first; /* [words of the reference + 1] */
    uint64_t first_capacity;
    struct bt_meteor_spot *spots[2]; /* of the hypothesis, the reference */
    uint64_t spot_capacity[2];
};

/* E_LIMIT beyond 2^24 matches, E_MEMORY. */
int bt_matches_find(struct bt_matches *matches, const struct bt_meteor_words *words,
                    const struct bt_paraphrases *paraphrases, const struct bt_meteor_sentence *hypothesis,
                    const struct bt_meteor_sentence *reference, struct bt_err *err);
void bt_matches_free(struct bt_matches *matches);

#endif
