/* Sizes of a model, from its model.json. Published values: models.md 0.3, 1.1, 3.1, 4.1, 7.1. */
#ifndef BT_MODEL_CONFIG_H
#define BT_MODEL_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/json.h"

struct bt_vit_config {
    size_t image_size, patch, width, depth, heads, mlp;
    float eps, init_std;
};
/* Q-Former and P-Former are BERT-shaped alike. */
struct bt_bert_config {
    size_t hidden, layers, heads, ffn, vocab, positions;
    float eps, dropout, init_std;
};
struct bt_opt_config {
    size_t hidden, layers, heads, ffn, vocab, positions; /* positions: tokens; the table has two rows more */
    float eps, dropout, init_std;
};
struct bt_config {
    struct bt_vit_config vit;
    struct bt_bert_config qformer; /* vocab counts [DEC] */
    struct bt_bert_config pformer;
    struct bt_opt_config opt;
    size_t queries, embed, cross_every; /* query tokens, contrastive width, layers between cross-attentions */
    size_t labels;                      /* classes of the vision step's head; 0 elsewhere */
    float ln_vision_eps;
    int32_t cls, sep, mask, dec, bos, pad; /* ids: BERT's [CLS] [SEP] [MASK] [DEC] (its pad is 0), OPT's bos and pad */
};

/* Reads model.json, or the model of a checkpoint's config.json: unknown members and wrong types are E_CONFIG with the place. */
int bt_config_load(struct bt_config *config, const char *path, struct bt_err *err);
int bt_config_read(struct bt_config *config, const json_t *json, const char *place, struct bt_err *err);
/* The same as JSON, every value; the caller json_decref()s it. NULL when out of memory. */
json_t *bt_config_write(const struct bt_config *config);

#endif
