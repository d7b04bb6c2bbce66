/* Parameters: how they lie, how they begin, and what loading takes and refuses. */
#include "libcommon/tensor/params.h"
#include "libcommon/tensor/safetensors.h"
#include "tests/base/scratch.h"
#include "tests/kernels/kernel_test.h"

static const struct bt_init normal = { BT_INIT_NORMAL, 0.02f }, zero = { BT_INIT_CONSTANT, 0 };

static struct bt_params *params_new(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *p = bt_params_new(b, &err);

    if (!p) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return p;
}

static struct bt_tensor *matrix(struct bt_params *p, const char *name, size_t rows, size_t width)
{
    return bt_param(p, normal, 2, (size_t[]){ rows, width }, "%s", name);
}

static struct bt_tensor *vector(struct bt_params *p, const char *name, size_t n)
{
    return bt_param(p, normal, 1, &n, "%s", name);
}

static void values_of(const struct bt_backend *b, struct bt_params *p, const char *name, float *host)
{
    struct bt_param *param = bt_params_find(p, name);

    CHECK(param != NULL);
    if (param)
        dev_get(b, host, param->tensor.data, bt_tensor_count(&param->tensor) * sizeof *host);
}

/* ---- layout ---- */

/* What decays (rank 2 or more) first, then what does not, then, elsewhere, what is frozen. */
static void test_flat_layout(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *p = params_new(b);
    struct bt_tensor *frozen = matrix(p, "tower.weight", 4, 4), *bias = vector(p, "fc.bias", 5);
    struct bt_tensor *weight = matrix(p, "fc.weight", 5, 3), *temp = bt_param(p, zero, 0, NULL, "temp");
    struct bt_tensor *tokens = bt_param(p, normal, 3, (size_t[]){ 1, 2, 3 }, "query_tokens");

    bt_params_train(p, "tower.", false);
    CHECK_OK(bt_params_place(p, &err), &err);

    struct bt_flat flat = bt_params_flat(p);

    CHECK(weight->data == flat.data && weight->grad == flat.grad);
    CHECK(tokens->data == flat.data + 16 && tokens->grad == flat.grad + 16); /* 15 rounded up to 64 bytes */
    CHECK_INT(flat.decayed, 32);
    CHECK(bias->data == flat.data + 32 && temp->data == flat.data + 48);
    CHECK(bias->grad == flat.grad + 32 && temp->grad == flat.grad + 48);
    CHECK_INT(flat.total, 64);
    CHECK(frozen->grad == NULL && !frozen->trains && frozen->data != NULL);
    CHECK(frozen->data < flat.data || frozen->data >= flat.data + flat.total);
    CHECK_INT(bt_params_trainable(p), 5 + 15 + 1 + 6);
    CHECK_INT(bt_params_count(p), 5);
    CHECK_STR(bt_params_at(p, 1)->name, "fc.bias"); /* in the order of declaration */
    bt_params_free(p);
}

static void test_zero_grad(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *p = params_new(b);
    float ones[20], got[32];

    for (int i = 0; i < 20; i++)
        ones[i] = 1;
    vector(p, "a", 20);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK(b->copy_in(b->queue, bt_params_at(p, 0)->tensor.grad, ones, sizeof ones) == BT_OK);
    CHECK(bt_params_zero_grad(p) == BT_OK);
    dev_get(b, got, bt_params_flat(p).grad, sizeof got);
    for (int i = 0; i < 32; i++)
        CHECK(got[i] == 0);
    bt_params_free(p);
}

/* ---- initial values ---- */

static void test_adding_a_parameter_changes_no_other(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *few = params_new(b), *many = params_new(b);
    float one[60], other[60], different[60];

    matrix(few, "b.weight", 6, 10);
    matrix(many, "a.weight", 6, 10);
    vector(many, "b.bias", 7);
    matrix(many, "b.weight", 6, 10);
    CHECK_OK(bt_params_place(few, &err), &err);
    CHECK_OK(bt_params_place(many, &err), &err);
    CHECK_OK(bt_params_init(few, 42, &err), &err);
    CHECK_OK(bt_params_init(many, 42, &err), &err);
    values_of(b, few, "b.weight", one);
    values_of(b, many, "b.weight", other);
    CHECK(memcmp(one, other, sizeof one) == 0);
    values_of(b, many, "a.weight", different);
    CHECK(memcmp(one, different, sizeof one) != 0);
    CHECK_OK(bt_params_init(few, 43, &err), &err);
    values_of(b, few, "b.weight", other);
    CHECK(memcmp(one, other, sizeof one) != 0);
    bt_params_free(few);
    bt_params_free(many);
}

