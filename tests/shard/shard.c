/* Sets of shards: written, read, resumed after kills, refused when damaged. */
#include "libcommon/shard/shard.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "libcommon/base/hash.h"
#include "libcommon/shard/shard_write.h"
#include "libcommon/stream/stream.h"
#include "tests/stream/scratch.h"

static const struct bt_writer_options defaults = {
    .schema = &bt_schema_sample, .provenance = true, .options_hash = "0123", .per_shard = 100
};

static void fill(struct bt_record *rec, int i, int variant)
{
    struct bt_err err = { 0 };
    char id[20], body[600];

    snprintf(id, sizeof id, "id-%d", i);
    memset(body, 'a' + i % 26, sizeof body);
    bt_record_clear(rec);
    CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
    CHECK_OK(bt_record_set_int(rec, "index", i + variant, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "image", body, (size_t)(i * 7 % 600), &err), &err);
}

static volatile int *finished; /* shards that a writer has reported finished, seen by its parent too */

/* Inputs 0..count-1: every seventh is rejected, every eleventh gives nothing. */
static int write_inputs(const char *path, int count, const struct bt_writer_options *options,
                        uint64_t *content, struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    int rc = bt_writer_open(&w, path, options, err);

    if (!rc)
        bt_writer_max_rejects(w, 1e9);
    for (int i = rc ? 0 : (int)bt_writer_resume_at(w); !rc && i < count; i++) {
        struct bt_reject reject = { .code = "IMG_CORRUPT", .src = "x.tar", .off = i, .bytes = -1 };

        fill(rec, i, 0);
        if (i % 7 == 3)
            rc = bt_writer_reject(w, &reject, err);
        else if (i % 11 != 5)
            rc = bt_writer_put(w, rec, err);
        if (!rc)
            rc = bt_writer_input_done(w, (uint64_t)i, err);
        if (!rc && finished)
            *finished = (i + 1) / 100;
    }
    if (!rc)
        rc = bt_writer_finish(w, err);
    if (!rc && content)
        *content = bt_writer_content(w);
    bt_writer_close(w);
    bt_record_free(rec);
    return rc;
}

static void check_set(const char *path, int count)
{
    struct bt_record *rec = bt_record_new();
    struct bt_shard_set *set = NULL;
    struct bt_err err = { 0 };
    uint64_t n = 0;

    CHECK_OK(bt_shard_set_open(&set, path, false, &err), &err);
    for (int i = 0; set && i < count; i++) {
        if (i % 7 == 3 || i % 11 == 5)
            continue;
        CHECK_OK(bt_shard_set_read(set, n++, rec, &err), &err);
        CHECK_INT(bt_record_get(rec, "index").integer, i);
    }
    CHECK(set && bt_shard_set_count(set) == n);
    CHECK(set && strlen(bt_shard_set_identity(set)) == 64);
    bt_shard_set_close(set);
    bt_record_free(rec);
}

static uint64_t undisturbed;

static void test_write_and_read(void)
{
    struct bt_err err = { 0 };
    size_t size = 0;

    CHECK_OK(write_inputs(scratch("a.lmdb"), 950, &defaults, &undisturbed, &err), &err);
    check_set(scratch("a.lmdb"), 950);
    CHECK(!bt_path_exists(scratch("a.lmdb/.ingest")));
    CHECK(bt_path_exists(scratch("a.lmdb/shard-000009.mdb")) &&
          !bt_path_exists(scratch("a.lmdb/shard-000010.mdb")));
    char *rejects = get_file(scratch("a.lmdb/rejects.jsonl"), &size);
    CHECK(strstr(rejects, "{\"n\":0,\"code\":\"IMG_CORRUPT\",\"src\":\"x.tar\",\"off\":3}\n") == rejects);
    CHECK(strstr(rejects, "\n{\"end\":true,\"n\":136,\"by_code\":{\"IMG_CORRUPT\":136}}\n") != NULL);
    free(rejects);
}

static void test_reader_sees_a_stream(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };
    uint64_t n = 0;
    int rc = bt_reader_open(&r, scratch("a.lmdb"), NULL, &err);

    CHECK_OK(rc, &err);
    CHECK_STR(bt_reader_schema(r), "bt.sample/1");
    while (!(rc = bt_reader_next(r, rec, &err)))
        n++;
    CHECK_INT(rc, BT_END);
    CHECK_INT(n, bt_reader_count(r));
    bt_reader_close(r);
    bt_record_free(rec);
}

