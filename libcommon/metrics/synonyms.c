#include "libcommon/metrics/synonyms.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

struct base {
    struct bt_text word;
    int32_t next; /* of the same form; -1: none */
};

struct bt_synonyms {
    struct bt_intern *words; /* that have synsets */
    struct bt_text *synsets; /* [words]: the line of numbers */
    uint64_t synset_capacity;
    struct bt_intern *forms; /* irregular ones */
    int32_t *first_base;     /* [forms] */
    uint64_t first_capacity;
    struct base *bases;
    uint64_t base_count, base_capacity;
};

/* The numbers of a word, collected. */
struct numbers {
    int32_t **items;
    uint64_t *capacity;
    int32_t count;
};

/* Cuts the first line off the text; false at its end. */
static bool next_line(struct bt_text *text, struct bt_text *line)
{
    if (text->size == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->size);
    size_t size = end ? (size_t)(end - text->data) : text->size, whole = size + (end != NULL);
    *line = (struct bt_text){ text->data, size > 0 && text->data[size - 1] == '\r' ? size - 1 : size };
    *text = (struct bt_text){ text->data + whole, text->size - whole };
    return true;
}

static bool next_field(struct bt_text *line, struct bt_text *field)
{
    size_t i = 0, start;
    while (i < line->size && (line->data[i] == ' ' || line->data[i] == '\t'))
        i++;
    for (start = i; i < line->size && line->data[i] != ' ' && line->data[i] != '\t';)
        i++;
    *field = (struct bt_text){ line->data + start, i - start };
    *line = (struct bt_text){ line->data + i, line->size - i };
    return field->size > 0;
}

static int lone_line(const char *what, struct bt_text line, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_INPUT, "the %s end after %s, whose second line is missing; get them again",
                   what, bt_quote(line.data, line.size));
}

static int add_synsets(struct bt_synonyms *s, struct bt_text text, struct bt_err *err)
{
    struct bt_text word, line;
    int32_t number;
    int rc = BT_OK;
    while (!rc && next_line(&text, &word)) {
        if (!next_line(&text, &line))
            return lone_line("synsets", word, err);
        rc = bt_intern_add(s->words, word, &number, err);
        if (!rc)
            rc = bt_grow(&s->synsets, &s->synset_capacity, (uint64_t)number + 1, sizeof *s->synsets, err);
        if (!rc)
            s->synsets[number] = line; /* of a word that comes twice the last one counts */
    }
    return rc;
}

static int add_form(struct bt_synonyms *s, struct bt_text form, struct bt_text base, struct bt_err *err)
{
    int32_t number, before = bt_intern_count(s->forms);
    int rc = bt_intern_add(s->forms, form, &number, err);
    if (!rc)
        rc = bt_grow(&s->first_base, &s->first_capacity, (uint64_t)number + 1, sizeof *s->first_base, err);
    if (!rc)
        rc = bt_grow(&s->bases, &s->base_capacity, s->base_count + 1, sizeof *s->bases, err);
    if (rc)
        return rc;
    s->bases[s->base_count] = (struct base){ base, number == before ? -1 : s->first_base[number] };
    s->first_base[number] = (int32_t)s->base_count++;
    return BT_OK;
}

static int add_exceptions(struct bt_synonyms *s, struct bt_text text, struct bt_err *err)
{
    struct bt_text base, line, form;
    int rc = BT_OK;
    while (!rc && next_line(&text, &base)) {
        if (!next_line(&text, &line))
            return lone_line("exceptions", base, err);
        while (!rc && next_field(&line, &form))
            rc = add_form(s, form, base, err);
    }
    return rc;
}

int bt_synonyms_new(struct bt_synonyms **synonyms, struct bt_text synsets, struct bt_text exceptions,
                    struct bt_err *err)
{
    struct bt_synonyms *s = bt_alloc(1, sizeof *s, err);
    if (!s)
        return BT_ERR_MEMORY;
    s->words = bt_intern_new();
    s->forms = bt_intern_new();
    int rc = s->words && s->forms ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for the synonyms");
    if (!rc)
        rc = add_synsets(s, synsets, err);
    if (!rc)
        rc = add_exceptions(s, exceptions, err);
    if (rc)
        bt_synonyms_free(s);
    else
        *synonyms = s;
    return rc;
}

