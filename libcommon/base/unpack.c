/* Plain files are read as they stand; libarchive's filters unpack the others. */
#include "libcommon/base/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/file.h"

enum { BLOCK = 64 << 10, FREE_BYTES = 16 << 20, MAX_RATIO = 2000 };

struct bt_unpack {
    int fd;
    char *place;
    uint8_t *block; /* read ahead: block[at] to block[end - 1] */
    size_t at, end;
    struct archive *archive; /* NULL: not compressed */
    bool nothing;            /* the archive holds no bytes */
    uint64_t packed, unpacked;
    int errnum; /* of a read that failed inside libarchive */
};

static bool is_compressed(const uint8_t *p, size_t size)
{
    return size >= 4 && (memcmp(p, "\x1f\x8b", 2) == 0 || memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0 ||
                         memcmp(p, "\xfd\x37\x7a\x58", 4) == 0 || memcmp(p, "BZh", 3) == 0);
}

/* What is there, not a full block: whoever types or pipes lines wants each answered. */
static ssize_t read_some(int fd, void *data, size_t size)
{
    ssize_t got;

    do
        got = read(fd, data, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static la_ssize_t feed(struct archive *archive, void *context, const void **data)
{
    struct bt_unpack *u = context;
    ssize_t got = (ssize_t)(u->end - u->at);

    (void)archive;
    *data = u->block + u->at;
    if (got == 0) {
        got = read_some(u->fd, u->block, BLOCK);
        *data = u->block;
        if (got < 0)
            u->errnum = errno;
    }
    u->at = u->end = 0;
    u->packed += got > 0 ? (uint64_t)got : 0;
    return got;
}

static int damaged(struct bt_unpack *u, struct bt_err *err)
{
    const char *why = archive_error_string(u->archive);

    if (u->errnum)
        return bt_fail_errno(err, u->errnum, 0, u->place, NULL);
    return bt_fail(err, BT_ERR_INPUT, "%s: the compression is damaged or cut (%s); get the file again", u->place,
                   why ? why : "no reason given");
}

static int open_archive(struct bt_unpack *u, struct bt_err *err)
{
    struct archive_entry *entry;

    u->archive = archive_read_new();
    if (!u->archive)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to unpack it", u->place);
    archive_read_support_filter_gzip(u->archive);
    archive_read_support_filter_zstd(u->archive);
    archive_read_support_filter_xz(u->archive);
    archive_read_support_filter_bzip2(u->archive);
    archive_read_support_format_raw(u->archive);
    archive_read_support_format_empty(u->archive);
    if (archive_read_open(u->archive, u, NULL, feed, NULL) != ARCHIVE_OK)
        return damaged(u, err);

    int status = archive_read_next_header(u->archive, &entry);

    u->nothing = status == ARCHIVE_EOF;
    /* A beginning too short for the filter passes for plain bytes. */
    if ((status != ARCHIVE_OK && !u->nothing) || archive_filter_code(u->archive, 0) == ARCHIVE_FILTER_NONE)
        return damaged(u, err);
    return BT_OK;
}

int bt_unpack_open(struct bt_unpack **unpack, const char *path, struct bt_err *err)
{
    struct bt_unpack *u = calloc(1, sizeof *u);
    int rc = BT_OK;

    if (!u)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    u->fd = -1;
    u->place = strdup(bt_input_name(path));
    u->block = malloc(BLOCK);
    if (!u->place || !u->block)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    if (!rc)
        rc = bt_input_open(&u->fd, path, err);
    while (!rc && u->end < 4) {
        ssize_t got = read_some(u->fd, u->block + u->end, BLOCK - u->end);

        if (got < 0)
            rc = bt_fail_errno(err, errno, 0, u->place, NULL);
        if (got <= 0)
            break;
        u->end += (size_t)got;
    }
    if (!rc)
        rc = bt_refuse_lfs_pointer(u->place, u->block, u->end, err);
    if (!rc && is_compressed(u->block, u->end))
        rc = open_archive(u, err);
    if (rc)
        bt_unpack_close(u);
    else
        *unpack = u;
    return rc;
}

static ssize_t read_plain(struct bt_unpack *u, void *data, size_t size, struct bt_err *err)
{
    size_t ahead = u->end - u->at;
    ssize_t got;

    if (ahead > 0) {
        got = (ssize_t)(ahead < size ? ahead : size);
        memcpy(data, u->block + u->at, (size_t)got);
        u->at += (size_t)got;
        return got;
    }
    got = read_some(u->fd, data, size);
    if (got < 0)
        bt_fail_errno(err, errno, 0, u->place, NULL);
    return got;
}

ssize_t bt_unpack_read(struct bt_unpack *u, void *data, size_t size, struct bt_err *err)
{
    la_ssize_t got;

    if (!u->archive)
        return read_plain(u, data, size, err);
    if (u->nothing)
        return 0;
    got = archive_read_data(u->archive, data, size);
    if (got < 0) {
        damaged(u, err);
        return -1;
    }
    u->unpacked += (uint64_t)got;
    if (u->unpacked > FREE_BYTES && u->unpacked / MAX_RATIO > u->packed) {
        bt_fail(err, BT_ERR_BOMB, "%s: expands more than %d times; refused, unpack it yourself if you trust it", u->place, MAX_RATIO);
        return -1;
    }
    return (ssize_t)got;
}

void bt_unpack_close(struct bt_unpack *u)
{
    if (!u)
        return;
    archive_read_free(u->archive);
    bt_input_close(u->fd);
    free(u->place);
    free(u->block);
    free(u);
}
