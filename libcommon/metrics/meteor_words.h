/* The words of a METEOR run, numbered, with what the aligner asks about each. */
#ifndef BT_METRICS_METEOR_WORDS_H
#define BT_METRICS_METEOR_WORDS_H

#include "libcommon/metrics/meteor.h"

struct bt_meteor_word {
    int32_t stem; /* words with the same stem have the same number */
    bool function;
    int32_t synset_count;
    const int32_t *synsets; /* ascending */
    uint64_t synset_mask;   /* a bit for each, so that most pairs without a common one show at once */
};

struct bt_meteor_words;

struct bt_meteor_words *bt_meteor_words_new(const struct bt_meteor_data *data); /* NULL: no memory */
void bt_meteor_words_free(struct bt_meteor_words *words);

/* The number of a normalised word. E_INPUT when its synsets are damaged, E_MEMORY. */
int bt_meteor_words_add(struct bt_meteor_words *words, struct bt_text word, int32_t *number,
                        struct bt_err *err);
int32_t bt_meteor_words_find(const struct bt_meteor_words *words, struct bt_text word); /* -1: not there */
/* Lives until the next word is added. */
const struct bt_meteor_word *bt_meteor_words_get(const struct bt_meteor_words *words, int32_t number);

#endif