static void test_kinds_of_initial_values(const struct bt_backend *b)
{
    enum { N = 20000 };
    static const struct { const char *name; struct bt_init init; double mean, sd, most; } kinds[] = {
        { "constant", { BT_INIT_CONSTANT, 0.07f }, 0.07, 0, 0.0701 },
        { "normal", { BT_INIT_NORMAL, 0.02f }, 0, 0.02, 1 },
        { "uniform", { BT_INIT_UNIFORM, 0.3f }, 0, 0.3 / 1.7320508, 0.3 },
        { "truncated", { BT_INIT_TRUNCATED_NORMAL, 1.0f }, 0, 0.8796257, 2 }, /* cut at two sigma */
    };
    struct bt_err err = { 0 };
    struct bt_params *p = params_new(b);
    size_t n = N;
    static float x[N];

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        bt_param(p, kinds[k].init, 1, &n, "%s", kinds[k].name);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_OK(bt_params_init(p, 1, &err), &err);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        double sum = 0, squares = 0, most = 0;

        values_of(b, p, kinds[k].name, x);
        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i];
            most = fmax(most, fabs((double)x[i]));
        }
        for (size_t i = 0; i < n; i++)
            squares += ((double)x[i] - sum / N) * ((double)x[i] - sum / N);
        CHECK_NEAR(sum / N, kinds[k].mean, 4 * kinds[k].sd / sqrt(N) + 1e-7);
        CHECK_NEAR(sqrt(squares / N), kinds[k].sd, 0.03 * kinds[k].sd + 1e-7);
        CHECK(most <= kinds[k].most);
    }
    bt_params_free(p);
}

/* ---- loading ---- */

static const float values[] = { 1, 2, 3, 4, 5, 6 };

static struct bt_safetensors *file_of(const char *name, const struct bt_st_tensor *tensors, uint64_t count)
{
    const char *path = scratch(name);
    struct bt_safetensors *st = NULL;
    struct bt_outfile out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_outfile_open(&out, path, true, &err), &err);
    CHECK_OK(bt_safetensors_write(&out, tensors, count, NULL, 0, NULL, NULL, &err), &err);
    CHECK_OK(bt_outfile_finish(&out, &err), &err);
    bt_outfile_close(&out);
    CHECK_OK(bt_safetensors_open(&st, path, &err), &err);
    return st;
}

static struct bt_st_tensor f32(const char *name, uint64_t rows, uint64_t width)
{
    return (struct bt_st_tensor){ .name = name, .dtype = BT_DTYPE_F32, .rank = 2, .shape = { rows, width }, .data = values };
}

static void test_loading_by_name(const struct bt_backend *b)
{
    static const uint16_t halves[] = { 0x3c00, 0x4000 }; /* 1, 2 in float16 */
    struct bt_st_tensor tensors[] = {
        f32("fc.weight", 2, 3), f32("other.weight", 3, 2),
        { .name = "fc.bias", .dtype = BT_DTYPE_F16, .rank = 1, .shape = { 2 }, .data = halves },
    };
    struct bt_err err = { 0 };
    struct bt_safetensors *st = file_of("names.safetensors", tensors, 3);
    struct bt_params *p = params_new(b);
    size_t loaded = 0;
    float got[6], before[4];

    matrix(p, "fc.weight", 2, 3);
    vector(p, "fc.bias", 2);
    vector(p, "norm.weight", 4);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_OK(bt_params_load(p, st, "", "", &loaded, &err), &err);
    CHECK_INT(loaded, 2);
    CHECK_OK(bt_params_init(p, 1, &err), &err); /* loaded ones keep theirs */
    values_of(b, p, "fc.weight", got);
    CHECK(memcmp(got, values, sizeof got) == 0);
    values_of(b, p, "fc.bias", got);
    CHECK(got[0] == 1 && got[1] == 2);
    values_of(b, p, "norm.weight", before);
    CHECK(before[0] != 0);

    CHECK_INT(bt_params_require(p, "", &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "norm.weight") != NULL && strstr(err.text, "fc.") == NULL);
    bt_err_clear(&err);
    CHECK_OK(bt_params_require(p, "fc.", &err), &err);
    bt_safetensors_close(st);
    bt_params_free(p);
}

