/* The loader: which records make which batch, and the thread that prepares them. */
#include "libcommon/stream/stream.h"
#include "libcommon/train/loader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/shard/sampler.h"
#include "libcommon/shard/shard.h"
#include "libcommon/train/sample.h"

#define AHEAD      3  /* batches prepared before they are asked for */
#define LABELS_MOST 24 /* classes of one picture's captions */
#define ROUND      4  /* text is padded to a multiple, so that shapes, and what is planned for them, repeat */

struct slot {
    struct bt_batch batch;
    bool full;
};

struct bt_loader {
    const char *const *paths; /* of the sets */
    struct bt_shard_set **sets;
    uint64_t *first; /* global number of each set's first sample; one more behind the last */
    size_t set_count;
    const struct bt_config *config;
    const struct bt_recipe *recipe;
    enum bt_stage stage;
    bool aligned;
    struct bt_labels *labels;
    char identity[65];
    uint64_t samples;
    int64_t steps; /* of an epoch */
    float *tower;
    size_t tower_floats;
    struct bt_record *rec;
    /* the thread and its ring */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running, stop;
    struct slot slots[AHEAD];
    struct slot *given;  /* the one the caller has */
    int64_t made, taken; /* batches, counted from the start of the run */
    struct bt_err err;
};

/* ---- what a stage needs ---- */

static bool wants_images(enum bt_stage stage)
{
    return stage == BT_STAGE_VISION || stage >= BT_STAGE_1;
}

static bool wants_bert(const struct bt_loader *l)
{
    return l->stage == BT_STAGE_1;
}

static bool wants_prompt(const struct bt_loader *l)
{
    return l->stage == BT_STAGE_0 || (l->stage >= BT_STAGE_1 && l->aligned);
}

static bool wants_opt(enum bt_stage stage)
{
    return stage == BT_STAGE_LM || stage == BT_STAGE_0 || stage >= BT_STAGE_2;
}

/* ---- opening ---- */

static int open_sets(struct bt_loader *l, const struct bt_loader_options *o, struct bt_err *err)
{
    struct bt_sha256_state *sha = bt_sha256_new();
    uint8_t digest[32];
    int rc = sha ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "loader: out of memory");

    l->sets = bt_alloc(o->data_count, sizeof *l->sets, err);
    l->first = bt_alloc(o->data_count + 1, sizeof *l->first, err);
    if (!l->sets || !l->first)
        rc = err->status;
    for (size_t i = 0; i < o->data_count && !rc; i++) {
        rc = bt_shard_set_open(&l->sets[i], o->data[i], bt_reading.allow_partial, err);
        if (rc)
            break;
        l->set_count++;
        l->first[i + 1] = l->first[i] + bt_shard_set_count(l->sets[i]);
        bt_sha256_add(sha, bt_shard_set_identity(l->sets[i]), 64);
    }
    if (!rc) {
        bt_sha256_value(sha, digest);
        bt_hex(l->identity, digest, sizeof digest);
        l->samples = l->first[l->set_count];
    }
    bt_sha256_free(sha);
    return rc;
}

static int count_steps(struct bt_loader *l, struct bt_err *err)
{
    const struct bt_recipe *r = l->recipe;

    l->steps = r->steps_per_epoch ? r->steps_per_epoch : (int64_t)(l->samples / (uint64_t)r->batch);
    if (l->steps < 1 || !l->samples)
        return bt_fail(err, BT_ERR_CONFIG, "data: 0 steps per epoch: %llu samples, batch %lld; use a smaller batch or more data",
                       (unsigned long long)l->samples, (long long)r->batch);
    return BT_OK;
}

/* Ids that the model puts in by itself must be rows of its tables, as those of the data must. */
static int check_id(const char *name, int32_t id, size_t vocab, struct bt_err *err)
{
    return (size_t)id < vocab ? BT_OK
                              : bt_fail(err, BT_ERR_CONFIG, "model: tokens.%s is %d, but the vocabulary has %zu entries", name, id, vocab);
}

