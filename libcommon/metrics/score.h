/* What the commands of bt-score do: files in, a report on stdout. Each function reads references and results,
 * joins them, scores, and then either prints the report or writes a submission. */
#ifndef BT_METRICS_SCORE_H
#define BT_METRICS_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/join.h"

/* Paths are NULL where nothing was given; texts are borrowed. */
struct bt_score_options {
    const char *input;   /* results; "-" is stdin */
    const char *refs;    /* references; NULL: the results bring them along */
    const char *compare; /* results of another system for the same references */
    const char *questions, *choices, *scenes, *attentions; /* VQA: questions alone; GQA: all of them */
    const char *variant;                                   /* of VQA and GQA, by name; NULL: "official" */
    const char *tokenizer; /* captions: "ptb" or "words"; NULL: "ptb", the official one */
    const char *meteor;  /* captions: METEOR's data, or "stem"; NULL: what the environment names */
    const char *df;      /* captions: whose document frequencies CIDEr takes */
    const char *domains; /* captions: lists of ids to score apart */
    const char *spice, *java, *spice_cache;
    const char *submission, *per_item; /* outputs */
    struct bt_join_policy policy;
    bool duplicates_given; /* policy.duplicates was asked for; otherwise each evaluation has its own rule */
    bool json, force;
    int64_t worst_count, samples; /* samples 0: no intervals, and 1000 for a comparison */
    uint64_t seed;
};

int bt_score_captions(const struct bt_score_options *o, struct bt_err *err);
int bt_score_vqa(const struct bt_score_options *o, struct bt_err *err);
int bt_score_gqa(const struct bt_score_options *o, struct bt_err *err);
int bt_score_retrieval(const struct bt_score_options *o, struct bt_err *err);

#endif
