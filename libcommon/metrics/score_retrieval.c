/* Score matrices from files to a report. */
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

/* Images and texts are drawn apart. */
static int sample(struct bt_scoring *s, const struct bt_retrieval_scores *mine,
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
    return bt_scoring_sample(s, parts, 2, err);
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
        rc = sample(s, &mine, &other, err);
    if (!rc)
        rc = bt_scoring_print(s, mine.data, err);
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
