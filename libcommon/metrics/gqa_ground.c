/* GQA's grounding: how much attention lies on the objects that a question speaks of. */
#include "libcommon/metrics/gqa_private.h"

static double overlap(double low, double high, double from, double to)
{
    double width = (high < to ? high : to) - (low > from ? low : from);
    return width > 0 ? width : 0;
}

/* Every cell counts by the share of it that the box covers; boxes that overlap count twice. */
static double inside(const struct bt_gqa_question *q, const struct bt_gqa_box *box)
{
    const double side = q->side;
    double sum = 0;
    for (int32_t i = 0; i < q->side; i++) {
        double across = overlap(box->x0, box->x1, i / side, (i + 1) / side) * side;
        for (int32_t j = 0; across > 0 && j < q->side; j++)
            sum += q->attention[i * q->side + j] * across *
                   overlap(box->y0, box->y1, j / side, (j + 1) / side) * side;
    }
    return sum;
}

int bt_gqa_ground(const struct bt_gqa *set, const struct bt_gqa_question *q, struct bt_buf *scratch,
                  double *score, struct bt_err *err)
{
    *score = 0;
    if (!q->attention)
        return bt_fail(err, BT_ERR_INPUT, "no attention map for it; give one for every balanced question");
    for (int32_t i = 0; i < q->objects.count; i++) {
        struct bt_text image =
            q->image < 0 ? (struct bt_text){ "", 0 } : bt_intern_text(set->texts, q->image);
        struct bt_text object = bt_intern_text(set->texts, q->objects.items[i]);
        int rc = bt_gqa_box_name(scratch, image, object, err);
        if (rc)
            return rc;
        int32_t box = bt_intern_find(set->box_names, (struct bt_text){ scratch->data, scratch->size });
        if (box < 0)
            return bt_fail(err, BT_ERR_INPUT,
                           "object %s is not in the scene of image %s; give the scenes that "
                           "belong to the questions with --scenes",
                           bt_quote(object.data, object.size), bt_quote(image.data, image.size));
        *score += inside(q, &set->boxes[box]);
    }
    return BT_OK;
}
