/* The training loop. Source: training.md 3 (order of a step), 8 (resuming), 16 (what we do differently). */
#include "libcommon/train/trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernels/elementwise.h"
#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/train/schedule.h"

#define SKIPS_IN_ROW 10 /* non-finite steps after which a run has diverged (formats.md 3.4) */

struct run {
    const struct bt_run_options *o;
    struct bt_vlm *vlm;
    struct bt_optimizer optimizer;
    struct bt_tape *tape;
    struct bt_loader *loader;
    struct bt_train_state state;
    json_t *config; /* config.json of its checkpoints */
    FILE *log;
    int lock;
    int64_t steps, total; /* of an epoch, of the run */
    float terms[BT_LOSS_TERMS + 1];
    const char *names[BT_LOSS_TERMS];
    size_t term_count;
    int failed_saves; /* in a row */
};

/* ---- the log ---- */

/* A step's line, at full precision. Lines after the step that a resumed run starts from are dropped first, so that the log
 * reads as if the run had never stopped. */
static int log_open(struct run *r, struct bt_err *err)
{
    char *path = bt_format("%s/log.jsonl", r->o->output), *text = NULL;
    size_t size = 0, keep = 0;
    int rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "run: out of memory");

    if (!rc && bt_path_exists(path)) {
        rc = bt_file_read(path, (size_t)1 << 32, &text, &size, err);
        for (char *line = text, *end; !rc && line && (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
            json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
            json_t *step = json_object_get(json, "step");

            if (!json || (step && json_integer_value(step) >= r->state.step)) {
                json_decref(json);
                break;
            }
            json_decref(json);
            keep = (size_t)(end + 1 - text);
        }
        if (!rc && keep < size)
            rc = bt_file_write(path, text, keep, true, err);
    }
    if (!rc && !(r->log = fopen(path, "ae")))
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    free(text);
    free(path);
    return rc;
}

static int log_step(struct run *r, int64_t epoch, double lr, double grad_norm, double seconds, struct bt_err *err)
{
    char number[32];

    fprintf(r->log, "{\"step\":%lld,\"epoch\":%lld", (long long)r->state.step, (long long)epoch);
    bt_format_double(number, lr);
    fprintf(r->log, ",\"lr\":%s", number);
    bt_format_double(number, (double)r->terms[0]);
    fprintf(r->log, ",\"loss\":%s", isfinite(r->terms[0]) ? number : "null");
    for (size_t i = 0; i < r->term_count && r->term_count > 1; i++) {
        bt_format_double(number, (double)r->terms[i + 1]);
        fprintf(r->log, ",\"%s\":%s", r->names[i], isfinite(r->terms[i + 1]) ? number : "null");
    }
    bt_format_double(number, grad_norm);
    fprintf(r->log, ",\"grad_norm\":%s,\"step_ms\":%.3f}\n", isfinite(grad_norm) ? number : "null", seconds * 1e3);
    if (fflush(r->log))
        return bt_fail_errno(err, errno, 1, "log.jsonl", "free space and run the same command");
    return BT_OK;
}

/* An epoch's line: its mean loss, under the names of the published logs (training.md 10). */
static int log_epoch(struct run *r, int64_t epoch, double lr, struct bt_err *err)
{
    char number[32];

    bt_format_double(number, lr);
    fprintf(r->log, "{\"epoch\":%lld,\"train_lr\":%s", (long long)epoch, number);
    bt_format_double(number, r->state.loss_sum / (double)r->state.loss_count);
    fprintf(r->log, ",\"train_loss\":%s}\n", r->state.loss_count ? number : "null");
    r->state.loss_sum = 0;
    r->state.loss_count = 0;
    if (fflush(r->log))
        return bt_fail_errno(err, errno, 1, "log.jsonl", "free space and run the same command");
    return BT_OK;
}

/* ---- one step ---- */

