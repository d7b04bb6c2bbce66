/* What every program shares: its option table, from which come parsing, --help, the shell completion
 * and the check of its man page; its one way to run, to report a failure and to exit. */
#ifndef BT_BASE_TOOL_H
#define BT_BASE_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"

enum bt_option_kind {
    BT_KIND_STRING, BT_KIND_COUNT, BT_KIND_NUMBER, BT_KIND_FLAG, BT_KIND_CHOICE, BT_KIND_LIST,
    BT_KIND_COMMAND, BT_KIND_OPERANDS,
};

/* Values that may be given several times, or the operands, in the order of the command line. */
struct bt_list {
    size_t count;
    const char **items;
};

struct bt_option {
    enum bt_option_kind kind;
    char letter;         /* 0: none */
    bool required;
    const char *name;    /* long name without dashes */
    void *value;         /* by kind: const char **, int64_t *, double *, bool *, struct bt_list * */
    const char *metavar; /* what --help calls the value; of CHOICE and COMMAND "a|b|c", the allowed */
    const char *help;    /* --help adds the default, where that is above 0 or not NULL, or "(required)" */
};

#define BT_OPT_STRING(letter, name, value, metavar, help)                  \
    { BT_KIND_STRING, letter, false, name, value, metavar, help }
#define BT_OPT_REQUIRED(letter, name, value, metavar, help)                \
    { BT_KIND_STRING, letter, true, name, value, metavar, help }
/* whole number from 0 to 2^53-1; K, M, G (powers of 1024) may follow */
#define BT_OPT_COUNT(letter, name, value, metavar, help)                   \
    { BT_KIND_COUNT, letter, false, name, value, metavar, help }
/* finite decimal number, C locale */
#define BT_OPT_NUMBER(letter, name, value, metavar, help)                  \
    { BT_KIND_NUMBER, letter, false, name, value, metavar, help }
#define BT_OPT_FLAG(letter, name, value, help)                             \
    { BT_KIND_FLAG, letter, false, name, value, NULL, help }
#define BT_OPT_CHOICE(letter, name, value, choices, help)                  \
    { BT_KIND_CHOICE, letter, false, name, value, choices, help }
/* may be given several times */
#define BT_OPT_LIST(letter, name, value, metavar, help)                    \
    { BT_KIND_LIST, letter, false, name, value, metavar, help }
/* the first operand, one of the choices, required: `bt-train stage1 ...` */
#define BT_OPT_COMMAND(value, choices, help)                               \
    { BT_KIND_COMMAND, 0, true, NULL, value, choices, help }
/* the same with a default: where the first operand is none of the choices, *value stays and it is an operand */
#define BT_OPT_COMMAND_OR(value, choices, help)                            \
    { BT_KIND_COMMAND, 0, false, NULL, value, choices, help }
/* all other operands; a tool without it refuses operands */
#define BT_OPT_OPERANDS(value, metavar, help)                              \
    { BT_KIND_OPERANDS, 0, false, NULL, value, metavar, help }
#define BT_OPT_END                                                         \
    { BT_KIND_STRING, 0, false, NULL, NULL, NULL, NULL }

struct bt_tool {
    const char *name;    /* "bt-train" */
    const char *summary; /* one line, as in the man page's NAME */
    const struct bt_option *options;
};

/* Parses (64 on a bad option, with the nearest name), answers --help, --version and --completion,
 * sets up log, progress and signals, runs, closes stdout and checks that, prints the failure once,
 * and returns the exit status. A status of BT_END counts as BT_OK. After EPIPE on stdout it ends by
 * SIGPIPE without a word (formats.md 1.6). Options every tool has: -h --help, --version, -q --quiet,
 * --progress=auto|line|json|none, --log=text|json, --completion=bash. */
int bt_tool_main(const struct bt_tool *tool, int (*run)(struct bt_err *err), int argc, char **argv);

/* Parsing alone, for tests: fills the values, or fails with E_USAGE. Long options may be cut where
 * unambiguous; "--" ends them; "--name=value" and "--name value" are equal. */
int bt_options_parse(const struct bt_tool *tool, int argc, char **argv, struct bt_err *err);

/* The running tool's name and version ("bt-train", "0.1.0"); "bt" before bt_tool_main. */
const char *bt_tool_name(void);
const char *bt_version(void);

/* Set by SIGINT, SIGTERM and SIGUSR1 once bt_tool_main has run: stop at the next safe point, exit 75.
 * A second SIGINT or SIGTERM ends the process at once by that signal. */
bool bt_stop_requested(void);

#endif
