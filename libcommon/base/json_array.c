/* The elements of a JSON array, or the members of an object, one at a time. A small scanner finds where each value
 * ends; what a value is, jansson decides. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/json_slice.h"
#include "libcommon/base/window.h"

struct bt_json_array {
    struct bt_window in;
    char *member;  /* the array's name; NULL: the file is the array */
    char *next;    /* the array that may follow it; NULL: none is wanted */
    bool keyed;    /* the arrays are members of an object */
    json_t *keys;  /* of the top-level object, those met so far */
    json_t *key;   /* of the member last returned */
    uint64_t line; /* where `in.begin` is */
    uint64_t value_line, count;
    bool first; /* nothing of the innermost array or object was read yet */
    bool done;
};

static int syntax(const struct bt_json_array *a, const char *want, struct bt_err *err)
{
    const struct bt_window *in = &a->in;

    if (in->begin == in->end)
        return bt_fail(err, BT_ERR_JSON,
                       "%s:%" PRIu64 ": the file ends where %s is expected; it is cut: get it again",
                       in->place, a->line, want);
    return bt_fail(err, BT_ERR_JSON, "%s:%" PRIu64 ": '%s' where %s is expected; correct it", in->place,
                   a->line, bt_quote(in->data + in->begin, 1), want);
}

static void consume(struct bt_json_array *a, size_t size)
{
    const char *p = a->in.data + a->in.begin, *end = p + size;

    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        a->line++;
        p++;
    }
    a->in.begin += size;
}

/* Skips white space. *c is the byte behind it, which stays, or NUL at the end of the file; a NUL byte of the
 * file is no token either, so whoever expects one refuses both. */
static int peek(struct bt_json_array *a, char *c, struct bt_err *err)
{
    int rc = BT_OK;

    while (!rc) {
        size_t blank = 0, size = a->in.end - a->in.begin;
        const char *p = a->in.data + a->in.begin;

        while (blank < size && (p[blank] == ' ' || p[blank] == '\t' || p[blank] == '\r' || p[blank] == '\n'))
            blank++;
        consume(a, blank);
        if (blank < size) {
            *c = a->in.data[a->in.begin];
            return BT_OK;
        }
        rc = bt_window_more(&a->in, err);
    }
    *c = '\0';
    return rc == BT_END ? BT_OK : rc;
}

static int expect(struct bt_json_array *a, char want, const char *name, struct bt_err *err)
{
    char c;
    int rc = peek(a, &c, err);

    if (rc)
        return rc;
    if (c != want)
        return syntax(a, name, err);
    consume(a, 1);
    return BT_OK;
}

struct scan {
    size_t size; /* bytes looked at that belong to the value */
    int depth;
    bool string, escape;
};

/* Looks at one more byte; true when the value ended before it or, with *last, with it. */
static bool scan_byte(struct scan *s, char c, bool *last)
{
    *last = false;
    if (s->escape) {
        s->escape = false;
    } else if (s->string) {
        s->escape = c == '\\';
        s->string = c != '"';
        *last = !s->string && s->depth == 0;
    } else if (c == '"' || c == '[' || c == '{') {
        if (s->depth == 0 && s->size > 0)
            return true;
        s->string = c == '"';
        s->depth += c != '"';
    } else if (c == ']' || c == '}') {
        if (s->depth == 0)
            return true;
        *last = --s->depth == 0;
    } else if (s->depth == 0 && strchr(" \t\r\n,:", c)) {
        return true;
    }
    s->size++;
    return *last;
}

/* Finds the end of the value that begins at in.begin. */
static int scan_value(struct bt_json_array *a, size_t *size, struct bt_err *err)
{
    struct scan s = { 0 };
    bool last, ended = false;
    int rc = BT_OK;

    while (!rc && !ended) {
        const char *p = a->in.data + a->in.begin;
        size_t here = a->in.end - a->in.begin;

        while (s.size < here && !ended) {
            ended = scan_byte(&s, p[s.size], &last);
            if (s.depth > BT_JSON_DEPTH - 1)
                return bt_fail(err, BT_ERR_JSON, "%s:%" PRIu64 ": nested more than %d deep; flatten it",
                               a->in.place, a->line, BT_JSON_DEPTH);
        }
        if (!ended)
            rc = bt_window_more(&a->in, err);
    }
    if (rc == BT_END && (s.depth > 0 || s.string))
        return bt_fail(err, BT_ERR_JSON,
                       "%s:%" PRIu64 ": the file ends in the value that begins here; it is cut: get it again",
                       a->in.place, a->line);
    *size = s.size;
    return rc == BT_END ? BT_OK : rc;
}

