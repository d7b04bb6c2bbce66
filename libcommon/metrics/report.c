#include "libcommon/metrics/report.h"

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

static void print_row(FILE *out, const struct bt_report *report, const struct bt_report_row *row, int width)
{
    int columns = print_text(out, row->name);
    fprintf(out, "%*s  %8.*f", columns < width ? width - columns : 0, "", report->decimals, row->value);
    if (row->count >= 0)
        fprintf(out, "  %9lld", (long long)row->count);
    fputc('\n', out);
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

    fprintf(out, "%-*s  %8s", width, report->value_title, "value");
    if (report->count_title)
        fprintf(out, "  %9s", report->count_title);
    fputc('\n', out);
    for (size_t i = 0; i < report->top.count; i++)
        print_row(out, report, &report->top.rows[i], width);
    for (int s = 0; s < report->section_count; s++) {
        fprintf(out, "\n%s\n", report->sections[s].title);
        for (size_t i = 0; i < report->sections[s].count; i++)
            print_row(out, report, &report->sections[s].rows[i], width);
    }
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

static void write_rows(FILE *out, const struct bt_report_section *section, bool *failed)
{
    for (size_t i = 0; i < section->count; i++) {
        char number[32];
        bt_format_double(number, section->rows[i].value);
        if (i > 0)
            fputs(", ", out);
        write_string(out, section->rows[i].name, failed);
        fprintf(out, ": %s", number);
    }
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
    char number[32];
    bt_format_double(number, item->value);
    fprintf(out, "{\"%s\": ", report->id_key);
    write_id(out, item->id, failed);
    fprintf(out, ", \"%s\": %s, \"%s\": ", report->value_key, number, report->result_key);
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
    for (int s = 0; s < report->section_count; s++) {
        fprintf(out, ", \"%s\": {", report->sections[s].key);
        write_rows(out, &report->sections[s], &failed);
        fputc('}', out);
    }
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
