/* Byte-pair encoding: a piece of text starts as single symbols; while some neighbours form a pair of the merge table, all
 * occurrences of the pair of lowest rank are merged, left to right. Source: tokenizers.md 4.3, 4.4. */
#ifndef BT_TEXT_BPE_H
#define BT_TEXT_BPE_H

#include "libcommon/text/byte_alphabet.h"
#include "libcommon/text/ids.h"
#include "libcommon/text/piece_cache.h"
#include "libcommon/text/vocab.h"

struct bt_bpe_merge {
    int32_t left, right, result;
    uint32_t rank;
};

struct bt_bpe_link; /* scratch of long pieces */
struct bt_bpe_entry;

struct bt_bpe {
    const struct bt_vocab *vocab; /* borrowed */
    bool byte_level; /* GPT-2's pieces and alphabet; otherwise the text is one piece and its symbols are characters */
    int32_t unk;     /* for a symbol that is not in the vocabulary; -1: such text is an error */
    int32_t byte_id[256];
    struct bt_bpe_merge *merges; /* by rank */
    uint64_t merge_count, merges_capacity;
    uint32_t *slots; /* pair to rank + 1 */
    uint64_t slot_count;
    bool is_twin; /* the tables belong to another */
    struct bt_piece_cache cache;
    struct bt_ids symbols;
    struct bt_bpe_link *links;
    struct bt_bpe_entry *heap, *fresh;
    uint64_t links_capacity, heap_count, heap_capacity, fresh_count, fresh_capacity;
};

int bt_bpe_init(struct bt_bpe *b, const struct bt_vocab *vocab, bool byte_level, int32_t unk, struct bt_err *err);
void bt_bpe_free(struct bt_bpe *b);

/* The same model for another thread: it reads the tables of `of`, which outlives it and takes no more merges. */
int bt_bpe_twin(struct bt_bpe *twin, const struct bt_bpe *of, struct bt_err *err);

/* The next merge in order of rank. E_TOK_FILE when a symbol or the result is not in the vocabulary, or the pair is there. */
int bt_bpe_merge_add(struct bt_bpe *b, const char *left, size_t left_size, const char *right, size_t right_size,
                     struct bt_err *err);

/* Appends the ids of text (UTF-8). E_INPUT when it holds a symbol that the vocabulary lacks and there is no unknown. */
int bt_bpe_encode(struct bt_bpe *b, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err);

#endif
