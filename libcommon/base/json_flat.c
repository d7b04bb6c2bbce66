/* Plain objects, read without building a JSON value. */
#include <string.h>

#include "libcommon/base/json.h"

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char want)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != want)
        return false;
    c->at++;
    return true;
}

/* A string of printable ASCII without escapes. */
static bool take_string(struct cursor *c, const char **text, size_t *size)
{
    if (!take(c, '"'))
        return false;
    const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));
    if (!quote)
        return false;
    int other = 0; /* | and not ||: many bytes at once */
    for (const char *at = c->at; at < quote; at++)
        other |= (*at < ' ') | (*at == 0x7F) | (*at == '\\');
    *text = c->at;
    *size = (size_t)(quote - c->at);
    c->at = quote + 1;
    return !other;
}

/* A whole number of at most 18 digits, as it would be printed. */
static bool take_integer(struct cursor *c, const char **text, size_t *size)
{
    *text = c->at;
    const bool minus = c->at < c->end && *c->at == '-';
    const char *digits = c->at += minus;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    size_t count = (size_t)(c->at - digits);
    *size = (size_t)(c->at - *text);
    if (count == 0 || count > 18 || (digits[0] == '0' && (minus || count > 1)))
        return false;
    return c->at < c->end && !strchr(".eE", *c->at);
}

static bool take_member(struct cursor *c, struct bt_json_flat *flat)
{
    struct bt_json_member *m = &flat->members[flat->count];
    if (flat->count == BT_JSON_FLAT_MEMBERS || !take_string(c, &m->key, &m->key_size) || !take(c, ':'))
        return false;
    if (bt_json_flat_find(flat, m->key, m->key_size))
        return false;
    skip_blanks(c);
    m->is_string = c->at < c->end && *c->at == '"';
    flat->count++;
    return m->is_string ? take_string(c, &m->text, &m->size) : take_integer(c, &m->text, &m->size);
}

const struct bt_json_member *bt_json_flat_find(const struct bt_json_flat *flat, const char *key, size_t size)
{
    for (int i = 0; i < flat->count; i++)
        if (flat->members[i].key_size == size && memcmp(flat->members[i].key, key, size) == 0)
            return &flat->members[i];
    return NULL;
}

bool bt_json_flat(struct bt_json_flat *flat, const char *text, size_t size)
{
    struct cursor c = { text, text + size };
    flat->text = text;
    flat->count = 0;
    bool more = take(&c, '{');
    if (!more)
        return false;
    for (; more; more = take(&c, ','))
        if (!take_member(&c, flat))
            return false;
    bool whole = take(&c, '}');
    flat->size = (size_t)(c.at - text);
    return whole;
}
