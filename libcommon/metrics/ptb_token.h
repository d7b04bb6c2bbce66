/* What the PTB lexer writes for a token: brackets, quotes, fractions and money by their names in the treebank, the rest as it
 * stands. Source: metrics.md 1.2. */
#ifndef BT_METRICS_PTB_TOKEN_H
#define BT_METRICS_PTB_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/metrics/ptb_rules.h"

#define BT_PTB_UNIT_BYTES 5 /* at most, for one code unit: "-LRB-", "cents" */

/* Writes units[count], which the rule has matched, before lower case; returns the bytes. */
size_t bt_ptb_write_token(char *to, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count);

#endif
