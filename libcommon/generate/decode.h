/* Decoding: beam search, greedy and nucleus sampling with the reference's exact rules, over anything that gives the next
 * token's logits. Source: models.md 8.1 to 8.4 (transformers 4.26). */
#ifndef BT_GENERATE_DECODE_H
#define BT_GENERATE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* What scores continuations. `items` sequences are decoded together, `beams` rows each; row r belongs to item r / beams. */
struct bt_scorer {
    void *context;
    size_t vocab;
    /* The prompts' next-token logits [items, vocab]; from then on each item has `beams` rows that begin alike. */
    int (*begin)(void *context, size_t beams, float *logits, struct bt_err *err);
    /* Row r goes on from what row from[r] was, with tokens[r]; its next-token logits [items * beams, vocab]. */
    int (*next)(void *context, const int32_t *tokens, const int32_t *from, float *logits, struct bt_err *err);
};

enum bt_decode_mode { BT_DECODE_BEAM, BT_DECODE_GREEDY, BT_DECODE_SAMPLE };

struct bt_decode_options {
    enum bt_decode_mode mode;
    size_t beams;       /* beam: at least 1; otherwise rows per item are `returns` (sampling) or 1 */
    size_t returns;     /* hypotheses per item; at most beams in beam search */
    size_t max_new;     /* new tokens, the end token included; at least 1 */
    size_t min_length;  /* columns, prompt included, before which the end token is forbidden (quirk K26) */
    double length_penalty, repetition_penalty;
    double temperature, top_p; /* sampling: temperature > 0, 0 < top_p <= 1; the 50 best tokens at most (quirk K28) */
    uint64_t seed;
    const uint64_t *key;       /* [items] what a sample's draws are keyed by; NULL: its number */
    int32_t eos, pad;
};

struct bt_hypothesis {
    int32_t *ids;  /* new tokens without the end token */
    size_t count;
    bool ended;    /* the end token came */
    float score;   /* beam search: sum of log-probabilities / length^penalty; otherwise the sum */
};

/* prompt: [items, columns] ids as the reference counts them, left pads included (quirk K27). out: [items * returns], best first
 * within an item; ids are allocated together, freed by bt_hypotheses_free. */
int bt_decode(const struct bt_scorer *scorer, const struct bt_decode_options *options, const int32_t *prompt, size_t items,
              size_t columns, struct bt_hypothesis *out, struct bt_err *err);
void bt_hypotheses_free(struct bt_hypothesis *hypotheses, size_t count);

/* The distribution one sampling step draws from: penalties, end-token rule, temperature, top-k and top-p applied to logits[vocab]
 * in place, which become probabilities. `ids` are the row's so far. */
void bt_sampling_distribution(float *logits, size_t vocab, const int32_t *ids, size_t count,
                              const struct bt_decode_options *options);
/* Penalties and end-token rule alone, on logits or log-probabilities. */
void bt_process_scores(float *scores, size_t vocab, const int32_t *ids, size_t count, const struct bt_decode_options *options);

#endif
