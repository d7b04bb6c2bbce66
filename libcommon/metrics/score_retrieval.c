/* Score matrices from files to a report. */
#include <stdlib.h>

#include "libcommon/base/log.h"
#include "libcommon/metrics/retrieval.h"
#include "libcommon/metrics/scoring.h"

#define ROWS 10

/* The names and the order are LAVIS's; agg_metrics is the mean of text retrieval. */
static void fill_rows(const struct bt_retrieval_scores *scores, struct bt_report_row rows[ROWS])
{
    static const char *const names[ROWS] = { "txt_r1", "txt_r5",  "txt_r10",    "txt_r_mean", "img_r1",
                                             "img_r5", "img_r10", "img_r_mean", "r_mean",     "agg_metrics" };
    const double *t = scores->text, *i = scores->image;
    const double text_mean = (t[0] + t[1] + t[2]) / 3, image_mean = (i[0] + i[1] + i[2]) / 3;
    const double values[ROWS] = {
        t[0], t[1], t[2], text_mean, i[0], i[1], i[2], image_mean, (text_mean + image_mean) / 2, text_mean
    };
    static const int columns[ROWS] = { 0, 1, 2, -1, 3, 4, 5, -1, -1, -1 }; /* of both parts of sample() */
    for (int k = 0; k < ROWS; k++)
        rows[k] = (struct bt_report_row){ bt_scoring_text(names[k]), values[k], -1, columns[k] };
}

static struct bt_items rows_of(const double *hits, size_t count)
{
    return (struct bt_items){
        .count = count, .column_count = BT_RECALLS, .columns = { "r1", "r5", "r10" }, .values = hits
    };
}

/* Every image, then every text, as an item of its own. */
struct queries {
    const struct bt_retrieval_scores *scores;
    struct bt_join *join;
    int32_t *numbers;
    double *ranks;
};

static void free_queries(struct queries *q)
{
    bt_join_free(q->join);
    free(q->numbers);
    free(q->ranks);
}

/* "image 3", as an id is written. */
static int name(struct bt_buf *buf, const char *noun, size_t number, struct bt_err *err)
{
    buf->size = 0;
    return bt_buf_printf(buf, err, "\"%s %zu\"", noun, number);
}

static struct bt_text unquoted(const struct bt_buf *buf)
{
    return (struct bt_text){ buf->data + 1, buf->size - 2 };
}

static int add_query(struct queries *q, size_t i, struct bt_buf *buf, struct bt_err *err)
{
    const bool image = i < q->scores->images;
    int rc = name(buf, image ? "image" : "text", image ? i : i - q->scores->images, err);
    if (!rc)
        rc = bt_join_expect(q->join, (struct bt_text){ buf->data, buf->size }, &q->numbers[i], NULL, err);
    const struct bt_text id = rc ? (struct bt_text){ NULL, 0 } : bt_join_id(q->join, q->numbers[i]);
    if (!rc)
        rc = name(buf, image ? "text" : "image", q->scores->queries[i].first, err);
    if (!rc)
        rc = bt_join_result(q->join, id, unquoted(buf), err);
    q->ranks[i] = (double)q->scores->queries[i].rank;
    return rc;
}

static int make_queries(struct queries *q, const struct bt_retrieval_scores *scores, struct bt_err *err)
{
    const size_t count = scores->images + scores->texts;
    struct bt_buf buf = { 0 };
    *q = (struct queries){ scores, bt_join_new("query"), bt_alloc(count, sizeof *q->numbers, err),
                           bt_alloc(count, sizeof *q->ranks, err) };
    int rc = q->join && q->numbers && q->ranks ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for the queries");
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_query(q, i, &buf, err);
    bt_buf_free(&buf);
    return rc;
}

