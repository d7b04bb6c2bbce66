/* Batches: a function of recipe, data and step; and records that cannot be trained on are named. */
#include "libcommon/train/loader.h"

#include "libcommon/base/hash.h"
#include "libcommon/stream/stream.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

enum { SIDE = 16, CLS = 3, MASK = 5, PAD = 1, VOCAB = 100, TEXT = 8 };

static const struct bt_config small = {
    .vit = { SIDE, 8, 16, 2, 2, 32, 1e-6f, 0.02f },
    .qformer = { 16, 2, 2, 32, VOCAB, 16, 1e-12f, 0, 0.02f },
    .pformer = { 16, 2, 2, 32, VOCAB, 16, 1e-12f, 0, 0.02f },
    .opt = { 16, 2, 2, 64, VOCAB, 64, 1e-5f, 0, 0.02f },
    .queries = TEXT, .embed = 8, .cross_every = 2, .labels = 4, .ln_vision_eps = 1e-5f,
    .cls = CLS, .sep = 4, .mask = MASK, .dec = 99, .bos = 2, .pad = PAD,
};

static struct bt_recipe recipe_of(const char *stage)
{
    struct bt_recipe r;

    bt_recipe_default(&r, stage);
    r.batch = 4;
    r.max_text = TEXT;
    r.window = 20;
    return r;
}

/* ---- data ---- */

/* What to spoil in record 5 of a set. */
enum spoil { GOOD, TOO_LONG, OUT_OF_RANGE, NO_OPT, NO_PICTURE, NO_CAPTIONS, NOT_A_ROW };

/* Tokens of caption c of record i: [CLS], 10 + i, 70 + c, and up to three more. */
static size_t tokens(int i, int c, int32_t ids[16])
{
    size_t n = 3 + (size_t)((i + c) % 4);

    ids[0] = CLS;
    ids[1] = 10 + i;
    ids[2] = 70 + c;
    for (size_t k = 3; k < n; k++)
        ids[k] = 80 + (int)k;
    return n;
}

static void pack_captions(struct bt_record *rec, const char *key, int i, enum spoil spoil)
{
    struct bt_err err = { 0 };
    int count = spoil == NO_CAPTIONS ? 0 : 2;

    bt_record_begin(rec, key);
    bt_pack_array(rec, (size_t)count);
    for (int c = 0; c < count; c++) {
        int32_t ids[16] = { 0 };
        size_t n = tokens(i, c, ids);

        if (spoil == OUT_OF_RANGE)
            ids[1] = VOCAB;
        if (spoil == NOT_A_ROW)
            bt_pack_int(rec, 7);
        else
            bt_pack_i32s(rec, ids, spoil == TOO_LONG ? TEXT + 1 : n);
    }
    CHECK_OK(bt_record_end(rec, &err), &err);
}

