#include "libcommon/metrics/report.h"

#include <math.h>
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/text/unicode.h"

/* ---------------------------------------------------------------- table */

/* Nothing that could steer a terminal goes out as it is. Returns the columns used. */
static int print_text(FILE *out, struct bt_text text)
{
    int columns = 0;
    for (size_t i = 0; i < text.size;) {
        uint32_t c;
        int length = bt_utf8_next(text.data + i, text.size - i, &c);
        if (length > 0 && c >= 0x20 && (c < 0x7f || c >= 0xa0)) {
            fwrite(text.data + i, 1, (size_t)length, out);
            columns++;
        } else {
            length = length > 0 ? length : 1;
            for (int k = 0; k < length; k++)
                columns += fprintf(out, "\\x%02x", (unsigned char)text.data[i + (size_t)k]);
        }
        i += (size_t)length;
    }
    return columns;
}

static void print_value(FILE *out, const struct bt_report *report, double value)
{
    if (isnan(value))
        fprintf(out, "  %8s", "-");
    else
        fprintf(out, "  %8.*f", report->decimals, value);
}

static void print_interval(FILE *out, const struct bt_report *report, struct bt_interval interval)
{
    char text[80] = "-";
    if (!isnan(interval.low))
        snprintf(text, sizeof text, "[%.*f, %.*f]", report->decimals, interval.low, report->decimals,
                 interval.high);
    fprintf(out, "  %18s", text);
}

static void print_comparison(FILE *out, const struct bt_report *report, const struct bt_comparison *c)
{
    print_value(out, report, c->other);
    print_value(out, report, c->difference);
    print_interval(out, report, c->interval);
    fprintf(out, "  %6.4f", c->p);
}

static void print_row(FILE *out, const struct bt_report *report, const struct bt_report_row *row, int width)
{
    int columns = print_text(out, row->name);
    fprintf(out, "%*s", columns < width ? width - columns : 0, "");
    print_value(out, report, row->value);
    if (row->count >= 0)
        fprintf(out, "  %9lld", (long long)row->count);
    if (report->intervals && row->column >= 0)
        print_interval(out, report, report->intervals[row->column]);
    if (report->comparisons && row->column >= 0)
        print_comparison(out, report, &report->comparisons[row->column]);
    fputc('\n', out);
}

static void print_header(FILE *out, const struct bt_report *report, int width)
{
    fprintf(out, "%-*s  %8s", width, report->value_title, "value");
    if (report->count_title)
        fprintf(out, "  %9s", report->count_title);
    if (report->intervals)
        fprintf(out, "  %18s", "95 % interval");
    if (report->comparisons)
        fprintf(out, "  %8s  %8s  %18s  %6s", "other", "change", "95 % interval", "p");
    fputc('\n', out);
}

static void print_section(FILE *out, const struct bt_report *report, const struct bt_report_section *section,
                          int width)
{
    size_t length = strlen(section->title);
    fprintf(out, "\n%s", section->title);
    if (section->title[length - 1] == ' ')
        print_text(out, section->key);
    fputc('\n', out);
    for (size_t i = 0; i < section->count; i++)
        print_row(out, report, &section->rows[i], width);
}

static int widest(const struct bt_report_section *section, int width)
{
    for (size_t i = 0; i < section->count; i++)
        if (section->rows[i].name.size > (size_t)width && section->rows[i].name.size < 40)
            width = (int)section->rows[i].name.size;
    return width;
}

static void print_item(FILE *out, const struct bt_report *report, const struct bt_report_item *item)
{
    fprintf(out, "%8.*f  %s ", report->decimals, item->value, report->id_key);
    print_text(out, item->id);
    fprintf(out, "\n          %s: ", report->result_key);
    print_text(out, item->result);
    for (int32_t r = 0; r < item->reference_count; r++) {
        fprintf(out, "\n          reference: ");
        print_text(out, item->references[r]);
    }
    fputc('\n', out);
}

void bt_report_table(const struct bt_report *report, FILE *out)
{
    int width = widest(&report->top, 12);
    for (int s = 0; s < report->section_count; s++)
        width = widest(&report->sections[s], width);

    print_header(out, report, width);
    for (size_t i = 0; i < report->top.count; i++)
        print_row(out, report, &report->top.rows[i], width);
    for (int i = 0; i < BT_REPORT_SKIPPED && report->skipped[i]; i++)
        fprintf(out, "%s\n", report->skipped[i]);
    for (int s = 0; s < report->section_count; s++)
        print_section(out, report, &report->sections[s], width);
    if (report->item_count > 0)
        fprintf(out, "\nworst by %s\n", report->value_key);
    for (size_t i = 0; i < report->item_count; i++)
        print_item(out, report, &report->items[i]);
    fprintf(out, "\n%s\n", report->signature);
}

/* ---------------------------------------------------------------- JSON */

