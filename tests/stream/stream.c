/* Streams: the vector of formats.md 1.1, round trips, joining, and everything that must be refused. */
#include "libcommon/stream/stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

#include "libcommon/base/hash.h"
#include "tests/stream/scratch.h"

static const char *const padding = "some text that makes the record a little longer than it would be";

static void write_stream(const char *path, int first, int count, const struct bt_writer_options *options)
{
    static const struct bt_writer_options plain = { .schema = &bt_schema_sample, .force = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&w, path, options ? options : &plain, &err), &err);
    for (int i = first; i < first + count; i++) {
        char id[20];

        snprintf(id, sizeof id, "%06d", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, 6, &err), &err);
        CHECK_OK(bt_record_set_str(rec, "text", padding, strlen(padding), &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
}

/* How a stream ends, and how many records came before. */
static int read_with(const char *path, const struct bt_reader_options *options, uint64_t *count,
                     uint64_t *sum)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_buf body = { 0 };
    struct bt_err err = { 0 };
    int rc = bt_reader_open(&r, path, options, &err);

    while (!rc) {
        rc = bt_reader_next(r, rec, &err);
        if (!rc)
            bt_record_encode(rec, &body, &err);
    }
    *count = r ? bt_reader_position(r) : 0;
    if (sum)
        *sum = bt_xxh64(body.data ? body.data : "", body.size);
    if (rc != BT_END)
        CHECK(err.status == rc && err.text[0]);
    bt_buf_free(&body);
    bt_reader_close(r);
    bt_record_free(rec);
    return rc;
}

static int read_all(const char *path, uint64_t *count)
{
    return read_with(path, NULL, count, NULL);
}

static int read_bytes(const void *data, size_t size, uint64_t *count)
{
    put_file(scratch("bytes.bt"), data, size);
    return read_all(scratch("bytes.bt"), count);
}

static void test_vector(void)
{
    static const uint8_t vector[94] = {
        0xc9, 0x00, 0x00, 0x00, 0x23, 0x42, 0xa3, 0x1b, 0xec, 0xc3, 0x83, 0xa2, 0x62, 0x74, 0x01, 0xa5,
        0x6d, 0x69, 0x6e, 0x6f, 0x72, 0x00, 0xa6, 0x73, 0x63, 0x68, 0x65, 0x6d, 0x61, 0xab, 0x62, 0x74,
        0x2e, 0x73, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2f, 0x31, 0xc9, 0x00, 0x00, 0x00, 0x2f, 0x45, 0xae,
        0x09, 0x61, 0x7a, 0x84, 0xa1, 0x6e, 0x00, 0xa5, 0x62, 0x79, 0x74, 0x65, 0x73, 0x00, 0xa5, 0x78,
        0x78, 0x68, 0x36, 0x34, 0xc4, 0x08, 0x9e, 0x1a, 0xb6, 0x48, 0x5b, 0xd8, 0xd5, 0x0f, 0xa6, 0x73,
        0x74, 0x61, 0x74, 0x75, 0x73, 0xa8, 0x63, 0x6f, 0x6d, 0x70, 0x6c, 0x65, 0x74, 0x65,
    };
    uint64_t count;
    size_t size = 0;

    write_stream(scratch("empty.bt"), 0, 0, NULL);
    char *data = get_file(scratch("empty.bt"), &size);
    CHECK_INT(size, 94);
    CHECK(size == sizeof vector && memcmp(data, vector, sizeof vector) == 0);
    CHECK_INT(read_all(scratch("empty.bt"), &count), BT_END);
    CHECK_INT(count, 0);
    free(data);
}

static void test_round_trip(void)
{
    static const char *const names[] = { "a.bt", "a.bt.zst" };
    uint64_t count, sum[2];

    for (int i = 0; i < 2; i++) {
        write_stream(scratch(names[i]), 0, 300, NULL);
        CHECK_INT(read_with(scratch(names[i]), NULL, &count, &sum[i]), BT_END);
        CHECK_INT(count, 300);
    }
    CHECK(sum[0] == sum[1]);
}

