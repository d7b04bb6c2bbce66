/* METEOR 1.5 for English, with normalisation, as the caption evaluation runs it.
 *
 * A caption is aligned with each of its references by exact words, stems, synonyms and paraphrases; the
 * counts of the best reference make the score. The data (function words, abbreviations, synonyms,
 * paraphrases) are the user's. Source: metrics.md 2.4; Denkowski and Lavie, "Meteor Universal", WMT 2014. */
#ifndef BT_METRICS_METEOR_H
#define BT_METRICS_METEOR_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

#define BT_METEOR_VERSION "1.5"

/* The four modules, in the order of the statistics. */
enum bt_meteor_module {
    BT_METEOR_EXACT,
    BT_METEOR_STEM,
    BT_METEOR_SYNONYM,
    BT_METEOR_PARAPHRASE,
    BT_METEOR_MODULES
};

/* ---------------------------------------------------------------- data */

struct bt_meteor_data;

/* `path` is meteor-1.5.jar, the directory it is in, or one with the jar's folders unpacked
 * (function/english.words, nonbreaking/english.prefixes, synonym/english.synsets and english.exceptions); the
 * paraphrases are in data/paraphrase-en.gz beside the jar or in the directory. NULL: no data, so exact words
 * and stems alone, every word a content word. E_NOINPUT, E_INPUT. */
int bt_meteor_open(struct bt_meteor_data **data, const char *path, struct bt_err *err);
void bt_meteor_close(struct bt_meteor_data *data);
/* From now on no paraphrases, or those of another gzip file. */
int bt_meteor_set_paraphrases(struct bt_meteor_data *data, const char *path, struct bt_err *err);

/* What the option --meteor asks for: a path, "stem" for no data, or with NULL what BT_METEOR names in the
 * environment. With neither *data is NULL, and METEOR is to be skipped with BT_METEOR_SKIPPED as the note. */
#define BT_METEOR_SKIPPED                                                                                    \
    "METEOR skipped: it needs data; name meteor-1.5.jar with --meteor, or stem for exact words and stems "   \
    "alone"
int bt_meteor_choose(struct bt_meteor_data **data, const char *choice, struct bt_err *err);
/* "METEOR", and without data "METEOR_stem", which compares with itself alone. */
const char *bt_meteor_name(const struct bt_meteor_data *data);

/* "|meteor:1.5:HASH", or "|meteor:1.5:stem", appended to a signature. */
int bt_meteor_sign(const struct bt_meteor_data *data, struct bt_buf *signature, struct bt_err *err);

/* ---------------------------------------------------------------- scores */

/* Of one side of an alignment, or of many summed. */
struct bt_meteor_side {
    int64_t words, function_words, matched;
    int64_t content[BT_METEOR_MODULES], function[BT_METEOR_MODULES]; /* words matched, of each kind */
};

struct bt_meteor_stats {
    struct bt_meteor_side hypothesis, reference;
    int64_t chunks;
};

/* The 23 statistics in the order in which the published tool prints them. */
enum { BT_METEOR_STATISTICS = 23 };
void bt_meteor_list(const struct bt_meteor_stats *stats, int64_t list[BT_METEOR_STATISTICS]);

/* Score of a segment or of a sum of segments, from 0 to 1. */
double bt_meteor_score(const struct bt_meteor_stats *stats);
/* Adds a segment to a sum: the score of the sum is the corpus score. */
void bt_meteor_add(struct bt_meteor_stats *sum, const struct bt_meteor_stats *segment);

/* One caption and its references: UTF-8, token strings as the tokenizer left them. */
struct bt_meteor_item {
    struct bt_text hypothesis;
    const struct bt_text *references;
    int32_t reference_count;
};

/* stats[i]: of the best reference of items[i] (the first among equals; zero without references). The caller's
 * threads count nothing: results are the same for any number. E_LIMIT for a caption of more than 2048 words;
 * E_INPUT for damaged data. */
int bt_meteor_align(const struct bt_meteor_data *data, const struct bt_meteor_item *items, size_t count,
                    struct bt_meteor_stats *stats, struct bt_err *err);

#endif
