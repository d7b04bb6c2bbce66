#include "libcommon/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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
#include <immintrin.h>

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, 8);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t update_sse42(uint32_t crc, const uint8_t *p, size_t size)
{
    uint64_t wide = crc;

    for (; size >= 8; p += 8, size -= 8)
        wide = _mm_crc32_u64(wide, word_at(p));
    crc = (uint32_t)wide;
    while (size--)
        crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

/* Folding: 128 bits far in front are carried over to those D bits behind them by two carry-less products,
 * with x^(D+31) and x^(D-33) modulo the polynomial, reflected. Source: Gopal et al., Fast CRC Computation for
 * Generic Polynomials Using PCLMULQDQ Instruction, Intel, 2009. */
#define FOLD __attribute__((target("sse4.2,avx2,pclmul,vpclmulqdq")))
enum { FOLDED_BYTES = 128 };

FOLD static __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

FOLD static __m256i fold(__m256i front, __m256i by, __m256i behind)
{
    return _mm256_xor_si256(behind, _mm256_xor_si256(_mm256_clmulepi64_epi128(front, by, 0x00),
                                                     _mm256_clmulepi64_epi128(front, by, 0x11)));
}

FOLD static uint32_t update_folding(uint32_t crc, const uint8_t *p, size_t size)
{
    const __m256i by_1024 = _mm256_set_epi64x(0x0d3b6092, 0x6992cea2, 0x0d3b6092, 0x6992cea2);
    const __m256i by_256 = _mm256_set_epi64x(0xba4fc28e, 0x3da6d0cb, 0xba4fc28e, 0x3da6d0cb);
    const __m128i by_128 = _mm_set_epi64x(0x493c7d27, 0xf20c0dfe);
    __m256i a, b, c, d;

    if (size < 2 * FOLDED_BYTES)
        return update_sse42(crc, p, size);
    a = _mm256_xor_si256(load(p), _mm256_set_epi64x(0, 0, 0, crc));
    b = load(p + 32);
    c = load(p + 64);
    d = load(p + 96);
    for (p += FOLDED_BYTES, size -= FOLDED_BYTES; size >= FOLDED_BYTES;
         p += FOLDED_BYTES, size -= FOLDED_BYTES) {
        a = fold(a, by_1024, load(p));
        b = fold(b, by_1024, load(p + 32));
        c = fold(c, by_1024, load(p + 64));
        d = fold(d, by_1024, load(p + 96));
    }
    d = fold(fold(fold(a, by_256, b), by_256, c), by_256, d);
    __m128i front = _mm256_castsi256_si128(d), rest = _mm256_extracti128_si256(d, 1);
    rest = _mm_xor_si128(rest, _mm_xor_si128(_mm_clmulepi64_si128(front, by_128, 0x00),
                                             _mm_clmulepi64_si128(front, by_128, 0x11)));
    uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(rest, 0));
    wide = _mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(rest, 1));
    return update_sse42((uint32_t)wide, p, size);
}

static bool have_folding(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("vpclmulqdq");
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
    if (have_sse42())
        update = have_folding() ? update_folding : update_sse42;
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
