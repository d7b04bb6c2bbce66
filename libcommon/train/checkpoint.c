/* Checkpoints. Source: formats.md 3.1 to 3.3. */
#include "libcommon/train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/elementwise.h"
#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/tensor/safetensors.h"

#define OPTIM_FILE "optim-00000-of-00001.safetensors"
#define STEP_NAME  "step-%08lld"

/* ---- writing ---- */

struct files {
    const char *dir; /* being written */
    json_t *list;    /* for MANIFEST.json */
};

static int listed(struct files *files, const char *name, uint64_t bytes, const uint8_t sha256[32], struct bt_err *err)
{
    char hex[65];
    json_t *entry = json_object();

    bt_hex(hex, sha256, 32);
    json_object_set_new(entry, "name", json_string(name));
    json_object_set_new(entry, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(entry, "sha256", json_string(hex));
    return json_array_append_new(files->list, entry) ? bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory") : BT_OK;
}

static int write_json(struct files *files, const char *name, const json_t *json, bool list, struct bt_err *err)
{
    char *path = bt_format("%s/%s", files->dir, name), *text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = path && text ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    if (!rc)
        rc = bt_file_write(path, text, strlen(text), false, err);
    if (!rc && list) {
        uint8_t digest[32];

        bt_sha256(text, strlen(text), digest);
        rc = listed(files, name, strlen(text), digest, err);
    }
    free(path);
    free(text);
    return rc;
}

/* Host copies of every trainable parameter's part of a flat buffer, as tensors to write; names get `suffix`. */
struct copies {
    struct bt_st_tensor *tensors;
    float *host;
    char **names;
    size_t count;
};

static void copies_free(struct copies *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    free(c->tensors);
    free(c->host);
    *c = (struct copies){ 0 };
}

/* buffers[k] has the flat layout; suffixes[k] names it. */
static int copies_of(struct copies *c, struct bt_params *params, const struct bt_backend *b, const float *const *buffers,
                     const char *const *suffixes, size_t kinds, struct bt_err *err)
{
    struct bt_flat flat = bt_params_flat(params);
    size_t most = bt_params_count(params) * kinds;

    *c = (struct copies){ bt_alloc(most, sizeof *c->tensors, err), bt_alloc(flat.total * kinds, sizeof *c->host, err),
                          bt_alloc(most, sizeof *c->names, err), 0 };
    if (!c->tensors || !c->host || !c->names)
        return err->status;
    for (size_t k = 0; k < kinds; k++) {
        float *host = c->host + k * flat.total;

        if (b->copy_out(b->queue, host, buffers[k], flat.total * sizeof *host))
            return bt_fail(err, BT_ERR_DEVICE, "%s: copying from the device failed", b->name);
        for (size_t i = 0; i < bt_params_count(params); i++) {
            const struct bt_param *p = bt_params_at(params, i);
            struct bt_st_tensor *t = &c->tensors[c->count];

            if (!p->tensor.trains)
                continue;
            c->names[c->count] = bt_format("%s%s", p->name, suffixes[k]);
            if (!c->names[c->count])
                return bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
            *t = (struct bt_st_tensor){ .name = c->names[c->count], .dtype = BT_DTYPE_F32, .rank = p->tensor.rank,
                                        .data = host + (p->tensor.data - flat.data) };
            for (int r = 0; r < t->rank; r++)
                t->shape[r] = p->tensor.shape[r];
            c->count++;
        }
    }
    return BT_OK;
}

static int write_tensors(struct files *files, const char *name, const struct copies *c, const struct bt_vlm *vlm, struct bt_err *err)
{
    char *path = bt_format("%s/%s", files->dir, name);
    struct bt_st_pair pairs[] = { { "bt.stage", bt_stage_name(vlm->stage) }, { "bt.version", bt_version() } };
    struct bt_outfile out;
    uint64_t bytes = 0;
    uint8_t digest[32];
    int rc = path ? bt_outfile_open(&out, path, false, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    if (!rc) {
        rc = bt_safetensors_write(&out, c->tensors, c->count, pairs, 2, &bytes, digest, err);
        if (!rc)
            rc = bt_outfile_finish(&out, err);
        bt_outfile_close(&out);
    }
    if (!rc)
        rc = listed(files, name, bytes, digest, err);
    free(path);
    return rc;
}

static json_t *state_json(const struct bt_train_state *s, int64_t t)
{
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:f, s:I}", "bt_state", 1, "step", (json_int_t)s->step,
                     "samples", (json_int_t)s->samples, "updates", (json_int_t)t, "skipped", (json_int_t)s->skipped,
                     "skipped_in_row", (json_int_t)s->skipped_in_row, "data", s->data, "recipe", s->recipe, "frozen",
                     s->frozen, "environment", s->environment, "loss_sum", s->loss_sum, "loss_count", (json_int_t)s->loss_count);
}

