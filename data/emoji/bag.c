/* A bag of strings, by open addressing. */
#include "data/emoji/bag.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"

/* The slot that holds `text`, or the empty one where it belongs. */
static uint32_t *find(const struct bag *bag, const char *text)
{
    uint64_t at = bt_xxh64(text, strlen(text)) & (bag->slot_count - 1);

    while (bag->slot[at] && strcmp(bag->entry[bag->slot[at] - 1].text, text) != 0)
        at = (at + 1) & (bag->slot_count - 1);
    return &bag->slot[at];
}

/* Keeps the table at most half full. */
static int make_room(struct bag *bag, struct bt_err *err)
{
    uint64_t count = bag->slot_count ? bag->slot_count * 2 : 64;
    uint32_t *slot;

    if (bag->size * 2 < bag->slot_count)
        return BT_OK;
    slot = bt_alloc(count, sizeof *slot, err);
    if (!slot)
        return BT_ERR_MEMORY;
    free(bag->slot);
    bag->slot = slot;
    bag->slot_count = count;
    for (uint64_t i = 0; i < bag->size; i++)
        *find(bag, bag->entry[i].text) = (uint32_t)i + 1;
    return BT_OK;
}

int bag_add(struct bag *bag, const char *text, struct bt_err *err)
{
    uint32_t *slot;
    char *copy;
    int rc = make_room(bag, err);

    if (rc)
        return rc;
    slot = find(bag, text);
    if (*slot) {
        bag->entry[*slot - 1].count++;
        return BT_OK;
    }
    rc = bt_grow(&bag->entry, &bag->capacity, bag->size + 1, sizeof *bag->entry, err);
    if (rc)
        return rc;
    copy = strdup(text);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "bag of strings: out of memory");
    bag->entry[bag->size] = (struct bag_entry){ copy, 1 };
    *slot = (uint32_t)++bag->size;
    return BT_OK;
}

uint64_t bag_count(const struct bag *bag, const char *text)
{
    uint32_t slot = bag->slot_count ? *find(bag, text) : 0;

    return slot ? bag->entry[slot - 1].count : 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct bag_entry *)a)->text, ((const struct bag_entry *)b)->text);
}

void bag_sort(struct bag *bag)
{
    if (bag->size > 0)
        qsort(bag->entry, bag->size, sizeof *bag->entry, by_text);
}

void bag_free(struct bag *bag)
{
    for (uint64_t i = 0; i < bag->size; i++)
        free(bag->entry[i].text);
    free(bag->entry);
    free(bag->slot);
    *bag = (struct bag){ 0 };
}
