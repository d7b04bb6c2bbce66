#include "libcommon/base/rng.h"

#include <assert.h>
#include <math.h>

#include "libcommon/base/err.h"

struct bt_draw bt_draw(uint64_t seed, enum bt_purpose purpose, uint32_t epoch, uint64_t index)
{
    struct bt_draw d = {
        .counter = { 0, (uint32_t)purpose | (uint32_t)(index >> 32) << 16, (uint32_t)index, epoch },
        .key = { (uint32_t)seed, (uint32_t)(seed >> 32) },
    };

    assert(index >> 48 == 0);
    return d;
}

uint32_t bt_draw_u32(struct bt_draw *d)
{
    if (d->left == 0) {
        bt_philox(d->counter, d->key, d->words);
        d->counter[0]++;
        d->left = 4;
    }
    return d->words[4 - d->left--];
}

static uint64_t draw_u64(struct bt_draw *d)
{
    uint64_t high = bt_draw_u32(d);

    return high << 32 | bt_draw_u32(d);
}

float bt_draw_uniform(struct bt_draw *d)
{
    return (float)(bt_draw_u32(d) >> 8) * 0x1p-24f;
}

double bt_draw_normal(struct bt_draw *d)
{
    double radius = (double)((draw_u64(d) >> 11) + 1) * 0x1p-53; /* (0,1]: its logarithm is finite */
    double angle = (double)bt_draw_u32(d) * 0x1p-32;

    return sqrt(-2.0 * log(radius)) * cos(6.283185307179586 * angle);
}

/* The high half of word * n, drawn again in the few cases that would favour some values.
 * Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019. */
uint64_t bt_draw_below(struct bt_draw *d, uint64_t n)
{
    assert(n >= 1);
    if (n <= UINT32_MAX) {
        uint32_t range = (uint32_t)n, uneven = -range % range;
        uint64_t product;

        do
            product = (uint64_t)bt_draw_u32(d) * range;
        while ((uint32_t)product < uneven);
        return product >> 32;
    } else {
        uint64_t uneven = -n % n;
        unsigned __int128 product;

        do
            product = (unsigned __int128)draw_u64(d) * n;
        while ((uint64_t)product < uneven);
        return (uint64_t)(product >> 64);
    }
}

int bt_draw_bernoulli(struct bt_draw *d, float p)
{
    return bt_draw_uniform(d) < p;
}

int64_t bt_draw_categorical(struct bt_draw *d, const float *weight, int64_t n)
{
    double sum = 0, running = 0, point;
    int64_t last = -1;

    for (int64_t i = 0; i < n; i++)
        sum += weight[i];
    assert(sum > 0);
    point = (double)bt_draw_uniform(d) * sum;
    for (int64_t i = 0; i < n; i++) {
        if (!(weight[i] > 0))
            continue;
        running += weight[i];
        if (point < running)
            return i;
        last = i;
    }
    return last;
}

/* ---------------------------------------------------------------- permutation */

/* Also the smallest domain, two bits, then looks drawn evenly from all orders. */
enum { ROUNDS = 8 };

struct bt_permutation bt_permutation(uint64_t n, uint64_t seed, uint32_t epoch)
{
    struct bt_permutation p = { .n = n, .seed = seed, .epoch = epoch, .half_bits = 1 };

    assert(n >= 1);
    while (p.half_bits < 32 && (n - 1) >> (2 * p.half_bits) != 0)
        p.half_bits++;
    return p;
}

static uint64_t feistel(const struct bt_permutation *p, uint64_t x)
{
    uint32_t mask = p->half_bits == 32 ? UINT32_MAX : (1u << p->half_bits) - 1;
    uint32_t left = (uint32_t)(x >> p->half_bits), right = (uint32_t)x & mask;
    uint32_t key[2] = { (uint32_t)p->seed, (uint32_t)(p->seed >> 32) };

    for (uint32_t round = 0; round < ROUNDS; round++) {
        /* The index's top bits all set: no draw of bt_draw for BT_DRAW_ORDER shares these counters. */
        uint32_t counter[4] = { right, 0xFFFF0000u | BT_DRAW_ORDER, round, p->epoch }, words[4], next;

        bt_philox(counter, key, words);
        next = left ^ (words[0] & mask);
        left = right;
        right = next;
    }
    return (uint64_t)left << p->half_bits | right;
}

uint64_t bt_permutation_at(const struct bt_permutation *p, uint64_t i)
{
    assert(i < p->n);
    do
        i = feistel(p, i);
    while (i >= p->n);
    return i;
}