static void test_large_records(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_record *rec = bt_record_new();
    size_t size = 3 << 20;
    char *noise = malloc(size);
    struct bt_err err = { 0 };
    uint64_t count, sum[2];

    for (size_t i = 0; i < size; i++)
        noise[i] = (char)(i * 2654435761u >> 11);
    for (int zstd = 0; zstd < 2; zstd++) {
        const char *path = scratch(zstd ? "large.bt.zst" : "large.bt");
        struct bt_writer *w = NULL;

        CHECK_OK(bt_writer_open(&w, path, &options, &err), &err);
        for (int i = 0; i < 4; i++) {
            bt_record_clear(rec);
            CHECK_OK(bt_record_set_bin(rec, "image", noise, size - (size_t)i, &err), &err);
            CHECK_OK(bt_writer_put(w, rec, &err), &err);
        }
        CHECK_OK(bt_writer_finish(w, &err), &err);
        bt_writer_close(w);
        CHECK_INT(read_with(path, NULL, &count, &sum[zstd]), BT_END);
        CHECK_INT(count, 4);
    }
    CHECK(sum[0] == sum[1]);
    struct bt_reader_options small = { .max_record = 1 << 20 };
    CHECK_INT(read_with(scratch("large.bt"), &small, &count, NULL), BT_ERR_LIMIT);
    free(noise);
    bt_record_free(rec);
}

/* Puts files one behind another and says how reading the result ends. */
static int read_joined(const char *a, const char *b, const char *c, uint64_t *count)
{
    const char *const parts[] = { a, b, c };
    struct bt_buf all = { 0 };
    struct bt_err err = { 0 };

    for (int i = 0; i < 3; i++) {
        size_t size = 0;
        char *data = parts[i] ? get_file(scratch(parts[i]), &size) : NULL;

        if (data && size > 0)
            CHECK_OK(bt_buf_add(&all, data, size, &err), &err);
        free(data);
    }
    int rc = read_bytes(all.data, all.size, count);
    bt_buf_free(&all);
    return rc;
}

static void test_joining(void)
{
    uint64_t count;

    write_stream(scratch("p.bt"), 0, 3, NULL);
    write_stream(scratch("z.bt.zst"), 0, 4, NULL);
    put_file(scratch("skip"), "\x52\x2a\x4d\x18\x03\0\0\0abc", 11);
    put_file(scratch("junk"), "x", 1);
    CHECK_INT(read_joined("p.bt", "p.bt", "p.bt", &count), BT_END);
    CHECK_INT(count, 9);
    CHECK_INT(read_joined("p.bt", "z.bt.zst", "p.bt", &count), BT_END);
    CHECK_INT(count, 10);
    CHECK_INT(read_joined("z.bt.zst", "p.bt", "z.bt.zst", &count), BT_END);
    CHECK_INT(count, 11);
    CHECK_INT(read_joined("z.bt.zst", "skip", "z.bt.zst", &count), BT_END);
    CHECK_INT(count, 8);
    CHECK_INT(read_joined("skip", "p.bt", "skip", &count), BT_END);
    CHECK_INT(count, 3);
    CHECK_INT(read_joined("p.bt", "junk", NULL, &count), BT_ERR_BT_MAGIC);
    CHECK_INT(read_joined("z.bt.zst", "junk", NULL, &count), BT_ERR_BT_MAGIC);
    CHECK_INT(read_joined("skip", NULL, NULL, &count), BT_ERR_BT_EMPTY);
    put_file(scratch("skip"), "\x52\x2a\x4d\x18\x01\0\x10\0abc", 11);
    CHECK_INT(read_joined("p.bt", "skip", NULL, &count), BT_ERR_LIMIT);
}

