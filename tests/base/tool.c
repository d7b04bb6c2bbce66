/* libcommon/base/tool.h: options, and the life of a program, which runs in a child. */
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "tests/base/scratch.h"

static const char *input, *output, *device, *command;
static int64_t max_len;
static double temperature;
static bool force, first;
static struct bt_list tokenizers, files;

static const struct bt_option options[] = {
    BT_OPT_COMMAND(&command, "stage1|stage2", "what to train"),
    BT_OPT_OPERANDS(&files, "FILE", "streams or shards"),
    BT_OPT_STRING('i', "input", &input, "FILE", "caption records"),
    BT_OPT_REQUIRED('o', "output", &output, "FILE", "token records"),
    BT_OPT_COUNT('n', "max-len", &max_len, "TOKENS",
                 "cut longer captions, a text that takes more than one line of eighty columns"),
    BT_OPT_NUMBER('t', "temperature", &temperature, "X", "spread of the draws"),
    BT_OPT_CHOICE('d', "device", &device, "cpu|cuda", "where to compute"),
    BT_OPT_LIST(0, "tokenizer", &tokenizers, "NAME=DIR", "a tokenizer and its name"),
    BT_OPT_FLAG('f', "force", &force, "replace the output"),
    BT_OPT_FLAG(0, "first", &first, "the first alone"),
    BT_OPT_END,
};
static const struct bt_tool tool = { "bt-test", "a tool to be tested", options };

static const struct bt_option optional_command[] = {
    BT_OPT_COMMAND_OR(&command, "stage1|stage2", "what to train"),
    BT_OPT_OPERANDS(&files, "FILE", "streams or shards"),
    BT_OPT_END,
};
static const struct bt_tool optional = { "bt-optional", "a tool whose command has a default", optional_command };

static const struct bt_option no_options[] = { BT_OPT_END };
static const struct bt_tool plain = { "bt-plain", "a tool without options", no_options };

static void reset(void)
{
    free(tokenizers.items);
    free(files.items);
    tokenizers = files = (struct bt_list){ 0 };
    input = "-";
    output = command = NULL;
    device = "cpu";
    max_len = 32;
    temperature = 1;
    force = first = false;
}

enum { WORDS_MAX = 16 };

