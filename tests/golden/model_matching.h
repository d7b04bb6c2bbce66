/* Golden case of retrieval: features, similarities, and the matching head's scores. */
#ifndef BT_GOLDEN_MODEL_MATCHING_H
#define BT_GOLDEN_MODEL_MATCHING_H

#include "libcommon/generate/matcher.h"
#include "tests/golden/model_stages.h"

/* The logit "match" of every pair, and the scores of those that are close enough. */
static void compare_scores(struct golden *g, struct bt_matcher *m, size_t images, size_t texts, struct tally *t)
{
    size_t pairs = images * texts;
    float *similarity = bt_arena_take(g->arena, pairs, sizeof *similarity);
    float *i2t = bt_arena_take(g->arena, pairs, sizeof *i2t), *t2i = bt_arena_take(g->arena, pairs, sizeof *t2i);
    float *logits = bt_arena_take(g->arena, 2 * pairs, sizeof *logits), *match = bt_arena_take(g->arena, pairs, sizeof *match);
    struct bt_pair *all = bt_arena_take(g->arena, pairs, sizeof *all);

    for (size_t k = 0; k < pairs; k++)
        all[k] = (struct bt_pair){ k / texts, k % texts };
    if (bt_matcher_similarity(m, similarity, &g->err) || bt_matcher_match(m, all, pairs, logits, &g->err) ||
        bt_matcher_scores(m, similarity, (size_t)number(g, g->config, "k_test"), i2t, t2i, &g->err))
        return;
    for (size_t k = 0; k < pairs; k++)
        match[k] = logits[2 * k + 1];
    compare(g, t, "sims", similarity, pairs, ACTIVATION_TOLERANCE, OF_LARGEST);
    compare(g, t, "itm_all", match, pairs, ACTIVATION_TOLERANCE, OF_LARGEST);
    compare(g, t, "score_i2t", i2t, pairs, ACTIVATION_TOLERANCE, ABSOLUTE);
    compare(g, t, "score_t2i", t2i, pairs, ACTIVATION_TOLERANCE, ABSOLUTE);
}

/* One picture and one text without padding, as the matching model takes them. */
static void compare_pair(struct golden *g, const struct bt_vlm *vlm, const float *image, const int32_t *ids, const int32_t *mask,
                         size_t room, struct tally *t)
{
    struct bt_matcher *m = NULL;
    size_t tokens = 0;
    float similarity, logits[2];

    while (tokens < room && mask[tokens])
        tokens++;
    if (!bt_matcher_new(&m, vlm, tokens, 1, &g->err) && !bt_matcher_add_images(m, image, 1, &g->err) &&
        !bt_matcher_add_texts(m, ids, mask, 1, &g->err) && !bt_matcher_similarity(m, &similarity, &g->err) &&
        !bt_matcher_match(m, &(struct bt_pair){ 0, 0 }, 1, logits, &g->err)) {
        compare(g, t, "pair_itc", &similarity, 1, ACTIVATION_TOLERANCE, OF_LARGEST);
        compare(g, t, "pair_itm", logits, 2, ACTIVATION_TOLERANCE, OF_LARGEST);
    }
    bt_matcher_free(m);
}

/* What the published feature extraction gives for the first items: texts padded to the longest of them. */
static void compare_features(struct golden *g, const struct bt_vlm *v, const float *images, const int32_t *ids,
                             const int32_t *mask, size_t room, struct tally *t)
{
    const struct bt_st_tensor *e = bt_safetensors_find(g->expected, "features_text_embeds");
    size_t count = (size_t)e->shape[0], tokens = (size_t)e->shape[1], side = v->config.vit.image_size;
    int32_t *short_ids = bt_arena_take(g->arena, count * tokens, sizeof *short_ids);
    int32_t *short_mask = bt_arena_take(g->arena, count * tokens, sizeof *short_mask);
    struct bt_tape *tape = bt_tape_new(g->backend, &g->err);

    for (size_t i = 0; i < count; i++) {
        memcpy(short_ids + i * tokens, ids + i * room, tokens * sizeof *ids);
        memcpy(short_mask + i * tokens, mask + i * room, tokens * sizeof *mask);
    }
    if (!tape)
        return;
    bt_tape_record(tape, false);

    struct bt_text text = { .ids = bt_int_constant(tape, short_ids, count * tokens),
                            .mask = bt_int_constant(tape, short_mask, count * tokens), .batch = count, .tokens = tokens };
    struct bt_tensor *image = bt_vlm_see(tape, v, bt_constant(tape, images, 4, (size_t[]){ count, 3, side, side }));
    struct bt_tensor *both = bt_slice(tape, bt_qformer_match(tape, v->qformer, image, text), 0, v->config.queries);
    struct bt_tensor *h = bt_qformer_text(tape, v->qformer, text);
    struct bt_tensor *projected = bt_l2_normalize(tape, bt_apply(tape, &v->text_proj, h, BT_ACT_NONE));

    if (!bt_tape_status(tape, &g->err)) {
        compare_device(g, t, "features_multimodal", both->data, bt_tensor_count(both), ACTIVATION_TOLERANCE, OF_LARGEST);
        compare_device(g, t, "features_text_embeds", h->data, bt_tensor_count(h), ACTIVATION_TOLERANCE, OF_LARGEST);
        compare_device(g, t, "features_text_proj", projected->data, bt_tensor_count(projected), ACTIVATION_TOLERANCE, OF_LARGEST);
        compare_device(g, t, "image_embeds", bt_vlm_see(tape, v, bt_constant(tape, images, 4, (size_t[]){
            input_shape(g, "image", 0), 3, side, side }))->data, expect(g, "image_embeds")->count, ACTIVATION_TOLERANCE, OF_LARGEST);
    }
    bt_tape_free(tape);
}

static void run_retrieval(struct golden *g)
{
    struct tally t = { .what = "features and scores" };
    struct bt_vlm *vlm = vlm_of(g, BT_STAGE_1, true);
    size_t images = input_shape(g, "image", 0), texts = input_shape(g, "text_ids", 0), room = input_shape(g, "text_ids", 1);
    float *image = input_floats(g, "image");
    int32_t *ids = input_ints(g, "text_ids"), *mask = input_ints(g, "text_mask");
    struct bt_matcher *m = NULL;

    if (vlm && !g->err.status && !bt_matcher_new(&m, vlm, room, 4, &g->err) &&
        !bt_matcher_add_images(m, image, images, &g->err) && !bt_matcher_add_texts(m, ids, mask, texts, &g->err)) {
        compare(g, &t, "image_feats", bt_matcher_image_features(m), images * vlm->config.queries * vlm->config.embed,
                ACTIVATION_TOLERANCE, OF_LARGEST);
        compare(g, &t, "text_feats", bt_matcher_text_features(m), texts * vlm->config.embed, ACTIVATION_TOLERANCE, OF_LARGEST);
        compare_scores(g, m, images, texts, &t);
        compare_pair(g, vlm, image, ids + 2 * room, mask + 2 * room, room, &t); /* image 0 and text 2 */
        compare_features(g, vlm, image, ids, mask, room, &t);
        report(g, &t);
        report_rest(g, NULL);
    }
    bt_matcher_free(m);
    bt_vlm_free(vlm);
}

#endif