static void test_joined_by_zstd(void)
{
    size_t size = 0, bound;
    char *plain, *packed;
    uint64_t count;

    write_stream(scratch("p.bt"), 0, 3, NULL);
    plain = get_file(scratch("p.bt"), &size);
    plain = realloc(plain, 2 * size);
    memcpy(plain + size, plain, size);
    bound = ZSTD_compressBound(2 * size);
    packed = malloc(bound);
    bound = ZSTD_compress(packed, bound, plain, 2 * size,
                          1); /* as `cat a b | zstd` does: two segments in a frame */
    CHECK_INT(read_bytes(packed, bound, &count), BT_END);
    CHECK_INT(count, 6);
    free(plain);
    free(packed);
}

static void test_mixed(void)
{
    struct bt_writer_options tokens = { .schema = &bt_schema_tokens, .force = true };
    struct bt_writer_options sample = { .schema = &bt_schema_sample, .force = true };
    struct bt_reader_options only_tokens = { .schemas = (const struct bt_schema *const[]){ &bt_schema_tokens,
                                                                                           NULL } };
    struct bt_err err = { 0 };
    uint64_t count;

    write_stream(scratch("sample.bt"), 0, 1, NULL);
    write_stream(scratch("tokens.bt"), 0, 1, &tokens);
    CHECK_INT(read_joined("sample.bt", "tokens.bt", NULL, &count), BT_ERR_BT_MIXED);
    CHECK_INT(read_with(scratch("sample.bt"), &only_tokens, &count, NULL), BT_ERR_BT_SCHEMA);
    CHECK_INT(read_with(scratch("tokens.bt"), &only_tokens, &count, NULL), BT_END);
    for (int side = 224; side <= 225; side++) {
        struct bt_writer *w = NULL;

        CHECK_OK(bt_writer_open(&w, scratch(side == 224 ? "224.bt" : "225.bt"), &sample, &err), &err);
        CHECK_OK(bt_writer_must_int(w, "side", side, &err), &err);
        CHECK_OK(bt_writer_must_str(w, "vocab", "bert", &err), &err);
        CHECK_OK(bt_writer_finish(w, &err), &err);
        bt_writer_close(w);
    }
    CHECK_INT(read_joined("224.bt", "224.bt", NULL, &count), BT_END);
    CHECK_INT(read_joined("224.bt", "225.bt", NULL, &count), BT_ERR_BT_MIXED);
    CHECK_INT(read_joined("224.bt", "sample.bt", NULL, &count), BT_ERR_BT_MIXED);
}

static void test_segments(void)
{
    struct bt_reader_options partial = { .allow_partial = true };
    uint64_t count;

    for (uint64_t i = 0; i < 3; i++) {
        struct bt_writer_options part = {
            .schema = &bt_schema_sample, .force = true, .share_i = i, .share_of = 3
        };
        char name[10];

        snprintf(name, sizeof name, "%d.bt", (int)i);
        write_stream(scratch(name), 0, 2, &part);
    }
    CHECK_INT(read_joined("2.bt", "0.bt", "1.bt", &count), BT_END);
    CHECK_INT(read_joined("0.bt", "1.bt", NULL, &count), BT_ERR_BT_SEGMENTS);
    CHECK_INT(read_joined("0.bt", "1.bt", "0.bt", &count), BT_ERR_BT_SEGMENTS);
    CHECK_INT(read_joined("0.bt", NULL, NULL, &count), BT_ERR_BT_SEGMENTS);
    CHECK_INT(read_with(scratch("0.bt"), &partial, &count, NULL), BT_END);
}

static void test_every_prefix_refused(void)
{
    static const char *const names[] = { "a.bt", "a.bt.zst" };

    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        uint64_t count;

        write_stream(scratch(names[i]), 0, 5, NULL);
        char *data = get_file(scratch(names[i]), &size);
        for (size_t n = 0; n < size; n++) {
            int rc = read_bytes(data, n, &count);

            CHECK(n == 0 ? rc == BT_ERR_BT_EMPTY : rc == BT_ERR_BT_TRUNC);
            CHECK(count <= 5);
        }
        free(data);
    }
}

