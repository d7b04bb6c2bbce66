#include "libcommon/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* most of what is summed is short */
#include <xxhash.h>

/* The calls of old: those that took their place set up the whole of libcrypto, and crash when memory is
 * short. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"

/* ---------------------------------------------------------------- xxh64 */

struct bt_xxh64_state {
    XXH64_state_t *xxh;
};

uint64_t bt_xxh64(const void *data, size_t size)
{
    return XXH64(data, size, 0);
}

struct bt_xxh64_state *bt_xxh64_new(void)
{
    struct bt_xxh64_state *s = malloc(sizeof *s);

    if (!s)
        return NULL;
    s->xxh = XXH64_createState();
    if (!s->xxh) {
        free(s);
        return NULL;
    }
    bt_xxh64_reset(s);
    return s;
}

void bt_xxh64_add(struct bt_xxh64_state *s, const void *data, size_t size)
{
    if (size)
        XXH64_update(s->xxh, data, size);
}

uint64_t bt_xxh64_value(const struct bt_xxh64_state *s)
{
    return XXH64_digest(s->xxh);
}

void bt_xxh64_reset(struct bt_xxh64_state *s)
{
    XXH64_reset(s->xxh, 0);
}

void bt_xxh64_free(struct bt_xxh64_state *s)
{
    if (!s)
        return;
    XXH64_freeState(s->xxh);
    free(s);
}

/* ---------------------------------------------------------------- sha256 */

struct bt_sha256_state {
    SHA256_CTX context;
};

void bt_sha256(const void *data, size_t size, uint8_t digest[32])
{
    struct bt_sha256_state s;

    SHA256_Init(&s.context);
    bt_sha256_add(&s, data, size);
    bt_sha256_value(&s, digest);
}

struct bt_sha256_state *bt_sha256_new(void)
{
    struct bt_sha256_state *s = malloc(sizeof *s);

    if (s)
        SHA256_Init(&s->context);
    return s;
}

void bt_sha256_add(struct bt_sha256_state *s, const void *data, size_t size)
{
    SHA256_Update(&s->context, data, size);
}

void bt_sha256_value(struct bt_sha256_state *s, uint8_t digest[32])
{
    SHA256_Final(digest, &s->context);
}

void bt_sha256_free(struct bt_sha256_state *s)
{
    free(s);
}

int bt_xxh64_ends(int fd, uint64_t size, uint64_t *value, const char *path, struct bt_err *err)
{
    enum { END_BYTES = 64 << 10 };
    uint64_t taken = size < 2 * END_BYTES ? size : 2 * END_BYTES, head = taken / 2;
    uint8_t *ends = bt_alloc(taken, 1, err);
    int rc = ends ? BT_OK : BT_ERR_MEMORY;

    if (!rc &&
        (pread(fd, ends, head, 0) != (ssize_t)head ||
         pread(fd, ends + head, taken - head, (off_t)(size - (taken - head))) != (ssize_t)(taken - head)))
        rc = bt_fail_errno(err, errno ? errno : EIO, 0, path, "it may be changing; run again when it is whole");
    if (!rc)
        *value = bt_xxh64(ends, taken);
    free(ends);
    return rc;
}

int bt_sha256_file(const char *path, uint8_t digest[32], uint64_t *bytes, struct bt_err *err)
{
    enum { CHUNK = 1 << 20 };
    struct bt_sha256_state *s = bt_sha256_new();
    uint8_t *chunk = malloc(CHUNK);
    uint64_t total = 0;
    ssize_t got = -1;
    int rc = BT_OK, fd = -1;

    if (!s || !chunk)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to read it; free some", path);
    if (!rc)
        rc = bt_input_open(&fd, path, err);
    while (!rc && got != 0) {
        got = bt_read_full(fd, chunk, CHUNK);
        if (got < 0) {
            rc = bt_fail_errno(err, errno, 0, bt_input_name(path), NULL);
        } else {
            bt_sha256_add(s, chunk, (size_t)got);
            total += (uint64_t)got;
        }
    }
    if (!rc) {
        bt_sha256_value(s, digest);
        if (bytes)
            *bytes = total;
    }
    bt_input_close(fd);
    free(chunk);
    bt_sha256_free(s);
    return rc;
}

void bt_hex(char *out, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}