/* Adds the loss and the gradient of one micro-batch. */
static int micro_batch(struct run *r, const struct bt_batch *batch, struct bt_loss_options *lo, struct bt_err *err)
{
    float one = 1, value;

    bt_tape_reset(r->tape);

    struct bt_loss loss = bt_stage_loss(r->tape, r->vlm, batch, lo);

    if (bt_tape_failed(r->tape))
        return bt_tape_status(r->tape, err);
    bt_read(r->tape, loss.total, &value);
    r->terms[0] += value;
    r->term_count = loss.terms;
    for (size_t i = 0; i < loss.terms; i++) {
        bt_read(r->tape, loss.term[i], &value);
        r->terms[i + 1] += value;
        r->names[i] = loss.name[i];
    }
    bt_tape_seed(r->tape, loss.total, &one);
    return bt_tape_backward(r->tape, err);
}

static int forward_backward(struct run *r, struct bt_err *err)
{
    const struct bt_recipe *recipe = r->o->recipe;
    size_t micro = (size_t)(recipe->micro_batch ? recipe->micro_batch : recipe->batch), micros = (size_t)recipe->batch / micro;
    struct bt_loss_options lo = { .seed = (uint64_t)recipe->seed, .align_weight = (float)recipe->align_weight,
                                  .frozen_dropout = recipe->frozen_dropout, .comm = &bt_comm_single };
    const struct bt_batch *whole;
    int rc = bt_loader_next(r->loader, &whole, err);

    memset(r->terms, 0, sizeof r->terms);
    if (!rc && bt_params_zero_grad(r->vlm->params))
        rc = bt_fail(err, BT_ERR_DEVICE, "%s: clearing gradients failed", r->vlm->backend->name);
    for (size_t i = 0; i < micros && !rc; i++) {
        struct bt_batch part = bt_batch_part(whole, r->o->config, i * micro, micro);

        lo.step = (uint32_t)((size_t)r->state.step * micros + i);
        lo.whole = micros > 1 ? whole : NULL;
        rc = micro_batch(r, &part, &lo, err);
    }
    return rc;
}

static int step(struct run *r, int64_t epoch, struct bt_err *err)
{
    const struct bt_backend *b = r->vlm->backend;
    struct bt_flat flat = bt_params_flat(r->vlm->params);
    double start_s = bt_now_s(), sum = 0, lr = bt_learning_rate(r->o->recipe, epoch, r->state.step % r->steps, r->steps);
    int finite = 1, rc = forward_backward(r, err);

    if (!rc && b->elementwise->norm(b->queue, &sum, &finite, flat.grad, flat.total))
        rc = bt_fail(err, BT_ERR_DEVICE, "%s: the norm of the gradient failed", b->name);
    if (!rc && finite && isfinite(r->terms[0])) {
        rc = bt_optimizer_step(&r->optimizer, r->vlm->params, r->o->recipe, lr, err);
        r->state.skipped_in_row = 0;
        r->state.loss_sum += (double)r->terms[0];
        r->state.loss_count++;
    } else if (!rc) { /* neither weights nor moments move; the schedule does */
        r->state.skipped++;
        r->state.skipped_in_row++;
        bt_warn("step %lld: loss or gradient is not finite; step skipped (%lld of %d in a row)", (long long)r->state.step,
                (long long)r->state.skipped_in_row, SKIPS_IN_ROW);
        if (r->state.skipped_in_row >= SKIPS_IN_ROW)
            rc = bt_fail(err, BT_ERR_NONFINITE, "step %lld: %d steps in a row were not finite; lower the learning rate, the last checkpoint is good",
                         (long long)r->state.step, SKIPS_IN_ROW);
    }
    if (!rc)
        rc = log_step(r, epoch, lr, sqrt(sum), bt_now_s() - start_s, err);
    if (!rc) {
        r->state.step++;
        r->state.samples += r->o->recipe->batch;
    }
    return rc;
}

/* ---- the run ---- */

