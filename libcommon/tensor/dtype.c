#include "libcommon/tensor/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    uint64_t exponent;
} types[] = {
#define ROW(name, bytes, exponent) { #name, bytes, exponent },
    BT_DTYPE_TABLE(ROW)
#undef ROW
};

const char *bt_dtype_name(enum bt_dtype dtype)
{
    return types[dtype].name;
}

size_t bt_dtype_size(enum bt_dtype dtype)
{
    return types[dtype].size;
}

enum bt_dtype bt_dtype_find(const char *name)
{
    unsigned i = 0;

    while (i < BT_DTYPE_COUNT && strcmp(types[i].name, name) != 0)
        i++;
    return (enum bt_dtype)i;
}

/* Inlined with a constant size, so that memcpy is one load. */
static inline size_t nonfinite(const unsigned char *data, size_t size, uint64_t exponent, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = 0;

        memcpy(&bits, data + i * size, size);
        if ((bits & exponent) == exponent)
            return i;
    }
    return count;
}

size_t bt_dtype_nonfinite(enum bt_dtype dtype, const void *data, size_t count)
{
    uint64_t exponent = types[dtype].exponent;

    if (!exponent)
        return count;
    switch (types[dtype].size) {
    case 1:
        return nonfinite(data, 1, exponent, count);
    case 2:
        return nonfinite(data, 2, exponent, count);
    case 4:
        return nonfinite(data, 4, exponent, count);
    default:
        return nonfinite(data, 8, exponent, count);
    }
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exponent and mantissa moved to their places in float32, as which they are 2^112 too small, subnormal ones
 * included; the exponent of NaN and infinities becomes float32's. */
static float float_of_half(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float value = float_of_bits(magnitude) * 0x1p112f;
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if (magnitude >= 0x7c00u << 13)
        bits = magnitude | 0x7f800000u;
    return float_of_bits(bits | sign);
}

bool bt_dtype_to_float(float *out, enum bt_dtype dtype, const void *data, size_t count)
{
    const unsigned char *from = data;

    switch (dtype) {
    case BT_DTYPE_F32:
        if (count)
            memcpy(out, from, count * sizeof *out);
        return true;
    case BT_DTYPE_F16:
        for (size_t i = 0; i < count; i++) {
            uint16_t half;

            memcpy(&half, from + i * sizeof half, sizeof half);
            out[i] = float_of_half(half);
        }
        return true;
    case BT_DTYPE_BF16:
        for (size_t i = 0; i < count; i++) {
            uint16_t half;

            memcpy(&half, from + i * sizeof half, sizeof half);
            out[i] = float_of_bits((uint32_t)half << 16);
        }
        return true;
    case BT_DTYPE_F64:
        for (size_t i = 0; i < count; i++) {
            double value;

            memcpy(&value, from + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
        return true;
    default:
        return false;
    }
}

bool bt_dtype_to_int64(int64_t *out, enum bt_dtype dtype, const void *data, size_t count)
{
    const unsigned char *from = data;

    switch (dtype) {
    case BT_DTYPE_I64:
        if (count)
            memcpy(out, from, count * sizeof *out);
        return true;
    case BT_DTYPE_I32:
        for (size_t i = 0; i < count; i++) {
            int32_t value;

            memcpy(&value, from + i * sizeof value, sizeof value);
            out[i] = value;
        }
        return true;
    default:
        return false;
    }
}
