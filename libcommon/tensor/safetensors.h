/* Weights in safetensors files: one file, or a set with its index. A file is checked in full before any value
 * of it is used, and then read in place. Source: formats.md 3.2 (writing), 8 (limits), 9 (validation, rules 1
 * to 8). */
#ifndef BT_TENSOR_SAFETENSORS_H
#define BT_TENSOR_SAFETENSORS_H

#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/file.h"
#include "libcommon/tensor/dtype.h"

#define BT_ST_RANK_MAX 8

/* A tensor as it lies in a file: row-major, little-endian. */
struct bt_st_tensor {
    const char *name;
    enum bt_dtype dtype;
    int rank;
    uint64_t shape[BT_ST_RANK_MAX];
    const void *data; /* at any address: copy, do not cast */
    /* Set by reading, not looked at by writing. */
    uint64_t count, bytes; /* elements; bytes of data */
    uint32_t file;         /* which of the set */
};

struct bt_safetensors;

/* `path` is a .safetensors file, an index (any name in .json), or a directory that holds model.safetensors or
 * model.safetensors.index.json. Maps and checks every file of it: E_ST, or E_ST_DTYPE for an element type
 * that is not in the table, or E_JSON for an index that is not JSON; E_NOINPUT for a directory without
 * weights. */
int bt_safetensors_open(struct bt_safetensors **st, const char *path, struct bt_err *err);
void bt_safetensors_close(struct bt_safetensors *st);

/* As given to open. */
const char *bt_safetensors_path(const struct bt_safetensors *st);
/* Tensors in order of name; they, and their names and data, live until close. find gives NULL for none. */
uint64_t bt_safetensors_count(const struct bt_safetensors *st);
const struct bt_st_tensor *bt_safetensors_at(const struct bt_safetensors *st, uint64_t i);
const struct bt_st_tensor *bt_safetensors_find(const struct bt_safetensors *st, const char *name);
/* The string of that key in __metadata__ of the first file that has it, or NULL. */
const char *bt_safetensors_metadata(const struct bt_safetensors *st, const char *key);

/* All t->count values: as float32 from F32, F16, BF16 and F64; as integers from I64 and I32. Other types are
 * E_ST_DTYPE. E_ST for a finite F64 beyond float32, an I64 beyond int32; NaN and infinities pass. */
int bt_safetensors_read(const struct bt_safetensors *st, const struct bt_st_tensor *t, float *out,
                        struct bt_err *err);
int bt_safetensors_read_i64(const struct bt_safetensors *st, const struct bt_st_tensor *t, int64_t *out,
                            struct bt_err *err);
int bt_safetensors_read_i32(const struct bt_safetensors *st, const struct bt_st_tensor *t, int32_t *out,
                            struct bt_err *err);

/* E_ST naming tensor and element when t holds NaN or an infinity. Types that have none pass. */
int bt_safetensors_check_finite(const struct bt_safetensors *st, const struct bt_st_tensor *t,
                                struct bt_err *err);

struct bt_st_pair {
    const char *key, *value;
};

/* Writes one whole file to an outfile that was just opened; bt_outfile_finish is the caller's. Metadata are
 * {"format":"pt"} and the pairs behind it. The bytes depend on the arguments alone, not on the order of
 * `tensors`. *bytes and sha256 are of the file; either may be NULL. E_ST for a name or a pair that a reader
 * would refuse. */
int bt_safetensors_write(struct bt_outfile *out, const struct bt_st_tensor *tensors, uint64_t count,
                         const struct bt_st_pair *pairs, uint64_t pair_count, uint64_t *bytes,
                         uint8_t sha256[32], struct bt_err *err);

#endif
