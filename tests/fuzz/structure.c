/* Any bytes as the file of a shard: the check refuses them, or liblmdb may read them to the end; and salvage
 * takes from them what it can. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/shard/structure.h"
#include "libcommon/stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *path;

static void remove_path(void)
{
    unlink(path);
}

static void setup(void)
{
    bt_log_setup(BT_PROGRESS_NONE, false, true);
    path =
        bt_format("%s/bt-fuzz-%ld.mdb", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    if (!path)
        abort();
    atexit(remove_path);
}

static void read_all(const char *name, bool salvage)
{
    struct bt_reader_options options = { .salvage = salvage };
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };

    if (!bt_reader_open(&r, name, &options, &err)) {
        while (!bt_reader_next(r, rec, &err))
            ;
        bt_reader_verify(r, &err);
    }
    bt_reader_close(r);
    bt_record_free(rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_structure found;
    char name[40];
    int fd = memfd_create("shard.mdb", MFD_CLOEXEC);

    if (!path)
        setup();
    if (fd < 0 || bt_write_full(fd, data, size) != 0)
        abort();
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    read_all(name, true);
    if (bt_structure_check(&found, fd, "shard.mdb", false, NULL) == BT_OK &&
        bt_file_write(path, data, size, true, NULL) == BT_OK)
        read_all(path, false);
    close(fd);
    return 0;
}
