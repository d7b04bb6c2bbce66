#include "libcommon/metrics/spice.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/metrics/input.h"

#define MAX_LOG (1 << 20)
#define LAST_SCRIPT                                                                                          \
    14 /* the last Java that brings the JavaScript engine with which SPICE writes its results */

extern char **environ;

/* Absolute paths of what takes part. */
struct run {
    char *jar, *folder, *cache, *java;
    char *work; /* a folder for this run */
    char *in, *out, *log;
    long version; /* of Java: 8, 17 */
};

/* ---------------------------------------------------------------- running a program */

/* Runs argv in `folder` with stdout and stderr into `log`; the exit status, or 128 + signal, in *status. */
static int run_program(const char *const argv[], const char *folder, const char *log, int *status,
                       struct bt_err *err)
{
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    int errnum = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum)
        return bt_fail_errno(err, errnum, 0, argv[0],
                             "SPICE runs on Java: install it, or name it with --java");

    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR)
        if (bt_stop_requested())
            kill(child, SIGTERM);
    if (bt_stop_requested())
        return bt_fail(err, BT_ERR_STOPPED, "stopped while SPICE was running; nothing is lost but its time");
    *status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return BT_OK;
}

/* "1.8.0_392" is Java 8, "17.0.15" Java 17. */
static long parse_version(const char *log)
{
    const char *quote = strstr(log, "version \"");
    char *end;
    if (!quote)
        return 0;
    long version = strtol(quote + strlen("version \""), &end, 10);
    return version == 1 && *end == '.' ? strtol(end + 1, NULL, 10) : version;
}

static int find_version(struct run *r, struct bt_err *err)
{
    const char *const argv[] = { r->java, "-version", NULL };
    char *text = NULL;
    size_t size;
    int status = 0;
    int rc = run_program(argv, r->folder, r->log, &status, err);
    if (!rc)
        rc = bt_file_read(r->log, MAX_LOG, &text, &size, err);
    if (!rc)
        r->version = parse_version(text);
    free(text);
    if (!rc && (status != 0 || r->version < 1))
        rc = bt_fail(err, BT_ERR_CONFIG, "%s -version: does not tell its version; name a Java with --java",
                     r->java);
    return rc;
}

/* ---------------------------------------------------------------- what must be there */

static int check_libraries(const struct run *r, struct bt_err *err)
{
    static const char *const names[] = { "stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = bt_format("%s/lib/%s", r->folder, names[i]);
        int rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        if (!rc && !bt_path_exists(path))
            rc = bt_fail(err, BT_ERR_NOINPUT,
                         "%s: not there, and SPICE needs it; it is part of "
                         "stanford-corenlp-full-2015-12-09.zip",
                         bt_quote_str(path));
        free(path);
        if (rc)
            return rc;
    }
    return BT_OK;
}

static int check_script_engine(const struct run *r, struct bt_err *err)
{
    glob_t found;
    char *pattern = bt_format("%s/lib/nashorn*.jar", r->folder);
    if (!pattern)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    int missing = r->version > LAST_SCRIPT && glob(pattern, GLOB_NOSORT, NULL, &found) != 0;
    if (r->version > LAST_SCRIPT && !missing)
        globfree(&found);
    free(pattern);
    return missing
               ? bt_fail(err, BT_ERR_CONFIG,
                         "Java %ld has no JavaScript engine, with which SPICE writes its results; "
                         "name a Java of 8 to %d with --java, or put nashorn-core and asm jars into %s/lib",
                         r->version, LAST_SCRIPT, bt_quote_str(r->folder))
               : BT_OK;
}

static int absolute(char **out, const char *path, struct bt_err *err)
{
    *out = realpath(path, NULL);
    return *out ? BT_OK : bt_fail_errno(err, errno, 0, path, NULL);
}

static int make_work(struct run *r, struct bt_err *err)
{
    const char *folder = getenv("TMPDIR");
    char *name = bt_format("%s/bt-spice-XXXXXX", folder && *folder ? folder : "/tmp");
    if (!name || !mkdtemp(name)) {
        int errnum = errno;
        free(name);
        return bt_fail_errno(err, errnum, 1, "folder for SPICE", "set TMPDIR to one that can be written");
    }
    r->work = name;
    r->in = bt_format("%s/in.json", name);
    r->out = bt_format("%s/out.json", name);
    r->log = bt_format("%s/log", name);
    return r->in && r->out && r->log ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

static int prepare(struct run *r, const struct bt_spice *spice, struct bt_err *err)
{
    int rc = absolute(&r->jar, spice->jar, err);
    if (!rc) {
        char *copy = strdup(r->jar);
        r->folder = copy ? strdup(dirname(copy)) : NULL;
        free(copy);
        rc = r->folder ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    }
    if (!rc && spice->cache)
        rc = bt_make_dirs(spice->cache, err);
    if (!rc && spice->cache)
        rc = absolute(&r->cache, spice->cache, err);
    if (!rc && spice->java && strchr(spice->java, '/'))
        rc = absolute(&r->java, spice->java, err);
    else if (!rc && !(r->java = strdup(spice->java ? spice->java : "java")))
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc)
        rc = check_libraries(r, err);
    if (!rc)
        rc = make_work(r, err);
    if (!rc)
        rc = find_version(r, err);
    return rc ? rc : check_script_engine(r, err);
}

