/* A queue, its threads, one condition each way. See pool.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"
#include "libcommon/image/pool.h"

struct bt_pool {
    struct bt_pool_options options;
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct bt_picture *first, **last;
    pthread_t *threads;
    int thread_count;
    bool stopping;
};

static void refuse(struct bt_picture *p)
{
    free(p->data);
    p->data = NULL;
    p->size = 0;
}

static void keep_pixels(struct bt_picture *p, const struct bt_image *image, int side)
{
    struct bt_err err = { 0 };
    size_t bytes = (size_t)side * (size_t)side * 3;
    uint8_t *pixels = malloc(bytes);

    if (!pixels || bt_image_resize(pixels, side, side, image, NULL, &err)) {
        free(pixels);
        refuse(p);
        bt_image_refuse(&p->reject, "DECODE_MEM", "out of memory");
        return;
    }
    free(p->data);
    p->data = pixels;
    p->size = bytes;
}

static void load(struct bt_picture *p, const struct bt_pool_options *options)
{
    struct bt_image image = { 0 };

    if (p->root && bt_root_read(p->root, p->path, &p->data, &p->size, &p->reject))
        return;
    p->file_bytes = p->size;
    if (bt_image_decode(&image, p->data, p->size, &options->image, &p->reject)) {
        refuse(p);
        return;
    }
    p->width = image.width;
    p->height = image.height;
    p->orientation = image.orientation;
    p->grey16 = image.grey16;
    p->damaged = image.damaged;
    if (options->side)
        keep_pixels(p, &image, options->side);
    bt_image_free(&image);
}

static void *work(void *argument)
{
    struct bt_pool *pool = argument;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct bt_picture *p;

        while (!pool->first && !pool->stopping)
            pthread_cond_wait(&pool->asked, &pool->lock);
        p = pool->first;
        if (!p)
            break;
        pool->first = p->next;
        if (!pool->first)
            pool->last = &pool->first;
        pthread_mutex_unlock(&pool->lock);
        load(p, &pool->options);
        pthread_mutex_lock(&pool->lock);
        p->done = true;
        pthread_cond_broadcast(&pool->answered);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int bt_pool_new(struct bt_pool **pool, const struct bt_pool_options *options, struct bt_err *err)
{
    struct bt_pool *p = bt_alloc(1, sizeof *p, err);

    if (!p)
        return BT_ERR_MEMORY;
    p->options = *options;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->asked, NULL);
    pthread_cond_init(&p->answered, NULL);
    p->threads = bt_alloc((uint64_t)options->threads, sizeof *p->threads, err);
    while (p->threads && p->thread_count < options->threads) {
        int errnum = pthread_create(&p->threads[p->thread_count], NULL, work, p);
        if (errnum) {
            bt_fail(err, BT_ERR_OS, "thread: %s; use fewer --threads", strerror(errnum));
            break;
        }
        p->thread_count++;
    }
    if (p->thread_count < options->threads) {
        bt_pool_free(p);
        return err->status;
    }
    *pool = p;
    return BT_OK;
}

static struct bt_picture *submit(struct bt_pool *pool, struct bt_picture wanted, const char *path)
{
    struct bt_picture *p = calloc(1, sizeof *p);

    wanted.path = p ? bt_format("%s", path) : NULL;
    if (!wanted.path) {
        free(p);
        return NULL;
    }
    *p = wanted;
    p->references = 1;
    pthread_mutex_lock(&pool->lock);
    *pool->last = p;
    pool->last = &p->next;
    pthread_cond_signal(&pool->asked);
    pthread_mutex_unlock(&pool->lock);
    return p;
}

struct bt_picture *bt_pool_submit(struct bt_pool *pool, const struct bt_root *root, const char *path)
{
    return submit(pool, (struct bt_picture){ .root = root }, path);
}

struct bt_picture *bt_pool_submit_bytes(struct bt_pool *pool, uint8_t *bytes, size_t size, const char *name)
{
    struct bt_picture *p = submit(pool, (struct bt_picture){ .data = bytes, .size = size }, name);

    if (!p)
        free(bytes);
    return p;
}

struct bt_picture *bt_picture_share(struct bt_picture *picture)
{
    picture->references++; /* only the thread that submits shares and releases */
    return picture;
}

void bt_pool_wait(struct bt_pool *pool, struct bt_picture *picture)
{
    pthread_mutex_lock(&pool->lock);
    while (!picture->done)
        pthread_cond_wait(&pool->answered, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void bt_pool_release(struct bt_pool *pool, struct bt_picture *picture)
{
    if (!picture || --picture->references > 0)
        return;
    bt_pool_wait(pool, picture);
    free(picture->data);
    free((char *)picture->path);
    free(picture);
}

void bt_pool_free(struct bt_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->asked);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->asked);
    pthread_cond_destroy(&pool->answered);
    free(pool->threads);
    free(pool);
}
