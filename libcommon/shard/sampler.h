/* The order of samples in an epoch: a function of (seed, epoch, n) alone, the same on every machine and after any restart.
 * Blocks of consecutive records are permuted, then records within windows of blocks, so that reads stay near each other
 * however large the set. Source: formats.md 3.3. */
#ifndef BT_SHARD_SAMPLER_H
#define BT_SHARD_SAMPLER_H

#include <stdint.h>

#include "libcommon/base/rng.h"

struct bt_sampler {
    uint64_t n, blocks; /* whole blocks; the records behind them join the last window */
    uint64_t seed;
    uint32_t epoch;
    struct bt_permutation order;
};

/* n >= 1. */
struct bt_sampler bt_sampler(uint64_t n, uint64_t seed, uint32_t epoch);
/* The record at `position` of the epoch, 0..n-1: every record once. */
uint64_t bt_sampler_at(const struct bt_sampler *sampler, uint64_t position);

#endif
