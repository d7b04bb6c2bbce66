/* Randomness as a function: a draw depends on its key alone, never on what was drawn before, by which
 * thread or process, or after how many restarts.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), Philox4x32-10;
 * formats.md 3.3. */
#ifndef BT_BASE_RNG_H
#define BT_BASE_RNG_H

#include <stdint.h>

/* What a draw is for. Numbers are part of every result: never reuse or renumber one. */
enum bt_purpose {
    BT_DRAW_TEST = 0, BT_DRAW_ORDER = 1, BT_DRAW_INIT = 2, BT_DRAW_CROP = 3, BT_DRAW_FLIP = 4,
    BT_DRAW_CAPTION = 5, BT_DRAW_MASK = 6, BT_DRAW_DROPOUT = 7, BT_DRAW_NEGATIVE_IMAGE = 8,
    BT_DRAW_NEGATIVE_TEXT = 9, BT_DRAW_SAMPLE = 10, BT_DRAW_WINDOW = 11, BT_DRAW_BOOTSTRAP = 12,
    BT_DRAW_SCENE = 13, BT_DRAW_AUGMENT = 14,
};

/* Philox4x32-10: 128-bit counter and 64-bit key to 128 random bits. Known answer (from the authors):
 * zero counter and key give 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
static inline void bt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;

        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The draws of one key, in order. Start it with bt_draw; copy it freely. */
struct bt_draw {
    uint32_t counter[4], key[2], words[4];
    int left; /* words not yet used */
};

/* Draws for one purpose: seed names the run, epoch (or step) and index (sample, row, parameter) what
 * the draw is about. Key words are the seed, low first; counter words are the block number, purpose in
 * the low 16 bits with the high 16 of the 48-bit index, the index's low 32, and epoch. */
struct bt_draw bt_draw(uint64_t seed, enum bt_purpose purpose, uint32_t epoch, uint64_t index);

uint32_t bt_draw_u32(struct bt_draw *d);
float bt_draw_uniform(struct bt_draw *d);                   /* [0,1), multiples of 2^-24 */
double bt_draw_normal(struct bt_draw *d);                   /* Box-Muller of two uniforms, 53 and 32 bits */
uint64_t bt_draw_below(struct bt_draw *d, uint64_t n);      /* 0..n-1 without bias, n >= 1 */
int bt_draw_bernoulli(struct bt_draw *d, float p);          /* 1 with probability p */
/* Index drawn with probability weight[i] / sum, by one uniform against the running sum in index order
 * (double). Weights are >= 0 and not all 0; returns the last index of positive weight at the top end. */
int64_t bt_draw_categorical(struct bt_draw *d, const float *weight, int64_t n);

/* A keyed permutation of 0..n-1: a Feistel network over the next even power of two, walked until inside.
 * O(1) memory, the same on every machine, a bijection for every n >= 1. */
struct bt_permutation {
    uint64_t n, seed;
    uint32_t epoch;
    int half_bits;
};
struct bt_permutation bt_permutation(uint64_t n, uint64_t seed, uint32_t epoch);
uint64_t bt_permutation_at(const struct bt_permutation *p, uint64_t i);

#endif
