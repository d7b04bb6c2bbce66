/* The inside of a record, shared by record.c, value.c and pack.c and by the writers. */
#ifndef BT_STREAM_RECORD_PRIVATE_H
#define BT_STREAM_RECORD_PRIVATE_H

#include <msgpack.h>

#include "libcommon/base/mem.h"
#include "libcommon/stream/record.h"

struct bt_field {
    const char *key;
    uint32_t key_size, raw_size;
    const char *raw; /* key and value as they were read, fit to be written again; NULL: changed since */
    msgpack_object value;
};

struct bt_record {
    msgpack_zone *zone; /* nodes, and what was set since decoding */
    struct bt_buf body; /* the bytes that were decoded: strings point here */
    struct bt_field *fields;
    uint64_t count, capacity;
    struct bt_buf packed; /* the value being built */
    const char *building; /* its key */
    bool failed;          /* a pack call ran out of memory */
};

/* bt_walk (walk.h) that makes msgpack-c's nodes in `zone`; strings and bytes stay where they are in `data`. Floats of 32
 * bits become floats of 64. *shortest (NULL: not asked): the bytes are those that packing the nodes gives. */
int bt_build(msgpack_zone *zone, const void *data, size_t size, msgpack_object *root, bool *shortest,
             struct bt_err *err);
/* bt_record_decode of what stands behind the first `skip` bytes of a buffer, with which the record swaps its own: nothing
 * is copied, and what the buffer holds afterwards is of no use. */
int bt_record_take(struct bt_record *rec, struct bt_buf *buf, size_t skip, struct bt_err *err);

/* The place for a new value of `key`: the field of that name, or a new one at the end. NULL with E_MEMORY. */
struct bt_field *bt_record_place(struct bt_record *rec, const char *key, size_t key_size, struct bt_err *err);
/* Bytes copied into the record. */
char *bt_record_keep(struct bt_record *rec, const void *data, size_t size, struct bt_err *err);
/* Value by value, for keys that are not literals. */
int bt_record_set_pair(struct bt_record *rec, const char *key, size_t key_size, struct bt_value value,
                       struct bt_err *err);
struct bt_value bt_value_of(const msgpack_object *object);
/* Equal as data: the order of a map's keys does not count. */
bool bt_value_same(struct bt_value a, struct bt_value b);

/* Room in an emptied record for `size` bytes that are to be decoded; NULL with E_MEMORY. And the body that lies there:
 * bt_record_decode without its copy. */
char *bt_record_room(struct bt_record *rec, size_t size, struct bt_err *err);
int bt_record_decode_room(struct bt_record *rec, size_t offset, size_t size, struct bt_err *err);

/* The body with `n` as its first key, as streams carry it; a field "n" of the record itself is left out. */
int bt_record_encode_numbered(const struct bt_record *rec, uint64_t n, struct bt_buf *buf,
                              struct bt_err *err);

#endif
