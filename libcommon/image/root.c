/* Opening beneath a folder, and finding files in it. See root.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"
#include "libcommon/image/root.h"

enum { MAX_FILE = 64 << 20, MAX_DEPTH = 32 };

/* A listed file: its path, the last part of it, and the number that its stem ends with (-1: none). */
struct found {
    const char *path, *name;
    int64_t number;
};

struct bt_root {
    int fd;
    char *dir;
    struct bt_arena *arena;
    const char **paths;
    uint64_t count, capacity;
    bool listed;
    struct found *by_name, *by_number; /* NULL until asked for */
};

int bt_root_open(struct bt_root **root, const char *dir, struct bt_err *err)
{
    struct bt_root *r = bt_alloc(1, sizeof *r, err);

    if (!r)
        return BT_ERR_MEMORY;
    r->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->fd < 0) {
        free(r);
        return bt_fail_errno(err, errno, 0, bt_quote_str(dir),
                             "name the folder of the pictures with --images");
    }
    r->dir = bt_format("%s", dir);
    r->arena = bt_arena_new(1 << 16);
    if (!r->dir || !r->arena) {
        bt_root_close(r);
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    }
    *root = r;
    return BT_OK;
}

void bt_root_close(struct bt_root *root)
{
    if (!root)
        return;
    if (root->fd >= 0)
        close(root->fd);
    free(root->dir);
    bt_arena_free(root->arena);
    free(root->paths);
    free(root->by_name);
    free(root->by_number);
    free(root);
}

/* ---- opening ---- */

/* Part by part, no link followed: stricter than the system call, for kernels without it. */
static int open_by_parts(int root_fd, const char *path)
{
    char part[NAME_MAX + 1];
    int fd = root_fd, depth = 0;

    for (;;) {
        size_t length;
        int next;

        while (*path == '/')
            path++;
        length = strcspn(path, "/");
        if (length == 0 || length > NAME_MAX) {
            next = -1;
            errno = ENOENT;
        } else {
            bool last = path[length + strspn(path + length, "/")] == 0;

            memcpy(part, path, length);
            part[length] = 0;
            depth += strcmp(part, "..") == 0 ? -1 : strcmp(part, ".") == 0 ? 0 : 1;
            errno = EXDEV;
            next =
                depth < 0
                    ? -1
                    : openat(fd, part,
                             O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY | O_PATH));
            path += length;
            if (fd != root_fd)
                close(fd);
            if (next < 0 || last)
                return next;
            fd = next;
            continue;
        }
        if (fd != root_fd)
            close(fd);
        return next;
    }
}

static int open_beneath(int root_fd, const char *path)
{
    struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);

    /* EPERM: old container sandboxes answer so for calls they do not know. */
    return fd < 0 && (errno == ENOSYS || errno == EPERM) ? open_by_parts(root_fd, path) : fd;
}

static bool is_url(const char *path)
{
    size_t n = 0;

    while (isalnum((unsigned char)path[n]) || (n > 0 && path[n] && strchr("+.-", path[n])))
        n++;
    return n >= 2 && path[n] == ':' && isalpha((unsigned char)path[0]);
}

static int refuse_errno(struct bt_image_reject *reject, int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        return bt_image_refuse(reject, "FILE_MISSING", "no such file under the image root");
    case EXDEV:
    case ELOOP:
        return bt_image_refuse(reject, "PATH_ESCAPE", "the path leads out of the image root");
    default:
        return bt_image_refuse(reject, "FILE_ACCESS", "%s", strerror(errnum));
    }
}

static int read_all(int fd, uint8_t **data, size_t *size, struct bt_image_reject *reject)
{
    struct stat st;
    uint8_t *bytes;
    ssize_t got;

    if (fstat(fd, &st) < 0)
        return refuse_errno(reject, errno);
    if (!S_ISREG(st.st_mode))
        return bt_image_refuse(reject, "FILE_TYPE", "not a regular file");
    if (st.st_size > MAX_FILE)
        return bt_image_refuse(reject, "FILE_TOO_LARGE", "%lld bytes, the limit is %d", (long long)st.st_size,
                               MAX_FILE);
    bytes = malloc((size_t)st.st_size + 1);
    if (!bytes)
        return bt_image_refuse(reject, "DECODE_MEM", "out of memory");
    got = bt_read_full(fd, bytes, (size_t)st.st_size);
    if (got < 0) {
        free(bytes);
        return refuse_errno(reject, errno);
    }
    *data = bytes;
    *size = (size_t)got;
    return BT_OK;
}

int bt_root_read(const struct bt_root *root, const char *path, uint8_t **data, size_t *size,
                 struct bt_image_reject *reject)
{
    int fd, rc;

