/* One golden case of the networks: its files, comparisons with what it expects, and their lines of TAP. The
 * layout of a case and the tolerances are those of models/README.md. */
#ifndef BT_GOLDEN_MODEL_CASE_H
#define BT_GOLDEN_MODEL_CASE_H

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/model/config.h"
#include "libcommon/tensor/params.h"
#include "libcommon/tensor/safetensors.h"

/* Parts of the largest magnitude of the expected tensor, or of each value, or absolute. */
#define LOSS_TOLERANCE        1e-5 /* of each */
#define ACTIVATION_TOLERANCE  1e-4
#define GRADIENT_TOLERANCE    2e-4
#define PROBABILITY_TOLERANCE 1e-5 /* absolute */
#define SCORE_TOLERANCE       1e-5 /* of each */
#define FINAL_TOLERANCE       2e-5 /* absolute */
#define KEY_BIAS_TOLERANCE    1e-5 /* absolute: in exact arithmetic these gradients are 0 */

enum measure { OF_LARGEST, OF_EACH, ABSOLUTE };

struct golden {
    const struct bt_backend *backend;
    const char *name;
    char *folder;
    json_t *config;
    struct bt_safetensors *inputs, *expected;
    bool *compared; /* by index in expected */
    struct bt_arena *arena;
    struct bt_err err;
};

static int tap_count, tap_failed;

static void __attribute__((format(printf, 2, 3))) tap(bool ok, const char *fmt, ...)
{
    va_list args;

    tap_count++;
    tap_failed += !ok;
    printf("%sok %d - ", ok ? "" : "not ", tap_count);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* ---- files ---- */

static bool golden_open(struct golden *g, const struct bt_backend *backend, const char *dir, const char *name)
{
    char *path[3];

    *g = (struct golden){ .backend = backend,
                          .name = name,
                          .folder = bt_format("%s/%s", dir, name),
                          .arena = bt_arena_new(1 << 20) };
    path[0] = bt_format("%s/config.json", g->folder);
    path[1] = bt_format("%s/inputs.safetensors", g->folder);
    path[2] = bt_format("%s/expected.safetensors", g->folder);
    if (!bt_json_load(&g->config, path[0], &g->err) && !bt_safetensors_open(&g->inputs, path[1], &g->err) &&
        !bt_safetensors_open(&g->expected, path[2], &g->err))
        g->compared = bt_alloc(bt_safetensors_count(g->expected), sizeof *g->compared, &g->err);
    for (int i = 0; i < 3; i++)
        free(path[i]);
    return g->err.status == BT_OK;
}

static void golden_close(struct golden *g)
{
    if (g->err.status)
        tap(false, "%s on %s: %s", g->name, g->backend->name, g->err.text);
    bt_safetensors_close(g->inputs);
    bt_safetensors_close(g->expected);
    json_decref(g->config);
    bt_arena_free(g->arena);
    free(g->compared);
    free(g->folder);
}

/* A member of `object` that must be a number. */
static double number(struct golden *g, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value))
        bt_fail(&g->err, BT_ERR_CONFIG, "config.json: '%s' is not a number", key);
    return json_number_value(value);
}

static size_t dim(struct golden *g, const char *key)
{
    return (size_t)number(g, json_object_get(g->config, "dims"), key);
}

static float real_dim(struct golden *g, const char *key)
{
    return (float)number(g, json_object_get(g->config, "dims"), key);
}

static int32_t token(struct golden *g, const char *key)
{
    return (int32_t)number(g, json_object_get(json_object_get(g->config, "dims"), "tokens"), key);
}

