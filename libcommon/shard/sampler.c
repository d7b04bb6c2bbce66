/* Sample order. Source: formats.md 3.3. */
#include "libcommon/shard/sampler.h"

#define BLOCK  ((uint64_t)32)  /* records that stay neighbours on disk */
#define WINDOW ((uint64_t)256) /* blocks whose records are mixed */

struct bt_sampler bt_sampler(uint64_t n, uint64_t seed, uint32_t epoch)
{
    struct bt_sampler s = { .n = n, .blocks = n / BLOCK, .seed = seed, .epoch = epoch };

    s.order = bt_permutation(s.blocks ? s.blocks : 1, seed, epoch);
    return s;
}

uint64_t bt_sampler_at(const struct bt_sampler *s, uint64_t position)
{
    uint64_t windows = s->blocks > WINDOW ? s->blocks / WINDOW : 1;
    uint64_t window = position / (WINDOW * BLOCK) < windows ? position / (WINDOW * BLOCK) : windows - 1;
    uint64_t first = window * WINDOW;                                  /* block */
    uint64_t count = window + 1 < windows ? WINDOW : s->blocks - first; /* the last window takes what is left */
    uint64_t tail = window + 1 < windows ? 0 : s->n - s->blocks * BLOCK;
    struct bt_permutation mix = bt_permutation(count * BLOCK + tail, s->seed ^ (window + 1) * 0x9E3779B97F4A7C15u, s->epoch);
    uint64_t at = bt_permutation_at(&mix, position - first * BLOCK);

    if (at >= count * BLOCK)
        return s->blocks * BLOCK + (at - count * BLOCK);
    return bt_permutation_at(&s->order, first + at / BLOCK) * BLOCK + at % BLOCK;
}
