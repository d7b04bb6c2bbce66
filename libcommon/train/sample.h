/* One record as a row of a batch. Private to the loader. */
#ifndef BT_TRAIN_SAMPLE_H
#define BT_TRAIN_SAMPLE_H

#include "libcommon/stream/record.h"
#include "libcommon/train/loader.h"

/* Words of captions that the vision step learns, and their classes. */
struct bt_labels;
int bt_labels_load(struct bt_labels **labels, const char *path, size_t classes, struct bt_err *err);
void bt_labels_free(struct bt_labels *labels);
/* Distinct classes of a record's captions into row[most], BT_IGNORE behind them. */
void bt_labels_of(const struct bt_labels *labels, const struct bt_record *rec, int32_t *row, size_t most);

/* Token ids of a text of the record with the tokenizer `name` ("bert", "opt"): of captions the choice-th, of a single text
 * that one. Writes at most `room` to ids; *prompt is how many lead. Ids are checked against vocab. */
int bt_sample_tokens(const struct bt_record *rec, const char *name, uint32_t choice, int32_t *ids, size_t room, size_t *count,
                     int32_t *prompt, size_t vocab, struct bt_err *err);
/* Texts to choose from: captions, or 1. */
size_t bt_sample_texts(const struct bt_record *rec);
/* The picture as a tensor [3, side, side]. */
int bt_sample_image(const struct bt_record *rec, float *chw, size_t side, const struct bt_recipe *recipe, uint32_t epoch,
                    uint64_t index, struct bt_err *err);

#endif
