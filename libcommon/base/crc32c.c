/* crc32c, as fast as the processor can: see hash.h. */
#include <stdbool.h>
#include <string.h>

#include "libcommon/base/hash.h"

enum { SLICES = 8 };
#define POLYNOMIAL 0x82F63B78u /* Castagnoli, reflected */

static uint32_t table[SLICES][256];
static uint32_t (*update)(uint32_t crc, const uint8_t *p, size_t size);
static uint32_t (*copy)(uint32_t crc, const uint8_t *p, size_t size, uint8_t *to);

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

static uint32_t copy_first(uint32_t crc, const uint8_t *p, size_t size, uint8_t *to)
{
    memcpy(to, p, size);
    return update(crc, to, size);
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

/* Folding: 128 bits far in front are carried over to those D bits behind them by two carry-less products, with x^(D+31) and
 * x^(D-33) modulo the polynomial, reflected. Source: Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction, Intel, 2009. */
#define FOLD __attribute__((target("sse4.2,avx2,pclmul,vpclmulqdq")))
#define FOLD_INLINE FOLD __attribute__((always_inline)) static inline
enum { FOLDED_BYTES = 128, AHEAD_BYTES = 2048 };

struct folded {
    __m256i a, b, c, d;
};

FOLD_INLINE __m256i load(const uint8_t *p, uint8_t *to)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);

    if (to)
        _mm256_storeu_si256((__m256i *)(void *)to, bytes);
    return bytes;
}

FOLD_INLINE __m256i fold(__m256i front, __m256i by, __m256i behind)
{
    return _mm256_xor_si256(behind, _mm256_xor_si256(_mm256_clmulepi64_epi128(front, by, 0x00),
                                                     _mm256_clmulepi64_epi128(front, by, 0x11)));
}

FOLD_INLINE void fold_begin(struct folded *f, uint32_t crc, const uint8_t *p, uint8_t *to)
{
    f->a = load(p, to);
    f->b = load(p + 32, to ? to + 32 : NULL);
    f->c = load(p + 64, to ? to + 64 : NULL);
    f->d = load(p + 96, to ? to + 96 : NULL);
    f->a = _mm256_xor_si256(f->a, _mm256_set_epi64x(0, 0, 0, crc));
}

FOLD_INLINE void fold_step(struct folded *f, const uint8_t *p, uint8_t *to)
{
    const __m256i by_1024 = _mm256_set_epi64x(0x0d3b6092, 0x6992cea2, 0x0d3b6092, 0x6992cea2);

    _mm_prefetch((const char *)p + AHEAD_BYTES, _MM_HINT_T0); /* what comes from a file is in no cache yet */
    _mm_prefetch((const char *)p + AHEAD_BYTES + 64, _MM_HINT_T0);
    f->a = fold(f->a, by_1024, load(p, to));
    f->b = fold(f->b, by_1024, load(p + 32, to ? to + 32 : NULL));
    f->c = fold(f->c, by_1024, load(p + 64, to ? to + 64 : NULL));
    f->d = fold(f->d, by_1024, load(p + 96, to ? to + 96 : NULL));
}

FOLD_INLINE uint32_t fold_end(const struct folded *f)
{
    const __m256i by_256 = _mm256_set_epi64x(0xba4fc28e, 0x3da6d0cb, 0xba4fc28e, 0x3da6d0cb);
    const __m128i by_128 = _mm_set_epi64x(0x493c7d27, 0xf20c0dfe);
    __m256i all = fold(fold(fold(f->a, by_256, f->b), by_256, f->c), by_256, f->d);
    __m128i front = _mm256_castsi256_si128(all), rest = _mm256_extracti128_si256(all, 1);

    rest = _mm_xor_si128(rest, _mm_xor_si128(_mm_clmulepi64_si128(front, by_128, 0x00),
                                             _mm_clmulepi64_si128(front, by_128, 0x11)));
    return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(rest, 0)),
                                   (uint64_t)_mm_extract_epi64(rest, 1));
}

