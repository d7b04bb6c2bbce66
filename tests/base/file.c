/* libcommon/base/file.h */
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/scratch.h"

/* Names in the scratch folder, leaving out those that begin otherwise. */
static int count_names(const char *prefix)
{
    DIR *dir = opendir(scratch_folder);
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir)))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && strcmp(entry->d_name, ".") != 0 &&
                 strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return count;
}

static void check_content(const char *path, const char *want)
{
    struct bt_err err = { 0 };
    char *data = NULL;
    size_t size = 0;

    CHECK_OK(bt_file_read(path, 1 << 20, &data, &size, &err), &err);
    CHECK_INT(size, strlen(want));
    CHECK_STR(data, want);
    free(data);
}

static void test_read(void)
{
    struct bt_err err = { 0 };
    char *data = NULL, large[5000];
    size_t size = 0;

    memset(large, 'x', sizeof large);
    scratch_write("large", large, sizeof large);
    CHECK_OK(bt_file_read(scratch("large"), 5000, &data, &size, &err), &err);
    CHECK(size == 5000 && data[4999] == 'x' && data[5000] == '\0');
    free(data);
    data = NULL;
    CHECK_INT(bt_file_read(scratch("large"), 4999, &data, &size, &err), BT_ERR_LIMIT);
    CHECK(!data);
    bt_err_clear(&err);
    CHECK_INT(bt_file_read(scratch("none"), 1, &data, &size, &err), BT_ERR_NOINPUT);
    CHECK(strstr(err.text, "none: No such file or directory; check the name"));
    bt_err_clear(&err);
    CHECK_INT(bt_file_read(scratch_folder, 1, &data, &size, &err), BT_ERR_NOINPUT);
    CHECK(strstr(err.text, "is a directory"));
    bt_err_clear(&err);
    check_content(scratch_text("empty", ""), "");
    check_content("/dev/null", "");

    scratch_text("pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
    CHECK_INT(bt_file_read(scratch("pointer"), 1000, &data, &size, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "pointer: is a Git LFS pointer, not the file of 5 bytes "));
}

/* A pipe gives its bytes in pieces, and its size is not known. */
static void test_read_pipe(void)
{
    int ends[2], size = 300000;
    struct bt_err err = { 0 };
    char name[64], *data = NULL;
    size_t got = 0;
    pid_t child;

    CHECK_INT(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        char *zeros = calloc(1, (size_t)size);

        _exit(zeros && bt_write_full(ends[1], zeros, (size_t)size) == 0 ? 0 : 1);
    }
    close(ends[1]);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    CHECK_OK(bt_file_read(name, 1 << 20, &data, &got, &err), &err);
    CHECK_INT(got, size);
    free(data);
    close(ends[0]);
    waitpid(child, NULL, 0);
}

static void test_map(void)
{
    struct bt_err err = { 0 };
    struct bt_map map = { 0 };

    bt_map_close(&map);
    CHECK_OK(bt_map_open(&map, scratch_text("map", "abc"), &err), &err);
    CHECK(map.size == 3 && memcmp(map.data, "abc", 3) == 0);
    bt_map_close(&map);
    CHECK_OK(bt_map_open(&map, scratch_text("empty", ""), &err), &err);
    CHECK(map.size == 0 && map.data);
    bt_map_close(&map);
    CHECK_INT(bt_map_open(&map, "/dev/null", &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    CHECK_INT(bt_map_open(&map, scratch("none"), &err), BT_ERR_NOINPUT);
}

static void test_outfile(void)
{
    struct bt_err err = { 0 };
    struct bt_outfile out = { 0 };
    struct stat st;
    mode_t mask = umask(027);

    bt_outfile_close(&out);
    CHECK_OK(bt_outfile_open(&out, scratch("out"), false, &err), &err);
    CHECK(!bt_path_exists(scratch("out")));
    CHECK_INT(count_names(".bt-out."), 1);
    CHECK_OK(bt_outfile_write(&out, "one ", 4, &err), &err);
    CHECK_OK(bt_outfile_write(&out, "two", 3, &err), &err);
    CHECK(!bt_path_exists(scratch("out")));
    CHECK_OK(bt_outfile_finish(&out, &err), &err);
    bt_outfile_close(&out);
    umask(mask);
    check_content(scratch("out"), "one two");
    CHECK_INT(count_names(".bt-"), 0);
    CHECK(stat(scratch("out"), &st) == 0 && (st.st_mode & 0777) == 0640);
}

static void test_outfile_exists(void)
{
    struct bt_err err = { 0 };
    struct bt_outfile out = { 0 };

    scratch_text("old", "old");
    CHECK_INT(bt_outfile_open(&out, scratch("old"), false, &err), BT_ERR_EXISTS);
    CHECK(strstr(err.text, "--force"));
    bt_err_clear(&err);
    CHECK_OK(bt_file_write(scratch("old"), "new", 3, true, &err), &err);
    check_content(scratch("old"), "new");

    /* it comes into being while ours is in the making */
    CHECK_OK(bt_outfile_open(&out, scratch("race"), false, &err), &err);
    scratch_text("race", "theirs");
    CHECK_INT(bt_outfile_finish(&out, &err), BT_ERR_EXISTS);
    bt_outfile_close(&out);
    check_content(scratch("race"), "theirs");
    CHECK_INT(count_names(".bt-"), 0);
}

static void test_outfile_unfinished(void)
{
    struct bt_err err = { 0 };
    struct bt_outfile out = { 0 };

    CHECK_OK(bt_outfile_open(&out, scratch("half"), false, &err), &err);
    CHECK_OK(bt_outfile_write(&out, "x", 1, &err), &err);
    bt_outfile_close(&out);
    CHECK_INT(count_names(".bt-"), 0);
    CHECK(!bt_path_exists(scratch("half")));

    CHECK_OK(bt_outfile_open(&out, scratch("half"), false, &err), &err);
    bt_outfile_abandon_all();
    CHECK_INT(count_names(".bt-"), 0);
    CHECK(bt_outfile_finish(&out, &err) != BT_OK);
    bt_outfile_close(&out);
}

static void test_outfile_places(void)
{
    struct bt_err err = { 0 };
    struct bt_outfile out = { 0 };

    CHECK_INT(bt_outfile_open(&out, scratch("no/such"), false, &err), BT_ERR_CANTCREAT);
    bt_err_clear(&err);
    CHECK_INT(bt_outfile_open(&out, scratch_folder, true, &err), BT_ERR_CANTCREAT);
    bt_err_clear(&err);
    CHECK_INT(bt_outfile_open(&out, scratch("no/"), true, &err), BT_ERR_USAGE);
    bt_err_clear(&err);
    CHECK_INT(bt_outfile_open(&out, "", true, &err), BT_ERR_USAGE);
    bt_err_clear(&err);
    CHECK_OK(bt_file_write("/dev/null", "x", 1, false, &err), &err);
    CHECK_INT(bt_file_write("/dev/full", "x", 1, false, &err), BT_ERR_NOSPACE);
    bt_err_clear(&err);

    /* a link is replaced; what it points to stays */
    scratch_text("aim", "aim");
    CHECK_INT(symlink("aim", scratch("link")), 0);
    CHECK_INT(bt_file_write(scratch("link"), "new", 3, false, &err), BT_ERR_EXISTS);
    bt_err_clear(&err);
    CHECK_OK(bt_file_write(scratch("link"), "new", 3, true, &err), &err);
    check_content(scratch("aim"), "aim");
    check_content(scratch("link"), "new");

    /* a name as long as the file system allows */
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    CHECK_OK(bt_file_write(scratch(name), "x", 1, false, &err), &err);
    check_content(scratch(name), "x");
}

/* A killed writer leaves no name, and its temporary file goes when the next one comes; that of a writer at
 * work stays. */
static void test_killed(void)
{
    struct bt_err err = { 0 };
    struct bt_outfile out = { 0 }, other = { 0 };
    int ends[2], status;
    char byte;
    pid_t child;

    CHECK_INT(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        if (bt_outfile_open(&out, scratch("killed"), false, NULL) == BT_OK &&
            bt_outfile_write(&out, "half", 4, NULL) == BT_OK)
            bt_write_full(ends[1], "x", 1);
        pause();
        _exit(1);
    }
    CHECK_INT(bt_read_full(ends[0], &byte, 1), 1);
    CHECK_INT(count_names(".bt-killed."), 1);

    CHECK_OK(bt_outfile_open(&other, scratch("killed"), false, &err), &err);
    CHECK_INT(count_names(".bt-killed."), 2);
    bt_outfile_close(&other);

    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(!bt_path_exists(scratch("killed")));
    CHECK_INT(count_names(".bt-killed."), 1);
    scratch_text(".bt-killed.0123456789abcdef.other", "not ours");
    CHECK_OK(bt_file_write(scratch("killed"), "whole", 5, false, &err), &err);
    CHECK_INT(count_names(".bt-killed."), 1);
    check_content(scratch("killed"), "whole");
    close(ends[0]);
    close(ends[1]);
}

static void test_directories(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_make_dirs(scratch("a/b//c/"), &err), &err);
    CHECK_OK(bt_make_dirs(scratch("a/b/c"), &err), &err);
    CHECK(bt_path_is_dir(scratch("a/b/c")));
    CHECK_OK(bt_fsync_dir(scratch("a/b"), &err), &err);
    CHECK_INT(bt_fsync_dir(scratch("none"), &err), BT_ERR_CANTCREAT);
    bt_err_clear(&err);
    scratch_text("a/file", "x");
    CHECK_INT(bt_make_dirs(scratch("a/file"), &err), BT_ERR_CANTCREAT);
    bt_err_clear(&err);
    CHECK_INT(bt_make_dirs(scratch("a/file/d"), &err), BT_ERR_CANTCREAT);
    bt_err_clear(&err);

    /* removal does not follow links */
    CHECK_OK(bt_make_dirs(scratch("outside"), &err), &err);
    scratch_text("outside/kept", "x");
    CHECK_INT(symlink("../../outside", scratch("a/b/link")), 0);
    CHECK_OK(bt_remove_dir(scratch("a"), &err), &err);
    CHECK(!bt_path_exists(scratch("a")));
    CHECK(bt_path_exists(scratch("outside/kept")));
    CHECK_OK(bt_remove_dir(scratch("a"), &err), &err);
    CHECK(bt_remove_dir(scratch("outside/kept"), &err) != BT_OK);
}

static void test_format(void)
{
    char *text = bt_format("%s/%06d", "set", 12);

    CHECK_STR(text, "set/000012");
    free(text);
}

int main(void)
{
    scratch_begin();
    RUN(test_read);
    RUN(test_read_pipe);
    RUN(test_map);
    RUN(test_outfile);
    RUN(test_outfile_exists);
    RUN(test_outfile_unfinished);
    RUN(test_outfile_places);
    RUN(test_killed);
    RUN(test_directories);
    RUN(test_format);
    scratch_end();
    return test_end();
}
