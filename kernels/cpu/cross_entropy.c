#include "kernels/cross_entropy.h"

#include <math.h>

#include "kernels/cpu/grid.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/vec.h"

#define CHUNK    ((size_t)1 << 23) /* logits that the linear form holds at most, or ROWS_MIN rows of them */
#define ROWS_MIN ((size_t)64)

struct labels {
    const int32_t *label; /* [rows, per_row] */
    size_t per_row;
    float smoothing;
};

static size_t row_labels(const struct labels *l, size_t r)
{
    size_t count = 0;

    for (size_t i = 0; i < l->per_row; i++)
        count += l->label[r * l->per_row + i] != BT_IGNORE;
    return count;
}

static size_t labelled_rows(const struct labels *l, size_t rows)
{
    size_t count = 0;

    for (size_t r = 0; r < rows; r++)
        count += row_labels(l, r) > 0;
    return count;
}

static float log_sum_exp(const float *z, size_t n)
{
    float most = bt_vec_max(z, n), sum = 0.0f;

    #pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += bt_vec_exp(z[i] - most);
    return most + logf(sum);
}

/* lse and loss of rows; labels begin at the first of them. */
static void forward_rows(struct bt_queue *q, float *row_loss, float *lse, const float *logits,
                         const struct labels *l, size_t rows, size_t classes)
{
    #pragma omp parallel for num_threads(q->threads) if (rows * classes > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        const float *z = logits + r * classes;
        const int32_t *label = l->label + r * l->per_row;
        size_t count = row_labels(l, r);
        double of_labels = 0, of_classes = 0;

        lse[r] = log_sum_exp(z, classes);
        for (size_t i = 0; i < l->per_row; i++)
            if (label[i] != BT_IGNORE)
                of_labels += (double)lse[r] - (double)z[label[i]];
        if (l->smoothing > 0 && count > 0)
            for (size_t c = 0; c < classes; c++)
                of_classes += (double)lse[r] - (double)z[c];
        row_loss[r] = count == 0 ? 0.0f
                                 : (float)((1 - (double)l->smoothing) * of_labels / (double)count +
                                           (double)l->smoothing * of_classes / (double)classes);
    }
}

static float mean_loss(const float *row_loss, const struct labels *l, size_t rows)
{
    size_t count = labelled_rows(l, rows);
    double sum = 0;

    for (size_t r = 0; r < rows; r++)
        sum += (double)row_loss[r];
    return count ? (float)(sum / (double)count) : 0.0f;
}

/* to (+)= scale times the derivative of each row's loss with respect to its logits: with weights that sum to
 * one, softmax less the weights. `to` may be the logits, unless add. */
static void backward_rows(struct bt_queue *q, float *to, bool add, float scale, const float *lse,
                          const float *logits, const struct labels *l, size_t rows, size_t classes)
{
    #pragma omp parallel for num_threads(q->threads) if (rows * classes > BT_PARALLEL_MIN)
    for (size_t r = 0; r < rows; r++) {
        const float *z = logits + r * classes;
        const int32_t *label = l->label + r * l->per_row;
        size_t count = row_labels(l, r);
        float *d = to + r * classes;
        float row_scale = count ? scale : 0.0f, even = row_scale * l->smoothing / (float)classes,
              row_lse = lse[r];

        if (add) {
            #pragma omp simd
            for (size_t c = 0; c < classes; c++)
                d[c] += row_scale * bt_vec_exp(z[c] - row_lse) - even;
        } else {
            #pragma omp simd
            for (size_t c = 0; c < classes; c++)
                d[c] = row_scale * bt_vec_exp(z[c] - row_lse) - even;
        }
        for (size_t i = 0; i < l->per_row; i++)
            if (label[i] != BT_IGNORE)
                d[label[i]] -= row_scale * (1.0f - l->smoothing) / (float)count;
    }
}