/* Tensors that train and come from no file: to begin anew is right for some, and a forgotten --weights for others. */
static size_t fresh(const struct run *r, size_t *all)
{
    size_t n = 0;

    *all = 0;
    for (size_t i = 0; i < bt_params_count(r->vlm->params); i++) {
        const struct bt_param *p = bt_params_at(r->vlm->params, i);

        *all += p->tensor.trains;
        n += p->tensor.trains && !p->loaded;
    }
    return n;
}

static int compute_tower(void *context, const float *images, size_t count, float *out, struct bt_err *err)
{
    struct run *r = context;
    size_t side = r->o->config->vit.image_size;

    bt_tape_reset(r->tape);

    bool was = bt_tape_record(r->tape, false);
    struct bt_tensor *x = bt_vit_forward(r->tape, r->vlm->vit,
                                         bt_constant(r->tape, images, 4, (size_t[]){ count, 3, side, side }));

    bt_read(r->tape, x, out);
    bt_tape_record(r->tape, was);
    return bt_tape_status(r->tape, err);
}

/* What a checkpoint says about itself: stage, model, recipe, where the frozen weights came from. */
static json_t *run_config(const struct run *r)
{
    json_t *weights = json_array();

    for (size_t i = 0; i < r->o->weight_count; i++) {
        const char *path = r->o->weights[i], *slash = strrchr(path, '/');

        json_array_append_new(weights, json_string(slash && slash[1] ? slash + 1 : path));
    }
    return json_pack("{s:i, s:s, s:b, s:o, s:o, s:s, s:o, s:s}", "bt_checkpoint", 1, "stage", bt_stage_name(r->o->stage), "aligned",
                     r->vlm->aligned, "model", bt_config_write(r->o->config), "recipe", bt_recipe_write(r->o->recipe),
                     "recipe_sha256", r->state.recipe, "weights", weights, "data_sha256", r->state.data);
}

