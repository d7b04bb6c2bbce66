#include "libcommon/metrics/scoring.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/tool.h"

#define COMPARE_SAMPLES 1000

int bt_scoring_open(struct bt_scoring *s, const struct bt_score_options *o, enum bt_duplicates duplicates,
                    struct bt_err *err)
{
    *s = (struct bt_scoring){ .o = o, .policy = o->policy, .arena = bt_arena_new(1 << 14) };
    if (!o->duplicates_given)
        s->policy.duplicates = duplicates;
    return s->arena ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

void bt_scoring_close(struct bt_scoring *s)
{
    bt_buf_free(&s->signature);
    bt_arena_free(s->arena);
}

void *bt_scoring_take(struct bt_scoring *s, size_t count, size_t size, struct bt_err *err)
{
    void *piece = bt_arena_take(s->arena, count, size);
    if (piece)
        memset(piece, 0, count * size);
    else
        bt_fail(err, BT_ERR_MEMORY, "out of memory for the report");
    return piece;
}

struct bt_text bt_scoring_text(const char *literal)
{
    return (struct bt_text){ literal, strlen(literal) };
}

int bt_scoring_sign_range(struct bt_scoring *s, const char *name, int32_t least, int32_t most,
                          struct bt_err *err)
{
    return least == most ? bt_buf_printf(&s->signature, err, "|%s:%d", name, least)
                         : bt_buf_printf(&s->signature, err, "|%s:%d-%d", name, least, most);
}

int bt_scoring_same_data(const struct bt_score_options *o, uint64_t data, uint64_t other, struct bt_err *err)
{
    if (o->refs || o->questions || data == other)
        return BT_OK;
    return bt_fail(err, BT_ERR_INPUT, "%s: brings other references than %s; compare on the same ones",
                   bt_input_name(o->compare), bt_input_name(o->input));
}

/* ---------------------------------------------------------------- the worst */

struct rank {
    double value;
    size_t place; /* keeps the order among equals */
};

static int compare_ranks(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int show_item(struct bt_scoring *s, const struct bt_scoring_items *with, const struct rank *rank,
                     struct bt_report_item *item, struct bt_err *err)
{
    const struct bt_join *join = with->items->join;
    int32_t number = with->items->numbers[rank->place];
    *item = (struct bt_report_item){ .id = bt_join_id(join, number),
                                     .value = with->highest ? -rank->value : rank->value };
    bt_join_get(join, number, &s->policy, &item->result);
    item->references = with->references(with->set, number, s->arena, &item->reference_count);
    return item->references ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for the worst items");
}

static int add_worst(struct bt_scoring *s, const struct bt_scoring_items *with, struct bt_err *err)
{
    const struct bt_items *items = with->items;
    size_t wanted = (size_t)s->o->worst_count, shown = wanted < items->count ? wanted : items->count;
    struct bt_report_item *made = bt_scoring_take(s, shown, sizeof *made, err);
    struct rank *ranks = bt_alloc(items->count, sizeof *ranks, err);
    int rc = made && ranks ? BT_OK : BT_ERR_MEMORY;

    for (size_t i = 0; !rc && i < items->count; i++)
        ranks[i] = (struct rank){ (with->highest ? -1 : 1) * items->values[i * (size_t)items->column_count + (size_t)with->worst_by],
                                  i };
    if (!rc)
        qsort(ranks, items->count, sizeof *ranks, compare_ranks);
    for (size_t i = 0; !rc && i < shown; i++)
        rc = show_item(s, with, &ranks[i], &made[i], err);
    free(ranks);
    s->report.items = made;
    s->report.item_count = shown;
    return rc;
}

/* ---------------------------------------------------------------- samples */

/* Fills `intervals` and, where there is another system, `comparisons`. */
static int sample(const struct bt_scoring *s, const struct bt_scoring_items *with, int64_t samples,
                  struct bt_interval *intervals, struct bt_comparison *comparisons, struct bt_err *err)
{
    int rc = bt_bootstrap(with->items, samples, s->o->seed, intervals, err);
    return rc || !with->other
               ? rc
               : bt_bootstrap_compare(with->items, with->other, samples, s->o->seed, comparisons, err);
}

static int sample_parts(struct bt_scoring *s, const struct bt_scoring_items *parts, size_t count,
                        struct bt_err *err)
{
    int64_t samples = s->o->samples > 0 ? s->o->samples : s->o->compare ? COMPARE_SAMPLES : 0;
    size_t columns = 0;
    int rc = BT_OK;

    if (samples == 0)
        return BT_OK;
    for (size_t i = 0; i < count; i++)
        columns += (size_t)parts[i].items->column_count;
    struct bt_interval *intervals = bt_scoring_take(s, columns, sizeof *intervals, err);
    struct bt_comparison *comparisons = bt_scoring_take(s, columns, sizeof *comparisons, err);
    if (!intervals || !comparisons)
        return BT_ERR_MEMORY;
    s->report.intervals = intervals;
    s->report.comparisons = s->o->compare ? comparisons : NULL;
    for (size_t i = 0; !rc && i < count; i++) {
        rc = sample(s, &parts[i], samples, intervals, comparisons, err);
        intervals += parts[i].items->column_count;
        comparisons += parts[i].items->column_count;
    }
    return rc ? rc
              : bt_buf_printf(&s->signature, err, "|bs:%lld|seed:%llu", (long long)samples,
                              (unsigned long long)s->o->seed);
}

/* ---------------------------------------------------------------- the end */

/* Everything that a score depends on has been said when this is printed. */
static int sign(struct bt_scoring *s, uint64_t data, struct bt_err *err)
{
    static const char *const names[] = { "error", "first", "last" };
    int rc = BT_OK;
    if (s->o->duplicates_given && s->policy.duplicates != BT_DUPLICATES_ERROR)
        rc = bt_buf_printf(&s->signature, err, "|dup:%s", names[s->policy.duplicates]);
    if (!rc && s->policy.subset)
        rc = bt_buf_printf(&s->signature, err, "|subset");
    if (!rc)
        rc = bt_buf_printf(&s->signature, err, "|n:%zu|data:%016llx|v:%s", s->report.total,
                           (unsigned long long)data, bt_version());
    s->report.signature = s->signature.data;
    return rc;
}

static int print(const struct bt_scoring *s, struct bt_err *err)
{
    if (s->o->json)
        return bt_report_json(&s->report, stdout, err);
    bt_report_table(&s->report, stdout);
    return BT_OK;
}

int bt_scoring_finish_parts(struct bt_scoring *s, const struct bt_scoring_items *with,
                            const struct bt_scoring_items *parts, size_t count, uint64_t data, struct bt_err *err)
{
    const char *preset = bt_join_made_with(with->items->join);
    int rc = *preset ? bt_buf_printf(&s->signature, err, "|preset:%s", preset) : BT_OK;
    if (!rc && s->o->worst_count > 0)
        rc = add_worst(s, with, err);
    if (!rc)
        rc = sample_parts(s, parts, count, err);
    if (!rc)
        rc = sign(s, data, err);
    if (!rc && s->o->per_item)
        rc = bt_items_write(with->items, s->o->per_item, s->report.signature, s->o->force, err);
    return rc ? rc : print(s, err);
}

int bt_scoring_finish(struct bt_scoring *s, const struct bt_scoring_items *with, uint64_t data,
                      struct bt_err *err)
{
    return bt_scoring_finish_parts(s, with, with, 1, data, err);
}
