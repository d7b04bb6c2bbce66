#include "libcommon/metrics/rouge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

static const double beta = 1.2;

#define WORD_BITS 64

struct scratch {
    uint64_t *places; /* by piece: a bit for each place in the hypothesis; zero before and after an item */
    int32_t *row;     /* one more than the pieces of the longest reference */
};

/* The length of the longest common subsequence, a row of the table at a time. */
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

/* The same for a hypothesis of at most 64 pieces, whose places are known: a row is the bits of a word, zero where it
 * steps up. Source: Hyyro, AWOCA 2004. */
static int32_t common_length_short(const struct bt_sentence *b, const uint64_t *places)
{
    uint64_t level = UINT64_MAX;
    for (int32_t j = 0; j < b->piece_count; j++) {
        uint64_t met = level & places[b->pieces[j]];
        level = (level + met) | (level - met);
    }
    return __builtin_popcountll(~level);
}

static double score_item(const struct bt_caption_item *item, const struct scratch *scratch)
{
    const struct bt_sentence *hyp = &item->hypothesis;
    const bool is_short = hyp->piece_count <= WORD_BITS;
    double precision = 0, recall = 0;
    for (int32_t i = 0; is_short && i < hyp->piece_count; i++)
        scratch->places[hyp->pieces[i]] |= UINT64_C(1) << i;
    for (int32_t r = 0; r < item->reference_count; r++) {
        const struct bt_sentence *ref = &item->references[r];
        double common = is_short ? common_length_short(ref, scratch->places) : common_length(hyp, ref, scratch->row);
        double p = common / hyp->piece_count, c = common / ref->piece_count;
        precision = p > precision ? p : precision;
        recall = c > recall ? c : recall;
    }
    for (int32_t i = 0; is_short && i < hyp->piece_count; i++)
        scratch->places[hyp->pieces[i]] = 0;
    if (precision == 0 || recall == 0)
        return 0;
    return (1 + beta * beta) * precision * recall / (recall + beta * beta * precision);
}

int bt_rouge_score(const struct bt_caption_item *items, size_t count, int32_t piece_count, double *each,
                   struct bt_err *err)
{
    int32_t longest = 0;
    for (size_t i = 0; i < count; i++)
        for (int32_t r = 0; r < items[i].reference_count; r++)
            if (longest < items[i].references[r].piece_count)
                longest = items[i].references[r].piece_count;
    struct scratch scratch = { bt_alloc((uint64_t)piece_count, sizeof *scratch.places, err),
                               bt_alloc((uint64_t)longest + 1, sizeof *scratch.row, err) };
    int rc = scratch.places && scratch.row ? BT_OK : BT_ERR_MEMORY;
    for (size_t i = 0; !rc && i < count; i++)
        each[i] = score_item(&items[i], &scratch);
    free(scratch.row);
    free(scratch.places);
    return rc;
}
