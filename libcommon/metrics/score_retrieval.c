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
    for (int k = 0; k < ROWS; k++)
        rows[k] = (struct bt_report_row){ scoring_text(names[k]), values[k], -1, -1 };
}

static int score(struct scoring *s, struct bt_err *err)
{
    struct bt_retrieval_scores scores;
    struct bt_report_row *rows = scoring_take(s, ROWS, sizeof *rows, err);
    int rc = rows ? bt_retrieval_score(s->o->input, s->o->refs, &scores, err) : BT_ERR_MEMORY;
    if (rc)
        return rc;
    fill_rows(&scores, rows);
    s->report = (struct bt_report){ .value_title = "recall",
                                    .decimals = 2,
                                    .top = { .rows = rows, .count = ROWS },
                                    .total_key = "images",
                                    .total = scores.images };
    if (scores.tied > 0)
        bt_note("%zu of %zu rankings hang on equal scores, whose order is arbitrary", scores.tied,
                scores.images + scores.texts);
    rc = bt_buf_printf(&s->signature, err, "bt-score|metric:recall|texts:%zu", scores.texts);
    return rc ? rc : scoring_print(s, scores.data, err);
}

int bt_score_retrieval(const struct bt_score_options *o, struct bt_err *err)
{
    struct scoring s;
    int rc = scoring_open(&s, o, BT_DUPLICATES_ERROR, err);
    if (!rc && !o->refs)
        rc = bt_fail(err, BT_ERR_USAGE,
                     "--refs: missing; give the file that says which texts belong to which image");
    if (!rc)
        rc = score(&s, err);
    scoring_close(&s);
    return rc;
}
