/* Sample records to prediction records. Source: models.md 6.1, 8.5, 8.6. */
#include "libcommon/generate/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/generate/stored_picture.h"

struct entry {
    struct bt_record *rec;
    size_t picture;       /* which of the batch's pictures */
    int32_t *prompt;
    size_t columns;
    char *prompt_text;
    uint64_t number;      /* what its draws are keyed by */
    struct bt_hypothesis hypothesis;
};

struct bt_generator {
    struct bt_generator_options o;
    char preset_hash[65];
    struct bt_captioner *captioner;
    struct bt_tape *tape;  /* for the vision tower */
    struct entry *entries;
    size_t count;
    float *images;         /* [batch, 3, S, S]: pictures not seen before in this batch */
    float *tower;          /* [batch, N, width] */
    uint64_t *picture_hash;
    size_t pictures, pixels, tower_floats;
    size_t before, positions; /* tokens that stand before a prompt, and how many the model can tell apart */
    int32_t end;           /* the token that ends a text */
    struct bt_ids ids;
    struct bt_buf text;
};

/* What depends on who writes: after stage 1 the Q-Former, which does not count its queries; else the language model. */
static int set_up_writer(struct bt_generator *g, struct bt_err *err)
{
    const struct bt_config *c = &g->o.vlm->config;
    bool bert = g->o.vlm->stage == BT_STAGE_1;

    g->end = bt_tokenizer_token(g->o.tokenizer, bert ? BT_TOKEN_SEP : BT_TOKEN_NEWLINE);
    g->before = g->o.pictures && !bert ? c->queries : 0;
    g->positions = bert ? c->qformer.positions : c->opt.positions;
    if (g->end < 0)
        return bt_fail(err, BT_ERR_CONFIG, "tokenizer: has no %s, which ends a text here; use that of %s",
                       bert ? "[SEP]" : "newline", bert ? "BERT" : "the language model");
    if (g->before + (size_t)g->o.preset->max_new > g->positions)
        return bt_fail(err, BT_ERR_CONFIG, "max_new: %lld new tokens behind %zu, but the model has %zu positions; use fewer",
                       (long long)g->o.preset->max_new, g->before + 1, g->positions);
    return BT_OK;
}

int bt_generator_new(struct bt_generator **out, const struct bt_generator_options *o, struct bt_err *err)
{
    struct bt_generator *g = bt_alloc(1, sizeof *g, err);
    const struct bt_vit_config *vit = &o->vlm->config.vit;
    size_t grid = vit->image_size / vit->patch;
    int rc;

    if (!g)
        return err->status;
    g->o = *o;
    g->pixels = 3 * vit->image_size * vit->image_size;
    g->tower_floats = (grid * grid + 1) * vit->width;
    g->entries = bt_alloc(o->batch, sizeof *g->entries, err);
    g->picture_hash = bt_alloc(o->batch, sizeof *g->picture_hash, err);
    if (o->pictures) {
        g->images = bt_alloc(o->batch * g->pixels, sizeof *g->images, err);
        g->tower = bt_alloc(o->batch * g->tower_floats, sizeof *g->tower, err);
    }
    rc = err->status;
    if (!rc)
        rc = set_up_writer(g, err);
    if (!rc && !(g->tape = bt_tape_new(o->vlm->backend, err)))
        rc = err->status;
    if (!rc)
        rc = bt_captioner_new(&g->captioner, o->vlm, err);
    if (!rc)
        rc = bt_preset_hash(o->preset, g->preset_hash, err);
    for (size_t i = 0; i < o->batch && !rc; i++)
        if (!(g->entries[i].rec = bt_record_new()))
            rc = bt_fail(err, BT_ERR_MEMORY, "generate: out of memory");
    if (rc) {
        bt_generator_free(g);
        return rc;
    }
    bt_tape_record(g->tape, false);
    *out = g;
    return BT_OK;
}

static void clear(struct bt_generator *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->entries[i].prompt);
        free(g->entries[i].prompt_text);
        g->entries[i].prompt = NULL;
        g->entries[i].prompt_text = NULL;
        bt_hypotheses_free(&g->entries[i].hypothesis, 1);
    }
    g->count = g->pictures = 0;
}

void bt_generator_free(struct bt_generator *g)
{
    if (!g)
        return;
    if (g->entries)
        clear(g);
    for (size_t i = 0; g->entries && i < g->o.batch; i++)
        bt_record_free(g->entries[i].rec);
    free(g->entries);
    free(g->picture_hash);
    free(g->images);
    free(g->tower);
    bt_captioner_free(g->captioner);
    bt_tape_free(g->tape);
    bt_ids_free(&g->ids);
    bt_buf_free(&g->text);
    free(g);
}

