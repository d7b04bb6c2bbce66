/* Tests of kernels: memory on the device, comparison, gradients, and one result for any number of threads.
 *
 *     static void test_gelu(const struct bt_backend *b) { ... }
 *     int main(void) { backends_open(); RUN_BACKENDS(test_gelu); return backends_end(); } */
#ifndef BT_TESTS_KERNEL_TEST_H
#define BT_TESTS_KERNEL_TEST_H

#include <omp.h>

#include "kernels/backend.h"
#include "libcommon/base/rng.h"
#include "tests/test.h"

static const struct bt_backend *test_backends[2];
static int test_backend_count;

/* Every backend present. Two threads, whatever the machine has: a result that depends on them shows. */
static inline void backends_open(void)
{
    struct bt_err err = { 0 };
    const struct bt_backend *cpu = bt_backend_cpu(2, &err);

    if (!cpu) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    test_backends[test_backend_count++] = cpu;
}

static inline int backends_end(void)
{
    while (test_backend_count > 0)
        bt_backend_free(test_backends[--test_backend_count]);
    return test_end();
}

#define RUN_BACKENDS(function)                                                                               \
    do {                                                                                                     \
        for (int backend_ = 0; backend_ < test_backend_count; backend_++) {                                  \
            char name_[128];                                                                                 \
            snprintf(name_, sizeof name_, "%s on %s", #function, test_backends[backend_]->name);             \
            RUN_NAMED(name_, function(test_backends[backend_]));                                             \
        }                                                                                                    \
    } while (0)

/* ---- memory on the device ---- */

static inline void *dev_bytes(const struct bt_backend *b, const void *from, size_t bytes)
{
    void *memory = NULL;
    int rc = b->alloc(b->queue, &memory, bytes);

    if (!rc)
        rc = from ? b->copy_in(b->queue, memory, from, bytes) : b->zero(b->queue, memory, bytes);
    if (rc) {
        printf("Bail out! %s: no memory for %zu bytes\n", b->name, bytes);
        exit(1);
    }
    return memory;
}

static inline float *dev_new(const struct bt_backend *b, const float *from, size_t n)
{
    return dev_bytes(b, from, n * sizeof *from);
}

static inline int32_t *dev_ints(const struct bt_backend *b, const int32_t *from, size_t n)
{
    return dev_bytes(b, from, n * sizeof *from);
}

static inline float *dev_zeros(const struct bt_backend *b, size_t n)
{
    return dev_bytes(b, NULL, n * sizeof(float));
}

static inline void dev_free_all(const struct bt_backend *b, void *const *memory, size_t count)
{
    for (size_t i = 0; i < count; i++)
        b->free(b->queue, memory[i]);
}
/* dev_free(b, x, y, ...) */
#define dev_free(b, ...)                                                                                     \
    dev_free_all((b), (void *const[]){ __VA_ARGS__ }, sizeof((void *const[]){ __VA_ARGS__ }) / sizeof(void *))

static inline void dev_get(const struct bt_backend *b, void *to, const void *from, size_t bytes)
{
    CHECK(b->copy_out(b->queue, to, from, bytes) == BT_OK);
}

/* ---- values ---- */

/* n values of [-1, 1) that depend on seed alone. */
static inline void noise(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];

        bt_philox((uint32_t[4]){ (uint32_t)i, 0, 0, 0 }, (uint32_t[2]){ seed, 0 }, words);
        x[i] = (float)(words[0] >> 8) * 0x1p-23f - 1.0f;
    }
}

/* noise in memory of the host (for free) and of the device (for dev_free). */
static inline float *host_noise(size_t n, uint32_t seed)
{
    float *x = malloc((n + 1) * sizeof *x);

    noise(x, n, seed);
    return x;
}

static inline float *dev_noise(const struct bt_backend *b, size_t n, uint32_t seed)
{
    float *host = host_noise(n, seed), *dev = dev_new(b, host, n);

    free(host);
    return dev;
}

