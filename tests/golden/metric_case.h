/* What the golden runner of the metrics is made of: one line a test, with the first difference. */
#ifndef BT_GOLDEN_METRIC_CASE_H
#define BT_GOLDEN_METRIC_CASE_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/metrics/intern.h"

static const char *root = "tests/golden/metrics";
static char difference[512]; /* of the running test; empty: none */
static int test_count, test_failed;

/* The first difference is the one that is shown. */
static void differ(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void differ(const char *fmt, ...)
{
    va_list args;
    if (difference[0])
        return;
    va_start(args, fmt);
    vsnprintf(difference, sizeof difference, fmt, args);
    va_end(args);
}

static void report(const char *name, const char *part, const char *skip)
{
    test_count++;
    test_failed += difference[0] != 0;
    printf("%sok %d - %s%s%s%s%s%s%s\n", difference[0] ? "not " : "", test_count, name, part ? " " : "",
           part ? part : "", difference[0] ? ": " : "", difference, skip ? " # SKIP " : "", skip ? skip : "");
    difference[0] = 0;
}

static void compare(const char *what, double got, double want, double relative)
{
    double larger = fmax(fabs(got), fabs(want));
    if (!(fabs(got - want) <= relative * larger))
        differ("%s is %.15g, want %.15g (%.1e relative)", what, got, want, fabs(got - want) / larger);
}

static json_t *load(const char *folder, const char *file)
{
    char *path = bt_format("%s/%s/%s", root, folder, file);
    json_error_t error;
    json_t *value = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!value)
        differ("%s:%d: %s", path, error.line, error.text);
    free(path);
    return value;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        differ("expected.json has no number %s", key);
    return json_number_value(value);
}

static struct bt_text text_of(const json_t *string)
{
    return (struct bt_text){ json_string_value(string), json_string_length(string) };
}

#endif
