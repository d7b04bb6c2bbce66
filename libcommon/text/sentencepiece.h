/* SentencePiece's model file (spiece.model), a protocol buffer: of the unigram kind, as T5 uses it.
 * Source: tokenizers.md 5.1. */
#ifndef BT_TEXT_SENTENCEPIECE_H
#define BT_TEXT_SENTENCEPIECE_H

#include "libcommon/text/tokenizer.h"
#include "libcommon/text/vocab.h"

#define BT_SENTENCEPIECE_EXTRA 100 /* <extra_id_99> to <extra_id_0>, behind the pieces of the file */

/* A tokenizer from the bytes of a model, but for the sealing. E_TOK_FILE damage, E_TOK_PATTERN another kind of model,
 * E_UTF8, E_MEMORY. */
int bt_tokenizer_from_sentencepiece(struct bt_tokenizer **tok, const void *data, size_t size, struct bt_err *err);

/* Appends the bytes of a model whose first pieces are <pad>, </s> and <unk>, without a charsmap. */
int bt_sentencepiece_write(struct bt_buf *out, const struct bt_vocab *pieces, const float *scores, struct bt_err *err);

#endif