/* Splits at blanks; "_" stands for an empty word. */
static int split(char *line, char **argv)
{
    int argc = 0;

    argv[argc++] = (char *)(uintptr_t) "bt-test";
    for (char *word = strtok(line, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    return argc;
}

static char parsed_line[300]; /* the values point into it */

static int parse(const struct bt_tool *which, const char *line, struct bt_err *err)
{
    char *argv[WORDS_MAX];

    bt_err_clear(err);
    reset();
    snprintf(parsed_line, sizeof parsed_line, "%s", line);
    return bt_options_parse(which, split(parsed_line, argv), argv, err);
}

/* ---------------------------------------------------------------- options */

static void test_values(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(parse(&tool, "stage1 -i a --output b -n32 --temperature=-0.5e1 -fd cuda x --first y", &err),
             &err);
    CHECK_STR(command, "stage1");
    CHECK_STR(input, "a");
    CHECK_STR(output, "b");
    CHECK_INT(max_len, 32);
    CHECK(temperature == -5);
    CHECK(force && first);
    CHECK_STR(device, "cuda");
    CHECK_INT(files.count, 2);
    CHECK_STR(files.items[0], "x");
    CHECK_STR(files.items[1], "y");

    CHECK_OK(parse(&tool, "--tokenizer a=b stage2 --tokenizer=c=d -o - -- --force -", &err), &err);
    CHECK_STR(output, "-");
    CHECK_STR(device, "cpu");
    CHECK_INT(tokenizers.count, 2);
    CHECK_STR(tokenizers.items[1], "c=d");
    CHECK_INT(files.count, 2);
    CHECK_STR(files.items[0], "--force");
    CHECK_STR(files.items[1], "-");
    CHECK(!force);

    /* cut names, a value that looks like an option, an empty value, the last of two */
    CHECK_OK(parse(&tool, "stage1 --outp=-x --forc --temp -1 --input _ --input=", &err), &err);
    CHECK_STR(output, "-x");
    CHECK(force && temperature == -1);
    CHECK_STR(input, "");
    CHECK_OK(parse(&tool, "stage1 -oa -ob", &err), &err);
    CHECK_STR(output, "b");
}

static void test_counts(void)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = { { "0", 0 },        { "007", 7 },      { "2K", 2048 },
                 { "3M", 3 << 20 }, { "1G", 1 << 30 }, { "9007199254740991", 9007199254740991 } };
    static const char *const bad[] = { "_",
                                       "-1",
                                       "+1",
                                       "1.5",
                                       "1k",
                                       "1KB",
                                       "K",
                                       "0x10",
                                       "1e3",
                                       "9007199254740992",
                                       "18446744073709551616",
                                       "8388608G",
                                       "99999999999999999999K",
                                       "1,000" };
    struct bt_err err = { 0 };
    char line[100];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(line, sizeof line, "stage1 -o x -n %s", good[i].text);
        CHECK_OK(parse(&tool, line, &err), &err);
        CHECK_INT(max_len, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(line, sizeof line, "stage1 -o x -n %s", bad[i]);
        CHECK_INT(parse(&tool, line, &err), BT_ERR_USAGE);
        CHECK_INT(max_len, 32);
    }
}

static void test_numbers(void)
{
    static const char *const bad[] = { "0,7",   "_",    ".",     "1e",  "inf",  "nan",
                                       "0x1p3", "1.5x", "1e999", "--1", "1.2.3" };
    static const struct {
        const char *text;
        double value;
    } good[] = {
        { "0.7", 0.7 }, { ".5", 0.5 }, { "5.", 5 }, { "-1e-3", -0.001 }, { "+2", 2 }, { "1E2", 100 }
    };
    struct bt_err err = { 0 };
    char line[100];

    setenv("LC_ALL", "it_IT.UTF-8", 1); /* the environment changes nothing: "0,7" is bad, "0.7" is good */
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(line, sizeof line, "stage1 -o x -t %s", good[i].text);
        CHECK_OK(parse(&tool, line, &err), &err);
        CHECK(temperature == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(line, sizeof line, "stage1 -o x -t %s", bad[i]);
        CHECK_INT(parse(&tool, line, &err), BT_ERR_USAGE);
    }
    unsetenv("LC_ALL");
}

static void check_usage(const struct bt_tool *which, const char *line, const char *message)
{
    struct bt_err err = { 0 };

    CHECK_INT(parse(which, line, &err), BT_ERR_USAGE);
    CHECK_STR(err.text, message);
}

static void test_usage(void)
{
    check_usage(&tool, "stage1 --ouptut x", "--ouptut: no such option; did you mean --output?");
    check_usage(&tool, "stage1 --colour x", "--colour: no such option; see --help");
    check_usage(&tool, "stage1 --verison", "--verison: no such option; did you mean --version?");
    check_usage(&tool, "stage1 -x", "-x: no such option; see --help");
    check_usage(&tool, "stage1 -fx", "-x: no such option; see --help");
    check_usage(&tool, "stage1 --f", "--f: may be --force or --first; write more of it");
    check_usage(&tool, "stage1 --force=yes", "--force: takes no value; leave out '=yes'");
    check_usage(&tool, "stage1 -o", "-o: needs a value (FILE); add one");
    check_usage(&tool, "stage1 --device tpu -o x", "--device: 'tpu' is not known; choose one of cpu|cuda");
    check_usage(&tool, "stage1 --device cp -o x", "--device: 'cp' is not known; choose one of cpu|cuda");
    check_usage(&tool, "stage1 --device _ -o x", "--device: '' is not known; choose one of cpu|cuda");
    check_usage(&tool, "stage3 -o x", "command: 'stage3' is not known; choose one of stage1|stage2");
    check_usage(&tool, "-o x", "command: missing; give one of stage1|stage2");
    check_usage(&tool, "stage1", "--output: missing; give it (FILE)");
    check_usage(&plain, "x", "'x': an operand where none is expected; see --help");
    check_usage(&tool, "stage1 --progress=maybe",
                "--progress: 'maybe' is not known; choose one of auto|line|json|none");
}

static void test_command_or(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(parse(&optional, "stage2 stage1 x", &err), &err);
    CHECK_STR(command, "stage2");
    CHECK_INT(files.count, 2);
    CHECK_OK(parse(&optional, "x stage1", &err), &err);
    CHECK(command == NULL);
    CHECK_INT(files.count, 2);
    CHECK_STR(files.items[1], "stage1");
    CHECK_OK(parse(&optional, "", &err), &err);
    CHECK(command == NULL);
}

/* ---------------------------------------------------------------- the life of a program */

static char out_text[20000], err_text[20000];

static void read_text(const char *name, char *text, size_t size)
{
    FILE *file = fopen(scratch(name), "rb");
    size_t got = file ? fread(text, 1, size - 1, file) : 0;

    text[got] = '\0';
    if (file)
        fclose(file);
}

static void to_file(const char *path, int fd)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    dup2(file, fd);
    close(file);
}

