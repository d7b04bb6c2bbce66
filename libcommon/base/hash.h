/* Checksums. crc32c guards a record, xxh64 a whole against accident, sha256 is a file's identity.
 * Source: formats.md 0. */
#ifndef BT_BASE_HASH_H
#define BT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* Castagnoli; start with crc 0 and pass the result on to go on. "123456789" gives e3069283. */
uint32_t bt_crc32c(uint32_t crc, const void *data, size_t size);
/* The same of bytes that are copied at once: one pass over them where the processor can fold. */
uint32_t bt_crc32c_copy(uint32_t crc, void *to, const void *from, size_t size);
/* bt_crc32c without the processor's own instruction, for tests to compare. */
uint32_t bt_crc32c_portable(uint32_t crc, const void *data, size_t size);

/* xxh64, seed 0. "" gives ef46db3751d8e999. */
uint64_t bt_xxh64(const void *data, size_t size);
struct bt_xxh64_state;
struct bt_xxh64_state *bt_xxh64_new(void); /* NULL when out of memory */
void bt_xxh64_add(struct bt_xxh64_state *s, const void *data, size_t size);
uint64_t bt_xxh64_value(const struct bt_xxh64_state *s);
void bt_xxh64_reset(struct bt_xxh64_state *s);
void bt_xxh64_free(struct bt_xxh64_state *s);

/* Of the first and the last 64 KiB of an open file of that size, enough to tell that an input is another; a file no longer
 * than both counts whole. E_IO, E_MEMORY. */
int bt_xxh64_ends(int fd, uint64_t size, uint64_t *value, const char *path, struct bt_err *err);

void bt_sha256(const void *data, size_t size, uint8_t digest[32]);
struct bt_sha256_state;
struct bt_sha256_state *bt_sha256_new(void); /* NULL when out of memory */
void bt_sha256_add(struct bt_sha256_state *s, const void *data, size_t size);
void bt_sha256_value(struct bt_sha256_state *s, uint8_t digest[32]); /* ends it */
void bt_sha256_free(struct bt_sha256_state *s);
/* bytes may be NULL; "-" is stdin. */
int bt_sha256_file(const char *path, uint8_t digest[32], uint64_t *bytes, struct bt_err *err);

/* Lower-case hex, NUL-terminated: out holds 2 * size + 1. */
void bt_hex(char *out, const void *bytes, size_t size);

#endif
