/* Checkpoints: whole or not there, checked before they are used, never with a NaN inside. Source: formats.md 3. */
#include "libcommon/train/checkpoint.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/tensor/safetensors.h"
#include "tests/base/scratch.h"
#include "tests/kernels/kernel_test.h"

static const struct bt_config small = {
    .vit = { 16, 8, 16, 2, 2, 32, 1e-6f, 0.02f },
    .qformer = { 16, 2, 2, 32, 40, 16, 1e-12f, 0, 0.02f },
    .pformer = { 24, 2, 2, 32, 39, 16, 1e-12f, 0, 0.02f },
    .opt = { 32, 2, 2, 64, 50, 64, 1e-5f, 0, 0.02f },
    .queries = 8, .embed = 8, .cross_every = 2, .labels = 5, .ln_vision_eps = 1e-5f,
};

struct run {
    char dir[300];
    struct bt_vlm *vlm;
    struct bt_optimizer optimizer;
    struct bt_train_state state;
    json_t *config;
};

/* A run whose weights and moments depend on seed. */
static struct run run_new(const struct bt_backend *b, const char *name, enum bt_stage stage, uint64_t seed)
{
    struct run r = { .state = { .data = "d", .recipe = "r" } };
    struct bt_err err = { 0 };

    snprintf(r.dir, sizeof r.dir, "%s", scratch(name));
    CHECK_OK(bt_vlm_new(&r.vlm, b, &small, stage, stage != BT_STAGE_VISION, seed, &err), &err);
    CHECK_OK(bt_optimizer_new(&r.optimizer, b, r.vlm->params, &err), &err);
    for (int i = 0; i < 2; i++) {
        float *noisy = host_noise(r.optimizer.total, (uint32_t)(2 * seed) + (uint32_t)i);

        CHECK(b->copy_in(b->queue, i ? r.optimizer.v : r.optimizer.m, noisy, r.optimizer.total * sizeof *noisy) == BT_OK);
        free(noisy);
    }
    memset(r.state.data, 'd', 64);
    memset(r.state.recipe, 'e', 64);
    r.config = json_pack("{s:i}", "bt_checkpoint", 1);
    return r;
}

static void run_free(struct run *r)
{
    bt_optimizer_free(&r->optimizer);
    bt_vlm_free(r->vlm);
    json_decref(r->config);
}

static int save(struct run *r, int64_t step, int64_t keep, struct bt_err *err)
{
    r->state.step = step;
    r->state.samples = step * 4;
    r->optimizer.t = step;
    return bt_checkpoint_write(r->dir, r->vlm, &r->optimizer, &r->state, r->config, keep, err);
}

/* The names in DIR/ckpt, sorted, "step-" and zeros left out: "5 10 LATEST"; in a static buffer. */
static const char *listing(const struct run *r)
{
    static char text[400];
    char path[400];
    struct dirent **entries;
    int n;

    snprintf(path, sizeof path, "%s/ckpt", r->dir);
    n = scandir(path, &entries, NULL, alphasort);
    text[0] = 0;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t length = strlen(text);

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            if (strncmp(name, "step-", 5) == 0)
                snprintf(text + length, sizeof text - length, "%s%d", length ? " " : "", atoi(name + 5));
            else
                snprintf(text + length, sizeof text - length, "%s%.60s", length ? " " : "", name);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return text;
}

static const char *file_in(const struct run *r, int step, const char *name)
{
    static char path[500];

    snprintf(path, sizeof path, "%s/ckpt/step-%08d/%s", r->dir, step, name);
    return path;
}

/* Changes one byte in the middle of a file. */
static void damage(const char *path)
{
    FILE *f = fopen(path, "r+b");
    int byte;

    CHECK(f != NULL);
    if (!f)
        return;
    fseek(f, 0, SEEK_END);
    fseek(f, ftell(f) / 2, SEEK_SET);
    byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 1, f);
    fclose(f);
}

/* Which step bt_checkpoint_newest takes; 0 for none, -1 for a failure. */
static int newest(const struct run *r, struct bt_err *err)
{
    char *path = NULL;
    int step = bt_checkpoint_newest(r->dir, &path, err) ? -1 : 0;

    if (path)
        step = atoi(strrchr(path, '-') + 1);
    free(path);
    return step;
}

/* ---- there and back ---- */

/* Two runs of n values on the device are the same bytes. */
static void check_same(const struct bt_backend *b, const float *x, const float *y, size_t n)
{
    float *host = malloc(2 * n * sizeof *host);

    dev_get(b, host, x, n * sizeof *host);
    dev_get(b, host + n, y, n * sizeof *host);
    CHECK(memcmp(host, host + n, n * sizeof *host) == 0);
    free(host);
}