static int check_finite(const struct bt_vlm *vlm, const struct bt_optimizer *o, struct bt_err *err)
{
    const struct bt_backend *b = vlm->backend;
    struct bt_flat flat = bt_params_flat(vlm->params);
    const float *buffers[] = { flat.data, o->m, o->v };

    for (int i = 0; i < 3; i++) {
        double sum;
        int finite;

        if (b->elementwise->norm(b->queue, &sum, &finite, buffers[i], flat.total))
            return bt_fail(err, BT_ERR_DEVICE, "%s: checking the weights failed", b->name);
        if (!finite)
            return bt_fail(err, BT_ERR_NONFINITE, "checkpoint: weights hold NaN or infinity; nothing was written, go on from an earlier one");
    }
    return BT_OK;
}

static int fill(struct files *files, struct bt_vlm *vlm, const struct bt_optimizer *o, const struct bt_train_state *state,
                const json_t *config, struct bt_err *err)
{
    struct bt_flat flat = bt_params_flat(vlm->params);
    struct copies c;
    json_t *json;
    int rc = copies_of(&c, vlm->params, vlm->backend, (const float *const[]){ flat.data }, (const char *const[]){ "" }, 1, err);

    if (!rc)
        rc = write_tensors(files, "model.safetensors", &c, vlm, err);
    copies_free(&c);
    if (rc)
        return rc;
    rc = copies_of(&c, vlm->params, vlm->backend, (const float *const[]){ o->m, o->v },
                   (const char *const[]){ ".exp_avg", ".exp_avg_sq" }, 2, err);
    if (!rc)
        rc = write_tensors(files, OPTIM_FILE, &c, vlm, err);
    copies_free(&c);
    if (!rc)
        rc = write_json(files, "config.json", config, true, err);
    json = state_json(state, o->t);
    if (!rc)
        rc = json ? write_json(files, "state.json", json, true, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
    json_decref(json);
    if (!rc) {
        json = json_pack("{s:i, s:O}", "bt_manifest", 1, "files", files->list);
        rc = json ? write_json(files, "MANIFEST.json", json, false, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
        json_decref(json);
    }
    return rc;
}

/* ---- the directory ---- */

/* Names of complete checkpoints in falling order of step; the caller frees each and the list. */
static int list_steps(const char *ckpt, char ***names, size_t *count, struct bt_err *err)
{
    DIR *d = opendir(ckpt);
    struct dirent *entry;
    uint64_t capacity = 0;
    int rc = BT_OK;

    *names = NULL;
    *count = 0;
    if (!d)
        return errno == ENOENT ? BT_OK : bt_fail_errno(err, errno, 0, ckpt, NULL);
    while (!rc && (entry = readdir(d))) {
        if (strncmp(entry->d_name, "step-", 5) != 0)
            continue;
        rc = bt_grow(names, &capacity, *count + 1, sizeof **names, err);
        if (!rc && !((*names)[*count] = strdup(entry->d_name)))
            rc = bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
        *count += !rc;
    }
    closedir(d);
    for (size_t i = 1; i < *count; i++) /* few: insertion sort, newest first */
        for (size_t k = i; k > 0 && strcmp((*names)[k - 1], (*names)[k]) < 0; k--) {
            char *swap = (*names)[k];

            (*names)[k] = (*names)[k - 1];
            (*names)[k - 1] = swap;
        }
    return rc;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* What a killed run left half done: nobody else writes here while a run holds the directory. */
static int sweep(const char *ckpt, struct bt_err *err)
{
    DIR *d = opendir(ckpt);
    struct dirent *entry;
    int rc = BT_OK;

    if (!d)
        return errno == ENOENT ? BT_OK : bt_fail_errno(err, errno, 0, ckpt, NULL);
    while (!rc && (entry = readdir(d)))
        if (strncmp(entry->d_name, ".tmp-", 5) == 0 || strncmp(entry->d_name, ".trash-", 7) == 0) {
            char *path = bt_format("%s/%s", ckpt, entry->d_name);

            rc = path ? bt_remove_dir(path, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
            free(path);
        }
    closedir(d);
    return rc;
}

/* Out of the way under one name, then gone: at no moment is half of it there under its own. */
static int discard(const char *ckpt, const char *name, struct bt_err *err)
{
    char *from = bt_format("%s/%s", ckpt, name), *to = bt_format("%s/.trash-%s", ckpt, name);
    int rc = from && to ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    if (!rc && rename(from, to))
        rc = bt_fail_errno(err, errno, 1, from, NULL);
    if (!rc)
        rc = bt_fsync_dir(ckpt, err);
    if (!rc)
        rc = bt_remove_dir(to, err);
    free(from);
    free(to);
    return rc;
}

/* Keeps `newest`, just written, and keep - 1 before it. Later ones are damaged: the run began from before them. */
static int drop_others(const char *ckpt, const char *newest, int64_t keep, struct bt_err *err)
{
    char **names;
    size_t count;
    int64_t kept = 0;
    int rc = list_steps(ckpt, &names, &count, err);

    for (size_t i = 0; i < count && !rc; i++)
        if (strcmp(names[i], newest) > 0 || ++kept > (keep < 2 ? 2 : keep))
            rc = discard(ckpt, names[i], err);
    free_names(names, count);
    return rc;
}

/* After `name` is there: the hint, and what it makes superfluous. */
static int settle(const char *ckpt, const char *name, int64_t keep, struct bt_err *err)
{
    char *latest = bt_format("%s/LATEST", ckpt);
    int rc = latest ? bt_file_write(latest, name, strlen(name), true, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    if (!rc)
        rc = drop_others(ckpt, name, keep, err);
    free(latest);
    return rc;
}

int bt_checkpoint_write(const char *dir, struct bt_vlm *vlm, const struct bt_optimizer *o, const struct bt_train_state *state,
                        const json_t *config, int64_t keep, struct bt_err *err)
{
    char name[32];
    int rc = check_finite(vlm, o, err);

    if (rc)
        return rc;
    snprintf(name, sizeof name, STEP_NAME, (long long)state->step);

    char *ckpt = bt_format("%s/ckpt", dir), *temp = bt_format("%s/ckpt/.tmp-%s-%ld", dir, name, (long)getpid());
    char *final = bt_format("%s/ckpt/%s", dir, name);
    struct files files = { temp, json_array() };

    if (!ckpt || !temp || !final || !files.list)
        rc = bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
    if (!rc)
        rc = bt_make_dirs(ckpt, err);
    if (!rc)
        rc = sweep(ckpt, err);
    if (!rc) {
        if (mkdir(temp, 0777))
            rc = bt_fail_errno(err, errno, 1, temp, "free space or name another --output");
        if (!rc)
            rc = fill(&files, vlm, o, state, config, err);
        if (!rc)
            rc = bt_fsync_dir(temp, err);
        if (!rc && bt_path_exists(final)) /* damaged: else the run had gone on from it */
            rc = discard(ckpt, name, err);
        if (!rc && rename(temp, final))
            rc = bt_fail_errno(err, errno, 1, final, NULL);
        if (!rc)
            rc = bt_fsync_dir(ckpt, err);
        if (rc) {
            struct bt_err ignored = { 0 };

            bt_remove_dir(temp, &ignored);
        }
    }
    if (!rc)
        rc = settle(ckpt, name, keep, err);
    json_decref(files.list);
    free(ckpt);
    free(temp);
    free(final);
    return rc;
}

int bt_checkpoint_finish(const char *dir, int64_t step, int64_t keep, struct bt_err *err)
{
    char name[32], target[48];
    char *ckpt = bt_format("%s/ckpt", dir), *temp = bt_format("%s/.final.tmp", dir), *final = bt_format("%s/final", dir);
    int rc = ckpt && temp && final ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    snprintf(name, sizeof name, STEP_NAME, (long long)step);
    snprintf(target, sizeof target, "ckpt/%s", name);
    if (!rc) /* the run may have been killed right after the checkpoint got its name */
        rc = sweep(ckpt, err);
    if (!rc)
        rc = settle(ckpt, name, keep, err);
    if (!rc)
        unlink(temp);
    if (!rc && symlink(target, temp))
        rc = bt_fail_errno(err, errno, 1, temp, NULL);
    if (!rc && rename(temp, final))
        rc = bt_fail_errno(err, errno, 1, final, NULL);
    if (!rc)
        rc = bt_fsync_dir(dir, err);
    free(ckpt);
    free(temp);
    free(final);
    return rc;
}

bool bt_checkpoint_is_final(const char *dir, int64_t step)
{
    char want[48], target[48] = "";
    char *final = bt_format("%s/final", dir);
    ssize_t n = final ? readlink(final, target, sizeof target - 1) : -1;

    snprintf(want, sizeof want, "ckpt/" STEP_NAME, (long long)step);
    free(final);
    return n > 0 && strcmp(target, want) == 0;
}

/* ---- reading ---- */

static int verify_file(const char *path, const json_t *entry, struct bt_err *err)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *want = json_string_value(json_object_get(entry, "sha256"));
    uint8_t digest[32];
    char hex[65];
    uint64_t bytes;
    char *file = name && want && !strchr(name, '/') ? bt_format("%s/%s", path, name) : NULL;
    int rc = file ? bt_sha256_file(file, digest, &bytes, err) : bt_fail(err, BT_ERR_CKPT_BAD, "%s: its manifest is damaged", path);

    if (!rc) {
        bt_hex(hex, digest, 32);
        if (strcmp(hex, want) != 0)
            rc = bt_fail(err, BT_ERR_CKPT_BAD, "%s: sha256 differs from its manifest", file);
    }
    free(file);
    return rc;
}

static int verify(const char *path, struct bt_err *err)
{
    char *file = bt_format("%s/MANIFEST.json", path);
    json_t *json = NULL, *entry;
    size_t i;
    int rc = file ? bt_json_load(&json, file, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
    json_t *files = json_object_get(json, "files");

    if (!rc && !json_array_size(files))
        rc = bt_fail(err, BT_ERR_CKPT_BAD, "%s: lists no files", file);
    json_array_foreach(files, i, entry)
        if (!rc)
            rc = verify_file(path, entry, err);
    json_decref(json);
    free(file);
    return rc;
}

int bt_checkpoint_newest(const char *dir, char **path, struct bt_err *err)
{
    char *ckpt = bt_format("%s/ckpt", dir), **names = NULL;
    size_t count = 0;
    int rc = ckpt ? list_steps(ckpt, &names, &count, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    *path = NULL;
    for (size_t i = 0; i < count && !rc && !*path; i++) {
        char *candidate = bt_format("%s/%s", ckpt, names[i]);
        struct bt_err why = { 0 };

        if (!candidate)
            rc = bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
        else if (!verify(candidate, &why))
            *path = candidate;
        else
            bt_warn("%s; %s [E_CKPT_BAD]", why.text, i + 1 < count ? "trying the one before" : "none is left");
        if (!*path)
            free(candidate);
    }
    if (!rc && count && !*path)
        rc = bt_fail(err, BT_ERR_CKPT_BAD, "%s: every checkpoint is damaged; restore one from a copy, or name another --output", ckpt);
    free_names(names, count);
    free(ckpt);
    return rc;
}

static int read_state(const char *path, struct bt_train_state *s, int64_t *t, struct bt_err *err)
{
    char *file = bt_format("%s/state.json", path);
    json_t *json = NULL;
    int rc = file ? bt_json_load(&json, file, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");
    struct { const char *key; char *value; size_t room; } texts[] = { { "data", s->data, sizeof s->data },
        { "recipe", s->recipe, sizeof s->recipe }, { "frozen", s->frozen, sizeof s->frozen },
        { "environment", s->environment, sizeof s->environment } };
    struct { const char *key; int64_t *value; } counts[] = { { "step", &s->step }, { "samples", &s->samples }, { "updates", t },
        { "skipped", &s->skipped }, { "skipped_in_row", &s->skipped_in_row }, { "loss_count", &s->loss_count } };

    for (size_t i = 0; i < sizeof counts / sizeof *counts && !rc; i++)
        rc = bt_json_get_int(json, counts[i].key, counts[i].value, file, err);
    if (!rc)
        rc = bt_json_get_num(json, "loss_sum", &s->loss_sum, file, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !rc; i++) {
        const char *text = NULL;

        rc = bt_json_get_str(json, texts[i].key, &text, file, err);
        if (!rc && (!text || strlen(text) >= texts[i].room))
            rc = bt_fail(err, BT_ERR_CKPT_BAD, "%s: '%s' is missing or too long", file, texts[i].key);
        if (!rc)
            memcpy(texts[i].value, text, strlen(text) + 1);
    }
    json_decref(json);
    free(file);
    return rc;
}

static int read_moments(const char *path, struct bt_vlm *vlm, struct bt_optimizer *o, struct bt_err *err)
{
    char *file = bt_format("%s/%s", path, OPTIM_FILE);
    struct bt_safetensors *st = NULL;
    struct bt_flat flat = bt_params_flat(vlm->params);
    float *host = bt_alloc(2 * flat.total, sizeof *host, err);
    int rc = file && host ? bt_safetensors_open(&st, file, err) : bt_fail(err, BT_ERR_MEMORY, "checkpoint: out of memory");

    for (size_t i = 0; i < 2 * bt_params_count(vlm->params) && !rc; i++) {
        const struct bt_param *p = bt_params_at(vlm->params, i / 2);
        char name[600];

        if (!p->tensor.trains)
            continue;
        snprintf(name, sizeof name, "%s.exp_avg%s", p->name, i % 2 ? "_sq" : "");

        const struct bt_st_tensor *t = bt_safetensors_find(st, name);

        if (!t || t->count != bt_tensor_count(&p->tensor))
            rc = bt_fail(err, BT_ERR_CKPT_BAD, "%s: no '%s' of the right size", file, name);
        else
            rc = bt_safetensors_read(st, t, host + (i % 2) * flat.total + (p->tensor.data - flat.data), err);
    }
    if (!rc && (o->backend->copy_in(o->backend->queue, o->m, host, flat.total * sizeof *host) ||
                o->backend->copy_in(o->backend->queue, o->v, host + flat.total, flat.total * sizeof *host)))
        rc = bt_fail(err, BT_ERR_DEVICE, "%s: copying to the device failed", o->backend->name);
    bt_safetensors_close(st);
    free(host);
    free(file);
    return rc;
}

int bt_checkpoint_load(const char *path, struct bt_vlm *vlm, struct bt_optimizer *o, struct bt_train_state *state, struct bt_err *err)
{
    int rc = bt_vlm_load(vlm, path, err);

    for (size_t i = 0; i < bt_params_count(vlm->params) && !rc; i++) {
        const struct bt_param *p = bt_params_at(vlm->params, i);

        if (p->tensor.trains && !p->loaded)
            rc = bt_params_require(vlm->params, p->name, err);
    }
    if (!rc)
        rc = read_state(path, state, &o->t, err);
    if (!rc)
        rc = read_moments(path, vlm, o, err);
    return rc;
}
