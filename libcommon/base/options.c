/* The command line: parsing by the table. */
#include "libcommon/base/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/json.h"

enum { OPTIONS_MAX = 128 };

struct bt_common bt_common;

const struct bt_option bt_common_options[] = {
    BT_OPT_FLAG('h', "help", &bt_common.help, "print this and end"),
    BT_OPT_FLAG(0, "version", &bt_common.version, "print the version and end"),
    BT_OPT_FLAG('q', "quiet", &bt_common.quiet, "no notes and no progress; warnings and errors alone"),
    BT_OPT_CHOICE(0, "progress", &bt_common.progress, "auto|line|json|none",
                  "how progress is shown on stderr"),
    BT_OPT_CHOICE(0, "log", &bt_common.log, "text|json", "how messages are written on stderr"),
    BT_OPT_CHOICE(0, "completion", &bt_common.completion, "bash",
                  "print a completion function for the shell and end"),
    BT_OPT_END
};

static bool given[OPTIONS_MAX]; /* by place in the tool's own table */

bool bt_option_is_end(const struct bt_option *o)
{
    return !o->value;
}

bool bt_option_is_named(const struct bt_option *o)
{
    return o->name != NULL;
}

/* ---------------------------------------------------------------- values */

static int bad_value(const char *what, const char *text, const char *want, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_USAGE, "%s: '%s' is not %s; see --help", what, bt_quote_str(text), want);
}

static int parse_count(const char *what, const char *text, int64_t *value, struct bt_err *err)
{
    static const char want[] = "a whole number from 0 to 2^53-1 (K, M or G may follow)";
    uint64_t n = 0, digit, unit = 1;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        digit = (uint64_t)(*p - '0');
        if (!bt_mul_u64(n, 10, &n) || !bt_add_u64(n, digit, &n))
            return bad_value(what, text, want, err);
    }
    if (p == text)
        return bad_value(what, text, want, err);
    if (*p == 'K' || *p == 'M' || *p == 'G')
        unit = 1ull << (*p == 'K' ? 10 : *p == 'M' ? 20 : 30), p++;
    if (*p || !bt_mul_u64(n, unit, &n) || n >= 1ull << 53)
        return bad_value(what, text, want, err);
    *value = (int64_t)n;
    return BT_OK;
}

/* Digits with at most one point and an exponent: what strtod takes besides (hexadecimal, "inf", leading
 * blanks) is not a number to us. */
static bool is_decimal(const char *p)
{
    size_t whole, fraction = 0;

    p += *p == '+' || *p == '-';
    whole = strspn(p, "0123456789");
    p += whole;
    if (*p == '.') {
        fraction = strspn(++p, "0123456789");
        p += fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (strspn(p, "0123456789") == 0)
            return false;
        p += strspn(p, "0123456789");
    }
    return *p == '\0';
}

static int parse_number(const char *what, const char *text, double *value, struct bt_err *err)
{
    double number = is_decimal(text) ? strtod(text, NULL) : NAN;

    if (!isfinite(number))
        return bad_value(what, text, "a decimal number like 0.5 or 1e-4", err);
    *value = number;
    return BT_OK;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);

    for (const char *p = choices; p; p = strchr(p, '|'), p = p ? p + 1 : NULL)
        if (length > 0 && strncmp(p, text, length) == 0 && (p[length] == '|' || p[length] == '\0'))
            return true;
    return false;
}

static int parse_choice(const char *what, const char *choices, const char *text, const char **value,
                        struct bt_err *err)
{
    if (!is_choice(choices, text))
        return bt_fail(err, BT_ERR_USAGE, "%s: '%s' is not known; choose one of %s", what, bt_quote_str(text),
                       choices);
    *value = text;
    return BT_OK;
}

/* One more item; the array is as long as the command line from the beginning. */
static int list_add(struct bt_list *list, const char *text, int argc, struct bt_err *err)
{
    if (!list->items)
        list->items = bt_alloc((uint64_t)argc, sizeof *list->items, err);
    if (!list->items)
        return BT_ERR_MEMORY;
    list->items[list->count++] = text;
    return BT_OK;
}

