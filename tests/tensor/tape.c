/* What the tape promises about notes, views, failures, randomness and memory. Gradients of the ops are in gradients.c. */
#include "tests/tensor/leaf.h"

typedef struct bt_tensor *builder(struct bt_tape *tape, struct bt_tensor *x);

static void get(const struct bt_backend *b, float *host, const float *device, size_t n)
{
    dev_get(b, host, device, n * sizeof *host);
}

/* ---- values of what has no way back ---- */

static void test_constants_and_reading(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    float values[] = { 1, 2, 3, 4, 5, 6 }, back[6];
    int32_t ids[] = { 7, 8, 9 }, ids_back[3];
    struct bt_tensor *x = bt_constant(tape, values, 2, (size_t[]){ 2, 3 });

    CHECK(!x->trains);
    bt_read(tape, bt_rows(tape, x, 1, 1), back);
    CHECK(back[0] == 4 && back[2] == 6);
    bt_read_ints(tape, bt_int_constant(tape, ids, 3), ids_back);
    CHECK(memcmp(ids, ids_back, sizeof ids) == 0);
    bt_read_ints(tape, bt_int_fill(tape, 5, 3), ids_back);
    CHECK(ids_back[0] == 5 && ids_back[2] == 5);
    CHECK(!bt_tape_failed(tape));
    bt_tape_free(tape);
}

static void test_nearest(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    float table[] = { 0, 0, 1, 1, -1, 2 }, x[] = { 0.9f, 0.8f, -1, 1.6f, 0.1f, 0.2f };
    int32_t index[3];

    bt_read_ints(tape, bt_nearest(tape, bt_constant(tape, x, 2, (size_t[]){ 3, 2 }), bt_constant(tape, table, 2, (size_t[]){ 3, 2 })),
                 index);
    CHECK(index[0] == 1 && index[1] == 2 && index[2] == 0);
    bt_tape_free(tape);
}

static void test_patches(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    float image[2 * 4 * 4], got[4 * 8];

    for (int i = 0; i < 32; i++)
        image[i] = (float)i;

    struct bt_tensor *y = bt_patches(tape, bt_constant(tape, image, 4, (size_t[]){ 1, 2, 4, 4 }), 2);

    CHECK(y->rank == 3 && y->shape[1] == 4 && y->shape[2] == 8);
    bt_read(tape, y, got);
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < 8; k++) {
            int channel = k / 4, row = p / 2 * 2 + k % 4 / 2, column = p % 2 * 2 + k % 2;

            CHECK(got[p * 8 + k] == image[channel * 16 + row * 4 + column]);
        }
    bt_tape_free(tape);
}

/* ---- what is noted, and what is not ---- */

static void test_frozen_weights_pass_the_gradient_on(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf2(b, 3, 4, 1), w = leaf2(b, 5, 4, 2), bias = leaf1(b, 5, 3);
    float *dy = host_noise(15, 4), weight[20], want[12] = { 0 };

    w.trains = bias.trains = false;

    struct bt_tensor *y = bt_linear(tape, &x, &w, &bias, BT_ACT_NONE);

    CHECK(y->trains);
    bt_tape_seed(tape, y, dy);
    CHECK_OK(bt_tape_backward(tape, &err), &err);
    get(b, weight, w.data, 20);
    for (int r = 0; r < 3; r++)
        for (int i = 0; i < 4; i++)
            for (int o = 0; o < 5; o++)
                want[r * 4 + i] += dy[r * 5 + o] * weight[o * 4 + i];
    check_near(b, x.grad, want, 12, 1e-5);
    check_near(b, w.grad, (float[20]){ 0 }, 20, 0); /* not touched */
    check_near(b, bias.grad, (float[5]){ 0 }, 5, 0);
    leaf_free(b, &x);
    leaf_free(b, &w);
    leaf_free(b, &bias);
    free(dy);
    bt_tape_free(tape);
}

static void test_nothing_is_noted_where_nothing_trains(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf2(b, 3, 4, 1), w = leaf2(b, 5, 4, 2);
    float ones[15];

    for (int i = 0; i < 15; i++)
        ones[i] = 1;
    w.trains = x.trains = false;

    struct bt_tensor *frozen = bt_linear(tape, &x, &w, NULL, BT_ACT_GELU);
    size_t bytes = bt_tape_bytes(tape);

    CHECK(!frozen->trains);
    CHECK(bytes <= 64); /* the result alone: nothing is kept for a way back */
    x.trains = true;
    CHECK(bt_tape_record(tape, false));

    struct bt_tensor *off = bt_linear(tape, &x, &w, NULL, BT_ACT_GELU);

    CHECK(!off->trains && !bt_reshape(tape, &x, 2, (size_t[]){ 4, 3 })->trains);
    CHECK(!bt_tape_record(tape, true));
    bt_tape_seed(tape, frozen, ones);
    bt_tape_seed(tape, off, ones);
    CHECK_OK(bt_tape_backward(tape, &err), &err);
    check_near(b, x.grad, (float[12]){ 0 }, 12, 0);
    leaf_free(b, &x);
    leaf_free(b, &w);
    bt_tape_free(tape);
}