static void test_every_flip_refused_or_harmless(void)
{
    static const char *const names[] = { "a.bt", "a.bt.zst" };

    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        uint64_t count, sum, want;
        int harmless = 0;

        write_stream(scratch(names[i]), 0, 5, NULL);
        CHECK_INT(read_with(scratch(names[i]), NULL, &count, &want), BT_END);
        char *data = get_file(scratch(names[i]), &size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            data[bit / 8] ^= (char)(1 << bit % 8);
            put_file(scratch("bytes.bt"), data, size);
            if (read_with(scratch("bytes.bt"), NULL, &count, &sum) == BT_END) {
                CHECK(count == 5 && sum == want);
                harmless++;
            }
            data[bit / 8] ^= (char)(1 << bit % 8);
        }
        CHECK(i == 1 || harmless == 0); /* zstd's frame head has bits that mean nothing */
        free(data);
    }
}

/* The same of 16 KiB, in memory: each of 131,072 flips. */
static void test_every_flip_of_a_larger_one(void)
{
    bool refused = true; /* every one of them */
    char path[40];
    size_t size = 0;
    uint64_t count;

    write_stream(scratch("a.bt"), 0, 180, NULL);
    char *data = get_file(scratch("a.bt"), &size);
    int fd = memfd_create("flips", MFD_CLOEXEC);
    CHECK(fd >= 0 && size > 16000 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_INT(read_all(path, &count), BT_END);
    CHECK_INT(count, 180);
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            char flipped = (char)(data[i] ^ 1 << bit);

            if (pwrite(fd, &flipped, 1, (off_t)i) != 1 || read_all(path, &count) == BT_END)
                refused = false;
            if (bit == 7 && pwrite(fd, &data[i], 1, (off_t)i) != 1)
                refused = false;
        }
    CHECK(refused);
    close(fd);
    free(data);
}

/* ---- frames taken apart and put together ---- */

struct frames {
    char *data;
    size_t at[12], count;
};

static struct frames split(const char *path)
{
    struct frames f = { .count = 0 };
    size_t size = 0;

    f.data = get_file(path, &size);
    for (size_t at = 0; at < size;) {
        const uint8_t *p = (const uint8_t *)f.data + at;

        f.at[f.count++] = at;
        at += 6 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
    }
    f.at[f.count] = size;
    return f;
}

/* The frames of f in the order of `which` ("0123": digits), read. */
static int read_arranged(const struct frames *f, const char *which, uint64_t *count)
{
    struct bt_buf all = { 0 };
    struct bt_err err = { 0 };

    for (; *which; which++) {
        size_t i = (size_t)(*which - '0');

        CHECK_OK(bt_buf_add(&all, f->data + f->at[i], f->at[i + 1] - f->at[i], &err), &err);
    }
    int rc = read_bytes(all.data, all.size, count);
    bt_buf_free(&all);
    return rc;
}

static void test_arranged(void)
{
    uint64_t count;

    write_stream(scratch("a.bt"), 0, 3, NULL);
    struct frames f = split(scratch("a.bt"));
    CHECK_INT(f.count, 5); /* begin 0, records 1 2 3, end 4 */
    CHECK_INT(read_arranged(&f, "01234", &count), BT_END);
    CHECK_INT(read_arranged(&f, "0134", &count), BT_ERR_BT_SEQ);   /* one dropped */
    CHECK_INT(read_arranged(&f, "0124", &count), BT_ERR_BT_SEQ);   /* the last dropped */
    CHECK_INT(read_arranged(&f, "011234", &count), BT_ERR_BT_SEQ); /* doubled */
    CHECK_INT(read_arranged(&f, "02134", &count), BT_ERR_BT_SEQ);  /* swapped */
    CHECK_INT(read_arranged(&f, "1234", &count), BT_ERR_BT_SEQ);   /* without begin */
    CHECK_INT(read_arranged(&f, "00123", &count), BT_ERR_BT_SEQ);
    CHECK_INT(read_arranged(&f, "012344", &count), BT_ERR_BT_SEQ);
    CHECK_INT(read_arranged(&f, "0123", &count), BT_ERR_BT_TRUNC);
    CHECK_INT(read_arranged(&f, "0123401234", &count), BT_END);
    CHECK_INT(count, 6);
    write_stream(scratch("b.bt"), 7, 3, NULL); /* as long as a.bt, other ids */
    struct frames g = split(scratch("b.bt"));
    memcpy(f.data + f.at[2], g.data + g.at[2], g.at[3] - g.at[2]); /* spliced: right number, right checksum */
    CHECK_INT(read_arranged(&f, "01234", &count), BT_ERR_BT_SUM);
    free(f.data);
    free(g.data);
}