void bt_synonyms_free(struct bt_synonyms *s)
{
    if (!s)
        return;
    bt_intern_free(s->words);
    bt_intern_free(s->forms);
    free(s->synsets);
    free(s->first_base);
    free(s->bases);
    free(s);
}

/* Adds the numbers of a word, where it has some. */
static int collect(const struct bt_synonyms *s, struct bt_text word, struct numbers *to, struct bt_err *err)
{
    int32_t number = bt_intern_find(s->words, word);
    struct bt_text line, field;
    if (number < 0)
        return BT_OK;
    for (line = s->synsets[number]; next_field(&line, &field);) {
        int64_t value = 0;
        for (size_t i = 0; i < field.size; i++) {
            if (field.data[i] < '0' || field.data[i] > '9' || field.size > 9)
                return bt_fail(err, BT_ERR_INPUT,
                               "the synsets of %s hold %s, which is no number; get them again",
                               bt_quote(word.data, word.size), bt_quote(field.data, field.size));
            value = value * 10 + (field.data[i] - '0');
        }
        int rc = bt_grow(to->items, to->capacity, (uint64_t)to->count + 1, sizeof **to->items, err);
        if (rc)
            return rc;
        (*to->items)[to->count++] = (int32_t)value;
    }
    return BT_OK;
}

static bool ends_in(struct bt_text word, const char *end)
{
    size_t size = strlen(end);
    return word.size >= size && memcmp(word.data + word.size - size, end, size) == 0;
}

/* Whether a word has at most two characters (UTF-16 units, as Java counts). */
static bool is_short(struct bt_text word)
{
    size_t units = 0;
    for (size_t i = 0; i < word.size; i++)
        units += ((unsigned char)word.data[i] & 0xC0) != 0x80 ? 1 + ((unsigned char)word.data[i] >= 0xF0) : 0;
    return units <= 2;
}

/* The base form by the first rule whose result has synsets: m(w) of metrics.md 2.4. False: none. The result
 * is in `base` when a rule made it. */
static bool detach(const struct bt_synonyms *s, struct bt_text word, struct bt_buf *base,
                   struct bt_text *result, int *rc, struct bt_err *err)
{
    static const struct {
        const char *end, *by;
    } rules[] = { { "s", "" },      { "ses", "s" },   { "xes", "x" }, { "zes", "z" }, { "ches", "ch" },
                  { "shes", "sh" }, { "men", "man" }, { "ies", "y" }, { "s", "" },    { "ies", "y" },
                  { "es", "e" },    { "es", "" },     { "ed", "e" },  { "ed", "" },   { "ing", "e" },
                  { "ing", "" },    { "er", "" },     { "est", "" },  { "er", "e" },  { "est", "e" } };

    *result = word;
    if (ends_in(word, "ss") || is_short(word))
        return true;
    for (size_t i = 0; !*rc && i < sizeof rules / sizeof *rules; i++) {
        if (!ends_in(word, rules[i].end))
            continue;
        base->size = 0;
        *rc = bt_buf_add(base, word.data, word.size - strlen(rules[i].end), err);
        if (!*rc)
            *rc = bt_buf_add(base, rules[i].by, strlen(rules[i].by), err);
        *result = (struct bt_text){ base->data, base->size };
        if (!*rc && bt_intern_find(s->words, *result) >= 0)
            return true;
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int bt_synonyms_find(const struct bt_synonyms *s, struct bt_text word, int32_t **synsets, uint64_t *capacity,
                     int32_t *count, struct bt_err *err)
{
    struct numbers to = { synsets, capacity, 0 };
    struct bt_buf buf = { 0 };
    struct bt_text base;
    int32_t form = bt_intern_find(s->forms, word);
    int rc = collect(s, word, &to, err);

    if (form >= 0)
        for (int32_t i = s->first_base[form]; !rc && i >= 0; i = s->bases[i].next)
            rc = collect(s, s->bases[i].word, &to, err);
    else if (!rc && detach(s, word, &buf, &base, &rc, err))
        rc = collect(s, base, &to, err);
    bt_buf_free(&buf);
    if (rc)
        return rc;

    *count = 0;
    if (to.count > 0)
        qsort(*synsets, (size_t)to.count, sizeof **synsets, compare);
    for (int32_t i = 0; i < to.count; i++)
        if (*count == 0 || (*synsets)[*count - 1] != (*synsets)[i])
            (*synsets)[(*count)++] = (*synsets)[i];
    return BT_OK;
}
