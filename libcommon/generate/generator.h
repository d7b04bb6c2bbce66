/* From sample records to prediction records: pictures looked at once however many questions they have, prompts of equal
 * length decoded together so that no padding enters a score (models.md K27), records given back in their order. */
#ifndef BT_GENERATE_GENERATOR_H
#define BT_GENERATE_GENERATOR_H

#include "libcommon/generate/captioner.h"
#include "libcommon/generate/preset.h"
#include "libcommon/stream/stream.h"
#include "libcommon/text/tokenizer.h"

struct bt_generator_options {
    const struct bt_vlm *vlm;
    struct bt_tokenizer *tokenizer; /* of what writes: the language model's, or the Q-Former's after stage 1 */
    const struct bt_preset *preset;
    const char *field;  /* of the prediction: "caption" or "answer" */
    size_t batch;       /* records decoded together, at least 1 */
    uint64_t seed;      /* of sampling */
    bool pictures;      /* false: the language model alone */
    bool keep_image;    /* leave the picture in the record */
};
struct bt_generator;

/* E_CONFIG for a stage that does not write, a tokenizer without the token that ends a text (the newline; [SEP] after stage 1), or
 * more new tokens than the model has positions for. What `options` points to must outlive it. */
int bt_generator_new(struct bt_generator **generator, const struct bt_generator_options *options, struct bt_err *err);
void bt_generator_free(struct bt_generator *generator);

/* Takes the next record (a copy); draws are keyed by `number`, that of the record in its input. A record without a picture that
 * decodes (E_IMAGE), without what the prompt asks for (E_BT_BODY), or with a prompt that the model has no positions for (E_INPUT)
 * is not taken, and *code is set for the reject log. */
int bt_generator_put(struct bt_generator *generator, const struct bt_record *rec, uint64_t number, const char **code,
                     struct bt_err *err);
bool bt_generator_full(const struct bt_generator *generator);
/* Decodes what was taken and hands each record on, in order. */
typedef int bt_generator_sink(void *context, struct bt_record *rec, struct bt_err *err);
int bt_generator_flush(struct bt_generator *generator, bt_generator_sink *sink, void *context, struct bt_err *err);

#endif
