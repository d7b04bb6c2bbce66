/* Whatever happens to the files of a set, what is read is what was written, or an error says that it is not.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "libcommon/base/hash.h"
#include "libcommon/shard/shard.h"
#include "libcommon/stream/stream.h"
#include "tests/stream/scratch.h"

static int put_records(const char *path, int count, uint64_t per_shard, struct bt_err *err)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample,
                                         .provenance = true,
                                         .per_shard = per_shard };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    int rc = bt_writer_open(&w, path, &options, err);

    if (!rc)
        rc = bt_writer_must_int(w, "side", 224, err);
    for (int i = 0; !rc && i < count; i++) {
        char id[20], body[5000];

        snprintf(id, sizeof id, "id-%d", i);
        memset(body, 'a' + i, sizeof body);
        bt_record_clear(rec);
        rc = bt_record_set_str(rec, "id", id, strlen(id), err);
        if (!rc)
            rc = bt_record_set_bin(rec, "image", body, i % 2 ? sizeof body : 100, err);
        if (!rc)
            rc = bt_writer_put(w, rec, err);
    }
    if (!rc)
        rc = bt_writer_finish(w, err);
    bt_writer_close(w);
    bt_record_free(rec);
    return rc;
}

/* What a reader gets out of a path: the schema, `must`, and every record. */
static int read_all(const char *path, const struct bt_reader_options *options, uint64_t *sum, uint64_t *count,
                    struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    struct bt_xxh64_state *hash = bt_xxh64_new();
    struct bt_buf bytes = { 0 };
    struct bt_reader *r = NULL;
    int rc = bt_reader_open(&r, path, options, err);

    *count = 0;
    if (!rc) {
        int64_t side = bt_reader_must(r, "side").integer;

        bt_xxh64_add(hash, bt_reader_schema(r), strlen(bt_reader_schema(r)));
        bt_xxh64_add(hash, &side, sizeof side);
    }
    while (!rc) {
        rc = bt_reader_next(r, rec, err);
        bytes.size = 0;
        if (!rc)
            rc = bt_record_encode(rec, &bytes, err);
        if (!rc) {
            bt_xxh64_add(hash, bytes.data, bytes.size);
            ++*count;
        }
    }
    *sum = bt_xxh64_value(hash);
    bt_reader_close(r);
    bt_buf_free(&bytes);
    bt_xxh64_free(hash);
    bt_record_free(rec);
    return rc == BT_END ? BT_OK : rc;
}

/* Flips every bit of a file of the set, one after another; returns how many flips went unnoticed. */
static int flip_bits(const char *set, const char *file, bool whole)
{
    struct bt_err err = { 0 };
    uint64_t want, sum, count, all;
    struct stat st;
    int fd = open(file, O_RDWR), unnoticed = 0;

    CHECK_OK(read_all(set, NULL, &want, &all, &err), &err);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t at = 0; at < st.st_size; at++) {
        uint8_t byte, flipped;

        CHECK(pread(fd, &byte, 1, at) == 1);
        for (int bit = 0; bit < 8; bit++) {
            if (!whole && byte == 0 && bit != at % 8) /* of the empty parts of pages an eighth */
                continue;
            flipped = byte ^ (uint8_t)(1u << bit);
            CHECK(pwrite(fd, &flipped, 1, at) == 1);
            bt_err_clear(&err);
            int rc = read_all(set, NULL, &sum, &count, &err);
            if (rc ? bt_exit_status(rc) != 65 && bt_exit_status(rc) != 66 : sum != want || count != all) {
                test_bad++;
                printf("# byte %lld bit %d: %s %s\n", (long long)at, bit, bt_status_name(rc), err.text);
            }
            unnoticed += !rc;
        }
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
    return unnoticed;
}

static void test_flips_in_a_shard(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(put_records(scratch("flip.lmdb"), 3, 10, &err), &err);
    CHECK(chmod(scratch("flip.lmdb/shard-000000.mdb"), 0644) == 0);
    CHECK(flip_bits(scratch("flip.lmdb"), scratch("flip.lmdb/shard-000000.mdb"), getenv("BT_LONG") != NULL) >
          0);
}

static void test_flips_in_a_manifest(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(put_records(scratch("flip2.lmdb"), 3, 2, &err), &err);
    CHECK(flip_bits(scratch("flip2.lmdb"), scratch("flip2.lmdb/bt-dataset.json"), true) > 0);
}

