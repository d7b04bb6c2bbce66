/* Parameters of the published models, counted from what the parts declare: no memory is taken for them.
 * Source: models.md 5.1, 10; training.md 4. */
#include "libcommon/model/vlm.h"
#include "tests/kernels/kernel_test.h"

static struct bt_config published;

/* Parts of a stage, as bt_vlm_new puts them together. */
enum { VIT = 1, QFORMER = 2, QUERY_PART = 4, PFORMER = 8, PFORMER_HEAD = 16, OPT = 32, LN = 64, CONTRAST = 128, OPT_PROJ = 256 };

struct count {
    long long decays, rest; /* rank 2 or more; less */
};

static struct count count_parts(const struct bt_backend *b, const struct bt_config *c, int parts)
{
    struct bt_err err = { 0 };
    struct bt_params *p = bt_params_new(b, &err);
    struct bt_vit *vit = parts & VIT ? bt_vit_new(p, &c->vit, &err) : NULL;
    struct bt_qformer *qformer = parts & (QFORMER | QUERY_PART) ? bt_qformer_new(p, c, parts & QFORMER, &err) : NULL;
    struct bt_pformer *pformer = parts & (PFORMER | PFORMER_HEAD) ? bt_pformer_new(p, c, parts & PFORMER_HEAD, &err) : NULL;
    struct bt_opt *opt = parts & OPT ? bt_opt_new(p, &c->opt, &err) : NULL;
    struct count n = { 0, 0 };

    CHECK_INT(err.status, BT_OK);
    if (parts & LN)
        bt_norm_new(p, c->vit.width, 1e-5f, "ln_vision");
    if (parts & CONTRAST) {
        bt_affine_default(p, c->qformer.hidden, c->embed, "vision_proj");
        bt_affine_default(p, c->qformer.hidden, c->embed, "text_proj");
        bt_affine_default(p, c->qformer.hidden, 2, "itm_head");
        bt_param(p, bt_zeros, 0, NULL, "temp");
    }
    if (parts & OPT_PROJ)
        bt_affine_default(p, c->qformer.hidden, c->opt.hidden, "opt_proj");
    for (size_t i = 0; i < bt_params_count(p); i++) {
        const struct bt_tensor *t = &bt_params_at(p, i)->tensor;

        *(t->rank >= 2 ? &n.decays : &n.rest) += (long long)bt_tensor_count(t);
    }
    bt_vit_free(vit);
    bt_qformer_free(qformer);
    bt_pformer_free(pformer);
    bt_opt_free(opt);
    bt_params_free(p);
    return n;
}

static long long total(const struct bt_backend *b, const struct bt_config *c, int parts)
{
    struct count n = count_parts(b, c, parts);

    return n.decays + n.rest;
}

static void test_published_parts(const struct bt_backend *b)
{
    struct bt_config larger = published;

    larger.vit.image_size = 364;
    CHECK_INT(total(b, &published, VIT), 985894528);
    CHECK_INT(total(b, &larger, VIT), 986485888);
    CHECK_INT(total(b, &published, QFORMER), 186282811 + 32 * 768); /* with the queries */
    CHECK_INT(total(b, &published, QUERY_PART), 105137664 + 32 * 768);
    CHECK_INT(total(b, &published, PFORMER_HEAD), 130546689);
    CHECK_INT(total(b, &published, PFORMER), 130349824);
    CHECK_INT(total(b, &published, OPT), 2651596800);
}

static void check_stage(const struct bt_backend *b, int parts, const struct bt_config *c, long long decays, long long rest)
{
    struct count n = count_parts(b, c, parts);

    CHECK_INT(n.decays, decays);
    CHECK_INT(n.rest, rest);
}

/* training.md 4: what trains in a stage, and of it what decays. */
static void test_published_stages(const struct bt_backend *b)
{
    struct bt_config larger = published;

    larger.vit.image_size = 364;
    check_stage(b, PFORMER_HEAD, &published, 130397184, 149505);
    check_stage(b, QFORMER | LN | CONTRAST | OPT_PROJ, &published, 188421888, 252222); /* 188,674,110 */
    check_stage(b, QFORMER | LN | CONTRAST, &published, 186455808, 249662);            /* 186,705,470 */
    check_stage(b, QUERY_PART | LN | OPT_PROJ, &published, 106979328, 154368);         /* 107,133,696 */
    check_stage(b, VIT | QUERY_PART | LN | OPT_PROJ, &larger, 1092784896, 834688);     /* 1,093,619,584 */
}

/* ---- the same parts, as bt_vlm_new puts them together and freezes them, in small ---- */

static const struct bt_config small = {
    .vit = { 16, 8, 16, 2, 2, 32, 1e-6f, 0.02f },
    .qformer = { 16, 2, 2, 32, 40, 16, 1e-12f, 0, 0.02f },
    .pformer = { 24, 2, 2, 32, 39, 16, 1e-12f, 0, 0.02f },
    .opt = { 32, 2, 2, 64, 50, 64, 1e-5f, 0, 0.02f },
    .queries = 8, .embed = 8, .cross_every = 2, .labels = 5, .ln_vision_eps = 1e-5f,
};

static void check_vlm(const struct bt_backend *b, enum bt_stage stage, bool aligned, int trains, int frozen, long long more)
{
    struct bt_err err = { 0 };
    struct bt_vlm *v = NULL;
    long long all = 0;

    CHECK_OK(bt_vlm_new(&v, b, &small, stage, aligned, 1, &err), &err);
    if (!v)
        return;
    for (size_t i = 0; i < bt_params_count(v->params); i++)
        all += (long long)bt_tensor_count(&bt_params_at(v->params, i)->tensor);
    CHECK_INT(bt_params_trainable(v->params), total(b, &small, trains) + more);
    CHECK_INT(all, total(b, &small, trains) + total(b, &small, frozen) + more);
    bt_vlm_free(v);
}

static void test_what_trains_in_each_stage(const struct bt_backend *b)
{
    long long label_head = 2 * 16 + 16 * 5 + 5;

    check_vlm(b, BT_STAGE_VISION, false, VIT, 0, label_head);
    check_vlm(b, BT_STAGE_LM, false, OPT, 0, 0);
    check_vlm(b, BT_STAGE_0, true, PFORMER_HEAD, OPT, 0);
    check_vlm(b, BT_STAGE_1, true, QFORMER | LN | CONTRAST | OPT_PROJ, VIT | PFORMER, 0);
    check_vlm(b, BT_STAGE_1, false, QFORMER | LN | CONTRAST, VIT, 0);
    check_vlm(b, BT_STAGE_2, true, QUERY_PART | LN | OPT_PROJ, VIT | PFORMER | OPT, 0);
    check_vlm(b, BT_STAGE_2, false, QUERY_PART | LN | OPT_PROJ, VIT | OPT, 0);
    check_vlm(b, BT_STAGE_CAPTION, false, VIT | QUERY_PART | LN | OPT_PROJ, OPT, 0);
}

int main(void)
{
    struct bt_err err = { 0 };

    backends_open();
    if (bt_config_load(&published, "pipelines/models/blip2-opt2.7b.json", &err)) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    RUN_BACKENDS(test_published_parts);
    RUN_BACKENDS(test_published_stages);
    RUN_BACKENDS(test_what_trains_in_each_stage);
    return backends_end();
}