/* `to`, when there is one, gets the bytes too. */
FOLD_INLINE uint32_t update_all(uint32_t crc, const uint8_t *p, size_t size, uint8_t *to)
{
    struct folded f;

    if (size >= 2 * FOLDED_BYTES) {
        fold_begin(&f, crc, p, to);
        for (p += FOLDED_BYTES, size -= FOLDED_BYTES; size >= FOLDED_BYTES; p += FOLDED_BYTES, size -= FOLDED_BYTES) {
            to = to ? to + FOLDED_BYTES : NULL;
            fold_step(&f, p, to);
        }
        to = to ? to + FOLDED_BYTES : NULL;
        crc = fold_end(&f);
    }
    if (to)
        memcpy(to, p, size);
    return update_sse42(crc, p, size);
}

/* Folding and the crc instruction have units of their own, so both work at once: of a block of 7 * 32 * n bytes folding takes the
 * first four parts, the instruction the others as three streams, since each of its steps waits for the last. Only where nothing is
 * copied: what is comes from a file, and memory gives more to one stream than to four. shift[i] is x^(8 * (i + 1) * 32 * n - 33),
 * which carries a checksum over so many bytes. */
enum { STREAM_BYTES = 32, BLOCK_STREAMS = 7, LARGE_BYTES = 16 * BLOCK_STREAMS * STREAM_BYTES };
static const struct block {
    size_t n;
    uint32_t shift[3];
} blocks[] = {
    { 256, { 0x54a86326, 0x1dc403cc, 0x6a173fa1 } }, { 128, { 0x82f89c77, 0x54a86326, 0xc1f19ee1 } },
    { 64, { 0xa51b6135, 0x82f89c77, 0xb9d68d49 } },  { 32, { 0x170076fa, 0xa51b6135, 0x359674f7 } },
    { 16, { 0xdd7e3b0c, 0x170076fa, 0x9ef68d35 } },
};

FOLD_INLINE uint64_t carry(uint32_t crc, uint32_t by)
{
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)by), 0));
}

FOLD static uint32_t update_block(uint32_t crc, const uint8_t *p, const struct block *b)
{
    const size_t part = STREAM_BYTES * b->n;
    const uint8_t *q = p + 4 * part;
    uint64_t streams[3] = { 0, 0, 0 };
    struct folded f;

    fold_begin(&f, crc, p, NULL);
    for (size_t i = 0; i < b->n; i++, q += STREAM_BYTES) {
        if (i > 0)
            fold_step(&f, p + i * FOLDED_BYTES, NULL);
        for (int k = 0; k < 3; k++)
            for (int at = 0; at < STREAM_BYTES; at += 8)
                streams[k] = _mm_crc32_u64(streams[k], word_at(q + (size_t)k * part + at));
    }
    uint64_t front = carry(fold_end(&f), b->shift[2]) ^ carry((uint32_t)streams[0], b->shift[1]) ^
                     carry((uint32_t)streams[1], b->shift[0]);
    return (uint32_t)(_mm_crc32_u64(0, front) ^ streams[2]);
}

FOLD __attribute__((noinline)) static uint32_t update_large(uint32_t crc, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        for (const size_t bytes = BLOCK_STREAMS * STREAM_BYTES * blocks[i].n; size >= bytes; p += bytes, size -= bytes)
            crc = update_block(crc, p, &blocks[i]);
    return update_all(crc, p, size, NULL);
}

FOLD static uint32_t update_folding(uint32_t crc, const uint8_t *p, size_t size)
{
    return size >= LARGE_BYTES ? update_large(crc, p, size) : update_all(crc, p, size, NULL);
}

FOLD static uint32_t copy_folding(uint32_t crc, const uint8_t *p, size_t size, uint8_t *to)
{
    return update_all(crc, p, size, to);
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
    copy = copy_first;
#if defined(__x86_64__)
    if (have_sse42())
        update = update_sse42;
    if (have_sse42() && have_folding()) {
        update = update_folding;
        copy = copy_folding;
    }
#endif
}

uint32_t bt_crc32c(uint32_t crc, const void *data, size_t size)
{
    return ~update(~crc, data, size);
}

uint32_t bt_crc32c_copy(uint32_t crc, void *to, const void *from, size_t size)
{
    return ~copy(~crc, from, size, to);
}

uint32_t bt_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    return ~update_table(~crc, data, size);
}
