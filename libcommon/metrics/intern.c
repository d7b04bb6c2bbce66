#include "libcommon/metrics/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libcommon/base/mem.h"

#define MAX_STRINGS (1 << 30)

/* Its first bytes stand here, since for most words there are no others. */
struct entry {
    struct bt_text text;
    uint64_t hash, head;
};

struct bt_intern {
    struct bt_hash_key key;
    struct bt_arena *arena;
    struct entry *entries;
    uint64_t capacity;
    int32_t count;
    int32_t *slots;      /* number + 1; 0 is free */
    uint64_t slot_count; /* a power of two, at least twice `count` */
};

/* Where the system has no randomness to give, the tables work with the constants alone. */
struct bt_hash_key bt_hash_key(void)
{
    static struct bt_hash_key key;
    static bool drawn;
    if (!drawn) {
        if (getrandom(&key, sizeof key, GRND_NONBLOCK) != (ssize_t)sizeof key)
            memset(&key, 0, sizeof key);
        key.add ^= 0x9e3779b97f4a7c15u;
        key.times = (key.times ^ 0xd1b54a32d192ed03u) | 1;
        drawn = true;
    }
    return key;
}

static uint64_t load(const char *p, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, p, size);
    return word;
}

/* At most 8 bytes as a number, the same for the same bytes and size. */
static uint64_t first_bytes(struct bt_text text)
{
    if (text.size >= 8)
        return load(text.data, 8);
    if (text.size >= 4)
        return load(text.data, 4) | load(text.data + text.size - 4, 4) << 32;
    return text.size == 0 ? 0
                          : (uint64_t)(unsigned char)text.data[0] |
                                (uint64_t)(unsigned char)text.data[text.size / 2] << 8 |
                                (uint64_t)(unsigned char)text.data[text.size - 1] << 16;
}

static uint64_t hash_text(struct bt_hash_key key, struct bt_text text, uint64_t head)
{
    uint64_t h = bt_keyed_hash(key, head ^ bt_keyed_hash(key, text.size));
    for (size_t i = 8; i < text.size; i += 8)
        h = bt_keyed_hash(key, h ^ (text.size - i < 8 ? load(text.data + text.size - 8, 8) : load(text.data + i, 8)));
    return h;
}

struct bt_intern *bt_intern_new(void)
{
    struct bt_intern *in = calloc(1, sizeof *in);
    if (!in)
        return NULL;
    in->key = bt_hash_key();
    in->arena = bt_arena_new(1 << 16);
    in->slot_count = 1024;
    in->slots = calloc(in->slot_count, sizeof *in->slots);
    if (!in->arena || !in->slots) {
        bt_intern_free(in);
        return NULL;
    }
    return in;
}

static bool is_entry(const struct entry *e, struct bt_text text, uint64_t hash, uint64_t head)
{
    return e->hash == hash && e->head == head && e->text.size == text.size &&
           (text.size <= 8 || memcmp(e->text.data + 8, text.data + 8, text.size - 8) == 0);
}

/* The slot that holds `text`, or the free one where it belongs. */
static uint64_t find_slot(const struct bt_intern *in, struct bt_text text, uint64_t hash, uint64_t head)
{
    uint64_t slot = hash & (in->slot_count - 1);
    while (in->slots[slot] && !is_entry(&in->entries[in->slots[slot] - 1], text, hash, head))
        slot = (slot + 1) & (in->slot_count - 1);
    return slot;
}

static int grow_slots(struct bt_intern *in, struct bt_err *err)
{
    uint64_t slot_count = in->slot_count * 2;
    int32_t *slots = bt_alloc(slot_count, sizeof *slots, err);
    if (!slots)
        return BT_ERR_MEMORY;
    for (int32_t i = 0; i < in->count; i++) {
        uint64_t slot = in->entries[i].hash & (slot_count - 1);
        while (slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = i + 1;
    }
    free(in->slots);
    in->slots = slots;
    in->slot_count = slot_count;
    return BT_OK;
}

int bt_intern_add(struct bt_intern *in, struct bt_text text, int32_t *number, struct bt_err *err)
{
    uint64_t head = first_bytes(text), hash = hash_text(in->key, text, head);
    uint64_t slot = find_slot(in, text, hash, head);
    if (in->slots[slot]) {
        *number = in->slots[slot] - 1;
        return BT_OK;
    }
    if (in->count >= MAX_STRINGS)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^30 different strings; score the set in parts");
    int rc = bt_grow(&in->entries, &in->capacity, (uint64_t)in->count + 1, sizeof *in->entries, err);
    if (!rc && (uint64_t)in->count * 2 >= in->slot_count) {
        rc = grow_slots(in, err);
        slot = find_slot(in, text, hash, head);
    }
    if (rc)
        return rc;
    const char *copy = bt_arena_str(in->arena, text.data ? text.data : "", text.size);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for %d strings", in->count);
    in->entries[in->count] = (struct entry){ { copy, text.size }, hash, head };
    in->slots[slot] = ++in->count;
    *number = in->count - 1;
    return BT_OK;
}

int32_t bt_intern_find(const struct bt_intern *in, struct bt_text text)
{
    uint64_t head = first_bytes(text);
    return in->slots[find_slot(in, text, hash_text(in->key, text, head), head)] - 1;
}

int32_t bt_intern_count(const struct bt_intern *in)
{
    return in->count;
}

struct bt_text bt_intern_text(const struct bt_intern *in, int32_t number)
{
    return in->entries[number].text;
}

void bt_intern_free(struct bt_intern *in)
{
    if (!in)
        return;
    bt_arena_free(in->arena);
    free(in->entries);
    free(in->slots);
    free(in);
}