/* How the child's stdout is before the tool begins. */
enum stdout_kind { TO_FILE, TO_FULL, CLOSED, READER_GONE };

static void set_stdout(enum stdout_kind kind)
{
    int ends[2];

    if (kind == TO_FILE) {
        to_file(scratch("stdout"), STDOUT_FILENO);
    } else if (kind == TO_FULL) {
        to_file("/dev/full", STDOUT_FILENO);
    } else if (kind == CLOSED) {
        close(STDOUT_FILENO);
    } else if (pipe(ends) == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
    }
}

/* Runs the tool in a child; returns its exit status, or 128 + the signal that ended it. */
static int run_tool(const struct bt_tool *which, int (*run)(struct bt_err *err), const char *line,
                    enum stdout_kind kind)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        char words[300], *argv[WORDS_MAX];

        reset();
        snprintf(words, sizeof words, "%s", line);
        set_stdout(kind);
        to_file(scratch("stderr"), STDERR_FILENO);
        _exit(bt_tool_main(which, run, split(words, argv), argv));
    }
    waitpid(child, &status, 0);
    read_text("stdout", out_text, sizeof out_text);
    read_text("stderr", err_text, sizeof err_text);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_ok(struct bt_err *err)
{
    (void)err;
    printf("%s %s\n", bt_tool_name(), command ? command : "");
    return BT_END;
}

static int run_bad(struct bt_err *err)
{
    bt_note("a note");
    bt_warn("a warning");
    return bt_fail(err, BT_ERR_BT_CRC,
                   "a\x1b"
                   "b.bt:16: record 1 does not match; copy it again");
}

static int run_no(struct bt_err *err)
{
    (void)err;
    return BT_ERR_NO;
}

static int run_direct(struct bt_err *err)
{
    static struct bt_outfile kept; /* left open: its temporary file is for the tool to remove */
    struct bt_outfile out = { 0 };
    int rc = bt_outfile_open(&kept, scratch("kept"), false, err);

    if (!rc)
        rc = bt_outfile_open(&out, "-", false, err);
    for (int i = 0; !rc && i < 10; i++)
        rc = bt_outfile_write(&out, "record", 6, err);
    bt_outfile_close(&out);
    return rc;
}

static int count_temporary(void)
{
    DIR *dir = opendir(scratch_folder);
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir)))
        count += strncmp(entry->d_name, ".bt-", 4) == 0;
    if (dir)
        closedir(dir);
    return count;
}

static void test_main(void)
{
    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x", TO_FILE), 0);
    CHECK_STR(out_text, "bt-test stage1\n");
    CHECK_STR(err_text, "");
    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x --bad", TO_FILE), 64);
    CHECK_STR(out_text, "");
    CHECK_STR(err_text, "bt-test: --bad: no such option; see --help [E_USAGE]\n");
    CHECK_INT(run_tool(&plain, run_bad, "", TO_FILE), 65);
    CHECK_STR(err_text, "bt-plain: a note\nbt-plain: warning: a warning\n"
                        "bt-plain: a\\x1bb.bt:16: record 1 does not match; copy it again [E_BT_CRC]\n");
    CHECK_INT(run_tool(&plain, run_bad, "-q", TO_FILE), 65);
    CHECK(strncmp(err_text, "bt-plain: warning: ", 19) == 0);
    CHECK_INT(run_tool(&plain, run_bad, "--log=json", TO_FILE), 65);
    CHECK(strstr(err_text, "{\"tool\":\"bt-plain\",\"level\":\"note\",\"text\":\"a note\"}\n"));
    CHECK(strstr(err_text, "\"level\":\"error\",\"code\":\"E_BT_CRC\",\"text\":\"a\\u001Bb.bt:16: "));
    CHECK_INT(run_tool(&plain, run_no, "", TO_FILE), 1);
    CHECK_STR(err_text, "");
}

static void test_stdout_full(void)
{
    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x", TO_FULL), 74);
    CHECK(strstr(err_text, "bt-test: stdout: No space left on device; ") &&
          strstr(err_text, "[E_NOSPACE]\n"));
    CHECK_INT(run_tool(&tool, run_ok, "--help", TO_FULL), 74);
    CHECK_INT(run_tool(&tool, run_ok, "--version", TO_FULL), 74);
    CHECK_INT(run_tool(&tool, run_ok, "--completion=bash", TO_FULL), 74);
    CHECK_INT(run_tool(&plain, run_direct, "", TO_FULL), 74);
    CHECK_INT(run_tool(&plain, run_bad, "", TO_FULL), 65);
}

