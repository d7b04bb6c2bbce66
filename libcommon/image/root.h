/* The folder under which pictures are found. Paths that come out of data files never leave it.
 * Source: formats.md 11 (paths inside data); the reject codes are those of formats.md 4. */
#ifndef BT_IMAGE_ROOT_H
#define BT_IMAGE_ROOT_H

#include "libcommon/image/image.h"

struct bt_root;

int bt_root_open(struct bt_root **root, const char *dir, struct bt_err *err);

/* The file at `path` below the root, at most 64 MiB, in memory that the caller frees. BT_ERR_IMAGE with a
 * reject: FILE_MISSING, FILE_ACCESS, FILE_TYPE, FILE_TOO_LARGE, PATH_ESCAPE, PATH_URL. Thread-safe. */
int bt_root_read(const struct bt_root *root, const char *path, uint8_t **data, size_t *size,
                 struct bt_image_reject *reject);

/* How many bytes the file at `path` has; -1 when bt_root_read would not take it. */
int64_t bt_root_size(const struct bt_root *root, const char *path);

/* All files below the root, as paths relative to it, in byte order; hidden ones and folders that are links
 * are left out. Listed once; the names live as long as the root. */
int bt_root_list(struct bt_root *root, const char ***paths, size_t *count, struct bt_err *err);

/* Where a file lies of which only the bare name is known, or only the number its stem ends with (name
 * NULL): COCO's annotations say neither folder nor, for questions, name. NULL in *path when there is none;
 * a file directly in the root comes first, then the first in byte order. Not thread-safe. */
int bt_root_find(struct bt_root *root, const char *name, int64_t number, const char **path,
                 struct bt_err *err);

void bt_root_close(struct bt_root *root);

#endif