static void test_everything_comes_back(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run from = run_new(b, "back", BT_STAGE_VISION, 1), to = run_new(b, "back", BT_STAGE_VISION, 2);
    char *path = NULL;

    from.state.skipped = 3;
    from.state.skipped_in_row = 2;
    from.state.loss_sum = 0.1 + 0.2;
    from.state.loss_count = 7;
    CHECK_OK(save(&from, 12, 3, &err), &err);
    CHECK_OK(bt_checkpoint_newest(to.dir, &path, &err), &err);
    CHECK_OK(bt_checkpoint_load(path, to.vlm, &to.optimizer, &to.state, &err), &err);
    CHECK(memcmp(&from.state, &to.state, sizeof from.state) == 0);
    CHECK_INT(to.optimizer.t, 12);
    for (size_t i = 0; i < bt_params_count(from.vlm->params); i++) {
        const struct bt_tensor *x = &bt_params_at(from.vlm->params, i)->tensor, *y = &bt_params_at(to.vlm->params, i)->tensor;
        size_t at = (size_t)(x->data - bt_params_flat(from.vlm->params).data), n = bt_tensor_count(x);

        check_same(b, y->data, x->data, n);
        check_same(b, to.optimizer.m + at, from.optimizer.m + at, n);
        check_same(b, to.optimizer.v + at, from.optimizer.v + at, n);
    }
    free(path);
    run_free(&from);
    run_free(&to);
}

/* training.md 17.5: what is frozen is not in it. */
static void test_only_what_trains_is_written(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "stage2", BT_STAGE_2, 1);
    struct bt_safetensors *st = NULL;
    size_t trains = 0;

    CHECK_OK(save(&r, 1, 3, &err), &err);
    CHECK_OK(bt_safetensors_open(&st, file_in(&r, 1, "model.safetensors"), &err), &err);
    for (size_t i = 0; i < bt_params_count(r.vlm->params); i++) {
        const struct bt_param *p = bt_params_at(r.vlm->params, i);

        trains += p->tensor.trains;
        CHECK((bt_safetensors_find(st, p->name) != NULL) == p->tensor.trains);
    }
    CHECK(trains > 0 && trains < bt_params_count(r.vlm->params));
    CHECK_INT(bt_safetensors_count(st), trains);
    CHECK_STR(bt_safetensors_metadata(st, "bt.stage"), "stage2");
    bt_safetensors_close(st);
    CHECK_OK(bt_safetensors_open(&st, file_in(&r, 1, "optim-00000-of-00001.safetensors"), &err), &err);
    CHECK_INT(bt_safetensors_count(st), 2 * trains);
    bt_safetensors_close(st);
    run_free(&r);
}

static void test_none_at_all(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "none", BT_STAGE_VISION, 1);

    CHECK_INT(newest(&r, &err), 0);
    CHECK_INT(err.status, BT_OK);
    run_free(&r);
}

static void test_of_another_stage(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run vision = run_new(b, "other", BT_STAGE_VISION, 1), stage2 = run_new(b, "other", BT_STAGE_2, 1);
    char *path = NULL;

    CHECK_OK(save(&vision, 1, 3, &err), &err);
    CHECK_OK(bt_checkpoint_newest(stage2.dir, &path, &err), &err);
    CHECK_INT(bt_checkpoint_load(path, stage2.vlm, &stage2.optimizer, &stage2.state, &err), BT_ERR_WEIGHTS);
    free(path);
    run_free(&vision);
    run_free(&stage2);
}

/* ---- the directory ---- */

static void test_old_ones_go(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "keep", BT_STAGE_VISION, 1);
    char *latest = NULL, link[100];
    size_t size;

    for (int step = 2; step <= 12; step += 2)
        CHECK_OK(save(&r, step, 3, &err), &err);
    CHECK_STR(listing(&r), "LATEST 8 10 12");
    CHECK_OK(save(&r, 14, 0, &err), &err); /* never fewer than two */
    CHECK_STR(listing(&r), "LATEST 12 14");
    CHECK_OK(bt_file_read(scratch("keep/ckpt/LATEST"), 100, &latest, &size, &err), &err);
    CHECK_STR(latest, "step-00000014");
    free(latest);

    CHECK_OK(save(&r, 12, 3, &err), &err);
    CHECK_STR(listing(&r), "LATEST 12");
    for (int i = 0; i < 2; i++) { /* again over what is there */
        if (i)
            CHECK_OK(save(&r, 14, 3, &err), &err);
        ssize_t n;

        CHECK(!bt_checkpoint_is_final(r.dir, 14));
        CHECK_OK(bt_checkpoint_finish(r.dir, 12 + 2 * i, 3, &err), &err);
        n = readlink(scratch("keep/final"), link, sizeof link - 1);
        link[n > 0 ? n : 0] = 0;
        CHECK_STR(link, i ? "ckpt/step-00000014" : "ckpt/step-00000012");
    }
    CHECK(bt_checkpoint_is_final(r.dir, 14));
    run_free(&r);
}

