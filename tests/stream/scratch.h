/* A scratch directory and whole files, for the tests of streams and shards. */
#ifndef BT_TEST_SCRATCH_H
#define BT_TEST_SCRATCH_H

#include <unistd.h>

#include "libcommon/base/file.h"
#include "tests/test.h"

static char scratch_dir[64];

/* A path in the scratch directory, one of eight rotating buffers. */
static inline const char *scratch(const char *name)
{
    static char paths[8][160];
    static int turn;
    char *path = paths[turn++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
    return path;
}

static void scratch_begin(void)
{
    snprintf(scratch_dir, sizeof scratch_dir, "/tmp/bt-test.XXXXXX");
    if (!mkdtemp(scratch_dir)) {
        perror("mkdtemp");
        exit(2);
    }
}

static void scratch_end(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -rf '%s'", scratch_dir);
    if (system(command) != 0)
        perror(command);
}

static inline void put_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

static inline char *get_file(const char *path, size_t *size)
{
    struct bt_err err = { 0 };
    char *data = NULL;

    CHECK_OK(bt_file_read(path, (size_t)1 << 30, &data, size, &err), &err);
    return data;
}

#endif