    if (is_url(path))
        return bt_image_refuse(reject, "PATH_URL", "an address, not a file; nothing is fetched");
    if (path[0] == '/')
        return bt_image_refuse(reject, "PATH_ESCAPE",
                               "an absolute path; map it below the root with --map-prefix");
    fd = open_beneath(root->fd, path);
    if (fd < 0)
        return refuse_errno(reject, errno);
    rc = read_all(fd, data, size, reject);
    close(fd);
    return rc;
}

int64_t bt_root_size(const struct bt_root *root, const char *path)
{
    int fd = is_url(path) || path[0] == '/' ? -1 : open_beneath(root->fd, path);
    struct stat st;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_FILE;

    if (fd >= 0)
        close(fd);
    return good ? (int64_t)st.st_size : -1;
}

/* ---- listing ---- */

static int add_path(struct bt_root *r, const char *prefix, const char *name, struct bt_err *err)
{
    char *path = bt_format("%s%s", prefix, name);
    int rc = path ? bt_grow(&r->paths, &r->capacity, r->count + 1, sizeof *r->paths, err) : BT_ERR_MEMORY;

    if (!rc) {
        r->paths[r->count] = bt_arena_str(r->arena, path, strlen(path));
        rc = r->paths[r->count] ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        r->count++;
    }
    free(path);
    return rc;
}

static int list(struct bt_root *r, int fd, const char *prefix, int depth, struct bt_err *err)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int rc = BT_OK;

    if (!dir) {
        close(fd);
        return bt_fail_errno(err, errno, 0, r->dir, NULL);
    }
    while (!rc && (entry = readdir(dir)) != NULL) {
        struct stat st;

        if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISLNK(st.st_mode) && (fstatat(fd, entry->d_name, &st, 0) < 0 || S_ISDIR(st.st_mode)))
            continue;
        if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
            char *below = bt_format("%s%s/", prefix, entry->d_name);
            int sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (sub < 0)
                rc = bt_fail_errno(err, errno, 0, below, NULL);
            else
                rc = list(r, sub, below, depth + 1, err);
            free(below);
        } else if (S_ISREG(st.st_mode)) {
            rc = add_path(r, prefix, entry->d_name, err);
        }
    }
    closedir(dir);
    return rc;
}

static int order_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int bt_root_list(struct bt_root *root, const char ***paths, size_t *count, struct bt_err *err)
{
    if (!root->listed) {
        int fd = openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

        if (fd < 0)
            return bt_fail_errno(err, errno, 0, root->dir, NULL);
        root->count = 0;
        rc = list(root, fd, "", 0, err);
        if (rc)
            return rc;
        if (root->count)
            qsort(root->paths, root->count, sizeof *root->paths, order_paths);
        root->listed = true;
    }
    *paths = root->paths;
    *count = root->count;
    return BT_OK;
}

/* ---- finding ---- */

static int64_t stem_number(const char *name)
{
    const char *dot = strrchr(name, '.'), *end = dot ? dot : name + strlen(name), *p = end;
    int64_t value = 0;

    while (p > name && isdigit((unsigned char)p[-1]))
        p--;
    if (p == end || end - p > 18)
        return -1;
    for (; p < end; p++)
        value = value * 10 + (*p - '0');
    return value;
}

static int order_names(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->path, y->path);
}

static int order_numbers(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->path, y->path);
}

static int make_index(struct bt_root *r, struct bt_err *err)
{
    const char **paths, *slash;
    size_t count;
    int rc = bt_root_list(r, &paths, &count, err);

    if (rc)
        return rc;
    r->by_name = bt_alloc(count, sizeof *r->by_name, err);
    r->by_number = bt_alloc(count, sizeof *r->by_number, err);
    if (!r->by_name || !r->by_number)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        slash = strrchr(paths[i], '/');
        r->by_name[i] = (struct found){ paths[i], slash ? slash + 1 : paths[i], 0 };
        r->by_name[i].number = stem_number(r->by_name[i].name);
        r->by_number[i] = r->by_name[i];
    }
    qsort(r->by_name, count, sizeof *r->by_name, order_names);
    qsort(r->by_number, count, sizeof *r->by_number, order_numbers);
    return BT_OK;
}

int bt_root_find(struct bt_root *root, const char *name, int64_t number, const char **path,
                 struct bt_err *err)
{
    const struct found *sorted, key = { "", name, number };
    int (*order)(const void *, const void *) = name ? order_names : order_numbers;
    size_t low = 0, high;
    int rc;

    if (name && faccessat(root->fd, name, F_OK, 0) == 0) {
        *path = name;
        return BT_OK;
    }
    rc = root->by_number ? BT_OK : make_index(root, err);
    if (rc)
        return rc;
    sorted = name ? root->by_name : root->by_number;
    high = root->count;
    while (low < high) { /* the first that is not before (key, "") */
        size_t middle = low + (high - low) / 2;
        if (order(&sorted[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *path = NULL;
    if (low < root->count && (name ? strcmp(sorted[low].name, name) == 0 : sorted[low].number == number))
        *path = sorted[low].path;
    return BT_OK;
}
