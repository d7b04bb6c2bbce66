/* What the option table says to people and to their shell. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/base/options.h"

enum { WIDTH = 80, TEXT_COLUMN_MAX = 30 };

/* ---------------------------------------------------------------- --help */

/* Words of `text` behind what stands on the line, `column` characters so far, wrapped to `indent`. */
static int add_wrapped(struct bt_buf *out, size_t column, size_t indent, const char *text, struct bt_err *err)
{
    int rc = BT_OK;

    while (!rc && *text) {
        size_t length = strcspn(text, " ");

        if (column > indent && column + 1 + length > WIDTH) {
            rc = bt_buf_printf(out, err, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            rc = bt_buf_add(out, " ", 1, err);
            column++;
        }
        if (!rc)
            rc = bt_buf_add(out, text, length, err);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    return rc ? rc : bt_buf_add(out, "\n", 1, err);
}

/* "  -o, --output FILE" */
static int left_part(const struct bt_option *o, struct bt_buf *out, struct bt_err *err)
{
    char letter[8] = "    ";

    if (!bt_option_is_named(o))
        return bt_buf_printf(out, err, "  %s", o->metavar);
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    return bt_buf_printf(out, err, "  %s--%s%s%s", letter, o->name, o->metavar ? " " : "",
                         o->metavar ? o->metavar : "");
}

/* The help text, and behind it what holds when the option is not given. */
static int right_part(const struct bt_option *o, struct bt_buf *out, struct bt_err *err)
{
    char number[32] = "";
    const char *text = NULL;

    if (o->kind == BT_KIND_STRING || o->kind == BT_KIND_CHOICE)
        text = *(const char **)o->value;
    /* Negative numbers say "not given". */
    if (o->kind == BT_KIND_COUNT && *(int64_t *)o->value > 0)
        snprintf(number, sizeof number, "%" PRId64, *(int64_t *)o->value);
    if (o->kind == BT_KIND_NUMBER && *(double *)o->value > 0)
        bt_format_double(number, *(double *)o->value);
    if (o->required && bt_option_is_named(o))
        return bt_buf_printf(out, err, "%s (required)", o->help);
    if (text || number[0])
        return bt_buf_printf(out, err, "%s (default %s)", o->help, text ? text : number);
    return bt_buf_add(out, o->help, strlen(o->help), err);
}

static int add_option(struct bt_buf *out, const struct bt_option *o, size_t indent, struct bt_err *err)
{
    struct bt_buf left = { 0 }, right = { 0 };
    int rc = left_part(o, &left, err);

    if (!rc)
        rc = right_part(o, &right, err);
    if (!rc && left.size + 2 > indent)
        rc = bt_buf_printf(out, err, "%s\n%*s", left.data, (int)indent, "");
    else if (!rc)
        rc = bt_buf_printf(out, err, "%-*s", (int)indent, left.data);
    if (!rc)
        rc = add_wrapped(out, indent, indent, right.data, err);
    bt_buf_free(&left);
    bt_buf_free(&right);
    return rc;
}

/* Where the texts begin: behind the longest left part that is not too long. */
static int find_indent(const struct bt_option *options, size_t *indent, struct bt_err *err)
{
    int rc = BT_OK;

    for (const struct bt_option *o = options; !rc && !bt_option_is_end(o); o++) {
        struct bt_buf left = { 0 };

        rc = left_part(o, &left, err);
        if (!rc && left.size + 2 <= TEXT_COLUMN_MAX && left.size + 2 > *indent)
            *indent = left.size + 2;
        bt_buf_free(&left);
    }
    return rc;
}

/* One group under its title: the named options, or those of one kind. */
static int add_group(struct bt_buf *out, const char *title, const struct bt_option *options, bool named,
                     enum bt_option_kind kind, size_t indent, struct bt_err *err)
{
    bool begun = false;
    int rc = BT_OK;

    for (const struct bt_option *o = options; !rc && !bt_option_is_end(o); o++) {
        if (named ? !bt_option_is_named(o) : o->kind != kind)
            continue;
        if (!begun)
            rc = bt_buf_printf(out, err, "\n%s:\n", title);
        begun = true;
        if (!rc)
            rc = add_option(out, o, indent, err);
    }
    return rc;
}

/* "usage: bt-train stage1|stage2 --recipe FILE [OPTION]... [FILE]..." */
static int add_usage(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err)
{
    struct bt_buf line = { 0 };
    int rc = bt_buf_printf(&line, err, "%s", tool->name);

    for (const struct bt_option *o = tool->options; !rc && !bt_option_is_end(o); o++) {
        if (o->kind == BT_KIND_COMMAND)
            rc = bt_buf_printf(&line, err, o->required ? " %s" : " [%s]", o->metavar);
        else if (o->required)
            rc = bt_buf_printf(&line, err, " --%s %s", o->name, o->metavar);
    }
    if (!rc)
        rc = bt_buf_printf(&line, err, " [OPTION]...");
    for (const struct bt_option *o = tool->options; !rc && !bt_option_is_end(o); o++)
        if (o->kind == BT_KIND_OPERANDS)
            rc = bt_buf_printf(&line, err, " [%s]...", o->metavar);
    if (!rc)
        rc = bt_buf_printf(out, err, "usage: ");
    if (!rc)
        rc = add_wrapped(out, strlen("usage: "), strlen("usage: "), line.data, err);
    bt_buf_free(&line);
    return rc;
}

int bt_options_help(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err)
{
    size_t indent = 0;
    int rc = add_usage(tool, out, err);

    if (!rc)
        rc = bt_buf_printf(out, err, "%s - %s\n", tool->name, tool->summary);
    if (!rc)
        rc = find_indent(tool->options, &indent, err);
    if (!rc)
        rc = find_indent(bt_common_options, &indent, err);
    if (!rc)
        rc = add_group(out, "command", tool->options, false, BT_KIND_COMMAND, indent, err);
    if (!rc)
        rc = add_group(out, "operands", tool->options, false, BT_KIND_OPERANDS, indent, err);
    if (!rc)
        rc = add_group(out, "options", tool->options, true, 0, indent, err);
    if (!rc)
        rc = add_group(out, "options of every tool", bt_common_options, true, 0, indent, err);
    if (!rc)
        rc = bt_buf_printf(out, err, "\nSee %s(1) for more.\n", tool->name);
    return rc;
}

/* ---------------------------------------------------------------- --completion */

/* "a|b|c" as the words "a b c". */
static int add_words(struct bt_buf *out, const char *choices, struct bt_err *err)
{
    uint64_t from = out->size;
    int rc = bt_buf_add(out, choices, strlen(choices), err);

    for (uint64_t i = from; !rc && i < out->size; i++)
        if (out->data[i] == '|')
            out->data[i] = ' ';
    return rc;
}

/* What completes the value of an option: its choices, directories, or files. */
static int add_value_case(struct bt_buf *out, const struct bt_option *o, struct bt_err *err)
{
    bool dir = o->metavar && strstr(o->metavar, "DIR") && !strstr(o->metavar, "FILE");
    int rc;

    if (!bt_option_is_named(o) || o->kind == BT_KIND_FLAG)
        return BT_OK;
    rc = bt_buf_add(out, "    ", 4, err);
    if (!rc && o->letter)
        rc = bt_buf_printf(out, err, "-%c|", o->letter);
    if (!rc)
        rc = bt_buf_printf(out, err, "--%s) ", o->name);
    if (!rc && o->kind == BT_KIND_CHOICE) {
        rc = bt_buf_printf(out, err, "COMPREPLY=($(compgen -W '");
        if (!rc)
            rc = add_words(out, o->metavar, err);
        if (!rc)
            rc = bt_buf_printf(out, err, "' -- \"$cur\"))");
    } else if (!rc && o->kind != BT_KIND_COUNT && o->kind != BT_KIND_NUMBER) {
        rc = bt_buf_printf(out, err, "COMPREPLY=($(compgen -%c -- \"$cur\"))", dir ? 'd' : 'f');
    }
    return rc ? rc : bt_buf_printf(out, err, "%sreturn ;;\n", out->data[out->size - 1] == ' ' ? "" : "; ");
}

static int add_value_cases(struct bt_buf *out, const struct bt_option *options, struct bt_err *err)
{
    int rc = BT_OK;

    for (const struct bt_option *o = options; !rc && !bt_option_is_end(o); o++)
        rc = add_value_case(out, o, err);
    return rc;
}

static int add_names(struct bt_buf *out, const struct bt_option *options, struct bt_err *err)
{
    int rc = BT_OK;

    for (const struct bt_option *o = options; !rc && !bt_option_is_end(o); o++)
        if (bt_option_is_named(o))
            rc = bt_buf_printf(out, err, " --%s", o->name);
    return rc;
}

static const char *command_choices(const struct bt_tool *tool)
{
    for (const struct bt_option *o = tool->options; !bt_option_is_end(o); o++)
        if (o->kind == BT_KIND_COMMAND)
            return o->metavar;
    return "";
}

/* Words that are no option: the command's choices while it may still come, and files. */
static int add_operands(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err)
{
    int rc = bt_buf_printf(out, err,
                           "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                           "    [[ $COMP_CWORD -gt 1 ]] || COMPREPLY+=($(compgen -W '");

    if (!rc)
        rc = add_words(out, command_choices(tool), err);
    return rc ? rc : bt_buf_printf(out, err, "' -- \"$cur\"))\n}\n");
}

int bt_options_completion(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err)
{
    char function[64];
    int rc;

    snprintf(function, sizeof function, "_%s", tool->name);
    for (char *p = function; *p; p++)
        if (*p == '-')
            *p = '_';

    /* bash makes "=" a word of its own */
    rc = bt_buf_printf(out, err,
                       "%s() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                       "    [[ $cur != = ]] || cur=\n"
                       "    [[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                       "    case $prev in\n",
                       function);
    if (!rc)
        rc = add_value_cases(out, tool->options, err);
    if (!rc)
        rc = add_value_cases(out, bt_common_options, err);
    if (!rc)
        rc = bt_buf_printf(out, err,
                           "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '");
    if (!rc)
        rc = add_names(out, tool->options, err);
    if (!rc)
        rc = add_names(out, bt_common_options, err);
    if (!rc)
        rc = bt_buf_printf(out, err, "' -- \"$cur\"))\n        return\n    fi\n");
    if (!rc)
        rc = add_operands(tool, out, err);
    return rc ? rc : bt_buf_printf(out, err, "complete -o filenames -F %s %s\n", function, tool->name);
}
