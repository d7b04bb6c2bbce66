/* The bytes of a file, unpacked where it is compressed: gzip, zstd, xz and bzip2, told by content.
 * Source: formats.md 8 (expansion), 11. */
#ifndef BT_BASE_UNPACK_H
#define BT_BASE_UNPACK_H

#include <stdint.h>
#include <sys/types.h>

#include "libcommon/base/err.h"

struct bt_unpack;

/* "-" is stdin. A Git LFS pointer is named as such. E_NOINPUT, E_INPUT, E_MEMORY. */
int bt_unpack_open(struct bt_unpack **unpack, const char *path, struct bt_err *err);
/* At most `size` bytes, as many as are there: 0 at the end, -1 with the failure in err: E_IO, E_INPUT for damaged or cut
 * compression, E_BOMB for more than 2000 times the bytes read, beyond the first 16 MiB. */
ssize_t bt_unpack_read(struct bt_unpack *unpack, void *data, size_t size, struct bt_err *err);
void bt_unpack_close(struct bt_unpack *unpack);

#endif
