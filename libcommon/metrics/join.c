#include "libcommon/metrics/join.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"

#define EXAMPLES 3

struct entry {
    struct bt_text first, last; /* results */
    uint32_t result_count;
    bool expected, allowed;
};

struct bt_join {
    const char *noun;
    struct bt_intern *ids;
    struct bt_arena *texts;
    struct entry *entries; /* by id number */
    uint64_t capacity;
    char preset[96];
};

struct bt_join *bt_join_new(const char *noun)
{
    struct bt_join *join = calloc(1, sizeof *join);
    if (!join)
        return NULL;
    join->noun = noun;
    join->ids = bt_intern_new();
    join->texts = bt_arena_new(1 << 16);
    if (!join->ids || !join->texts) {
        bt_join_free(join);
        return NULL;
    }
    return join;
}

void bt_join_free(struct bt_join *join)
{
    if (!join)
        return;
    bt_intern_free(join->ids);
    bt_arena_free(join->texts);
    free(join->entries);
    free(join);
}

static int number_of(struct bt_join *join, struct bt_text id, int32_t *number, struct bt_err *err)
{
    int32_t count = bt_intern_count(join->ids);
    int rc = bt_intern_add(join->ids, id, number, err);
    if (!rc)
        rc = bt_grow(&join->entries, &join->capacity, (uint64_t)*number + 1, sizeof *join->entries, err);
    if (!rc && *number == count)
        join->entries[count] = (struct entry){ 0 };
    return rc;
}

int bt_join_expect(struct bt_join *join, struct bt_text id, int32_t *number, bool *known, struct bt_err *err)
{
    int rc = number_of(join, id, number, err);
    if (rc)
        return rc;
    if (known)
        *known = join->entries[*number].expected;
    join->entries[*number].expected = true;
    return BT_OK;
}

int bt_join_allow(struct bt_join *join, struct bt_text id, int32_t *number, bool *known, struct bt_err *err)
{
    int rc = number_of(join, id, number, err);
    if (rc)
        return rc;
    *known = join->entries[*number].expected || join->entries[*number].allowed;
    join->entries[*number].allowed = true;
    return BT_OK;
}

int bt_join_result(struct bt_join *join, struct bt_text id, struct bt_text text, struct bt_err *err)
{
    int32_t number = 0;
    int rc = number_of(join, id, &number, err);
    if (rc)
        return rc;
    const char *copy = bt_arena_str(join->texts, text.size > 0 ? text.data : "", text.size);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the results");
    struct entry *e = &join->entries[number];
    e->last = (struct bt_text){ copy, text.size };
    if (e->result_count++ == 0)
        e->first = e->last;
    return BT_OK;
}

void bt_join_preset(struct bt_join *join, struct bt_text name, struct bt_text hash)
{
    char preset[sizeof join->preset];
    int length = snprintf(preset, sizeof preset, "%.*s:%.*s", name.size < 64 ? (int)name.size : 64, name.data,
                          hash.size < 8 ? (int)hash.size : 8, hash.data);
    for (int i = 0; i < length; i++)
        if (!isalnum((unsigned char)preset[i]) && !strchr("._-:", preset[i]))
            preset[i] = '?';
    if (!join->preset[0] || strcmp(join->preset, preset) == 0)
        memcpy(join->preset, preset, sizeof preset);
    else
        strcpy(join->preset, "mixed");
}

const char *bt_join_made_with(const struct bt_join *join)
{
    return join->preset;
}

int32_t bt_join_count(const struct bt_join *join)
{
    return bt_intern_count(join->ids);
}

int32_t bt_join_find(const struct bt_join *join, struct bt_text id)
{
    return bt_intern_find(join->ids, id);
}

struct bt_text bt_join_id(const struct bt_join *join, int32_t number)
{
    return bt_intern_text(join->ids, number);
}

bool bt_join_expected(const struct bt_join *join, int32_t number)
{
    return join->entries[number].expected;
}

bool bt_join_get(const struct bt_join *join, int32_t number, const struct bt_join_policy *policy,
                 struct bt_text *text)
{
    const struct entry *e = &join->entries[number];
    *text = policy->duplicates == BT_DUPLICATES_FIRST ? e->first : e->last;
    return e->result_count > 0;
}

/* Ids of one kind of trouble: how many, and the first few. */
struct finding {
    uint32_t count;
    int32_t examples[EXAMPLES];
};

