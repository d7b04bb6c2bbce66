#include "libcommon/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/mapped.h"

enum { LFS_POINTER_MOST = 1024 }; /* bytes, by its specification */

static volatile bool stdout_broken;

ssize_t bt_read_full(int fd, void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, (char *)buf + done, size - done);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

int bt_write_full(int fd, const void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = write(fd, (const char *)buf + done, size - done);

        if (put < 0 && errno == EPIPE && fd == STDOUT_FILENO)
            stdout_broken = true;
        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0)
            done += (size_t)put;
    }
    return 0;
}

bool bt_stdout_broken(void)
{
    return stdout_broken;
}

/* ---------------------------------------------------------------- reading */

int bt_input_open(int *fd, const char *path, struct bt_err *err)
{
    struct stat st;
    int opened;

    if (strcmp(path, "-") == 0) {
        *fd = STDIN_FILENO;
        return BT_OK;
    }
    opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return bt_fail_errno(err, errno, 0, path, errno == ENOENT ? "check the name" : NULL);
    if (fstat(opened, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(opened);
        return bt_fail(err, BT_ERR_NOINPUT, "%s: is a directory; name a file in it", path);
    }
    *fd = opened;
    return BT_OK;
}

void bt_input_close(int fd)
{
    if (fd > STDERR_FILENO)
        close(fd);
}

const char *bt_input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

int bt_refuse_lfs_pointer(const char *path, const void *data, size_t size, struct bt_err *err)
{
    static const char begin[] = "version https://git-lfs.github.com/spec/";
    char text[LFS_POINTER_MOST + 1];
    const char *line;

    if (size > LFS_POINTER_MOST || size < sizeof begin - 1 || memcmp(data, begin, sizeof begin - 1) != 0)
        return BT_OK;
    memcpy(text, data, size);
    text[size] = '\0';
    line = strstr(text, "\nsize ");
    return !line ? BT_OK
                 : bt_fail(err, BT_ERR_INPUT,
                           "%s: is a Git LFS pointer, not the file of %lld bytes it stands for; run 'git lfs pull'", path,
                           strtoll(line + 6, NULL, 10));
}

/* Reads fd to its end into data that grows; room for the NUL is kept. */
static int read_all(int fd, const char *path, size_t limit, char **data, size_t *size, struct bt_err *err)
{
    struct stat st;
    size_t capacity = 1 << 16, used = 0;
    char *memory, *larger;
    ssize_t got;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= limit)
        capacity = (size_t)st.st_size + 2;
    memory = malloc(capacity);
    while (memory) {
        got = bt_read_full(fd, memory + used, capacity - 1 - used);
        if (got < 0) {
            free(memory);
            return bt_fail_errno(err, errno, 0, path, NULL);
        }
        used += (size_t)got;
        if (used > limit) {
            free(memory);
            return bt_fail(err, BT_ERR_LIMIT, "%s: is larger than the limit of %zu bytes; split it", path,
                           limit);
        }
        if (used < capacity - 1) {
            memory[used] = '\0';
            *data = memory;
            *size = used;
            return BT_OK;
        }
        larger = capacity <= SIZE_MAX / 2 ? realloc(memory, capacity * 2) : NULL;
        if (!larger)
            free(memory);
        memory = larger;
        capacity *= 2;
    }
    return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to hold it; free some", path);
}

int bt_file_read(const char *path, size_t limit, char **data, size_t *size, struct bt_err *err)
{
    char *memory = NULL;
    size_t used = 0;
    int fd = -1, rc = bt_input_open(&fd, path, err);

    if (!rc)
        rc = read_all(fd, bt_input_name(path), limit, &memory, &used, err);
    if (!rc)
        rc = bt_refuse_lfs_pointer(path, memory, used, err);
    if (!rc) {
        *data = memory;
        *size = used;
        memory = NULL;
    }
    free(memory);
    bt_input_close(fd);
    return rc;
}

int bt_map_open(struct bt_map *map, const char *path, struct bt_err *err)
{
    static const uint8_t nothing[1];
    struct stat st;
    struct bt_map made = { .data = nothing };
    void *memory;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = BT_OK;

    if (fd < 0)
        return bt_fail_errno(err, errno, 0, path, errno == ENOENT ? "check the name" : NULL);
    if (fstat(fd, &st) != 0)
        rc = bt_fail_errno(err, errno, 0, path, NULL);
    else if (!S_ISREG(st.st_mode))
        rc = bt_fail(err, BT_ERR_NOINPUT, "%s: is not a regular file; copy what it gives to a file first",
                     path);
    if (!rc && st.st_size > 0) {
        memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (memory == MAP_FAILED)
            rc = bt_fail_errno(err, errno, 0, path, NULL);
        else
            made = (struct bt_map){ memory, (size_t)st.st_size, NULL };
    }
    close(fd);
    if (!rc && !(made.name = strdup(path)))
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to open it; free some", path);
    if (!rc && made.size > 0)
        bt_mapped_add(made.data, made.size, made.name);
    if (!rc)
        rc = bt_refuse_lfs_pointer(path, made.data, made.size, err);
    if (rc)
        bt_map_close(&made);
    else
        *map = made;
    return rc;
}

void bt_map_close(struct bt_map *map)
{
    if (!map)
        return;
    if (map->size > 0) {
        bt_mapped_remove(map->data);
        munmap((void *)(uintptr_t)map->data, map->size);
    }
    free(map->name);
    *map = (struct bt_map){ 0 };
}

/* ---------------------------------------------------------------- directories */

static int make_dir(const char *path, struct bt_err *err)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && bt_path_is_dir(path)))
        return BT_OK;
    if (errno == EEXIST)
        return bt_fail(err, BT_ERR_CANTCREAT, "%s: is a file and a directory is needed; choose another name",
                       path);
    return bt_fail_errno(err, errno, 1, path, NULL);
}

int bt_make_dirs(const char *path, struct bt_err *err)
{
    char *copy = strdup(path);
    int rc = BT_OK;

    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to make it; free some", path);
    for (char *slash = strchr(copy + (*copy == '/'), '/'); !rc && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (slash[-1] != '\0')
            rc = make_dir(copy, err);
        *slash = '/';
    }
    if (!rc)
        rc = make_dir(copy, err);
    free(copy);
    return rc;
}

int bt_fsync_dir(const char *path, struct bt_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = BT_OK;

    if (fd < 0)
        return bt_fail_errno(err, errno, 1, path, NULL);
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    close(fd);
    return rc;
}

bool bt_path_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

bool bt_path_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *bt_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    return text;
}
