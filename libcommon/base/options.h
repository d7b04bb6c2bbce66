/* Inside base: the options that every tool has, and what --help and --completion print. */
#ifndef BT_BASE_OPTIONS_H
#define BT_BASE_OPTIONS_H

#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"

/* Values of the options that every tool has, as bt_options_parse left them. */
struct bt_common {
    bool help, version, quiet;
    const char *progress, *log, *completion;
};
extern struct bt_common bt_common;
extern const struct bt_option bt_common_options[]; /* ends with BT_OPT_END */

bool bt_option_is_end(const struct bt_option *o);
/* Has a long name, so is no command or operand. */
bool bt_option_is_named(const struct bt_option *o);

/* Text of 80 columns, and a bash function with its `complete` line. */
int bt_options_help(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err);
int bt_options_completion(const struct bt_tool *tool, struct bt_buf *out, struct bt_err *err);

#endif
