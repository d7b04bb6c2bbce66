/* Members of a tar archive, one after the other, from a file or a pipe, compressed or not; nothing is ever unpacked to disk.
 * ustar, pax and GNU long names. Source: formats.md 8 (limits), 11. */
#ifndef BT_IMAGE_TAR_H
#define BT_IMAGE_TAR_H

#include <stdint.h>

#include "libcommon/image/image.h"

struct bt_tar;

struct bt_tar_member {
    const char *name;    /* a label, no path; lives until the next call */
    uint64_t offset;     /* of its first header, in the unpacked archive */
    uint64_t size;
    struct bt_image_reject reject; /* code: a member that is not taken, and why; its bytes are passed over */
};

int bt_tar_open(struct bt_tar **tar, const char *path, struct bt_err *err);
/* The next member that is a file, or a bad one; folders are passed over. BT_END at the end mark; E_TAR_TRUNC, with byte and last
 * whole member, where the archive ends without one or inside a member; E_INPUT for what is no header. */
int bt_tar_next(struct bt_tar *tar, struct bt_tar_member *member, struct bt_err *err);
/* The bytes of the member last returned, in memory that the caller frees, a NUL behind them that is not counted. Once, for a
 * member without a reject. E_TAR_TRUNC, E_MEMORY. */
int bt_tar_read(struct bt_tar *tar, uint8_t **data, struct bt_err *err);
void bt_tar_close(struct bt_tar *tar);

#endif
