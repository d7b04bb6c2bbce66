#include "libcommon/metrics/items.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/stream/stream.h"

void bt_items_values(const struct bt_items *items, const uint32_t *times, double *values)
{
    double sum[BT_COLUMNS_MAX] = { 0 };
    uint64_t drawn[BT_COLUMNS_MAX] = { 0 };
    for (size_t i = 0; i < items->count; i++)
        for (int c = 0; times[i] > 0 && c < items->column_count; c++) {
            double value = items->values[i * (size_t)items->column_count + (size_t)c];
            if (!isnan(value)) {
                sum[c] += times[i] * value;
                drawn[c] += times[i];
            }
        }
    for (int c = 0; c < items->column_count; c++)
        values[c] = drawn[c] > 0 ? sum[c] / (double)drawn[c] : NAN;
    if (items->pool)
        items->pool(items->pooled, times, items->count, values);
}

static int align_ids(const struct bt_items *items, const struct bt_items *other, size_t *order,
                     struct bt_err *err)
{
    size_t *place = bt_alloc((uint64_t)bt_join_count(other->join), sizeof *place, err); /* + 1; 0: none */
    size_t missing = 0, example = 0;
    int rc = place ? BT_OK : BT_ERR_MEMORY;

    for (size_t i = 0; !rc && i < other->count; i++)
        place[other->numbers[i]] = i + 1;
    for (size_t i = 0; !rc && i < items->count; i++) {
        int32_t number = bt_join_find(other->join, bt_join_id(items->join, items->numbers[i]));
        if (number >= 0 && place[number] > 0)
            order[i] = place[number] - 1;
        else if (missing++ == 0)
            example = i;
    }
    free(place);
    if (!rc && missing > 0) {
        struct bt_text id = bt_join_id(items->join, items->numbers[example]);
        return bt_fail(err, BT_ERR_INPUT,
                       "%s %s: a result of the first system only (%zu such); both must answer the same",
                       items->id_key, bt_quote(id.data, id.size), missing);
    }
    return rc;
}

int bt_items_align(const struct bt_items *items, const struct bt_items *other, size_t **order,
                   struct bt_err *err)
{
    if (items->count != other->count)
        return bt_fail(err, BT_ERR_INPUT,
                       "%zu items against %zu of the other system; both must answer the same", items->count,
                       other->count);
    size_t *made = bt_alloc(items->count, sizeof *made, err);
    int rc = !made ? BT_ERR_MEMORY : items->join ? align_ids(items, other, made, err) : BT_OK;
    for (size_t i = 0; !rc && !items->join && i < items->count; i++)
        made[i] = i; /* those at the same place */
    if (rc)
        free(made);
    else
        *order = made;
    return rc;
}

/* `id`, and the same as a number or a string under `key`. */
static int set_id(struct bt_record *rec, const char *key, struct bt_text id, struct bt_err *err)
{
    bool quoted = id.data[0] == '"';
    struct bt_text bare = quoted ? (struct bt_text){ id.data + 1, id.size - 2 } : id;
    bt_record_clear(rec);
    int rc = bt_record_set_str(rec, "id", bare.data, bare.size, err);
    if (rc)
        return rc;
    return quoted ? bt_record_set_str(rec, key, bare.data, bare.size, err)
                  : bt_record_set_int(rec, key, strtoll(id.data, NULL, 10), err);
}

static int write_item(const struct bt_items *items, size_t i, struct bt_record *rec, struct bt_writer *writer,
                      struct bt_err *err)
{
    int rc = set_id(rec, items->id_key, bt_join_id(items->join, items->numbers[i]), err);
    for (int c = 0; !rc && c < items->column_count; c++) {
        double value = items->values[i * (size_t)items->column_count + (size_t)c];
        if (!isnan(value))
            rc = bt_record_set_float(rec, items->columns[c], value, err);
    }
    if (!rc)
        rc = bt_writer_put(writer, rec, err);
    return rc ? rc : bt_writer_input_done(writer, i, err);
}

int bt_items_write(const struct bt_items *items, const char *path, const char *signature, bool force,
                   struct bt_err *err)
{
    const struct bt_writer_options options = { .schema = &bt_schema_score, .force = force };
    struct bt_writer *writer = NULL;
    struct bt_record *rec = bt_record_new();

    int rc =
        rec ? bt_writer_open(&writer, path, &options, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc)
        rc = bt_writer_must_str(writer, "signature", signature, err);
    for (size_t i = 0; !rc && i < items->count; i++)
        rc = write_item(items, i, rec, writer, err);
    if (!rc)
        rc = bt_writer_finish(writer, err);
    bt_writer_close(writer);
    bt_record_free(rec);
    return rc;
}