/* A set of `count` records: a picture all of whose pixels are the record's number, two captions, and a text. */
static const char *set_of(const char *name, int count, enum spoil spoil)
{
    static const struct bt_writer_options options = { .schema = &bt_schema_tokens };
    const char *path = scratch(name);
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    uint8_t pixels[3 * SIDE * SIDE];

    CHECK_OK(bt_writer_open(&w, path, &options, &err), &err);
    for (int i = 0; w && i < count; i++) {
        enum spoil how = i == 5 ? spoil : GOOD;
        int32_t ids[16];
        int64_t shape = (int64_t)tokens(i, 0, ids);
        char id[20];

        bt_record_clear(rec);
        snprintf(id, sizeof id, "id-%d", i);
        memset(pixels, i, sizeof pixels);
        CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        if (how != NO_PICTURE)
            CHECK_OK(bt_record_set_bin(rec, "pixels", pixels, sizeof pixels, &err), &err);
        pack_captions(rec, "captions.bert", i, how);
        if (how != NO_OPT)
            pack_captions(rec, "captions.opt", i, how);
        if (how != NO_OPT)
            CHECK_OK(bt_record_set_array(rec, "text.opt", "i32", 1, &shape, ids, (size_t)shape * sizeof *ids, &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
    return path;
}

static const char *good[2]; /* of 37 and of 6 records */

static int open_loader(struct bt_loader **l, enum bt_stage stage, const char *const *data, size_t count,
                       const struct bt_recipe *recipe, struct bt_err *err)
{
    struct bt_loader_options o = { .data = data, .data_count = count, .stage = stage, .aligned = recipe->align_weight > 0 || stage == BT_STAGE_0,
                                   .config = &small, .recipe = recipe };

    return bt_loader_open(l, &o, err);
}

/* ---- batches ---- */

static void add(struct bt_sha256_state *sha, const void *data, size_t bytes)
{
    if (data)
        bt_sha256_add(sha, data, bytes);
}

/* Everything in a batch. */
static void digest_of(const struct bt_batch *b, uint8_t digest[32])
{
    struct bt_sha256_state *sha = bt_sha256_new();
    const struct bt_token_rows *rows[] = { &b->bert, &b->prompt, &b->opt };

    add(sha, b->index, b->size * sizeof *b->index);
    add(sha, b->images, b->size * 3 * SIDE * SIDE * sizeof *b->images);
    add(sha, b->prompt_length, b->size * sizeof *b->prompt_length);
    for (int i = 0; i < 3; i++) {
        add(sha, &rows[i]->tokens, sizeof rows[i]->tokens);
        add(sha, rows[i]->ids, b->size * rows[i]->tokens * sizeof(int32_t));
        add(sha, rows[i]->mask, b->size * rows[i]->tokens * sizeof(int32_t));
    }
    bt_sha256_value(sha, digest);
    bt_sha256_free(sha);
}

/* digests[k] of step start + k. */
static void digests(enum bt_stage stage, const struct bt_recipe *recipe, int64_t start, int count, uint8_t (*out)[32])
{
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;

    CHECK_OK(open_loader(&l, stage, good, 1, recipe, &err), &err);
    CHECK_OK(bt_loader_start(l, start, &err), &err);
    for (int k = 0; k < count; k++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        digest_of(batch, out[k]);
    }
    bt_loader_close(l);
}

static void test_batches_do_not_depend_on_where_a_run_starts(void)
{
    static const enum bt_stage stages[] = { BT_STAGE_LM, BT_STAGE_0, BT_STAGE_1, BT_STAGE_2, BT_STAGE_CAPTION };
    static const int starts[] = { 1, 8, 9, 10, 23 }; /* nine steps are a pass */

    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        struct bt_recipe recipe = recipe_of(bt_stage_name(stages[s]));
        uint8_t whole[28][32], part[4][32];

        digests(stages[s], &recipe, 0, 28, whole);
        for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
            digests(stages[s], &recipe, starts[i], 4, part);
            CHECK(memcmp(whole[starts[i]], part, sizeof part) == 0);
        }
        CHECK(memcmp(whole[0], whole[9], 32) != 0); /* each pass has its own order */
        recipe.seed++;
        digests(stages[s], &recipe, 0, 4, part);
        CHECK(memcmp(whole[0], part[0], 32) != 0);
    }
}

static void test_a_pass_has_every_sample_at_most_once(void)
{
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;

    CHECK_OK(open_loader(&l, BT_STAGE_1, good, 2, &recipe, &err), &err);
    CHECK_INT(bt_loader_samples(l), 43);
    CHECK_INT(bt_loader_steps(l), 10);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int pass = 0; pass < 3; pass++) {
        int seen[43] = { 0 };

        for (int step = 0; step < 10; step++) {
            CHECK_OK(bt_loader_next(l, &batch, &err), &err);
            CHECK_INT(batch->size, 4);
            for (int r = 0; r < 4; r++) {
                int index = (int)batch->index[r], number = index < 37 ? index : index - 37;
                float value = batch->images[r * 3 * SIDE * SIDE];

                CHECK_INT(seen[index]++, 0);
                CHECK_INT(batch->bert.ids[r * TEXT + 1], 10 + number); /* the text of that record, and its picture */
                CHECK_NEAR(value, (number / 255.0 - 0.48145466) / 0.26862954, 1e-5);
            }
        }
    }
    bt_loader_close(l);
}

/* One caption a sample and pass, the same for every tokenizer; over passes all of them. */
static void test_captions_are_chosen_together(void)
{
    struct bt_recipe recipe = recipe_of("stage2");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    int chosen[37][2] = { { 0 } }, both = 0;

    CHECK_OK(open_loader(&l, BT_STAGE_2, good, 1, &recipe, &err), &err);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int step = 0; step < 9 * 12; step++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        for (size_t r = 0; r < batch->size; r++) {
            int choice = batch->opt.ids[r * batch->opt.tokens + 2] - 70;
            int32_t ids[16];
            size_t n = tokens((int)batch->index[r], choice, ids);

            CHECK_INT(batch->prompt.ids[r * TEXT + 2], 70 + choice);
            CHECK(batch->opt.tokens >= n && batch->opt.tokens % 4 == 0);
            for (size_t t = 0; t < TEXT; t++) {
                CHECK_INT(batch->prompt.ids[r * TEXT + t], t < n ? ids[t] : 0);
                CHECK_INT(batch->prompt.mask[r * TEXT + t], t < n);
            }
            for (size_t t = 0; t < batch->opt.tokens; t++) {
                CHECK_INT(batch->opt.ids[r * batch->opt.tokens + t], t < n ? ids[t] : PAD);
                CHECK_INT(batch->opt.mask[r * batch->opt.tokens + t], t < n);
            }
            chosen[batch->index[r]][choice]++;
        }
    }
    for (int i = 0; i < 37; i++)
        both += chosen[i][0] > 0 && chosen[i][1] > 0;
    CHECK(both >= 36);
    bt_loader_close(l);
}

