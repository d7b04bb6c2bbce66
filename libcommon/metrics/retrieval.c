#include "libcommon/metrics/retrieval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/metrics/input.h"
#include "libcommon/tensor/safetensors.h"

static const size_t depths[BT_RECALLS] = { 1, 5, 10 };

/* ---------------------------------------------------------------- pairs */

struct pairs {
    uint64_t images, texts, capacity, text_capacity;
    uint64_t *first; /* [images + 1]: where the texts of an image begin in `text` */
    int64_t *text;   /* numbers of texts, by image */
    int64_t *image;  /* [texts], the other way round */
};

static void free_pairs(struct pairs *p)
{
    free(p->first);
    free(p->text);
    free(p->image);
}

/* One more image, whose texts are those added since the last. */
static int end_image(struct pairs *p, struct bt_err *err)
{
    int rc = bt_grow(&p->first, &p->capacity, p->images + 2, sizeof *p->first, err);
    if (rc)
        return rc;
    if (p->images == 0)
        p->first[0] = 0;
    if (p->texts == p->first[p->images])
        return bt_fail(err, BT_ERR_INPUT, "no texts; every image needs one");
    p->first[++p->images] = p->texts;
    return BT_OK;
}

static int add_text(struct pairs *p, int64_t number, struct bt_err *err)
{
    int rc = bt_grow(&p->text, &p->text_capacity, p->texts + 1, sizeof *p->text, err);
    if (!rc)
        p->text[p->texts++] = number;
    return rc;
}

/* An element of img2txt: an array of numbers. */
static int listed(struct pairs *p, const json_t *texts, struct bt_err *err)
{
    const json_t *number;
    size_t i;
    int rc =
        json_is_array(texts) ? BT_OK : bt_fail(err, BT_ERR_INPUT, "not an array of the numbers of texts");
    json_array_foreach(texts, i, number) if (!rc) rc =
        json_is_integer(number) ? add_text(p, json_integer_value(number), err)
                                : bt_fail(err, BT_ERR_INPUT, "not an array of the numbers of texts");
    return rc ? rc : end_image(p, err);
}

/* An annotation of LAVIS: `caption` is one text or several. */
static int annotated(struct pairs *p, const json_t *annotation, struct bt_err *err)
{
    const json_t *caption = json_object_get(annotation, "caption");
    size_t count = json_is_array(caption) ? json_array_size(caption) : json_is_string(caption);
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_text(p, (int64_t)p->texts, err);
    return rc ? rc : end_image(p, err);
}

/* Turns the lists round: each text belongs to one image. */
static int invert(struct pairs *p, struct bt_err *err)
{
    p->image = bt_alloc(p->texts, sizeof *p->image, err);
    if (!p->image)
        return BT_ERR_MEMORY;
    for (uint64_t t = 0; t < p->texts; t++)
        p->image[t] = -1;
    for (uint64_t i = 0; i < p->images; i++)
        for (uint64_t k = p->first[i]; k < p->first[i + 1]; k++) {
            int64_t t = p->text[k];
            if (t < 0 || (uint64_t)t >= p->texts)
                return bt_fail(err, BT_ERR_INPUT, "image %llu has text %lld, but there are %llu",
                               (unsigned long long)i, (long long)t, (unsigned long long)p->texts);
            if (p->image[t] >= 0)
                return bt_fail(err, BT_ERR_INPUT, "text %lld belongs to two images; it must belong to one",
                               (long long)t);
            p->image[t] = (int64_t)i;
        }
    return BT_OK;
}

static int load_pairs(struct pairs *p, const char *path, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    enum bt_input kind;
    json_t *element;
    int rc = bt_input_detect(path, &kind, err);
    const bool object = kind == BT_INPUT_OBJECT;
    if (!rc && !object && kind != BT_INPUT_ARRAY)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: neither an object with img2txt nor an array of annotations",
                     bt_input_name(path));
    if (!rc)
        rc = bt_json_array_open(&array, path, object ? "img2txt" : NULL, err);
    while (!rc && (rc = bt_json_array_next(array, &element, err)) == BT_OK) {
        rc = object ? listed(p, element, err) : annotated(p, element, err);
        json_decref(element);
        if (rc)
            bt_context(err, "%s: image %llu", bt_input_name(path),
                       (unsigned long long)bt_json_array_index(array));
    }
    bt_json_array_close(array);
    if (rc == BT_END)
        rc = p->images > 0 ? invert(p, err) : bt_fail(err, BT_ERR_INPUT, "no images; nothing can be scored");
    return rc && p->image ? bt_context(err, "%s", bt_input_name(path)) : rc;
}

