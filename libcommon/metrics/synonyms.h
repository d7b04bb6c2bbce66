/* METEOR's synonyms: words that share a WordNet synset, also through their base forms.
 * Source: metrics.md 2.4, "Candidate matches" 3; Miller, WordNet (the rules of detachment). */
#ifndef BT_METRICS_SYNONYMS_H
#define BT_METRICS_SYNONYMS_H

#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/intern.h"

struct bt_synonyms;

/* `synsets`: pairs of lines, a word, then the numbers of its synsets. `exceptions`: pairs of lines, a base
 * form, then its irregular forms. Both are borrowed and must outlive it. E_INPUT when a line lacks its
 * partner. */
int bt_synonyms_new(struct bt_synonyms **synonyms, struct bt_text synsets, struct bt_text exceptions,
                    struct bt_err *err);
void bt_synonyms_free(struct bt_synonyms *synonyms);

/* The synsets of a word and of its base forms, ascending, each once; synsets grows as bt_grow has it. */
int bt_synonyms_find(const struct bt_synonyms *synonyms, struct bt_text word, int32_t **synsets,
                     uint64_t *capacity, int32_t *count, struct bt_err *err);

#endif