/* The model's sizes; no dropout, as in the cases. */
static struct bt_config config_of(struct golden *g)
{
    struct bt_bert_config bert = { .hidden = dim(g, "bert_hidden"),
                                   .layers = dim(g, "bert_layers"),
                                   .heads = dim(g, "bert_heads"),
                                   .ffn = dim(g, "bert_ffn"),
                                   .vocab = dim(g, "bert_vocab"),
                                   .positions = dim(g, "bert_max_pos"),
                                   .eps = real_dim(g, "bert_ln_eps"),
                                   .init_std = 0.02f };
    struct bt_config c = {
        .vit = { .image_size = dim(g, "image_size"),
                 .patch = dim(g, "patch_size"),
                 .width = dim(g, "vit_width"),
                 .depth = dim(g, "vit_depth"),
                 .heads = dim(g, "vit_heads"),
                 .mlp = dim(g, "vit_mlp_hidden"),
                 .eps = real_dim(g, "vit_ln_eps"),
                 .init_std = 0.02f },
        .qformer = bert,
        .pformer = bert,
        .opt = { .hidden = dim(g, "opt_hidden"),
                 .layers = dim(g, "opt_layers"),
                 .heads = dim(g, "opt_heads"),
                 .ffn = dim(g, "opt_ffn"),
                 .vocab = dim(g, "opt_vocab"),
                 .positions = dim(g, "opt_max_pos"),
                 .eps = 1e-5f,
                 .init_std = 0.02f },
        .queries = dim(g, "num_query_tokens"),
        .embed = dim(g, "embed_dim"),
        .cross_every = dim(g, "cross_attention_freq"),
        .ln_vision_eps = real_dim(g, "ln_vision_eps"),
        .cls = token(g, "bert_cls"),
        .sep = token(g, "bert_sep"),
        .mask = token(g, "bert_mask"),
        .dec = token(g, "bert_dec"),
        .bos = token(g, "opt_bos"),
        .pad = token(g, "opt_pad"),
    };

    c.pformer.vocab--; /* without [DEC] */
    return c;
}

static const struct bt_st_tensor *input(struct golden *g, const char *name)
{
    const struct bt_st_tensor *t = bt_safetensors_find(g->inputs, name);

    if (!t)
        bt_fail(&g->err, BT_ERR_INPUT, "inputs.safetensors: '%s' is missing", name);
    return t;
}

/* Values that live as long as the case; NULL (and g->err) when they are not there. */
static float *input_floats(struct golden *g, const char *name)
{
    const struct bt_st_tensor *t = input(g, name);
    float *values = t ? bt_arena_take(g->arena, t->count, sizeof *values) : NULL;

    return values && !bt_safetensors_read(g->inputs, t, values, &g->err) ? values : NULL;
}

static int32_t *input_ints(struct golden *g, const char *name)
{
    const struct bt_st_tensor *t = input(g, name);
    int32_t *values = t ? bt_arena_take(g->arena, t->count, sizeof *values) : NULL;

    return values && !bt_safetensors_read_i32(g->inputs, t, values, &g->err) ? values : NULL;
}

static size_t input_shape(struct golden *g, const char *name, int axis)
{
    const struct bt_st_tensor *t = input(g, name);

    return t && axis < t->rank ? (size_t)t->shape[axis] : 0;
}

/* ---- comparing ---- */

/* Comparisons of one kind, which make one line. */
struct tally {
    const char *what;
    size_t count, bad;
    double worst; /* largest difference, as a part of what is allowed */
    char worst_name[160];
};

static bool expects(const struct golden *g, const char *name)
{
    return bt_safetensors_find(g->expected, name) != NULL;
}

static const struct bt_st_tensor *expect(struct golden *g, const char *name)
{
    for (uint64_t i = 0; i < bt_safetensors_count(g->expected); i++)
        if (strcmp(bt_safetensors_at(g->expected, i)->name, name) == 0) {
            g->compared[i] = true;
            return bt_safetensors_at(g->expected, i);
        }
    bt_fail(&g->err, BT_ERR_INPUT, "expected.safetensors: '%s' is missing", name);
    return NULL;
}

static void record(struct tally *t, const char *name, double difference, double allowed)
{
    double part = isnan(difference) ? INFINITY : difference / allowed;

    t->count++;
    if (part > 1) {
        t->bad++;
        printf("# %s: differs by %.3g, but may by %.3g\n", name, difference, allowed);
    }
    if (part > t->worst) {
        t->worst = part;
        snprintf(t->worst_name, sizeof t->worst_name, "%s", name);
    }
}

