#include "libcommon/metrics/ptb_pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/text/unicode.h"

#define ASCII                                                                                                \
    128 /* sets below this are one character each, letters in both cases; then come the named ones */

/* A piece of an automaton: what ends at `end` (a JUMP) goes on where that is sent. */
struct piece {
    int32_t start, end;
};

struct parser {
    struct bt_ptb_nodes *n;
    const char *at;
};

static struct piece parse_alternatives(struct parser *p);

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

/* ---------------------------------------------------------------- nodes */

static int32_t add_node(struct bt_ptb_nodes *n, struct bt_ptb_node node)
{
    if (n->failed || bt_grow(&n->nodes, &n->capacity, n->count + 1, sizeof *n->nodes, NULL) != BT_OK) {
        n->failed = true;
        return 0;
    }
    n->nodes[n->count] = node;
    return (int32_t)n->count++;
}

static int32_t add_jump(struct bt_ptb_nodes *n)
{
    return add_node(n, (struct bt_ptb_node){ BT_PTB_JUMP, 0, -1, -1 });
}

static int32_t add_split(struct bt_ptb_nodes *n, int32_t out, int32_t alt)
{
    return add_node(n, (struct bt_ptb_node){ BT_PTB_SPLIT, 0, out, alt });
}

static void send(struct bt_ptb_nodes *n, int32_t from, int32_t to)
{
    if (!n->failed)
        n->nodes[from].out = to;
}

static struct piece nothing(struct bt_ptb_nodes *n)
{
    int32_t jump = add_jump(n);
    return (struct piece){ jump, jump };
}

static struct piece one_of_set(struct bt_ptb_nodes *n, int32_t set)
{
    int32_t end = add_jump(n);
    return (struct piece){ add_node(n, (struct bt_ptb_node){ BT_PTB_UNIT, set, end, -1 }), end };
}

static struct piece sequence(struct bt_ptb_nodes *n, struct piece a, struct piece b)
{
    send(n, a.end, b.start);
    return (struct piece){ a.start, b.end };
}

static struct piece either(struct bt_ptb_nodes *n, struct piece a, struct piece b)
{
    send(n, b.end, a.end);
    return (struct piece){ add_split(n, a.start, b.start), a.end };
}

static struct piece optional(struct bt_ptb_nodes *n, struct piece a)
{
    return (struct piece){ add_split(n, a.start, a.end), a.end };
}

static struct piece repeated(struct bt_ptb_nodes *n, struct piece a)
{
    int32_t end = add_jump(n);
    send(n, a.end, add_split(n, a.start, end));
    return (struct piece){ a.start, end };
}

/* ---------------------------------------------------------------- the notation */