static int check_recipe(const struct bt_loader *l, struct bt_err *err)
{
    const struct bt_config *c = l->config;
    int rc = BT_OK;

    if (wants_prompt(l) && (size_t)l->recipe->max_text != c->queries)
        rc = bt_fail(err, BT_ERR_CONFIG, "recipe: max_text %lld, but the P-Former needs it equal to the model's %zu queries",
                     (long long)l->recipe->max_text, c->queries);
    if (!rc && wants_prompt(l) && c->queries > c->pformer.positions)
        rc = bt_fail(err, BT_ERR_CONFIG, "model: %zu queries, but the P-Former has %zu positions", c->queries, c->pformer.positions);
    if (!rc && l->stage == BT_STAGE_0)
        rc = check_id("mask", c->mask, c->pformer.vocab, err);
    if (!rc && wants_bert(l))
        rc = check_id("dec", c->dec, c->qformer.vocab, err);
    if (!rc && wants_opt(l->stage))
        rc = check_id("pad", c->pad, c->opt.vocab, err);
    return rc;
}

int bt_loader_open(struct bt_loader **out, const struct bt_loader_options *o, struct bt_err *err)
{
    struct bt_loader *l = bt_alloc(1, sizeof *l, err);
    int rc;

    if (!l)
        return err->status;
    l->paths = o->data;
    l->config = o->config;
    l->recipe = o->recipe;
    l->stage = o->stage;
    l->aligned = o->aligned;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->rec = bt_record_new();
    rc = l->rec ? open_sets(l, o, err) : bt_fail(err, BT_ERR_MEMORY, "loader: out of memory");
    if (!rc)
        rc = count_steps(l, err);
    if (!rc && l->stage == BT_STAGE_VISION && !o->labels)
        rc = bt_fail(err, BT_ERR_USAGE, "vision: needs --labels, the words to learn");
    if (!rc && l->stage == BT_STAGE_VISION)
        rc = bt_labels_load(&l->labels, o->labels, l->config->labels, err);
    if (!rc)
        rc = check_recipe(l, err);
    if (rc) {
        bt_loader_close(l);
        return rc;
    }
    *out = l;
    return BT_OK;
}

uint64_t bt_loader_samples(const struct bt_loader *l)
{
    return l->samples;
}

int64_t bt_loader_steps(const struct bt_loader *l)
{
    return l->steps;
}

const char *bt_loader_identity(const struct bt_loader *l)
{
    return l->identity;
}

/* ---- samples ---- */

static size_t set_of(const struct bt_loader *l, uint64_t index)
{
    size_t set = 0;

    while (index >= l->first[set + 1])
        set++;
    return set;
}

static int read_sample(struct bt_loader *l, uint64_t index, struct bt_err *err)
{
    size_t set = set_of(l, index);

    return bt_shard_set_read(l->sets[set], index - l->first[set], l->rec, err);
}

/* Says which record a failure is about. */
static int place(const struct bt_loader *l, uint64_t index, int rc, struct bt_err *err)
{
    size_t set = set_of(l, index);

    return rc ? bt_context(err, "%s:record %llu", l->paths[set], (unsigned long long)(index - l->first[set])) : rc;
}

/* The record of sample `at` of step `step`: epochs follow each other without a gap in positions, and steps_per_epoch may be
 * more or less than one pass (each pass over the data has its own order). */
static uint64_t sample_index(const struct bt_loader *l, int64_t step, int64_t at, uint32_t *pass)
{
    uint64_t per_pass = l->samples / (uint64_t)l->recipe->batch, batch = (uint64_t)l->recipe->batch;

    if (!per_pass) { /* fewer samples than a batch: positions run on over passes */
        uint64_t position = (uint64_t)step * batch + (uint64_t)at;

        *pass = (uint32_t)(position / l->samples);

        struct bt_sampler all = bt_sampler(l->samples, (uint64_t)l->recipe->seed, *pass);

        return bt_sampler_at(&all, position % l->samples);
    }
    *pass = (uint32_t)((uint64_t)step / per_pass);

    struct bt_sampler s = bt_sampler(l->samples, (uint64_t)l->recipe->seed, *pass);

    return bt_sampler_at(&s, (uint64_t)step % per_pass * batch + (uint64_t)at);
}

