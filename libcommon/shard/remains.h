/* Where the records of one damaged shard lie. Private to shard. */
#ifndef BT_SHARD_REMAINS_H
#define BT_SHARD_REMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/record.h"

struct bt_piece {
    uint64_t number;
    uint64_t at, size; /* of its value in the file */
    bool reached;      /* the tree leads to it; else its page was found by itself */
};
struct bt_remains {
    int fd;
    char *path;
    struct bt_piece *pieces; /* by number, one for each */
    uint64_t count, capacity;
    uint64_t expected;        /* records that the shard had, as far as it says; 0: it does not */
    struct bt_record *header; /* NULL: it is lost */
    struct bt_buf dict;
};
/* Looks through the file: along its tree as far as that holds, and, where it does not, at every page. A file
 * without anything to find is no error. */
int bt_remains_open(struct bt_remains *remains, const char *path, struct bt_err *err);
/* Piece i as a record; BT_END when its bytes do not match their checksum or are no record. */
int bt_remains_read(struct bt_remains *remains, uint64_t i, struct bt_record *rec, struct bt_err *err);
void bt_remains_close(struct bt_remains *remains);

#endif
