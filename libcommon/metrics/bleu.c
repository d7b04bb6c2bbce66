#include "libcommon/metrics/bleu.h"

#include <math.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"

static const double tiny = 1e-15, small = 1e-9;

void bt_bleu_value(const struct bt_bleu_counts *counts, double bleu[BT_ORDERS])
{
    double product = 1;
    for (int n = 1; n <= BT_ORDERS; n++) {
        product *= ((double)counts->correct[n - 1] + tiny) / ((double)counts->guess[n - 1] + small);
        bleu[n - 1] = pow(product, 1.0 / n);
    }
    double ratio = ((double)counts->length + tiny) / ((double)counts->reference + small);
    if (ratio < 1)
        for (int n = 0; n < BT_ORDERS; n++)
            bleu[n] *= exp(1 - 1 / ratio);
}

/* The length closest to the hypothesis; the shorter of two that are equally close. */
static int32_t closest_length(const struct bt_caption_item *item)
{
    int32_t best = item->references[0].word_count;
    for (int32_t r = 1; r < item->reference_count; r++) {
        int32_t length = item->references[r].word_count;
        int32_t far = abs(length - item->hypothesis.word_count),
                least = abs(best - item->hypothesis.word_count);
        if (far < least || (far == least && length < best))
            best = length;
    }
    return best;
}

struct scratch {
    int32_t *place; /* by n-gram id: where the hypothesis has it, + 1; zero before and after */
    int32_t *most;  /* by place: the most of any reference */
};

static struct bt_bleu_counts count_item(const struct bt_caption_item *item, const struct scratch *s)
{
    const struct bt_sentence *hyp = &item->hypothesis;
    const int32_t gram_count = hyp->gram_end[BT_ORDERS - 1];
    struct bt_bleu_counts counts = { .length = hyp->word_count, .reference = closest_length(item) };

    for (int32_t g = 0; g < gram_count; g++) {
        s->place[hyp->grams[g].id] = g + 1;
        s->most[g] = 0;
    }
    for (int32_t r = 0; r < item->reference_count; r++) {
        const struct bt_sentence *ref = &item->references[r];
        for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++) {
            int32_t at = s->place[ref->grams[g].id];
            if (at > 0 && s->most[at - 1] < ref->grams[g].count)
                s->most[at - 1] = ref->grams[g].count;
        }
    }
    for (int n = 1, g = 0; n <= BT_ORDERS; n++) {
        counts.guess[n - 1] = hyp->word_count >= n ? hyp->word_count - n + 1 : 0;
        for (; g < hyp->gram_end[n - 1]; g++)
            counts.correct[n - 1] += hyp->grams[g].count < s->most[g] ? hyp->grams[g].count : s->most[g];
    }
    for (int32_t g = 0; g < gram_count; g++)
        s->place[hyp->grams[g].id] = 0;
    return counts;
}

void bt_bleu_add(struct bt_bleu_counts *sum, const struct bt_bleu_counts *counts, int64_t times)
{
    sum->length += times * counts->length;
    sum->reference += times * counts->reference;
    for (int n = 0; n < BT_ORDERS; n++) {
        sum->guess[n] += times * counts->guess[n];
        sum->correct[n] += times * counts->correct[n];
    }
}

int bt_bleu_score(const struct bt_caption_item *items, size_t count, int32_t gram_count,
                  struct bt_bleu_counts *counts, double all[BT_ORDERS], struct bt_err *err)
{
    struct bt_bleu_counts sum = { 0 };
    uint64_t longest = bt_longest_hypothesis(items, count);
    struct scratch s = { bt_alloc((uint64_t)gram_count, sizeof *s.place, err), bt_alloc(longest, sizeof *s.most, err) };
    int rc = s.place && s.most ? BT_OK : BT_ERR_MEMORY;
    for (size_t i = 0; !rc && i < count; i++) {
        counts[i] = count_item(&items[i], &s);
        bt_bleu_add(&sum, &counts[i], 1);
    }
    bt_bleu_value(&sum, all);
    free(s.most);
    free(s.place);
    return rc;
}