static void test_same_command_again(void)
{
    struct bt_writer_options other = defaults;
    struct bt_err err = { 0 };
    struct stat before, after;
    uint64_t content = 0;

    CHECK(stat(scratch("a.lmdb/bt-dataset.json"), &before) == 0);
    CHECK_OK(write_inputs(scratch("a.lmdb"), 950, &defaults, &content, &err), &err);
    CHECK(content == undisturbed);
    CHECK(stat(scratch("a.lmdb/bt-dataset.json"), &after) == 0 && before.st_ino == after.st_ino);
    CHECK_INT(write_inputs(scratch("a.lmdb"), 951, &defaults, NULL, &err), BT_ERR_INPUT_CHANGED);
    bt_err_clear(&err);
    other.options_hash = "4567";
    CHECK_INT(write_inputs(scratch("a.lmdb"), 950, &other, NULL, &err), BT_ERR_EXISTS);
    bt_err_clear(&err);
    other.force = true;
    CHECK_OK(write_inputs(scratch("a.lmdb"), 300, &other, &content, &err), &err);
    CHECK(content != undisturbed);
    check_set(scratch("a.lmdb"), 300);
}

static uint64_t safe_inputs(const char *path)
{
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    uint64_t safe = 0;

    CHECK_OK(bt_writer_open(&w, path, &defaults, &err), &err);
    if (w)
        safe = bt_writer_resume_at(w);
    bt_writer_close(w);
    return safe;
}

/* A writer killed at random moments (BT_KILLS of them), again and again: a shard that was finished stays, the
 * position never goes back, and what comes out is what an undisturbed run gives. */
static void test_kill_and_go_on(void)
{
    const char *wanted = getenv("BT_KILLS");
    int kills = wanted ? atoi(wanted) : 30, killed = 0, status = 1;
    struct bt_err err = { 0 };

    finished = mmap(NULL, sizeof *finished, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    srand(7);
    for (int set = 0; killed < kills && set < kills; set++) {
        char name[20];
        uint64_t content = 0, safe = 0;

        snprintf(name, sizeof name, "k%d.lmdb", set);
        *finished = 0;
        do {
            fflush(stdout);
            pid_t child = fork();

            if (child == 0)
                _exit(write_inputs(scratch(name), 950, &defaults, NULL, &err) ? 1 : 0);
            if (killed < kills) {
                usleep((useconds_t)(1000 + rand() % 30000));
                kill(child, SIGKILL);
            }
            waitpid(child, &status, 0);
            killed += WIFSIGNALED(status);
            uint64_t now = safe_inputs(scratch(name));
            CHECK(now >= safe && now >= 100 * (uint64_t)*finished);
            safe = now;
        } while (WIFSIGNALED(status));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK_OK(write_inputs(scratch(name), 950, &defaults, &content, &err), &err);
        CHECK(content == undisturbed);
        check_set(scratch(name), 950);
    }
    CHECK_INT(killed, kills);
    munmap((void *)(uintptr_t)finished, sizeof *finished);
    finished = NULL;
}

/* A disk that is full for a while, in the shape of a limit on the size of files: an error with status 74, and
 * nothing lost. */
static void test_no_space_and_go_on(void)
{
    struct bt_err err = { 0 };
    uint64_t content = 0;
    int full = 0, status = 0;

    for (int kib = 32; kib <= 512; kib += 32) {
        fflush(stdout);
        pid_t child = fork();

        if (child == 0) {
            struct rlimit limit = { (rlim_t)kib << 10, (rlim_t)kib << 10 };

            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
            int rc = write_inputs(scratch("full.lmdb"), 950, &defaults, NULL, &err);
            _exit(bt_exit_status(rc));
        }
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 74));
        full += WIFEXITED(status) && WEXITSTATUS(status) == 74;
    }
    CHECK(full > 0);
    CHECK_OK(write_inputs(scratch("full.lmdb"), 950, &defaults, &content, &err), &err);
    CHECK(content == undisturbed);
}