static void finish(struct run *r)
{
    if (r->work)
        bt_remove_dir(r->work, NULL);
    char *parts[] = { r->jar, r->folder, r->cache, r->java, r->work, r->in, r->out, r->log };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

/* ---------------------------------------------------------------- in and out */

/* Images are named by their place, so that results are joined whatever their order. */
static int write_input(const struct run *r, const struct bt_spice_item *items, size_t count,
                       struct bt_err *err)
{
    struct bt_buf buf = { 0 };
    int rc = bt_buf_printf(&buf, err, "[");
    for (size_t i = 0; !rc && i < count; i++) {
        rc = bt_buf_printf(&buf, err, "%s{\"image_id\": %zu, \"test\": ", i > 0 ? ",\n" : "", i);
        if (!rc)
            rc = bt_input_add_string(&buf, items[i].hypothesis, err);
        for (int32_t k = 0; !rc && k < items[i].reference_count; k++) {
            rc = bt_buf_printf(&buf, err, k == 0 ? ", \"refs\": [" : ", ");
            if (!rc)
                rc = bt_input_add_string(&buf, items[i].references[k], err);
        }
        if (!rc)
            rc = bt_buf_printf(&buf, err, "]}");
    }
    if (!rc)
        rc = bt_buf_printf(&buf, err, "]\n");
    if (!rc)
        rc = bt_file_write(r->in, buf.data, buf.size, true, err);
    bt_buf_free(&buf);
    return rc;
}

/* The last line that is not empty. */
static const char *last_words(char *log)
{
    char *end = log + strlen(log);
    while (end > log && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    char *line = strrchr(log, '\n');
    return line ? line + 1 : log;
}

static int java_failed(const struct run *r, int status, struct bt_err *err)
{
    char *text = NULL;
    size_t size;
    int rc = bt_file_read(r->log, MAX_LOG, &text, &size, NULL);
    bt_fail(err, BT_ERR_OS, "%s: SPICE ended with status %d: %s", r->java, status,
            rc ? "no output" : bt_quote_str(last_words(text)));
    free(text);
    return BT_ERR_OS;
}

/* Java 9 and later must be asked to let the parse cache look inside. */
static int run_java(const struct run *r, struct bt_err *err)
{
    static const char *const packages[] = { "lang", "util", "util.concurrent", "math", "net", "text" };
    const char *argv[32];
    char opens[6][64], *class_path = bt_format("%s:%s/lib/*", r->jar, r->folder);
    int n = 0, status = 0;
    if (!class_path)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    argv[n++] = r->java;
    for (size_t i = 0; r->version >= 9 && i < 6; i++) {
        snprintf(opens[i], sizeof opens[i], "--add-opens=java.base/java.%s=ALL-UNNAMED", packages[i]);
        argv[n++] = opens[i];
    }
    argv[n++] = "-Xmx8G";
    argv[n++] = "-cp";
    argv[n++] = class_path;
    argv[n++] = "edu.anu.spice.SpiceScorer";
    argv[n++] = r->in;
    if (r->cache) {
        argv[n++] = "-cache";
        argv[n++] = r->cache;
    }
    argv[n++] = "-out";
    argv[n++] = r->out;
    argv[n++] = "-subset";
    argv[n++] = "-silent";
    argv[n] = NULL;
    int rc = run_program(argv, r->folder, r->log, &status, err);
    free(class_path);
    return rc ? rc : status || !bt_path_exists(r->out) ? java_failed(r, status, err) : BT_OK;
}

static int read_score(const json_t *image, size_t count, double *each, struct bt_err *err)
{
    const json_t *id = json_object_get(image, "image_id");
    const json_t *f = json_object_get(json_object_get(json_object_get(image, "scores"), "All"), "f");
    json_int_t place = json_integer_value(id);
    if (!json_is_integer(id) || place < 0 || (uint64_t)place >= count || !json_is_number(f))
        return bt_fail(err, BT_ERR_INPUT, "not a result with image_id and scores.All.f");
    each[place] = json_number_value(f);
    return BT_OK;
}

static int read_output(const struct run *r, size_t count, double *each, struct bt_err *err)
{
    struct bt_json_array *array = NULL;
    json_t *image;
    for (size_t i = 0; i < count; i++)
        each[i] = NAN;
    int rc = bt_json_array_open(&array, r->out, NULL, err);
    while (!rc && (rc = bt_json_array_next(array, &image, err)) == BT_OK) {
        rc = read_score(image, count, each, err);
        json_decref(image);
    }
    bt_json_array_close(array);
    rc = rc == BT_END ? BT_OK : rc;
    for (size_t i = 0; !rc && i < count; i++)
        if (isnan(each[i]))
            rc = bt_fail(err, BT_ERR_INPUT, "no score for image %zu of %zu", i + 1, count);
    return rc ? bt_context(err, "SPICE's results") : BT_OK;
}

int bt_spice_score(const struct bt_spice *spice, const struct bt_spice_item *items, size_t count,
                   double *each, struct bt_err *err)
{
    struct run r = { 0 };
    int rc = prepare(&r, spice, err);
    if (!rc)
        rc = write_input(&r, items, count, err);
    if (!rc)
        bt_note("SPICE: Java %ld parses %zu captions and their references; this takes a while", r.version,
                count);
    if (!rc)
        rc = run_java(&r, err);
    if (!rc)
        rc = read_output(&r, count, each, err);
    finish(&r);
    return rc;
}