static void test_detach_ends_the_way_back(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf1(b, 4, 1);
    float ones[] = { 1, 1, 1, 1 }, values[4], twice[4];
    struct bt_tensor *cut = bt_detach(tape, bt_scale(tape, &x, 3)), *y = bt_add(tape, &x, cut);

    CHECK(!cut->trains);
    get(b, values, x.data, 4);
    bt_read(tape, y, twice);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(twice[i], 4 * values[i], 1e-6);
    bt_tape_seed(tape, y, ones);
    CHECK_OK(bt_tape_backward(tape, &err), &err);
    check_near(b, x.grad, ones, 4, 0);
    leaf_free(b, &x);
    bt_tape_free(tape);
}

/* What was not seeded, or lies on a branch that leads to nothing, is walked past. */
static void test_a_branch_without_gradient(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf1(b, 4, 1), z = leaf1(b, 4, 2);
    float ones[] = { 1, 1, 1, 1 }, halves[] = { 0.5f, 0.5f, 0.5f, 0.5f };
    struct bt_tensor *y = bt_scale(tape, &x, 0.5f);

    bt_scale(tape, &z, 2);
    bt_tape_seed(tape, y, ones);
    CHECK_OK(bt_tape_backward(tape, &err), &err);
    check_near(b, x.grad, halves, 4, 0);
    check_near(b, z.grad, (float[4]){ 0 }, 4, 0);
    leaf_free(b, &x);
    leaf_free(b, &z);
    bt_tape_free(tape);
}

static void test_gradients_add_up_over_steps(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf1(b, 3, 1);
    float ones[] = { 1, 1, 1 }, six[] = { 6, 6, 6 };

    for (int step = 0; step < 3; step++) {
        bt_tape_reset(tape);

        struct bt_tensor *y = bt_scale(tape, &x, 2);

        bt_tape_seed(tape, y, ones);
        CHECK_OK(bt_tape_backward(tape, &err), &err);
    }
    check_near(b, x.grad, six, 3, 0);
    leaf_free(b, &x);
    bt_tape_free(tape);
}

/* ---- failures ---- */

static void test_a_failure_sticks(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 }, again = { 0 };
    struct bt_tensor x = leaf2(b, 3, 4, 1), w = leaf2(b, 5, 6, 2), good = leaf2(b, 5, 4, 3);
    struct bt_tensor *sum;
    float untouched[2] = { 7, 7 };
    struct bt_tensor *y = bt_linear(tape, &x, &w, NULL, BT_ACT_NONE); /* 4 columns, weight of 6 */

    CHECK(bt_tape_failed(tape));
    y = bt_linear(tape, y, &good, NULL, BT_ACT_NONE);
    y = bt_add_layer_norm(tape, y, y, &good, &good, 1e-5f, &sum);
    CHECK(sum != NULL);
    y = bt_dropout(tape, bt_slice(tape, bt_concat(tape, y, sum), 0, 1), 0.5f);
    y = bt_mean_pool(tape, bt_columns(tape, bt_rows(tape, y, 3, 9), 1, 2), 1, 1, 1);
    y = bt_mse(tape, bt_repeat(tape, y, 3), bt_l2_normalize(tape, bt_scale(tape, y, 2)));
    bt_read(tape, y, untouched);
    CHECK(untouched[0] == 7 && !y->trains);
    CHECK(bt_tape_memory(tape, 16) == NULL && bt_tape_host(tape, 16) == NULL);
    bt_tape_fail(tape, BT_ERR_LIMIT, "another one");
    CHECK_INT(bt_tape_status(tape, &err), BT_ERR_BUG);
    CHECK(strncmp(err.text, "linear:", 7) == 0);
    CHECK_INT(bt_tape_backward(tape, &again), BT_ERR_BUG);
    CHECK_STR(again.text, err.text);

    bt_tape_reset(tape); /* a new step, a new chance */
    CHECK(!bt_tape_failed(tape));
    CHECK(bt_linear(tape, &x, &good, NULL, BT_ACT_NONE)->shape[1] == 5);
    CHECK(!bt_tape_failed(tape));
    leaf_free(b, &x);
    leaf_free(b, &w);
    leaf_free(b, &good);
    bt_tape_free(tape);
}