/* Pairs that the scores bring along: the image of each text. */
static int own_pairs(struct pairs *p, const struct bt_safetensors *st, struct bt_err *err)
{
    const struct bt_st_tensor *of_text = bt_safetensors_find(st, "txt2img"), *scores = bt_safetensors_find(st, "scores_i2t");
    uint64_t texts = of_text ? of_text->count : 0, images = scores && scores->rank == 2 ? scores->shape[0] : 0;
    int64_t *image = bt_alloc(texts, sizeof *image, err);
    int rc = image ? BT_OK : BT_ERR_MEMORY;

    if (!rc && !of_text)
        rc = bt_fail(err, BT_ERR_USAGE, "--refs: missing, and %s has no txt2img; give the file that says which texts belong to which "
                     "image", bt_safetensors_path(st));
    if (!rc)
        rc = bt_safetensors_read_i64(st, of_text, image, err);
    for (uint64_t i = 0; i < images && !rc; i++) {
        for (uint64_t t = 0; t < texts && !rc; t++)
            if (image[t] == (int64_t)i)
                rc = add_text(p, (int64_t)t, err);
        rc = rc ? rc : end_image(p, err);
    }
    free(image);
    if (!rc && p->texts != texts)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: txt2img names an image that has no row", bt_safetensors_path(st));
    return rc ? rc : invert(p, err);
}

/* ---------------------------------------------------------------- ranks */

/* Whether a score comes before another in descending order, apart from its place. */
static bool above(float a, float b)
{
    return isnan(a) ? !isnan(b) : a > b;
}