/* One frame of a type of our choosing. */
static void add_frame(struct bt_buf *buf, char type, const char *body, size_t size)
{
    uint8_t head[10] = { 0xC9, 0, 0, 0, (uint8_t)(size + 4), (uint8_t)type };
    struct bt_err err = { 0 };
    uint32_t crc = bt_crc32c(bt_crc32c(0, head + 1, 5), body, size);

    for (int i = 0; i < 4; i++)
        head[6 + i] = (uint8_t)(crc >> (24 - 8 * i));
    CHECK_OK(bt_buf_add(buf, head, sizeof head, &err), &err);
    CHECK_OK(bt_buf_add(buf, body, size, &err), &err);
}

static int read_after_begin(char type, const char *body, size_t size, uint64_t *count)
{
    struct bt_buf all = { 0 };
    struct bt_err err = { 0 };

    struct frames f = split(scratch("a.bt"));
    CHECK_OK(bt_buf_add(&all, f.data, f.at[1], &err), &err);
    add_frame(&all, type, body, size);
    int rc = read_bytes(all.data, all.size, count);
    bt_buf_free(&all);
    free(f.data);
    return rc;
}

static void test_frame_types(void)
{
    uint64_t count;

    write_stream(scratch("a.bt"), 0, 1, NULL);
    CHECK_INT(read_after_begin('Q', "\x80", 1, &count), BT_ERR_BT_TYPE);
    CHECK_INT(read_after_begin('@', "\x80", 1, &count), BT_ERR_BT_TYPE);
    CHECK_INT(read_after_begin('q', "\x80", 1, &count),
              BT_ERR_BT_TRUNC); /* skipped, and then nothing comes */
    CHECK_INT(read_after_begin('p', "\x80", 1, &count), BT_ERR_BT_TRUNC);
    CHECK_INT(read_after_begin('X', "\x80", 1, &count), BT_ERR_BT_ABORT);
    CHECK_INT(read_after_begin('R', "\x80", 1, &count), BT_ERR_BT_SEQ);
    CHECK_INT(read_after_begin('R', "\x81\xa1n\x00", 4, &count), BT_ERR_BT_TRUNC);
    CHECK_INT(count, 1);
    CHECK_INT(read_after_begin('R', "\x01", 1, &count), BT_ERR_BT_BODY);
    CHECK_INT(read_after_begin('E', "\x80", 1, &count), BT_ERR_BT_BODY);
}

static void test_progress_frames_are_skipped(void)
{
    struct bt_buf all = { 0 };
    uint8_t sum[8];
    char end[64];
    uint64_t count;

    write_stream(scratch("a.bt"), 0, 0, NULL);
    struct frames f = split(scratch("a.bt"));
    struct bt_err err = { 0 };
    CHECK_OK(bt_buf_add(&all, f.data, f.at[1], &err), &err);
    add_frame(&all, 'p', "\x80", 1);
    uint64_t hash = bt_xxh64(all.data, all.size);
    for (int i = 0; i < 8; i++)
        sum[i] = (uint8_t)(hash >> (56 - 8 * i));
    size_t size = f.at[2] - f.at[1] - 10;
    memcpy(end, f.data + f.at[1] + 10, size);
    memcpy(end + 19, sum, 8); /* behind n, bytes, and the head of xxh64 */
    add_frame(&all, 'E', end, size);
    CHECK_INT(read_bytes(all.data, all.size, &count), BT_END);
    bt_buf_free(&all);
    free(f.data);
}

