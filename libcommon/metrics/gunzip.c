#include "libcommon/metrics/gunzip.h"

#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"

enum { BLOCKS = 48, BLOCK_BYTES = 1 << 20 };
#define MAX_BYTES ((uint64_t)4 << 30)

struct block {
    char *bytes; /* [BT_GUNZIP_ROOM + BLOCK_BYTES] */
    size_t size;
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
    struct inflate_state inflate;
    size_t fed;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
};

/* Gives ISA-L, which counts in 32 bits, the next piece of the file; false at its end. */
static bool feed(struct bt_gunzip *g)
{
    size_t left = g->map->size - g->fed, piece = left < (1u << 30) ? left : 1u << 30;
    if (g->inflate.avail_in > 0)
        return true;
    g->inflate.next_in = (uint8_t *)(g->map->data + g->fed);
    g->inflate.avail_in = (uint32_t)piece;
    g->fed += piece;
    return piece > 0;
}

static void begin_member(struct bt_gunzip *g)
{
    isal_inflate_reset(&g->inflate);
    g->inflate.crc_flag = ISAL_GZIP;
}

static const char *explain(int status)
{
    switch (status) {
    case ISAL_INCORRECT_CHECKSUM:
        return "incorrect data check";
    case ISAL_INVALID_WRAPPER:
    case ISAL_UNSUPPORTED_METHOD:
        return "no gzip data";
    default:
        return "invalid compressed data";
    }
}

/* Fills a block; true when it is the last. */
static bool fill(struct bt_gunzip *g, struct block *block, const char **damage)
{
    struct inflate_state *z = &g->inflate;
    bool last = false;
    z->next_out = (uint8_t *)block->bytes + BT_GUNZIP_ROOM;
    z->avail_out = BLOCK_BYTES;
    while (z->avail_out > 0 && !last && !*damage) {
        bool fed = feed(g);
        int status = isal_inflate(z);
        if (status < 0) {
            *damage = explain(status);
        } else if (z->block_state == ISAL_BLOCK_FINISH) {
            last = !feed(g);
            begin_member(g);
        } else if (!fed && z->avail_out > 0) {
            *damage = "it is cut";
        }
    }
    block->size = BLOCK_BYTES - z->avail_out;
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
    uint64_t capacity = 0;
    int rc = bt_grow(&g->memory, &capacity, BLOCKS * (BT_GUNZIP_ROOM + BLOCK_BYTES), 1, err); /* not zeroed: that takes a while */
    for (int i = BLOCKS; !rc && i-- > 0;)
        g->spare[g->spare_count++] = g->memory + (size_t)i * (BT_GUNZIP_ROOM + BLOCK_BYTES);
    isal_inflate_init(&g->inflate);
    begin_member(g);
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

int bt_gunzip_next(struct bt_gunzip *g, char **data, size_t *size, struct bt_err *err)
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
        *data = g->blocks[g->used % BLOCKS].bytes + BT_GUNZIP_ROOM;
        *size = g->blocks[g->used % BLOCKS].size;
    } else if (g->damage) {
        rc = bt_fail(err, BT_ERR_INPUT, "%s: damaged gzip file (%s); get it again", g->place, g->damage);
    } else if (g->bomb) {
        rc = bt_fail(err, BT_ERR_BOMB, "%s: expands to more than 4 GiB; refused", g->place);
    } else {
        rc = BT_END;
    }
    pthread_mutex_unlock(&g->mutex);
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
    free(g->memory);
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->mutex);
    free(g);
}
