#include "libcommon/metrics/cider.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

static const double sigma = 6;

/* Length as the official code has it: the number of bigrams. */
static int32_t bigram_count(const struct bt_sentence *s)
{
    return s->word_count > 0 ? s->word_count - 1 : 0;
}

/* How rare n-grams are. */
struct rarity {
    int32_t *images; /* [gram count] with the n-gram among their references */
    double *weights; /* [count + 1], by that number: ln N - ln max(1, images) */
};

static double weight(const struct rarity *rarity, const struct bt_gram *gram)
{
    return gram->count * rarity->weights[rarity->images[gram->id]];
}

/* `last`: scratch, zero before, a number for each n-gram. */
static void count_images(const struct bt_caption_item *items, size_t count, int32_t *images, int32_t *last)
{
    for (size_t i = 0; i < count; i++)
        for (int32_t r = 0; r < items[i].reference_count; r++) {
            const struct bt_sentence *ref = &items[i].references[r];
            for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++) {
                int32_t id = ref->grams[g].id;
                images[id] += last[id] != (int32_t)i + 1;
                last[id] = (int32_t)i + 1;
            }
        }
}

static void norms(const struct bt_sentence *s, const struct rarity *rarity, double norm[BT_ORDERS])
{
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double sum = 0;
        for (; g < s->gram_end[n]; g++) {
            double w = weight(rarity, &s->grams[g]);
            sum += w * w;
        }
        norm[n] = sqrt(sum);
    }
}

/* Adds the similarity of hypothesis and reference per order; `counts` is zero before and after. */
static void add_similarity(const struct bt_sentence *hyp, const double hyp_norm[BT_ORDERS],
                           const struct bt_sentence *ref, const struct rarity *rarity, int32_t *counts,
                           double sum[BT_ORDERS])
{
    double ref_norm[BT_ORDERS];
    double delta = bigram_count(hyp) - bigram_count(ref);
    double penalty = pow(M_E, -(delta * delta) / (2 * sigma * sigma));

    norms(ref, rarity, ref_norm);
    for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++)
        counts[ref->grams[g].id] = ref->grams[g].count;
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double value = 0;
        for (; g < hyp->gram_end[n]; g++) {
            const struct bt_gram in_ref = { hyp->grams[g].id, counts[hyp->grams[g].id] };
            double w = weight(rarity, &hyp->grams[g]), r = weight(rarity, &in_ref);
            value += (w < r ? w : r) * r;
        }
        if (hyp_norm[n] != 0 && ref_norm[n] != 0)
            value /= hyp_norm[n] * ref_norm[n];
        sum[n] += value * penalty;
    }
    for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++)
        counts[ref->grams[g].id] = 0;
}

static double score_item(const struct bt_caption_item *item, const struct rarity *rarity, int32_t *counts)
{
    double hyp_norm[BT_ORDERS], sum[BT_ORDERS] = { 0 }, total = 0;
    norms(&item->hypothesis, rarity, hyp_norm);
    for (int32_t r = 0; r < item->reference_count; r++)
        add_similarity(&item->hypothesis, hyp_norm, &item->references[r], rarity, counts, sum);
    for (int n = 0; n < BT_ORDERS; n++)
        total += sum[n];
    return total / BT_ORDERS / item->reference_count * 10;
}

int bt_cider_score(const struct bt_caption_item *items, size_t count, const struct bt_caption_item *corpus,
                   size_t corpus_count, int32_t gram_count, double *each, struct bt_err *err)
{
    struct rarity rarity = { bt_alloc((uint64_t)gram_count, sizeof *rarity.images, err),
                             bt_alloc((uint64_t)corpus_count + 1, sizeof *rarity.weights, err) };
    int32_t *scratch = bt_alloc((uint64_t)gram_count, sizeof *scratch, err);
    int rc = rarity.images && rarity.weights && scratch ? BT_OK : BT_ERR_MEMORY;
    if (!rc) {
        count_images(corpus, corpus_count, rarity.images, scratch);
        for (size_t i = 0; i <= corpus_count; i++)
            rarity.weights[i] = log((double)corpus_count) - log(i > 1 ? (double)i : 1);
        memset(scratch, 0, (size_t)gram_count * sizeof *scratch);
        for (size_t i = 0; i < count; i++)
            each[i] = score_item(&items[i], &rarity, scratch);
    }
    free(scratch);
    free(rarity.weights);
    free(rarity.images);
    return rc;
}