/* A difference that is too large to be one: another count, a missing value. */
static void mismatch(struct tally *t, const char *name, const char *why)
{
    printf("# %s: %s\n", name, why);
    record(t, name, INFINITY, 1);
}

static float *expected_floats(struct golden *g, struct tally *t, const char *name, size_t count)
{
    const struct bt_st_tensor *e = expect(g, name);
    float *want = e ? bt_arena_take(g->arena, e->count, sizeof *want) : NULL;

    if (!want || bt_safetensors_read(g->expected, e, want, &g->err))
        return NULL;
    if (e->count != count) {
        mismatch(t, name, "another number of values");
        return NULL;
    }
    return want;
}

static void compare(struct golden *g, struct tally *t, const char *name, const float *got, size_t count,
                    double tolerance, enum measure measure)
{
    const float *want = expected_floats(g, t, name, count);
    double largest = 0, worst = 0;

    for (size_t i = 0; want && i < count; i++)
        largest = isfinite(want[i]) ? fmax(largest, fabs((double)want[i])) : largest;
    for (size_t i = 0; want && i < count; i++) {
        double difference =
            got[i] == want[i] ? 0 : fabs((double)got[i] - (double)want[i]); /* infinities may be equal */
        double scale = measure == ABSOLUTE ? 1 : measure == OF_EACH ? fabs((double)want[i]) : largest;

        if (difference > 0 || isnan(difference))
            worst = difference / scale > worst || isnan(difference) ? difference / scale : worst;
        if (isnan(worst))
            break;
    }
    if (want)
        record(t, name, worst, tolerance);
}

/* One number against a tensor of one. */
static void compare_one(struct golden *g, struct tally *t, const char *name, double got, double tolerance)
{
    float value = (float)got;

    compare(g, t, name, &value, 1, tolerance, OF_EACH);
}

static void compare_ints(struct golden *g, struct tally *t, const char *name, const int32_t *got,
                         size_t count)
{
    const struct bt_st_tensor *e = expect(g, name);
    int32_t *want = e ? bt_arena_take(g->arena, e->count, sizeof *want) : NULL;
    size_t differ = 0;

    if (!want || bt_safetensors_read_i32(g->expected, e, want, &g->err))
        return;
    for (size_t i = 0; i < count && i < e->count; i++)
        differ += got[i] != want[i];
    if (e->count != count)
        mismatch(t, name, "another number of values");
    else
        record(t, name, (double)differ, 0.5);
}

/* Device values, compared. */
static void compare_device(struct golden *g, struct tally *t, const char *name, const float *data,
                           size_t count, double tolerance, enum measure measure)
{
    float *got = bt_arena_take(g->arena, count, sizeof *got);

    if (!got || !data || g->backend->copy_out(g->backend->queue, got, data, count * sizeof *got))
        mismatch(t, name, "no such values");
    else
        compare(g, t, name, got, count, tolerance, measure);
}

static void report(struct golden *g, struct tally *t)
{
    if (g->err.status)
        return; /* golden_close says it */
    if (t->bad)
        tap(false, "%s on %s: %zu of %zu %s differ, %s most, by %.3g times what may", g->name,
            g->backend->name, t->bad, t->count, t->what, t->worst_name, t->worst);
    else
        tap(t->count > 0, "%s on %s: %zu %s, at most %.2g times what may differ", g->name, g->backend->name,
            t->count, t->what, t->worst);
}

/* Everything expected was compared. `internal` (ended by NULL) are names of what only shows in the losses. */
static void report_rest(struct golden *g, const char *const *internal)
{
    size_t left = 0;

    if (g->err.status)
        return;
    for (uint64_t i = 0; i < bt_safetensors_count(g->expected); i++) {
        const char *name = bt_safetensors_at(g->expected, i)->name;
        bool known = g->compared[i];

        for (size_t k = 0; internal && internal[k] && !known; k++)
            known = strcmp(name, internal[k]) == 0;
        if (!known)
            printf("# %s: not compared\n", name);
        left += !known;
    }
    tap(!left, "%s on %s: everything expected was compared", g->name, g->backend->name);
}