static void pad(int32_t *ids, int32_t *mask, size_t count, size_t room, int32_t pad_id)
{
    for (size_t i = 0; i < room; i++)
        mask[i] = i < count;
    for (size_t i = count; i < room; i++)
        ids[i] = pad_id;
}

/* Hides tokens from the P-Former: each with mask_rate, never [CLS]; padding is not there (models.md 4.2 step 2). */
static void hide(const struct bt_loader *l, int32_t *ids, size_t count, uint32_t pass, uint64_t index)
{
    struct bt_draw d = bt_draw((uint64_t)l->recipe->seed, BT_DRAW_MASK, pass, index);

    for (size_t i = 0; i < count; i++)
        if (bt_draw_bernoulli(&d, (float)l->recipe->mask_rate) && ids[i] != l->config->cls)
            ids[i] = l->config->mask;
}

/* A window of the corpus that begins with a document and goes on with those after it. */
static int fill_window(struct bt_loader *l, uint64_t index, int32_t *ids, size_t room, size_t *count, struct bt_err *err)
{
    int32_t document[4096], prompt;
    int rc = BT_OK;

    *count = 0;
    for (uint64_t i = index; *count < room && !rc; i = (i + 1) % l->samples) {
        size_t n = 0, take;

        if (i != index)
            rc = read_sample(l, i, err);
        if (!rc)
            rc = bt_sample_tokens(l->rec, "opt", 0, document, sizeof document / sizeof *document, &n, &prompt,
                                  l->config->opt.vocab, err);
        take = n < room - *count ? n : room - *count;
        if (!rc)
            memcpy(ids + *count, document, take * sizeof *ids);
        *count += rc ? 0 : take;
        if (!rc && !*count && (i + 1) % l->samples == index)
            rc = bt_fail(err, BT_ERR_INPUT, "no document has any 'opt' token; run bt-tokenize on texts that are not empty");
    }
    return rc;
}

static int fill_text(struct bt_loader *l, struct bt_batch *b, size_t row, uint32_t pass, uint64_t index, struct bt_err *err)
{
    const struct bt_config *c = l->config;
    struct bt_draw d = bt_draw((uint64_t)l->recipe->seed, BT_DRAW_CAPTION, pass, index);
    size_t texts = bt_sample_texts(l->rec);
    uint32_t choice = texts ? (uint32_t)bt_draw_below(&d, texts) : 0;
    size_t room = (size_t)l->recipe->max_text, n = 0;
    int32_t prompt;
    int rc = BT_OK;

    if (wants_bert(l)) {
        int32_t *ids = b->bert.ids + row * room;

        rc = bt_sample_tokens(l->rec, "bert", choice, ids, room, &n, &prompt, c->qformer.vocab, err);
        if (!rc)
            pad(ids, b->bert.mask + row * room, n, room, 0);
    }
    if (!rc && wants_prompt(l)) {
        int32_t *ids = b->prompt.ids + row * room;

        rc = bt_sample_tokens(l->rec, "bert", choice, ids, room, &n, &prompt, c->pformer.vocab, err);
        if (!rc && l->stage == BT_STAGE_0)
            hide(l, ids, n, pass, index);
        if (!rc)
            pad(ids, b->prompt.mask + row * room, n, room, 0);
    }
    if (!rc && wants_opt(l->stage)) {
        size_t width = l->stage == BT_STAGE_LM ? (size_t)l->recipe->window : room;
        int32_t *ids = b->opt.ids + row * width;

        b->prompt_length[row] = 0;
        rc = l->stage == BT_STAGE_LM
                 ? fill_window(l, index, ids, width, &n, err)
                 : bt_sample_tokens(l->rec, "opt", choice, ids, width, &n, &b->prompt_length[row], c->opt.vocab, err);
        if (!rc)
            pad(ids, b->opt.mask + row * width, n, width, c->pad);
    }
    return rc;
}

