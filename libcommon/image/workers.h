/* A function run over bytes in processes of their own, under limits: whatever the bytes make it do, crash, spin or
 * ask for all memory, costs one answer and nothing else. Source: formats.md 8 and 11. */
#ifndef BT_IMAGE_WORKERS_H
#define BT_IMAGE_WORKERS_H

#include "libcommon/image/image.h"

struct bt_workers_options {
    int count;
    size_t request_bytes, reply_bytes; /* the most that a request and a reply have; memory is taken as used */
    size_t memory_bytes;               /* address space a worker may take beyond what it begins with */
    int cpu_seconds;                   /* for one request */
    /* Fills the reply and returns its size. Runs in the worker: it sees the memory of its caller as it was at
     * bt_workers_new, and cannot open files or sockets. */
    size_t (*work)(void *reply, const void *request, size_t size, const void *context);
    const void *context;
};

struct bt_workers;

/* Starts the processes; best while the caller has few threads and files open. E_OS, E_MEMORY. */
int bt_workers_new(struct bt_workers **workers, const struct bt_workers_options *options, struct bt_err *err);

/* One request to worker `slot`, 0 to count - 1; each slot has one caller at a time. The reply is valid until the
 * slot's next call. BT_ERR_IMAGE with a reject: DECODE_TIME, DECODE_MEM or DECODE_CRASH, when the worker did not
 * survive it (another one has taken its place). */
int bt_workers_call(struct bt_workers *workers, int slot, const void *request, size_t size, const void **reply,
                    size_t *reply_size, struct bt_image_reject *reject);

void bt_workers_free(struct bt_workers *workers);

#endif
