/* Any bytes as the manifest of a set: it is refused, or adds up; and what is saved of it loads as the same.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/shard_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *dir, *file;

static void remove_dir(void)
{
    bt_remove_dir(dir, NULL);
}

static void setup(void)
{
    dir =
        bt_format("%s/bt-fuzz-%ld.lmdb", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    file = bt_format("%s/bt-dataset.json", dir);
    if (!dir || !file || mkdir(dir, 0700) != 0)
        abort();
    atexit(remove_dir);
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct bt_manifest *m)
{
    struct bt_manifest again = { .n = 0 };
    uint64_t n = 0;

    for (uint64_t k = 0; k < m->count; k++) {
        must(m->shards[k].first == n && strlen(m->shards[k].sha256) == 64 && !strchr(m->shards[k].file, '/'));
        n += m->shards[k].n;
    }
    must(n == m->n && bt_record_get(m->header, "schema").kind == BT_STR);
    must(bt_manifest_save(m, dir, 0, NULL) == BT_OK && bt_manifest_load(&again, dir, NULL) == BT_OK);
    must(again.n == m->n && again.count == m->count && again.complete == m->complete);
    for (uint64_t k = 0; k < m->count; k++)
        must(strcmp(again.shards[k].file, m->shards[k].file) == 0 && again.shards[k].n == m->shards[k].n &&
             again.shards[k].content == m->shards[k].content && again.shards[k].bytes == m->shards[k].bytes);
    bt_manifest_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_manifest m = { .n = 0 };

    if (!dir)
        setup();
    must(bt_file_write(file, data, size, true, NULL) == BT_OK);
    if (bt_manifest_load(&m, dir, NULL) == BT_OK)
        check(&m);
    bt_manifest_free(&m);
    return 0;
}
