/* lines TOKENIZER FILE: encodes the lines of a file, in memory, one after the other; prints MB/s of processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcommon/base/file.h"
#include "libcommon/text/tokenizer.h"

static void need(int rc, const struct bt_err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "lines: %s\n", err->text);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 }, all = { 0 };
    struct bt_err err = { 0 };
    char *data = NULL;
    size_t size = 0, bytes = 0;

    if (argc != 3)
        return 64;
    need(bt_file_read(argv[2], 1u << 30, &data, &size, &err), &err);
    need(bt_tokenizer_load(&tok, argv[1], &err), &err);
    double start = now_s();
    for (const char *line = data, *stop; (stop = memchr(line, '\n', (size_t)(data + size - line))) != NULL; line = stop + 1) {
        need(bt_tokenizer_encode(tok, line, (size_t)(stop - line), true, 0, &ids, &err), &err);
        need(bt_ids_add(&all, ids.data, ids.count, &err), &err);
        bytes += (size_t)(stop - line);
    }
    printf("%.2f\n", (double)bytes / (now_s() - start) / 1e6);
    bt_ids_free(&ids);
    bt_ids_free(&all);
    bt_tokenizer_free(tok);
    free(data);
    return 0;
}