/* ---- activations ---- */

#define WATCHED_MAX 256

/* Compares what a model marks as it runs. */
struct watch {
    struct golden *g;
    struct tally *tally;
    const char *strip; /* prefix that the case's names lack, or "" */
    size_t names;
    struct {
        char name[96];
        size_t calls;
        struct bt_tensor *last;
    } seen[WATCHED_MAX];
};

static void watcher(void *context, struct bt_tape *tape, const char *module, struct bt_tensor *value)
{
    struct watch *w = context;
    size_t strip = strlen(w->strip), at = 0;
    char name[3][160];

    (void)tape;
    if (strncmp(module, w->strip, strip) == 0)
        module += strip;
    while (at < w->names && strcmp(w->seen[at].name, module) != 0)
        at++;
    if (at == WATCHED_MAX) {
        bt_fail(&w->g->err, BT_ERR_BUG, "more than %d modules are marked", WATCHED_MAX);
        return;
    }
    if (at == w->names)
        snprintf(w->seen[w->names++].name, sizeof w->seen[at].name, "%s", module);
    w->seen[at].last = value;
    snprintf(name[0], sizeof name[0], "act/%s@%zu", module, w->seen[at].calls);
    snprintf(name[1], sizeof name[1], "act/%s", module);
    snprintf(name[2], sizeof name[2], "%s", module);
    for (int i = 0; i < 3; i++)
        if (expects(w->g, name[i]) && (i == 0 || w->seen[at].calls == 0))
            compare_device(w->g, w->tally, name[i], value->data, bt_tensor_count(value), ACTIVATION_TOLERANCE,
                           OF_LARGEST);
    w->seen[at].calls++;
}

/* The tensor last marked so, or NULL. */
static struct bt_tensor *watched(const struct watch *w, const char *module)
{
    for (size_t i = 0; i < w->names; i++)
        if (strcmp(w->seen[i].name, module) == 0)
            return w->seen[i].last;
    return NULL;
}

/* ---- gradients ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Every parameter's gradient against the case's, under its name without `strip`; where the case has none it
 * must be 0. */
static void compare_gradients(struct golden *g, struct bt_params *params, const char *strip)
{
    struct tally t = { .what = "gradients" }, none = { .what = "parameters without a gradient" };

    for (size_t i = 0; i < bt_params_count(params) && !g->err.status; i++) {
        struct bt_param *p = bt_params_at(params, i);
        size_t n = bt_tensor_count(&p->tensor),
               skip = strncmp(p->name, strip, strlen(strip)) == 0 ? strlen(strip) : 0;
        float *got = bt_arena_take(g->arena, n, sizeof *got);
        double largest = 0;
        char name[160];

        snprintf(name, sizeof name, "grad/%s", p->name + skip);
        if (!got ||
            (p->tensor.grad && g->backend->copy_out(g->backend->queue, got, p->tensor.grad, n * sizeof *got)))
            bt_fail(&g->err, BT_ERR_DEVICE, "gradient of %s is not to be had", p->name);
        for (size_t k = 0; k < n && p->tensor.grad; k++)
            largest = fmax(largest, fabs((double)got[k]));
        if (!expects(g, name)) {
            record(&none, name, largest, 1e-30);
        } else if (!p->tensor.grad) {
            mismatch(&t, name, "the parameter does not train");
        } else if (ends_with(name, ".key.bias")) {
            expect(g, name);
            record(&t, name, largest, KEY_BIAS_TOLERANCE);
        } else {
            compare(g, &t, name, got, n, GRADIENT_TOLERANCE, OF_LARGEST);
        }
    }
    report(g, &t);
    if (none.count)
        report(g, &none);
}

#endif
