/* Scores of every picture of a set against every caption of it, after stage 1: what bt-score retrieval reads.
 * Source: models.md 9.1; metrics.md 5. */
#ifndef BT_GENERATE_RETRIEVAL_H
#define BT_GENERATE_RETRIEVAL_H

#include "libcommon/generate/matcher.h"
#include "libcommon/text/tokenizer.h"

struct bt_retrieval_options {
    const struct bt_vlm *vlm;       /* after stage 1 */
    struct bt_tokenizer *tokenizer; /* BERT's */
    const char *input, *output;     /* records with a picture and "captions" (or "caption"); a safetensors file */
    size_t tokens;                  /* texts are cut and padded to this many; published: 35 */
    size_t top;                     /* candidates that the matching head looks at, published: 128; 0: similarities alone */
    size_t batch;
    bool force;
};

/* Writes `scores_i2t` [images, texts] and `scores_t2i` [texts, images], F32, and `txt2img` [texts], I64: the picture, counted from
 * 0, that each text belongs to. Pictures count in the order of the records, texts in that of their captions, which are cleaned as
 * captions are. Every rank depends on every record, so one that cannot be used is an error, not a reject: E_IMAGE, E_INPUT with
 * its place. */
int bt_retrieve(const struct bt_retrieval_options *options, struct bt_err *err);

#endif
