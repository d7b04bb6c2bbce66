/* Text to token ids and back: BERT WordPiece, OPT byte-level BPE and T5 unigram behind one interface, from the published
 * files.
 *
 *     BERT   [CLS] ids [SEP]     vocab.txt, or tokenizer.json
 *     OPT    </s> ids            a directory with vocab.json and merges.txt, or tokenizer.json
 *     T5     ids </s>            spiece.model, or tokenizer.json
 *
 * A tokenizer has scratch memory and a cache of its own: one thread at a time. Source: tokenizers.md 1 to 6. */
#ifndef BT_TEXT_TOKENIZER_H
#define BT_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/text/ids.h"

struct bt_tokenizer;

/* By what path is: a directory (vocab.json and merges.txt, else vocab.txt, else tokenizer.json, else spiece.model), a .json
 * file (tokenizer.json, or vocab.json with merges.txt beside it), a .model file, any other file a vocab.txt. WordPiece gets
 * "[DEC]", the begin mark of the Q-Former, as an added token with the next free id, unless its files have one; a .model
 * gets the 100 marks of T5's masked spans.
 * Errors: E_TOK_FILE damage, E_TOK_PATTERN rules that are not built, E_JSON, E_UTF8, E_LIMIT (64 MiB), E_NOINPUT. The
 * caller frees *tok. */
int bt_tokenizer_load(struct bt_tokenizer **tok, const char *path, struct bt_err *err);

/* The same without "[DEC]", as the P-Former's text was made. */
int bt_tokenizer_load_plain(struct bt_tokenizer **tok, const char *path, struct bt_err *err);

/* Byte-level BPE from two files of any name. */
int bt_tokenizer_load_bpe(struct bt_tokenizer **tok, const char *vocab_path, const char *merges_path,
                          struct bt_err *err);
void bt_tokenizer_free(struct bt_tokenizer *tok);

/* The same tokenizer for another thread: it reads what tok has loaded, and tok outlives it. The caller frees *twin. */
int bt_tokenizer_twin(struct bt_tokenizer **twin, const struct bt_tokenizer *tok, struct bt_err *err);

enum bt_tokenizer_kind { BT_TOKENIZER_BERT, BT_TOKENIZER_OPT, BT_TOKENIZER_T5 };
enum bt_tokenizer_kind bt_tokenizer_kind(const struct bt_tokenizer *tok);

/* Ids from 0 to this minus 1, added tokens included. A model may have more rows than that. */
int32_t bt_tokenizer_vocab_size(const struct bt_tokenizer *tok);

/* -1 where the tokenizer has none. OPT: BOS, EOS and UNK are all </s>, NEWLINE is what ends a caption. BERT: BOS is [DEC],
 * EOS [SEP]. T5: EOS, PAD and UNK. */
enum bt_token { BT_TOKEN_BOS, BT_TOKEN_EOS, BT_TOKEN_PAD, BT_TOKEN_UNK, BT_TOKEN_CLS, BT_TOKEN_SEP, BT_TOKEN_MASK,
                BT_TOKEN_NEWLINE, BT_TOKEN_COUNT };
int32_t bt_tokenizer_token(const struct bt_tokenizer *tok, enum bt_token which);

/* How many ids the template puts before a text, and behind it. */
int bt_tokenizer_marks_before(const struct bt_tokenizer *tok);
int bt_tokenizer_marks_behind(const struct bt_tokenizer *tok);

/* The identity for begin.must: SHA-256 in hex of the entries, merges, scores, rules, special tokens and template, equal for every form of
 * file that holds the same. Lives as long as tok. */
const char *bt_tokenizer_hash(const struct bt_tokenizer *tok);

/* From now on special tokens written in a text are text like any other: for text by strangers. */
void bt_tokenizer_literal(struct bt_tokenizer *tok);

/* Sets ids to the ids of text, `specials`: with the template's marks around them. max_len > 0 cuts the text's ids on the
 * right so that all fit, the marks stay (a caption may lose its newline, as published); ids->whole says how many there were.
 * Special tokens written in the text become their ids. E_UTF8 with the byte offset, E_INPUT (a vocabulary that cannot write
 * the text), E_MEMORY. Allocates only to grow. */
int bt_tokenizer_encode(struct bt_tokenizer *tok, const char *text, size_t size, bool specials, int64_t max_len,
                        struct bt_ids *ids, struct bt_err *err);

/* Appends the text of ids; skip_specials leaves out the special tokens. Ids without a token give nothing. Bytes that are
 * not UTF-8 become U+FFFD, and spaces before punctuation go, as in the reference (tokenizers.md 2.4, 2.5). */
int bt_tokenizer_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip_specials,
                        struct bt_buf *out, struct bt_err *err);

/* The same as one line: white space stripped from both ends as the reference's callers do, line breaks inside written \n. */
int bt_tokenizer_decode_line(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip_specials,
                             struct bt_buf *out, struct bt_err *err);

/* Appends a line for each id: name, the id and its entry as the vocabulary writes it, tabs between. */
int bt_tokenizer_explain(const struct bt_tokenizer *tok, const char *name, const int32_t *ids, uint64_t count,
                         struct bt_buf *out, struct bt_err *err);

/* One row of a batch: `width` ids, padded on the right or the left, and 1 where they are real (mask may be NULL).
 * count <= width. */
void bt_tokenizer_pad(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool left, int32_t *row,
                      int32_t *mask, uint64_t width);

#endif
