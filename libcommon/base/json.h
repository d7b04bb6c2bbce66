/* Strict JSON (RFC 8259) through jansson, whose one home this is; its json_t API is used as it stands.
 * Refused with E_JSON: duplicate keys, NaN and infinities, integers beyond 64 bits, lone surrogates, NUL in
 * a string, depth over 64; with E_UTF8 what is not UTF-8, UTF-16 by its name. A byte-order mark at the start
 * is skipped. Source: formats.md 11. */
#ifndef BT_BASE_JSON_H
#define BT_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"

/* The longest line or JSON value that this program reads, in bytes; 0: 64 MiB. BT_OPT_LINES stands in the option table of every
 * tool whose users may have longer ones. */
extern int64_t bt_max_line;
#define BT_OPT_LINES BT_OPT_COUNT(0, "max-line", &bt_max_line, "BYTES", "longest line or JSON value to read; 64M if not given")

/* One value and nothing behind it but white space. `place` names it in messages ("recipe.json"); an error
 * says place:line. The caller json_decref()s *value. */
int bt_json_parse(json_t **value, const char *place, const char *text, size_t size, struct bt_err *err);
/* A whole file of at most 64 MiB (E_LIMIT); "-" is stdin. */
int bt_json_load(json_t **value, const char *path, struct bt_err *err);

/* The elements of one array of a large file, one at a time: never the whole array in memory. `member` is NULL
 * when the file itself is the array, else the name of the array at the top level of an object; the values of
 * other members are skipped, whatever their size, and checked for syntax. A missing member is E_JSON. BT_END
 * comes only when the rest of the file is what it should be. `line` and `index` are of the element last
 * returned, which the caller json_decref()s. Memory is bounded by the largest element (64 MiB, E_LIMIT). */
struct bt_json_array;
int bt_json_array_open(struct bt_json_array **array, const char *path, const char *member,
                       struct bt_err *err);
int bt_json_array_next(struct bt_json_array *array, json_t **element, struct bt_err *err);
/* A second array of the object, in the same reading where it stands behind the first: after the first one's BT_END
 * the file is not at its end, and the elements of the second come. E_MEMORY. */
int bt_json_array_follow(struct bt_json_array *array, const char *member, struct bt_err *err);
bool bt_json_array_ended(const struct bt_json_array *array); /* after BT_END: that was the file's end */
/* The same for the members of the object that the file is; *key lives until the next call. Repeated keys are left
 * to the caller. */
int bt_json_members_open(struct bt_json_array **members, const char *path, struct bt_err *err);
int bt_json_members_next(struct bt_json_array *members, const char **key, json_t **value, struct bt_err *err);
uint64_t bt_json_array_line(const struct bt_json_array *array);
uint64_t bt_json_array_index(const struct bt_json_array *array);
void bt_json_array_close(struct bt_json_array *array);

/* An object of at most 12 members with different names, whose values are strings of printable ASCII without
 * escapes or whole numbers of at most 18 digits. Large files mostly hold such; they are read in place, many
 * times as fast. */
enum { BT_JSON_FLAT_MEMBERS = 12 };
struct bt_json_member {
    const char *key, *text; /* text: of the string, or the digits of the number; no NUL behind them */
    size_t key_size, size;
    bool is_string;
};
struct bt_json_flat {
    struct bt_json_member members[BT_JSON_FLAT_MEMBERS];
    int count;
    const char *text; /* the object as it is written */
    size_t size;
};
/* Whether the text begins with such an object, and what it holds, borrowed. False decides nothing: the text
 * is then for bt_json_parse. */
bool bt_json_flat(struct bt_json_flat *flat, const char *text, size_t size);
const struct bt_json_member *bt_json_flat_find(const struct bt_json_flat *flat, const char *key, size_t size);

/* As bt_json_array_next, but an element of that kind comes in *flat, which lives until the next call, and
 * *element is NULL. */
int bt_json_array_next_flat(struct bt_json_array *array, struct bt_json_flat *flat, json_t **element,
                            struct bt_err *err);

/* The lines of a text file: LF or CRLF ends a line, the last may lack it; NUL and bad UTF-8 are left to the
 * caller. A byte-order mark at the start is skipped, UTF-16 is refused (E_UTF8), a line over the
 * limit is E_LIMIT. *line lives until the next call and has a NUL behind it. BT_END after the last. "-" is stdin. */
struct bt_lines;
int bt_lines_open(struct bt_lines **lines, const char *path, struct bt_err *err);
int bt_lines_next(struct bt_lines *lines, const char **line, size_t *size, struct bt_err *err);
void bt_lines_delimit(struct bt_lines *lines, char delimiter); /* in place of LF; CR then stays */
uint64_t bt_lines_number(const struct bt_lines *lines); /* 1 for the first */
bool bt_lines_ended(const struct bt_lines *lines);      /* whether the line last returned ended in LF */
void bt_lines_close(struct bt_lines *lines);

/* Members with a check: *value stays as it was (the default, or NULL) when the key is absent or null; a wrong
 * type is E_JSON with place and key. _num takes integers too, _int takes nothing else. A string lives as long
 * as the object. */
int bt_json_get_str(const json_t *object, const char *key, const char **value, const char *place,
                    struct bt_err *err);
int bt_json_get_int(const json_t *object, const char *key, int64_t *value, const char *place,
                    struct bt_err *err);
int bt_json_get_num(const json_t *object, const char *key, double *value, const char *place,
                    struct bt_err *err);
int bt_json_get_bool(const json_t *object, const char *key, bool *value, const char *place,
                     struct bt_err *err);

/* A number written with the fewest digits that read back exactly (C locale), as %g writes it: "0.1", "3",
 * "1e-05"; also "nan", "inf" and "-inf". */
void bt_format_double(char out[32], double value);

#endif
