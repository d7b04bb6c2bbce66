/* The scores of single items (images, questions) as a table: rows are items in the order of the references,
 * columns are metrics. Corpus values come from it, for all items or for a sample drawn from them. */
#ifndef BT_METRICS_ITEMS_H
#define BT_METRICS_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/join.h"

#define BT_COLUMNS_MAX 16

/* Borrowed by who uses it; freed by who made it. */
struct bt_items {
    const struct bt_join *join; /* NULL: items are known by their place, and not to be written */
    const char *id_key;         /* "image_id", "question_id" */
    size_t count;
    const int32_t *numbers; /* [count], in the join */
    int column_count;
    const char *columns[BT_COLUMNS_MAX];
    const double *values; /* [count][column_count]; NaN: the item has no part in that metric */
    /* Writes the corpus values that are no means (BLEU pools counts) into values[column_count], for a sample
     * that holds item i times[i] times. NULL: all columns are means. */
    void (*pool)(const void *pooled, const uint32_t *times, size_t count, double *values);
    const void *pooled;
};

/* values[column_count] of a sample that holds item i times[i] times; NaN where no item has a part. */
void bt_items_values(const struct bt_items *items, const uint32_t *times, double *values);

/* order[i]: the place in `other` of item i of `items`. E_INPUT unless both hold the same ids. The caller
 * frees it. */
int bt_items_align(const struct bt_items *items, const struct bt_items *other, size_t **order,
                   struct bt_err *err);

/* A record of schema bt.score/1 for every item: `id`, the same under id_key, and its columns. The signature
 * is in begin.must. */
int bt_items_write(const struct bt_items *items, const char *path, const char *signature, bool force,
                   struct bt_err *err);

#endif
