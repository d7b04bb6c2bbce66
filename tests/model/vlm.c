/* What a model takes from weight files: published names, earlier names, tied embeddings; and what it refuses. */
#include "libcommon/model/vlm.h"
#include "libcommon/tensor/safetensors.h"
#include "tests/base/scratch.h"
#include "tests/kernels/kernel_test.h"

#define WORDS "opt_model.model.decoder.embed_tokens.weight"
#define HEAD "opt_model.lm_head.weight"

enum { VOCAB = 6, HIDDEN = 8, TABLE = VOCAB * HIDDEN };

static const struct bt_config small = {
    .vit = { 16, 8, 8, 1, 2, 16, 1e-6f, 0.02f },
    .qformer = { 8, 1, 2, 16, 12, 16, 1e-12f, 0, 0.02f },
    .pformer = { 8, 1, 2, 16, 11, 16, 1e-12f, 0, 0.02f },
    .opt = { HIDDEN, 1, 2, 16, VOCAB, 16, 1e-5f, 0, 0.02f },
    .queries = 4, .embed = 4, .cross_every = 1, .labels = 3, .ln_vision_eps = 1e-5f,
};

static float table[TABLE], other[TABLE];

static struct bt_st_tensor matrix(const char *name, const float *data, uint64_t rows, uint64_t columns)
{
    return (struct bt_st_tensor){ .name = name, .dtype = BT_DTYPE_F32, .rank = 2, .shape = { rows, columns }, .data = data };
}

static const char *write_file(const char *name, const struct bt_st_tensor *tensors, uint64_t count)
{
    const char *path = scratch(name);
    struct bt_outfile out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_outfile_open(&out, path, true, &err), &err);
    CHECK_OK(bt_safetensors_write(&out, tensors, count, NULL, 0, NULL, NULL, &err), &err);
    CHECK_OK(bt_outfile_finish(&out, &err), &err);
    bt_outfile_close(&out);
    return path;
}

static struct bt_vlm *frozen(const struct bt_backend *b, enum bt_stage stage)
{
    struct bt_err err = { 0 };
    struct bt_vlm *v = NULL;

