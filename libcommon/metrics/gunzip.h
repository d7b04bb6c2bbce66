/* The bytes of a gzip file in large blocks, unpacked by a thread that runs ahead of the reader, by at most 48 MiB.
 * Source: RFC 1952 (members may follow one another). */
#ifndef BT_METRICS_GUNZIP_H
#define BT_METRICS_GUNZIP_H

#include <stddef.h>

#include "libcommon/base/err.h"
#include "libcommon/base/file.h"

#define BT_GUNZIP_ROOM ((size_t)1 << 16)

struct bt_gunzip;

/* `map` stays the caller's and must outlive it; `place` names it in messages. E_MEMORY, E_OS. */
int bt_gunzip_open(struct bt_gunzip **gunzip, const struct bt_map *map, const char *place,
                   struct bt_err *err);
/* The next block, perhaps empty, the caller's until the next call; the BT_GUNZIP_ROOM bytes before it are the caller's too,
 * so that the rest of the last block can stand there. BT_END after the last; E_INPUT when the file is damaged
 * or cut; E_BOMB beyond 4 GiB. */
int bt_gunzip_next(struct bt_gunzip *gunzip, char **data, size_t *size, struct bt_err *err);
void bt_gunzip_close(struct bt_gunzip *gunzip);

#endif
