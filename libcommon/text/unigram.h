/* Unigram (SentencePiece, T5): the text is normalized and cut before every space, written U+2581; each such word becomes the
 * pieces whose scores, logarithms of probabilities, have the largest sum. Characters in no piece are unknown, neighbours of
 * them together. Source: tokenizers.md 5.4, 5.5 (the published fast tokenizer, to the bit); arXiv:1804.10959. */
#ifndef BT_TEXT_UNIGRAM_H
#define BT_TEXT_UNIGRAM_H

#include "libcommon/text/charsmap.h"
#include "libcommon/text/ids.h"
#include "libcommon/text/piece_cache.h"
#include "libcommon/text/vocab.h"

#define BT_UNIGRAM_PIECE_MAX 1024 /* bytes: what bounds the time that a byte of text can take */
#define BT_UNIGRAM_SPACE "\xE2\x96\x81"

/* What the forms of tokenizer.json differ in (tokenizers.md 6). */
struct bt_unigram_rules {
    bool collapse;    /* a run of spaces is one */
    bool strip_right; /* white space at the end goes */
    bool split_white; /* white space of every kind parts words and goes */
};

struct bt_unigram_step; /* scratch: the best way to a place in a word */

struct bt_unigram {
    const struct bt_vocab *vocab; /* borrowed */
    double *scores;
    int32_t count; /* pieces: ids from here on are added tokens, no pieces */
    int32_t unk;
    double unk_score;
    const struct bt_vocab *marks; /* borrowed; pieces by their ids that no text is to give. NULL: none, as published */
    struct bt_unigram_rules rules;
    struct bt_charsmap charsmap;
    struct bt_piece_cache cache;
    struct bt_buf normal, word;
    struct bt_unigram_step *steps;
    uint64_t steps_capacity;
    bool is_twin; /* scores and charsmap belong to another */
};

/* vocab holds the pieces; scores, one each, is taken over even on failure; charsmap is copied. E_TOK_FILE, E_LIMIT (a piece
 * over BT_UNIGRAM_PIECE_MAX), E_MEMORY. */
int bt_unigram_init(struct bt_unigram *u, const struct bt_vocab *vocab, double *scores_take, int32_t unk,
                    const void *charsmap, size_t charsmap_size, struct bt_unigram_rules rules, struct bt_err *err);
/* The same model with a cache and scratch memory of its own, for another thread; u outlives it. E_MEMORY. */
int bt_unigram_twin(struct bt_unigram *twin, const struct bt_unigram *u, struct bt_err *err);
void bt_unigram_free(struct bt_unigram *u);

/* The value that the published reader of tokenizer.json makes of a score: its digits as one whole number, divided by a power
 * of ten, which rounds twice (tokenizers.md 5.5). */
double bt_unigram_score(double score);

/* Appends the ids of text (UTF-8). */
int bt_unigram_encode(struct bt_unigram *u, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err);

#endif
