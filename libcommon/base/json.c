#include "libcommon/base/json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json_slice.h"
#include "libcommon/base/window.h"

/* ---------------------------------------------------------------- parsing */

/* jansson allows a depth of 2048, and takes a NUL byte for the end of the text. */
static int check_text(const char *place, uint64_t line, const char *text, size_t size, struct bt_err *err)
{
    bool string = false;
    int depth = 0;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c == '\n')
            line++;
        if (c == '\0')
            return bt_fail(err, BT_ERR_JSON,
                           "%s:%" PRIu64 ": a NUL byte in JSON; the file is damaged or not text", place,
                           line);
        if (string && c == '\\' && i + 1 < size && text[i + 1] != '\0')
            i++;
        else if (c == '"')
            string = !string;
        else if (!string && (c == '[' || c == '{'))
            depth++;
        else if (!string && (c == ']' || c == '}'))
            depth--;
        if (depth > BT_JSON_DEPTH)
            return bt_fail(err, BT_ERR_JSON, "%s:%" PRIu64 ": nested more than %d deep; flatten it", place,
                           line, BT_JSON_DEPTH);
    }
    return BT_OK;
}

/* jansson takes want of memory for bad text, or loses a string over it and goes on; so its memory comes from here. */
static _Thread_local bool no_memory;

static void *take_memory(size_t size)
{
    void *memory = malloc(size);

    no_memory = no_memory || !memory;
    return memory;
}

__attribute__((constructor)) static void json_setup(void)
{
    json_set_alloc_funcs(take_memory, free);
}

static int parse_failed(const char *place, uint64_t line, const json_error_t *error, struct bt_err *err)
{
    enum json_error_code code = json_error_code(error);

    int status = code == json_error_invalid_utf8 ? BT_ERR_UTF8 : BT_ERR_JSON;

    if (no_memory)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to hold it; free some", place);

    if (error->line > 0)
        line += (uint64_t)error->line - 1;
    return bt_fail(err, status, "%s:%" PRIu64 ": %s; correct it", place, line, bt_quote_str(error->text));
}

int bt_json_slice(json_t **value, const char *place, uint64_t line, const char *text, size_t size,
                  struct bt_err *err)
{
    json_error_t error;
    json_t *parsed;
    int rc = check_text(place, line, text, size, err);

    if (rc)
        return rc;
    no_memory = false;
    parsed = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!parsed || no_memory) {
        json_decref(parsed);
        return parse_failed(place, line, &error, err);
    }
    *value = parsed;
    return BT_OK;
}

int bt_json_parse(json_t **value, const char *place, const char *text, size_t size, struct bt_err *err)
{
    size_t skip = 0;
    int rc = bt_text_begin(place, text, size, &skip, err);

    if (rc)
        return rc;
    return bt_json_slice(value, place, 1, text + skip, size - skip, err);
}

int bt_json_load(json_t **value, const char *path, struct bt_err *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = bt_file_read(path, BT_WINDOW_MAX, &text, &size, err);

    if (!rc)
        rc = bt_json_parse(value, bt_input_name(path), text, size, err);
    free(text);
    return rc;
}

/* ---------------------------------------------------------------- members */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int wrong_type(const json_t *value, const char *key, const char *want, const char *place,
                      struct bt_err *err)
{
    return bt_fail(err, BT_ERR_JSON, "%s: '%s' is %s; it must be %s", place, bt_quote_str(key),
                   type_name(value), want);
}

/* The member, or NULL when it is absent or null. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

int bt_json_get_str(const json_t *object, const char *key, const char **value, const char *place,
                    struct bt_err *err)
{
    json_t *found = member(object, key);

    if (found && !json_is_string(found))
        return wrong_type(found, key, "a string", place, err);
    if (found)
        *value = json_string_value(found);
    return BT_OK;
}

int bt_json_get_int(const json_t *object, const char *key, int64_t *value, const char *place,
                    struct bt_err *err)
{
    json_t *found = member(object, key);

    if (found && !json_is_integer(found))
        return wrong_type(found, key, "an integer", place, err);
    if (found)
        *value = json_integer_value(found);
    return BT_OK;
}

int bt_json_get_num(const json_t *object, const char *key, double *value, const char *place,
                    struct bt_err *err)
{
    json_t *found = member(object, key);

    if (found && !json_is_number(found))
        return wrong_type(found, key, "a number", place, err);
    if (found)
        *value = json_number_value(found);
    return BT_OK;
}

int bt_json_get_bool(const json_t *object, const char *key, bool *value, const char *place,
                     struct bt_err *err)
{
    json_t *found = member(object, key);

    if (found && !json_is_boolean(found))
        return wrong_type(found, key, "true or false", place, err);
    if (found)
        *value = json_is_true(found);
    return BT_OK;
}

/* ---------------------------------------------------------------- numbers */

/* Whatever up to 15 digits can say of a normal number, %.15g says, without trailing zeros. */
void bt_format_double(char out[32], double value)
{
    int digits = isnormal(value) ? DBL_DIG : 1;

    if (isnan(value)) { /* without the sign that printf gives it */
        strcpy(out, "nan");
        return;
    }
    do
        snprintf(out, 32, "%.*g", digits, value);
    while (strtod(out, NULL) != value && digits++ < DBL_DECIMAL_DIG);
}
