/* Pictures and captions of a set against each other. Source: models.md 9.1; data.md 6, 9.5. */
#include "libcommon/generate/retrieval.h"

#include <stdlib.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/generate/stored_picture.h"
#include "libcommon/stream/stream.h"
#include "libcommon/tensor/safetensors.h"
#include "libcommon/text/clean.h"

struct retrieval {
    const struct bt_retrieval_options *o;
    struct bt_matcher *matcher;
    /* Read and not looked at yet: at most a batch of each. */
    float *chw;
    int32_t *row, *mask;
    size_t pictures_waiting, texts_waiting;
    struct bt_ids ids;
    struct bt_buf text;
    int64_t *image_of; /* of each text */
    uint64_t images, texts, room;
};

static int look(struct retrieval *r, struct bt_err *err)
{
    size_t count = r->pictures_waiting;

    r->pictures_waiting = 0;
    return bt_matcher_add_images(r->matcher, r->chw, count, err);
}

static int read_texts(struct retrieval *r, struct bt_err *err)
{
    size_t count = r->texts_waiting;

    r->texts_waiting = 0;
    return bt_matcher_add_texts(r->matcher, r->row, r->mask, count, err);
}

static int add_text(struct retrieval *r, struct bt_value caption, struct bt_err *err)
{
    size_t tokens = r->o->tokens;
    int rc;

    if (caption.kind != BT_STR)
        return bt_fail(err, BT_ERR_INPUT, "a caption is not a text");
    r->text.size = 0;
    rc = bt_clean_caption(&r->text, caption.data, caption.size, NULL, BT_CLEAN_MAX_WORDS, err);
    if (!rc)
        rc = bt_tokenizer_encode(r->o->tokenizer, r->text.size ? r->text.data : "", r->text.size, true, (int64_t)tokens, &r->ids,
                                 err);
    if (!rc)
        rc = bt_grow(&r->image_of, &r->room, r->texts + 1, sizeof *r->image_of, err);
    if (rc)
        return rc;

    size_t at = r->texts_waiting++ * tokens;

    bt_tokenizer_pad(r->o->tokenizer, r->ids.data, r->ids.count, false, r->row + at, r->mask + at, tokens);
    r->image_of[r->texts++] = (int64_t)r->images - 1;
    return r->texts_waiting == r->o->batch ? read_texts(r, err) : BT_OK;
}

static int add_record(struct retrieval *r, const struct bt_record *rec, struct bt_err *err)
{
    struct bt_value captions = bt_record_get(rec, "captions"), caption = bt_record_get(rec, "caption");
    size_t side = r->o->vlm->config.vit.image_size;
    struct bt_stored_picture picture;
    const char *code;
    int rc = bt_stored_picture_of(rec, &picture, err);

    if (!rc)
        rc = bt_stored_picture_tensor(&picture, side, r->chw + r->pictures_waiting * 3 * side * side, &code, err);
    if (rc)
        return rc;
    r->images++;
    if (++r->pictures_waiting == r->o->batch)
        rc = look(r, err);
    if (!rc && captions.kind != BT_ARRAY && caption.kind == BT_ABSENT)
        rc = bt_fail(err, BT_ERR_INPUT, "no captions; retrieval needs pictures with theirs");
    for (size_t i = 0; captions.kind == BT_ARRAY && i < captions.size && !rc; i++)
        rc = add_text(r, bt_value_at(captions, i), err);
    return !rc && captions.kind != BT_ARRAY ? add_text(r, caption, err) : rc;
}