static void write_string(FILE *out, struct bt_text text, bool *failed)
{
    json_t *string = json_stringn(text.data, text.size);
    if (!string || json_dumpf(string, out, JSON_ENCODE_ANY) != 0)
        *failed = true;
    json_decref(string);
}

static void write_number(FILE *out, double value)
{
    char number[32];
    bt_format_double(number, value);
    fputs(isfinite(value) ? number : "null", out);
}

static void write_interval(FILE *out, struct bt_interval interval)
{
    fputc('[', out);
    write_number(out, interval.low);
    fputs(", ", out);
    write_number(out, interval.high);
    fputc(']', out);
}

static void write_rows(FILE *out, const struct bt_report_section *section, bool *failed)
{
    for (size_t i = 0; i < section->count; i++) {
        if (i > 0)
            fputs(", ", out);
        write_string(out, section->rows[i].name, failed);
        fputs(": ", out);
        write_number(out, section->rows[i].value);
    }
}

/* `, "key": {rows}`; a group is opened before the first of its sections and closed behind the last. */
static void write_section(FILE *out, const struct bt_report *report, int s, bool *failed)
{
    const struct bt_report_section *section = &report->sections[s];
    const bool grouped = section->group;
    const bool first = s == 0 || report->sections[s - 1].group != section->group;
    const bool last = s + 1 == report->section_count || report->sections[s + 1].group != section->group;
    fputs(", ", out);
    if (grouped && first)
        fprintf(out, "\"%s\": {", section->group);
    write_string(out, section->key, failed);
    fputs(": {", out);
    write_rows(out, section, failed);
    fputs(grouped && last ? "}}" : "}", out);
}

static void write_intervals(FILE *out, const struct bt_report *report, bool *failed)
{
    const char *separator = "";
    fputs(", \"intervals\": {", out);
    for (size_t i = 0; i < report->top.count; i++) {
        const struct bt_report_row *row = &report->top.rows[i];
        if (row->column < 0)
            continue;
        fputs(separator, out);
        write_string(out, row->name, failed);
        fputs(": ", out);
        write_interval(out, report->intervals[row->column]);
        separator = ", ";
    }
    fputc('}', out);
}

static void write_comparisons(FILE *out, const struct bt_report *report, bool *failed)
{
    const char *separator = "";
    fputs(", \"comparison\": {", out);
    for (size_t i = 0; i < report->top.count; i++) {
        const struct bt_report_row *row = &report->top.rows[i];
        if (row->column < 0)
            continue;
        const struct bt_comparison *c = &report->comparisons[row->column];
        fputs(separator, out);
        write_string(out, row->name, failed);
        fputs(": {\"other\": ", out);
        write_number(out, c->other);
        fputs(", \"change\": ", out);
        write_number(out, c->difference);
        fputs(", \"interval\": ", out);
        write_interval(out, c->interval);
        fputs(", \"p\": ", out);
        write_number(out, c->p);
        fputc('}', out);
        separator = ", ";
    }
    fputc('}', out);
}

/* A number as it is; a quoted id loses its quotes to JSON's own. */
static void write_id(FILE *out, struct bt_text id, bool *failed)
{
    if (id.data[0] == '"')
        write_string(out, (struct bt_text){ id.data + 1, id.size - 2 }, failed);
    else
        fwrite(id.data, 1, id.size, out);
}

static void write_item(FILE *out, const struct bt_report *report, const struct bt_report_item *item,
                       bool *failed)
{
    fprintf(out, "{\"%s\": ", report->id_key);
    write_id(out, item->id, failed);
    fprintf(out, ", \"%s\": ", report->value_key);
    write_number(out, item->value);
    fprintf(out, ", \"%s\": ", report->result_key);
    write_string(out, item->result, failed);
    fprintf(out, ", \"%s\": [", report->references_key);
    for (int32_t r = 0; r < item->reference_count; r++) {
        if (r > 0)
            fputs(", ", out);
        write_string(out, item->references[r], failed);
    }
    fputs("]}", out);
}

int bt_report_json(const struct bt_report *report, FILE *out, struct bt_err *err)
{
    bool failed = false;
    fputc('{', out);
    write_rows(out, &report->top, &failed);
    for (int s = 0; s < report->section_count; s++)
        write_section(out, report, s, &failed);
    if (report->intervals)
        write_intervals(out, report, &failed);
    if (report->comparisons)
        write_comparisons(out, report, &failed);
    fprintf(out, ", \"%s\": %zu, \"signature\": \"%s\"", report->total_key, report->total, report->signature);
    if (report->item_count > 0) {
        fputs(", \"worst\": [", out);
        for (size_t i = 0; i < report->item_count; i++) {
            if (i > 0)
                fputs(", ", out);
            write_item(out, report, &report->items[i], &failed);
        }
        fputc(']', out);
    }
    fputs("}\n", out);
    /* A string that does not get out is a full disk or pipe, which the tool's end reports, or memory. */
    if (failed && !ferror(out))
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the report");
    return BT_OK;
}
