/* What people read on stderr while a tool works: messages and progress. Rank 0 alone speaks. */
#ifndef BT_BASE_LOG_H
#define BT_BASE_LOG_H

#include <stdint.h>

#include "libcommon/base/err.h"

/* One line "tool: text" (or a JSON object under --log=json), with the progress line cleared first.
 * bt_note is silent under --quiet, bt_warn is not. */
void bt_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bt_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum bt_progress_mode { BT_PROGRESS_AUTO, BT_PROGRESS_LINE, BT_PROGRESS_JSON, BT_PROGRESS_NONE };

/* Progress of one piece of work. On a terminal one redrawn line, at most ten times a second, with the
 * rate and the time left; elsewhere a line every ten seconds; under --progress=json one object a
 * second: {"progress":"stage1","done":640,"total":2000,"unit":"images","per_s":210.5,"left_s":6}.
 * `extra` is free text behind the numbers ("loss 2.31 lr 1e-4") or NULL. --quiet leaves progress out unless
 * --progress asks for a kind of it. One piece of work shows progress at a time. */
struct bt_progress {
    const char *what, *unit;
    uint64_t total; /* 0: unknown */
    uint64_t first, done;
    double start_s, shown_s; /* shown_s: when it was last shown */
    char extra[200];
};
/* `done` to begin with is not 0 when a run resumes; rate and time left count only what this run does. */
void bt_progress_start(struct bt_progress *p, const char *what, const char *unit, uint64_t done,
                       uint64_t total);
void bt_progress_update(struct bt_progress *p, uint64_t done, const char *extra);
/* The closing line: total, rate, elapsed time. */
void bt_progress_finish(struct bt_progress *p);

/* Seconds of CLOCK_MONOTONIC. */
double bt_now_s(void);

/* Set by bt_tool_main from the options. */
void bt_log_setup(enum bt_progress_mode mode, int json, int quiet);
/* Ranks other than 0 call this: from then on no notes, warnings or progress, failures alone. */
void bt_log_silence(void);
/* The one line that ends a failed run, "tool: text [CODE]"; for bt_tool_main. */
void bt_log_failure(const struct bt_err *err);

/* "1,234,567" and the like for people; rotating thread-local buffers, four at a time. */
const char *bt_human_count(uint64_t n);
const char *bt_human_bytes(uint64_t n);

#endif
