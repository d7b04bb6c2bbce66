/* Where results and references come from: a stream or shard of records, or a JSON file, told apart by
 * content; and the ids they are joined by. Source: formats.md 1.1, 1.5, 11; data.md 9. */
#ifndef BT_METRICS_INPUT_H
#define BT_METRICS_INPUT_H

#include "libcommon/base/err.h"
#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"
#include "libcommon/metrics/join.h"
#include "libcommon/stream/record.h"

/* JSON by its first character. */
enum bt_input { BT_INPUT_RECORDS, BT_INPUT_ARRAY, BT_INPUT_OBJECT, BT_INPUT_OTHER };

/* Looks at the first bytes without taking them, also from a pipe ("-" is stdin). E_INPUT when there are none.
 */
int bt_input_detect(const char *path, enum bt_input *kind, struct bt_err *err);

/* The id under `key`, written into *id (which is emptied first) as join.h has it. E_INPUT: absent, or neither
 * a whole number nor a string of at most 1024 bytes. The record's falls back on its field "id". */
int bt_input_json_id(const json_t *object, const char *key, struct bt_buf *id, struct bt_err *err);
int bt_input_value_id(const json_t *value, const char *key, struct bt_buf *id, struct bt_err *err);
int bt_input_record_id(const struct bt_record *rec, const char *key, struct bt_buf *id, struct bt_err *err);

/* The string of an id that reads as a whole number becomes that number, as LAVIS has it ("-?[0-9]+"). */
int bt_input_plain_number(struct bt_buf *id, struct bt_err *err);

/* A string member; *found is false when it is absent. E_INPUT when it is something else. */
int bt_input_json_text(const json_t *object, const char *key, struct bt_text *text, bool *found,
                       struct bt_err *err);
int bt_input_record_text(const struct bt_record *rec, const char *key, struct bt_text *text, bool *found,
                         struct bt_err *err);

/* Tells the join which decoding preset the record was made with, where it says so. */
void bt_input_record_preset(const struct bt_record *rec, struct bt_join *join);

/* Appends the text as a JSON string. */
int bt_input_add_string(struct bt_buf *buf, struct bt_text text, struct bt_err *err);

static inline struct bt_text bt_buf_text(const struct bt_buf *buf)
{
    return (struct bt_text){ buf->size > 0 ? buf->data : "", buf->size };
}

#endif
