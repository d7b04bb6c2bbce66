/* Files in the making (formats.md 5), and the removal of what must not stay. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"

enum { COPY_BYTES = 1 << 20 };

static struct bt_outfile *open_files;
static pthread_mutex_t open_files_lock = PTHREAD_MUTEX_INITIALIZER;

static void list_add(struct bt_outfile *out)
{
    pthread_mutex_lock(&open_files_lock);
    out->next = open_files;
    open_files = out;
    pthread_mutex_unlock(&open_files_lock);
}

static void list_remove(const struct bt_outfile *out)
{
    pthread_mutex_lock(&open_files_lock);
    for (struct bt_outfile **link = &open_files; *link; link = &(*link)->next)
        if (*link == out) {
            *link = out->next;
            break;
        }
    pthread_mutex_unlock(&open_files_lock);
}

void bt_outfile_abandon_all(void)
{
    pthread_mutex_lock(&open_files_lock);
    for (struct bt_outfile *out = open_files; out; out = out->next)
        if (out->temp_name)
            unlinkat(out->dir_fd, out->temp_name, 0);
    pthread_mutex_unlock(&open_files_lock);
}

/* ---------------------------------------------------------------- opening */

/* .bt-<name>.<16 hex>.tmp; of a very long name its beginning, so that the whole is still a legal name. */
#define TEMP_FORMAT ".bt-%.200s."

static bool is_temp_of(const char *entry, const char *name)
{
    char prefix[256];
    size_t length = (size_t)snprintf(prefix, sizeof prefix, TEMP_FORMAT, name);

    return strncmp(entry, prefix, length) == 0 && strspn(entry + length, "0123456789abcdef") == 16 &&
           strcmp(entry + length + 16, ".tmp") == 0;
}

/* Temporary files of the same name that nobody holds a lock on: their writers were killed. */
static void remove_leftovers(const struct bt_outfile *out)
{
    int fd = openat(out->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        if (!is_temp_of(entry->d_name, out->name))
            continue;
        fd = openat(out->dir_fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(out->dir_fd, entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
}

/* Makes and locks the temporary file; 0 or -1 with errno. */
static int make_temp(struct bt_outfile *out)
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];
    struct stat st;

    for (int attempt = 0; attempt < 8; attempt++) {
        if (getrandom(random, sizeof random, 0) != sizeof random)
            return -1;
        bt_hex(hex, random, sizeof random);
        free(out->temp_name);
        out->temp_name = bt_format(TEMP_FORMAT "%s.tmp", out->name, hex);
        if (!out->temp_name) {
            errno = ENOMEM;
            return -1;
        }
        out->fd =
            openat(out->dir_fd, out->temp_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (out->fd < 0)
            return -1;
        /* Where the file system knows no locks, leftovers are never taken for such either. Between making and
         * locking, another run may have removed the file as a leftover: then make another. */
        if (flock(out->fd, LOCK_EX) != 0 || (fstat(out->fd, &st) == 0 && st.st_nlink > 0))
            return 0;
        close(out->fd);
        out->fd = -1;
    }
    errno = EAGAIN;
    return -1;
}

/* Opens the directory that the file will be in. */
static int open_parent(struct bt_outfile *out, struct bt_err *err)
{
    size_t length = (size_t)(out->name - out->path);
    char *parent = length ? strndup(out->path, length) : strdup(".");
    int rc = BT_OK;

    if (!parent)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to make it; free some", out->path);
    out->dir_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->dir_fd < 0)
        rc = bt_fail_errno(err, errno, 1, parent, errno == ENOENT ? "make the directory first" : NULL);
    free(parent);
    return rc;
}

static int refuse_existing(const struct bt_outfile *out, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_EXISTS, "%s: exists; name another output, or use --force to replace it",
                   out->path);
}

static int open_temp(struct bt_outfile *out, struct bt_err *err)
{
    struct stat st;
    int rc = open_parent(out, err);

    if (rc)
        return rc;
    if (!out->force && fstatat(out->dir_fd, out->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse_existing(out, err);
    remove_leftovers(out);
    if (make_temp(out) != 0)
        return bt_fail_errno(err, errno, 1, out->path, NULL);
    list_add(out);
    return BT_OK;
}

int bt_outfile_open(struct bt_outfile *out, const char *path, bool force, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    int rc = BT_OK;

    *out = (struct bt_outfile){ .fd = -1, .dir_fd = -1, .force = force, .path = strdup(path) };
    if (!out->path)
        return bt_fail(err, BT_ERR_MEMORY, "%s: no memory to open it; free some", path);
    out->name = slash ? out->path + (slash - path) + 1 : out->path;

    if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0) {
        out->direct = true;
        out->fd = STDOUT_FILENO;
    } else if (*out->name == '\0') {
        rc = bt_fail(err, BT_ERR_USAGE, "%s: is not the name of a file; name one", *path ? path : "''");
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        rc = bt_fail(err, BT_ERR_CANTCREAT, "%s: is a directory; name a file in it", path);
    } else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        out->direct = true;
        out->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (out->fd < 0)
            rc = bt_fail_errno(err, errno, 1, path, NULL);
    } else {
        rc = open_temp(out, err);
    }
    if (rc)
        bt_outfile_close(out);
    return rc;
}

/* ---------------------------------------------------------------- writing and finishing */

int bt_outfile_write(struct bt_outfile *out, const void *data, size_t size, struct bt_err *err)
{
    if (bt_write_full(out->fd, data, size) == 0)
        return BT_OK;
    return bt_fail_errno(err, errno, 1, out->fd == STDOUT_FILENO ? "stdout" : out->path,
                         errno == ENOSPC ? "free space and run again" : NULL);
}

