/* A record: a msgpack map with named fields, as it travels in streams and lies in shards.
 *
 * A record holds the map it was read from and the fields set since; encoding writes the original fields in
 * their order (changed ones in place), then the new ones. Fields a tool does not know pass through untouched.
 * Source: formats.md 1.1, 1.2. */
#ifndef BT_STREAM_RECORD_H
#define BT_STREAM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

struct bt_record;

struct bt_record *bt_record_new(void); /* empty; NULL when out of memory */
void bt_record_clear(struct bt_record *rec);
void bt_record_free(struct bt_record *rec);

/* Reads a msgpack body, which is checked as it is read (subset, depth, counts, unique keys). The bytes are
 * copied. Errors: E_BT_BODY, E_BT_DUPKEY, E_MEMORY. */
int bt_record_decode(struct bt_record *rec, const void *body, size_t size, struct bt_err *err);
/* Appends the record's msgpack body to buf. Same fields, same bytes. */
int bt_record_encode(const struct bt_record *rec, struct bt_buf *buf, struct bt_err *err);

/* The bytes that it was decoded from. */
size_t bt_record_bytes(const struct bt_record *rec);

/* A value inside a record. Borrowed: lives until the record is changed, decoded anew or freed. */
enum bt_value_kind { BT_ABSENT, BT_NIL, BT_BOOL, BT_INT, BT_FLOAT, BT_STR, BT_BIN, BT_ARRAY, BT_MAP };
struct bt_value {
    enum bt_value_kind kind;
    int64_t integer;  /* BT_INT, BT_BOOL */
    double number;    /* BT_FLOAT, and BT_INT converted */
    const char *data; /* BT_STR (no NUL behind it), BT_BIN */
    size_t size;      /* bytes of data, elements of an array, pairs of a map */
    const void *node; /* for the functions below */
};
struct bt_value bt_record_get(const struct bt_record *rec, const char *key); /* BT_ABSENT when not there */
struct bt_value bt_value_at(struct bt_value array, size_t i);
struct bt_value bt_value_member(struct bt_value map, const char *key);
struct bt_value bt_value_pair(struct bt_value map, size_t i, struct bt_value *key);
bool bt_value_is(struct bt_value v, const char *text); /* a string equal to text */
/* The commonest string of a list, the first of equals (BT_ABSENT without any); what is no list stands for itself. */
int bt_value_commonest(struct bt_value list, struct bt_value *commonest, struct bt_err *err);
size_t bt_record_field_count(const struct bt_record *rec);
struct bt_value bt_record_field(const struct bt_record *rec, size_t i, struct bt_value *key);

/* An array of numbers: the map {dt, sh, d} (formats.md 1.2): dtype "i32" or "f32" (or another name, passed
 * through), shape, little-endian bytes (unaligned: memcpy). E_BT_BODY when the sizes disagree. */
struct bt_array {
    char dtype[8];
    int rank;
    int64_t shape[8];
    const void *data;
    size_t bytes;
};
int bt_value_array(struct bt_value v, struct bt_array *array, struct bt_err *err);

/* Required fields with a check; the message names the field (E_BT_BODY; callers add the record with
 * bt_context). */
int bt_record_need_str(const struct bt_record *rec, const char *key, const char **data, size_t *size,
                       struct bt_err *err);
int bt_record_need_int(const struct bt_record *rec, const char *key, int64_t *value, struct bt_err *err);

/* Setting: replaces a field in place or adds it at the end. Key and data are copied. 0, E_MEMORY, E_UTF8 for
 * text that is not UTF-8, E_BT_BODY for an integer beyond 2^53-1, E_LIMIT for text over 16 MiB or bytes over
 * 64 MiB. What is replaced keeps its memory until the record is cleared, decoded anew or freed. */
int bt_record_set_str(struct bt_record *rec, const char *key, const char *data, size_t size,
                      struct bt_err *err);
int bt_record_set_bin(struct bt_record *rec, const char *key, const void *data, size_t size,
                      struct bt_err *err);
int bt_record_set_int(struct bt_record *rec, const char *key, int64_t value, struct bt_err *err);
int bt_record_set_float(struct bt_record *rec, const char *key, double value, struct bt_err *err);
int bt_record_set_bool(struct bt_record *rec, const char *key, bool value, struct bt_err *err);
int bt_record_set_value(struct bt_record *rec, const char *key, struct bt_value value,
                        struct bt_err *err); /* deep copy, also from another record */
int bt_record_set_array(struct bt_record *rec, const char *key, const char *dtype, int rank,
                        const int64_t *shape, const void *data, size_t bytes, struct bt_err *err);
/* Nested values are built into a packer: begin, add elements in order, end. Between begin and end the record
 * is not to be used otherwise. Example: begin(rec,"captions"); pack_array(rec,2); pack_str..; pack_str..;
 * end(rec,err). */
void bt_record_begin(struct bt_record *rec, const char *key);
void bt_pack_array(struct bt_record *rec, size_t count);
void bt_pack_map(struct bt_record *rec, size_t count);
void bt_pack_str(struct bt_record *rec, const char *data, size_t size);
void bt_pack_bin(struct bt_record *rec, const void *data, size_t size);
void bt_pack_int(struct bt_record *rec, int64_t value);
void bt_pack_float(struct bt_record *rec, double value);
void bt_pack_bool(struct bt_record *rec, bool value);
void bt_pack_nil(struct bt_record *rec);
void bt_pack_i32s(struct bt_record *rec, const int32_t *data, size_t count); /* {dt:"i32", sh:[count], d} */
void bt_pack_value(struct bt_record *rec, struct bt_value value);            /* deep copy */
/* E_MEMORY; E_BT_BODY, E_BT_DUPKEY or E_LIMIT when what was built is not one value of the subset. */
int bt_record_end(struct bt_record *rec, struct bt_err *err);
int bt_record_remove(struct bt_record *rec, const char *key, struct bt_err *err); /* absent is fine */
int bt_record_copy(struct bt_record *to, const struct bt_record *from, struct bt_err *err);

#endif