static int take_value(struct bt_json_array *a, json_t **value, struct bt_err *err)
{
    size_t size = 0;
    char c;
    int rc = peek(a, &c, err);

    if (!rc)
        rc = scan_value(a, &size, err);
    if (!rc && size == 0)
        rc = syntax(a, "a value", err);
    if (!rc)
        rc = bt_json_slice(value, a->in.place, a->line, a->in.data + a->in.begin, size, err);
    if (rc)
        return rc;
    a->value_line = a->line;
    consume(a, size);
    return BT_OK;
}

/* Takes the value when it is a plain object that is here as a whole. */
static bool take_flat(struct bt_json_array *a, struct bt_json_flat *flat)
{
    if (!bt_json_flat(flat, a->in.data + a->in.begin, a->in.end - a->in.begin))
        return false;
    a->value_line = a->line;
    consume(a, flat->size);
    return true;
}

/* Between the values of an array or object that `close` ends: BT_END when it ended. */
static int next_value(struct bt_json_array *a, char close, struct bt_err *err)
{
    char c;
    int rc = peek(a, &c, err);

    if (rc)
        return rc;
    if (c == close) {
        consume(a, 1);
        return BT_END;
    }
    if (!a->first && c != ',')
        return syntax(a, close == ']' ? "',' or ']'" : "',' or '}'", err);
    if (!a->first)
        consume(a, 1);
    a->first = false;
    return BT_OK;
}

static int take_key(struct bt_json_array *a, json_t **key, struct bt_err *err)
{
    char c;
    int rc = peek(a, &c, err);

    if (!rc && c != '"')
        return syntax(a, "a key in quotes", err);
    if (!rc)
        rc = take_value(a, key, err);
    if (!rc) {
        rc = expect(a, ':', "':'", err);
        if (rc)
            json_decref(*key);
    }
    return rc;
}

/* Checks the values of an array or object one by one and forgets them; other values as a whole. */
static int skip_value(struct bt_json_array *a, struct bt_err *err)
{
    struct bt_json_flat flat;
    json_t *key, *value;
    char c, close;
    int rc = peek(a, &c, err);

    if (rc)
        return rc;
    if (c != '[' && c != '{') {
        rc = take_value(a, &value, err);
        if (!rc)
            json_decref(value);
        return rc;
    }
    close = c == '[' ? ']' : '}';
    consume(a, 1);
    a->first = true;
    while (!rc) {
        rc = next_value(a, close, err);
        if (!rc && close == '}') {
            rc = take_key(a, &key, err);
            if (!rc)
                json_decref(key);
        }
        if (!rc && !take_flat(a, &flat)) {
            rc = take_value(a, &value, err);
            if (!rc)
                json_decref(value);
        }
    }
    a->first = false;
    return rc == BT_END ? BT_OK : rc;
}

/* Reads the next key of the top-level object; *wanted tells whether it is the array's. BT_END at its end. */
static int next_member(struct bt_json_array *a, bool *wanted, struct bt_err *err)
{
    json_t *key = NULL;
    const char *name;
    int rc = next_value(a, '}', err);

    if (!rc)
        rc = take_key(a, &key, err);
    if (rc)
        return rc;
    name = json_string_value(key);
    if (json_object_get(a->keys, name))
        rc = bt_fail(err, BT_ERR_JSON, "%s:%" PRIu64 ": '%s' is there twice; keep one", a->in.place,
                     a->value_line, bt_quote_str(name));
    else if (json_object_set_new(a->keys, name, json_true()) != 0)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", a->in.place);
    *wanted = a->member && strcmp(name, a->member) == 0;
    json_decref(key);
    return rc;
}

/* Goes to the array: past the members before it. */
static int find_array(struct bt_json_array *a, struct bt_err *err)
{
    bool wanted = false;
    int rc;

    a->first = true;
    if (!a->member)
        return expect(a, '[', "an array ('[')", err);
    rc = expect(a, '{', "an object ('{')", err);
    while (!rc && !wanted) {
        rc = next_member(a, &wanted, err);
        if (!rc && !wanted)
            rc = skip_value(a, err);
    }
    if (rc == BT_END)
        return bt_fail(err, BT_ERR_JSON, "%s: has no '%s'; this is another kind of file", a->in.place,
                       a->member);
    if (!rc)
        rc = expect(a, '[', "an array ('[')", err);
    a->first = true;
    return rc;
}