/* The right answers: an image's texts, a text's image. Queries were numbered as they stand. */
static const struct bt_text *right_answers(const void *set, int32_t number, struct bt_arena *arena, int32_t *count)
{
    const struct bt_retrieval_scores *scores = ((const struct queries *)set)->scores;
    const bool image = (size_t)number < scores->images;
    struct bt_buf buf = { 0 };
    struct bt_text *texts = NULL;
    *count = image ? 0 : 1;
    for (size_t t = 0; image && t < scores->texts; t++)
        *count += scores->image_of[t] == number;
    texts = bt_arena_take(arena, (uint64_t)*count, sizeof *texts);
    for (size_t t = image ? 0 : (size_t)number - scores->images, n = 0; texts && n < (size_t)*count; t++) {
        if (image && scores->image_of[t] != number)
            continue;
        int rc = name(&buf, image ? "text" : "image", image ? t : (size_t)scores->image_of[t], NULL);
        const char *copy = rc ? NULL : bt_arena_str(arena, buf.data + 1, buf.size - 2);
        texts[n++] = (struct bt_text){ copy, copy ? buf.size - 2 : 0 };
        if (!copy)
            texts = NULL;
    }
    bt_buf_free(&buf);
    return texts;
}

/* The worst queries and the records per query; of samples images and texts are drawn apart. */
static int finish(struct bt_scoring *s, const struct bt_retrieval_scores *mine,
                  const struct bt_retrieval_scores *other, struct bt_err *err)
{
    const struct bt_items items[] = { rows_of(mine->text_hits, mine->images),
                                      rows_of(mine->image_hits, mine->texts) };
    const struct bt_items others[] = { rows_of(other->text_hits, other->images),
                                       rows_of(other->image_hits, other->texts) };
    const struct bt_scoring_items parts[] = {
        { .items = &items[0], .other = s->o->compare ? &others[0] : NULL },
        { .items = &items[1], .other = s->o->compare ? &others[1] : NULL },
    };
    struct queries q;
    int rc = make_queries(&q, mine, err);
    const struct bt_items queries = { .join = q.join, .id_key = "query", .count = mine->images + mine->texts, .numbers = q.numbers,
                                      .column_count = 1, .columns = { "rank" }, .values = q.ranks };
    const struct bt_scoring_items with = { .items = &queries, .highest = true, .references = right_answers, .set = &q };
    if (!rc)
        rc = bt_scoring_finish_parts(s, &with, parts, 2, mine->data, err);
    free_queries(&q);
    return rc;
}

static int report(struct bt_scoring *s, const struct bt_retrieval_scores *scores, struct bt_err *err)
{
    struct bt_report_row *rows = bt_scoring_take(s, ROWS, sizeof *rows, err);
    if (!rows)
        return BT_ERR_MEMORY;
    fill_rows(scores, rows);
    s->report = (struct bt_report){ .value_title = "recall",
                                    .decimals = 2,
                                    .top = { .rows = rows, .count = ROWS },
                                    .id_key = "query",
                                    .value_key = "rank",
                                    .result_key = "first",
                                    .references_key = "right",
                                    .total_key = "images",
                                    .total = scores->images };
    if (scores->tied > 0)
        bt_note("%zu of %zu rankings hang on equal scores, whose order is arbitrary", scores->tied,
                scores->images + scores->texts);
    return bt_buf_printf(&s->signature, err, "bt-score|metric:recall|texts:%zu", scores->texts);
}

static int score(struct bt_scoring *s, struct bt_err *err)
{
    struct bt_retrieval_scores mine = { 0 }, other = { 0 };
    int rc = bt_retrieval_score(s->o->input, s->o->refs, &mine, err);
    if (!rc && s->o->compare)
        rc = bt_retrieval_score(s->o->compare, s->o->refs, &other, err);
    if (!rc)
        rc = report(s, &mine, err);
    if (!rc)
        rc = finish(s, &mine, &other, err);
    bt_retrieval_scores_free(&other);
    bt_retrieval_scores_free(&mine);
    return rc;
}

int bt_score_retrieval(const struct bt_score_options *o, struct bt_err *err)
{
    struct bt_scoring s;
    int rc = bt_scoring_open(&s, o, BT_DUPLICATES_ERROR, err);
    if (!rc)
        rc = score(&s, err);
    bt_scoring_close(&s);
    return rc;
}
