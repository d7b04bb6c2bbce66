/* What a tokenizer is made of, for the files that load, encode and decode. Not for others. */
#ifndef BT_TEXT_TOKENIZER_PARTS_H
#define BT_TEXT_TOKENIZER_PARTS_H

#include "libcommon/base/json.h"
#include "libcommon/text/bpe.h"
#include "libcommon/text/tokenizer.h"
#include "libcommon/text/unigram.h"
#include "libcommon/text/vocab.h"
#include "libcommon/text/wordpiece.h"

#define BT_TEMPLATE_MAX 8 /* ids before, and behind, the text's */
#define BT_SPECIAL_MAX 256 /* bytes of a special token: each place of a text may be compared with that many */

struct bt_tokenizer {
    enum bt_tokenizer_kind kind;
    struct bt_vocab vocab;    /* every entry, the added ones behind the model's */
    int32_t model_count;      /* ids from here on are added tokens */
    struct bt_vocab specials; /* text that is cut out before anything else, under its ids */
    bool special_start[256];  /* bytes with which one begins */
    bool literal;             /* no text is cut out */
    struct bt_wordpiece wordpiece;
    struct bt_bpe bpe;
    struct bt_unigram unigram;
    int64_t max_chars;
    int32_t before[BT_TEMPLATE_MAX], behind[BT_TEMPLATE_MAX];
    int before_count, behind_count;
    int32_t token[BT_TOKEN_COUNT];
    char hash[65];
    bool is_twin; /* the vocabularies belong to another */
};

/* For loaders: an empty tokenizer, to be filled and sealed. */
int bt_tokenizer_new(struct bt_tokenizer **tok, enum bt_tokenizer_kind kind, struct bt_err *err);
/* E_LIMIT beyond BT_SPECIAL_MAX. */
int bt_tokenizer_special_add(struct bt_tokenizer *tok, const char *text, size_t size, int32_t id, struct bt_err *err);
/* BERT with its vocabulary in place: the five marks as specials, the model, [CLS] and [SEP] around a text. */
int bt_tokenizer_bert_setup(struct bt_tokenizer *tok, const char *unk, struct bt_err *err);
/* "[DEC]" with the next free id unless the vocabulary has it. */
int bt_tokenizer_dec_add(struct bt_tokenizer *tok, struct bt_err *err);
/* The last step: no gaps, the ids by name, the hash. */
int bt_tokenizer_seal(struct bt_tokenizer *tok, struct bt_err *err);

/* The object {"text": id, ...}: E_TOK_FILE unless the ids are 0 to its size - 1. */
int bt_tokenizer_vocab_json(struct bt_vocab *vocab, const json_t *object, struct bt_err *err);
/* The contents of a vocab.txt (BERT), and of a vocab.json (OPT) with the merges.txt that goes with it; not yet sealed. */
int bt_tokenizer_from_vocab_text(struct bt_tokenizer **tok, const char *text, size_t size, struct bt_err *err);
int bt_tokenizer_from_vocab_json(struct bt_tokenizer **tok, const json_t *root, struct bt_err *err);
int bt_tokenizer_merges_text(struct bt_bpe *bpe, const char *text, size_t size, struct bt_err *err);
/* A parsed tokenizer.json, but for the sealing. */
int bt_tokenizer_from_json(struct bt_tokenizer **tok, const json_t *root, struct bt_err *err);

#endif
