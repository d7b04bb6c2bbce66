/* Scores as people and programs read them: a table or one JSON object on stdout, each with its signature.
 *
 * A report is rows at the top and in titled sections, then items worth a look. Names and texts come from
 * inputs: the table shows their control characters as \xNN. Numbers are written in the C locale; JSON has
 * every digit. */
#ifndef BT_METRICS_REPORT_H
#define BT_METRICS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/bootstrap.h"
#include "libcommon/metrics/intern.h"

struct bt_report_row {
    struct bt_text name;
    double value;
    int64_t count; /* shown beside the value in the table; -1: none */
    int column;    /* whose interval and comparison belong to it; -1: none */
};

struct bt_report_section {
    const char *group;  /* in JSON sections of one group stand in an object of that name; NULL: at the top */
    struct bt_text key; /* in JSON */
    const char *title;  /* in the table, before the key where it ends in a space, else instead of it */
    const struct bt_report_row *rows;
    size_t count;
};

/* One result beside its references. The id is written as join.h has it. */
struct bt_report_item {
    struct bt_text id, result;
    const struct bt_text *references;
    int32_t reference_count;
    double value;
};

#define BT_REPORT_SKIPPED 4

struct bt_report {
    const char *value_title, *count_title; /* "metric", "questions"; count_title NULL: no such column */
    int decimals;                          /* in the table */
    struct bt_report_section top;
    const struct bt_report_section *sections;
    int section_count;
    const char *skipped[BT_REPORT_SKIPPED];  /* "SPICE skipped: why", a line each; NULL ends them */
    const struct bt_interval *intervals;     /* by column; NULL: none */
    const struct bt_comparison *comparisons; /* by column; NULL: none */
    const char *id_key, *value_key, *result_key,
        *references_key; /* of items: "image_id", "CIDEr", "caption", ... */
    const struct bt_report_item *items;
    size_t item_count;
    const char *total_key; /* "images": how many were scored */
    size_t total;
    const char *signature;
};

void bt_report_table(const struct bt_report *report, FILE *out);
/* One object on one line, with an LF. E_MEMORY. */
int bt_report_json(const struct bt_report *report, FILE *out, struct bt_err *err);

#endif
