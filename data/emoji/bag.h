/* A bag of strings: what was seen, and how often. */
#ifndef EMOJI_BAG_H
#define EMOJI_BAG_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"

struct bag_entry {
    char *text;
    uint64_t count;
};

/* Zero it to begin, free with bag_free. */
struct bag {
    struct bag_entry *entry; /* in the order of first appearance, until bag_sort */
    uint64_t size, capacity;
    uint32_t *slot; /* hash table: entry number + 1, 0 for empty */
    uint64_t slot_count;
};

int bag_add(struct bag *bag, const char *text, struct bt_err *err);
uint64_t bag_count(const struct bag *bag, const char *text); /* 0: never seen */
void bag_sort(struct bag *bag);                              /* by text; ends adding and counting */
void bag_free(struct bag *bag);

#endif