static void skip_blanks(struct parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

/* One character of a literal; `exact`: a letter in this case only. */
static struct piece literal(struct bt_ptb_nodes *n, char c, bool exact);

static int32_t add_bracket(struct bt_ptb_nodes *n)
{
    if (n->failed || bt_grow(&n->brackets, &n->bracket_capacity, n->bracket_count + 1, sizeof *n->brackets,
                             NULL) != BT_OK) {
        n->failed = true;
        return 0;
    }
    memset(n->brackets[n->bracket_count], 0, sizeof *n->brackets);
    return (int32_t)n->bracket_count++;
}

static int32_t named_count(const struct bt_ptb_nodes *n)
{
    int32_t count = 0;
    while (n->grammar->sets[count].name)
        count++;
    return count;
}

static struct piece one_of_bracket(struct bt_ptb_nodes *n, const char *from, const char *to)
{
    int32_t bracket = add_bracket(n);
    for (; !n->failed && from < to; from++) {
        const bool range = from + 2 < to && from[1] == '-';
        for (int c = from[0]; c <= (range ? from[2] : from[0]); c++)
            n->brackets[bracket][c / 64] |= UINT64_C(1) << c % 64;
        from += range ? 2 : 0;
    }
    return one_of_set(n, ASCII + named_count(n) + bracket);
}

static struct piece literal(struct bt_ptb_nodes *n, char c, bool exact)
{
    assert(c > 0);
    return exact ? one_of_bracket(n, &c, &c + 1) : one_of_set(n, c);
}

static struct piece parse_literal(struct parser *p)
{
    struct piece all = nothing(p->n);
    for (p->at++; *p->at != '`'; p->at++)
        all = sequence(p->n, all, literal(p->n, *p->at, false));
    p->at++;
    return all;
}

static struct piece parse_bracket(struct parser *p)
{
    const char *from = p->at + 1, *to = strchr(from, ']');
    assert(to);
    p->at = to + 1;
    return one_of_bracket(p->n, from, to);
}

/* Alternatives: the words of a list, between blanks. */
static struct piece word_list(struct bt_ptb_nodes *n, const struct bt_ptb_name *list)
{
    const char *at = list->text;
    struct piece all = { -1, -1 };
    while (*at) {
        struct piece word = nothing(n);
        for (bool first = true; *at && *at != ' '; at++, first = false)
            word = sequence(n, word, literal(n, *at, list->capital && first));
        all = all.start < 0 ? word : either(n, all, word);
        while (*at == ' ')
            at++;
    }
    return all;
}

static const struct bt_ptb_name *find_name(const struct bt_ptb_name *table, const char *name, size_t size)
{
    while (table->name && (strlen(table->name) != size || memcmp(table->name, name, size) != 0))
        table++;
    return table->name ? table : NULL;
}

static struct piece parse_name(struct parser *p)
{
    const struct bt_ptb_grammar *g = p->n->grammar;
    const char *name = p->at;
    while (is_name(*p->at))
        p->at++;
    size_t size = (size_t)(p->at - name);
    const struct bt_ptb_name *set = find_name(g->sets, name, size), *list = find_name(g->lists, name, size),
                             *pattern = find_name(g->patterns, name, size);
    assert(set || list || pattern);
    if (set)
        return one_of_set(p->n, ASCII + (int32_t)(set - g->sets));
    if (list)
        return word_list(p->n, list);
    struct parser inner = { p->n, pattern->text };
    struct piece made = parse_alternatives(&inner);
    assert(*inner.at == '\0');
    return made;
}

static struct piece parse_atom(struct parser *p)
{
    if (*p->at == '`')
        return parse_literal(p);
    if (*p->at == '[')
        return parse_bracket(p);
    if (*p->at != '(')
        return parse_name(p);
    p->at++;
    struct piece inner = parse_alternatives(p);
    assert(*p->at == ')');
    p->at++;
    return inner;
}

/* {least,most} behind an atom that begins at `atom` and was read once: each time it is read anew. */
static struct piece parse_counts(struct parser *p, struct piece made, const char *atom)
{
    char *end;
    long least = strtol(p->at + 1, &end, 10), most = strtol(end + 1, &end, 10);
    assert(*end == '}' && most >= least && most > 0);
    struct piece all = least > 0 ? made : optional(p->n, made);
    for (long i = 1; i < most; i++) {
        struct parser again = { p->n, atom };
        struct piece one = parse_atom(&again);
        all = sequence(p->n, all, i < least ? one : optional(p->n, one));
    }
    p->at = end + 1;
    return all;
}

static struct piece parse_repeated(struct parser *p)
{
    const char *atom = p->at;
    struct piece made = parse_atom(p);
    skip_blanks(p);
    switch (*p->at) {
    case '*':
        p->at++;
        return optional(p->n, repeated(p->n, made));
    case '+':
        p->at++;
        return repeated(p->n, made);
    case '?':
        p->at++;
        return optional(p->n, made);
    case '{':
        return parse_counts(p, made, atom);
    default:
        return made;
    }
}

static struct piece parse_sequence(struct parser *p)
{
    struct piece all = nothing(p->n);
    for (skip_blanks(p); *p->at && *p->at != '|' && *p->at != ')'; skip_blanks(p))
        all = sequence(p->n, all, parse_repeated(p));
    return all;
}

static struct piece parse_alternatives(struct parser *p)
{
    struct piece all = parse_sequence(p);
    while (*p->at == '|') {
        p->at++;
        all = either(p->n, all, parse_sequence(p));
    }
    return all;
}

int32_t bt_ptb_pattern_add(struct bt_ptb_nodes *n, const char *pattern, int label)
{
    struct parser p = { n, pattern };
    struct piece all = parse_alternatives(&p);
    assert(*p.at == '\0');
    send(n, all.end, add_node(n, (struct bt_ptb_node){ BT_PTB_ACCEPT, label, -1, -1 }));
    return all.start;
}

int32_t bt_ptb_pattern_either(struct bt_ptb_nodes *n, int32_t a, int32_t b)
{
    return b < 0 ? a : add_split(n, a, b);
}

void bt_ptb_nodes_free(struct bt_ptb_nodes *n)
{
    free(n->nodes);
    free(n->brackets);
}

/* ---------------------------------------------------------------- sets */

int32_t bt_ptb_set_count(const struct bt_ptb_nodes *n)
{
    return ASCII + named_count(n) + (int32_t)n->bracket_count;
}

/* "%L", "%Lu": by the letters of the category's short name. */
static bool category_has(const char *item, uint16_t unit)
{
    const char *name = utf8proc_category_string((utf8proc_int32_t)unit);
    return name[0] == item[1] && (!is_letter(item[2]) || name[1] == item[2]);
}

/* Reads a number; *at moves behind it. */
static uint32_t hexadecimal(const char **at)
{
    uint32_t value = 0;
    for (; **at && **at != '-' && **at != ' '; ++*at)
        value = value * 16 + (uint32_t)(**at <= '9' ? **at - '0' : (**at | 0x20) - 'a' + 10);
    return value;
}

/* "41", "41-5A" */
static bool range_has(const char *item, uint16_t unit)
{
    uint32_t first = hexadecimal(&item), last = first;
    if (*item++ == '-')
        last = hexadecimal(&item);
    return unit >= first && unit <= last;
}

static bool listed(const char *text, uint16_t unit)
{
    bool has = false, taking_out = false;
    for (const char *item = text; *item; item += strcspn(item, " "), item += strspn(item, " ")) {
        if (*item == '!')
            taking_out = true;
        else if (*item == '%' ? category_has(item, unit) : range_has(item, unit))
            has = !taking_out;
    }
    return has;
}

bool bt_ptb_set_has(const struct bt_ptb_nodes *n, int32_t set, uint16_t unit)
{
    if (set < ASCII)
        return set == unit || (is_letter((char)set) && unit < ASCII && is_letter((char)unit) &&
                               (set | 0x20) == (unit | 0x20));
    const int32_t named = named_count(n);
    if (set < ASCII + named)
        return listed(n->grammar->sets[set - ASCII].text, unit);
    return unit < ASCII && (n->brackets[set - ASCII - named][unit / 64] >> unit % 64 & 1);
}