static void find(struct finding *f, int32_t number)
{
    if (f->count < EXAMPLES)
        f->examples[f->count] = number;
    f->count++;
}

/* "2 images without a result (1, 2)"; `clauses` grows by it, after a comma where it is not the first. */
static int say(const struct bt_join *join, const struct finding *f, const char *what, struct bt_buf *clauses,
               struct bt_err *err)
{
    if (f->count == 0)
        return BT_OK;
    int rc = bt_buf_printf(clauses, err, "%s%u %s%s %s (", clauses->size > 0 ? ", " : "", f->count,
                           join->noun, f->count == 1 ? "" : "s", what);
    for (uint32_t i = 0; !rc && i < f->count && i < EXAMPLES; i++) {
        struct bt_text id = bt_join_id(join, f->examples[i]);
        rc = bt_buf_printf(clauses, err, "%s%s", i > 0 ? ", " : "", bt_quote(id.data, id.size));
    }
    return rc ? rc : bt_buf_printf(clauses, err, "%s)", f->count > EXAMPLES ? ", ..." : "");
}

/* Whether the same id with the other type (1 for "1", "1" for 1) is expected. */
static bool other_type_expected(const struct bt_join *join, int32_t number)
{
    struct bt_text id = bt_join_id(join, number);
    char other[64];
    if (id.size < 1 || id.size > sizeof other - 2)
        return false;
    bool quoted = id.data[0] == '"';
    size_t size = quoted ? id.size - 2 : id.size + 2;
    if (quoted) {
        memcpy(other, id.data + 1, size);
    } else {
        other[0] = other[size - 1] = '"';
        memcpy(other + 1, id.data, id.size);
    }
    int32_t found = bt_join_find(join, (struct bt_text){ other, size });
    return found >= 0 && join->entries[found].expected;
}

static const char *remedy(const struct bt_join *join, const struct finding *unknown,
                          const struct finding *repeated)
{
    if (unknown->count > 0 && other_type_expected(join, unknown->examples[0]))
        return "ids match by type too: write them as numbers, or as strings, on both sides";
    if (unknown->count > 0)
        return "score against the references that the results were made for";
    if (repeated->count > 0)
        return "choose with --duplicates=first or last";
    return "give --subset to score only what has a result";
}

static void settle_repeated(const struct bt_join *join, const struct finding *repeated,
                            enum bt_duplicates duplicates)
{
    struct bt_buf text = { 0 };
    if (say(join, repeated, "with more than one result", &text, NULL) == BT_OK && text.size > 0)
        bt_warn("%s; the %s one counts", text.data, duplicates == BT_DUPLICATES_FIRST ? "first" : "last");
    bt_buf_free(&text);
}

int bt_join_check(const struct bt_join *join, const struct bt_join_policy *policy, struct bt_err *err)
{
    struct finding missing = { 0 }, unknown = { 0 }, repeated = { 0 }, none = { 0 };
    struct bt_buf text = { 0 };
    int32_t expected = 0;
    int rc = BT_OK;

    for (int32_t i = 0; i < bt_join_count(join); i++) {
        const struct entry *e = &join->entries[i];
        expected += e->expected;
        if (!e->expected && !e->allowed)
            find(&unknown, i);
        else if (e->expected && e->result_count == 0)
            find(&missing, i);
        if (e->result_count > 1)
            find(&repeated, i);
    }
    bool bad_missing = missing.count > 0 && !policy->subset;
    bool bad_repeated = repeated.count > 0 && policy->duplicates == BT_DUPLICATES_ERROR;

    rc = say(join, &unknown, "with a result but without references", &text, err);
    if (!rc)
        rc = say(join, bad_missing ? &missing : &none, "without a result", &text, err);
    if (!rc)
        rc = say(join, bad_repeated ? &repeated : &none, "with more than one result", &text, err);
    if (!rc && text.size > 0)
        rc = bt_fail(err, BT_ERR_INPUT, "results: %s; %s", text.data, remedy(join, &unknown, &repeated));
    if (!rc && !bad_repeated)
        settle_repeated(join, &repeated, policy->duplicates);
    if (!rc && missing.count > 0)
        bt_note("%u of %d %ss have no result and are left out", missing.count, expected, join->noun);
    bt_buf_free(&text);
    return rc;
}