/* ---- how a producer ends ---- */

static void test_partial(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_reader_options partial = { .allow_partial = true };
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    uint64_t count;

    CHECK_OK(bt_writer_open(&w, scratch("partial.bt"), &options, &err), &err);
    bt_writer_partial(w);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    CHECK_INT(read_all(scratch("partial.bt"), &count), BT_ERR_BT_PARTIAL);
    CHECK_INT(read_with(scratch("partial.bt"), &partial, &count, NULL), BT_END);
}

static void test_unfinished_file_has_no_name(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&w, scratch("unfinished.bt"), &options, &err), &err);
    CHECK_OK(bt_record_set_str(rec, "id", "1", 1, &err), &err);
    CHECK_OK(bt_writer_put(w, rec, &err), &err);
    bt_writer_close(w);
    CHECK(!bt_path_exists(scratch("unfinished.bt")));
    bt_record_free(rec);
}

static void test_existing_needs_force(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample };
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    write_stream(scratch("there.bt"), 0, 1, NULL);
    CHECK_INT(bt_writer_open(&w, scratch("there.bt"), &options, &err), BT_ERR_EXISTS);
}

/* A writer on stdout, through a pipe: closed without finish, its reader hears why. */
static void test_abort_through_a_pipe(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 }, why = { 0 };
    int saved, fd;
    uint64_t count;

    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    mkfifo(scratch("fifo"), 0600);
    fd = open(scratch("fifo"), O_RDWR); /* both ends, so that nobody waits */
    for (int how = 0; how < 2; how++) {
        char bytes[4096];

        dup2(fd, STDOUT_FILENO);
        int rc = bt_writer_open(&w, "-", &options, &err);
        if (!rc)
            rc = bt_record_set_str(rec, "id", "1", 1, &err);
        if (!rc && how == 0)
            rc = bt_writer_put(w, rec, &err);
        if (how == 1) {
            bt_fail(&why, BT_ERR_IMAGE, "x.jpg: cut");
            bt_writer_abort(w, &why);
        }
        bt_writer_close(w);
        dup2(saved, STDOUT_FILENO);
        CHECK_OK(rc, &err);
        ssize_t n = read(fd, bytes, sizeof bytes);
        CHECK(n > 0);
        CHECK_INT(read_bytes(bytes, n > 0 ? (size_t)n : 0, &count), BT_ERR_BT_ABORT);
        CHECK_INT(count, how == 0);
    }
    close(fd);
    close(saved);
    bt_record_free(rec);
}

