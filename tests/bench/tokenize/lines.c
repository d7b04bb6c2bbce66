/* lines TOKENIZER FILE ROUNDS THREADS: encodes the lines of a file, in memory, by one batch call a round; prints MB/s, captions/s
 * and a checksum of all ids. On one thread it is processor time, else wall time; the best of ROUNDS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcommon/base/file.h"
#include "libcommon/text/batch.h"

struct lines {
    char *data;
    struct bt_text *texts;
    uint64_t count, capacity, bytes;
};

static void need(int rc, const struct bt_err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "lines: %s\n", err->text);
    exit(1);
}

static void read_lines(struct lines *l, const char *path)
{
    struct bt_err err = { 0 };
    size_t size = 0;

    need(bt_file_read(path, 1u << 30, &l->data, &size, &err), &err);
    for (char *line = l->data, *stop; (stop = memchr(line, '\n', (size_t)(l->data + size - line))) != NULL; line = stop + 1) {
        need(bt_grow(&l->texts, &l->capacity, l->count + 1, sizeof *l->texts, &err), &err);
        l->texts[l->count++] = (struct bt_text){ line, (size_t)(stop - line) };
        l->bytes += (uint64_t)(stop - line);
    }
}

static double now_s(int threads)
{
    struct timespec t;

    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t checksum(const struct bt_encoded *encoded, uint64_t count)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < encoded[i].ids.count; k++)
            sum = (sum ^ (uint64_t)encoded[i].ids.data[k]) * 0x100000001B3u;
    return sum;
}

int main(int argc, char **argv)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_encoder *encoder = NULL;
    struct lines lines = { 0 };
    struct bt_err err = { 0 };
    double best = 1e9;

    if (argc != 5)
        return 64;
    int threads = atoi(argv[4]);
    read_lines(&lines, argv[2]);
    need(bt_tokenizer_load(&tok, argv[1], &err), &err);
    need(bt_encoder_new(&encoder, tok, threads, &err), &err);
    struct bt_encoded *encoded = bt_alloc(lines.count, sizeof *encoded, &err);
    need(encoded == NULL, &err);
    for (int round = 0; round < atoi(argv[3]); round++) {
        double start = now_s(threads);

        need(bt_encoder_run(encoder, lines.texts, lines.count, NULL, 0, encoded, &err), &err);
        double seconds = now_s(threads) - start;
        best = seconds < best ? seconds : best;
    }
    printf("%.1f %.0f %016llx\n", (double)lines.bytes / best / 1e6, (double)lines.count / best,
           (unsigned long long)checksum(encoded, lines.count));
    free(encoded);
    bt_encoder_free(encoder);
    bt_tokenizer_free(tok);
    free(lines.texts);
    free(lines.data);
    return 0;
}
