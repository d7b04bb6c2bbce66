#include "libcommon/metrics/gunzip.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libcommon/base/mem.h"

enum { BLOCKS = 48, BLOCK_BYTES = 1 << 20, TRAILER_BYTES = 8 };
#define MAX_BYTES ((uint64_t)4 << 30)

struct block {
    char *bytes; /* [BT_GUNZIP_ROOM + BLOCK_BYTES] */
    size_t size;
    const uint8_t *trailer; /* of the member that ends with the block; NULL: none does */
};

/* The blocks that were filled go round: `made` of them were, `used` given back. The reader holds number `used`. The
 * others are spare; the last given back is filled first, since it is still in the cache. */
struct bt_gunzip {
    const struct bt_map *map;
    const char *place;
    char *memory;
    struct block blocks[BLOCKS];
    char *spare[BLOCKS];
    int spare_count;
    uint64_t made, used;
    bool holding, done, stop, started;
    const char *damage; /* NULL: none */
    bool bomb;
    uint32_t crc, member_bytes; /* of the member that is being read, so far */
    z_stream z;
    size_t fed;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
};

/* Gives zlib, which counts in 32 bits, the next piece of the file. */
static void feed(struct bt_gunzip *g)
{
    size_t left = g->map->size - g->fed, piece = left < (1u << 30) ? left : 1u << 30;
    if (g->z.avail_in > 0 || piece == 0)
        return;
    g->z.next_in = (Bytef *)(g->map->data + g->fed);
    g->z.avail_in = (uInt)piece;
    g->fed += piece;
}

/* Fills a block up to its end or a member's; true when it is the last. */
static bool fill(struct bt_gunzip *g, struct block *block, const char **damage)
{
    bool last = false;
    block->trailer = NULL;
    g->z.next_out = (Bytef *)block->bytes + BT_GUNZIP_ROOM;
    g->z.avail_out = BLOCK_BYTES;
    while (g->z.avail_out > 0 && !block->trailer && !*damage) {
        feed(g);
        int status = inflate(&g->z, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            block->trailer = g->map->data + (g->fed - g->z.avail_in) - TRAILER_BYTES;
            feed(g);
            last = g->z.avail_in == 0;
            inflateReset(&g->z);
        } else if (status == Z_BUF_ERROR) {
            *damage = "it is cut";
        } else if (status != Z_OK) {
            *damage = g->z.msg ? g->z.msg : "no gzip data";
        }
    }
    block->size = BLOCK_BYTES - g->z.avail_out;
    return last || *damage;
}

static void *work(void *context)
{
    struct bt_gunzip *g = context;
    const char *damage = NULL;
    uint64_t bytes = 0;
    bool last = false;

    pthread_mutex_lock(&g->mutex);
    while (!last && !g->stop) {
        if (g->spare_count == 0) {
            pthread_cond_wait(&g->moved, &g->mutex);
            continue;
        }
        struct block block = { .bytes = g->spare[--g->spare_count] };
        pthread_mutex_unlock(&g->mutex);
        last = fill(g, &block, &damage);
        bytes += block.size;
        pthread_mutex_lock(&g->mutex);
        g->blocks[g->made++ % BLOCKS] = block;
        g->damage = damage;
        g->bomb = bytes > MAX_BYTES;
        last = last || g->bomb;
        pthread_cond_signal(&g->moved);
    }
    g->done = true;
    pthread_cond_signal(&g->moved);
    pthread_mutex_unlock(&g->mutex);
    return NULL;
}

int bt_gunzip_open(struct bt_gunzip **gunzip, const struct bt_map *map, const char *place, struct bt_err *err)
{
    struct bt_gunzip *g = bt_alloc(1, sizeof *g, err);
    if (!g)
        return BT_ERR_MEMORY;
    g->map = map;
    g->place = place;
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->moved, NULL);
    g->memory = bt_alloc(BLOCKS, BT_GUNZIP_ROOM + BLOCK_BYTES, err);
    int rc = g->memory ? BT_OK : BT_ERR_MEMORY;
    for (int i = BLOCKS; !rc && i-- > 0;)
        g->spare[g->spare_count++] = g->memory + (size_t)i * (BT_GUNZIP_ROOM + BLOCK_BYTES);
    /* The reader compares the checksums: unpacking is what takes longest. */
    if (!rc && (inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK || inflateValidate(&g->z, 0) != Z_OK))
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory to unpack it", place);
    if (!rc) {
        int errnum = pthread_create(&g->thread, NULL, work, g);
        g->started = errnum == 0;
        if (errnum)
            rc = bt_fail(err, BT_ERR_OS, "%s: no thread to unpack it (%s)", place, strerror(errnum));
    }
    if (rc)
        bt_gunzip_close(g);
    else
        *gunzip = g;
    return rc;
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int damaged(const struct bt_gunzip *g, const char *why, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_INPUT, "%s: damaged gzip file (%s); get it again", g->place, why);
}

static int check(struct bt_gunzip *g, const struct block *block, struct bt_err *err)
{
    g->crc = (uint32_t)crc32(g->crc, (const Bytef *)block->bytes + BT_GUNZIP_ROOM, (uInt)block->size);
    g->member_bytes += (uint32_t)block->size;
    if (!block->trailer)
        return BT_OK;
    if (u32(block->trailer) != g->crc || u32(block->trailer + 4) != g->member_bytes)
        return damaged(g, "incorrect data check", err);
    g->crc = g->member_bytes = 0;
    return BT_OK;
}

/* Waits for the next block; BT_END when there is none. */
static int wait_for(struct bt_gunzip *g, struct block *block, struct bt_err *err)
{
    int rc = BT_OK;
    pthread_mutex_lock(&g->mutex);
    if (g->holding) {
        g->spare[g->spare_count++] = g->blocks[g->used++ % BLOCKS].bytes;
        g->holding = false;
        pthread_cond_signal(&g->moved);
    }
    while (g->made == g->used && !g->done)
        pthread_cond_wait(&g->moved, &g->mutex);
    if (g->made > g->used) {
        g->holding = true;
        *block = g->blocks[g->used % BLOCKS];
    } else if (g->damage) {
        rc = damaged(g, g->damage, err);
    } else if (g->bomb) {
        rc = bt_fail(err, BT_ERR_BOMB, "%s: expands to more than 4 GiB; refused", g->place);
    } else {
        rc = BT_END;
    }
    pthread_mutex_unlock(&g->mutex);
    return rc;
}

int bt_gunzip_next(struct bt_gunzip *g, char **data, size_t *size, struct bt_err *err)
{
    struct block block = { 0 };
    int rc = wait_for(g, &block, err);
    if (!rc)
        rc = check(g, &block, err);
    *data = block.bytes + BT_GUNZIP_ROOM;
    *size = block.size;
    return rc;
}

void bt_gunzip_close(struct bt_gunzip *g)
{
    if (!g)
        return;
    if (g->started) {
        pthread_mutex_lock(&g->mutex);
        g->stop = true;
        pthread_cond_signal(&g->moved);
        pthread_mutex_unlock(&g->mutex);
        pthread_join(g->thread, NULL);
    }
    inflateEnd(&g->z);
    free(g->memory);
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->mutex);
    free(g);
}
