/* A program's life: signals, parsing, the run, and one way out. */
#include "libcommon/base/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/options.h"

static const char *tool_name = "bt";
static volatile sig_atomic_t stop_requested, end_requested;

const char *bt_tool_name(void)
{
    return tool_name;
}

const char *bt_version(void)
{
    return BT_VERSION;
}

/* ---------------------------------------------------------------- signals */

bool bt_stop_requested(void)
{
    return stop_requested != 0;
}

static void on_signal(int number)
{
    if (number != SIGUSR1) {
        if (end_requested) { /* the second time: the signal is blocked in here and acts on return */
            signal(number, SIG_DFL);
            raise(number);
        }
        end_requested = 1;
    }
    stop_requested = 1;
}

static void catch_signal(int number)
{
    struct sigaction before, action = { .sa_handler = on_signal };

    sigemptyset(&action.sa_mask);
    /* A job in the background of a script has SIGINT ignored, and that is to stay so. */
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

static void setup_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGUSR1);
}

/* The end of a tool whose reader left: silent, and to the shell as if the signal had never been ignored. */
static void die_of_sigpipe(void)
{
    sigset_t set;

    bt_outfile_abandon_all();
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
}

/* ---------------------------------------------------------------- standard streams */

/* Files are never to get the numbers 0 to 2, or data could go where messages or another's output belong. What
 * stands in for a closed stdin or stdout cannot be used either, so the mistake still shows. */
static int reserve_streams(struct bt_err *err)
{
    bool closed = fcntl(STDOUT_FILENO, F_GETFD) < 0 && errno == EBADF;
    int fd;

    do
        fd = open("/dev/null", fcntl(STDIN_FILENO, F_GETFD) < 0 ? O_WRONLY : O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    if (closed)
        return bt_fail(err, BT_ERR_IO, "stdout: is closed; leave it open, or send it to /dev/null");
    return BT_OK;
}

/* Whether the pipe that stdout is has lost its reader; stdio does not remember why a write failed. */
static bool reader_gone(void)
{
    struct pollfd stdout_poll = { .fd = STDOUT_FILENO, .events = POLLOUT };

    return bt_stdout_broken() || (poll(&stdout_poll, 1, 0) == 1 && (stdout_poll.revents & POLLERR));
}

static int stdout_why = EIO; /* what failed a write before the last */

/* Flushes and closes stdout: here shows what failed, wherever the write was. With `may_die`, a reader that
 * left ends the process. */
static int close_stdout(bool may_die, struct bt_err *err)
{
    bool failed = ferror(stdout) || bt_stdout_broken();
    int why = stdout_why;

    if (fflush(stdout) != 0) {
        why = errno;
        failed = true;
    }
    if (failed && may_die && reader_gone())
        die_of_sigpipe();
    if (fclose(stdout) != 0 && !failed) {
        why = errno;
        failed = true;
    }
    return failed ? bt_fail_errno(err, why, 1, "stdout", "see where it leads") : BT_OK;
}

/* ---------------------------------------------------------------- run */

static int print_buf(struct bt_buf *buf, int rc)
{
    if (!rc && fwrite(buf->data, 1, buf->size, stdout) != buf->size)
        stdout_why = errno;
    bt_buf_free(buf);
    return rc;
}

static void setup_log(void)
{
    static const char *const modes[] = {
        [BT_PROGRESS_AUTO] = "auto",
        [BT_PROGRESS_LINE] = "line",
        [BT_PROGRESS_JSON] = "json",
        [BT_PROGRESS_NONE] = "none",
    };
    int mode = BT_PROGRESS_AUTO;

    while (strcmp(modes[mode], bt_common.progress) != 0)
        mode++;
    bt_log_setup(mode, strcmp(bt_common.log, "json") == 0, bt_common.quiet);
}

static int answer_or_run(const struct bt_tool *tool, int (*run)(struct bt_err *err), struct bt_err *err)
{
    struct bt_buf buf = { 0 };

    if (bt_common.help)
        return print_buf(&buf, bt_options_help(tool, &buf, err));
    if (bt_common.completion)
        return print_buf(&buf, bt_options_completion(tool, &buf, err));
    if (bt_common.version) {
        printf("%s %s\n", tool->name, bt_version());
        return BT_OK;
    }
    return run(err);
}

static int report(int rc, struct bt_err *err)
{
    if (err->status == BT_OK) { /* an answer needs no words; any other failure should have had some */
        if (rc == BT_ERR_NO)
            return bt_exit_status(rc);
        bt_fail(err, rc, "failed without saying why; please report this");
    }
    bt_log_failure(err);
    return bt_exit_status(err->status);
}

int bt_tool_main(const struct bt_tool *tool, int (*run)(struct bt_err *err), int argc, char **argv)
{
    struct bt_err err = { 0 };
    bool stdout_alone;
    int rc, closed;

    tool_name = tool->name;
    bt_keep_heap();
    rc = reserve_streams(&err);
    if (rc)
        return report(rc, &err);
    setup_signals();

    rc = bt_options_parse(tool, argc, argv, &err);
    setup_log();
    if (!rc)
        rc = answer_or_run(tool, run, &err);
    if (rc == BT_END)
        rc = BT_OK;

    /* What else went wrong is told though the reader left. */
    stdout_alone = rc == BT_OK || rc == BT_ERR_NO || bt_exit_status(rc) == bt_exit_status(BT_ERR_IO);
    closed = close_stdout(stdout_alone, &err);
    if (!rc)
        rc = closed;
    return rc ? report(rc, &err) : bt_exit_status(BT_OK);
}
