/* The picture of a record, as the model takes it. */
#ifndef BT_GENERATE_STORED_PICTURE_H
#define BT_GENERATE_STORED_PICTURE_H

#include "libcommon/stream/record.h"

struct bt_stored_picture {
    const void *bytes; /* borrowed from the record */
    size_t size;
    bool file; /* a JPEG or PNG file (field "image"); else pixels [S, S, 3] of the model's own side (field "pixels") */
};

/* E_INPUT when the record has none. */
int bt_stored_picture_of(const struct bt_record *rec, struct bt_stored_picture *picture, struct bt_err *err);
/* Normalised into chw [3, side, side]. E_IMAGE for a file that does not decode, E_INPUT for pixels of another side; then *code is
 * set for the reject log. */
int bt_stored_picture_tensor(const struct bt_stored_picture *picture, size_t side, float *chw, const char **code, struct bt_err *err);

#endif
