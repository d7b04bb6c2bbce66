/* Vocabulary training. Deterministic: the same counts give the same bytes. Source: demo.md 5. */
#ifndef BT_TEXT_TRAIN_H
#define BT_TEXT_TRAIN_H

#include "libcommon/text/corpus.h"

#define BT_TRAIN_BPE_LEAST 260       /* four marks and 256 bytes */
#define BT_TRAIN_WORDPIECE_LEAST 200 /* marks at their published places, letters and digits */
#define BT_TRAIN_UNIGRAM_LEAST 16    /* three marks and some characters */

/* What can be learnt, by name: from which words, and how. NULL: no such thing. */
struct bt_trainer {
    const char *name;
    enum bt_tokenizer_kind words;
    int (*learn)(const struct bt_corpus *corpus, int64_t vocab_size, const char *output, bool force, int64_t *made,
                 struct bt_err *err);
};
const struct bt_trainer *bt_trainer(const char *name);

/* Byte-level BPE in OPT's layout: dir/vocab.json and dir/merges.txt. Ids: <s> <pad> </s> <unk>, the bytes in order, then the
 * results of the merges in order. Each merge is the commonest pair of neighbours (at least twice), among equals the one
 * whose left, then right, text comes first in byte order. *made is the number of entries, at most vocab_size: a small corpus
 * gives fewer. The corpus is of GPT-2's pieces. E_USAGE (vocab_size), E_EXISTS without force, E_MEMORY, E_IO. */
int bt_train_bpe(const struct bt_corpus *corpus, int64_t vocab_size, const char *dir, bool force, int64_t *made,
                 struct bt_err *err);

/* WordPiece as a vocab.txt: [PAD] 0, fillers, [UNK] [CLS] [SEP] [MASK] 100 to 103, letters and digits and every other
 * character seen, alone and as ##continuation, the most frequent first, then whole words seen at least three times, the most
 * frequent first, equals in byte order. [DEC] is not in the file: its id is the number of entries. */
int bt_train_wordpiece(const struct bt_corpus *corpus, int64_t vocab_size, const char *path, bool force, int64_t *made,
                       struct bt_err *err);

/* Unigram as a spiece.model, without a normalization table: <pad> </s> <unk>, then at most vocab_size - 3 pieces, the most
 * likely first: every character seen (the most frequent, if there are more), and the substrings that expectation
 * maximization and pruning leave of the commonest. Readers add the 100 marks of T5's masked spans. An empty corpus gives the
 * marks alone. Source: arXiv:1804.10959, section 3.2; the constants are SentencePiece's. */
int bt_train_unigram(const struct bt_corpus *corpus, int64_t vocab_size, const char *path, bool force, int64_t *made,
                     struct bt_err *err);

#endif
