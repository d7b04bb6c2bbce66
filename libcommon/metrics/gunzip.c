#include "libcommon/metrics/gunzip.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libcommon/base/mem.h"

enum { BLOCKS = 4, BLOCK_BYTES = 1 << 20 };
#define MAX_BYTES ((uint64_t)4 << 30)

struct block {
    char *bytes; /* [BT_GUNZIP_ROOM + BLOCK_BYTES] */
    size_t size;
};

/* Blocks go round: `made` of them were filled, `used` given back; the reader holds block `used`. */
struct bt_gunzip {
    const struct bt_map *map;
    const char *place;
    struct block blocks[BLOCKS];
    uint64_t made, used;
    bool holding, done, stop, started;
    const char *damage; /* NULL: none */
    bool bomb;
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

/* Fills a block; true when it is the last. */
static bool fill(struct bt_gunzip *g, struct block *block)
{
    g->z.next_out = (Bytef *)block->bytes + BT_GUNZIP_ROOM;
    g->z.avail_out = BLOCK_BYTES;
    while (g->z.avail_out > 0 && !g->damage) {
        feed(g);
        int status = inflate(&g->z, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            feed(g);
            if (g->z.avail_in == 0)
                break;
            inflateReset(&g->z);
        } else if (status == Z_BUF_ERROR) {
            g->damage = "it is cut";
        } else if (status != Z_OK) {
            g->damage = g->z.msg ? g->z.msg : "no gzip data";
        }
    }
    block->size = BLOCK_BYTES - g->z.avail_out;
    return g->z.avail_out > 0;
}

static void *work(void *context)
{
    struct bt_gunzip *g = context;
    uint64_t bytes = 0;
    bool last = false;

    pthread_mutex_lock(&g->mutex);
    while (!last && !g->stop) {
        if (g->made - g->used == BLOCKS) {
            pthread_cond_wait(&g->moved, &g->mutex);
            continue;
        }
        struct block *block = &g->blocks[g->made % BLOCKS];
        pthread_mutex_unlock(&g->mutex);
        last = fill(g, block);
        bytes += block->size;
        pthread_mutex_lock(&g->mutex);
        g->bomb = bytes > MAX_BYTES;
        last = last || g->bomb;
        g->made++;
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
    int rc = BT_OK;
    for (int i = 0; !rc && i < BLOCKS; i++) {
        g->blocks[i].bytes = bt_alloc(BT_GUNZIP_ROOM + BLOCK_BYTES, 1, err);
        rc = g->blocks[i].bytes ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc && inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK)
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

int bt_gunzip_next(struct bt_gunzip *g, char **data, size_t *size, struct bt_err *err)
{
    int rc = BT_OK;
    pthread_mutex_lock(&g->mutex);
    if (g->holding) {
        g->used++;
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
    inflateEnd(&g->z);
    for (int i = 0; i < BLOCKS; i++)
        free(g->blocks[i].bytes);
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->mutex);
    free(g);
}
