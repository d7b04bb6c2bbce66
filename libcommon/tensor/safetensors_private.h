/* What reading and writing safetensors share: the limits of formats.md 8. Private. */
#ifndef BT_TENSOR_SAFETENSORS_PRIVATE_H
#define BT_TENSOR_SAFETENSORS_PRIVATE_H

#include "libcommon/tensor/safetensors.h"

#define ST_PREFIX_SIZE   8 /* the header's size, little-endian */
#define ST_HEADER_MIN    2
#define ST_HEADER_MAX    100000000
#define ST_TENSORS_MAX   262144
#define ST_NAME_MAX      512
#define ST_DIMENSION_MAX ((uint64_t)1 << 40)
#define ST_METADATA      "__metadata__"

/* Elements and bytes that dtype and shape ask for; false when rank, dimension or product is over a limit. */
bool bt_st_measure(const struct bt_st_tensor *t, uint64_t *count, uint64_t *bytes);

#endif