static void test_stdout_closed(void)
{
    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x", CLOSED), 74);
    CHECK_STR(err_text, "bt-test: stdout: is closed; leave it open, or send it to /dev/null [E_IO]\n");
    CHECK_INT(run_tool(&tool, run_ok, "--help", CLOSED), 74);
}

static void test_reader_gone(void)
{
    sigset_t blocked, before;

    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x", READER_GONE), 128 + SIGPIPE);
    CHECK_STR(err_text, "");
    CHECK_INT(run_tool(&plain, run_direct, "", READER_GONE), 128 + SIGPIPE);
    CHECK_STR(err_text, "");
    CHECK_INT(count_temporary(), 0);
    CHECK_INT(run_tool(&tool, run_ok, "--help", READER_GONE), 128 + SIGPIPE);
    CHECK_INT(run_tool(&plain, run_bad, "", READER_GONE), 65);
    CHECK_INT(run_tool(&plain, run_no, "", READER_GONE), 1);

    /* inherited as blocked and ignored */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    CHECK_INT(run_tool(&tool, run_ok, "stage1 -o x", READER_GONE), 128 + SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Fails when a file gets one of the numbers 0 to 2. */
static int run_numbers(struct bt_err *err)
{
    int fd = open("/dev/null", O_RDONLY);
    char byte;

    if (fd <= STDERR_FILENO)
        return bt_fail(err, BT_ERR_BUG, "a file got number %d", fd);
    if (bt_read_full(STDIN_FILENO, &byte, 1) >= 0)
        return bt_fail(err, BT_ERR_BUG, "a closed stdin can be read");
    return BT_END;
}

static void test_closed_stdin(void)
{
    int kept = dup(STDIN_FILENO);

    close(STDIN_FILENO);
    CHECK_INT(run_tool(&plain, run_numbers, "", TO_FILE), 0);
    dup2(kept, STDIN_FILENO);
    close(kept);
}

static int run_stop(struct bt_err *err)
{
    if (bt_stop_requested())
        return bt_fail(err, BT_ERR_BUG, "stopped before it was asked to");
    raise(SIGUSR1);
    if (!bt_stop_requested())
        return bt_fail(err, BT_ERR_BUG, "not stopped by SIGUSR1");
    raise(SIGTERM);
    return bt_fail(err, BT_ERR_STOPPED, "stopped on request; run the same command to go on");
}

static int run_stop_twice(struct bt_err *err)
{
    raise(SIGTERM);
    raise(SIGINT);
    return bt_fail(err, BT_ERR_BUG, "still here after a second signal");
}

static void test_signals(void)
{
    CHECK_INT(run_tool(&plain, run_stop, "", TO_FILE), 75);
    CHECK_INT(run_tool(&plain, run_stop_twice, "", TO_FILE), 128 + SIGINT);
}

static void check_width(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length > 80)
            printf("# '%.*s'\n", (int)length, text);
        CHECK(length <= 80);
        CHECK(length == 0 || text[length - 1] != ' ');
        text += length + (text[length] == '\n');
    }
}

static void test_help(void)
{
    CHECK_INT(run_tool(&tool, run_bad, "--help", TO_FILE), 0);
    CHECK_STR(err_text, "");
    check_width(out_text);
    CHECK(strstr(out_text, "usage: bt-test stage1|stage2 --output FILE [OPTION]... [FILE]...\n") == out_text);
    CHECK(strstr(out_text, "\nbt-test - a tool to be tested\n"));
    CHECK(strstr(out_text, "\n  -i, --input FILE          caption records (default -)\n"));
    CHECK(strstr(out_text, "\n  -o, --output FILE         token records (required)\n"));
    CHECK(strstr(out_text, "\n      --tokenizer NAME=DIR  a tokenizer and its name\n"));
    CHECK(strstr(out_text, "(default 32)\n"));
    CHECK(strstr(out_text, "\n  -q, --quiet "));
    CHECK_INT(run_tool(&tool, run_bad, "-h --bad", TO_FILE), 0);
    CHECK_INT(run_tool(&plain, run_bad, "--help", TO_FILE), 0);
    check_width(out_text);
    CHECK_INT(run_tool(&plain, run_bad, "--version", TO_FILE), 0);
    CHECK(strncmp(out_text, "bt-plain ", 9) == 0 && strstr(out_text, bt_version()));
}

