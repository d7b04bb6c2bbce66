/* A queue, its threads with a worker each, one condition each way. See pool.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"
#include "libcommon/image/pool.h"
#include "libcommon/image/workers.h"

enum { MAX_FILE = 64 << 20 }; /* of bt_root_read */

struct bt_pool {
    struct bt_pool_options options;
    struct bt_workers *workers;
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct bt_picture *first, **last;
    pthread_t *threads;
    int thread_count; /* a thread's number is its worker's slot */
    bool stopping;
};

/* ---- in the worker ---- */

/* What a worker answers: this, and behind it pixels, or the file that takes the place of the one that came. */
struct answer {
    struct bt_image image; /* rgb means nothing here */
    char code[24];         /* "": a good picture */
    char detail[200];
};

enum { QUALITY = 95 };

static size_t pixel_bytes(const struct bt_pool_options *options)
{
    return options->jpeg ? 0 : (size_t)options->side * (size_t)options->side * 3;
}

/* Whether the pixels are others than the file has, so that a file of its own must hold them. */
static bool is_changed(const struct bt_image *image, const struct bt_pool_options *options)
{
    const struct bt_image_options *o = &options->image;
    bool large = options->max_side && (image->width > options->max_side || image->height > options->max_side);

    return options->side || large || image->rotated || (o->composite && image->alpha) || (o->scale_grey16 && image->grey16);
}

/* The size that the picture is kept in. */
static void fit(const struct bt_image *image, const struct bt_pool_options *options, int *width, int *height)
{
    int longer = image->width > image->height ? image->width : image->height;

    *width = options->side ? options->side : image->width;
    *height = options->side ? options->side : image->height;
    if (!options->side && options->max_side && longer > options->max_side) {
        *width = (int)(((int64_t)image->width * options->max_side + longer / 2) / longer);
        *height = (int)(((int64_t)image->height * options->max_side + longer / 2) / longer);
        *width = *width ? *width : 1;
        *height = *height ? *height : 1;
    }
}

/* The picture anew as a JPEG file, at most MAX_FILE bytes of it into `file`. */
static int encode(struct bt_image *image, const struct bt_pool_options *options, uint8_t *file, size_t *bytes, struct bt_err *err)
{
    struct bt_image fitted = { 0 };
    uint8_t *data = NULL;
    size_t size = 0;
    int rc = BT_OK;

    fit(image, options, &fitted.width, &fitted.height);
    fitted.rgb = bt_alloc((uint64_t)fitted.width * (uint64_t)fitted.height, 3, err);
    rc = fitted.rgb ? bt_image_resize(fitted.rgb, fitted.width, fitted.height, image, NULL, err) : err->status;
    if (!rc)
        rc = bt_image_write_jpeg(&data, &size, &fitted, QUALITY, err);
    if (!rc && size > MAX_FILE)
        rc = bt_fail(err, BT_ERR_LIMIT, "the JPEG file made of it has %zu bytes", size);
    if (!rc) {
        memcpy(file, data, size);
        *bytes = size;
        image->width = fitted.width;
        image->height = fitted.height;
    }
    free(data);
    free(fitted.rgb);
    return rc;
}

/* *kept: how many bytes of `room` are the picture's. */
static int decode(struct answer *answer, uint8_t *room, size_t *kept, const void *bytes, size_t size,
                  const struct bt_pool_options *options, struct bt_image_reject *reject)
{
    struct bt_err err = { 0 };
    struct bt_image image = { 0 };
    int rc = bt_image_decode(&image, bytes, size, &options->image, reject);

    *kept = pixel_bytes(options);
    if (!rc && *kept)
        rc = bt_image_resize(room, options->side, options->side, &image, NULL, &err);
    else if (!rc && is_changed(&image, options))
        rc = encode(&image, options, room, kept, &err);
    if (err.status)
        bt_image_refuse(reject, "DECODE_MEM", "%.190s", err.text);
    answer->image = image;
    bt_image_free(&image);
    answer->image.rgb = NULL;
    return rc;
}

static size_t work(void *reply, const void *bytes, size_t size, const void *context)
{
    const struct bt_pool_options *options = context;
    struct bt_image_reject reject = { 0 };
    struct answer *answer = reply;
    size_t kept;

    *answer = (struct answer){ .code = "" };
    if (decode(answer, (uint8_t *)(answer + 1), &kept, bytes, size, options, &reject)) {
        snprintf(answer->code, sizeof answer->code, "%s", reject.code);
        memcpy(answer->detail, reject.detail, sizeof answer->detail);
        return sizeof *answer;
    }
    return sizeof *answer + kept;
}

/* ---- in the threads ---- */

