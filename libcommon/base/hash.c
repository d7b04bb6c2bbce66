#include "libcommon/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* most of what is summed is short */
#include <xxhash.h>

/* The calls of old: those that took their place set up the whole of libcrypto, and crash when memory is short. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "libcommon/base/file.h"

/* ---------------------------------------------------------------- crc32c */

enum { SLICES = 8 };
#define POLYNOMIAL 0x82F63B78u /* Castagnoli, reflected */

static uint32_t table[SLICES][256];
static uint32_t (*update)(uint32_t crc, const uint8_t *p, size_t size);

/* Eight bytes a step: table[k][b] is the effect of byte b with k bytes of zero behind it. */
static uint32_t update_table(uint32_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int k = 0; k < SLICES; k++)
            crc ^= table[SLICES - 1 - k][word >> (8 * k) & 0xFF];
    }
    while (size--)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

/* The instruction gives a result after three cycles and begins another in each, so three lanes run side by side; what
 * the bytes of the later lanes do to the sum of an earlier one is a table's matter. */
enum { LONG_LANE = 4096, SHORT_LANE = 64 };

struct lane {
    size_t bytes;
    uint32_t shift[4][256]; /* shift[k][b]: byte k of a sum, being b, with `bytes` zeros behind it */
};
static struct lane long_lane = { .bytes = LONG_LANE }, short_lane = { .bytes = SHORT_LANE };

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, 8);
    return word;
}

static uint32_t shift(const struct lane *lane, uint32_t crc)
{
    return lane->shift[0][crc & 0xFF] ^ lane->shift[1][crc >> 8 & 0xFF] ^ lane->shift[2][crc >> 16 & 0xFF] ^
           lane->shift[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t update_lanes(const struct lane *lane, uint32_t crc,
                                                               const uint8_t *p)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < lane->bytes; i += 8) {
        a = _mm_crc32_u64(a, word_at(p + i));
        b = _mm_crc32_u64(b, word_at(p + lane->bytes + i));
        c = _mm_crc32_u64(c, word_at(p + 2 * lane->bytes + i));
    }
    return shift(lane, shift(lane, (uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t update_sse42(uint32_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 3 * LONG_LANE; p += 3 * LONG_LANE, size -= 3 * LONG_LANE)
        crc = update_lanes(&long_lane, crc, p);
    for (; size >= 3 * SHORT_LANE; p += 3 * SHORT_LANE, size -= 3 * SHORT_LANE)
        crc = update_lanes(&short_lane, crc, p);
    uint64_t wide = crc;
    for (; size >= 8; p += 8, size -= 8)
        wide = _mm_crc32_u64(wide, word_at(p));
    crc = (uint32_t)wide;
    while (size--)
        crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

/* What zeros do to a sum is linear: to all its values what they do to its bits. */
static void setup_lane(struct lane *lane)
{
    static const uint8_t zeros[SHORT_LANE];

    for (int k = 0; k < 4; k++)
        for (int bit = 0; bit < 8; bit++) {
            uint32_t crc = (uint32_t)1 << (8 * k + bit);

            for (size_t done = 0; done < lane->bytes; done += SHORT_LANE)
                crc = update_sse42(crc, zeros, SHORT_LANE);
            for (int low = 0; low < 1 << bit; low++)
                lane->shift[k][low | 1 << bit] = lane->shift[k][low] ^ crc;
        }
}

static bool have_sse42(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
}
#endif

/* Runs before main, so that threads find the table made. */
__attribute__((constructor)) static void crc_setup(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (int k = 1; k < SLICES; k++)
        for (int byte = 0; byte < 256; byte++)
            table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 0xFF];
    update = update_table;
#if defined(__x86_64__)
    if (have_sse42()) {
        setup_lane(&short_lane);
        setup_lane(&long_lane);
        update = update_sse42;
    }
#endif
}

uint32_t bt_crc32c(uint32_t crc, const void *data, size_t size)
{
    return ~update(~crc, data, size);
}

uint32_t bt_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    return ~update_table(~crc, data, size);
}

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
