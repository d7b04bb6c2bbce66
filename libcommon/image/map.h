/* Which member or column of somebody's file is which field of a sample. Source: data.md 10. */
#ifndef BT_IMAGE_MAP_H
#define BT_IMAGE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "libcommon/base/json.h"

struct bt_map;

/* "image=path,caption=text.en,id=7": fields to the left, members or columns to the right; a '.' goes into an object. Fields are
 * id, image, image_id, caption, captions, text, question, question_id, answer, answers, question_type, answer_type, split. NULL
 * text gives a NULL map, which changes nothing. E_USAGE naming what is wrong. */
int bt_map_parse(struct bt_map **map, const char *text, struct bt_err *err);
void bt_map_free(struct bt_map *map);

/* The object under the fields' names: a new reference. What is not mapped keeps its name; a mapped field whose member is not there
 * is not there. NULL when memory is out. */
json_t *bt_map_apply(const struct bt_map *map, json_t *object);

/* What the map says `field` is called, or NULL. */
const char *bt_map_from(const struct bt_map *map, const char *field);
/* Whether columns are named by number ("1" is the first) alone. */
bool bt_map_by_number(const struct bt_map *map);
/* The highest of these numbers. */
size_t bt_map_last_column(const struct bt_map *map);

#endif
