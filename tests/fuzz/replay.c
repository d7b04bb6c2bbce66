/* Runs a fuzz target over its seeds: `replay/NAME` over tests/fuzz/corpus/NAME, a TAP line a file. What libFuzzer found once
 * is a file there. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    char *folder = bt_format("%s/%s", argc > 1 ? argv[1] : "tests/fuzz/corpus", name);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_file, alphasort), failed = 0;

    for (int i = 0; i < count; i++) {
        char *path = bt_format("%s/%s", folder, entries[i]->d_name), *data = NULL;
        struct bt_err err = { 0 };
        size_t size = 0;
        int rc = bt_file_read(path, (size_t)64 << 20, &data, &size, &err);

        if (!rc)
            LLVMFuzzerTestOneInput((const uint8_t *)data, size); /* ends the program when something is wrong */
        failed += rc != 0;
        printf("%sok %d - %s%s%s\n", rc ? "not " : "", i + 1, path, rc ? ": " : "", err.text);
        free(data);
        free(path);
        free(entries[i]);
    }
    if (count < 1)
        printf("not ok 1 - %s: no seeds\n", folder);
    printf("1..%d\n", count < 1 ? 1 : count);
    free(entries);
    free(folder);
    return failed || count < 1;
}
