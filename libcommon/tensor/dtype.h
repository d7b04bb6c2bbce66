/* Element types of tensors in files, and their values as float32 or integers. Values are little-endian and
 * may lie at any address. Source: formats.md 9 rule 5; IEEE 754-2019; Micikevicius et al., arXiv:2209.05433
 * (the 8-bit ones). */
#ifndef BT_TENSOR_DTYPE_H
#define BT_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name as in files, bytes of an element, and the exponent bits that are all set in NaN and infinities (0:
 * none). */
#define BT_DTYPE_TABLE(X)                                                                                    \
    X(BOOL, 1, 0)                                                                                            \
    X(U8, 1, 0)                                                                                              \
    X(I8, 1, 0)                                                                                              \
    X(F8_E4M3, 1, 0x7f) /* no infinities, and NaN alone has every bit set */                                 \
    X(F8_E5M2, 1, 0x7c)                                                                                      \
    X(U16, 2, 0)                                                                                             \
    X(I16, 2, 0)                                                                                             \
    X(F16, 2, 0x7c00)                                                                                        \
    X(BF16, 2, 0x7f80)                                                                                       \
    X(U32, 4, 0)                                                                                             \
    X(I32, 4, 0)                                                                                             \
    X(F32, 4, 0x7f800000)                                                                                    \
    X(U64, 8, 0)                                                                                             \
    X(I64, 8, 0)                                                                                             \
    X(F64, 8, 0x7ff0000000000000)

enum bt_dtype {
#define BT_DTYPE_ENUM(name, bytes, exponent) BT_DTYPE_##name,
    BT_DTYPE_TABLE(BT_DTYPE_ENUM)
#undef BT_DTYPE_ENUM
        BT_DTYPE_COUNT,
};

const char *bt_dtype_name(enum bt_dtype dtype);
size_t bt_dtype_size(enum bt_dtype dtype);
/* The type of that name, or BT_DTYPE_COUNT. */
enum bt_dtype bt_dtype_find(const char *name);

/* The first of count elements that is NaN or infinite, or count. */
size_t bt_dtype_nonfinite(enum bt_dtype dtype, const void *data, size_t count);

/* out[count] from F32, F16, BF16 (exactly) or F64 (rounded to nearest); false for other types. */
bool bt_dtype_to_float(float *out, enum bt_dtype dtype, const void *data, size_t count);
/* out[count] from I64 or I32; false for other types. */
bool bt_dtype_to_int64(int64_t *out, enum bt_dtype dtype, const void *data, size_t count);

#endif