/* Stage 0: a quarter of the P-Former's tokens is hidden, never [CLS], never padding, and none of the language model's. */
static void test_hidden_tokens(void)
{
    struct bt_recipe recipe = recipe_of("stage0");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    int hidden = 0, all = 0;

    CHECK_OK(open_loader(&l, BT_STAGE_0, good, 1, &recipe, &err), &err);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int step = 0; step < 200; step++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        for (size_t r = 0; r < batch->size; r++) {
            CHECK_INT(batch->prompt.ids[r * TEXT], CLS);
            for (size_t t = 1; t < TEXT; t++) {
                all += batch->prompt.mask[r * TEXT + t];
                hidden += batch->prompt.ids[r * TEXT + t] == MASK;
                CHECK(batch->prompt.mask[r * TEXT + t] || batch->prompt.ids[r * TEXT + t] == 0);
            }
            for (size_t t = 0; t < batch->opt.tokens; t++)
                CHECK(batch->opt.ids[r * batch->opt.tokens + t] != MASK);
        }
    }
    CHECK_NEAR((double)hidden / all, 0.25, 0.04);
    bt_loader_close(l);
}

/* lm: a window begins with its document and goes on with those behind it, round the end. */
static void test_windows(void)
{
    struct bt_recipe recipe = recipe_of("lm");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;

    CHECK_OK(open_loader(&l, BT_STAGE_LM, good, 1, &recipe, &err), &err);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int step = 0; step < 9; step++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        CHECK_INT(batch->opt.tokens, 20);
        for (size_t r = 0; r < batch->size; r++) {
            int document = (int)batch->index[r];
            size_t at = 0;

            while (at < 20) {
                int32_t ids[16];
                size_t n = tokens(document, (int)(batch->opt.ids[r * 20 + at + (at + 2 < 20 ? 2 : 0)] == 71), ids);

                for (size_t k = 0; k < n && at < 20; k++, at++)
                    CHECK_INT(batch->opt.ids[r * 20 + at], ids[k]);
                document = (document + 1) % 37;
            }
            for (size_t t = 0; t < 20; t++)
                CHECK_INT(batch->opt.mask[r * 20 + t], 1);
        }
    }
    bt_loader_close(l);
}

/* ---- epochs ---- */