/* ---- taking ---- */

static int take_picture(struct bt_generator *g, const struct bt_record *rec, struct entry *e, const char **code,
                        struct bt_err *err)
{
    struct bt_stored_picture picture;
    int rc = bt_stored_picture_of(rec, &picture, err);

    if (rc)
        return rc;

    uint64_t hash = bt_xxh64(picture.bytes, picture.size);

    for (e->picture = 0; e->picture < g->pictures; e->picture++)
        if (g->picture_hash[e->picture] == hash)
            return BT_OK;
    rc = bt_stored_picture_tensor(&picture, g->o.vlm->config.vit.image_size, g->images + g->pictures * g->pixels, code, err);
    g->picture_hash[g->pictures] = hash;
    g->pictures += !rc;
    return rc;
}

/* The prompt's text into g->text. */
static int make_prompt(struct bt_generator *g, const struct bt_record *rec, struct bt_err *err)
{
    const char *question;
    size_t size;
    int rc;

    g->text.size = 0;
    if (g->o.preset->has_prompt)
        return bt_preset_prompt(g->o.preset, rec, &g->text, err);
    if (!g->o.pictures || strcmp(g->o.field, "answer") != 0)
        return BT_OK;
    rc = bt_record_need_str(rec, "question", &question, &size, err); /* no template: the question as it stands */
    return rc ? rc : bt_buf_add(&g->text, question, size, err);
}

static int take_prompt(struct bt_generator *g, const struct bt_record *rec, struct entry *e, const char **code,
                       struct bt_err *err)
{
    const struct bt_vlm *v = g->o.vlm;
    size_t new_tokens = (size_t)g->o.preset->max_new;
    int rc = make_prompt(g, rec, err);

    g->ids.count = 0;
    if (!rc && v->stage == BT_STAGE_1)
        rc = bt_ids_push(&g->ids, v->config.dec, err);
    else if (!rc)
        rc = bt_tokenizer_encode(g->o.tokenizer, g->text.size ? g->text.data : "", g->text.size, true, 0, &g->ids, err);
    if (rc)
        return rc;
    if (g->before + g->ids.count + new_tokens - 1 > g->positions) { /* the last new one is not looked at */
        *code = "TEXT_TOO_LONG";
        return bt_fail(err, BT_ERR_INPUT, "prompt of %zu tokens, behind %zu and before %zu new ones, but the model has %zu "
                       "positions; use a shorter prompt, or a smaller --max-new", (size_t)g->ids.count, g->before, new_tokens,
                       g->positions);
    }
    e->columns = g->ids.count;
    e->prompt = bt_alloc(e->columns, sizeof *e->prompt, err);
    if (!e->prompt)
        return err->status;
    memcpy(e->prompt, g->ids.data, e->columns * sizeof *e->prompt);
    e->prompt_text = bt_format("%.*s", (int)g->text.size, g->text.size ? g->text.data : "");
    return e->prompt_text ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "generate: out of memory");
}

int bt_generator_put(struct bt_generator *g, const struct bt_record *rec, uint64_t number, const char **code, struct bt_err *err)
{
    struct entry *e = &g->entries[g->count];
    int rc;

    *code = "FIELD_MISSING";
    rc = take_prompt(g, rec, e, code, err); /* before the picture: one that is taken stays in the batch */
    if (!rc && g->o.pictures)
        rc = take_picture(g, rec, e, code, err);
    if (!rc)
        rc = bt_record_copy(e->rec, rec, err);
    if (rc) {
        free(e->prompt);
        free(e->prompt_text);
        e->prompt = NULL;
        e->prompt_text = NULL;
        return rc;
    }
    e->number = number;
    g->count++;
    return BT_OK;
}

bool bt_generator_full(const struct bt_generator *g)
{
    return g->count == g->o.batch;
}

/* ---- decoding ---- */

static int see(struct bt_generator *g, struct bt_err *err)
{
    size_t side = g->o.vlm->config.vit.image_size;

    bt_tape_reset(g->tape);
    bt_read(g->tape, bt_vit_forward(g->tape, g->o.vlm->vit, bt_constant(g->tape, g->images, 4,
                                                                        (size_t[]){ g->pictures, 3, side, side })), g->tower);
    return bt_tape_status(g->tape, err);
}

