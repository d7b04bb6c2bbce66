/* One writer at a time. Private to shard. Source: formats.md 2.2. */
#ifndef BT_SHARD_LOCK_H
#define BT_SHARD_LOCK_H

#include <stdbool.h>

#include "libcommon/base/err.h"

struct bt_lock {
    int fd;     /* -1: not held */
    char *held; /* a file whose being there is the lock; NULL: the lock is of the open file */
};
/* Takes the lock of a file that is made if need be, and writes "host pid N" into it; the lock goes when its
 * holder does, however that ends. On a file system without such locks a second file, <path>.held, stands for
 * it, and stays when its holder is killed. E_LOCKED names who holds it and `what` it guards. break_lock:
 * takes it from its holder, who is believed to be gone. */
int bt_lock_take(struct bt_lock *lock, const char *path, const char *what, bool break_lock,
                 struct bt_err *err);
/* Whether somebody holds the lock of that file; it is not taken for a moment either. */
bool bt_lock_is_held(const char *path);
/* Whether its file was removed, as by the last writer of a set, so that another could take it too. */
bool bt_lock_is_lost(const struct bt_lock *lock, const char *path);
/* The same as take for what is held for moments: waits until it is free. E_LOCKED when the user asks to stop, or when a file
 * has stood for the lock for ten minutes. */
int bt_lock_wait(struct bt_lock *lock, const char *path, const char *what, bool break_lock,
                 struct bt_err *err);
void bt_lock_release(struct bt_lock *lock); /* accepts one that is not held */

#endif
