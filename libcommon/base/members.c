/* Structs from JSON by a table of members. */
#include "libcommon/base/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"

static bool same_group(const struct bt_member *m, const char *group)
{
    return group ? m->group && strcmp(m->group, group) == 0 : !m->group;
}

static const struct bt_member *find(const struct bt_members *members, const char *group, const char *name, size_t length)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct bt_member *m = &members->rows[i];

        if (same_group(m, group) && strlen(m->name) == length && memcmp(m->name, name, length) == 0)
            return m;
    }
    return NULL;
}

static bool is_group(const struct bt_members *members, const char *name)
{
    for (size_t i = 0; i < members->count; i++)
        if (same_group(&members->rows[i], name))
            return true;
    return false;
}

static int unknown(const struct bt_members *members, const char *group, const char *name, size_t length, const char *place,
                   struct bt_err *err)
{
    return bt_fail(err, BT_ERR_CONFIG, "%s: a %s has no '%s%s%s'; %s lists its members", place, members->noun,
                   group ? group : "", group ? "." : "", bt_quote(name, length), members->manual);
}

static int refuse(const struct bt_member *m, const char *place, struct bt_err *err)
{
    const char *group = m->group ? m->group : "", *dot = m->group ? "." : "";

    switch (m->kind) {
    case BT_MEMBER_TEXT:
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a text of at most %zu bytes", place, group, dot, m->name,
                       m->bytes - 1);
    case BT_MEMBER_FLAG:
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be true or false", place, group, dot, m->name);
    case BT_MEMBER_REAL:
    case BT_MEMBER_FLOAT:
        if (isinf(m->least))
            return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a number", place, group, dot, m->name);
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a number of at least %g", place, group, dot, m->name, m->least);
    default:
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s%s%s must be a whole number of at least %g", place, group, dot, m->name,
                       m->least);
    }
}

/* Whether the value has the member's type and range; then it is set. */
static bool set(const struct bt_member *m, void *object, const json_t *value)
{
    void *at = (char *)object + m->offset;
    double number = json_number_value(value);
    json_int_t whole = json_integer_value(value);
    json_int_t most = m->kind == BT_MEMBER_SIZE || m->kind == BT_MEMBER_ID ? INT32_MAX : INT64_MAX;

    switch (m->kind) {
    case BT_MEMBER_TEXT:
        if (!json_is_string(value) || json_string_length(value) >= m->bytes)
            return false;
        memcpy(at, json_string_value(value), json_string_length(value) + 1);
        return true;
    case BT_MEMBER_FLAG:
        if (!json_is_boolean(value))
            return false;
        *(bool *)at = json_is_true(value);
        return true;
    case BT_MEMBER_REAL:
    case BT_MEMBER_FLOAT:
        if (!json_is_number(value) || !(number >= m->least))
            return false;
        if (m->kind == BT_MEMBER_REAL)
            *(double *)at = number;
        else
            *(float *)at = (float)number;
        return true;
    default:
        if (!json_is_integer(value) || (double)whole < m->least || whole > most)
            return false;
        if (m->kind == BT_MEMBER_COUNT)
            *(int64_t *)at = whole;
        else if (m->kind == BT_MEMBER_SIZE)
            *(size_t *)at = (size_t)whole;
        else
            *(int32_t *)at = (int32_t)whole;
        return true;
    }
}

static int read_group(const struct bt_members *members, void *object, const char *group, const json_t *json, const char *place,
                      struct bt_err *err)
{
    const char *key;
    json_t *value;
    int rc = BT_OK;

    json_object_foreach((json_t *)json, key, value) {
        const struct bt_member *m = find(members, group, key, strlen(key));

        if (m)
            rc = set(m, object, value) ? BT_OK : refuse(m, place, err);
        else if (!group && json_is_object(value) && is_group(members, key))
            rc = read_group(members, object, key, value, place, err);
        else
            rc = unknown(members, group, key, strlen(key), place, err);
        if (rc)
            break;
    }
    return rc;
}

int bt_members_read(const struct bt_members *members, void *object, const json_t *json, const char *place, struct bt_err *err)
{
    if (!json_is_object(json))
        return bt_fail(err, BT_ERR_CONFIG, "%s: a %s is a JSON object", place, members->noun);
    return read_group(members, object, NULL, json, place, err);
}

int bt_members_require(const struct bt_members *members, const json_t *json, const char *place, struct bt_err *err)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct bt_member *m = &members->rows[i];

        if (!json_object_get(m->group ? json_object_get(json, m->group) : json, m->name))
            return bt_fail(err, BT_ERR_CONFIG, "%s: member '%s%s%s' is missing; %s lists those of a %s", place,
                           m->group ? m->group : "", m->group ? "." : "", m->name, members->manual, members->noun);
    }
    return BT_OK;
}

int bt_members_assign(const struct bt_members *members, void *object, const char *assignment, const char *place,
                      struct bt_err *err)
{
    const char *equals = strchr(assignment, '=');
    json_t *value = NULL;
    int rc;

    if (!equals)
        return bt_fail(err, BT_ERR_USAGE, "%s %s: is not KEY=VALUE", place, bt_quote_str(assignment));

    const struct bt_member *m = find(members, NULL, assignment, (size_t)(equals - assignment));

    if (!m)
        return unknown(members, NULL, assignment, (size_t)(equals - assignment), place, err);
    rc = bt_json_parse(&value, place, equals + 1, strlen(equals + 1), err);
    if (!rc && !set(m, object, value))
        rc = refuse(m, place, err);
    json_decref(value);
    return rc;
}

/* The fewest digits that read back as the same float; through double it would grow more. */
static json_t *float_value(float value)
{
    char text[32];
    int digits = 6;

    do
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (strtof(text, NULL) != value && ++digits <= 9);
    return json_real(strtod(text, NULL));
}

static json_t *value_of(const struct bt_member *m, const void *object)
{
    const void *at = (const char *)object + m->offset;

    switch (m->kind) {
    case BT_MEMBER_COUNT: return json_integer(*(const int64_t *)at);
    case BT_MEMBER_SIZE: return json_integer((json_int_t) * (const size_t *)at);
    case BT_MEMBER_ID: return json_integer(*(const int32_t *)at);
    case BT_MEMBER_REAL: return json_real(*(const double *)at);
    case BT_MEMBER_FLOAT: return float_value(*(const float *)at);
    case BT_MEMBER_FLAG: return json_boolean(*(const bool *)at);
    case BT_MEMBER_TEXT: return json_string(at);
    }
    return NULL;
}

json_t *bt_members_write(const struct bt_members *members, const void *object)
{
    json_t *json = json_object();

    for (size_t i = 0; i < members->count && json; i++) {
        const struct bt_member *m = &members->rows[i];
        json_t *holder = json;

        if (m->group && !(holder = json_object_get(json, m->group))) {
            json_object_set_new(json, m->group, json_object());
            holder = json_object_get(json, m->group);
        }
        if (json_object_set_new(holder, m->name, value_of(m, object))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

int bt_members_hash(const struct bt_members *members, const void *object, char hex[65], struct bt_err *err)
{
    json_t *json = bt_members_write(members, object);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    uint8_t digest[32];

    json_decref(json);
    if (!text)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", members->noun);
    bt_sha256(text, strlen(text), digest);
    bt_hex(hex, digest, sizeof digest);
    free(text);
    return BT_OK;
}
