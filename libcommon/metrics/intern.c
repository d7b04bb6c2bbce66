#include "libcommon/metrics/intern.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libcommon/base/mem.h"

#define MAX_STRINGS (1 << 30)

struct entry {
    struct bt_text text;
    uint64_t hash;
};

struct bt_intern {
    struct bt_arena *arena;
    struct entry *entries;
    uint64_t capacity;
    int32_t count;
    int32_t *slots;      /* number + 1; 0 is free */
    uint64_t slot_count; /* a power of two, at least twice `count` */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Drawn once; where the system has no randomness to give, the tables work with the constants alone. */
static const uint64_t *process_key(void)
{
    static uint64_t key[2];
    static int drawn;
    if (!drawn) {
        if (getrandom(key, sizeof key, GRND_NONBLOCK) != (ssize_t)sizeof key)
            memset(key, 0, sizeof key);
        key[0] ^= 0x9e3779b97f4a7c15u;
        key[1] ^= 0xd1b54a32d192ed03u;
        drawn = 1;
    }
    return key;
}

uint64_t bt_keyed_hash(uint64_t value)
{
    const uint64_t *key = process_key();
    return mix(value ^ key[0], key[1] | 1);
}

static uint64_t hash_text(struct bt_text text)
{
    uint64_t h = bt_keyed_hash(text.size);
    for (size_t i = 0; i < text.size; i += 8) {
        uint64_t word = 0;
        size_t left = text.size - i;
        memcpy(&word, text.data + i, left < 8 ? left : 8);
        h = bt_keyed_hash(h ^ word);
    }
    return h;
}

struct bt_intern *bt_intern_new(void)
{
    struct bt_intern *in = calloc(1, sizeof *in);
    if (!in)
        return NULL;
    in->arena = bt_arena_new(1 << 16);
    in->slot_count = 1024;
    in->slots = calloc(in->slot_count, sizeof *in->slots);
    if (!in->arena || !in->slots) {
        bt_intern_free(in);
        return NULL;
    }
    return in;
}

/* The slot that holds `text`, or the free one where it belongs. */
static uint64_t find_slot(const struct bt_intern *in, struct bt_text text, uint64_t hash)
{
    uint64_t slot = hash & (in->slot_count - 1);
    for (; in->slots[slot]; slot = (slot + 1) & (in->slot_count - 1)) {
        const struct entry *e = &in->entries[in->slots[slot] - 1];
        if (e->hash == hash && e->text.size == text.size &&
            (text.size == 0 || memcmp(e->text.data, text.data, text.size) == 0))
            break;
    }
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
    uint64_t hash = hash_text(text);
    uint64_t slot = find_slot(in, text, hash);
    if (in->slots[slot]) {
        *number = in->slots[slot] - 1;
        return BT_OK;
    }
    if (in->count >= MAX_STRINGS)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^30 different strings; score the set in parts");
    int rc = bt_grow(&in->entries, &in->capacity, (uint64_t)in->count + 1, sizeof *in->entries, err);
    if (!rc && (uint64_t)in->count * 2 >= in->slot_count) {
        rc = grow_slots(in, err);
        slot = find_slot(in, text, hash);
    }
    if (rc)
        return rc;
    const char *copy = bt_arena_str(in->arena, text.data ? text.data : "", text.size);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for %d strings", in->count);
    in->entries[in->count] = (struct entry){ { copy, text.size }, hash };
    in->slots[slot] = ++in->count;
    *number = in->count - 1;
    return BT_OK;
}

int32_t bt_intern_find(const struct bt_intern *in, struct bt_text text)
{
    return in->slots[find_slot(in, text, hash_text(text))] - 1;
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
