/* The paraphrases that can match in a run: those of METEOR's table of which one side occurs in a caption and
 * the other in a reference. Source: metrics.md 2.4, "Candidate matches" 4. */
#ifndef BT_METRICS_METEOR_PARAPHRASE_H
#define BT_METRICS_METEOR_PARAPHRASE_H

#include "libcommon/metrics/meteor_words.h"

#define BT_METEOR_MAX_PHRASE 8 /* words; the English table has at most 7 */

/* A sentence of a run. */
struct bt_meteor_sentence {
    const int32_t *words;
    int32_t count;
};

/* A phrase of the table where it stands in a sentence. */
struct bt_meteor_spot {
    int32_t phrase, start, length;
};

struct bt_paraphrases;

/* Reads the table of `data`; with none, nothing matches. What occurs is told by the texts of the normalised
 * sentences, single spaces between the words. E_INPUT for a damaged table, E_LIMIT for a phrase over 64 KiB,
 * E_BOMB, E_MEMORY. */
int bt_paraphrases_read(struct bt_paraphrases **paraphrases, const struct bt_meteor_data *data,
                        const struct bt_meteor_words *words, const struct bt_text *captions,
                        size_t caption_count, const struct bt_text *references, size_t reference_count,
                        struct bt_err *err);
void bt_paraphrases_free(struct bt_paraphrases *paraphrases);

/* The phrases in a sentence by start, then length: at most count * BT_METEOR_MAX_PHRASE. */
int32_t bt_paraphrases_spots(const struct bt_paraphrases *paraphrases,
                             const struct bt_meteor_sentence *sentence, struct bt_meteor_spot *spots);
/* The paraphrases of a phrase in the order of the table; one may come twice. */
const int32_t *bt_paraphrases_of(const struct bt_paraphrases *paraphrases, int32_t phrase, int32_t *count);

#endif
