/* What a stream costs over bare msgpack: lines of
 *     name ours peer ratio goal met|short
 * in MB/s of bodies. Reading: bt_reader_next over a file, every check made, against read(2) and msgpack-c's
 * msgpack_unpack of the same bodies into a zone that is cleared for each. Writing: bt_writer_put of records that were read,
 * against msgpack-c packing the same objects into a buffer that goes to a file in the same way. */
#include <fcntl.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/stream.h"

enum { ROUNDS = 9, HEAD_BYTES = 10, PIECE_BYTES = 256 << 10, WRITTEN_BYTES = 512 << 10 }; /* as ours */

static char dir[] = "/tmp/bt-bench.XXXXXX", ours[64], theirs[64];
static struct bt_err err;

static void must(int rc)
{
    if (rc) {
        fprintf(stderr, "streams: %s\n", err.text[0] ? err.text : "failed");
        exit(1);
    }
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* what others do at the same time is none of it */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what is read and written ---- */

static void set_captions(struct bt_record *rec, int count)
{
    bt_record_begin(rec, "captions");
    bt_pack_array(rec, (size_t)count);
    for (int i = 0; i < count; i++)
        bt_pack_str(rec, "a man rides a horse along the beach at dusk", 40 + (size_t)i % 4);
    must(bt_record_end(rec, &err));
}

static void captions(struct bt_record *rec)
{
    must(bt_record_set_int(rec, "image_id", 391895, &err));
    must(bt_record_set_int(rec, "width", 640, &err));
    must(bt_record_set_int(rec, "height", 360, &err));
    set_captions(rec, 5);
}

static void tokens(struct bt_record *rec)
{
    int32_t ids[32] = { 101, 1037, 2158 };

    set_captions(rec, 5);
    bt_record_begin(rec, "captions.bert");
    bt_pack_array(rec, 5);
    for (int i = 0; i < 5; i++)
        bt_pack_i32s(rec, ids, 32);
    must(bt_record_end(rec, &err));
}

static void pictures(struct bt_record *rec)
{
    static char image[30000];

    for (size_t i = 0; image[1] == 0 && i < sizeof image; i++)
        image[i] = (char)(i * 2654435761u >> 13 | 1);
    must(bt_record_set_bin(rec, "image", image, sizeof image, &err));
    captions(rec);
}

static void make(void (*fill)(struct bt_record *rec), int count)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;

    must(bt_writer_open(&w, ours, &options, &err));
    for (int i = 0; i < count; i++) {
        char id[16];

        snprintf(id, sizeof id, "%012d", i);
        bt_record_clear(rec);
        must(bt_record_set_str(rec, "id", id, 12, &err));
        fill(rec);
        must(bt_writer_put(w, rec, &err));
    }
    must(bt_writer_finish(w, &err));
    bt_writer_close(w);
    bt_record_free(rec);
}

/* ---- reading ---- */

static uint64_t read_ours(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    uint64_t count = 0;
    int rc = bt_reader_open(&r, ours, NULL, &err);

    while (!rc) {
        rc = bt_reader_next(r, rec, &err);
        count += !rc;
    }
    must(rc == BT_END ? BT_OK : rc);
    bt_reader_close(r);
    bt_record_free(rec);
    return count;
}

/* The body of a frame at `frame`, of which `here` bytes are there; 0 when it is not all there. */
static size_t whole_frame(const uint8_t *frame, size_t here)
{
    if (here < HEAD_BYTES)
        return 0;
    size_t size = 6 + ((size_t)frame[1] << 24 | (size_t)frame[2] << 16 | (size_t)frame[3] << 8 | frame[4]);
    return size <= here ? size : 0;
}

static uint64_t read_theirs(void)
{
    static uint8_t buffer[2 * PIECE_BYTES];
    msgpack_zone *zone = msgpack_zone_new(8192);
    int fd = open(ours, O_RDONLY);
    size_t held = 0;
    uint64_t count = 0;
    ssize_t got;

    while ((got = read(fd, buffer + held, PIECE_BYTES)) > 0) {
        size_t at = 0, size;

        for (held += (size_t)got; (size = whole_frame(buffer + at, held - at)) > 0; at += size) {
            msgpack_object root;
            size_t offset = 0;

            msgpack_zone_clear(zone);
            if (msgpack_unpack((const char *)buffer + at + HEAD_BYTES, size - HEAD_BYTES, &offset, zone, &root) !=
                MSGPACK_UNPACK_SUCCESS)
                must(1);
            count += root.type == MSGPACK_OBJECT_MAP && buffer[at + 5] == 'R';
        }
        memmove(buffer, buffer + at, held - at);
        held -= at;
    }
    close(fd);
    msgpack_zone_free(zone);
    return count;
}