/* ---------------------------------------------------------------- names */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to add, drop or change (Levenshtein); long names count as far away. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);

    if (n >= sizeof row / sizeof row[0])
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];

            row[j] = smaller(smaller(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

static void nearest_in(const struct bt_option *options, const char *name, size_t *best, const char **found)
{
    for (const struct bt_option *o = options; !bt_option_is_end(o); o++)
        if (bt_option_is_named(o) && distance(name, o->name) < *best) {
            *best = distance(name, o->name);
            *found = o->name;
        }
}

static int unknown(const struct bt_tool *tool, const char *name, struct bt_err *err)
{
    size_t best = 2 + strlen(name) / 3;
    const char *found = NULL;

    nearest_in(tool->options, name, &best, &found);
    nearest_in(bt_common_options, name, &best, &found);
    if (found)
        return bt_fail(err, BT_ERR_USAGE, "--%s: no such option; did you mean --%s?", bt_quote_str(name),
                       found);
    return bt_fail(err, BT_ERR_USAGE, "--%s: no such option; see --help", bt_quote_str(name));
}

/* Notes the option of that name, or of which `name` is the beginning; true at a full match. */
static bool match_in(const struct bt_option *options, const char *name, const struct bt_option *match[2])
{
    for (const struct bt_option *o = options; !bt_option_is_end(o); o++) {
        if (!bt_option_is_named(o) || strncmp(o->name, name, strlen(name)) != 0)
            continue;
        if (strcmp(o->name, name) == 0) {
            match[0] = o;
            match[1] = NULL;
            return true;
        }
        match[match[0] != NULL] = o;
    }
    return false;
}

static int find_long(const struct bt_tool *tool, const char *name, const struct bt_option **found,
                     struct bt_err *err)
{
    const struct bt_option *match[2] = { NULL, NULL };

    if (!match_in(tool->options, name, match))
        match_in(bt_common_options, name, match);
    if (!match[0])
        return unknown(tool, name, err);
    if (match[1])
        return bt_fail(err, BT_ERR_USAGE, "--%s: may be --%s or --%s; write more of it", bt_quote_str(name),
                       match[0]->name, match[1]->name);
    *found = match[0];
    return BT_OK;
}

static const struct bt_option *find_letter(const struct bt_tool *tool, char letter)
{
    for (const struct bt_option *o = tool->options; !bt_option_is_end(o); o++)
        if (o->letter == letter)
            return o;
    for (const struct bt_option *o = bt_common_options; !bt_option_is_end(o); o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static const struct bt_option *find_kind(const struct bt_tool *tool, enum bt_option_kind kind)
{
    for (const struct bt_option *o = tool->options; !bt_option_is_end(o); o++)
        if (o->kind == kind)
            return o;
    return NULL;
}

/* ---------------------------------------------------------------- the command line */

struct line {
    const struct bt_tool *tool;
    int argc, next;
    char **argv;
    struct bt_err *err;
};

static bool is_answer(const struct bt_option *o)
{
    return o->value == &bt_common.help || o->value == &bt_common.version || o->value == &bt_common.completion;
}

static void note_given(const struct bt_tool *tool, const struct bt_option *o)
{
    for (int i = 0; i < OPTIONS_MAX && !bt_option_is_end(&tool->options[i]); i++)
        if (&tool->options[i] == o)
            given[i] = true;
}

/* `what` is the option as it was written, for messages. */
static int set_value(const struct line *line, const struct bt_option *o, const char *what, const char *text)
{
    note_given(line->tool, o);
    switch (o->kind) {
    case BT_KIND_STRING:
        *(const char **)o->value = text;
        return BT_OK;
    case BT_KIND_COUNT:
        return parse_count(what, text, o->value, line->err);
    case BT_KIND_NUMBER:
        return parse_number(what, text, o->value, line->err);
    case BT_KIND_FLAG:
        *(bool *)o->value = true;
        return BT_OK;
    case BT_KIND_CHOICE:
    case BT_KIND_COMMAND:
        return parse_choice(what, o->metavar, text, o->value, line->err);
    case BT_KIND_LIST:
    case BT_KIND_OPERANDS:
        return list_add(o->value, text, line->argc, line->err);
    }
    return bt_fail(line->err, BT_ERR_BUG, "%s: option table of an unknown kind; please report this", what);
}

/* The value that follows, be it in the same word (attached) or the next. */
static int take_value(struct line *line, const struct bt_option *o, const char *what, const char *attached)
{
    if (o->kind == BT_KIND_FLAG && attached)
        return bt_fail(line->err, BT_ERR_USAGE, "%s: takes no value; leave out '=%s'", what,
                       bt_quote_str(attached));
    if (o->kind != BT_KIND_FLAG && !attached) {
        if (line->next >= line->argc)
            return bt_fail(line->err, BT_ERR_USAGE, "%s: needs a value (%s); add one", what, o->metavar);
        attached = line->argv[line->next++];
    }
    return set_value(line, o, what, attached);
}

/* `found` tells the caller when an answer such as --help ends the parsing. */
static int parse_long(struct line *line, const char *word, const struct bt_option **found)
{
    const char *equals = strchr(word, '=');
    char name[64], what[sizeof name + 2];
    int rc;

    if (equals && (size_t)(equals - word) >= sizeof name)
        return unknown(line->tool, word, line->err);
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - word) : (int)sizeof name, word);
    rc = find_long(line->tool, name, found, line->err);
    if (rc)
        return rc;
    snprintf(what, sizeof what, "--%s", (*found)->name);
    return take_value(line, *found, what, equals ? equals + 1 : NULL);
}

static int parse_letters(struct line *line, const char *word, const struct bt_option **found)
{
    int rc = BT_OK;

    for (; !rc && *word; word++) {
        char what[3] = { '-', *word, '\0' };

        *found = find_letter(line->tool, *word);
        if (!*found)
            return bt_fail(line->err, BT_ERR_USAGE, "-%s: no such option; see --help", bt_quote(word, 1));
        if ((*found)->kind != BT_KIND_FLAG)
            return take_value(line, *found, what, word[1] ? word + 1 : NULL);
        rc = set_value(line, *found, what, NULL);
        if (is_answer(*found))
            break;
    }
    return rc;
}

static int parse_operand(struct line *line, const char *word, bool *command_seen)
{
    const struct bt_option *command = find_kind(line->tool, BT_KIND_COMMAND);
    const struct bt_option *operands = find_kind(line->tool, BT_KIND_OPERANDS);

    if (command && !*command_seen) {
        *command_seen = true;
        if (command->required || is_choice(command->metavar, word))
            return set_value(line, command, "command", word);
    }
    if (operands)
        return set_value(line, operands, "operand", word);
    return bt_fail(line->err, BT_ERR_USAGE, "'%s': an operand where none is expected; see --help",
                   bt_quote_str(word));
}

static int check_required(const struct bt_tool *tool, struct bt_err *err)
{
    for (int i = 0; !bt_option_is_end(&tool->options[i]); i++) {
        const struct bt_option *o = &tool->options[i];

        if (!o->required || given[i])
            continue;
        if (o->kind == BT_KIND_COMMAND)
            return bt_fail(err, BT_ERR_USAGE, "command: missing; give one of %s", o->metavar);
        return bt_fail(err, BT_ERR_USAGE, "--%s: missing; give it (%s)", o->name, o->metavar);
    }
    return BT_OK;
}

int bt_options_parse(const struct bt_tool *tool, int argc, char **argv, struct bt_err *err)
{
    struct line line = { tool, argc, 1, argv, err };
    bool command_seen = false, options_end = false;
    int rc = BT_OK, count = 0;

    while (!bt_option_is_end(&tool->options[count]))
        count++;
    if (count > OPTIONS_MAX)
        return bt_fail(err, BT_ERR_BUG, "%s: more than %d options; please report this", tool->name,
                       OPTIONS_MAX);
    memset(given, 0, sizeof given);
    bt_common = (struct bt_common){ .progress = "auto", .log = "text" };

    while (!rc && line.next < argc) {
        const char *word = argv[line.next++];
        const struct bt_option *found = NULL;

        if (options_end || word[0] != '-' || word[1] == '\0')
            rc = parse_operand(&line, word, &command_seen);
        else if (strcmp(word, "--") == 0)
            options_end = true;
        else if (word[1] == '-')
            rc = parse_long(&line, word + 2, &found);
        else
            rc = parse_letters(&line, word + 1, &found);
        if (!rc && found && is_answer(found))
            return BT_OK;
    }
    return rc ? rc : check_required(tool, err);
}
