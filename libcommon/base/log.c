#include "libcommon/base/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/tool.h"

enum { LINE_BYTES = 4096 };

static struct {
    pthread_mutex_t lock;
    enum bt_progress_mode mode;
    bool json, quiet, silent;
    bool redraw;    /* progress is one redrawn line */
    bool line_open; /* that line is on the screen */
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .mode = BT_PROGRESS_NONE };

double bt_now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool stderr_redraws(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void bt_log_setup(enum bt_progress_mode mode, int json, int quiet)
{
    pthread_mutex_lock(&state.lock);
    state.json = json;
    state.quiet = quiet;
    state.mode = mode == BT_PROGRESS_AUTO && quiet ? BT_PROGRESS_NONE : mode;
    state.redraw = state.mode == BT_PROGRESS_AUTO && !json && stderr_redraws();
    pthread_mutex_unlock(&state.lock);
}

void bt_log_silence(void)
{
    pthread_mutex_lock(&state.lock);
    state.silent = true;
    state.mode = BT_PROGRESS_NONE;
    pthread_mutex_unlock(&state.lock);
}

/* ---------------------------------------------------------------- lines */

/* Writes the line in one piece, so that those of several processes do not mix. Control bytes in it, which
 * came with a name perhaps, become \xNN. Under the lock. */
static void put_line(const char *text)
{
    char line[LINE_BYTES + 16];
    size_t used = 0;

    if (state.line_open) {
        used = (size_t)sprintf(line, "\r\033[K");
        state.line_open = false;
    }
    for (const unsigned char *p = (const unsigned char *)text; *p && used < LINE_BYTES; p++)
        if (*p < 0x20 || *p == 0x7F)
            used += (size_t)sprintf(line + used, "\\x%02x", *p);
        else
            line[used++] = (char)*p;
    line[used++] = '\n';
    bt_write_full(STDERR_FILENO, line, used);
}

/* Takes the object; without memory for its text nothing is said. */
static void put_json(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    if (text)
        put_line(text);
    free(text);
    json_decref(object);
}

/* The text as JSON can hold it: bytes that are not UTF-8 become question marks. */
static json_t *json_text(const char *text)
{
    json_t *string = json_string(text);

    if (!string) {
        char *ascii = strdup(text);

        for (char *p = ascii; p && *p; p++)
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        string = ascii ? json_string(ascii) : NULL;
        free(ascii);
    }
    return string;
}

static void put_message(const char *level, const char *code, const char *text)
{
    char line[LINE_BYTES];

    if (state.json) {
        put_json(json_pack("{s:s, s:s, s:s*, s:o}", "tool", bt_tool_name(), "level", level, "code", code,
                           "text", json_text(text)));
        return;
    }
    snprintf(line, sizeof line, "%s: %s%s%s%s%s", bt_tool_name(),
             strcmp(level, "warning") == 0 ? "warning: " : "", text, code ? " [" : "", code ? code : "",
             code ? "]" : "");
    put_line(line);
}

static void say(const char *level, const char *fmt, va_list args)
{
    char text[sizeof((struct bt_err *)0)->text];

    vsnprintf(text, sizeof text, fmt, args);
    pthread_mutex_lock(&state.lock);
    if (!state.silent && !(state.quiet && strcmp(level, "note") == 0))
        put_message(level, NULL, text);
    pthread_mutex_unlock(&state.lock);
}

void bt_note(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say("note", fmt, args);
    va_end(args);
}

void bt_warn(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say("warning", fmt, args);
    va_end(args);
}

void bt_log_failure(const struct bt_err *err)
{
    pthread_mutex_lock(&state.lock);
    put_message("error", bt_status_name(err->status), err->text);
    pthread_mutex_unlock(&state.lock);
}

/* ---------------------------------------------------------------- progress */

/* "5 s", "3 min 20 s", "2 h 05 min" */
static void format_time(char out[32], double seconds)
{
    uint64_t s = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (uint64_t)(seconds + 0.5);

    if (s < 60)
        snprintf(out, 32, "%" PRIu64 " s", s);
    else if (s < 3600)
        snprintf(out, 32, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
    else
        snprintf(out, 32, "%" PRIu64 " h %02" PRIu64 " min", s / 3600, s / 60 % 60);
}

static void put_object(const struct bt_progress *p, double elapsed, double rate, bool last)
{
    json_t *object = json_pack("{s:o, s:I, s:o, s:f}", "progress", json_text(p->what), "done",
                               (json_int_t)p->done, "unit", json_text(p->unit), "per_s", rate);

    if (object && p->total)
        json_object_set_new(object, "total", json_integer((json_int_t)p->total));
    if (object && last)
        json_object_set_new(object, "elapsed_s", json_real(elapsed));
    else if (object && p->total >= p->done && rate > 0)
        json_object_set_new(object, "left_s", json_real((double)(p->total - p->done) / rate));
    if (object && p->extra[0])
        json_object_set_new(object, "extra", json_text(p->extra));
    put_json(object);
}

/* Draws over the line that is there, cut to the width of the terminal. */
static void redraw(const char *text)
{
    char line[LINE_BYTES];
    struct winsize size = { 0 };
    int columns = 80, length;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        columns = size.ws_col;
    length = snprintf(line, sizeof line, "\r%.*s\033[K", columns - 1, text);
    bt_write_full(STDERR_FILENO, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    state.line_open = true;
}

static void show(struct bt_progress *p, double now, bool last)
{
    double elapsed = now - p->start_s, rate = elapsed > 0 ? (double)(p->done - p->first) / elapsed : 0;
    int digits = rate < 10 ? 2 : rate < 1000 ? 1 : 0;
    char text[1024], left[32], taken[32], share[16] = "";

    p->shown_s = now;
    if (state.mode == BT_PROGRESS_JSON) {
        put_object(p, elapsed, rate, last);
        return;
    }
    format_time(taken, elapsed);
    format_time(left, rate > 0 && p->total > p->done ? (double)(p->total - p->done) / rate : 0);
    if (p->total)
        snprintf(share, sizeof share, " (%.0f%%)", 100.0 * (double)p->done / (double)p->total);
    snprintf(text, sizeof text, "%s: %s: %s%s%s %s%s, %.*f/s, %s%s%s%s", bt_tool_name(), p->what,
             bt_human_count(p->done), p->total && !last ? "/" : "",
             p->total && !last ? bt_human_count(p->total) : "", p->unit, last ? "" : share,
             digits, rate, last || !p->total || rate <= 0 ? taken : left,
             !last && p->total && rate > 0 ? " left" : "", p->extra[0] ? ", " : "", p->extra);
    if (state.redraw && !last)
        redraw(text);
    else
        put_line(text);
}

void bt_progress_start(struct bt_progress *p, const char *what, const char *unit, uint64_t done,
                       uint64_t total)
{
    double now = bt_now_s();

    *p = (struct bt_progress){ .what = what, .unit = unit, .total = total, .first = done, .done = done };
    p->start_s = p->shown_s = now;
}

void bt_progress_update(struct bt_progress *p, uint64_t done, const char *extra)
{
    double now = bt_now_s(), interval;

    p->done = done;
    if (state.mode == BT_PROGRESS_NONE)
        return;
    if (extra)
        snprintf(p->extra, sizeof p->extra, "%s", extra);
    pthread_mutex_lock(&state.lock);
    interval = state.mode == BT_PROGRESS_JSON ? 1.0 : state.redraw ? 0.1 : 10.0;
    if (now - p->shown_s >= interval)
        show(p, now, false);
    pthread_mutex_unlock(&state.lock);
}

void bt_progress_finish(struct bt_progress *p)
{
    pthread_mutex_lock(&state.lock);
    if (state.mode != BT_PROGRESS_NONE)
        show(p, bt_now_s(), true);
    pthread_mutex_unlock(&state.lock);
}

/* ---------------------------------------------------------------- numbers for people */

static char *next_buffer(void)
{
    static _Thread_local char buffers[4][32];
    static _Thread_local unsigned turn;

    return buffers[turn++ % 4];
}

const char *bt_human_count(uint64_t n)
{
    char *out = next_buffer(), digits[24], *to = out;
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *bt_human_bytes(uint64_t n)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    char *out = next_buffer();
    double value = (double)n / 1024;
    int unit = 0;

    if (n < 1024) {
        snprintf(out, 32, "%d bytes", (int)n);
        return out;
    }
    for (; value >= 1023.95 && unit < 5; unit++)
        value /= 1024;
    snprintf(out, 32, "%.1f %s", value, units[unit]);
    return out;
}
