/* Tests in C: a program of functions, TAP on stdout, exit 1 when a check failed.
 *
 *     static void test_thing(void) { CHECK(1 + 1 == 2); CHECK_INT(f(3), 9); }
 *     int main(void) { RUN(test_thing); return test_end(); }
 *
 * A failed check prints its line and the test goes on; SKIP("why") ends the function it stands in. */
#ifndef BT_TEST_H
#define BT_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/err.h"

static int test_count, test_failed, test_bad;
static const char *test_skipped;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_bad++;                                                                            \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                               \
        }                                                                                          \
    } while (0)
#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (got_ != want_) {                                                                       \
            test_bad++;                                                                            \
            printf("# %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, got_, want_);     \
        }                                                                                          \
    } while (0)
#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        const char *got_ = (got), *want_ = (want);                                                 \
        if (!got_ || strcmp(got_, want_) != 0) {                                                   \
            test_bad++;                                                                            \
            printf("# %s:%d: %s is '%s', want '%s'\n", __FILE__, __LINE__, #got, got_ ? got_ : "(null)", want_); \
        }                                                                                          \
    } while (0)
#define CHECK_NEAR(got, want, tolerance)                                                           \
    do {                                                                                           \
        double got_ = (got), want_ = (want);                                                       \
        if (!(fabs(got_ - want_) <= (tolerance))) {                                                \
            test_bad++;                                                                            \
            printf("# %s:%d: %s is %.9g, want %.9g\n", __FILE__, __LINE__, #got, got_, want_);     \
        }                                                                                          \
    } while (0)
/* A call that must succeed; prints the message when it does not. */
#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        int status_ = (call);                                                                      \
        if (status_ != BT_OK) {                                                                    \
            test_bad++;                                                                            \
            printf("# %s:%d: %s: %s [%s]\n", __FILE__, __LINE__, #call, (err)->text, bt_status_name(status_)); \
        }                                                                                          \
    } while (0)
#define SKIP(why) do { test_skipped = (why); return; } while (0)

#define RUN(function)         RUN_NAMED(#function, function())
#define RUN_WITH(function, x) RUN_NAMED(#function, function(x))
#define RUN_NAMED(name, call)                                                                      \
    do {                                                                                           \
        test_bad = 0;                                                                              \
        test_skipped = NULL;                                                                       \
        call;                                                                                      \
        test_count++;                                                                              \
        test_failed += test_bad > 0;                                                               \
        printf("%sok %d - %s%s%s\n", test_bad ? "not " : "", test_count, name,                     \
               test_skipped ? " # SKIP " : "", test_skipped ? test_skipped : "");                  \
        fflush(stdout);                                                                            \
    } while (0)

static inline int test_end(void)
{
    printf("1..%d\n", test_count);
    return test_failed ? 1 : 0;
}

#endif
