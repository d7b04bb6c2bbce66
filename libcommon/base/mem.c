#include "libcommon/base/mem.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE_PAGE = 2 << 20, LARGE_HEAP = 64 << 20 };

static int fail_memory(struct bt_err *err, uint64_t bytes)
{
    return bt_fail(err, BT_ERR_MEMORY,
                   "memory: no room for %" PRIu64 " bytes more; free memory or ask for less", bytes);
}

static uint64_t round_up(uint64_t bytes, uint64_t align)
{
    return (bytes + align - 1) / align * align;
}

/* What is large gets large pages where the system has them: a fault for each small one would cost more than what is done with it. */
static void use_large_pages(void *memory, uint64_t bytes)
{
    uintptr_t begin = ((uintptr_t)memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE,
              end = ((uintptr_t)memory + bytes) / LARGE_PAGE * LARGE_PAGE;

    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void bt_keep_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_HEAP / 2);
    mallopt(M_TRIM_THRESHOLD, LARGE_HEAP);
}

void bt_use_large_heap(void)
{
    char *first, *end;

    mallopt(M_ARENA_MAX, 1); /* others would lie elsewhere */
    mallopt(M_TOP_PAD, LARGE_HEAP);
    first = malloc(LARGE_PAGE); /* the heap grows by all of it */
    end = sbrk(0);
    if (first && first < end && end - first >= LARGE_HEAP) /* not so where malloc is another one */
        use_large_pages(first, (uint64_t)(end - first));
    free(first);
}

void *bt_alloc(uint64_t count, uint64_t size, struct bt_err *err)
{
    uint64_t bytes;
    void *memory = NULL;

    if (!bt_mul_u64(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        fail_memory(err, UINT64_MAX);
        return NULL;
    }
    memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        fail_memory(err, bytes);
    else
        use_large_pages(memory, bytes);
    return memory;
}

void *bt_alloc_filled(uint64_t count, uint64_t size, int byte, struct bt_err *err)
{
    uint64_t bytes;
    void *memory;

    if (!bt_mul_u64(count, size, &bytes) || bytes > PTRDIFF_MAX - LARGE_PAGE) {
        fail_memory(err, UINT64_MAX);
        return NULL;
    }
    memory = bytes < LARGE_PAGE ? malloc(bytes ? bytes : 1) : aligned_alloc(LARGE_PAGE, round_up(bytes, LARGE_PAGE));
    if (!memory) {
        fail_memory(err, bytes);
        return NULL;
    }
    use_large_pages(memory, bytes);
    return memset(memory, byte, bytes);
}

int bt_grow(void *items, uint64_t *capacity, uint64_t need, uint64_t size, struct bt_err *err)
{
    uint64_t count = *capacity > 8 ? *capacity : 8, bytes;
    void *memory;

    if (need <= *capacity)
        return BT_OK;
    while (count < need && bt_mul_u64(count, 2, &count))
        ;
    if (count < need || !bt_mul_u64(count, size, &bytes) || bytes > PTRDIFF_MAX)
        return fail_memory(err, UINT64_MAX);

    memcpy(&memory, items, sizeof memory); /* items is the address of a pointer of any type */
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory)
        return fail_memory(err, bytes);
    memcpy(items, &memory, sizeof memory);
    *capacity = count;
    return BT_OK;
}

int bt_buf_add(struct bt_buf *buf, const void *data, size_t size, struct bt_err *err)
{
    uint64_t need;
    int rc;

    if (!bt_add_u64(buf->size, size, &need) || !bt_add_u64(need, 1, &need))
        return fail_memory(err, UINT64_MAX);
    rc = bt_grow(&buf->data, &buf->capacity, need, 1, err);
    if (rc)
        return rc;
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return BT_OK;
}

int bt_buf_printf(struct bt_buf *buf, struct bt_err *err, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int length, rc;

    va_start(args, fmt);
    length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        return fail_memory(err, strlen(fmt));
    rc = bt_buf_add(buf, text, (size_t)length, err);
    free(text);
    return rc;
}

void bt_buf_free(struct bt_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = (struct bt_buf){ 0 };
}

/* ---------------------------------------------------------------- arena */

enum { ALIGN = 64 };

struct block {
    struct block *next;
    uint64_t capacity, used;
    unsigned char *data;
};

struct bt_arena {
    struct block *first, *current;
    uint64_t block_bytes, held, most;
};

struct bt_arena *bt_arena_new(size_t block_bytes)
{
    struct bt_arena *arena = calloc(1, sizeof *arena);

    if (arena)
        arena->block_bytes = block_bytes;
    return arena;
}

static struct block *block_new(uint64_t capacity)
{
    struct block *block = calloc(1, sizeof *block);

    if (!block)
        return NULL;
    block->capacity = capacity;
    block->data = aligned_alloc(capacity % LARGE_PAGE == 0 ? LARGE_PAGE : ALIGN, capacity);
    if (!block->data) {
        free(block);
        return NULL;
    }
    use_large_pages(block->data, capacity);
    return block;
}

/* The next block, from the current one on, with room for `bytes` that are aligned so; made where there is none. */
static struct block *block_with(struct bt_arena *arena, uint64_t bytes, uint64_t align)
{
    struct block *block = arena->current, *last = NULL;

    for (; block; last = block, block = block->next)
        if (block->capacity >= round_up(block->used, align) && block->capacity - round_up(block->used, align) >= bytes)
            return block;
    block = block_new(round_up(bytes > arena->block_bytes ? bytes : arena->block_bytes, ALIGN));
    if (block && last)
        last->next = block;
    else if (block)
        arena->first = block;
    return block;
}

static void *take(struct bt_arena *arena, uint64_t bytes, uint64_t align)
{
    struct block *block;
    uint64_t at;

    if (bytes > PTRDIFF_MAX - ALIGN)
        return NULL;
    block = block_with(arena, bytes, align);
    if (!block)
        return NULL;

    at = round_up(block->used, align);
    arena->held += at + bytes - block->used;
    block->used = at + bytes;
    arena->current = block;
    if (arena->held > arena->most)
        arena->most = arena->held;
    return block->data + at;
}

void *bt_arena_take(struct bt_arena *arena, uint64_t count, uint64_t size)
{
    uint64_t bytes;

    if (!bt_mul_u64(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGN)
        return NULL;
    return take(arena, round_up(bytes + (bytes == 0), ALIGN), ALIGN);
}

char *bt_arena_str(struct bt_arena *arena, const char *text, size_t size)
{
    char *copy = size < SIZE_MAX ? take(arena, size + 1, 1) : NULL;

    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

void bt_arena_reset(struct bt_arena *arena)
{
    for (struct block *block = arena->first; block; block = block->next)
        block->used = 0;
    arena->current = arena->first;
    arena->held = 0;
}

uint64_t bt_arena_bytes(const struct bt_arena *arena)
{
    return arena->most;
}

void bt_arena_free(struct bt_arena *arena)
{
    struct block *next;

    if (!arena)
        return;
    for (struct block *block = arena->first; block; block = next) {
        next = block->next;
        free(block->data);
        free(block);
    }
    free(arena);
}