static struct bt_tensor *bad_reshape(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_reshape(t, &x[0], 1, (size_t[]){ 5 });
}
static struct bt_tensor *bad_rows(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_rows(t, &x[0], 2, 1);
}
static struct bt_tensor *bad_slice(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_slice(t, &x[0], 2, 2);
}
static struct bt_tensor *bad_columns(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_columns(t, &x[0], 3, 2);
}
static struct bt_tensor *bad_concat(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_concat(t, &x[0], &x[1]);
}
static struct bt_tensor *bad_add(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_add(t, &x[0], &x[1]);
}
static struct bt_tensor *bad_mse(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_mse(t, &x[0], &x[1]);
}
static struct bt_tensor *bad_pool(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_mean_pool(t, &x[0], 2, 2, 4);
}
static struct bt_tensor *bad_layer_norm(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_layer_norm(t, &x[0], &x[1], &x[1], 1e-5f);
}
static struct bt_tensor *bad_attention(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_attention(t, &(struct bt_attend){ .query = &x[0], .key = &x[0], .value = &x[0], .heads = 2, .head_size = 4 });
}
static struct bt_tensor *bad_labels(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_cross_entropy(t, &x[0], bt_int_fill(t, 0, 5), 0);
}
static struct bt_tensor *bad_head(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_linear_cross_entropy(t, &x[0], &x[0], NULL, bt_int_fill(t, 0, 5), 0);
}
static struct bt_tensor *bad_patches(struct bt_tape *t, struct bt_tensor *x)
{
    return bt_patches(t, bt_reshape(t, &x[0], 4, (size_t[]){ 1, 6, 2, 2 }), 3);
}

static const struct { const char *place; builder *build; } mistakes[] = {
    { "reshape:", bad_reshape }, { "rows:", bad_rows }, { "slice:", bad_slice }, { "columns:", bad_columns },
    { "concat:", bad_concat }, { "add:", bad_add }, { "mse:", bad_mse }, { "pool:", bad_pool },
    { "layer_norm:", bad_layer_norm }, { "attention:", bad_attention }, { "cross_entropy:", bad_labels },
    { "linear_cross_entropy:", bad_head }, { "patches:", bad_patches },
};

static void test_wrong_shapes_are_named(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_tensor x[2] = { leaf3(b, 2, 3, 4, 1), leaf1(b, 5, 2) };

    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct bt_err err = { 0 };

        bt_tape_reset(tape);
        mistakes[i].build(tape, x);
        CHECK_INT(bt_tape_status(tape, &err), BT_ERR_BUG);
        if (strncmp(err.text, mistakes[i].place, strlen(mistakes[i].place)) != 0)
            CHECK_STR(err.text, mistakes[i].place);
    }
    leaf_free(b, &x[0]);
    leaf_free(b, &x[1]);
    bt_tape_free(tape);
}

/* ---- dropout ---- */

#define DROPPED 4096

static void drop(struct bt_tape *tape, struct bt_tensor *x, uint64_t seed, uint32_t step, int site, float *host)
{
    struct bt_tensor *y = x;

    bt_tape_reset(tape);
    bt_tape_dropout(tape, true, seed, step);
    for (int i = 0; i <= site; i++)
        y = bt_dropout(tape, x, 0.25f);
    bt_read(tape, y, host);
}

static void test_dropout_is_a_function_of_seed_step_and_site(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_tensor x = leaf1(b, DROPPED, 1);
    static float values[DROPPED], first[DROPPED], other[DROPPED];
    static const struct { uint64_t seed; uint32_t step; int site; } keys[] = { { 2, 5, 3 }, { 1, 6, 3 }, { 1, 5, 2 }, { 1ull << 32 | 1, 5, 3 } };
    size_t kept = 0;

    get(b, values, x.data, DROPPED);
    drop(tape, &x, 1, 5, 3, first);
    drop(tape, &x, 1, 5, 3, other);
    CHECK(memcmp(first, other, sizeof first) == 0);
    for (size_t i = 0; i < DROPPED; i++) {
        kept += first[i] != 0;
        if (first[i] != 0)
            CHECK_NEAR(first[i], values[i] / 0.75f, 1e-6);
    }
    CHECK_NEAR((double)kept / DROPPED, 0.75, 0.03);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        drop(tape, &x, keys[k].seed, keys[k].step, keys[k].site, other);
        CHECK(memcmp(first, other, sizeof first) != 0);
    }
    bt_tape_reset(tape);
    bt_tape_dropout(tape, false, 1, 5);
    CHECK(bt_dropout(tape, &x, 0.25f) == &x);
    bt_tape_dropout(tape, true, 1, 5);
    CHECK(bt_dropout(tape, &x, 0) == &x);
    leaf_free(b, &x);
    bt_tape_free(tape);
}

