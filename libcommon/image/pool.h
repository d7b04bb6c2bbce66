/* Pictures read by several threads, decoded in as many processes of their own (workers.h), and handed back in the
 * order the caller asks for them: the same for any number of threads. A picture that crashes its decoder, or
 * exceeds the limits, is one reject. */
#ifndef BT_IMAGE_POOL_H
#define BT_IMAGE_POOL_H

#include "libcommon/image/image.h"
#include "libcommon/image/root.h"

struct bt_pool_options {
    struct bt_image_options image;
    int threads;         /* at least 1 */
    int side;            /* 0: keep the file's bytes; else resize to side x side and keep those pixels */
    bool jpeg;           /* with a side: keep a JPEG file of those pixels */
    int max_side;        /* 0: any; without a side: make larger pictures so small that they fit, and keep a JPEG file */
    size_t memory_bytes; /* 0: 1 GiB; address space for one decoder */
    int cpu_seconds;     /* 0: 10; processor time for one picture */
};

/* One picture. Once bt_pool_wait has returned it is read-only. */
struct bt_picture {
    const char *path;
    uint8_t *data; /* the file, or pixels [side][side][3]; NULL when refused */
    size_t size, file_bytes;
    struct bt_image image; /* what is known of it, without pixels */
    struct bt_image_reject reject; /* code NULL: a good picture */

    /* the pool's own */
    const struct bt_root *root;
    struct bt_picture *next;
    int references;
    bool done;
};

struct bt_pool;

/* Starts processes and threads: call it early. */
int bt_pool_new(struct bt_pool **pool, const struct bt_pool_options *options, struct bt_err *err);
/* Asks for the file at `path` below the root, which must outlive it. NULL when out of memory. */
struct bt_picture *bt_pool_submit(struct bt_pool *pool, const struct bt_root *root, const char *path);
/* The same for a file that is in memory already, whose bytes it takes, also when it returns NULL. */
struct bt_picture *bt_pool_submit_bytes(struct bt_pool *pool, uint8_t *bytes, size_t size, const char *name);
/* The same picture for one more release. */
struct bt_picture *bt_picture_share(struct bt_picture *picture);
void bt_pool_wait(struct bt_pool *pool, struct bt_picture *picture);
/* Waits if need be; NULL is fine. */
void bt_pool_release(struct bt_pool *pool, struct bt_picture *picture);
/* Every picture must have been released. */
void bt_pool_free(struct bt_pool *pool);

#endif
