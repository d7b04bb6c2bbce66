/* The text processing of the VQA evaluation, byte for byte what its Python does, mistypings included.
 * Results live in `arena`. Errors: E_UTF8, E_MEMORY. Source: metrics.md 3.1. */
#ifndef BT_METRICS_VQA_TEXT_H
#define BT_METRICS_VQA_TEXT_H

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

/* Each of 21 marks is deleted, or replaced by a space where no space touches it anywhere in `in` (and no
 * comma stands between digits); then up to 32 periods that no digit follows are deleted. */
int bt_vqa_punctuation(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err);

/* Lower case; number words none to ten as digits; no articles; apostrophes put into contractions; single
 * spaces. */
int bt_vqa_digit_article(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err);

/* Line feeds and tabs as spaces, no white space at the ends. */
int bt_vqa_trim(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err);

#endif
