/* lines TOKENIZER FILE ROUNDS [THREADS]: our MB/s and captions/s, best of ROUNDS, on the lines of a file in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcommon/base/file.h"
#include "libcommon/text/tokenizer.h"

int main(int argc, char **argv)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = {0};
    struct bt_err err = {0};
    char *text = NULL;
    size_t size = 0;
    if (bt_tokenizer_load(&tok, argv[1], &err) || bt_file_read(argv[2], 1u << 30, &text, &size, &err)) {
        fprintf(stderr, "lines: %s\n", err.text);
        return 1;
    }
    for (int r = 0; r < atoi(argv[3]); r++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        uint64_t n = 0, sum = 0, bytes = 0;
        for (char *line = text, *stop; (stop = memchr(line, '\n', (size_t)(text + size - line))); line = stop + 1) {
            bt_tokenizer_encode(tok, line, (size_t)(stop - line), true, 0, &ids, &err);
            n += ids.count;
            bytes += (uint64_t)(stop - line);
            for (uint64_t i = 0; i < ids.count; i++)
                sum = sum * 31 + (uint64_t)ids.data[i];
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        printf("%.1f MB/s %lu ids %lx\n", (double)bytes / s / 1e6, n, sum);
    }
    (void)argc;
}
