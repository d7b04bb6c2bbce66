/* Readers of pictures that lie in a folder, with captions beside them in .txt files of the same stem, or
 * alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"

struct folder {
    struct bt_reader_of_items base;
    const char **paths;
    size_t count, at;
};

static void close_folder(struct bt_reader_of_items *r)
{
    free(r);
}

static size_t stem_length(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');

    return dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
}

static bool is_sidecar(const char *path)
{
    return strcasecmp(path + stem_length(path), ".txt") == 0;
}

/* The sidecar sorts near its picture: all paths with the stem in front are neighbours. */
static const char *find_sidecar(const struct folder *f, size_t picture)
{
    const char *path = f->paths[picture];
    size_t length = stem_length(path);

    for (int step = -1; step <= 1; step += 2) {
        size_t i = picture;
        while ((step < 0 ? i > 0 : i + 1 < f->count)) {
            i += (size_t)step;
            if (strncmp(f->paths[i], path, length) != 0)
                break;
            if (stem_length(f->paths[i]) == length && is_sidecar(f->paths[i]))
                return f->paths[i];
        }
    }
    return NULL;
}

/* Each line of the sidecar that is not blank is a caption. */
static int take_sidecar(struct bt_item *item, const struct bt_place *place, const char *path,
                        struct bt_err *err)
{
    struct bt_image_reject reject;
    json_t *captions, *caption;
    uint8_t *data;
    size_t size;
    char *line, *end;

    if (bt_root_read(place->root, path, &data, &size, &reject))
        return bt_item_reject(item, reject.code, "caption file: %.170s", reject.detail);
    captions = json_array();
    line = (char *)data;
    end = line + size;
    if (size >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    while (line < end && !item->reject.code) {
        char *next = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((next ? next : end) - line);

        if (length > 0 && line[length - 1] == '\r')
            length--;
        caption = json_stringn(line, length);
        if (memchr(line, 0, length))
            bt_item_reject(item, "TEXT_NUL", "a NUL byte in the caption file");
        else if (!caption)
            bt_item_reject(item, "TEXT_UTF8", "the caption file is not UTF-8");
        else if (length > 0)
            json_array_append(captions, caption);
        json_decref(caption);
        line = next ? next + 1 : end;
    }
    free(data);
    place->stats->captions++;
    return bt_item_set(item, "captions", captions, err);
}

/* A file whose name does not tell is judged by its first bytes. */
static bool is_picture(const struct bt_place *place, const char *path)
{
    struct bt_image_reject reject;
    uint8_t *data;
    size_t size;
    bool yes;

    if (bt_is_picture_name(path))
        return true;
    if (bt_root_read(place->root, path, &data, &size, &reject))
        return false;
    yes = bt_image_is_picture(data, size);
    free(data);
    return yes;
}

static int set_picture(struct bt_item *item, const struct bt_place *place, const char *path,
                       struct bt_err *err)
{
    item->root = place->root;
    item->src = path;
    item->id = bt_format("%s", path);
    item->image = bt_format("%s", path);
    item->fields = json_object();
    return item->id && item->image && item->fields ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

static void ignore(struct bt_annotations_stats *stats, const char *path)
{
    if (stats->ignored++ == 0)
        snprintf(stats->ignored_example, sizeof stats->ignored_example, "%s", path);
}

static int next_file(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct folder *f = (struct folder *)r;
    struct bt_annotations_stats *stats = r->place.stats;

    for (; f->at < f->count; f->at++) {
        const char *path = f->paths[f->at], *sidecar;
        int rc;

        if (is_sidecar(path))
            continue;
        if (!is_picture(&r->place, path)) {
            ignore(stats, path);
            continue;
        }
        stats->pictures++;
        rc = set_picture(item, &r->place, path, err);
        sidecar = rc ? NULL : find_sidecar(f, f->at);
        if (sidecar)
            rc = take_sidecar(item, &r->place, sidecar, err);
        f->at++;
        return rc;
    }
    return BT_END;
}

static int next_only(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct folder *f = (struct folder *)r;

    if (f->at++ > 0)
        return BT_END;
    r->place.stats->pictures++;
    return set_picture(item, &r->place, r->place.name, err);
}

static int make(struct bt_reader_of_items **r, const struct bt_place *place,
                int (*next)(struct bt_reader_of_items *, struct bt_item *, struct bt_err *),
                struct bt_err *err)
{
    struct folder *f = bt_alloc(1, sizeof *f, err);

    if (!f)
        return BT_ERR_MEMORY;
    f->base.place = *place;
    f->base.next = next;
    f->base.close = close_folder;
    *r = &f->base;
    return BT_OK;
}

int bt_read_folder(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    int rc = make(r, place, next_file, err);

    if (!rc)
        rc = bt_root_list(place->root, &((struct folder *)*r)->paths, &((struct folder *)*r)->count, err);
    return rc;
}

int bt_read_picture(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return make(r, place, next_only, err);
}
