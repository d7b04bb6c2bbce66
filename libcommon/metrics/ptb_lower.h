/* Lower case as the published tokenizer has it: Java's String.toLowerCase(Locale.ENGLISH). Source:
 * metrics.md 1.2. */
#ifndef BT_METRICS_PTB_LOWER_H
#define BT_METRICS_PTB_LOWER_H

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

/* Appends a token, which must be UTF-8 and may be changed on the way. E_MEMORY. */
int bt_ptb_lower(struct bt_buf *out, char *token, size_t size, struct bt_err *err);

#endif
