#include "libcommon/image/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/log.h"

enum { SPLITS_MAX = 64 };

struct tally {
    char name[64];
    uint64_t records, pictures, captions, missing, bytes;
};

static void count_item(struct tally *tallies, size_t *count, const struct bt_item *item, const char *last_image)
{
    const char *name = json_string_value(json_object_get(item->fields, "split"));
    bool again = item->image && strcmp(item->image, last_image) == 0;
    int64_t size = item->bytes ? (int64_t)item->byte_count : item->image && !again ? bt_root_size(item->root, item->image) : 0;
    size_t i = 0;

    if (item->reject.code)
        name = "rejected";
    else if (!name)
        name = "all";
    while (i < *count && strncmp(tallies[i].name, name, sizeof tallies->name - 1) != 0)
        i++;
    if (i == SPLITS_MAX)
        return;
    if (i == *count)
        snprintf(tallies[(*count)++].name, sizeof tallies->name, "%s", name);
    tallies[i].records++;
    tallies[i].captions += json_array_size(json_object_get(item->fields, "captions"));
    tallies[i].pictures += item->image && !again;
    tallies[i].missing += size < 0;
    tallies[i].bytes += size > 0 ? (uint64_t)size : 0;
}

/* What was understood of the first inputs. */
static void show_item(const struct bt_item *item)
{
    char *fields = json_dumps(item->fields, JSON_COMPACT | JSON_PRESERVE_ORDER);

    bt_note("%s: %s%s%s%s", item->id, item->image ? bt_quote_str(item->image) : "no picture",
            item->image && !item->bytes && bt_root_size(item->root, item->image) < 0 ? " (missing)" : "",
            item->reject.code ? ", rejected: " : " ", item->reject.code ? item->reject.detail : bt_quote_str(fields ? fields : ""));
    free(fields);
}

int bt_annotations_survey(struct bt_annotations *source, struct bt_err *err)
{
    struct tally tallies[SPLITS_MAX] = { 0 };
    char *last = NULL;
    size_t count = 0, shown = 0;
    struct bt_item item;
    int rc;

    while ((rc = bt_annotations_next(source, &item, err)) == BT_OK) {
        count_item(tallies, &count, &item, last ? last : "");
        if (shown++ < 3)
            show_item(&item);
        free(last);
        last = item.image;
        item.image = NULL;
        bt_item_clear(&item);
    }
    free(last);
    if (rc != BT_END)
        return rc;
    printf("split\trecords\tpictures\tcaptions\tmissing\tbytes\n");
    for (size_t i = 0; i < count; i++)
        printf("%s\t%llu\t%llu\t%llu\t%llu\t%llu\n", tallies[i].name, (unsigned long long)tallies[i].records,
               (unsigned long long)tallies[i].pictures, (unsigned long long)tallies[i].captions,
               (unsigned long long)tallies[i].missing, (unsigned long long)tallies[i].bytes);
    return BT_OK;
}
