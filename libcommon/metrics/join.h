/* Results joined to references by id, whatever the order of either. Ids match by value and type: 1 is not
 * "1". An id is written as a number, or as its text in double quotes. Source: metrics.md 1.1, 3.3. */
#ifndef BT_METRICS_JOIN_H
#define BT_METRICS_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/intern.h"

enum bt_duplicates { BT_DUPLICATES_ERROR, BT_DUPLICATES_FIRST, BT_DUPLICATES_LAST };

/* What to do where the two sides differ. A result without references is always an error. */
struct bt_join_policy {
    enum bt_duplicates duplicates; /* several results for one id */
    bool subset;                   /* score what has a result; otherwise a missing result is an error */
};

struct bt_join;

struct bt_join *bt_join_new(const char *noun); /* "image", for messages; NULL when out of memory */
/* Says that references exist for `id`. Numbers count ids in order of first appearance. *known, which may be
 * NULL: it was expected before. */
int bt_join_expect(struct bt_join *join, struct bt_text id, int32_t *number, bool *known, struct bt_err *err);
/* Says that a result for `id` is welcome, but not missed. */
int bt_join_allow(struct bt_join *join, struct bt_text id, int32_t *number, bool *known, struct bt_err *err);
/* A result for `id`; the text is copied. */
int bt_join_result(struct bt_join *join, struct bt_text id, struct bt_text text, struct bt_err *err);

/* What the results say they were decoded with: a preset's name and the hash of its values. */
void bt_join_preset(struct bt_join *join, struct bt_text name, struct bt_text hash);
/* "coco:1a2b3c4d", the name (of letters, digits, '.', '_' and '-'; others are '?') and the beginning of the
 * hash; "mixed" where results disagree, "" where they say nothing. */
const char *bt_join_made_with(const struct bt_join *join);

/* Compares both sides. E_INPUT counts missing, unknown and repeated ids, with examples of each; what the
 * policy settles is said on stderr. */
int bt_join_check(const struct bt_join *join, const struct bt_join_policy *policy, struct bt_err *err);

int32_t bt_join_count(const struct bt_join *join);                   /* ids of both sides */
int32_t bt_join_find(const struct bt_join *join, struct bt_text id); /* -1: not there */
struct bt_text bt_join_id(const struct bt_join *join, int32_t number);
bool bt_join_expected(const struct bt_join *join, int32_t number);
/* The result that counts; false when there is none. */
bool bt_join_get(const struct bt_join *join, int32_t number, const struct bt_join_policy *policy,
                 struct bt_text *text);
void bt_join_free(struct bt_join *join);

#endif
