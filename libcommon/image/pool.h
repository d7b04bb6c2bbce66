/* Pictures read and checked by several threads, handed back in the order the caller asks for them. */
#ifndef BT_IMAGE_POOL_H
#define BT_IMAGE_POOL_H

#include "libcommon/image/image.h"
#include "libcommon/image/root.h"

struct bt_pool_options {
    struct bt_image_options image;
    int threads; /* at least 1 */
    int side;    /* 0: keep the file's bytes; else resize to side x side and keep those pixels */
};

/* One picture. Once bt_pool_wait has returned it is read-only. */
struct bt_picture {
    const char *path;
    uint8_t *data; /* the file, or pixels [side][side][3]; NULL when refused */
    size_t size, file_bytes;
    int width, height, orientation;
    bool grey16, damaged;
    struct bt_image_reject reject; /* code NULL: a good picture */

    /* the pool's own */
    const struct bt_root *root;
    struct bt_picture *next;
    int references;
    bool done;
};

struct bt_pool;

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
