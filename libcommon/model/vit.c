/* EVA-CLIP vision transformer. Source: models.md 1.1. */
#include "libcommon/model/vit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct block {
    struct bt_norm norm1, norm2;
    struct bt_tensor *qkv, *q_bias, *v_bias;
    struct bt_affine proj, fc1, fc2;
};

struct bt_vit {
    struct bt_vit_config config;
    struct bt_tensor *cls, *positions;
    struct bt_affine patch;
    struct block *blocks;
};

static struct bt_init truncated(float sd)
{
    return (struct bt_init){ BT_INIT_TRUNCATED_NORMAL, sd };
}

static void block_new(struct block *b, struct bt_params *params, const struct bt_vit_config *c, size_t i)
{
    size_t qkv[2] = { 3 * c->width, c->width };
    /* Residual branches start smaller the deeper they are (models.md 1.1, initialisation). */
    struct bt_init std = truncated(c->init_std), deep = truncated(c->init_std / sqrtf(2.0f * (float)(i + 1)));

    b->norm1 = bt_norm_new(params, c->width, c->eps, "visual_encoder.blocks.%zu.norm1", i);
    b->q_bias = bt_param(params, bt_zeros, 1, &c->width, "visual_encoder.blocks.%zu.attn.q_bias", i);
    b->v_bias = bt_param(params, bt_zeros, 1, &c->width, "visual_encoder.blocks.%zu.attn.v_bias", i);
    b->qkv = bt_param(params, std, 2, qkv, "visual_encoder.blocks.%zu.attn.qkv.weight", i);
    b->proj = bt_affine_new(params, deep, c->width, c->width, "visual_encoder.blocks.%zu.attn.proj", i);
    b->norm2 = bt_norm_new(params, c->width, c->eps, "visual_encoder.blocks.%zu.norm2", i);
    b->fc1 = bt_affine_new(params, std, c->width, c->mlp, "visual_encoder.blocks.%zu.mlp.fc1", i);
    b->fc2 = bt_affine_new(params, deep, c->mlp, c->width, "visual_encoder.blocks.%zu.mlp.fc2", i);
}

struct bt_vit *bt_vit_new(struct bt_params *params, const struct bt_vit_config *c, struct bt_err *err)
{
    struct bt_vit *vit = bt_alloc(1, sizeof *vit, err);
    struct block *blocks = bt_alloc(c->depth, sizeof *blocks, err);

    if (!vit || !blocks) {
        free(vit);
        free(blocks);
        return NULL;
    }

    size_t grid = c->image_size / c->patch, in = 3 * c->patch * c->patch;
    size_t cls[3] = { 1, 1, c->width }, positions[3] = { 1, grid * grid + 1, c->width };
    size_t conv[4] = { c->width, 3, c->patch, c->patch };
    struct bt_init uniform = { BT_INIT_UNIFORM, 1.0f / sqrtf((float)in) };

    vit->config = *c;
    vit->blocks = blocks;
    vit->cls = bt_param(params, truncated(0.02f), 3, cls, "visual_encoder.cls_token");
    vit->positions = bt_param(params, truncated(0.02f), 3, positions, "visual_encoder.pos_embed");
    vit->patch.weight = bt_param(params, uniform, 4, conv, "visual_encoder.patch_embed.proj.weight");
    vit->patch.bias = bt_param(params, uniform, 1, &c->width, "visual_encoder.patch_embed.proj.bias");
    for (size_t i = 0; i < c->depth; i++)
        block_new(&blocks[i], params, c, i);
    return vit;
}

void bt_vit_free(struct bt_vit *vit)
{
    if (vit)
        free(vit->blocks);
    free(vit);
}

static struct bt_tensor *attend(struct bt_tape *tape, const struct bt_vit *vit, const struct block *b, struct bt_tensor *x)
{
    const struct bt_vit_config *c = &vit->config;
    size_t head = c->width / c->heads;
    float *zeros = bt_alloc(c->width, sizeof *zeros, NULL);