static int lock_output(struct run *r, struct bt_err *err)
{
    char *path = bt_format("%s/lock", r->o->output);
    int rc = path ? bt_make_dirs(r->o->output, err) : bt_fail(err, BT_ERR_MEMORY, "run: out of memory");

    if (!rc && (r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    if (!rc && flock(r->lock, LOCK_EX | LOCK_NB))
        rc = bt_fail(err, BT_ERR_LOCKED, "%s: another run is writing here; wait for it, or name another --output", r->o->output);
    free(path);
    return rc;
}

static int open_model(struct run *r, struct bt_err *err)
{
    const struct bt_run_options *o = r->o;
    bool aligned = o->stage == BT_STAGE_0 || (o->stage >= BT_STAGE_1 && o->recipe->align_weight > 0);
    int rc = bt_vlm_new(&r->vlm, o->backend, o->config, o->stage, aligned, (uint64_t)o->recipe->seed, err);

    for (size_t i = 0; i < o->weight_count && !rc; i++)
        rc = bt_vlm_load(r->vlm, o->weights[i], err);
    if (!rc)
        rc = bt_optimizer_new(&r->optimizer, o->backend, r->vlm->params, err);
    if (!rc && !(r->tape = bt_tape_new(o->backend, err)))
        rc = err->status;
    return rc;
}

static int open_data(struct run *r, struct bt_err *err)
{
    const struct bt_run_options *o = r->o;
    struct bt_loader_options lo = { .data = o->data, .data_count = o->data_count, .labels = o->labels, .stage = o->stage,
                                    .aligned = r->vlm->aligned, .config = o->config, .recipe = o->recipe };
    int rc = bt_loader_open(&r->loader, &lo, err);

    if (!rc) {
        r->steps = bt_loader_steps(r->loader);
        r->total = o->max_steps ? o->max_steps : r->steps * o->recipe->epochs;
        memcpy(r->state.data, bt_loader_identity(r->loader), sizeof r->state.data);
        rc = bt_recipe_hash(o->recipe, r->state.recipe, err);
    }
    return rc;
}

/* What a run's bytes depend on besides its inputs (formats.md 3.3). */
static int identify(struct run *r, struct bt_err *err)
{
    uint64_t frozen = 0;
    int rc = bt_params_frozen_hash(r->vlm->params, &frozen, err);

    snprintf(r->state.frozen, sizeof r->state.frozen, "%016llx", (unsigned long long)frozen);
    snprintf(r->state.environment, sizeof r->state.environment, "bt %s, compiler %s, device %s", bt_version(), __VERSION__,
             r->o->backend->name);
    return rc;
}

/* Goes on from the newest checkpoint, if there is one. */
static int resume(struct run *r, struct bt_err *err)
{
    char *path = NULL;
    struct bt_train_state now = r->state;
    int rc = bt_checkpoint_newest(r->o->output, &path, err);

    if (!rc && path && !r->o->resume)
        rc = bt_fail(err, BT_ERR_EXISTS, "%s: has checkpoints already; go on with --resume auto, or name another --output", r->o->output);
    if (!rc && path)
        rc = bt_checkpoint_load(path, r->vlm, &r->optimizer, &r->state, err);
    if (!rc && path && strcmp(now.data, r->state.data) != 0)
        rc = bt_fail(err, BT_ERR_INPUT_CHANGED, "%s: was trained on other data; name the same --data, or another --output", path);
    if (!rc && path && strcmp(now.recipe, r->state.recipe) != 0)
        rc = bt_fail(err, BT_ERR_INPUT_CHANGED, "%s: was trained with another recipe; name the same, or another --output", path);
    if (!rc && path && strcmp(now.frozen, r->state.frozen) != 0)
        rc = bt_fail(err, BT_ERR_INPUT_CHANGED, "%s: was trained with other frozen weights; name the same --weights, or another --output", path);
    if (!rc && path)
        bt_note("going on from %s", path);
    if (!rc && path && strcmp(now.environment, r->state.environment) != 0)
        bt_note("it was written by '%s', this is '%s': what follows will not be the same to the bit", r->state.environment,
                now.environment);
    memcpy(r->state.environment, now.environment, sizeof now.environment);
    free(path);
    return rc;
}

static void show(struct run *r, struct bt_progress *progress, double lr)
{
    char text[200];
    int at = snprintf(text, sizeof text, "loss %.4f", (double)r->terms[0]);

    for (size_t i = 0; i < r->term_count && r->term_count > 1 && at < (int)sizeof text; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, " %s %.3f", r->names[i], (double)r->terms[i + 1]);
    if (at < (int)sizeof text)
        snprintf(text + at, sizeof text - (size_t)at, " lr %.2e", lr);
    bt_progress_update(progress, (uint64_t)r->state.samples, text);
}

/* A checkpoint that cannot be written is worth a warning while there is training left to do: the next one may fit. The third
 * in a row ends the run, and so does the one that it would leave with (formats.md 3.1). */
static int save(struct run *r, bool leaving, struct bt_err *err)
{
    int rc = bt_checkpoint_write(r->o->output, r->vlm, &r->optimizer, &r->state, r->config, r->o->keep, err);

    r->failed_saves = rc ? r->failed_saves + 1 : 0;
    if (!rc || leaving || bt_exit_status(rc) != bt_exit_status(BT_ERR_IO) || r->failed_saves >= 3)
        return rc;
    bt_warn("%s; training goes on, the checkpoint before it is good", err->text);
    bt_err_clear(err);
    return BT_OK;
}

static int train(struct run *r, struct bt_err *err)
{
    const struct bt_run_options *o = r->o;
    struct bt_progress progress;
    int64_t begun = r->state.step, every = o->checkpoint_every ? o->checkpoint_every : r->steps;
    int rc = bt_loader_start(r->loader, r->state.step, err);

    bt_progress_start(&progress, bt_stage_name(o->stage), "samples", (uint64_t)r->state.samples,
                      (uint64_t)(r->total * o->recipe->batch));
    while (!rc && r->state.step < r->total) {
        int64_t epoch = r->state.step / r->steps;
        double lr = bt_learning_rate(o->recipe, epoch, r->state.step % r->steps, r->steps);
        bool last, stop;

        rc = step(r, epoch, err);
        if (rc)
            break;
        show(r, &progress, lr);
        if (r->state.step % r->steps == 0)
            rc = log_epoch(r, epoch, lr, err);
        last = r->state.step == r->total;
        stop = bt_stop_requested() || (o->stop_after && r->state.step - begun >= o->stop_after);
        if (!rc && (last || stop || r->state.step % every == 0))
            rc = save(r, last || stop, err);
        if (!rc && stop && !last)
            rc = bt_fail(err, BT_ERR_STOPPED, "%s: stopped at step %lld of %lld, state saved; run the same command to go on",
                         o->output, (long long)r->state.step, (long long)r->total);
    }
    if (!rc)
        bt_progress_finish(&progress);
    return rc;
}

static void print_profile(const struct run *r)
{
    const struct bt_op_time *t = bt_tape_times(r->tape);
    double all = 0;

    for (int i = 0; t[i].name; i++)
        all += t[i].forward_s + t[i].backward_s;
    for (int i = 0; t[i].name; i++)
        bt_note("%-22s %6.2f %% of op time, forward %8.1f ms, backward %8.1f ms, %llu calls, %.1f GFLOP/s", t[i].name,
                100 * (t[i].forward_s + t[i].backward_s) / all, t[i].forward_s * 1e3, t[i].backward_s * 1e3,
                (unsigned long long)t[i].calls, t[i].flops / (t[i].forward_s + t[i].backward_s) / 1e9);
}

int bt_run(const struct bt_run_options *o, struct bt_err *err)
{
    struct run r = { .o = o, .lock = -1 };
    const struct bt_vit_config *vit = &o->config->vit;
    size_t grid = vit->image_size / vit->patch;
    int rc = lock_output(&r, err);

    if (!rc)
        rc = open_model(&r, err);
    if (!rc)
        rc = open_data(&r, err);
    if (!rc)
        rc = identify(&r, err);
    if (!rc)
        rc = resume(&r, err);
    if (!rc && r.state.step >= r.total && bt_checkpoint_is_final(o->output, r.state.step)) {
        bt_note("%s: complete already, nothing to do", o->output);
        goto out;
    }
    if (!rc)
        rc = bt_vlm_ready(r.vlm, err);
    if (!rc && o->recipe->cache_tower && (o->stage == BT_STAGE_1 || o->stage == BT_STAGE_2))
        rc = bt_loader_cache_tower(r.loader, (grid * grid + 1) * vit->width, compute_tower, &r, err);
    if (!rc && !(r.config = run_config(&r)))
        rc = bt_fail(err, BT_ERR_MEMORY, "run: out of memory");
    if (!rc)
        rc = log_open(&r, err);
    if (!rc) {
        size_t all, begun = fresh(&r, &all);

        bt_note("%s: %s parameters train (%zu of %zu tensors from initial values), %s samples, %lld steps an epoch",
                bt_stage_name(o->stage), bt_human_count(bt_params_trainable(r.vlm->params)), begun, all,
                bt_human_count(bt_loader_samples(r.loader)), (long long)r.steps);
        bt_tape_profile(r.tape, o->profile);
        rc = train(&r, err);
    }
    if (!rc && o->profile)
        print_profile(&r);
    if (!rc)
        rc = bt_checkpoint_finish(o->output, r.state.step, o->keep, err);
out:
    if (r.log)
        fclose(r.log);
    json_decref(r.config);
    bt_loader_close(r.loader);
    bt_tape_free(r.tape);
    bt_optimizer_free(&r.optimizer);
    bt_vlm_free(r.vlm);
    if (r.lock >= 0)
        close(r.lock);
    return rc;
}