static void test_prefixes_are_exchanged(const struct bt_backend *b)
{
    struct bt_st_tensor tensors[] = { f32("Darkformer.cls_proj.weight", 2, 3), f32("blocks.0.weight", 3, 2) };
    struct bt_err err = { 0 };
    struct bt_safetensors *st = file_of("prefixes.safetensors", tensors, 2);
    struct bt_params *p = params_new(b);
    size_t loaded = 0;
    float got[6] = { 0 };

    matrix(p, "Pformer.cls_proj.weight", 2, 3);
    matrix(p, "visual_encoder.blocks.0.weight", 3, 2);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_OK(bt_params_load(p, st, "", "", &loaded, &err), &err);
    CHECK_INT(loaded, 0);
    CHECK_OK(bt_params_load(p, st, "Darkformer.", "Pformer.", &loaded, &err), &err);
    CHECK_INT(loaded, 1);
    CHECK_OK(bt_params_load(p, st, "", "visual_encoder.", &loaded, &err), &err);
    CHECK_INT(loaded, 1);
    values_of(b, p, "Pformer.cls_proj.weight", got);
    CHECK(memcmp(got, values, sizeof got) == 0);
    CHECK_OK(bt_params_require(p, "", &err), &err);
    bt_safetensors_close(st);
    bt_params_free(p);
}

/* The same number of elements is not the same shape. */
static void test_another_shape_is_refused(const struct bt_backend *b)
{
    struct bt_st_tensor tensors[] = { f32("fc.weight", 3, 2) };
    struct bt_err err = { 0 };
    struct bt_safetensors *st = file_of("shape.safetensors", tensors, 1);
    struct bt_params *p = params_new(b);

    matrix(p, "fc.weight", 2, 3);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_INT(bt_params_load(p, st, "", "", NULL, &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "shape.safetensors: ") != NULL && strstr(err.text, "'fc.weight' is [3, 2]") != NULL);
    CHECK(strstr(err.text, "[2, 3]") != NULL);
    CHECK(!bt_params_at(p, 0)->loaded);
    bt_safetensors_close(st);
    bt_params_free(p);
}

static void test_what_is_missing_is_named(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *p = params_new(b);

    for (int i = 0; i < 5; i++)
        bt_param(p, normal, 2, (size_t[]){ 2, 2 }, "layer.%d.weight", i);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_INT(bt_params_require(p, "layer.", &err), BT_ERR_WEIGHTS);
    CHECK(strstr(err.text, "5 tensors") != NULL);
    CHECK(strstr(err.text, "layer.0.weight, layer.1.weight, layer.2.weight ...") != NULL);
    bt_params_free(p);
}

static void test_finding_and_copying(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *p = params_new(b);
    float from[6], to[6];

    matrix(p, "a.weight", 2, 3);
    matrix(p, "b.weight", 2, 3);
    CHECK_OK(bt_params_place(p, &err), &err);
    CHECK_OK(bt_params_init(p, 1, &err), &err);
    CHECK(bt_params_find(p, "a.weigh") == NULL && bt_params_find(p, "a.weight.") == NULL);
    CHECK(bt_params_copy(p, bt_params_find(p, "b.weight"), bt_params_find(p, "a.weight")) == BT_OK);
    values_of(b, p, "a.weight", from);
    values_of(b, p, "b.weight", to);
    CHECK(memcmp(from, to, sizeof from) == 0);
    bt_params_free(p);
}

/* A model without anything frozen, or without anything that trains, has its buffers all the same. */
static void test_empty_buffers(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct bt_params *all = params_new(b), *none = params_new(b);

    matrix(all, "a.weight", 2, 3);
    matrix(none, "a.weight", 2, 3);
    bt_params_train(none, "", false);
    CHECK_OK(bt_params_place(all, &err), &err);
    CHECK_OK(bt_params_place(none, &err), &err);
    CHECK_OK(bt_params_ready(all, &err), &err);
    CHECK_OK(bt_params_ready(none, &err), &err);
    CHECK_INT(bt_params_flat(none).total, 0);
    CHECK_INT(bt_params_trainable(none), 0);
    CHECK(bt_params_zero_grad(none) == BT_OK);
    bt_params_free(all);
    bt_params_free(none);
}

int main(void)
{
    backends_open();
    scratch_begin();
    RUN_BACKENDS(test_flat_layout);
    RUN_BACKENDS(test_zero_grad);
    RUN_BACKENDS(test_adding_a_parameter_changes_no_other);
    RUN_BACKENDS(test_kinds_of_initial_values);
    RUN_BACKENDS(test_loading_by_name);
    RUN_BACKENDS(test_prefixes_are_exchanged);
    RUN_BACKENDS(test_another_shape_is_refused);
    RUN_BACKENDS(test_what_is_missing_is_named);
    RUN_BACKENDS(test_finding_and_copying);
    RUN_BACKENDS(test_empty_buffers);
    scratch_end();
    return backends_end();
}