static void cut_everywhere(const char *set, const char *file)
{
    struct bt_err err = { 0 };
    uint64_t sum, count;
    size_t size;
    char *bytes = get_file(file, &size);

    chmod(file, 0644);
    for (size_t left = size; left-- > 0;) {
        CHECK(truncate(file, (off_t)left) == 0);
        bt_err_clear(&err);
        int rc = read_all(set, NULL, &sum, &count, &err);
        CHECK(rc && bt_exit_status(rc) == 65);
    }
    put_file(file, bytes, size);
    free(bytes);
}

static void test_every_prefix(void)
{
    struct bt_err err = { 0 };
    char shard[200];

    CHECK_OK(put_records(scratch("cut.lmdb"), 3, 10, &err), &err);
    snprintf(shard, sizeof shard, "%s", scratch("cut.lmdb/shard-000000.mdb"));
    cut_everywhere(scratch("cut.lmdb"), shard);
    cut_everywhere(shard, shard); /* by itself */
    cut_everywhere(scratch("cut.lmdb"), scratch("cut.lmdb/bt-dataset.json"));
}

/* ---- cut while it is read ---- */

/* What a child says that touches a file after it was cut; its exit status in *status. */
static char *read_while_cut(int (*child)(const char *path), const char *path, int *status)
{
    char said[1000] = "";
    int ends[2];

    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        _exit(child(path));
    }
    close(ends[1]);
    CHECK(bt_read_full(ends[0], said, sizeof said - 1) >= 0);
    close(ends[0]);
    waitpid(pid, status, 0);
    return strdup(said);
}

static int read_cut_shard(const char *path)
{
    struct bt_record *rec = bt_record_new();
    struct bt_shard_set *set = NULL;
    struct bt_err err = { 0 };
    char shard[200];

    snprintf(shard, sizeof shard, "%s/shard-000000.mdb", path);
    if (bt_shard_set_open(&set, path, false, &err) || bt_shard_set_read(set, 0, rec, &err) ||
        truncate(shard, 8192) != 0)
        return 1;
    bt_shard_set_read(set, 7, rec, &err);
    return 2;
}

static int read_cut_map(const char *path)
{
    struct bt_map map = { 0 };
    struct bt_err err = { 0 };

    if (bt_map_open(&map, path, &err) || truncate(path, 10) != 0)
        return 1;
    return map.data[8191] == 'x' ? 2 : 3;
}

static int fault_elsewhere(const char *path)
{
    (void)path;
    raise(SIGBUS);
    return 2;
}

static void test_cut_while_mapped(void)
{
    static char two_pages[8192];
    struct bt_err err = { 0 };
    int status = 0;

    CHECK_OK(put_records(scratch("mapped.lmdb"), 8, 10, &err), &err);
    CHECK(chmod(scratch("mapped.lmdb/shard-000000.mdb"), 0644) == 0);
    char *said = read_while_cut(read_cut_shard, scratch("mapped.lmdb"), &status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 74);
    CHECK(strncmp(said, "bt: ", 4) == 0 && strstr(said, "/mapped.lmdb/shard-000000.mdb: was cut") &&
          strstr(said, "[E_IO]\n") && strchr(said, '\n')[1] == 0);
    free(said);
    put_file(scratch("mapped"), two_pages, sizeof two_pages);
    said = read_while_cut(read_cut_map, scratch("mapped"), &status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 74);
    CHECK(strstr(said, "/mapped: was cut"));
    free(said);
    said = read_while_cut(fault_elsewhere, "", &status);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    free(said);
}

/* ---- salvage ---- */

static const struct bt_reader_options salvage = { .salvage = true };

static uint64_t lost_of(const char *path, uint64_t *sum, uint64_t *count)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };
    uint64_t lost = 0;
    int rc = bt_reader_open(&r, path, &salvage, &err);

    CHECK_OK(rc, &err);
    while (!rc)
        rc = bt_reader_next(r, rec, &err);
    CHECK_INT(rc, BT_END);
    if (r)
        lost = bt_reader_lost(r);
    bt_reader_close(r);
    bt_record_free(rec);
    CHECK_OK(read_all(path, &salvage, sum, count, &err), &err);
    return lost;
}

static void spoil(const char *path, off_t at, const void *bytes, size_t size)
{
    chmod(path, 0644);
    int fd = open(path, O_WRONLY);

    CHECK(fd >= 0 && pwrite(fd, bytes, size, at) == (ssize_t)size);
    close(fd);
}

