#include "libcommon/metrics/cider.h"

#include <math.h>
#include <stdlib.h>

#include "libcommon/base/mem.h"

#define LENGTHS 64 /* differences whose penalty is known beforehand */

static const double sigma = 6;

/* Length as the official code has it: the number of bigrams. */
static int32_t bigram_count(const struct bt_sentence *s)
{
    return s->word_count > 0 ? s->word_count - 1 : 0;
}

/* Of an n-gram. */
struct gram {
    int32_t images; /* with it among their references */
    int32_t mark;   /* the last of them, + 1; then, while an image is scored, its place in the hypothesis, + 1 */
};

/* The same of the n-grams of a hypothesis, by place. */
struct own {
    double rarity, weight;
    int32_t in_reference; /* how often the reference has it */
};

struct scorer {
    struct gram *grams;      /* by id */
    double *rarity;          /* by number of images: ln N - ln max(1, images) */
    struct own *own;
    double penalty[LENGTHS]; /* by difference of lengths */
};

static double penalty_of(double delta)
{
    return pow(M_E, -(delta * delta) / (2 * sigma * sigma));
}

static void count_images(const struct bt_caption_item *items, size_t count, struct gram *grams)
{
    for (size_t i = 0; i < count; i++)
        for (int32_t r = 0; r < items[i].reference_count; r++) {
            const struct bt_sentence *ref = &items[i].references[r];
            for (int32_t g = 0; g < ref->gram_end[BT_ORDERS - 1]; g++) {
                struct gram *gram = &grams[ref->grams[g].id];
                gram->images += gram->mark != (int32_t)i + 1;
                gram->mark = (int32_t)i + 1;
            }
        }
}

/* Notes places and weights of the hypothesis. */
static void begin_item(const struct scorer *s, const struct bt_sentence *hyp, double norm[BT_ORDERS])
{
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double sum = 0;
        for (; g < hyp->gram_end[n]; g++) {
            struct gram *gram = &s->grams[hyp->grams[g].id];
            double rarity = s->rarity[gram->images], w = hyp->grams[g].count * rarity;
            gram->mark = g + 1;
            s->own[g] = (struct own){ rarity, w, 0 };
            sum += w * w;
        }
        norm[n] = sqrt(sum);
    }
}

/* Looks for the n-grams of a reference in the hypothesis. */
static void read_reference(const struct scorer *s, const struct bt_sentence *ref, double norm[BT_ORDERS])
{
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double sum = 0;
        for (; g < ref->gram_end[n]; g++) {
            const struct gram *gram = &s->grams[ref->grams[g].id];
            double w = ref->grams[g].count * s->rarity[gram->images];
            if (gram->mark > 0)
                s->own[gram->mark - 1].in_reference = ref->grams[g].count;
            sum += w * w;
        }
        norm[n] = sqrt(sum);
    }
}

/* Adds the similarity of hypothesis and reference per order. */
static void add_similarity(const struct scorer *s, const struct bt_sentence *hyp, const double hyp_norm[BT_ORDERS],
                           const struct bt_sentence *ref, double sum[BT_ORDERS])
{
    double ref_norm[BT_ORDERS];
    int32_t delta = abs(bigram_count(hyp) - bigram_count(ref));
    double penalty = delta < LENGTHS ? s->penalty[delta] : penalty_of(delta);

    read_reference(s, ref, ref_norm);
    for (int n = 0, g = 0; n < BT_ORDERS; n++) {
        double value = 0;
        for (; g < hyp->gram_end[n]; g++) {
            struct own *own = &s->own[g];
            double r = own->in_reference * own->rarity;
            value += (own->weight < r ? own->weight : r) * r;
            own->in_reference = 0;
        }
        if (hyp_norm[n] != 0 && ref_norm[n] != 0)
            value /= hyp_norm[n] * ref_norm[n];
        sum[n] += value * penalty;
    }
}

static double score_item(const struct scorer *s, const struct bt_caption_item *item)
{
    const struct bt_sentence *hyp = &item->hypothesis;
    double hyp_norm[BT_ORDERS], sum[BT_ORDERS] = { 0 }, total = 0;
    begin_item(s, hyp, hyp_norm);
    for (int32_t r = 0; r < item->reference_count; r++)
        add_similarity(s, hyp, hyp_norm, &item->references[r], sum);
    for (int32_t g = 0; g < hyp->gram_end[BT_ORDERS - 1]; g++)
        s->grams[hyp->grams[g].id].mark = 0;
    for (int n = 0; n < BT_ORDERS; n++)
        total += sum[n];
    return total / BT_ORDERS / item->reference_count * 10;
}

int bt_cider_score(const struct bt_caption_item *items, size_t count, const struct bt_caption_item *corpus,
                   size_t corpus_count, int32_t gram_count, double *each, struct bt_err *err)
{
    struct scorer s = { .grams = bt_alloc((uint64_t)gram_count, sizeof *s.grams, err),
                        .rarity = bt_alloc((uint64_t)corpus_count + 1, sizeof *s.rarity, err),
                        .own = bt_alloc(bt_longest_hypothesis(items, count), sizeof *s.own, err) };
    int rc = s.grams && s.rarity && s.own ? BT_OK : BT_ERR_MEMORY;
    if (!rc) {
        count_images(corpus, corpus_count, s.grams);
        for (int32_t g = 0; g < gram_count; g++)
            s.grams[g].mark = 0;
        for (size_t i = 0; i <= corpus_count; i++)
            s.rarity[i] = log((double)corpus_count) - log(i > 1 ? (double)i : 1);
        for (int delta = 0; delta < LENGTHS; delta++)
            s.penalty[delta] = penalty_of(delta);
        for (size_t i = 0; i < count; i++)
            each[i] = score_item(&s, &items[i]);
    }
    free(s.own);
    free(s.rarity);
    free(s.grams);
    return rc;
}