static bool equal(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* How many of a row come before entry `own`: at least, with the order taken here, and at most. */
struct rank {
    size_t least, taken, most;
};

static struct rank rank_of(const float *row, size_t count, size_t own)
{
    struct rank r = { 0, 0, 0 };
    for (size_t i = 0; i < count; i++) {
        bool before = above(row[i], row[own]), same = i != own && equal(row[i], row[own]);
        r.least += before;
        r.taken += before || (same && i > own);
        r.most += before || same;
    }
    return r;
}

static void count_rank(struct rank r, double hits[BT_RECALLS], size_t *tied)
{
    bool depends = false;
    for (int k = 0; k < BT_RECALLS; k++) {
        hits[k] = r.taken < depths[k] ? 100 : 0;
        depends = depends || (r.least < depths[k]) != (r.most < depths[k]);
    }
    *tied += depends;
}

/* The best rank of an image's own texts. */
static struct rank best_text(const struct pairs *p, uint64_t image, const float *row)
{
    struct rank best = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
    for (uint64_t k = p->first[image]; k < p->first[image + 1]; k++) {
        struct rank r = rank_of(row, p->texts, (size_t)p->text[k]);
        best.least = r.least < best.least ? r.least : best.least;
        best.taken = r.taken < best.taken ? r.taken : best.taken;
        best.most = r.most < best.most ? r.most : best.most;
    }
    return best;
}

static int find_matrix(const struct bt_safetensors *st, const char *name, uint64_t rows, uint64_t columns,
                       const struct bt_st_tensor **t, struct bt_err *err)
{
    *t = bt_safetensors_find(st, name);
    if (!*t)
        return bt_fail(err, BT_ERR_INPUT, "%s: no tensor %s; it holds scores_i2t and scores_t2i",
                       bt_safetensors_path(st), name);
    if ((*t)->rank != 2 || (*t)->shape[0] != rows || (*t)->shape[1] != columns)
        return bt_fail(err, BT_ERR_INPUT, "%s: %s is not [%llu][%llu], as the pairs ask for",
                       bt_safetensors_path(st), name, (unsigned long long)rows, (unsigned long long)columns);
    return BT_OK;
}

/* One row of a matrix at a time: the matrices of COCO take half a gigabyte each. */
static int read_row(const struct bt_safetensors *st, const struct bt_st_tensor *t, uint64_t row, float *out,
                    struct bt_err *err)
{
    struct bt_st_tensor part = *t;
    part.count = t->shape[1];
    part.bytes = t->bytes / t->shape[0];
    part.data = (const char *)t->data + row * part.bytes;
    return bt_safetensors_read(st, &part, out, err);
}

/* The entry that comes before all others. */
static size_t first_of(const float *row, size_t count)
{
    size_t first = 0;
    for (size_t i = 1; i < count; i++)
        if (!above(row[first], row[i]))
            first = i;
    return first;
}

/* hits: [rows][3], queries: [rows]. */
static int rank_rows(const struct bt_safetensors *st, const struct bt_st_tensor *t, const struct pairs *p,
                     bool images, double *hits, struct bt_retrieval_query *queries, size_t *tied, struct bt_err *err)
{
    uint64_t rows = images ? p->images : p->texts, columns = images ? p->texts : p->images;
    float *row = bt_alloc(columns, sizeof *row, err);
    int rc = row ? BT_OK : BT_ERR_MEMORY;
    for (uint64_t i = 0; !rc && i < rows; i++) {
        rc = read_row(st, t, i, row, err);
        if (rc)
            break;
        struct rank rank = images ? best_text(p, i, row) : rank_of(row, columns, (size_t)p->image[i]);
        count_rank(rank, hits + i * BT_RECALLS, tied);
        queries[i] = (struct bt_retrieval_query){ rank.taken + 1, first_of(row, columns) };
    }
    free(row);
    return rc;
}

static void sum_up(const double *hits, size_t rows, double recall[BT_RECALLS])
{
    for (int k = 0; k < BT_RECALLS; k++) {
        size_t found = 0;
        for (size_t i = 0; i < rows; i++)
            found += hits[i * BT_RECALLS + (size_t)k] > 0;
        recall[k] = 100.0 * (double)found / (double)rows;
    }
}

static uint64_t hash_pairs(const struct pairs *p)
{
    return bt_xxh64(p->image, p->texts * sizeof *p->image);
}

int bt_retrieval_score(const char *scores, const char *pairs, struct bt_retrieval_scores *result,
                       struct bt_err *err)
{
    struct bt_retrieval_scores made = { 0 };
    struct bt_safetensors *st = NULL;
    const struct bt_st_tensor *i2t = NULL, *t2i = NULL;
    struct pairs p = { 0 };

    int rc = bt_safetensors_open(&st, scores, err);
    if (!rc)
        rc = pairs ? load_pairs(&p, pairs, err) : own_pairs(&p, st, err);
    if (!rc)
        rc = find_matrix(st, "scores_i2t", p.images, p.texts, &i2t, err);
    if (!rc)
        rc = find_matrix(st, "scores_t2i", p.texts, p.images, &t2i, err);
    if (!rc) {
        made.text_hits = bt_alloc(p.images * BT_RECALLS, sizeof *made.text_hits, err);
        made.image_hits = bt_alloc(p.texts * BT_RECALLS, sizeof *made.image_hits, err);
        made.queries = bt_alloc(p.images + p.texts, sizeof *made.queries, err);
        rc = made.text_hits && made.image_hits && made.queries ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc)
        rc = rank_rows(st, i2t, &p, true, made.text_hits, made.queries, &made.tied, err);
    if (!rc)
        rc = rank_rows(st, t2i, &p, false, made.image_hits, made.queries + p.images, &made.tied, err);
    if (rc) {
        bt_retrieval_scores_free(&made);
    } else {
        made.images = p.images;
        made.texts = p.texts;
        sum_up(made.text_hits, made.images, made.text);
        sum_up(made.image_hits, made.texts, made.image);
        made.data = hash_pairs(&p);
        made.image_of = p.image;
        p.image = NULL;
        *result = made;
    }
    bt_safetensors_close(st);
    free_pairs(&p);
    return rc;
}

void bt_retrieval_scores_free(struct bt_retrieval_scores *scores)
{
    free(scores->text_hits);
    free(scores->image_hits);
    free(scores->queries);
    free(scores->image_of);
    *scores = (struct bt_retrieval_scores){ 0 };
}
