/* Reader of a list of picture paths, one a line or one before each NUL, as find(1) prints them. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

struct paths {
    struct bt_reader_of_items base;
    struct bt_lines *lines;
};

static void close_paths(struct bt_reader_of_items *r)
{
    struct paths *p = (struct paths *)r;

    bt_lines_close(p->lines);
    free(p);
}

/* A list is its writer's own word on where the pictures are, so without a folder to stay in its absolute paths count. */
static int place_picture(struct bt_item *item, const struct bt_place *place, const char *path, struct bt_err *err)
{
    bool absolute = path[0] == '/' && !place->options->images;

    item->root = absolute ? place->top : place->root;
    item->image = bt_format("%s", absolute ? path + strspn(path, "/") : path);
    item->id = bt_format("%s", path);
    item->fields = json_object();
    return item->image && item->id && item->fields ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
}

static int next_path(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct paths *p = (struct paths *)r;
    const char *path;
    size_t size;
    int rc;

    do
        rc = bt_lines_next(p->lines, &path, &size, err);
    while (!rc && size == 0);
    if (rc)
        return rc;
    r->place.stats->pictures++;
    if (strlen(path) == size)
        return place_picture(item, &r->place, path, err);
    item->id = bt_format("%s:%llu", r->place.name, (unsigned long long)bt_lines_number(p->lines));
    return item->id ? bt_item_reject(item, "TEXT_NUL", "a NUL byte in the path; read lists that NULs divide with -0")
                    : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", r->place.path);
}

int bt_read_paths(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct paths *p = bt_alloc(1, sizeof *p, err);
    int rc = p ? bt_lines_open(&p->lines, place->path, err) : BT_ERR_MEMORY;

    if (rc) {
        free(p);
        return rc;
    }
    if (place->options->nul)
        bt_lines_delimit(p->lines, '\0');
    p->base = (struct bt_reader_of_items){ .place = *place, .next = next_path, .close = close_paths };
    *r = &p->base;
    return BT_OK;
}
