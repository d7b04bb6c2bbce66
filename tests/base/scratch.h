/* A folder of its own for one test program, removed by scratch_end. */
#ifndef BT_TEST_SCRATCH_H
#define BT_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"

static char scratch_folder[200];

static inline void scratch_begin(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(scratch_folder, sizeof scratch_folder, "%s/bt-test-XXXXXX", base ? base : P_tmpdir);
    if (!mkdtemp(scratch_folder)) {
        perror(scratch_folder);
        exit(71);
    }
}

/* The path of `name` in it; one of four rotating buffers. */
static inline const char *scratch(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

/* Writes a file there and returns its path. */
static inline const char *scratch_write(const char *name, const char *data, size_t size)
{
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(71);
    }
    return path;
}

static inline const char *scratch_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

static inline void scratch_end(void)
{
    bt_remove_dir(scratch_folder, NULL);
}

#endif