/* What follows the array: the members behind it, and nothing after. Stops in the array that may follow, where it does. */
static int finish_array(struct bt_json_array *a, struct bt_err *err)
{
    bool wanted = false;
    char c;
    int rc = BT_OK;

    a->first = false;
    free(a->member);
    a->member = a->next;
    a->next = NULL;
    while (!rc && a->keyed) {
        rc = next_member(a, &wanted, err);
        if (!rc && wanted) {
            a->first = true;
            return expect(a, '[', "an array ('[')", err);
        }
        if (!rc)
            rc = skip_value(a, err);
    }
    if (rc == BT_OK || rc == BT_END)
        rc = peek(a, &c, err);
    if (!rc && a->in.begin < a->in.end)
        rc = syntax(a, "the end of the file", err);
    a->done = !rc;
    return rc;
}

static int open_file(struct bt_json_array **array, const char *path, const char *member,
                     int (*begin)(struct bt_json_array *a, struct bt_err *err), struct bt_err *err)
{
    struct bt_json_array *a = calloc(1, sizeof *a);
    int rc;

    if (!a)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    a->line = 1;
    a->keys = json_object();
    a->member = member ? strdup(member) : NULL;
    a->keyed = member;
    rc = bt_window_open(&a->in, path, err);
    if (!rc && (!a->keys || (member && !a->member)))
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    if (!rc)
        rc = begin(a, err);
    if (rc)
        bt_json_array_close(a);
    else
        *array = a;
    return rc;
}

int bt_json_array_open(struct bt_json_array **array, const char *path, const char *member, struct bt_err *err)
{
    return open_file(array, path, member, find_array, err);
}

int bt_json_array_follow(struct bt_json_array *a, const char *member, struct bt_err *err)
{
    free(a->next);
    a->next = strdup(member);
    return a->next ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", a->in.place);
}

bool bt_json_array_ended(const struct bt_json_array *a)
{
    return a->done;
}

/* `flat` may be NULL. */
static int next_element(struct bt_json_array *a, struct bt_json_flat *flat, json_t **element,
                        struct bt_err *err)
{
    int rc;

    if (a->done)
        return BT_END;
    rc = next_value(a, ']', err);
    if (!rc && flat && take_flat(a, flat))
        *element = NULL;
    else if (!rc)
        rc = take_value(a, element, err);
    if (!rc)
        a->count++;
    if (rc == BT_END) {
        rc = finish_array(a, err);
        return rc ? rc : BT_END;
    }
    return rc;
}

int bt_json_array_next(struct bt_json_array *a, json_t **element, struct bt_err *err)
{
    return next_element(a, NULL, element, err);
}

int bt_json_array_next_flat(struct bt_json_array *a, struct bt_json_flat *flat, json_t **element,
                            struct bt_err *err)
{
    return next_element(a, flat, element, err);
}

static int begin_object(struct bt_json_array *a, struct bt_err *err)
{
    a->first = true;
    return expect(a, '{', "an object ('{')", err);
}

int bt_json_members_open(struct bt_json_array **members, const char *path, struct bt_err *err)
{
    return open_file(members, path, NULL, begin_object, err);
}

int bt_json_members_next(struct bt_json_array *a, const char **key, json_t **value, struct bt_err *err)
{
    json_t *name = NULL;
    int rc;

    if (a->done)
        return BT_END;
    rc = next_value(a, '}', err);
    if (!rc)
        rc = take_key(a, &name, err);
    if (!rc) {
        json_decref(a->key);
        a->key = name;
        rc = take_value(a, value, err);
    }
    if (!rc) {
        *key = json_string_value(a->key);
        a->count++;
    }
    if (rc == BT_END) {
        rc = finish_array(a, err);
        return rc ? rc : BT_END;
    }
    return rc;
}

uint64_t bt_json_array_line(const struct bt_json_array *array)
{
    return array->value_line;
}

uint64_t bt_json_array_index(const struct bt_json_array *array)
{
    return array->count ? array->count - 1 : 0;
}

void bt_json_array_close(struct bt_json_array *array)
{
    if (!array)
        return;
    bt_window_close(&array->in);
    json_decref(array->keys);
    json_decref(array->key);
    free(array->member);
    free(array->next);
    free(array);
}