/* The most that may stand behind an answer. */
static size_t reply_bytes(const struct bt_pool_options *options)
{
    size_t pixels = pixel_bytes(options);

    return pixels ? pixels : MAX_FILE;
}

/* The code that lives for ever: the worker's bytes are not to be trusted. */
static const char *code_of(const char code[24])
{
    static const char *const codes[] = { "IMG_FORMAT", "IMG_TRUNCATED", "IMG_CORRUPT", "IMG_TOO_LARGE", "IMG_TOO_SMALL",
                                         "IMG_SCANS",  "IMG_CHUNK",     "IMG_COLOR",   "DECODE_MEM" };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strncmp(code, codes[i], 24) == 0)
            return codes[i];
    return "DECODE_CRASH";
}

static int take_answer(struct bt_picture *p, const struct answer *answer, size_t size, const struct bt_pool_options *options)
{
    size_t pixels = pixel_bytes(options), kept = size - sizeof *answer;

    if (size >= sizeof *answer && answer->code[0])
        return bt_image_refuse(&p->reject, code_of(answer->code), "%.199s", answer->detail);
    if (size < sizeof *answer || (pixels && kept != pixels) || kept > reply_bytes(options) || answer->image.width < 1 ||
        answer->image.height < 1)
        return bt_image_refuse(&p->reject, "DECODE_CRASH", "the decoder's answer makes no sense");
    p->image = answer->image;
    if (kept) {
        free(p->data);
        p->size = 0;
        p->data = malloc(kept);
        if (!p->data)
            return bt_image_refuse(&p->reject, "DECODE_MEM", "out of memory");
        memcpy(p->data, answer + 1, kept);
        p->size = kept;
    }
    return BT_OK;
}

static void load(struct bt_pool *pool, int slot, struct bt_picture *p)
{
    const void *reply;
    size_t size;
    int rc;

    if (p->root && bt_root_read(p->root, p->path, &p->data, &p->size, &p->reject))
        return;
    p->file_bytes = p->size;
    rc = bt_workers_call(pool->workers, slot, p->data, p->size, &reply, &size, &p->reject);
    if (!rc)
        rc = take_answer(p, reply, size, &pool->options);
    if (rc) {
        free(p->data);
        p->data = NULL;
        p->size = 0;
    }
}

struct start {
    struct bt_pool *pool;
    int slot;
};

static void *run(void *argument)
{
    struct start start = *(struct start *)argument;
    struct bt_pool *pool = start.pool;

    free(argument);
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
        load(pool, start.slot, p);
        pthread_mutex_lock(&pool->lock);
        p->done = true;
        pthread_cond_broadcast(&pool->answered);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- in the caller ---- */

static int start_workers(struct bt_pool *p, struct bt_err *err)
{
    struct bt_workers_options o = {
        .count = p->options.threads,
        .request_bytes = MAX_FILE,
        .reply_bytes = sizeof(struct answer) + reply_bytes(&p->options),
        .memory_bytes = p->options.memory_bytes ? p->options.memory_bytes : (size_t)1 << 30,
        .cpu_seconds = p->options.cpu_seconds ? p->options.cpu_seconds : 10,
        .work = work,
        .context = &p->options,
    };

    return bt_workers_new(&p->workers, &o, err);
}

static int start_thread(struct bt_pool *p, struct bt_err *err)
{
    struct start *start = bt_alloc(1, sizeof *start, err);
    int errnum;

    if (!start)
        return BT_ERR_MEMORY;
    *start = (struct start){ p, p->thread_count };
    errnum = pthread_create(&p->threads[p->thread_count], NULL, run, start);
    if (errnum) {
        free(start);
        return bt_fail(err, BT_ERR_OS, "thread: %s; use fewer --threads", strerror(errnum));
    }
    p->thread_count++;
    return BT_OK;
}

int bt_pool_new(struct bt_pool **pool, const struct bt_pool_options *options, struct bt_err *err)
{
    struct bt_pool *p = bt_alloc(1, sizeof *p, err);
    int rc;

    if (!p)
        return BT_ERR_MEMORY;
    p->options = *options;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->asked, NULL);
    pthread_cond_init(&p->answered, NULL);
    p->threads = bt_alloc((uint64_t)options->threads, sizeof *p->threads, err);
    rc = p->threads ? start_workers(p, err) : BT_ERR_MEMORY;
    for (int i = 0; !rc && i < options->threads; i++)
        rc = start_thread(p, err);
    if (rc)
        bt_pool_free(p);
    else
        *pool = p;
    return rc;
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
    bt_workers_free(pool->workers);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->asked);
    pthread_cond_destroy(&pool->answered);
    free(pool->threads);
    free(pool);
}