/* Stopped between inputs by its own tool: nothing is done twice. */
static void test_stop_and_go_on(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_writer_options options = defaults;
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    uint64_t content = 0;

    CHECK_OK(bt_writer_open(&w, scratch("s.lmdb"), &options, &err), &err);
    CHECK_INT(bt_writer_resume_at(w), 0);
    for (int i = 0; i < 3; i++) {
        fill(rec, i, 0);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
        CHECK_OK(bt_writer_input_done(w, (uint64_t)i, &err), &err);
    }
    fill(rec, 3, 1); /* not ended, so not there */
    CHECK_OK(bt_writer_put(w, rec, &err), &err);
    bt_writer_close(w);
    CHECK_OK(bt_writer_open(&w, scratch("s.lmdb"), &options, &err), &err);
    CHECK_INT(bt_writer_resume_at(w), 3);
    CHECK_INT(bt_writer_written(w), 3);
    bt_writer_close(w);
    CHECK_OK(write_inputs(scratch("s.lmdb"), 950, &options, &content, &err), &err);
    CHECK(content == undisturbed);
    bt_record_free(rec);
}

static int put_simple(const char *path, int from, int count, bool finish, struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    int rc = bt_writer_open(&w, path, &defaults, err);

    for (int i = from; !rc && i < from + count; i++) {
        fill(rec, i, 0);
        rc = bt_writer_put(w, rec, err);
    }
    if (!rc && finish)
        rc = bt_writer_finish(w, err);
    bt_writer_close(w);
    bt_record_free(rec);
    return rc;
}

static void test_simple_tools(void)
{
    struct bt_err err = { 0 };
    struct bt_shard_set *set = NULL;

    CHECK_OK(put_simple(scratch("simple.lmdb"), 0, 150, false, &err), &err);
    CHECK_INT(put_simple(scratch("simple.lmdb"), 1, 200, true, &err), BT_ERR_INPUT_CHANGED);
    bt_err_clear(&err);
    CHECK_INT(put_simple(scratch("simple.lmdb"), 0, 20, true, &err), BT_ERR_INPUT_CHANGED);
    bt_err_clear(&err);
    CHECK_OK(put_simple(scratch("simple.lmdb"), 0, 250, true, &err), &err);
    CHECK_OK(put_simple(scratch("simple.lmdb"), 0, 250, true, &err), &err);
    CHECK_OK(bt_shard_set_open(&set, scratch("simple.lmdb"), false, &err), &err);
    CHECK_INT(bt_shard_set_count(set), 250);
    bt_shard_set_close(set);
    CHECK_INT(put_simple(scratch("simple.lmdb"), 0, 251, true, &err), BT_ERR_INPUT_CHANGED);
}

