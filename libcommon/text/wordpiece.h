/* WordPiece: BERT's words, each cut into the longest entries of the vocabulary from the left; what follows the first
 * piece carries "##". A word that cannot be cut, or is too long, is one unknown. Source: tokenizers.md 3.3. */
#ifndef BT_TEXT_WORDPIECE_H
#define BT_TEXT_WORDPIECE_H

#include "libcommon/text/bert_split.h"
#include "libcommon/text/ids.h"
#include "libcommon/text/piece_cache.h"
#include "libcommon/text/vocab.h"

#define BT_WORDPIECE_MAX_CHARS 100 /* the published limit */

struct bt_wordpiece {
    const struct bt_vocab *vocab; /* borrowed */
    uint32_t rest;                /* the node of "##" */
    int32_t unk;
    struct bt_bert_splitter splitter;
    struct bt_piece_cache cache;
    struct bt_ids *ids; /* of the call in progress */
};

int bt_wordpiece_init(struct bt_wordpiece *w, const struct bt_vocab *vocab, int32_t unk, size_t max_chars,
                      struct bt_err *err);
void bt_wordpiece_free(struct bt_wordpiece *w);

/* Appends the ids of text (UTF-8). */
int bt_wordpiece_encode(struct bt_wordpiece *w, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err);

#endif
