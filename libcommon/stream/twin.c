/* Values as JSON and back: see twin.h. */
#include "libcommon/stream/twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/base64.h"
#include "libcommon/stream/walk.h"

/* ---- out ---- */

static int put(struct bt_buf *buf, const char *text, struct bt_err *err)
{
    return bt_buf_add(buf, text, strlen(text), err);
}

static int put_string(struct bt_buf *buf, const char *data, size_t size, struct bt_err *err)
{
    size_t plain = 0;
    int rc = put(buf, "\"", err);

    for (size_t i = 0; !rc && i < size; i++) {
        uint8_t c = (uint8_t)data[i];
        char escape[8];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else
            snprintf(escape, sizeof escape, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\u%04x", c);
        if (i > plain)
            rc = bt_buf_add(buf, data + plain, i - plain, err);
        if (!rc)
            rc = put(buf, escape, err);
        plain = i + 1;
    }
    if (!rc && size > plain)
        rc = bt_buf_add(buf, data + plain, size - plain, err);
    return rc ? rc : put(buf, "\"", err);
}

/* A field named "type" and keys with "$" would be taken for the twin's own. */
static int put_key(struct bt_buf *buf, struct bt_value key, bool top, struct bt_err *err)
{
    char name[BT_MAX_KEY + 1] = "$";
    bool own = key.data[0] == '$' || (top && bt_value_is(key, "type"));
    int rc;

    memcpy(name + own, key.data, key.size < BT_MAX_KEY ? key.size : BT_MAX_KEY);
    rc = put_string(buf, name, key.size + own, err);
    return rc ? rc : put(buf, ":", err);
}

static int put_float(struct bt_buf *buf, double v, struct bt_err *err)
{
    char text[40];

    if (isnan(v))
        return put(buf, "{\"$f64\":\"nan\"}", err);
    if (isinf(v))
        return put(buf, v > 0 ? "{\"$f64\":\"inf\"}" : "{\"$f64\":\"-inf\"}", err);
    bt_format_double(text, v);
    if (!strpbrk(text, ".eE"))
        strcat(text, ".0"); /* else it would come back as an integer */
    return put(buf, text, err);
}

int bt_twin_value(struct bt_buf *buf, struct bt_value v, enum bt_twin_bin bin, struct bt_err *err)
{
    int rc = BT_OK;

    switch (v.kind) {
    case BT_ABSENT:
    case BT_NIL:
        return put(buf, "null", err);
    case BT_BOOL:
        return put(buf, v.integer ? "true" : "false", err);
    case BT_INT:
        return bt_buf_printf(buf, err, "%lld", (long long)v.integer);
    case BT_FLOAT:
        return put_float(buf, v.number, err);
    case BT_STR:
        return put_string(buf, v.data, v.size, err);
    case BT_BIN:
        if (bin == BT_BIN_LENGTH)
            return bt_buf_printf(buf, err, "{\"$bin_len\":%zu}", v.size);
        rc = put(buf, "{\"$bin\":\"", err);
        if (!rc)
            rc = bt_base64_encode(buf, v.data, v.size, err);
        return rc ? rc : put(buf, "\"}", err);
    case BT_ARRAY:
        rc = put(buf, "[", err);
        for (size_t i = 0; !rc && i < v.size; i++) {
            if (i > 0)
                rc = put(buf, ",", err);
            if (!rc)
                rc = bt_twin_value(buf, bt_value_at(v, i), bin, err);
        }
        return rc ? rc : put(buf, "]", err);
    case BT_MAP:
        rc = put(buf, "{", err);
        for (size_t i = 0; !rc && i < v.size; i++) {
            struct bt_value key, member = bt_value_pair(v, i, &key);

            if (i > 0)
                rc = put(buf, ",", err);
            if (!rc)
                rc = put_key(buf, key, false, err);
            if (!rc)
                rc = bt_twin_value(buf, member, bin, err);
        }
        return rc ? rc : put(buf, "}", err);
    }
    return rc;
}

int bt_twin_members(struct bt_buf *buf, const struct bt_record *rec, enum bt_twin_bin bin, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = 0; !rc && i < bt_record_field_count(rec); i++) {
        struct bt_value key, value = bt_record_field(rec, i, &key);

        if (i > 0)
            rc = put(buf, ",", err);
        if (!rc)
            rc = put_key(buf, key, true, err);
        if (!rc)
            rc = bt_twin_value(buf, value, bin, err);
    }
    return rc;
}

/* ---- back ---- */