/* |got - want| <= tolerance * max(1, largest |want|); says the first that is not. */
static inline void check_near_at(const char *file, int line, const struct bt_backend *b, const float *got,
                                 const double *want, size_t n, double tolerance)
{
    float *host = malloc((n + 1) * sizeof *host);
    double most = 1;

    dev_get(b, host, got, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(host[i] - want[i]) <= tolerance * most)) {
            test_bad++;
            printf("# %s:%d: element %zu is %.9g, want %.9g\n", file, line, i, (double)host[i], want[i]);
            break;
        }
    free(host);
}

static inline void check_near_float(const char *file, int line, const struct bt_backend *b, const float *got,
                                    const float *want, size_t n, double tolerance)
{
    double *wide = malloc((n + 1) * sizeof *wide);

    for (size_t i = 0; i < n; i++)
        wide[i] = (double)want[i];
    check_near_at(file, line, b, got, wide, n, tolerance);
    free(wide);
}
/* check_near(b, got on the device, want on the host: float or double, n, tolerance) */
#define check_near(b, got, want, n, tolerance)                                                               \
    _Generic((want), float *: check_near_float, const float *: check_near_float, default: check_near_at)( \
        __FILE__, __LINE__, (b), (got), (want), (n), (double)(tolerance))

/* Sum of x[i] weight[i]: the loss whose gradient with respect to x is weight. x on the device, weight on the
 * host. */
static inline double weighted_sum(const struct bt_backend *b, const float *x, const float *weight, size_t n)
{
    float *host = malloc((n + 1) * sizeof *host);
    double sum = 0;

    dev_get(b, host, x, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        sum += (double)host[i] * (double)weight[i];
    free(host);
    return sum;
}

/* Checks gradient[n] of loss(b, context) with respect to x[n], both on the device, by central differences: an
 * element may differ by tolerance * max(1, largest difference quotient). loss runs forward and gives a
 * weighted_sum. */
static inline void check_gradient_at(const char *file, int line, const struct bt_backend *b,
                                     const float *gradient, float *x, size_t n,
                                     double (*loss)(const struct bt_backend *, void *), void *context,
                                     float step, double tolerance)
{
    double *want = malloc((n + 1) * sizeof *want);
    float *host = malloc((n + 1) * sizeof *host);

    dev_get(b, host, x, n * sizeof *host);
    for (size_t i = 0; i < n; i++) {
        float up = host[i] + step, down = host[i] - step;
        double above, below;

        CHECK(b->copy_in(b->queue, x + i, &up, sizeof up) == BT_OK);
        above = loss(b, context);
        CHECK(b->copy_in(b->queue, x + i, &down, sizeof down) == BT_OK);
        below = loss(b, context);
        CHECK(b->copy_in(b->queue, x + i, &host[i], sizeof host[i]) == BT_OK);
        want[i] = (above - below) / ((double)up - (double)down);
    }
    check_near_at(file, line, b, gradient, want, n, tolerance);
    free(host);
    free(want);
}
#define check_gradient(b, gradient, x, n, loss, context, step, tolerance)                                    \
    check_gradient_at(__FILE__, __LINE__, (b), (gradient), (x), (n), (loss), (context), (step), (tolerance))

/* work fills result[n] (host) by running ops on the backend it is given: the bytes are the same for 1, 2, 3
 * threads. */
static inline void check_threads(void (*work)(const struct bt_backend *b, float *result), size_t n)
{
    int before = omp_get_max_threads();
    float *first = calloc(n + 1, sizeof *first), *other = calloc(n + 1, sizeof *other);

    for (int threads = 1; threads <= 3; threads++) {
        struct bt_err err = { 0 };
        const struct bt_backend *b = bt_backend_cpu(threads, &err);

        CHECK(b != NULL);
        work(b, threads == 1 ? first : other);
        bt_backend_free(b);
        if (threads > 1 && memcmp(first, other, n * sizeof *first) != 0) {
            test_bad++;
            printf("# %d threads give another result than one\n", threads);
        }
    }
    omp_set_num_threads(before);
    free(first);
    free(other);
}

#endif
