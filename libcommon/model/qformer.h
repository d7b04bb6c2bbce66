/* Q-Former (models.md 3): learned queries that read an image, and the same layers as a text encoder and decoder. */
#ifndef BT_MODEL_QFORMER_H
#define BT_MODEL_QFORMER_H

#include "libcommon/model/bert.h"

struct bt_qformer;

/* Declares "Qformer.*" and "query_tokens". Without text (stage 2) the word and position embeddings, the text feed-forward
 * parts and the head are absent (models.md 3.4). */
struct bt_qformer *bt_qformer_new(struct bt_params *params, const struct bt_config *config, bool text, struct bt_err *err);
void bt_qformer_free(struct bt_qformer *qformer);
/* After initialisation and before loading: query feed-forward parts start as the text ones (models.md 3.4 step 3). */
int bt_qformer_copy_text_ffn(struct bt_params *params, struct bt_err *err);

/* Keys and values of an image pass, for the decoder mode that follows. One per layer. */
struct bt_qformer_memory {
    struct bt_attend *layer;
    size_t batch;
};

/* Text: ids [B, T] and their mask (1 is a token), both on the device. */
struct bt_text {
    const struct bt_ints *ids, *mask;
    size_t batch, tokens;
};

/* Image mode: image [B, N, width] -> queries [B, Q, hidden]. `memory` (may be NULL) gets what bt_qformer_decode sees; it
 * lives until the tape is reset. */
struct bt_tensor *bt_qformer_image(struct bt_tape *tape, const struct bt_qformer *qformer, struct bt_tensor *image,
                                   struct bt_qformer_memory *memory);
/* Text mode: [B, T, hidden]. */
struct bt_tensor *bt_qformer_text(struct bt_tape *tape, const struct bt_qformer *qformer, struct bt_text text);
/* Multimodal mode: queries and text see each other; [B, Q + T, hidden], queries first. */
struct bt_tensor *bt_qformer_match(struct bt_tape *tape, const struct bt_qformer *qformer, struct bt_tensor *image,
                                   struct bt_text text);
/* Decoder mode: text sees the image pass and the text before it; [B, T, hidden]. */
struct bt_tensor *bt_qformer_decode(struct bt_tape *tape, const struct bt_qformer *qformer,
                                    const struct bt_qformer_memory *memory, struct bt_text text);
/* Decoder mode one token at a time: `cache` holds what was seen (bt_qformer_remember first); position is that of the first
 * of the tokens. */
void bt_qformer_remember(struct bt_tape *tape, const struct bt_qformer *qformer, const struct bt_qformer_memory *memory,
                         struct bt_kv_cache *cache, size_t beams);
struct bt_tensor *bt_qformer_continue(struct bt_tape *tape, const struct bt_qformer *qformer, struct bt_kv_cache *cache,
                                      struct bt_text text, size_t position);

/* Head: transform of hidden states, before the product with the word embeddings. */
struct bt_tensor *bt_qformer_transform(struct bt_tape *tape, const struct bt_qformer *qformer, struct bt_tensor *h);
/* The tied word embeddings and the output bias. */
struct bt_tensor *bt_qformer_words(const struct bt_qformer *qformer);
struct bt_tensor *bt_qformer_words_bias(const struct bt_qformer *qformer);

#endif
