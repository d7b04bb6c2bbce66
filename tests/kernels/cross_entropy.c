/* kernels/cross_entropy.h: both forms against sums in double; smoothing, several labels, ignored rows. */
#include "kernels/cross_entropy.h"
#include "tests/kernels/kernel_test.h"

/* Loss and its gradient in double. */
static double reference(double *dlogits, double *lse, const double *z, const int32_t *labels, size_t per_row,
                        double e, size_t rows, size_t classes)
{
    double loss = 0;
    size_t counted = 0;

    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < per_row; i++)
            if (labels[r * per_row + i] != BT_IGNORE) {
                counted++;
                break;
            }
    for (size_t r = 0; r < rows; r++) {
        const double *row = z + r * classes;
        double most = -INFINITY, sum = 0, count = 0;

        for (size_t c = 0; c < classes; c++)
            most = fmax(most, row[c]);
        for (size_t c = 0; c < classes; c++)
            sum += exp(row[c] - most);
        lse[r] = most + log(sum);
        for (size_t i = 0; i < per_row; i++)
            count += labels[r * per_row + i] != BT_IGNORE;
        for (size_t c = 0; c < classes; c++) {
            double weight = e / (double)classes;

            for (size_t i = 0; i < per_row; i++)
                if (labels[r * per_row + i] == (int32_t)c)
                    weight += (1 - e) / count;
            dlogits[r * classes + c] = count > 0 ? (exp(row[c] - lse[r]) - weight) / (double)counted : 0;
            loss += count > 0 ? weight * (lse[r] - row[c]) / (double)counted : 0;
        }
    }
    return loss;
}

static void make_labels(int32_t *labels, size_t n, size_t classes)
{
    for (size_t i = 0; i < n; i++)
        labels[i] = i % 5 == 1 ? BT_IGNORE : (int32_t)(i * 7919 % classes);
}

static void check_logits(const struct bt_backend *b, size_t rows, size_t classes, size_t per_row,
                         float smoothing)
{
    float *z = host_noise(rows * classes, 5), dloss = 0.75f;
    double *wide = calloc(rows * classes + 1, sizeof *wide), *want = calloc(rows * classes + 1, sizeof *want);
    double *lse = calloc(rows + 1, sizeof *lse), loss;
    int32_t *labels = calloc(rows * per_row + 1, sizeof *labels);

    make_labels(labels, rows * per_row, classes);
    for (size_t i = 0; i < rows * classes; i++)
        wide[i] = (double)(z[i] *= 8);
    loss = reference(want, lse, wide, labels, per_row, (double)smoothing, rows, classes);
    for (size_t i = 0; i < rows * classes; i++)
        want[i] = want[i] * (double)dloss + wide[i];

    float *logits = dev_new(b, z, rows * classes), *dlogits = dev_new(b, z, rows * classes);
    float *got = dev_zeros(b, 1), *dev_lse = dev_zeros(b, rows), *dev_dloss = dev_new(b, &dloss, 1);
    int32_t *dev_labels = dev_ints(b, labels, rows * per_row);

    CHECK(b->cross_entropy->forward(b->queue, got, dev_lse, logits, dev_labels, per_row, smoothing, rows,
                                    classes) == BT_OK);
    check_near(b, got, &loss, 1, 1e-6);
    check_near(b, dev_lse, lse, rows, 1e-6);
    CHECK(b->cross_entropy->backward(b->queue, dlogits, dev_dloss, dev_lse, logits, dev_labels, per_row,
                                     smoothing, rows, classes) == BT_OK);
    check_near(b, dlogits, want, rows * classes, 1e-6);
    dev_free(b, logits, dlogits, got, dev_lse, dev_dloss, dev_labels);
    free(z);
    free(wide);
    free(want);
    free(lse);
    free(labels);
}

static void test_logits(const struct bt_backend *b)
{
    check_logits(b, 0, 3, 1, 0);
    check_logits(b, 1, 1, 1, 0);
    check_logits(b, 4, 7, 1, 0);
    check_logits(b, 9, 33, 1, 0.1f);
    check_logits(b, 9, 33, 3, 0.1f);
    check_logits(b, 70, 1200, 1, 0.1f);
}

