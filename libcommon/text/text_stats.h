/* What tokenizing did to a set of texts: lengths, cuts, unknowns. */
#ifndef BT_TEXT_TEXT_STATS_H
#define BT_TEXT_TEXT_STATS_H

#include "libcommon/text/tokenizer.h"

#define BT_TEXT_LENGTHS 4096 /* lengths counted one by one; longer texts share the last place */

struct bt_text_stats {
    uint64_t texts, ids, cut, unknown, longest, shortest, lengths[BT_TEXT_LENGTHS];
};

/* Adds the ids of one text as bt_tokenizer_encode left them. Unknowns are counted for BERT and T5: OPT has none. */
void bt_text_stats_add(struct bt_text_stats *stats, const struct bt_tokenizer *tok, const struct bt_ids *ids);

/* Adds what another set of texts has. */
void bt_text_stats_join(struct bt_text_stats *stats, const struct bt_text_stats *more);

/* Appends a row of a table, its head first if out is empty: fields between tabs, lengths before the cut, shares from 0 to 1. */
int bt_text_stats_row(const struct bt_text_stats *stats, const char *name, struct bt_buf *out, struct bt_err *err);

#endif
