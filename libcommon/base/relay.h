/* Pieces of work that one thread hands out and takes back in order, while others work on them: what comes out does not depend
 * on how many they are. */
#ifndef BT_BASE_RELAY_H
#define BT_BASE_RELAY_H

#include "libcommon/base/err.h"

struct bt_relay {
    int workers; /* at least 1; a single one is the caller's thread itself */
    void *context;

    /* In the caller's thread, in order: fills a piece, which is empty or has been put. Whatever it returns, what it has filled is
     * worked on and put; BT_END, or a failure, and it is the last. */
    int (*fill)(void *context, int piece, struct bt_err *err);

    /* In thread `worker` (0 to workers - 1), in any order, several pieces at a time. */
    int (*work)(void *context, int piece, int worker, struct bt_err *err);

    /* In the caller's thread, in order. */
    int (*put)(void *context, int piece, struct bt_err *err);
};

/* How many pieces there are: `piece` is below it. */
int bt_relay_pieces(int workers);

/* Until all is put: then BT_OK. The failure that comes first in order ends it, and nothing behind it is put. E_OS, E_MEMORY, and
 * what the functions return. */
int bt_relay_run(const struct bt_relay *relay, struct bt_err *err);

#endif