static int forward(struct bt_queue *q, float *loss, float *lse, const float *logits, const int32_t *labels,
                   size_t per_row, float smoothing, size_t rows, size_t classes)
{
    struct labels l = { labels, per_row, smoothing };
    float *row_loss = bt_workspace(q, rows * sizeof *row_loss);

    if (!row_loss)
        return BT_ERR_MEMORY;
    forward_rows(q, row_loss, lse, logits, &l, rows, classes);
    *loss = mean_loss(row_loss, &l, rows);
    return BT_OK;
}

static int backward(struct bt_queue *q, float *dlogits, const float *dloss, const float *lse,
                    const float *logits, const int32_t *labels, size_t per_row, float smoothing, size_t rows,
                    size_t classes)
{
    struct labels l = { labels, per_row, smoothing };
    size_t count = labelled_rows(&l, rows);

    if (count)
        backward_rows(q, dlogits, true, *dloss / (float)count, lse, logits, &l, rows, classes);
    return BT_OK;
}

const struct bt_cross_entropy bt_cross_entropy_cpu = { forward, backward };

/* ---- linear form: bt_linear_cpu.forward takes no workspace, so ours stays ---- */

/* Rows whose logits are held at once: a function of the shape alone. */
static size_t chunk_rows(size_t rows, size_t in, size_t classes)
{
    size_t most = CHUNK / classes > ROWS_MIN ? CHUNK / classes / ROWS_MIN * ROWS_MIN : ROWS_MIN;

    return bt_least(rows, bt_least(most, bt_linear_block(in, classes)));
}

static int linear_forward(struct bt_queue *q, float *loss, float *lse, const float *x, const float *weight,
                          const float *bias, const int32_t *labels, float smoothing, size_t rows, size_t in,
                          size_t classes)
{
    size_t chunk = chunk_rows(rows, in, classes);
    float *logits = bt_workspace(q, (chunk * classes + rows) * sizeof *logits),
          *row_loss = logits + chunk * classes;
    struct labels all = { labels, 1, smoothing };
    int rc = logits ? BT_OK : BT_ERR_MEMORY;

    for (size_t first = 0; first < rows && !rc; first += chunk) {
        size_t count = bt_least(chunk, rows - first);
        struct labels l = { labels + first, 1, smoothing };

        rc = bt_linear_cpu.forward(q, logits, NULL, x + first * in, weight, bias, BT_ACT_NONE, count, in,
                                   classes);
        if (!rc)
            forward_rows(q, row_loss + first, lse + first, logits, &l, count, classes);
    }
    if (!rc)
        *loss = mean_loss(row_loss, &all, rows);
    return rc;
}

static int linear_backward(struct bt_queue *q, float *dx, float *dweight, float *dbias, const float *dloss,
                           const float *lse, const float *x, const float *weight, const float *bias,
                           const int32_t *labels, float smoothing, size_t rows, size_t in, size_t classes)
{
    size_t chunk = chunk_rows(rows, in, classes), held = (chunk * classes + 15) / 16 * 16;
    float *g = bt_workspace(q, (held + bt_linear_scratch(q, weight, chunk, in, classes)) * sizeof *g);
    struct labels all = { labels, 1, smoothing };
    size_t labelled = labelled_rows(&all, rows);
    int rc = g ? BT_OK : BT_ERR_MEMORY;

    for (size_t first = 0; first < rows && !rc && labelled; first += chunk) {
        size_t count = bt_least(chunk, rows - first);
        struct labels l = { labels + first, 1, smoothing };

        rc = bt_linear_cpu.forward(q, g, NULL, x + first * in, weight, bias, BT_ACT_NONE, count, in, classes);
        if (rc)
            break;
        backward_rows(q, g, false, *dloss / (float)labelled, lse + first, g, &l, count, classes);
        rc = bt_linear_gradients(q, dx ? dx + first * in : NULL, dweight, dbias, g, classes, x + first * in,
                                 weight, count, in, classes, g + held);
    }
    return rc;
}

const struct bt_linear_cross_entropy bt_linear_cross_entropy_cpu = { linear_forward, linear_backward };
