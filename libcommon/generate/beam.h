/* Beam search of transformers 4.26, step for step. Source: models.md 8.3. Called through bt_decode. */
#ifndef BT_GENERATE_BEAM_H
#define BT_GENERATE_BEAM_H

#include "libcommon/generate/decode.h"

int bt_beam_search(const struct bt_scorer *scorer, const struct bt_decode_options *options, const int32_t *prompt, size_t items,
                   size_t columns, struct bt_hypothesis *out, struct bt_err *err);

#endif
