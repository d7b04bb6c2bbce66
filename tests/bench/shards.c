/* Reading shards against plain LMDB: records of 30 KB, in random and in stored order, from a file that was just opened, so that
 * none of its map is there yet. Ours checks each record's checksum and makes a record of it; LMDB gets the value in one long
 * transaction and copies it, since a value dies with its transaction. Both read the same file, turn by turn;
 * the best of several turns counts. name  ours and LMDB's records/s  ratio  goal  met|short */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/shard.h"
#include "libcommon/stream/stream.h"

enum { RECORDS = 6000, BYTES = 30000, TURNS = 7 };

static char dir[64], set_path[80], shard_path[100];
static uint8_t copy[2 * BYTES];

static void must(int rc, const struct bt_err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "shards: %s\n", err->text);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* of one core: others may be at work too */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_set(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .per_shard = RECORDS };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    must(bt_writer_open(&w, set_path, &options, &err), &err);
    for (int i = 0; i < RECORDS; i++) {
        char id[20];

        snprintf(id, sizeof id, "%d", i);
        memset(copy, i, BYTES);
        must(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        must(bt_record_set_str(rec, "caption", "a photo of something", 20, &err), &err);
        must(bt_record_set_bin(rec, "image", copy, BYTES, &err), &err);
        must(bt_writer_put(w, rec, &err), &err);
        bt_record_clear(rec);
    }
    must(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
}

/* The i-th record to read. */
static uint64_t place(bool random, uint64_t i)
{
    return random ? i * 2741 % RECORDS : i;
}

static double read_ours(bool random)
{
    struct bt_record *rec = bt_record_new();
    struct bt_shard_set *set = NULL;
    struct bt_err err = { 0 };

    must(bt_shard_set_open(&set, set_path, false, &err), &err);
    must(bt_shard_set_read(set, 0, rec, &err), &err);
    double start = now();
    for (uint64_t i = 0; i < RECORDS; i++)
        must(bt_shard_set_read(set, place(random, i), rec, &err), &err);
    double seconds = now() - start;
    bt_shard_set_close(set);
    bt_record_free(rec);
    return seconds;
}

static void take(const MDB_val *value)
{
    memcpy(copy, value->mv_data, value->mv_size < sizeof copy ? value->mv_size : sizeof copy);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* the copy is wanted */
}

static double read_plain(bool random)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    char first[] = "R";
    MDB_val key = { 1, first }, value;

    if (mdb_env_create(&env) ||
        mdb_env_open(env, shard_path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0) ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi) ||
        mdb_cursor_open(txn, dbi, &cursor))
        exit(1);
    double start = now();
    for (uint64_t i = 0; i < RECORDS; i++) {
        uint8_t name[9] = { 'R' };
        uint64_t number = place(random, i);

        for (int k = 0; k < 8; k++)
            name[1 + k] = (uint8_t)(number >> (56 - 8 * k));
        if (random)
            key = (MDB_val){ sizeof name, name };
        if (random ? mdb_get(txn, dbi, &key, &value)
                   : mdb_cursor_get(cursor, &key, &value, i ? MDB_NEXT : MDB_SET_RANGE))
            exit(1);
        take(&value);
    }
    double seconds = now() - start;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return seconds;
}

static void compare(const char *name, bool random, double goal)
{
    double ours = 1e9, plain = 1e9;

    for (int turn = 0; turn < TURNS; turn++) {
        double a = read_ours(random), b = read_plain(random);

        ours = a < ours ? a : ours;
        plain = b < plain ? b : plain;
    }
    printf("%-28s %9.0f %9.0f records/s %6.3f %5.2f %s\n", name, RECORDS / ours, RECORDS / plain,
           plain / ours, goal, plain / ours >= goal ? "met" : "short");
}

int main(void)
{
    struct bt_err err = { 0 };

    snprintf(dir, sizeof dir, "build/bench-shards.XXXXXX");
    if (!mkdtemp(dir))
        must(bt_fail_errno(&err, errno, 1, dir, NULL), &err);
    snprintf(set_path, sizeof set_path, "%s/set.lmdb", dir);
    snprintf(shard_path, sizeof shard_path, "%s/shard-000000.mdb", set_path);
    make_set();
    compare("shard random 30 KB", true, 0.90);
    compare("shard sequential 30 KB", false, 0.95);
    must(bt_remove_dir(dir, &err), &err);
    return 0;
}
