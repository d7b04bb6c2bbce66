#include "libcommon/metrics/rouge.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

static const double beta = 1.2;

/* row: b->piece_count + 1 numbers of scratch. */
static int32_t common_length(const struct bt_sentence *a, const struct bt_sentence *b, int32_t *row)
{
    memset(row, 0, ((size_t)b->piece_count + 1) * sizeof *row);
    for (int32_t i = 0; i < a->piece_count; i++) {
        int32_t diagonal = 0;
        for (int32_t j = 0; j < b->piece_count; j++) {
            int32_t above = row[j + 1];
            if (a->pieces[i] == b->pieces[j])
                row[j + 1] = diagonal + 1;
            else if (row[j + 1] < row[j])
                row[j + 1] = row[j];
            diagonal = above;
        }
    }
    return row[b->piece_count];
}

static double score_item(const struct bt_caption_item *item, int32_t *row)
{
    double precision = 0, recall = 0;
    for (int32_t r = 0; r < item->reference_count; r++) {
        const struct bt_sentence *ref = &item->references[r];
        double common = common_length(&item->hypothesis, ref, row);
        double p = common / item->hypothesis.piece_count, c = common / ref->piece_count;
        precision = p > precision ? p : precision;
        recall = c > recall ? c : recall;
    }
    if (precision == 0 || recall == 0)
        return 0;
    return (1 + beta * beta) * precision * recall / (recall + beta * beta * precision);
}

int bt_rouge_score(const struct bt_caption_item *items, size_t count, double *each, struct bt_err *err)
{
    int32_t longest = 0;
    for (size_t i = 0; i < count; i++)
        for (int32_t r = 0; r < items[i].reference_count; r++)
            if (longest < items[i].references[r].piece_count)
                longest = items[i].references[r].piece_count;
    int32_t *row = bt_alloc((uint64_t)longest + 1, sizeof *row, err);
    if (!row)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        each[i] = score_item(&items[i], row);
    free(row);
    return BT_OK;
}
