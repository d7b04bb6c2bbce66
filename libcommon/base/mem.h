/* Memory: arithmetic on sizes that come from a file, allocation that fails with a message, arenas. */
#ifndef BT_BASE_MEM_H
#define BT_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* False when the result does not fit; *out is then unchanged. */
static inline bool bt_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool bt_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* What is freed is kept for the next picture or record: to give it back and take it again costs more than what is done with
 * it. Every tool begins with it. */
void bt_keep_heap(void);

/* Beside that, for a tool that does all its work in one go: the heap lies in one piece, in large pages where the system has
 * them. Called before there are threads. */
void bt_use_large_heap(void);

/* Zeroed memory for count * size bytes (checked), or NULL with E_MEMORY in err; count 0 gives a pointer to
 * free. */
void *bt_alloc(uint64_t count, uint64_t size, struct bt_err *err);
/* The same filled with a byte, for tables that are read at random: each page is there from the start, since one that is
 * read before it is written costs two faults and a message to the other cores. */
void *bt_alloc_filled(uint64_t count, uint64_t size, int byte, struct bt_err *err);

/* Grows an array to hold at least `need` elements of `size` bytes, by doubling; what is new is not zeroed.
 * `items` is the address of the pointer to the array, *capacity the elements it has room for. On failure
 * nothing changes. */
int bt_grow(void *items, uint64_t *capacity, uint64_t need, uint64_t size, struct bt_err *err);

/* Bytes that grow. Zero it to begin, free with bt_buf_free. */
struct bt_buf {
    char *data; /* NUL behind the last byte once anything was added */
    uint64_t size, capacity;
};
int bt_buf_add(struct bt_buf *buf, const void *data, size_t size, struct bt_err *err);
int bt_buf_printf(struct bt_buf *buf, struct bt_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void bt_buf_free(struct bt_buf *buf);

/* An arena: pieces that are all released together. Pieces are aligned to 64 bytes, strings stand one behind the other. */
struct bt_arena;
struct bt_arena *bt_arena_new(size_t block_bytes); /* NULL when out of memory */
/* Not zeroed; NULL when out of memory. */
void *bt_arena_take(struct bt_arena *arena, uint64_t count, uint64_t size);
char *bt_arena_str(struct bt_arena *arena, const char *text, size_t size); /* copy with NUL */
void bt_arena_reset(struct bt_arena *arena);           /* keeps its blocks for the next round */
uint64_t bt_arena_bytes(const struct bt_arena *arena); /* most it ever held, rounded up to pieces */
void bt_arena_free(struct bt_arena *arena);

#endif