/* ---- writing ---- */

struct batch {
    struct bt_record *rec;
    char *body;
    size_t size;
    msgpack_object root;
    msgpack_zone *zone;
};

static void write_ours(struct batch *batch, int count, int repeats)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_writer *w = NULL;

    must(bt_writer_open(&w, theirs, &options, &err));
    for (int i = 0; i < count * repeats; i++)
        must(bt_writer_put(w, batch[i % count].rec, &err));
    must(bt_writer_finish(w, &err));
    bt_writer_close(w);
}

static void write_theirs(struct batch *batch, int count, int repeats)
{
    struct bt_outfile out;
    msgpack_sbuffer buffer;
    msgpack_packer pk;

    must(bt_outfile_open(&out, theirs, true, &err));
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);
    for (int i = 0; i < count * repeats; i++) {
        msgpack_pack_object(&pk, batch[i % count].root);
        if (buffer.size >= WRITTEN_BYTES || i + 1 == count * repeats) {
            must(bt_outfile_write(&out, buffer.data, buffer.size, &err));
            msgpack_sbuffer_clear(&buffer);
        }
    }
    must(bt_outfile_finish(&out, &err));
    msgpack_sbuffer_destroy(&buffer);
}

static struct batch *load(int count)
{
    struct batch *batch = calloc((size_t)count, sizeof *batch);
    struct bt_reader *r = NULL;

    must(bt_reader_open(&r, ours, NULL, &err));
    for (int i = 0; i < count; i++) {
        struct bt_buf body = { 0 };
        size_t offset = 0;

        batch[i].rec = bt_record_new();
        must(bt_reader_next(r, batch[i].rec, &err));
        must(bt_record_encode(batch[i].rec, &body, &err));
        batch[i].zone = msgpack_zone_new(1024);
        batch[i].body = body.data;
        batch[i].size = body.size;
        msgpack_unpack(body.data, body.size, &offset, batch[i].zone, &batch[i].root);
    }
    bt_reader_close(r);
    return batch;
}

static void drop(struct batch *batch, int count)
{
    for (int i = 0; i < count; i++) {
        bt_record_free(batch[i].rec);
        msgpack_zone_free(batch[i].zone);
        free(batch[i].body);
    }
    free(batch);
}

/* ---- the report ---- */

static void report(const char *name, const char *how, double bytes, double ours_s, double theirs_s, double goal)
{
    printf("%s/%s %.0f %.0f %.2f %.2f %s\n", name, how, 1e-6 * bytes / ours_s, 1e-6 * bytes / theirs_s,
           theirs_s / ours_s, goal, theirs_s / ours_s >= goal ? "met" : "short");
}

static void keep_best(double *best, double since)
{
    double took = cpu_s() - since;

    if (*best == 0 || took < *best)
        *best = took;
}

static void compare(const char *name, void (*fill)(struct bt_record *rec), int count, int held)
{
    double best[4] = { 0 }, bytes = 0;

    make(fill, count);
    struct batch *batch = load(held);
    for (int i = 0; i < held; i++)
        bytes += (double)batch[i].size / held * count;
    for (int round = 0; round <= ROUNDS; round++) { /* in turn, so that another program's load falls on all */
        double at = cpu_s();
        if (read_ours() != (uint64_t)count)
            must(1);
        keep_best(&best[0], at);
        at = cpu_s();
        if (read_theirs() != (uint64_t)count)
            must(1);
        keep_best(&best[1], at);
        at = cpu_s();
        write_ours(batch, held, count / held);
        keep_best(&best[2], at);
        at = cpu_s();
        write_theirs(batch, held, count / held);
        keep_best(&best[3], at);
    }
    report(name, "read", bytes, best[0], best[1], 1 / 1.3);
    report(name, "write", bytes, best[2], best[3], 0.8);
    drop(batch, held);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!mkdtemp(dir))
        must(1);
    snprintf(ours, sizeof ours, "%s/ours.bt", dir);
    snprintf(theirs, sizeof theirs, "%s/theirs.bin", dir);
    compare("captions", captions, 200000, 1000);
    compare("tokens", tokens, 50000, 1000);
    compare("pictures", pictures, 3000, 100);
    unlink(ours);
    unlink(theirs);
    rmdir(dir);
    return 0;
}
