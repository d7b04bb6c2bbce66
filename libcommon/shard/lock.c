#include "libcommon/shard/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"

/* A lock of the system goes with its holder, a file in its stead may be all that is left of one. */
enum { TELL_S = 10, WAIT_S = 600 };

static int is_locked(int fd, const char *what, struct bt_err *err)
{
    char owner[300];
    ssize_t n = fd < 0 ? 0 : pread(fd, owner, sizeof owner, 0);

    return bt_fail(err, BT_ERR_LOCKED,
                   "%s: being written by %s; wait, or if that process is gone use --break-lock", what,
                   n > 0 ? bt_quote(owner, (size_t)n) : "another process");
}

static int write_owner(int fd, const char *path, struct bt_err *err)
{
    char owner[300], host[200] = "?";

    gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s pid %ld", host, (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, strlen(owner), 0) < 0)
        return bt_fail_errno(err, errno, 1, path, NULL);
    return BT_OK;
}

/* The file system knows no locks: a file that only one can make is one. */
static int hold_file(struct bt_lock *lock, const char *path, const char *what, struct bt_err *err)
{
    lock->held = bt_format("%s.held", path);
    if (!lock->held)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", what);
    int fd = open(lock->held, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644), rc = BT_OK;
    if (fd >= 0) {
        rc = write_owner(fd, lock->held, err);
        close(fd);
        return rc;
    }
    if (errno == EEXIST) {
        fd = open(lock->held, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        rc = is_locked(fd, what, err);
        if (fd >= 0)
            close(fd);
    } else {
        rc = bt_fail_errno(err, errno, 1, lock->held, NULL);
    }
    free(lock->held);
    lock->held = NULL;
    return rc;
}

/* Whether the file that was locked still has its name: its holder may have removed it as it ended. */
static bool has_name(int fd, const char *path)
{
    struct stat locked, named;

    return fstat(fd, &locked) == 0 && stat(path, &named) == 0 && locked.st_ino == named.st_ino;
}

/* *again: the file that was locked is not the one that bears the name now. */
static int lock_open_file(struct bt_lock *lock, const char *path, const char *what, bool *again,
                          struct bt_err *err)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    *again = false;
    if (fcntl(lock->fd, F_OFD_SETLK, &whole) == 0) {
        *again = !has_name(lock->fd, path);
        return *again ? BT_OK : write_owner(lock->fd, path, err);
    }
    return errno == EAGAIN || errno == EACCES ? is_locked(lock->fd, what, err)
                                              : hold_file(lock, path, what, err);
}

/* What its holder has locked is a file without a name from now on. */
static int remove_lock(const char *path, struct bt_err *err)
{
    char *held = bt_format("%s.held", path);
    int rc = held ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);

    if (!rc && ((unlink(path) != 0 && errno != ENOENT) || (unlink(held) != 0 && errno != ENOENT)))
        rc = bt_fail_errno(err, errno, 1, path, NULL);
    free(held);
    return rc;
}

int bt_lock_take(struct bt_lock *lock, const char *path, const char *what, bool break_lock,
                 struct bt_err *err)
{
    int rc = break_lock ? remove_lock(path, err) : BT_OK;
    bool again = true;

    *lock = (struct bt_lock){ .fd = -1 };
    while (!rc && again) {
        lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (lock->fd < 0)
            return bt_fail_errno(err, errno, 1, path, NULL);
        rc = lock_open_file(lock, path, what, &again, err);
        if (rc || again)
            bt_lock_release(lock);
    }
    return rc;
}

bool bt_lock_is_held(const char *path)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char *held = bt_format("%s.held", path);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool is = !held || bt_path_exists(held) || (fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK);

    if (fd >= 0)
        close(fd);
    free(held);
    return is;
}

bool bt_lock_is_lost(const struct bt_lock *lock, const char *path)
{
    return lock->held ? !bt_path_exists(lock->held) : !has_name(lock->fd, path);
}

int bt_lock_wait(struct bt_lock *lock, const char *path, const char *what, bool break_lock, struct bt_err *err)
{
    const struct timespec moment = { .tv_nsec = 20000000 };
    char *held = bt_format("%s.held", path);
    double begun = bt_now_s();
    bool told = false;
    int rc;

    while ((rc = bt_lock_take(lock, path, what, break_lock, err)) == BT_ERR_LOCKED && !bt_stop_requested()) {
        double waited = bt_now_s() - begun;

        if (waited > WAIT_S && (!held || bt_path_exists(held)))
            break;
        if (waited > TELL_S && !told)
            bt_note("%s", err->text);
        told = waited > TELL_S;
        bt_err_clear(err);
        nanosleep(&moment, NULL);
    }
    free(held);
    return rc;
}

void bt_lock_release(struct bt_lock *lock)
{
    if (lock->held)
        unlink(lock->held);
    if (lock->fd >= 0)
        close(lock->fd);
    free(lock->held);
    *lock = (struct bt_lock){ .fd = -1 };
}
