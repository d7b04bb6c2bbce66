/* The readers behind annotations.h, one for each family of forms. */
#ifndef BT_IMAGE_READER_H
#define BT_IMAGE_READER_H

#include "libcommon/image/annotations.h"

/* What a reader knows of its surroundings. */
struct bt_place {
    const char *path, *name; /* the input, and its last part */
    struct bt_root *root;
    struct bt_root *top; /* "/", for the absolute paths of a list; NULL elsewhere */
    const struct bt_annotations_options *options;
    struct bt_annotations_stats *stats;
};

struct bt_reader_of_items {
    struct bt_place place;
    int (*next)(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err);
    void (*close)(struct bt_reader_of_items *r); /* frees r */
};

typedef int bt_reader_maker(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err);
bt_reader_maker bt_read_list, bt_read_lines, bt_read_text; /* LAVIS array, JSON lines, sentences */
bt_reader_maker bt_read_coco, bt_read_karpathy, bt_read_vqa, bt_read_gqa;
bt_reader_maker bt_read_csv, bt_read_tsv, bt_read_cc3m, bt_read_cc12m;
bt_reader_maker bt_read_folder, bt_read_picture, bt_read_paths, bt_read_tar;

/* Marks the item bad. */
int bt_item_reject(struct bt_item *item, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets a field; takes `value`, also on failure. A NULL value (jansson out of memory) is E_MEMORY. */
int bt_item_set(struct bt_item *item, const char *key, json_t *value, struct bt_err *err);
/* The fields that `object` has under any of the names in use, without a picture; a wrong one makes the item bad. */
int bt_item_take_fields(struct bt_item *item, const json_t *object, struct bt_err *err);
/* The fields of one LAVIS or JSON-lines entry, under any of the names in use; a wrong one makes the item
 * bad. */
int bt_item_from_object(struct bt_item *item, const json_t *object, const struct bt_place *place,
                        struct bt_err *err);
/* An integer or a string as text; NULL for other kinds (and out of memory). The caller frees it. */
char *bt_id_text(const json_t *id);
/* image: `name` as it stands when it has folders, else looked for below the root by name, then by number. */
int bt_item_find_image(struct bt_item *item, const struct bt_place *place, const char *name, int64_t number,
                       struct bt_err *err);
/* True for the names pictures go by: .jpg .jpeg .png .webp and so on, whatever the case. */
bool bt_is_picture_name(const char *name);

#endif
