/* The token ids of a record's texts, as bt-tokenize adds them and the loader reads them.
 *
 *     F.NAME            the ids of field F by tokenizer NAME: an array of int32, of a list of texts a list of them
 *     prompt_len.NAME   with a prompt: how many of the first ids are the prompt's
 *     text              with a prompt that asks: the question asked and its answer
 *
 * Source: data.md 6, formats.md 1.2. */
#ifndef BT_TRAIN_TOKEN_FIELDS_H
#define BT_TRAIN_TOKEN_FIELDS_H

#include "libcommon/stream/stream.h"
#include "libcommon/text/text_worker.h"

#define BT_TOKEN_FIELDS_MAX 8

/* A text that is left out, or the record or line that it stands in; why.code NULL: none. */
struct bt_bad_text {
    struct bt_reject why;
    char detail[256]; /* why.detail may be this */
};

/* What a failure over a text means: BT_OK and *bad says why, or the failure when it is not the text's. */
int bt_bad_text_of(int rc, const char *text, size_t size, struct bt_bad_text *bad, struct bt_err *err);

struct bt_token_fields {
    const struct bt_text_settings *settings; /* borrowed, as are the names */
    const char *fields[BT_TOKEN_FIELDS_MAX];
    int field_count;
    const char *answers; /* the field of the answers to a question */
    bool kept;           /* the ids are put into the record; else they are only counted */

    char *keys[BT_TOKENIZERS_MAX][BT_TOKEN_FIELDS_MAX], *prompt_keys[BT_TOKENIZERS_MAX];
};

/* Once all above is set. bt_token_fields_free may follow a failure. */
int bt_token_fields_init(struct bt_token_fields *f, struct bt_err *err);
void bt_token_fields_free(struct bt_token_fields *f);

/* Scratch memory of a thread. Zero it to begin, free with bt_token_lists_free. */
struct bt_token_lists {
    struct bt_ids ids[BT_TOKENIZERS_MAX]; /* of the texts of a field, one behind the other */
    uint64_t *ends, capacity;             /* by text and tokenizer: where in ids they end */
};
void bt_token_lists_free(struct bt_token_lists *lists);

/* Adds to the record what its fields ask for. Where *bad says why it is left out, the record is of no more use. */
int bt_token_fields_add(const struct bt_token_fields *f, struct bt_text_worker *w, struct bt_token_lists *lists,
                        struct bt_record *rec, struct bt_bad_text *bad, struct bt_err *err);

#endif
