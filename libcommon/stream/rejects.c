/* The reject log: see rejects.h. */
#include "libcommon/stream/rejects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/stream/record_private.h"
#include "libcommon/stream/twin.h"
#include "libcommon/stream/walk.h"

enum { STRING_BYTES = 1200 }; /* five of them, escaped, keep a line under 8 KiB */

static size_t character_bytes(const char *p, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++)
        if (bt_utf8_valid(p, n))
            return n;
    return 0;
}

/* Bytes that are no UTF-8 become the character of the same number, which JSON shows as \u00XX. */
static int set_text(struct bt_record *entry, const char *key, const char *text, struct bt_err *err)
{
    char out[STRING_BYTES];
    size_t used = 0, size = text ? strlen(text) : 0;

    if (!text)
        return BT_OK;
    for (size_t i = 0; i < size && used + 4 < sizeof out;) {
        size_t n = character_bytes(text + i, size - i);

        if (n > 0) {
            memcpy(out + used, text + i, n);
            used += n;
            i += n;
        } else {
            out[used++] = (char)(0xC0 | (uint8_t)text[i] >> 6);
            out[used++] = (char)(0x80 | ((uint8_t)text[i] & 0x3F));
            i++;
        }
    }
    return bt_record_set_str(entry, key, out, used, err);
}

int bt_reject_record(const struct bt_reject *r, struct bt_record *entry, struct bt_err *err)
{
    bt_record_clear(entry);
    int rc = set_text(entry, "code", r->code, err);
    if (!rc)
        rc = set_text(entry, "src", r->src, err);
    if (!rc)
        rc = set_text(entry, "member", r->member, err);
    if (!rc && r->off >= 0)
        rc = bt_record_set_int(entry, "off", r->off, err);
    if (!rc)
        rc = set_text(entry, "id", r->id, err);
    if (!rc)
        rc = set_text(entry, "detail", r->detail, err);
    if (!rc && r->bytes >= 0)
        rc = bt_record_set_int(entry, "bytes", r->bytes, err);
    return rc;
}

int bt_tally_add(struct bt_tally *t, const struct bt_record *entry, struct bt_err *err)
{
    struct bt_value code = bt_record_get(entry, "code"), example = bt_record_get(entry, "id");
    int rc = BT_OK;
    uint64_t i = 0;

    while (i < t->count && !bt_value_is(code, t->rows[i].code))
        i++;
    if (i == t->count) {
        rc = bt_grow(&t->rows, &t->capacity, t->count + 1, sizeof *t->rows, err);
        if (rc)
            return rc;
        t->rows[t->count++] = (struct bt_tally_row){ .count = 0 };
        snprintf(t->rows[i].code, sizeof t->rows[i].code, "%.*s", (int)code.size, code.data ? code.data : "");
        for (int k = 0; k < 2 && example.kind != BT_STR; k++)
            example = bt_record_get(entry, k == 0 ? "member" : "src");
        if (example.kind == BT_STR)
            snprintf(t->rows[i].example, sizeof t->rows[i].example, "%s",
                     bt_quote(example.data, example.size));
    }
    t->rows[i].count++;
    t->total++;
    return rc;
}

void bt_tally_free(struct bt_tally *t)
{
    free(t->rows);
    *t = (struct bt_tally){ 0 };
}

static int by_count(const void *a, const void *b)
{
    const struct bt_tally_row *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->code, y->code);
}

static int by_code(const void *a, const void *b)
{
    return strcmp(((const struct bt_tally_row *)a)->code, ((const struct bt_tally_row *)b)->code);
}

void bt_tally_describe(struct bt_tally *t, char *out, size_t size)
{
    size_t used = 0;

    out[0] = 0;
    if (t->count > 1)
        qsort(t->rows, t->count, sizeof *t->rows, by_count);
    for (uint64_t i = 0; i < t->count && i < 3 && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s %llu times, such as '%s'", i ? ", " : "",
                                 t->rows[i].code, (unsigned long long)t->rows[i].count, t->rows[i].example);
}

int bt_reject_line(struct bt_buf *buf, uint64_t n, const struct bt_record *entry, struct bt_err *err)
{
    int rc = bt_buf_printf(buf, err, "{\"n\":%llu,", (unsigned long long)n);

    if (!rc)
        rc = bt_twin_members(buf, entry, BT_BIN_LENGTH, err);
    return rc ? rc : bt_buf_add(buf, "}\n", 2, err);
}

int bt_reject_end_line(struct bt_buf *buf, struct bt_tally *t, struct bt_err *err)
{
    int rc = bt_buf_printf(buf, err, "{\"end\":true,\"n\":%llu,\"by_code\":{", (unsigned long long)t->total);

    if (t->count > 1)
        qsort(t->rows, t->count, sizeof *t->rows, by_code);
    for (uint64_t i = 0; !rc && i < t->count; i++)
        rc = bt_buf_printf(buf, err, "%s\"%s\":%llu", i ? "," : "", t->rows[i].code,
                           (unsigned long long)t->rows[i].count);
    return rc ? rc : bt_buf_add(buf, "}}\n", 3, err);
}
