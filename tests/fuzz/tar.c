/* Any bytes: a tar is read to its end or refused, member by member. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/image/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("tar", MFD_CLOEXEC);
    struct bt_err err = { 0 };
    struct bt_tar *tar = NULL;
    struct bt_tar_member member;
    char path[40];
    int rc;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || bt_write_full(fd, data, size))
        abort();
    rc = bt_tar_open(&tar, path, &err);
    while (!rc && !(rc = bt_tar_next(tar, &member, &err))) {
        uint8_t *bytes = NULL;

        if (!member.reject.code)
            rc = bt_tar_read(tar, &bytes, &err);
        free(bytes);
    }
    if (rc != BT_END && !err.text[0])
        abort(); /* a refusal without a word */
    bt_tar_close(tar);
    close(fd);
    return 0;
}