static void test_steps_of_an_epoch(void)
{
    static const struct { int64_t batch, steps_per_epoch, want; } cases[] = { { 4, 0, 9 }, { 37, 0, 1 }, { 38, 0, 0 }, { 38, 3, 3 }, { 4, 2, 2 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_recipe recipe = recipe_of("stage1");
        struct bt_loader *l = NULL;
        struct bt_err err = { 0 };

        recipe.batch = cases[i].batch;
        recipe.steps_per_epoch = cases[i].steps_per_epoch;
        if (cases[i].want) {
            CHECK_OK(open_loader(&l, BT_STAGE_1, good, 1, &recipe, &err), &err);
            CHECK_INT(bt_loader_steps(l), cases[i].want);
        } else {
            CHECK_INT(open_loader(&l, BT_STAGE_1, good, 1, &recipe, &err), BT_ERR_CONFIG);
            CHECK_STR(err.text, "data: 0 steps per epoch: 37 samples, batch 38; use a smaller batch or more data");
        }
        bt_loader_close(l);
    }
}

/* A batch larger than the data: positions run on over passes, and each pass is whole. */
static void test_fewer_samples_than_a_batch(void)
{
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    int seen[6] = { 0 };

    recipe.batch = 9;
    recipe.steps_per_epoch = 2;
    CHECK_OK(open_loader(&l, BT_STAGE_1, good + 1, 1, &recipe, &err), &err);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int step = 0; step < 2; step++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        for (size_t r = 0; r < batch->size; r++)
            seen[batch->index[r]]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK_INT(seen[i], 3);
    bt_loader_close(l);
}

static void test_identity(void)
{
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_err err = { 0 };
    char identity[3][65];
    const char *turned[] = { good[1], good[0] };

    for (int i = 0; i < 3; i++) {
        struct bt_loader *l = NULL;

        CHECK_OK(open_loader(&l, BT_STAGE_1, i == 2 ? turned : good, i ? 2 : 1, &recipe, &err), &err);
        snprintf(identity[i], sizeof identity[i], "%s", bt_loader_identity(l));
        CHECK_INT(strlen(identity[i]), 64);
        bt_loader_close(l);
    }
    CHECK(strcmp(identity[0], identity[1]) != 0 && strcmp(identity[1], identity[2]) != 0);
}

/* ---- the tower's output ---- */

static int first_pixel(void *context, const float *images, size_t count, float *out, struct bt_err *err)
{
    (void)err;
    *(size_t *)context += count;
    for (size_t i = 0; i < count; i++)
        out[2 * i] = out[2 * i + 1] = images[i * 3 * SIDE * SIDE];
    return BT_OK;
}

static void test_cached_tower(void)
{
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    size_t computed = 0;

    CHECK_OK(open_loader(&l, BT_STAGE_1, good, 2, &recipe, &err), &err);
    CHECK_OK(bt_loader_cache_tower(l, 2, first_pixel, &computed, &err), &err);
    CHECK_INT(computed, 43);
    CHECK_OK(bt_loader_start(l, 0, &err), &err);
    for (int step = 0; step < 20; step++) {
        CHECK_OK(bt_loader_next(l, &batch, &err), &err);
        CHECK(batch->images == NULL);
        for (size_t r = 0; r < batch->size; r++) {
            uint64_t number = batch->index[r] < 37 ? batch->index[r] : batch->index[r] - 37;

            CHECK_NEAR(batch->tower[2 * r + 1], ((double)number / 255 - 0.48145466) / 0.26862954, 1e-5);
        }
    }
    bt_loader_close(l);
}

/* Crops, flips and RandomAugment are drawn anew in each pass, and are the same when the run starts elsewhere. */
static void test_augmentation(void)
{
    enum { OFF, CROPS, RANDOM, KINDS, PASSES = 8, FROM = 3 };
    static const struct bt_writer_options options = { .schema = &bt_schema_tokens };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_err err = { 0 };
    const char *path = scratch("jpeg.lmdb");
    char *jpeg = NULL;
    size_t size = 0;
    uint8_t passes[KINDS][PASSES][32];
    int changed = 0;

    CHECK_OK(bt_file_read("tests/golden/images/decode/jpeg_444_q90.jpg", 1 << 20, &jpeg, &size, &err), &err);
    CHECK_OK(bt_writer_open(&w, path, &options, &err), &err);
    CHECK_OK(bt_record_set_str(rec, "id", "a", 1, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "image", jpeg, size, &err), &err);
    pack_captions(rec, "captions.bert", 1, GOOD);
    CHECK_OK(bt_writer_put(w, rec, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
    free(jpeg);
    recipe.batch = 1;
    for (int kind = 0; kind < KINDS; kind++) {
        const char *data[] = { path };
        const struct bt_batch *batch;

        recipe.augment = kind != OFF;
        strcpy(recipe.random_augment, kind == RANDOM ? "as-run" : "none");
        for (int from = 0; from <= FROM; from += FROM) {
            struct bt_loader *l = NULL;

            CHECK_OK(open_loader(&l, BT_STAGE_1, data, 1, &recipe, &err), &err);
            CHECK_OK(bt_loader_start(l, from, &err), &err);
            for (int k = from; k < PASSES; k++) {
                uint8_t sha[32];

                CHECK_OK(bt_loader_next(l, &batch, &err), &err);
                bt_sha256(batch->images, 3 * SIDE * SIDE * sizeof *batch->images, sha);
                CHECK(from == 0 || memcmp(passes[kind][k], sha, 32) == 0);
                memcpy(passes[kind][k], sha, 32);
            }
            bt_loader_close(l);
        }
        for (int k = 1; k < PASSES; k++)
            CHECK((memcmp(passes[kind][0], passes[kind][k], 32) != 0) == (kind != OFF));
    }
    for (int k = 0; k < PASSES; k++)
        changed += memcmp(passes[CROPS][k], passes[RANDOM][k], 32) != 0;
    CHECK(changed > 0 && changed < PASSES); /* two of five draws leave the picture as it is */
}

/* ---- what cannot be trained on ---- */

static void check_refused(const char *name, enum bt_stage stage, enum spoil spoil, const char *message)
{
    const char *data[] = { good[0], set_of(name, 9, spoil) };
    struct bt_recipe recipe = recipe_of(bt_stage_name(stage));
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    char want[300];
    int rc;

    snprintf(want, sizeof want, "%s:record 5: %s", data[1], message);
    CHECK_OK(open_loader(&l, stage, data, 2, &recipe, &err), &err);
    rc = bt_loader_start(l, 0, &err);
    for (int step = 0; step < 22 && !rc; step++) /* two passes: one may leave it out */
        rc = bt_loader_next(l, &batch, &err);
    CHECK_INT(rc, BT_ERR_INPUT);
    CHECK(strncmp(err.text, want, strlen(want)) == 0);
    if (strncmp(err.text, want, strlen(want)) != 0)
        printf("# %s\n", err.text);
    bt_loader_close(l);
}

static void test_bad_records_are_named(void)
{
    check_refused("long.lmdb", BT_STAGE_1, TOO_LONG, "9 'bert' tokens, but max_text is 8; ");
    check_refused("range.lmdb", BT_STAGE_2, OUT_OF_RANGE, "token 100 but vocab is 100; ");
    check_refused("opt.lmdb", BT_STAGE_2, NO_OPT, "no 'opt' tokens of captions, answer or text; run bt-tokenize");
    check_refused("picture.lmdb", BT_STAGE_1, NO_PICTURE, "no 'image', and no 'pixels' of side 16; ");
    check_refused("captions.lmdb", BT_STAGE_0, NO_CAPTIONS, "no captions; ");
}

static void test_a_caption_that_is_no_row(void)
{
    const char *data[] = { set_of("row.lmdb", 9, NOT_A_ROW) };
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };
    const struct bt_batch *batch;
    int rc = open_loader(&l, BT_STAGE_1, data, 1, &recipe, &err);

    if (!rc)
        rc = bt_loader_start(l, 0, &err);
    for (int step = 0; step < 6 && !rc; step++)
        rc = bt_loader_next(l, &batch, &err);
    CHECK_INT(bt_exit_status(rc), 65);
    CHECK(strstr(err.text, "row.lmdb:record 5: ") != NULL);
    bt_loader_close(l);
}

static void test_what_the_model_cannot_take(void)
{
    struct bt_recipe recipe = recipe_of("stage1");
    struct bt_config config = small;
    struct bt_loader_options o = { .data = good, .data_count = 1, .stage = BT_STAGE_1, .aligned = true, .config = &config, .recipe = &recipe };
    struct bt_loader *l = NULL;
    struct bt_err err = { 0 };

    recipe.max_text = 7;
    CHECK_INT(bt_loader_open(&l, &o, &err), BT_ERR_CONFIG);
    CHECK(strstr(err.text, "max_text 7") != NULL && strstr(err.text, "8 queries") != NULL);
    bt_err_clear(&err);
    recipe.max_text = TEXT;
    config.dec = VOCAB;
    CHECK_INT(bt_loader_open(&l, &o, &err), BT_ERR_CONFIG);
    CHECK(strstr(err.text, "tokens.dec") != NULL);
    bt_err_clear(&err);
    o.stage = BT_STAGE_VISION;
    CHECK_INT(bt_loader_open(&l, &o, &err), BT_ERR_USAGE);
    bt_err_clear(&err);
    o.labels = scratch_text("words.txt", "red\t0\nblue\t4\n"); /* of four classes */
    CHECK_INT(bt_loader_open(&l, &o, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "words.txt:2:") != NULL);
    CHECK(l == NULL);
}

int main(void)
{
    static char paths[2][512];

    scratch_begin();
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", set_of(i ? "six.lmdb" : "good.lmdb", i ? 6 : 37, GOOD));
        good[i] = paths[i];
    }
    RUN(test_batches_do_not_depend_on_where_a_run_starts);
    RUN(test_a_pass_has_every_sample_at_most_once);
    RUN(test_captions_are_chosen_together);
    RUN(test_hidden_tokens);
    RUN(test_windows);
    RUN(test_steps_of_an_epoch);
    RUN(test_fewer_samples_than_a_batch);
    RUN(test_identity);
    RUN(test_cached_tower);
    RUN(test_augmentation);
    RUN(test_bad_records_are_named);
    RUN(test_a_caption_that_is_no_row);
    RUN(test_what_the_model_cannot_take);
    scratch_end();
    return test_end();
}