/* ---- memory, watchers, times ---- */

static void test_memory_is_kept_over_resets(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf2(b, 64, 64, 1), w = leaf2(b, 64, 64, 2);
    float *dy = host_noise(64 * 64, 3), *where = NULL;
    size_t bytes = 0;

    for (int step = 0; step < 4; step++) {
        struct bt_tensor *h = &x;

        bt_tape_reset(tape);
        for (int i = 0; i < 5; i++)
            h = bt_linear(tape, h, &w, NULL, BT_ACT_GELU);
        bt_tape_seed(tape, h, dy);
        CHECK_OK(bt_tape_backward(tape, &err), &err);
        if (step == 0) {
            where = h->data;
            bytes = bt_tape_bytes(tape);
        }
        CHECK(h->data == where);
    }
    CHECK(bytes > 5 * 64 * 64 * sizeof(float));
    CHECK_INT(bt_tape_bytes(tape), bytes);
    leaf_free(b, &x);
    leaf_free(b, &w);
    free(dy);
    bt_tape_free(tape);
}

static void watcher(void *context, struct bt_tape *tape, const char *module, struct bt_tensor *value)
{
    float first;

    bt_read(tape, value, &first);
    snprintf(context, 64, "%s %.2f", module, (double)first);
}

static void test_a_watcher_sees_marked_values(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    char seen[64] = "";
    float half = 0.5f;
    size_t one = 1;

    bt_tape_watch(tape, watcher, seen);
    bt_mark(tape, bt_constant(tape, &half, 1, &one), "layer.%d", 3);
    CHECK_STR(seen, "layer.3 0.50");
    bt_tape_free(tape);
}

static void test_times_per_op(const struct bt_backend *b)
{
    struct bt_tape *tape = tape_new(b);
    struct bt_err err = { 0 };
    struct bt_tensor x = leaf2(b, 8, 16, 1), w = leaf2(b, 4, 16, 2);
    float *dy = host_noise(32, 3);
    const struct bt_op_time *t = bt_tape_times(tape);

    bt_tape_profile(tape, true);
    bt_linear(tape, &x, &w, NULL, BT_ACT_NONE);
    bt_tape_seed(tape, bt_linear(tape, &x, &w, NULL, BT_ACT_NONE), dy);
    CHECK_OK(bt_tape_backward(tape, &err), &err);
    CHECK_STR(t[0].name, "linear");
    CHECK_INT(t[0].calls, 2);
    CHECK_NEAR(t[0].flops, (2 + 2) * 2.0 * 8 * 16 * 4, 0); /* twice forward; dx and dweight of one */
    CHECK(t[1].name == NULL);
    leaf_free(b, &x);
    leaf_free(b, &w);
    free(dy);
    bt_tape_free(tape);
}

static int fails(struct bt_queue *q, void *to, const void *from, size_t bytes)
{
    (void)q, (void)to, (void)from, (void)bytes;
    return BT_ERR_DEVICE;
}

static void test_a_device_that_fails_is_named(const struct bt_backend *b)
{
    struct bt_backend broken = *b;
    float values[] = { 1, 2 };
    struct bt_err err = { 0 };

    broken.copy_in = fails;
    struct bt_tape *tape = tape_new(&broken);
    bt_constant(tape, values, 1, (size_t[]){ 2 });
    CHECK_INT(bt_tape_status(tape, &err), BT_ERR_DEVICE);
    CHECK(strncmp(err.text, b->name, strlen(b->name)) == 0 && strstr(err.text, "copying to the device failed"));
    bt_tape_free(tape);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_constants_and_reading);
    RUN_BACKENDS(test_nearest);
    RUN_BACKENDS(test_patches);
    RUN_BACKENDS(test_frozen_weights_pass_the_gradient_on);
    RUN_BACKENDS(test_nothing_is_noted_where_nothing_trains);
    RUN_BACKENDS(test_detach_ends_the_way_back);
    RUN_BACKENDS(test_a_branch_without_gradient);
    RUN_BACKENDS(test_gradients_add_up_over_steps);
    RUN_BACKENDS(test_a_failure_sticks);
    RUN_BACKENDS(test_wrong_shapes_are_named);
    RUN_BACKENDS(test_dropout_is_a_function_of_seed_step_and_site);
    RUN_BACKENDS(test_memory_is_kept_over_resets);
    RUN_BACKENDS(test_a_watcher_sees_marked_values);
    RUN_BACKENDS(test_times_per_op);
    RUN_BACKENDS(test_a_device_that_fails_is_named);
    return backends_end();
}
