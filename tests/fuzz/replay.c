/* A fuzz target over the files of its corpus, tests/fuzz/corpus/NAME, for `make check`: what fuzzing found once stays found.
 * NAME is the program's own. Run in the root of the tree. */
#include <dirent.h>
#include <libgen.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "tests/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
    struct bt_err err = { 0 };
    char *data = NULL;
    size_t size = 0;

    CHECK_OK(bt_file_read(path, (size_t)1 << 26, &data, &size, &err), &err);
    char *exact = malloc(size ? size : 1); /* no byte more, so that a sanitizer sees what reads beyond */
    if (exact && data)
        memcpy(exact, data, size);
    if (exact && data)
        CHECK(LLVMFuzzerTestOneInput((const uint8_t *)exact, size) == 0);
    free(exact);
    free(data);
}

int main(int argc, char **argv)
{
    char *corpus = bt_format("tests/fuzz/corpus/%s", basename(argv[0]));
    DIR *dir = corpus ? opendir(corpus) : NULL;
    struct dirent *entry;

    (void)argc;
    bt_log_silence();
    while (dir && (entry = readdir(dir))) {
        char *path = bt_format("%s/%s", corpus, entry->d_name);

        if (path && *entry->d_name != '.')
            RUN_NAMED(path, replay(path));
        free(path);
    }
    if (test_count == 0)
        RUN_NAMED("corpus", CHECK(!"a target has a corpus"));
    if (dir)
        closedir(dir);
    free(corpus);
    return test_end();
}
