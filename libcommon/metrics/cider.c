#include "libcommon/metrics/cider.h"

#include <math.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"

static const double sigma = 6;

/* Length as the official code has it: the number of bigrams. */
static int32_t bigram_count(const struct bt_sentence *s)
{
    return s->word_count > 0 ? s->word_count - 1 : 0;
}

/* idf[id] = ln N - ln max(1, number of images with n-gram id among their references); `last` is scratch. */
static void document_frequencies(const struct bt_caption_item *items, size_t count, int32_t gram_count,
                                 double *idf, size_t *last)
{
    for (size_t i = 0; i < count; i++)
        for (int32_t r = 0; r < items[i].reference_count; r++) {
            const struct bt_sentence *ref = &items[i].references[r];
            for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++) {
                int32_t id = ref->grams[g].id;
                idf[id] += last[id] != i + 1;
                last[id] = i + 1;
            }
        }
    double log_count = log((double)count);
    for (int32_t id = 0; id < gram_count; id++)
        idf[id] = log_count - log(idf[id] > 1 ? idf[id] : 1);
}

static void norms(const struct bt_sentence *s, const double *idf, double norm[BT_ORDERS])
{
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double sum = 0;
        for (; g < s->gram_end[n]; g++) {
            double weight = s->grams[g].count * idf[s->grams[g].id];
            sum += weight * weight;
        }
        norm[n] = sqrt(sum);
    }
}

/* Adds the similarity of hypothesis and reference per order; `weights` is zero before and after. */
static void add_similarity(const struct bt_sentence *hyp, const double hyp_norm[BT_ORDERS],
                           const struct bt_sentence *ref, const double *idf, double *weights,
                           double sum[BT_ORDERS])
{
    double ref_norm[BT_ORDERS];
    double delta = bigram_count(hyp) - bigram_count(ref);
    double penalty = pow(M_E, -(delta * delta) / (2 * sigma * sigma));

    norms(ref, idf, ref_norm);
    for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++)
        weights[ref->grams[g].id] = ref->grams[g].count * idf[ref->grams[g].id];
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double value = 0;
        for (; g < hyp->gram_end[n]; g++) {
            int32_t id = hyp->grams[g].id;
            double weight = hyp->grams[g].count * idf[id];
            value += (weight < weights[id] ? weight : weights[id]) * weights[id];
        }
        if (hyp_norm[n] != 0 && ref_norm[n] != 0)
            value /= hyp_norm[n] * ref_norm[n];
        sum[n] += value * penalty;
    }
    for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++)
        weights[ref->grams[g].id] = 0;
}

static double score_item(const struct bt_caption_item *item, const double *idf, double *weights)
{
    double hyp_norm[BT_ORDERS], sum[BT_ORDERS] = { 0 }, total = 0;
    norms(&item->hypothesis, idf, hyp_norm);
    for (int32_t r = 0; r < item->reference_count; r++)
        add_similarity(&item->hypothesis, hyp_norm, &item->references[r], idf, weights, sum);
    for (int n = 0; n < BT_ORDERS; n++)
        total += sum[n];
    return total / BT_ORDERS / item->reference_count * 10;
}

int bt_cider_score(const struct bt_caption_item *items, size_t count, const struct bt_caption_item *corpus,
                   size_t corpus_count, int32_t gram_count, double *each, struct bt_err *err)
{
    double *idf = bt_alloc((uint64_t)gram_count, sizeof *idf, err);
    double *weights = bt_alloc((uint64_t)gram_count, sizeof *weights, err);
    size_t *last = bt_alloc((uint64_t)gram_count, sizeof *last, err);
    int rc = idf && weights && last ? BT_OK : BT_ERR_MEMORY;
    if (!rc) {
        document_frequencies(corpus, corpus_count, gram_count, idf, last);
        for (size_t i = 0; i < count; i++)
            each[i] = score_item(&items[i], idf, weights);
    }
    free(last);
    free(weights);
    free(idf);
    return rc;
}
