/* Pictures against texts. Source: models.md 9.1. */
#include "libcommon/generate/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct bt_matcher {
    const struct bt_vlm *vlm;
    struct bt_tape *tape;
    size_t tokens, batch;
    size_t image_floats, query_floats, embed; /* of one picture: tower and queries; of one text */
    float *tower;                             /* [images, N, width], after ln_vision */
    float *image_features;                    /* [images, Q, embed] */
    float *text_features;                     /* [texts, embed] */
    int32_t *ids, *mask;                      /* [texts, tokens] */
    size_t images, texts;
};

int bt_matcher_new(struct bt_matcher **out, const struct bt_vlm *vlm, size_t tokens, size_t batch, struct bt_err *err)
{
    const struct bt_config *c = &vlm->config;
    size_t grid = c->vit.image_size / c->vit.patch;
    struct bt_matcher *m;

    if (vlm->stage != BT_STAGE_1)
        return bt_fail(err, BT_ERR_CONFIG, "model: after '%s' it does not match pictures and texts; use one of stage1",
                       bt_stage_name(vlm->stage));
    if (tokens < 2 || tokens > c->qformer.positions)
        return bt_fail(err, BT_ERR_CONFIG, "texts of %zu tokens, but the model has 2 to %zu positions", tokens,
                       c->qformer.positions);
    m = bt_alloc(1, sizeof *m, err);
    if (!m)
        return err->status;
    *m = (struct bt_matcher){ .vlm = vlm, .tokens = tokens, .batch = batch, .image_floats = (grid * grid + 1) * c->vit.width,
                              .query_floats = c->queries * c->embed, .embed = c->embed };
    m->tape = bt_tape_new(vlm->backend, err);
    if (!m->tape) {
        bt_matcher_free(m);
        return err->status;
    }
    bt_tape_record(m->tape, false);
    *out = m;
    return BT_OK;
}

void bt_matcher_free(struct bt_matcher *m)
{
    if (!m)
        return;
    free(m->tower);
    free(m->image_features);
    free(m->text_features);
    free(m->ids);
    free(m->mask);
    bt_tape_free(m->tape);
    free(m);
}

size_t bt_matcher_images(const struct bt_matcher *m) { return m->images; }
size_t bt_matcher_texts(const struct bt_matcher *m) { return m->texts; }
const float *bt_matcher_image_features(const struct bt_matcher *m) { return m->image_features; }
const float *bt_matcher_text_features(const struct bt_matcher *m) { return m->text_features; }

/* Room for `rows` rows of `width` values of 4 bytes; *array stays as it was on failure. */
static int widen(void *array, size_t rows, size_t width, struct bt_err *err)
{
    uint64_t count;
    void **at = array, *grown;

    if (!bt_mul_u64(rows, width, &count) || !bt_mul_u64(count, 4, &count) || !(grown = realloc(*at, count)))
        return bt_fail(err, BT_ERR_MEMORY, "retrieval: no memory for %zu rows of %zu values", rows, width);
    *at = grown;
    return BT_OK;
}

/* ---- adding ---- */

static int see(struct bt_matcher *m, const float *images, size_t count, struct bt_err *err)
{
    const struct bt_vlm *v = m->vlm;
    size_t side = v->config.vit.image_size;
    struct bt_tape *tape = m->tape;

    bt_tape_reset(tape);

    struct bt_tensor *image = bt_vlm_see(tape, v, bt_constant(tape, images, 4, (size_t[]){ count, 3, side, side }));
    struct bt_tensor *queries = bt_qformer_image(tape, v->qformer, image, NULL);
    struct bt_tensor *z = bt_l2_normalize(tape, bt_apply(tape, &v->vision_proj, queries, BT_ACT_NONE));

    bt_read(tape, image, m->tower + m->images * m->image_floats);
    bt_read(tape, z, m->image_features + m->images * m->query_floats);
    m->images += count;
    return bt_tape_status(tape, err);
}

