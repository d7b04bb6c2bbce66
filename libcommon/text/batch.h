/* Many texts at once: encoded by several threads, the same ids for any number of them, and padded into rows as BLIP-2
 * feeds its parts. Source: tokenizers.md 1, 2.2, 2.3. */
#ifndef BT_TEXT_BATCH_H
#define BT_TEXT_BATCH_H

#include "libcommon/text/tokenizer.h"

/* How the published code prepares texts. */
struct bt_text_preset {
    const char *name;
    const char *end; /* put behind each text */
    bool dec;        /* the tokenizer has [DEC]: bt_tokenizer_load, not bt_tokenizer_load_plain */
    bool left;       /* padding goes before the ids */
    bool full;       /* rows are max_len wide; else as wide as the longest */
    int64_t max_len; /* 0: no cut */
};

/* "bert": the P-Former's sentences. "qformer", "opt", "t5": captions. "opt-question": what OPT is asked. NULL: no such
 * preset. */
const struct bt_text_preset *bt_text_preset(const char *name);

struct bt_text {
    const char *data;
    size_t size;
};

struct bt_encoded {
    struct bt_ids ids; /* borrowed until the next run */
    bool bad;          /* not encoded: bt_tokenizer_encode says why */
};

/* A tokenizer and a twin of it for each further thread. */
struct bt_encoder;

/* tok must outlive the encoder, and is not to be used while it runs. threads is at least 1. */
int bt_encoder_new(struct bt_encoder **encoder, struct bt_tokenizer *tok, int threads, struct bt_err *err);
void bt_encoder_free(struct bt_encoder *encoder);

/* Sets encoded[i] to the ids of texts[i] followed by `end` (NUL-terminated, may be NULL), with the template's marks, cut to
 * max_len if above 0. E_MEMORY. */
int bt_encoder_run(struct bt_encoder *encoder, const struct bt_text *texts, uint64_t count, const char *end,
                   int64_t max_len, struct bt_encoded *encoded, struct bt_err *err);

/* Rows of equal width: ids and mask are [count][width]. Zero it to begin, free with bt_rows_free. */
struct bt_rows {
    int32_t *ids, *mask;
    uint64_t count, width, ids_capacity, mask_capacity;
};
void bt_rows_free(struct bt_rows *rows);

/* Sets rows to the texts prepared by the preset. E_UTF8 and E_INPUT as bt_tokenizer_encode, "text 3: ..."; E_MEMORY. */
int bt_encoder_rows(struct bt_encoder *encoder, const struct bt_text_preset *preset, const struct bt_text *texts,
                    uint64_t count, struct bt_rows *rows, struct bt_err *err);

#endif