/* Where a record's value lies in a file. */
static off_t find(const char *path, const char *text)
{
    size_t size;
    char *bytes = get_file(path, &size), *at = memmem(bytes, size, text, strlen(text));

    CHECK(at != NULL);
    off_t place = at ? at - bytes : 0;
    free(bytes);
    return place;
}

static void test_salvage_of_the_whole(void)
{
    struct bt_err err = { 0 };
    uint64_t want, sum, all, count;

    CHECK_OK(put_records(scratch("left.lmdb"), 24, 10, &err), &err);
    CHECK_OK(read_all(scratch("left.lmdb"), NULL, &want, &all, &err), &err);
    CHECK_INT(lost_of(scratch("left.lmdb"), &sum, &count), 0);
    CHECK(sum == want && count == all);
    CHECK(unlink(scratch("left.lmdb/bt-dataset.json")) == 0); /* the shards tell all of it themselves */
    CHECK_INT(lost_of(scratch("left.lmdb"), &sum, &count), 0);
    CHECK(sum == want && count == all);
}

static void test_salvage_of_what_is_left(void)
{
    struct bt_err err = { 0 };
    uint64_t sum, count;
    char shard[200];

    CHECK_OK(put_records(scratch("left2.lmdb"), 24, 10, &err), &err);
    snprintf(shard, sizeof shard, "%s", scratch("left2.lmdb/shard-000001.mdb"));
    spoil(shard, find(shard, "id-13") + 100, "!", 1); /* one record */
    CHECK_INT(read_all(scratch("left2.lmdb"), NULL, &sum, &count, &err), BT_ERR_BT_CRC);
    CHECK_INT(lost_of(scratch("left2.lmdb"), &sum, &count), 1);
    CHECK_INT(count, 23);
    CHECK(unlink(scratch("left2.lmdb/shard-000000.mdb")) == 0); /* a shard */
    CHECK_INT(lost_of(scratch("left2.lmdb"), &sum, &count), 11);
    CHECK_INT(count, 13);
    CHECK_INT(lost_of(shard, &sum, &count), 1); /* and by itself */
    CHECK_INT(count, 9);
    spoil(shard, 0, "00000000000000000000", 20); /* both meta pages: nothing says where the tree is */
    spoil(shard, 4096, "00000000000000000000", 20);
    CHECK_INT(lost_of(shard, &sum, &count), 1);
    CHECK_INT(count, 9);
}

static void test_salvage_of_a_cut_shard(void)
{
    struct bt_err err = { 0 };
    uint64_t sum, count, before = 0;
    struct stat st;
    char shard[200];

    CHECK_OK(put_records(scratch("left3.lmdb"), 40, 100, &err), &err);
    snprintf(shard, sizeof shard, "%s", scratch("left3.lmdb/shard-000000.mdb"));
    CHECK(stat(shard, &st) == 0 && chmod(shard, 0644) == 0);
    for (off_t size = 0; size <= st.st_size; size += 4096) {
        char part[200];
        size_t all;
        char *bytes = get_file(shard, &all);

        snprintf(part, sizeof part, "%s", scratch("left3.lmdb/part.mdb"));
        put_file(part, bytes, (size_t)size);
        free(bytes);
        uint64_t lost = lost_of(part, &sum, &count);
        CHECK(count >= before && (count == 40 ? lost == 0 : lost > 0));
        before = count;
    }
    CHECK_INT(before, 40);
}

static void test_salvage_of_an_unfinished_set(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .per_shard = 10 };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    uint64_t sum, count;

    CHECK_OK(bt_writer_open(&w, scratch("left4.lmdb"), &options, &err), &err);
    for (int i = 0; i < 17; i++) {
        char id[20];

        snprintf(id, sizeof id, "%d", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    bt_writer_close(w);
    bt_record_free(rec);
    CHECK_INT(lost_of(scratch("left4.lmdb"), &sum, &count), 0);
    CHECK_INT(count, 17);
    CHECK_INT(lost_of(scratch("left4.lmdb/.ingest/shard-000001.part"), &sum, &count), 0);
    CHECK_INT(count, 7);
}

int main(void)
{
    scratch_begin();
    RUN(test_cut_while_mapped);
    RUN(test_salvage_of_the_whole);
    RUN(test_salvage_of_what_is_left);
    RUN(test_salvage_of_a_cut_shard);
    RUN(test_salvage_of_an_unfinished_set);
    RUN(test_flips_in_a_shard);
    RUN(test_flips_in_a_manifest);
    RUN(test_every_prefix);
    scratch_end();
    return test_end();
}