static int bad_value(struct bt_err *err, const char *why)
{
    return bt_fail(err, BT_ERR_JSON, "%s; write it as 'bt-cat --to=json' does", why);
}

static int pack_bin(struct bt_record *rec, const json_t *text, struct bt_err *err)
{
    size_t size = json_string_length(text), bytes = 0;
    uint8_t *data = bt_alloc(size / 4 * 3 + 1, 1, err);
    int rc = data ? BT_OK : BT_ERR_MEMORY;

    if (!rc && !bt_base64_decode(json_string_value(text), size, data, &bytes))
        rc = bad_value(err, "'$bin' is not base64");
    if (!rc)
        bt_pack_bin(rec, data, bytes);
    free(data);
    return rc;
}

static int pack_float(struct bt_record *rec, const json_t *value, struct bt_err *err)
{
    const char *name = json_string_value(value);

    if (name && strcmp(name, "nan") == 0)
        bt_pack_float(rec, (double)NAN);
    else if (name && strcmp(name, "inf") == 0)
        bt_pack_float(rec, (double)INFINITY);
    else if (name && strcmp(name, "-inf") == 0)
        bt_pack_float(rec, -(double)INFINITY);
    else
        return bad_value(err, "'$f64' is none of nan, inf, -inf");
    return BT_OK;
}

static const char *own_name(const char *key, bool top)
{
    return key[0] == '$' && (key[1] == '$' || (top && strcmp(key, "$type") == 0)) ? key + 1 : key;
}

static int pack_json(struct bt_record *rec, const json_t *value, int depth, struct bt_err *err);

static int pack_object(struct bt_record *rec, const json_t *object, int depth, struct bt_err *err)
{
    const char *key;
    json_t *member;
    int rc = BT_OK;

    if (json_object_size(object) == 1) {
        member = json_object_get(object, "$bin");
        if (json_is_string(member))
            return pack_bin(rec, member, err);
        member = json_object_get(object, "$f64");
        if (member)
            return pack_float(rec, member, err);
        if (json_object_get(object, "$bin_len"))
            return bad_value(err, "'$bin_len' tells the length of bytes that are not here");
    }
    bt_pack_map(rec, json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, member)
    {
        const char *name = own_name(key, false);

        bt_pack_str(rec, name, strlen(name));
        rc = pack_json(rec, member, depth + 1, err);
        if (rc)
            break;
    }
    return rc;
}

static int pack_json(struct bt_record *rec, const json_t *value, int depth, struct bt_err *err)
{
    int rc = BT_OK;

    if (depth > BT_MAX_DEPTH)
        return bad_value(err, "nested deeper than 16");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return pack_object(rec, value, depth, err);
    case JSON_ARRAY:
        bt_pack_array(rec, json_array_size(value));
        for (size_t i = 0; !rc && i < json_array_size(value); i++)
            rc = pack_json(rec, json_array_get(value, i), depth + 1, err);
        return rc;
    case JSON_STRING:
        bt_pack_str(rec, json_string_value(value), json_string_length(value));
        return BT_OK;
    case JSON_INTEGER:
        if (json_integer_value(value) > BT_MAX_INTEGER || json_integer_value(value) < -BT_MAX_INTEGER)
            return bad_value(err, "an integer beyond 2^53-1");
        bt_pack_int(rec, json_integer_value(value));
        return BT_OK;
    case JSON_REAL:
        bt_pack_float(rec, json_real_value(value));
        return BT_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        bt_pack_bool(rec, json_is_true(value));
        return BT_OK;
    case JSON_NULL:
        bt_pack_nil(rec);
        return BT_OK;
    }
    return BT_OK;
}

int bt_twin_set(struct bt_record *rec, const char *key, const json_t *value, struct bt_err *err)
{
    size_t size = strlen(key);

    if (size < 1 || size > BT_MAX_KEY)
        return bad_value(err, "a key that is not 1 to 64 bytes long");
    bt_record_begin(rec, key);
    int rc = pack_json(rec, value, 1, err);
    return rc ? rc : bt_record_end(rec, err);
}

int bt_twin_record(struct bt_record *rec, const json_t *line, struct bt_err *err)
{
    const char *key;
    json_t *member;
    int rc = BT_OK;

    bt_record_clear(rec);
    json_object_foreach((json_t *)(uintptr_t)line, key, member)
    {
        rc = bt_twin_set(rec, own_name(key, true), member, err);
        if (rc)
            break;
    }
    return rc;
}