    if (bt_vlm_new_frozen(&v, b, &small, stage, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return v;
}

static bool holds(const struct bt_backend *b, struct bt_vlm *v, const char *name, const float *want, size_t count)
{
    struct bt_param *p = bt_params_find(v->params, name);
    float got[TABLE];

    if (!p || !p->loaded || bt_tensor_count(&p->tensor) != count)
        return false;
    dev_get(b, got, p->tensor.data, count * sizeof *got);
    return memcmp(got, want, count * sizeof *got) == 0;
}

static void test_tied_embeddings_under_either_name(const struct bt_backend *b)
{
    const char *files[3];
    struct bt_err err = { 0 };

    files[0] = write_file("words", (struct bt_st_tensor[]){ matrix(WORDS, table, VOCAB, HIDDEN) }, 1);
    files[1] = write_file("head", (struct bt_st_tensor[]){ matrix(HEAD, table, VOCAB, HIDDEN) }, 1);
    files[2] = write_file("both", (struct bt_st_tensor[]){ matrix(WORDS, table, VOCAB, HIDDEN),
                                                           matrix(HEAD, table, VOCAB, HIDDEN) }, 2);
    for (int i = 0; i < 3; i++) {
        struct bt_vlm *v = frozen(b, BT_STAGE_LM);

        CHECK_OK(bt_vlm_load(v, files[i], &err), &err);
        CHECK(holds(b, v, WORDS, table, TABLE));
        bt_vlm_free(v);
    }
}

static void test_tied_embeddings_of_two_types(const struct bt_backend *b)
{
    uint16_t halves[TABLE];
    struct bt_st_tensor tensors[] = { matrix(WORDS, table, VOCAB, HIDDEN), matrix(HEAD, table, VOCAB, HIDDEN) };
    struct bt_vlm *v = frozen(b, BT_STAGE_LM);
    struct bt_err err = { 0 };
    uint32_t bits;

    for (int i = 0; i < TABLE; i++) { /* the table's values are whole: bfloat16 has them exactly */
        memcpy(&bits, &table[i], sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
    }
    tensors[1].dtype = BT_DTYPE_BF16;
    tensors[1].data = halves;
    CHECK_OK(bt_vlm_load(v, write_file("types", tensors, 2), &err), &err);
    CHECK(holds(b, v, WORDS, table, TABLE));
    bt_vlm_free(v);
}

static void test_untied_embeddings_are_refused(const struct bt_backend *b)
{
    struct bt_st_tensor values[] = { matrix(WORDS, table, VOCAB, HIDDEN), matrix(HEAD, other, VOCAB, HIDDEN) };
    struct bt_st_tensor shapes[] = { matrix(WORDS, table, VOCAB, HIDDEN), matrix(HEAD, table, VOCAB - 1, HIDDEN) };
    struct bt_st_tensor *const cases[] = { values, shapes };

    for (int i = 0; i < 2; i++) {
        struct bt_vlm *v = frozen(b, BT_STAGE_LM);
        struct bt_err err = { 0 };

        CHECK_INT(bt_vlm_load(v, write_file("untied", cases[i], 2), &err), BT_ERR_WEIGHTS);
        CHECK(strstr(err.text, "/untied: '" WORDS "' and '" HEAD "' differ, but ") != NULL);
        bt_vlm_free(v);
    }
}

/* Where there is no language model, its tensors do not matter. */
static void test_other_parts_are_left_alone(const struct bt_backend *b)
{
    struct bt_st_tensor tensors[] = { matrix(WORDS, table, VOCAB, HIDDEN), matrix(HEAD, other, VOCAB, HIDDEN),
                                      matrix("text_proj.weight", table, 4, 8) };
    struct bt_vlm *v = frozen(b, BT_STAGE_1);
    struct bt_err err = { 0 };

    CHECK_OK(bt_vlm_load(v, write_file("more", tensors, 3), &err), &err);
    CHECK(holds(b, v, "text_proj.weight", table, 32));
    CHECK_INT(bt_vlm_load(v, write_file("none", tensors, 2), &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "/none: none of its tensors belongs to this model; name another file") != NULL);
    bt_vlm_free(v);
}

static void test_earlier_and_bare_names(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_vlm *p = NULL, *v = frozen(b, BT_STAGE_VISION);
    struct bt_st_tensor earlier = matrix("Darkformer.embeddings.token_type_embeddings.weight", table, 2, 8);
    struct bt_st_tensor bare = { .name = "pos_embed", .dtype = BT_DTYPE_F32, .rank = 3, .shape = { 1, 5, 8 }, .data = table };

    CHECK_OK(bt_vlm_new(&p, b, &small, BT_STAGE_0, true, 1, &err), &err);
    CHECK_OK(bt_vlm_load(p, write_file("earlier", &earlier, 1), &err), &err);
    CHECK(holds(b, p, "Pformer.embeddings.token_type_embeddings.weight", table, 16));
    bt_vlm_free(p);

    CHECK_OK(bt_vlm_load(v, write_file("bare", &bare, 1), &err), &err);
    CHECK(holds(b, v, "visual_encoder.pos_embed", table, 40));

    /* Of a tower for larger pictures; never interpolated (quirk K1). */
    bare.shape[1] = 6;
    CHECK_INT(bt_vlm_load(v, write_file("large", &bare, 1), &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "/large: tensor 'pos_embed' is [1, 6, 8], but the model's is [1, 5, 8]; ") != NULL);
    bt_vlm_free(v);
}

/* A later file wins, tensor by tensor; and nothing frozen is left as it was made. */
static void test_later_files_win_and_all_must_come(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_vlm *v = frozen(b, BT_STAGE_LM);
    struct bt_st_tensor first = matrix(WORDS, table, VOCAB, HIDDEN), second = matrix(WORDS, other, VOCAB, HIDDEN);

    CHECK_INT(bt_vlm_ready(v, &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "tensors are in none of the files: " WORDS) != NULL);
    bt_err_clear(&err);
    CHECK_OK(bt_vlm_load(v, write_file("first", &first, 1), &err), &err);
    CHECK_OK(bt_vlm_load(v, write_file("second", &second, 1), &err), &err);
    CHECK(holds(b, v, WORDS, other, TABLE));
    CHECK_INT(bt_vlm_ready(v, &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "tensors are in none of the files: opt_model.model.decoder.embed_positions.weight") != NULL);
    bt_vlm_free(v);
}

int main(void)
{
    for (int i = 0; i < TABLE; i++) {
        table[i] = (float)(i - 20);
        other[i] = (float)(i - 20 + (i == TABLE - 1)); /* differs in its last value alone */
    }
    scratch_begin();
    backends_open();
    RUN_BACKENDS(test_tied_embeddings_under_either_name);
    RUN_BACKENDS(test_tied_embeddings_of_two_types);
    RUN_BACKENDS(test_untied_embeddings_are_refused);
    RUN_BACKENDS(test_other_parts_are_left_alone);
    RUN_BACKENDS(test_earlier_and_bare_names);
    RUN_BACKENDS(test_later_files_win_and_all_must_come);
    scratch_end();
    return backends_end();
}