static void check_linear(const struct bt_backend *b, size_t rows, size_t in, size_t classes, bool biased,
                         float smoothing)
{
    float *x = host_noise(rows * in, 1), *weight = host_noise(classes * in, 2),
          *bias = host_noise(classes, 3);
    float dloss = 0.5f;
    double *z = calloc(rows * classes + 1, sizeof *z), *dz = calloc(rows * classes + 1, sizeof *dz);
    double *lse = calloc(rows + 1, sizeof *lse), *dx = calloc(rows * in + 1, sizeof *dx), loss;
    double *dweight = calloc(classes * in + 1, sizeof *dweight), *dbias = calloc(classes, sizeof *dbias);
    int32_t *labels = calloc(rows + 1, sizeof *labels);

    make_labels(labels, rows, classes);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < classes; c++) {
            z[r * classes + c] = biased ? (double)bias[c] : 0;
            for (size_t k = 0; k < in; k++)
                z[r * classes + c] += (double)x[r * in + k] * (double)weight[c * in + k];
        }
    loss = reference(dz, lse, z, labels, 1, (double)smoothing, rows, classes);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < classes; c++) {
            double g = dz[r * classes + c] * (double)dloss;

            dbias[c] += g;
            for (size_t k = 0; k < in; k++) {
                dx[r * in + k] += g * (double)weight[c * in + k];
                dweight[c * in + k] += g * (double)x[r * in + k];
            }
        }

    float *dev_x = dev_new(b, x, rows * in), *dev_w = dev_new(b, weight, classes * in),
          *got = dev_zeros(b, 1);
    float *dev_b = biased ? dev_new(b, bias, classes) : NULL, *dev_lse = dev_zeros(b, rows);
    float *dev_dloss = dev_new(b, &dloss, 1), *got_dx = dev_zeros(b, rows * in);
    float *got_dw = dev_zeros(b, classes * in), *got_db = dev_zeros(b, classes);
    int32_t *dev_labels = dev_ints(b, labels, rows);

    CHECK(b->linear_cross_entropy->forward(b->queue, got, dev_lse, dev_x, dev_w, dev_b, dev_labels, smoothing,
                                           rows, in, classes) == BT_OK);
    check_near(b, got, &loss, 1, 2e-6);
    check_near(b, dev_lse, lse, rows, 2e-6);
    CHECK(b->linear_cross_entropy->backward(b->queue, got_dx, got_dw, biased ? got_db : NULL, dev_dloss,
                                            dev_lse, dev_x, dev_w, dev_b, dev_labels, smoothing, rows, in,
                                            classes) == BT_OK);
    check_near(b, got_dx, dx, rows * in, 1e-6);
    check_near(b, got_dw, dweight, classes * in, 1e-6);
    if (biased)
        check_near(b, got_db, dbias, classes, 1e-6);
    dev_free(b, dev_x, dev_w, got, dev_b, dev_lse, dev_dloss, got_dx, got_dw, got_db, dev_labels);
    free(x);
    free(weight);
    free(bias);
    free(z);
    free(dz);
    free(lse);
    free(dx);
    free(dweight);
    free(dbias);
    free(labels);
}

static void test_linear(const struct bt_backend *b)
{
    check_linear(b, 0, 3, 4, true, 0);
    check_linear(b, 1, 1, 2, true, 0);
    check_linear(b, 13, 10, 50, false, 0.1f);
    check_linear(b, 70, 128, 300, true, 0.1f);
    check_linear(b, 130, 2, 70000, true, 0); /* more logits than are held at once */
}

static void test_nothing_labelled(const struct bt_backend *b)
{
    static const int32_t none[] = { BT_IGNORE, BT_IGNORE };
    static const float one = 1, zero[6];
    float *logits = dev_noise(b, 6, 1), *dlogits = dev_zeros(b, 6), *loss = dev_new(b, &one, 1),
          *lse = dev_zeros(b, 2);
    float *dloss = dev_new(b, &one, 1);
    int32_t *labels = dev_ints(b, none, 2);

    CHECK(b->cross_entropy->forward(b->queue, loss, lse, logits, labels, 1, 0.1f, 2, 3) == BT_OK);
    check_near(b, loss, zero, 1, 0);
    CHECK(b->cross_entropy->backward(b->queue, dlogits, dloss, lse, logits, labels, 1, 0.1f, 2, 3) == BT_OK);
    check_near(b, dlogits, zero, 6, 0);
    dev_free(b, logits, dlogits, loss, lse, dloss, labels);
}

static void work(const struct bt_backend *b, float *result)
{
    size_t rows = 150, in = 64, classes = 333;
    float *x = dev_noise(b, rows * in, 1), *w = dev_noise(b, classes * in, 2),
          *bias = dev_noise(b, classes, 3);
    float *loss = dev_zeros(b, 1), *lse = dev_zeros(b, rows), *dx = dev_zeros(b, rows * in);
    float *dw = dev_zeros(b, classes * in), *db = dev_zeros(b, classes);
    int32_t host[150], *labels;

    make_labels(host, rows, classes);
    labels = dev_ints(b, host, rows);
    CHECK(b->linear_cross_entropy->forward(b->queue, loss, lse, x, w, bias, labels, 0.1f, rows, in,
                                           classes) == BT_OK);
    CHECK(b->linear_cross_entropy->backward(b->queue, dx, dw, db, loss, lse, x, w, bias, labels, 0.1f, rows,
                                            in, classes) == BT_OK);
    dev_get(b, result, loss, sizeof *loss);
    dev_get(b, result += 1, lse, rows * sizeof *lse);
    dev_get(b, result += rows, dx, rows * in * sizeof *dx);
    dev_get(b, result += rows * in, dw, classes * in * sizeof *dw);
    dev_get(b, result += classes * in, db, classes * sizeof *db);
    dev_free(b, x, w, bias, loss, lse, dx, dw, db, labels);
}

static void test_threads(void)
{
    check_threads(work, 1 + 150 + 150 * 64 + 333 * 64 + 333);
}

int main(void)
{
    backends_open();
    RUN_BACKENDS(test_logits);
    RUN_BACKENDS(test_linear);
    RUN_BACKENDS(test_nothing_labelled);
    RUN(test_threads);
    return backends_end();
}