static void test_carried_on(void)
{
    struct bt_writer_options options = {
        .schema = &bt_schema_sample, .force = true, .provenance = true, .options_hash = "abcd"
    };
    struct bt_writer *w = NULL;
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&w, scratch("one.bt"), &options, &err), &err);
    CHECK_OK(bt_writer_must_int(w, "side", 224, &err), &err);
    CHECK_OK(bt_writer_input(w, "some/where/in.json", 12, 34, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    CHECK_OK(bt_reader_open(&r, scratch("one.bt"), NULL, &err), &err);
    options.schema = &bt_schema_tokens;
    options.from = r;
    CHECK_OK(bt_writer_open(&w, scratch("two.bt"), &options, &err), &err);
    CHECK_OK(bt_writer_must_str(w, "vocab", "bert", &err), &err);
    CHECK_OK(bt_writer_input(w, "vocab.txt", 1, 2, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_reader_close(r);
    CHECK_OK(bt_reader_open(&r, scratch("two.bt"), NULL, &err), &err);
    CHECK_STR(bt_reader_schema(r), "bt.tokens/1");
    CHECK_INT(bt_reader_must(r, "side").integer, 224);
    CHECK(bt_value_is(bt_reader_must(r, "vocab"), "bert"));
    CHECK(bt_reader_must(r, "else").kind == BT_ABSENT);
    bt_reader_close(r);
    size_t size = 0;
    char *data = get_file(scratch("two.bt"), &size);
    CHECK(memmem(data, size, "in.json", 7) && memmem(data, size, "vocab.txt", 9) &&
          !memmem(data, size, "where", 5));
    free(data);
}

static void test_rejects(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_reject reject = { .code = "IMG_TRUNCATED",
                                .src = "00012.tar",
                                .member = "a\xff\n.jpg",
                                .id = "000123",
                                .detail = "cut \"here\"",
                                .off = 40960,
                                .bytes = -1 };
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    size_t size = 0;

    CHECK_OK(bt_writer_open(&w, scratch("rejected.bt"), &options, &err), &err);
    bt_writer_max_rejects(w, 2);
    CHECK_OK(bt_writer_rejects_to(w, scratch("rejects.jsonl"), &err), &err);
    CHECK_OK(bt_writer_reject(w, &reject, &err), &err);
    CHECK_OK(bt_writer_reject(w, &reject, &err), &err);
    CHECK_INT(bt_writer_rejected(w), 2);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    char *data = get_file(scratch("rejects.jsonl"), &size);
    CHECK_STR(data, "{\"n\":0,\"code\":\"IMG_TRUNCATED\",\"src\":\"00012.tar\",\"member\":\"a\xc3\xbf\\n."
                    "jpg\",\"off\":40960,"
                    "\"id\":\"000123\",\"detail\":\"cut \\\"here\\\"\"}\n"
                    "{\"n\":1,\"code\":\"IMG_TRUNCATED\",\"src\":\"00012.tar\",\"member\":\"a\xc3\xbf\\n."
                    "jpg\",\"off\":40960,"
                    "\"id\":\"000123\",\"detail\":\"cut \\\"here\\\"\"}\n"
                    "{\"end\":true,\"n\":2,\"by_code\":{\"IMG_TRUNCATED\":2}}\n");
    free(data);
    CHECK_OK(bt_writer_open(&w, scratch("rejected.bt"), &options, &err), &err);
    bt_writer_max_rejects(w, 1);
    CHECK_OK(bt_writer_reject(w, &reject, &err), &err);
    CHECK_INT(bt_writer_reject(w, &reject, &err), BT_ERR_REJECTS);
    CHECK(strstr(err.text, "IMG_TRUNCATED 2 times, such as '000123'") != NULL);
    bt_writer_close(w);
}

static void test_bomb(void)
{
    size_t size = (size_t)40 << 20;
    char *zeros = calloc(1, size);
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    char *packed = malloc(ZSTD_compressBound(size));
    uint64_t count;

    memcpy(zeros, "\xc9\x03\xff\xff\xff\x52", 6); /* a frame of nearly 64 MiB of nothing */
    size_t n = ZSTD_compressCCtx(ctx, packed, ZSTD_compressBound(size), zeros, size, 19);
    CHECK(n < 10000);
    CHECK_INT(read_bytes(packed, n, &count), BT_ERR_BOMB);
    ZSTD_freeCCtx(ctx);
    free(packed);
    free(zeros);
}

static void test_missing(void)
{
    uint64_t count;

    CHECK_INT(read_all(scratch("not-there.bt"), &count), BT_ERR_NOINPUT);
}

int main(void)
{
    scratch_begin();
    RUN(test_vector);
    RUN(test_round_trip);
    RUN(test_large_records);
    RUN(test_joining);
    RUN(test_joined_by_zstd);
    RUN(test_mixed);
    RUN(test_segments);
    RUN(test_every_prefix_refused);
    RUN(test_every_flip_refused_or_harmless);
    RUN(test_every_flip_of_a_larger_one);
    RUN(test_arranged);
    RUN(test_frame_types);
    RUN(test_progress_frames_are_skipped);
    RUN(test_partial);
    RUN(test_unfinished_file_has_no_name);
    RUN(test_existing_needs_force);
    RUN(test_abort_through_a_pipe);
    RUN(test_carried_on);
    RUN(test_rejects);
    RUN(test_bomb);
    RUN(test_missing);
    scratch_end();
    return test_end();
}