static void test_double_ids(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    size_t size = 0;

    CHECK_OK(bt_writer_open(&w, scratch("d.lmdb"), &defaults, &err), &err);
    bt_writer_max_rejects(w, 1e9);
    for (int i = 0; i < 6; i++) {
        fill(rec, i / 2, i == 3); /* 0 0 1 1' 2 2 */
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_INT(bt_writer_written(w), 3);
    CHECK_INT(bt_writer_rejected(w), 1);
    bt_writer_close(w); /* and now against what is on disk */
    CHECK_OK(bt_writer_open(&w, scratch("d.lmdb"), &defaults, &err), &err);
    bt_writer_max_rejects(w, 1e9);
    for (int i = 0; i < 8; i++) {
        fill(rec, i < 6 ? i / 2 : 2, i == 3 || i == 7);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    fill(rec, 0, 0);
    for (int i = 8; i < 104; i++) /* into the next shard, where id 0 is new, and counted at the end */
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    CHECK_INT(bt_writer_written(w), 4);
    CHECK_INT(bt_writer_rejected(w), 2);
    bt_writer_close(w);
    char *rejects = get_file(scratch("d.lmdb/rejects.jsonl"), &size);
    CHECK(strstr(rejects, "\"DUP_ID\":2") != NULL);
    free(rejects);
    char *manifest = get_file(scratch("d.lmdb/bt-dataset.json"), &size);
    CHECK(strstr(manifest, "\"repeated_ids\": 1,") != NULL);
    free(manifest);
    bt_record_free(rec);
}

static void test_locked(void)
{
    struct bt_writer *w = NULL, *second = NULL;
    struct bt_err err = { 0 };
    char host[100] = "", want[200];

    gethostname(host, sizeof host - 1);
    snprintf(want, sizeof want, "being written by %s pid %ld;", host, (long)getpid());
    CHECK_OK(bt_writer_open(&w, scratch("locked.lmdb"), &defaults, &err), &err);
    CHECK_INT(bt_writer_open(&second, scratch("locked.lmdb"), &defaults, &err), BT_ERR_LOCKED);
    CHECK(strstr(err.text, want) != NULL && strstr(err.text, "--break-lock"));
    bt_err_clear(&err);
    bt_writing.break_lock = true;
    CHECK_OK(bt_writer_open(&second, scratch("locked.lmdb"), &defaults, &err), &err);
    bt_writing.break_lock = false;
    bt_writer_close(second);
    bt_writer_close(w);
    /* A file system without locks has a file instead, which a killed writer leaves. */
    put_file(scratch("locked.lmdb/.ingest/lock-0.held"), "node7 pid 4121", 14);
    CHECK_OK(bt_writer_open(&w, scratch("locked.lmdb"), &defaults, &err), &err); /* this one has locks */
    bt_writer_close(w);
}

static void test_empty_set(void)
{
    struct bt_shard_set *set = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(write_inputs(scratch("empty.lmdb"), 0, &defaults, NULL, &err), &err);
    CHECK_OK(bt_shard_set_open(&set, scratch("empty.lmdb"), false, &err), &err);
    CHECK_INT(bt_shard_set_count(set), 0);
    bt_shard_set_close(set);
}

/* The map starts with 64 KiB and doubles as the records come. */
static void test_map_grows(void)
{
    struct bt_record *rec = bt_record_new(), *header = bt_record_new();
    struct bt_shard_writer *w = NULL;
    struct bt_err err = { 0 };
    bool added, clash, whole;

    CHECK_OK(bt_record_set_int(header, "bt_shard", 1, &err), &err);
    CHECK_OK(bt_record_set_str(header, "schema", "bt.sample/1", 11, &err), &err);
    struct bt_shard_writer_options options = { .per_shard = 10000, .map_bytes = 65536 };
    CHECK_OK(bt_shard_writer_open(&w, scratch("grow.lmdb"), &options, &err), &err);
    CHECK_OK(bt_shard_writer_begin(w, header, &err), &err);
    for (int i = 0; i < 3000; i++) {
        fill(rec, i, 0);
        CHECK_OK(bt_shard_writer_put(w, rec, &added, &clash, &err), &err);
        CHECK_OK(bt_shard_writer_input_done(w, (uint64_t)i, &err), &err);
    }
    CHECK_OK(bt_shard_writer_join(w, 3000, &whole, &err), &err);
    CHECK(whole);
    CHECK_OK(bt_shard_writer_finish(w, false, &err), &err);
    bt_shard_writer_close(w);
    struct bt_shard_set *set = NULL;
    CHECK_OK(bt_shard_set_open(&set, scratch("grow.lmdb"), false, &err), &err);
    CHECK_INT(bt_shard_set_count(set), 3000);
    CHECK_OK(bt_shard_set_read(set, 2999, rec, &err), &err);
    CHECK_INT(bt_record_get(rec, "index").integer, 2999);
    bt_shard_set_close(set);
    bt_record_free(rec);
    bt_record_free(header);
}

static void patch(const char *path, size_t at, const void *bytes, size_t size)
{
    size_t total = 0;
    char *data = get_file(path, &total);

    memcpy(data + at, bytes, size);
    chmod(path, 0644);
    put_file(path, data, total);
    free(data);
}

/* ---- many readers ---- */

static int read_whole_set(const char *path)
{
    struct bt_record *rec = bt_record_new();
    struct bt_shard_set *set = NULL;
    struct bt_err err = { 0 };
    int rc = bt_shard_set_open(&set, path, false, &err);

    for (uint64_t i = 0; !rc && i < bt_shard_set_count(set); i++)
        rc = bt_shard_set_read(set, i, rec, &err);
    if (rc)
        printf("# %s\n", err.text);
    bt_shard_set_close(set);
    bt_record_free(rec);
    return rc;
}

/* Two hundred processes, none with a right to write anywhere in the set. */
static void test_two_hundred_readers(void)
{
    struct bt_err err = { 0 };
    struct stat st;
    int status;

    CHECK_OK(write_inputs(scratch("readers.lmdb"), 50, &defaults, NULL, &err), &err);
    CHECK(stat(scratch("readers.lmdb/shard-000000.mdb"), &st) == 0 && (st.st_mode & 0222) == 0);
    CHECK(chmod(scratch("readers.lmdb"), 0555) == 0 && chmod(scratch_dir, 0755) == 0);
    fflush(stdout);
    for (int i = 0; i < 200; i++)
        if (fork() == 0) {
            if (geteuid() == 0 && setuid(65534) != 0)
                _exit(1);
            _exit(read_whole_set(scratch("readers.lmdb")) ? 1 : 0);
        }
    for (int i = 0; i < 200; i++)
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(chmod(scratch("readers.lmdb"), 0755) == 0);
    CHECK(!bt_path_exists(scratch("readers.lmdb/shard-000000.mdb-lock")));
}

static void test_stage(void)
{
    char disk[200];
    struct bt_reader_options options = { .stage = disk };
    struct bt_reader *r = NULL;
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    size_t size;

    snprintf(disk, sizeof disk, "%s", scratch("disk"));
    CHECK_OK(write_inputs(scratch("far.lmdb"), 250, &defaults, NULL, &err), &err);
    char *manifest = get_file(scratch("far.lmdb/bt-dataset.json"), &size), name[60], hex[65];
    uint8_t digest[32];
    bt_sha256(manifest, size, digest);
    bt_hex(hex, digest, sizeof digest);
    snprintf(name, sizeof name, "disk/%.16s.lmdb/shard-000001.mdb", hex);
    for (int round = 0; round < 3; round++) { /* made, found, and mended */
        CHECK_OK(bt_reader_open(&r, scratch("far.lmdb"), &options, &err), &err);
        for (uint64_t i = 0; r && i < bt_reader_count(r); i++)
            CHECK_OK(bt_reader_next(r, rec, &err), &err);
        bt_reader_close(r);
        r = NULL;
        CHECK(bt_path_exists(scratch(name)));
        chmod(scratch(name), 0644);
        put_file(scratch(name), "damaged", 7);
    }
    patch(scratch("far.lmdb/shard-000001.mdb"), 32, "\1", 1); /* the size of the map, which nobody reads */
    CHECK_INT(bt_reader_open(&r, scratch("far.lmdb"), &options, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "sha256") != NULL);
    free(manifest);
    bt_record_free(rec);
}

struct reading {
    struct bt_shard_set *set;
    uint64_t start;
    int wrong;
};

static void *read_some(void *data)
{
    struct reading *job = data;
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    uint64_t n = bt_shard_set_count(job->set);

    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t index = (job->start + i * 37) % n;

        if (bt_shard_set_read(job->set, index, rec, &err) ||
            bt_record_get(rec, "index").integer != (int64_t)index)
            job->wrong++;
    }
    bt_record_free(rec);
    return NULL;
}

static void test_many_threads(void)
{
    struct reading jobs[4];
    pthread_t threads[4];
    struct bt_shard_set *set = NULL;
    struct bt_writer_options small = defaults;
    struct bt_writer *w = NULL;
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };

    small.per_shard = 3; /* 70 shards: more than may be open at once */
    CHECK_OK(bt_writer_open(&w, scratch("threads.lmdb"), &small, &err), &err);
    for (int i = 0; i < 210; i++) {
        fill(rec, i, 0);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
    CHECK_OK(bt_shard_set_open(&set, scratch("threads.lmdb"), false, &err), &err);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct reading){ set, (uint64_t)i * 50, 0 };
        pthread_create(&threads[i], NULL, read_some, &jobs[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(jobs[i].wrong, 0);
    }
    bt_shard_set_close(set);
}

/* ---- damage ---- */

static int open_and_read(const char *path, struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    struct bt_shard_set *set = NULL;
    int rc = bt_shard_set_open(&set, path, false, err);

    for (uint64_t i = 0; !rc && i < bt_shard_set_count(set); i++)
        rc = bt_shard_set_read(set, i, rec, err);
    bt_shard_set_close(set);
    bt_record_free(rec);
    return rc;
}

static void test_foreign_files(void)
{
    static const struct {
        size_t at;
        const char *bytes;
        size_t size;
        int status;
    } cases[] = {
        { 16, "\0", 1, BT_ERR_LMDB_STRUCT }, /* magic */
        { 20, "\2", 1, BT_ERR_LMDB_VERSION },
        { 4096 + 20, "\2", 1, BT_ERR_LMDB_VERSION },
        { 10, "\1", 1, BT_ERR_LMDB_STRUCT },            /* no meta page */
        { 24, "\1", 1, BT_ERR_LMDB_STRUCT },            /* fixed address */
        { 40, "\1\1", 2, BT_ERR_LMDB_STRUCT },          /* page size */
        { 88 + 4, "\4", 1, BT_ERR_LMDB_STRUCT },        /* duplicates */
        { 136, "\xff\xff\xff", 3, BT_ERR_LMDB_STRUCT }, /* more pages than there are */
        { 128, "\xff\xff\xff", 3, BT_ERR_LMDB_STRUCT }, /* root outside */
    };
    struct bt_err err = { 0 };
    size_t size = 0;

    CHECK_OK(write_inputs(scratch("foreign.lmdb"), 50, &defaults, NULL, &err), &err);
    CHECK_OK(open_and_read(scratch("foreign.lmdb"), &err), &err);
    char *good = get_file(scratch("foreign.lmdb/shard-000000.mdb"), &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        patch(scratch("foreign.lmdb/shard-000000.mdb"), cases[i].at, cases[i].bytes, cases[i].size);
        if (cases[i].at == 136 || cases[i].at == 128 || cases[i].at == 88 + 4) /* in whichever meta page counts */
            patch(scratch("foreign.lmdb/shard-000000.mdb"), cases[i].at + 4096, cases[i].bytes,
                  cases[i].size);
        CHECK_INT(open_and_read(scratch("foreign.lmdb"), &err), cases[i].status);
        bt_err_clear(&err);
        put_file(scratch("foreign.lmdb/shard-000000.mdb"), good, size);
    }
    CHECK_OK(open_and_read(scratch("foreign.lmdb"), &err), &err);
    put_file(scratch("foreign.lmdb/shard-000000.mdb"), good, size - 4096);
    CHECK_INT(open_and_read(scratch("foreign.lmdb"), &err), BT_ERR_SHARD);
    bt_err_clear(&err);
    char *at = memmem(good, size, "index", 5); /* a byte of a record */
    CHECK(at != NULL);
    if (at)
        at[0] ^= 1;
    put_file(scratch("foreign.lmdb/shard-000000.mdb"), good, size);
    CHECK_INT(open_and_read(scratch("foreign.lmdb"), &err), BT_ERR_BT_CRC);
    bt_err_clear(&err);
    free(good);
    unlink(scratch("foreign.lmdb/shard-000000.mdb"));
    CHECK_INT(open_and_read(scratch("foreign.lmdb"), &err), BT_ERR_NOINPUT);
}

static void test_not_a_set(void)
{
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    CHECK_INT(open_and_read(scratch("nowhere.lmdb"), &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    mkdir(scratch("other.lmdb"), 0755);
    CHECK_INT(open_and_read(scratch("other.lmdb"), &err), BT_ERR_SHARD);
    bt_err_clear(&err);
    put_file(scratch("other.lmdb/letter.txt"), "dear", 4);
    CHECK_INT(bt_writer_open(&w, scratch("other.lmdb"), &defaults, &err), BT_ERR_EXISTS);
    bt_err_clear(&err);
    put_file(scratch("file.lmdb"), "x", 1);
    CHECK_INT(bt_writer_open(&w, scratch("file.lmdb"), &defaults, &err), BT_ERR_EXISTS);
}

static void test_unfinished_set(void)
{
    struct bt_err err = { 0 };
    struct bt_shard_set *set = NULL;

    CHECK_OK(put_simple(scratch("half.lmdb"), 0, 150, false, &err), &err);
    CHECK_INT(open_and_read(scratch("half.lmdb"), &err), BT_ERR_BT_PARTIAL);
    bt_err_clear(&err);
    CHECK_OK(bt_shard_set_open(&set, scratch("half.lmdb"), true, &err), &err);
    CHECK_INT(bt_shard_set_count(set), 100);
    bt_shard_set_close(set);
    /* A shard that got its name just before the manifest would have: adopted. */
    CHECK(unlink(scratch("half.lmdb/bt-dataset.json")) == 0);
    CHECK_OK(put_simple(scratch("half.lmdb"), 0, 250, true, &err), &err);
    CHECK_OK(open_and_read(scratch("half.lmdb"), &err), &err);
}

int main(void)
{
    scratch_begin();
    RUN(test_write_and_read);
    RUN(test_reader_sees_a_stream);
    RUN(test_same_command_again);
    RUN(test_kill_and_go_on);
    RUN(test_no_space_and_go_on);
    RUN(test_stop_and_go_on);
    RUN(test_simple_tools);
    RUN(test_double_ids);
    RUN(test_locked);
    RUN(test_empty_set);
    RUN(test_map_grows);
    RUN(test_two_hundred_readers);
    RUN(test_stage);
    RUN(test_many_threads);
    RUN(test_foreign_files);
    RUN(test_not_a_set);
    RUN(test_unfinished_set);
    scratch_end();
    return test_end();
}