int bt_matcher_add_images(struct bt_matcher *m, const float *images, size_t count, struct bt_err *err)
{
    size_t side = m->vlm->config.vit.image_size, pixels = 3 * side * side;
    int rc = widen(&m->tower, m->images + count, m->image_floats, err);

    if (!rc)
        rc = widen(&m->image_features, m->images + count, m->query_floats, err);
    for (size_t at = 0; at < count && !rc; at += m->batch)
        rc = see(m, images + at * pixels, count - at < m->batch ? count - at : m->batch, err);
    return rc;
}

static struct bt_text text_rows(struct bt_matcher *m, const int32_t *ids, const int32_t *mask, size_t count)
{
    return (struct bt_text){ .ids = bt_int_constant(m->tape, ids, count * m->tokens),
                             .mask = bt_int_constant(m->tape, mask, count * m->tokens), .batch = count, .tokens = m->tokens };
}

static int read_texts(struct bt_matcher *m, size_t count, struct bt_err *err)
{
    const struct bt_vlm *v = m->vlm;
    struct bt_tape *tape = m->tape;

    bt_tape_reset(tape);

    struct bt_tensor *h = bt_qformer_text(tape, v->qformer, text_rows(m, m->ids + m->texts * m->tokens,
                                                                      m->mask + m->texts * m->tokens, count));
    struct bt_tensor *t = bt_reshape(tape, bt_slice(tape, h, 0, 1), 2, (size_t[]){ count, v->config.qformer.hidden });

    t = bt_l2_normalize(tape, bt_apply(tape, &v->text_proj, t, BT_ACT_NONE));
    bt_read(tape, t, m->text_features + m->texts * m->embed);
    m->texts += count;
    return bt_tape_status(tape, err);
}

int bt_matcher_add_texts(struct bt_matcher *m, const int32_t *ids, const int32_t *mask, size_t count, struct bt_err *err)
{
    size_t n = count * m->tokens, vocab = m->vlm->config.qformer.vocab;
    int rc = BT_OK;

    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return bt_fail(err, BT_ERR_INPUT, "text: token %d but vocab is %zu; tokenize with the model's tokenizer", ids[i], vocab);
    rc = widen(&m->ids, m->texts + count, m->tokens, err);
    if (!rc)
        rc = widen(&m->mask, m->texts + count, m->tokens, err);
    if (!rc)
        rc = widen(&m->text_features, m->texts + count, m->embed, err);
    if (!rc && n) {
        memcpy(m->ids + m->texts * m->tokens, ids, n * sizeof *ids);
        memcpy(m->mask + m->texts * m->tokens, mask, n * sizeof *mask);
    }
    for (size_t at = 0; at < count && !rc; at += m->batch)
        rc = read_texts(m, count - at < m->batch ? count - at : m->batch, err);
    return rc;
}

/* ---- comparing ---- */

int bt_matcher_similarity(struct bt_matcher *m, float *similarity, struct bt_err *err)
{
    size_t queries = m->vlm->config.queries;
    int rc = BT_OK;

    for (size_t at = 0; at < m->images && !rc; at += m->batch) {
        size_t count = m->images - at < m->batch ? m->images - at : m->batch;
        struct bt_tape *tape = m->tape;

        bt_tape_reset(tape);

        struct bt_tensor *z = bt_constant(tape, m->image_features + at * m->query_floats, 2,
                                          (size_t[]){ count * queries, m->embed });
        struct bt_tensor *t = bt_constant(tape, m->text_features, 2, (size_t[]){ m->texts, m->embed });
        struct bt_tensor *all = bt_linear(tape, z, t, NULL, BT_ACT_NONE);

        bt_read(tape, bt_max_pool(tape, all, count, queries, m->texts), similarity + at * m->texts);
        rc = bt_tape_status(tape, err);
    }
    return rc;
}