static void test_what_a_kill_left_is_ignored_and_swept(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "swept", BT_STAGE_VISION, 1);
    char command[900];

    CHECK_OK(save(&r, 1, 3, &err), &err);
    snprintf(command, sizeof command, "cd '%s/ckpt' && cp -r step-00000001 .tmp-step-00000002-77 && cp -r step-00000001 "
             ".trash-step-00000000 && rm .tmp-step-00000002-77/MANIFEST.json", r.dir);
    CHECK(system(command) == 0);
    CHECK_INT(newest(&r, &err), 1);
    CHECK_OK(save(&r, 2, 3, &err), &err);
    CHECK_STR(listing(&r), "LATEST 1 2");
    run_free(&r);
}

/* ---- damage ---- */

static void test_damaged_ones_are_passed_over(const struct bt_backend *b)
{
    static const char *const files[] = { "model.safetensors", "optim-00000-of-00001.safetensors", "state.json", "config.json",
                                         "MANIFEST.json" };
    struct bt_err err = { 0 };
    struct run r = run_new(b, "damaged", BT_STAGE_VISION, 1);
    int last = 6;

    for (int step = 1; step <= last; step++)
        CHECK_OK(save(&r, step, 10, &err), &err);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(newest(&r, &err), last - i);
        if (i == 0)
            CHECK(truncate(file_in(&r, last, files[0]), 1000) == 0);
        else if (i == 4)
            CHECK(unlink(file_in(&r, last - i, files[i])) == 0);
        else
            damage(file_in(&r, last - i, files[i]));
    }
    CHECK_INT(newest(&r, &err), 1);
    CHECK(unlink(file_in(&r, 1, "state.json")) == 0);
    CHECK_INT(newest(&r, &err), -1);
    CHECK_INT(err.status, BT_ERR_CKPT_BAD);
    run_free(&r);
}

/* A run that went on from before a damaged one writes that step again, and what lies after it does not count. */
static void test_damaged_ones_are_replaced(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "replaced", BT_STAGE_VISION, 1);

    for (int step = 1; step <= 4; step++)
        CHECK_OK(save(&r, step, 10, &err), &err);
    damage(file_in(&r, 3, "model.safetensors"));
    damage(file_in(&r, 4, "model.safetensors"));
    CHECK_INT(newest(&r, &err), 2);
    CHECK_OK(save(&r, 3, 2, &err), &err);
    CHECK_STR(listing(&r), "LATEST 2 3");
    CHECK_INT(newest(&r, &err), 3);
    run_free(&r);
}

/* ---- refusals ---- */

static void test_what_is_not_finite_is_not_written(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "finite", BT_STAGE_VISION, 1);
    float *buffers[] = { bt_params_flat(r.vlm->params).data, r.optimizer.m, r.optimizer.v }, bad[] = { NAN, INFINITY, -INFINITY };

    CHECK_OK(save(&r, 1, 3, &err), &err);
    for (int i = 0; i < 3; i++) {
        float was;

        bt_err_clear(&err);
        dev_get(b, &was, buffers[i] + 3, sizeof was);
        CHECK(b->copy_in(b->queue, buffers[i] + 3, &bad[i], sizeof was) == BT_OK);
        CHECK_INT(save(&r, 2, 3, &err), BT_ERR_NONFINITE);
        CHECK_STR(listing(&r), "LATEST 1");
        CHECK(b->copy_in(b->queue, buffers[i] + 3, &was, sizeof was) == BT_OK);
    }
    bt_err_clear(&err);
    CHECK_OK(save(&r, 2, 3, &err), &err);
    run_free(&r);
}

/* The disk is full after so many bytes of a file: nothing bears the name, and what was there is good. */
static void test_a_write_that_fails_leaves_nothing(const struct bt_backend *b)
{
    struct bt_err err = { 0 };
    struct run r = run_new(b, "full", BT_STAGE_VISION, 1);
    struct rlimit before, limit;

    CHECK_OK(save(&r, 1, 3, &err), &err);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    for (rlim_t bytes = 1; bytes < 30000; bytes = bytes * 5 + 1) {
        int rc;

        bt_err_clear(&err);
        limit = (struct rlimit){ bytes, before.rlim_max };
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        rc = save(&r, 2, 3, &err);
        CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK_INT(rc, BT_ERR_IO);
        CHECK_STR(listing(&r), "LATEST 1");
    }
    CHECK_INT(newest(&r, &err), 1);
    run_free(&r);
}

int main(void)
{
    backends_open();
    scratch_begin();
    RUN_BACKENDS(test_everything_comes_back);
    RUN_BACKENDS(test_only_what_trains_is_written);
    RUN_BACKENDS(test_none_at_all);
    RUN_BACKENDS(test_of_another_stage);
    RUN_BACKENDS(test_old_ones_go);
    RUN_BACKENDS(test_what_a_kill_left_is_ignored_and_swept);
    RUN_BACKENDS(test_damaged_ones_are_passed_over);
    RUN_BACKENDS(test_damaged_ones_are_replaced);
    RUN_BACKENDS(test_what_is_not_finite_is_not_written);
    RUN_BACKENDS(test_a_write_that_fails_leaves_nothing);
    scratch_end();
    return backends_end();
}