static int fill_row(struct bt_loader *l, struct bt_batch *b, size_t row, uint32_t pass, uint64_t index, struct bt_err *err)
{
    size_t side = l->config->vit.image_size;
    int rc = read_sample(l, index, err);

    b->index[row] = index;
    if (!rc && b->labels)
        bt_labels_of(l->labels, l->rec, b->labels + row * LABELS_MOST, LABELS_MOST);
    if (!rc && b->tower)
        memcpy(b->tower + row * l->tower_floats, l->tower + index * l->tower_floats, l->tower_floats * sizeof *b->tower);
    if (!rc && b->images)
        rc = bt_sample_image(l->rec, b->images + row * 3 * side * side, side, l->recipe, pass, index, err);
    if (!rc && l->stage != BT_STAGE_VISION)
        rc = fill_text(l, b, row, pass, index, err);
    return place(l, index, rc, err);
}

/* Columns beyond the longest row are dropped, down to a multiple of ROUND. */
static void narrow(struct bt_token_rows *rows, size_t batch)
{
    size_t longest = 1, width;

    for (size_t r = 0; r < batch; r++)
        for (size_t t = longest; t < rows->tokens; t++)
            if (rows->mask[r * rows->tokens + t])
                longest = t + 1;
    width = (longest + ROUND - 1) / ROUND * ROUND;
    if (width >= rows->tokens)
        return;
    for (size_t r = 1; r < batch; r++) {
        memmove(rows->ids + r * width, rows->ids + r * rows->tokens, width * sizeof *rows->ids);
        memmove(rows->mask + r * width, rows->mask + r * rows->tokens, width * sizeof *rows->mask);
    }
    rows->tokens = width;
}

static int fill(struct bt_loader *l, struct bt_batch *b, int64_t step, struct bt_err *err)
{
    int rc = BT_OK;

    b->opt.tokens = (size_t)(l->stage == BT_STAGE_LM ? l->recipe->window : l->recipe->max_text);
    for (int64_t row = 0; row < l->recipe->batch && !rc; row++) {
        uint32_t pass;
        uint64_t index = sample_index(l, step, row, &pass);

        rc = fill_row(l, b, (size_t)row, pass, index, err);
    }
    if (!rc && b->opt.ids)
        narrow(&b->opt, b->size);
    return rc;
}

/* ---- memory of a slot ---- */

static int rows_new(struct bt_token_rows *rows, size_t batch, size_t tokens, struct bt_err *err)
{
    rows->tokens = tokens;
    rows->ids = bt_alloc(batch * tokens, sizeof *rows->ids, err);
    rows->mask = bt_alloc(batch * tokens, sizeof *rows->mask, err);
    return rows->ids && rows->mask ? BT_OK : err->status;
}

static int batch_new(const struct bt_loader *l, struct bt_batch *b, struct bt_err *err)
{
    size_t n = (size_t)l->recipe->batch, side = l->config->vit.image_size, text = (size_t)l->recipe->max_text;
    int rc = BT_OK;

    b->size = n;
    b->index = bt_alloc(n, sizeof *b->index, err);
    b->prompt_length = bt_alloc(n, sizeof *b->prompt_length, err);
    if (l->tower)
        b->tower = bt_alloc(n * l->tower_floats, sizeof *b->tower, err);
    else if (wants_images(l->stage))
        b->images = bt_alloc(n * 3 * side * side, sizeof *b->images, err);
    if (l->labels) {
        b->labels_per_row = LABELS_MOST;
        b->labels = bt_alloc(n * LABELS_MOST, sizeof *b->labels, err);
    }
    rc = err->status;
    if (!rc && wants_bert(l))
        rc = rows_new(&b->bert, n, text, err);
    if (!rc && wants_prompt(l))
        rc = rows_new(&b->prompt, n, text, err);
    if (!rc && wants_opt(l->stage))
        rc = rows_new(&b->opt, n, l->stage == BT_STAGE_LM ? (size_t)l->recipe->window : text, err);
    return rc;
}