/* What bash would offer for a command line; "=" stands alone as bash has it. */
static void check_completion(const char *words, const char *want)
{
    char script[1000], got[4096] = "";
    FILE *bash;

    snprintf(script, sizeof script,
             "bash -c 'source %s; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _bt_test; "
             "IFS=\" \"; echo \"${COMPREPLY[*]}\"'",
             scratch("stdout"), words);
    bash = popen(script, "r");
    if (!bash || !fgets(got, sizeof got, bash))
        got[0] = '\0';
    if (bash)
        pclose(bash);
    got[strcspn(got, "\n")] = '\0';
    CHECK_STR(got, want);
}

static void test_completion(void)
{
    if (system("bash -c 'compgen -W x' >/dev/null 2>&1") != 0)
        SKIP("no bash");
    CHECK_INT(run_tool(&tool, run_bad, "--completion=bash", TO_FILE), 0);
    check_completion("bt-test --fo", "--force");
    check_completion("bt-test --f", "--force --first");
    check_completion("bt-test --device cu", "cuda");
    check_completion("bt-test --device = \"\"", "cpu cuda");
    check_completion("bt-test --device =", "cpu cuda");
    check_completion("bt-test stage1 -d c", "cpu cuda");
    check_completion("bt-test sta", "stage1 stage2");
    check_completion("bt-test stage1 --max-len 1", "");
    check_completion("bt-test --progress j", "json");
    check_completion("bt-test -i /dev/nul", "/dev/null");
}

/* ---------------------------------------------------------------- progress */

static int run_progress(struct bt_err *err)
{
    struct bt_progress p;

    (void)err;
    bt_progress_start(&p, "stage1", "images", 100, 2000);
    bt_progress_update(&p, 110, "loss 2.31");
    p.start_s -= 10; /* as if ten seconds and more had passed */
    p.shown_s -= 10;
    bt_progress_update(&p, 300, "loss 2.30");
    bt_progress_update(&p, 301, NULL);
    bt_progress_finish(&p);
    return BT_OK;
}

static void test_progress(void)
{
    CHECK_INT(run_tool(&plain, run_progress, "", TO_FILE), 0);
    CHECK_STR(err_text, "bt-plain: stage1: 300/2,000 images (15%), 20.0/s, 1 min 25 s left, loss 2.30\n"
                        "bt-plain: stage1: 301 images, 20.1/s, 10 s, loss 2.30\n");
    CHECK_INT(run_tool(&plain, run_progress, "--quiet", TO_FILE), 0);
    CHECK_STR(err_text, "");
    CHECK_INT(run_tool(&plain, run_progress, "--progress=none", TO_FILE), 0);
    CHECK_STR(err_text, "");
    CHECK_INT(run_tool(&plain, run_progress, "--progress=json -q", TO_FILE), 0);
    CHECK(strstr(err_text, "{\"progress\":\"stage1\",\"done\":300,\"unit\":\"images\",\"per_s\":") ==
          err_text);
    CHECK(strstr(err_text, "\"total\":2000,\"left_s\":85"));
    CHECK(strstr(err_text, "\"extra\":\"loss 2.30\"}\n"));
    CHECK(strstr(err_text, "\"done\":301,") && strstr(err_text, "\"elapsed_s\":10"));
}

static void test_human(void)
{
    CHECK_STR(bt_human_count(0), "0");
    CHECK_STR(bt_human_count(999), "999");
    CHECK_STR(bt_human_count(1000), "1,000");
    CHECK_STR(bt_human_count(UINT64_MAX), "18,446,744,073,709,551,615");
    CHECK_STR(bt_human_bytes(1023), "1023 bytes");
    CHECK_STR(bt_human_bytes(1024), "1.0 KiB");
    CHECK_STR(bt_human_bytes(1536), "1.5 KiB");
    CHECK_STR(bt_human_bytes((1 << 20) - 1), "1.0 MiB");
    CHECK_STR(bt_human_bytes(UINT64_MAX), "16.0 EiB");
}

int main(void)
{
    scratch_begin();
    RUN(test_values);
    RUN(test_counts);
    RUN(test_numbers);
    RUN(test_usage);
    RUN(test_command_or);
    RUN(test_main);
    RUN(test_stdout_full);
    RUN(test_stdout_closed);
    RUN(test_reader_gone);
    RUN(test_closed_stdin);
    RUN(test_signals);
    RUN(test_help);
    RUN(test_completion);
    RUN(test_progress);
    RUN(test_human);
    reset();
    scratch_end();
    return test_end();
}