/* Decodes the entries whose numbers are in member[count]; their prompts are equally long. */
static int decode_group(struct bt_generator *g, const size_t *member, size_t count, struct bt_err *err)
{
    const struct bt_preset *p = g->o.preset;
    size_t columns = g->entries[member[0]].columns;
    int32_t *prompt = bt_alloc(count * columns, sizeof *prompt, err);
    float *tower = g->o.pictures ? bt_alloc(count * g->tower_floats, sizeof *tower, err) : NULL;
    uint64_t *key = bt_alloc(count, sizeof *key, err);
    struct bt_hypothesis *out = bt_alloc(count, sizeof *out, err);
    struct bt_decode_options d = {
        .mode = p->sample ? BT_DECODE_SAMPLE : p->greedy ? BT_DECODE_GREEDY : BT_DECODE_BEAM, .beams = (size_t)p->beams,
        .returns = 1, .max_new = (size_t)p->max_new,
        .min_length = p->min_new ? columns + (size_t)p->min_new : (size_t)p->min_length, .length_penalty = p->length_penalty,
        .repetition_penalty = p->repetition_penalty, .temperature = p->temperature, .top_p = p->top_p, .seed = g->o.seed,
        .key = key, .eos = g->end, .pad = g->o.vlm->stage == BT_STAGE_1 ? 0 : g->o.vlm->config.pad };
    int rc = err->status;

    for (size_t i = 0; i < count && !rc; i++) {
        const struct entry *e = &g->entries[member[i]];

        memcpy(prompt + i * columns, e->prompt, columns * sizeof *prompt);
        key[i] = e->number;
        if (tower)
            memcpy(tower + i * g->tower_floats, g->tower + e->picture * g->tower_floats, g->tower_floats * sizeof *tower);
    }
    if (!rc)
        rc = bt_captioner_look(g->captioner, NULL, tower, count, err);
    if (!rc)
        rc = bt_captioner_generate(g->captioner, &(struct bt_prompt){ .ids = prompt, .columns = columns }, &d, out, err);
    for (size_t i = 0; i < count && !rc; i++)
        g->entries[member[i]].hypothesis = out[i];
    free(prompt);
    free(tower);
    free(key);
    free(out);
    return rc;
}

static int decode_all(struct bt_generator *g, struct bt_err *err)
{
    size_t *member = bt_alloc(g->count, sizeof *member, err);
    bool *done = bt_alloc(g->count, sizeof *done, err);
    int rc = member && done ? BT_OK : err->status;

    for (size_t i = 0; i < g->count && !rc; i++) {
        size_t count = 0;

        for (size_t k = i; k < g->count && !done[i]; k++)
            if (!done[k] && g->entries[k].columns == g->entries[i].columns) {
                member[count++] = k;
                done[k] = k != i;
            }
        if (count)
            rc = decode_group(g, member, count, err);
        done[i] = true;
    }
    free(member);
    free(done);
    return rc;
}

static int finish(struct bt_generator *g, struct entry *e, struct bt_err *err)
{
    const struct bt_hypothesis *h = &e->hypothesis;
    const char *at;
    size_t size;
    int64_t count = (int64_t)h->count;
    int rc;

    g->text.size = 0;
    rc = bt_tokenizer_decode(g->o.tokenizer, h->ids, h->count, true, &g->text, err);
    for (at = g->text.size ? g->text.data : "", size = g->text.size; size && strchr(" \n\r\t\f\v", at[size - 1]); size--)
        ;
    for (; size && strchr(" \n\r\t\f\v", *at); at++)
        size--;
    if (!rc && !g->o.keep_image) {
        rc = bt_record_remove(e->rec, "image", err);
        rc = rc ? rc : bt_record_remove(e->rec, "pixels", err);
    }
    if (!rc)
        rc = bt_record_set_str(e->rec, g->o.field, at, size, err);
    if (!rc)
        rc = bt_record_set_str(e->rec, "prompt", e->prompt_text, strlen(e->prompt_text), err);
    if (!rc)
        rc = bt_record_set_array(e->rec, "ids", "i32", 1, &count, h->ids, h->count * sizeof *h->ids, err);
    if (!rc)
        rc = bt_record_set_float(e->rec, "score", (double)h->score, err);
    if (!rc)
        rc = bt_record_set_str(e->rec, "preset", g->o.preset->name, strlen(g->o.preset->name), err);
    if (!rc)
        rc = bt_record_set_str(e->rec, "preset_sha256", g->preset_hash, 64, err);
    return rc;
}

int bt_generator_flush(struct bt_generator *g, bt_generator_sink *sink, void *context, struct bt_err *err)
{
    int rc = g->count && g->pictures ? see(g, err) : BT_OK;

    if (!rc && g->count)
        rc = decode_all(g, err);
    for (size_t i = 0; i < g->count && !rc; i++) {
        rc = finish(g, &g->entries[i], err);
        if (!rc)
            rc = sink(context, g->entries[i].rec, err);
    }
    clear(g);
    return rc;
}