static void batch_free(struct bt_batch *b)
{
    free(b->images);
    free(b->tower);
    free(b->labels);
    free(b->index);
    free(b->prompt_length);
    free(b->bert.ids);
    free(b->bert.mask);
    free(b->prompt.ids);
    free(b->prompt.mask);
    free(b->opt.ids);
    free(b->opt.mask);
    *b = (struct bt_batch){ 0 };
}

/* ---- the tower's output, once ---- */

int bt_loader_cache_tower(struct bt_loader *l, size_t floats_per_image, bt_tower_fn *compute, void *context, struct bt_err *err)
{
    enum { TOGETHER = 32 };
    size_t side = l->config->vit.image_size, pixels = 3 * side * side;
    float *images = bt_alloc(TOGETHER * pixels, sizeof *images, err);
    float *tower = bt_alloc(l->samples * floats_per_image, sizeof *tower, err);
    struct bt_progress progress;
    int rc = images && tower ? BT_OK : err->status;

    bt_progress_start(&progress, "vision tower", "images", 0, l->samples);
    for (uint64_t i = 0; i < l->samples && !rc; i += TOGETHER) {
        size_t count = l->samples - i < TOGETHER ? (size_t)(l->samples - i) : TOGETHER;

        for (size_t k = 0; k < count && !rc; k++) {
            rc = read_sample(l, i + k, err);
            if (!rc)
                rc = bt_sample_image(l->rec, images + k * pixels, side, NULL, 0, i + k, err);
            rc = place(l, i + k, rc, err);
        }
        if (!rc)
            rc = compute(context, images, count, tower + i * floats_per_image, err);
        if (!rc && bt_stop_requested())
            rc = bt_fail(err, BT_ERR_STOPPED, "stopped on request before the first step; run the same command to begin again");
        bt_progress_update(&progress, i + count, NULL);
    }
    if (!rc)
        bt_progress_finish(&progress);
    free(images);
    if (rc) {
        free(tower);
        return rc;
    }
    l->tower = tower;
    l->tower_floats = floats_per_image;
    return BT_OK;
}

/* ---- the thread ---- */

static void *work(void *context)
{
    struct bt_loader *l = context;

    pthread_mutex_lock(&l->lock);
    while (!l->stop && !l->err.status) {
        struct slot *slot = &l->slots[l->made % AHEAD];
        struct bt_err err = { 0 };

        if (slot->full) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        fill(l, &slot->batch, l->made, &err);
        pthread_mutex_lock(&l->lock);
        l->err = err;
        slot->full = !err.status;
        l->made += !err.status;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

int bt_loader_start(struct bt_loader *l, int64_t step, struct bt_err *err)
{
    l->made = l->taken = step;
    for (int i = 0; i < AHEAD; i++) {
        int rc = batch_new(l, &l->slots[i].batch, err);

        if (rc)
            return rc;
    }
    if (pthread_create(&l->thread, NULL, work, l))
        return bt_fail(err, BT_ERR_OS, "loader: the system refuses another thread");
    l->running = true;
    return BT_OK;
}

int bt_loader_next(struct bt_loader *l, const struct bt_batch **batch, struct bt_err *err)
{
    struct slot *slot = &l->slots[l->taken % AHEAD];
    int rc = BT_OK;

    pthread_mutex_lock(&l->lock);
    if (l->given) {
        l->given->full = false; /* the caller is done with it */
        pthread_cond_broadcast(&l->changed);
    }
    while (!slot->full && !l->err.status)
        pthread_cond_wait(&l->changed, &l->lock);
    if (!slot->full) {
        *err = l->err;
        rc = err->status;
    }
    pthread_mutex_unlock(&l->lock);
    l->given = rc ? NULL : slot;
    l->taken++;
    *batch = &slot->batch;
    return rc;
}

void bt_loader_close(struct bt_loader *l)
{
    if (!l)
        return;
    if (l->running) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    for (int i = 0; i < AHEAD; i++)
        batch_free(&l->slots[i].batch);
    for (size_t i = 0; i < l->set_count; i++)
        bt_shard_set_close(l->sets[i]);
    free(l->sets);
    free(l->first);
    bt_labels_free(l->labels);
    bt_record_free(l->rec);
    free(l->tower);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}