static int read_all(struct retrieval *r, struct bt_err *err)
{
    static const struct bt_schema *const schemas[] = { &bt_schema_sample, &bt_schema_tokens, NULL };
    struct bt_reader *reader = NULL;
    struct bt_record *rec = bt_record_new();
    struct bt_progress progress;
    uint64_t done = 0;
    int rc = rec ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "retrieval: out of memory");

    if (!rc)
        rc = bt_reader_open(&reader, r->o->input, &(struct bt_reader_options){ .schemas = schemas }, err);
    bt_progress_start(&progress, "retrieval", "pictures", 0, reader ? bt_reader_count(reader) : 0);
    while (!rc && !(rc = bt_reader_next(reader, rec, err))) {
        if ((rc = add_record(r, rec, err)))
            bt_context(err, "%s", bt_reader_place(reader));
        bt_progress_update(&progress, ++done, NULL);
        if (!rc && bt_stop_requested())
            rc = bt_fail(err, BT_ERR_STOPPED, "stopped on request");
    }
    if (rc == BT_END && !(rc = look(r, err)))
        rc = read_texts(r, err);
    if (!rc)
        bt_progress_finish(&progress);
    if (!rc && !r->texts)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no pictures with captions", r->o->input);
    bt_record_free(rec);
    bt_reader_close(reader);
    return rc;
}

static int write_scores(const struct retrieval *r, struct bt_outfile *out, const float *i2t, const float *t2i, struct bt_err *err)
{
    uint64_t images = r->images, texts = r->texts;
    const struct bt_st_tensor tensors[] = {
        { .name = "scores_i2t", .dtype = BT_DTYPE_F32, .rank = 2, .shape = { images, texts }, .data = i2t },
        { .name = "scores_t2i", .dtype = BT_DTYPE_F32, .rank = 2, .shape = { texts, images }, .data = t2i },
        { .name = "txt2img", .dtype = BT_DTYPE_I64, .rank = 1, .shape = { texts }, .data = r->image_of },
    };

    return bt_safetensors_write(out, tensors, sizeof tensors / sizeof *tensors, NULL, 0, NULL, NULL, err);
}

static int score(struct retrieval *r, struct bt_outfile *out, struct bt_err *err)
{
    size_t images = r->images, texts = r->texts;
    float *similarity = bt_alloc(images * texts, sizeof *similarity, err);
    float *i2t = bt_alloc(images * texts, sizeof *i2t, err), *t2i = bt_alloc(images * texts, sizeof *t2i, err);
    int rc = err->status;

    if (!rc)
        rc = bt_matcher_similarity(r->matcher, similarity, err);
    if (!rc && r->o->top)
        rc = bt_matcher_scores(r->matcher, similarity, r->o->top, i2t, t2i, err);
    for (size_t k = 0; k < images * texts && !rc && !r->o->top; k++)
        t2i[k % texts * images + k / texts] = similarity[k];
    if (!rc)
        rc = write_scores(r, out, r->o->top ? i2t : similarity, t2i, err);
    free(similarity);
    free(i2t);
    free(t2i);
    return rc;
}

int bt_retrieve(const struct bt_retrieval_options *o, struct bt_err *err)
{
    size_t side = o->vlm->config.vit.image_size;
    struct retrieval r = { .o = o };
    struct bt_outfile out = { 0 };
    int rc;

    if (bt_tokenizer_token(o->tokenizer, BT_TOKEN_SEP) < 0)
        return bt_fail(err, BT_ERR_CONFIG, "tokenizer: has no [SEP], which ends a text here; use that of BERT");
    r.chw = bt_alloc(o->batch * 3 * side * side, sizeof *r.chw, err);
    r.row = bt_alloc(o->batch * o->tokens, sizeof *r.row, err);
    r.mask = bt_alloc(o->batch * o->tokens, sizeof *r.mask, err);
    rc = err->status;
    if (!rc)
        rc = bt_matcher_new(&r.matcher, o->vlm, o->tokens, o->batch, err);
    if (!rc)
        rc = bt_outfile_open(&out, o->output, o->force, err);
    if (!rc)
        rc = read_all(&r, err);
    if (!rc)
        rc = score(&r, &out, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    bt_matcher_free(r.matcher);
    free(r.chw);
    free(r.row);
    free(r.mask);
    free(r.image_of);
    bt_ids_free(&r.ids);
    bt_buf_free(&r.text);
    return rc;
}