static mode_t file_mode(bool read_only)
{
    mode_t mask = umask(077); /* the only way to read it; what another thread makes meanwhile is private */

    umask(mask);
    return (read_only ? 0444 : 0666) & ~mask;
}

/* Gives the temporary file its name; without force, not over another. 0 or -1 with errno. */
static int rename_temp(struct bt_outfile *out)
{
    struct stat st;

    if (out->force)
        return renameat(out->dir_fd, out->temp_name, out->dir_fd, out->name);
    if (renameat2(out->dir_fd, out->temp_name, out->dir_fd, out->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (fstatat(out->dir_fd, out->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(out->dir_fd, out->temp_name, out->dir_fd, out->name);
}

static bool cannot_sync(void)
{
    return errno == EINVAL || errno == ENOTSUP || errno == EROFS; /* file systems without fsync */
}

static int finish_temp(struct bt_outfile *out, struct bt_err *err)
{
    int closed;

    if ((fsync(out->fd) != 0 && !cannot_sync()) || fchmod(out->fd, file_mode(out->read_only)) != 0)
        return bt_fail_errno(err, errno, 1, out->path, "run again");
    if (rename_temp(out) != 0)
        return errno == EEXIST ? refuse_existing(out, err) : bt_fail_errno(err, errno, 1, out->path, NULL);

    list_remove(out);
    free(out->temp_name);
    out->temp_name = NULL;
    closed = close(out->fd); /* network file systems may report a failed write only here */
    out->fd = -1;
    if (closed != 0 || (fsync(out->dir_fd) != 0 && !cannot_sync())) {
        int why = errno;

        unlinkat(out->dir_fd, out->name, 0);
        return bt_fail_errno(err, why, 1, out->path, "run again");
    }
    return BT_OK;
}

int bt_outfile_finish(struct bt_outfile *out, struct bt_err *err)
{
    int rc = BT_OK;

    if (!out->direct)
        rc = finish_temp(out, err);
    else if (out->fd != STDOUT_FILENO && close(out->fd) != 0)
        rc = bt_fail_errno(err, errno, 1, out->path, NULL);
    if (out->direct)
        out->fd = -1;
    bt_outfile_close(out);
    return rc;
}

void bt_outfile_close(struct bt_outfile *out)
{
    if (!out || !out->path)
        return;
    if (out->temp_name) {
        if (out->fd >= 0)
            unlinkat(out->dir_fd, out->temp_name, 0);
        list_remove(out);
    }
    if (out->fd > STDERR_FILENO)
        close(out->fd);
    if (out->dir_fd >= 0)
        close(out->dir_fd);
    free(out->temp_name);
    free(out->path);
    *out = (struct bt_outfile){ .fd = -1, .dir_fd = -1 };
}

int bt_file_write(const char *path, const void *data, size_t size, bool force, struct bt_err *err)
{
    struct bt_outfile out = { 0 };
    int rc = bt_outfile_open(&out, path, force, err);

    if (!rc)
        rc = bt_outfile_write(&out, data, size, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    return rc;
}

static int copy_bytes(int fd, const char *from, struct bt_outfile *out, const char *sha256, struct bt_err *err)
{
    struct bt_sha256_state *sha = bt_sha256_new();
    uint8_t digest[32], *piece = bt_alloc(COPY_BYTES, 1, err);
    char hex[2 * sizeof digest + 1];
    ssize_t got = 0;
    int rc = sha && piece ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: no memory to copy it; free some", from);

    while (!rc && (got = bt_read_full(fd, piece, COPY_BYTES)) > 0) {
        bt_sha256_add(sha, piece, (size_t)got);
        rc = bt_outfile_write(out, piece, (size_t)got, err);
    }
    if (!rc && got < 0)
        rc = bt_fail_errno(err, errno, 0, from, NULL);
    if (!rc) {
        bt_sha256_value(sha, digest);
        bt_hex(hex, digest, sizeof digest);
        if (strcmp(hex, sha256) != 0)
            rc = bt_fail(err, BT_ERR_INPUT, "%s: sha256 is %s and must be %s; fetch it again", from, hex, sha256);
    }
    free(piece);
    bt_sha256_free(sha);
    return rc;
}

int bt_file_copy(const char *from, const char *to, const char *sha256, struct bt_err *err)
{
    struct bt_outfile out = { 0 };
    int fd = -1, rc = bt_input_open(&fd, from, err);

    if (!rc)
        rc = bt_outfile_open(&out, to, true, err);
    if (!rc)
        rc = copy_bytes(fd, from, &out, sha256, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    bt_input_close(fd);
    return rc;
}

/* ---------------------------------------------------------------- removal */

/* Removes what is in the directory that fd is open on; closes fd. 0 or -1 with errno. */
static int empty_dir(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int rc = 0, below;

    if (!dir) {
        close(fd);
        return -1;
    }
    while (rc == 0 && (errno = 0, entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            rc = empty_dir(below) == 0 ? unlinkat(fd, entry->d_name, AT_REMOVEDIR) : -1;
        else
            rc = unlinkat(fd, entry->d_name, 0);
    }
    if (errno != 0)
        rc = -1;
    closedir(dir);
    return rc;
}

int bt_remove_dir(const char *path, struct bt_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return BT_OK;
    if (fd < 0 || empty_dir(fd) != 0 || rmdir(path) != 0)
        return bt_fail_errno(err, errno, 1, path, NULL);
    return BT_OK;
}