    if (!zeros) {
        bt_tape_fail(tape, BT_ERR_MEMORY, "vit: out of memory");
        return x;
    }
    /* The published projection has a bias for queries and values, none for keys. */
    struct bt_tensor *none = bt_constant(tape, zeros, 1, &c->width);
    struct bt_tensor *bias = bt_concat(tape, bt_concat(tape, b->q_bias, none), b->v_bias);
    struct bt_tensor *qkv = bt_linear(tape, x, b->qkv, bias, BT_ACT_NONE);

    free(zeros);
    return bt_apply(tape, &b->proj,
                    bt_attention(tape, &(struct bt_attend){ .query = qkv, .key = qkv, .value = qkv, .key_at = c->width,
                                                            .value_at = 2 * c->width, .heads = c->heads, .head_size = head,
                                                            .scale = 1.0f / sqrtf((float)head) }),
                    BT_ACT_NONE);
}

struct bt_tensor *bt_vit_forward(struct bt_tape *tape, const struct bt_vit *vit, struct bt_tensor *images)
{
    const struct bt_vit_config *c = &vit->config;
    struct bt_tensor *p = bt_apply(tape, &vit->patch, bt_patches(tape, images, c->patch), BT_ACT_NONE);

    if (bt_tape_failed(tape))
        return p;
    bt_mark(tape, p, "visual_encoder.patch_embed");

    size_t batch = images->shape[0], tokens[2] = { p->shape[1] + 1, c->width };
    struct bt_tensor *h = bt_concat(tape, bt_repeat(tape, vit->cls, batch), p);

    h = bt_add(tape, h, bt_reshape(tape, vit->positions, 2, tokens));
    for (size_t i = 0; i < c->depth && !bt_tape_failed(tape); i++) {
        const struct block *b = &vit->blocks[i];
        struct bt_tensor *x = bt_normalize(tape, &b->norm1, h);

        bt_mark(tape, x, "visual_encoder.blocks.%zu.norm1", i);
        x = attend(tape, vit, b, x);
        bt_mark(tape, x, "visual_encoder.blocks.%zu.attn", i);
        x = bt_add_normalize(tape, &b->norm2, x, h, &h);
        x = bt_apply(tape, &b->fc2, bt_apply(tape, &b->fc1, x, BT_ACT_GELU), BT_ACT_NONE);
        bt_mark(tape, x, "visual_encoder.blocks.%zu.mlp", i);
        h = bt_add(tape, h, x);
        bt_mark(tape, h, "visual_encoder.blocks.%zu", i);
    }
    return h;
}

/* ---- positions for another image size ---- */

static double near_weight(double x)
{
    const double a = -0.75;

    return ((a + 2) * x - (a + 3)) * x * x + 1;
}

static double far_weight(double x)
{
    const double a = -0.75;

    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static void taps(size_t o, size_t from, size_t to, size_t index[4], double weight[4])
{
    double s = ((double)o + 0.5) * (double)from / (double)to - 0.5, t = s - floor(s);

    weight[0] = far_weight(t + 1);
    weight[1] = near_weight(t);
    weight[2] = near_weight(1 - t);
    weight[3] = far_weight(2 - t);
    for (int k = 0; k < 4; k++) {
        double at = floor(s) - 1 + k;

        index[k] = at < 0 ? 0 : at > (double)(from - 1) ? from - 1 : (size_t)at;
    }
}

void bt_vit_resample_positions(float *to, size_t grid_to, const float *from, size_t grid_from, size_t width)
{
    memcpy(to, from, width * sizeof *to);
    to += width;
    from += width;
    for (size_t y = 0; y < grid_to; y++)
        for (size_t x = 0; x < grid_to; x++) {
            size_t iy[4], ix[4];
            double wy[4], wx[4];

            taps(y, grid_from, grid_to, iy, wy);
            taps(x, grid_from, grid_to, ix, wx);
            for (size_t c = 0; c < width; c++) {
                double sum = 0;

                for (int a = 0; a < 4; a++)
                    for (int b = 0; b < 4; b++)
                        sum += wy[a] * wx[b] * (double)from[(iy[a] * grid_from + ix[b]) * width + c];
                to[(y * grid_to + x) * width + c] = (float)sum;
            }
        }
}