static int match(struct bt_matcher *m, const struct bt_pair *pairs, size_t count, float *logits, struct bt_err *err)
{
    const struct bt_vlm *v = m->vlm;
    struct bt_tape *tape = m->tape;
    size_t queries = v->config.queries, width = v->config.vit.width, row = m->tokens * sizeof *m->ids;
    float *image;
    int32_t *ids, *mask;

    bt_tape_reset(tape);
    image = bt_tape_host(tape, count * m->image_floats * sizeof *image);
    ids = bt_tape_host(tape, count * row);
    mask = bt_tape_host(tape, count * row);
    if (bt_tape_failed(tape))
        return bt_tape_status(tape, err);
    for (size_t i = 0; i < count; i++) {
        memcpy(image + i * m->image_floats, m->tower + pairs[i].image * m->image_floats, m->image_floats * sizeof *image);
        memcpy(ids + i * m->tokens, m->ids + pairs[i].text * m->tokens, row);
        memcpy(mask + i * m->tokens, m->mask + pairs[i].text * m->tokens, row);
    }

    struct bt_tensor *x = bt_constant(tape, image, 3, (size_t[]){ count, m->image_floats / width, width });
    struct bt_tensor *h = bt_qformer_match(tape, v->qformer, x, text_rows(m, ids, mask, count));

    h = bt_apply(tape, &v->itm_head, bt_slice(tape, h, 0, queries), BT_ACT_NONE);
    bt_read(tape, bt_mean_pool(tape, h, count, queries, 2), logits);
    return bt_tape_status(tape, err);
}

int bt_matcher_match(struct bt_matcher *m, const struct bt_pair *pairs, size_t count, float *logits, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t at = 0; at < count && !rc; at += m->batch)
        rc = match(m, pairs + at, count - at < m->batch ? count - at : m->batch, logits + 2 * at, err);
    return rc;
}

/* ---- ranking ---- */

struct candidate {
    float similarity;
    size_t index;
};

static int by_similarity(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->similarity != y->similarity)
        return x->similarity < y->similarity ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* One side's scores, [rows, columns]: similarity(row, column) lies at row * row_step + column * column_step. */
static int score_side(struct bt_matcher *m, const float *similarity, size_t rows, size_t columns, bool by_image, size_t top,
                      float *scores, struct bt_err *err)
{
    size_t row_step = by_image ? columns : 1, column_step = by_image ? 1 : rows, best = top < columns ? top : columns;
    struct candidate *candidates = bt_alloc(columns, sizeof *candidates, err);
    struct bt_pair *pairs = bt_alloc(best, sizeof *pairs, err);
    float *logits = bt_alloc(2 * best, sizeof *logits, err);
    int rc = err->status;

    for (size_t r = 0; r < rows && !rc; r++) {
        float *row = scores + r * columns;

        for (size_t c = 0; c < columns; c++) {
            candidates[c] = (struct candidate){ similarity[r * row_step + c * column_step], c };
            row[c] = BT_MATCH_NONE;
        }
        qsort(candidates, columns, sizeof *candidates, by_similarity);
        for (size_t k = 0; k < best; k++)
            pairs[k] = by_image ? (struct bt_pair){ r, candidates[k].index } : (struct bt_pair){ candidates[k].index, r };
        rc = bt_matcher_match(m, pairs, best, logits, err);
        for (size_t k = 0; k < best && !rc; k++)
            row[candidates[k].index] = logits[2 * k + 1] + candidates[k].similarity;
    }
    free(candidates);
    free(pairs);
    free(logits);
    return rc;
}

int bt_matcher_scores(struct bt_matcher *m, const float *similarity, size_t top, float *image_scores, float *text_scores,
                      struct bt_err *err)
{
    int rc = score_side(m, similarity, m->images, m->texts, true, top, image_scores, err);

    return rc ? rc : score_side(m, similarity, m->texts, m->images, false, top, text_scores, err);
}
