/* The structure of a shard's file, looked through before liblmdb maps it: liblmdb trusts what it reads, and a
 * file that is cut or crafted would make it read outside its map. Private to shard. Source: formats.md 2.3.
 */
#ifndef BT_SHARD_STRUCTURE_H
#define BT_SHARD_STRUCTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"

struct bt_structure {
    uint64_t records, ids, rejects; /* keys of R, I, J */
    uint64_t header_at; /* the byte of the file where the value of `M hdr` begins; 0: there is none */
};
/* Reads meta, branch and leaf pages with pread, every page at most once, and holds one page a level and one
 * bit a page. finished: `M hdr` and `M end` must be there. `path` is for messages. Errors: E_LMDB_STRUCT,
 * E_LMDB_VERSION, E_LIMIT (over 1 TiB), E_IO, E_MEMORY. */
int bt_structure_check(struct bt_structure *structure, int fd, const char *path, bool finished,
                       struct bt_err *err);

#endif
