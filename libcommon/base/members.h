/* A struct that a JSON object fills: one table of its members reads, checks, writes and hashes it. What the table does not
 * name, or another type than it says, is E_CONFIG with the place, the member and what it must be. */
#ifndef BT_BASE_MEMBERS_H
#define BT_BASE_MEMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/json.h"

enum bt_member_kind {
    BT_MEMBER_COUNT, /* int64_t */
    BT_MEMBER_SIZE,  /* size_t, at most INT32_MAX */
    BT_MEMBER_ID,    /* int32_t */
    BT_MEMBER_REAL,  /* double */
    BT_MEMBER_FLOAT, /* float */
    BT_MEMBER_FLAG,  /* bool */
    BT_MEMBER_TEXT,  /* an array of char, which the text and its NUL fit */
};

struct bt_member {
    const char *group; /* the object inside that holds it; NULL: the object itself */
    const char *name;
    enum bt_member_kind kind;
    double least; /* of a number; -INFINITY allows any */
    size_t offset, bytes;
};

/* One row: the name in the file, and the field of `type` that it fills. */
#define BT_MEMBER(type, group, name, field, kind, least) \
    { group, name, BT_MEMBER_##kind, least, offsetof(type, field), sizeof(((type *)0)->field) }

struct bt_members {
    const char *noun;   /* "recipe" */
    const char *manual; /* the page that lists them: "bt-train(1)" */
    const struct bt_member *rows;
    size_t count;
};

/* Sets what `json` names in `object`; `place` begins messages. Of a failure what came before it stands. */
int bt_members_read(const struct bt_members *members, void *object, const json_t *json, const char *place, struct bt_err *err);
/* Whether every member is there: E_CONFIG naming the first that is not. */
int bt_members_require(const struct bt_members *members, const json_t *json, const char *place, struct bt_err *err);
/* Sets one member from "key=value", the value as JSON. E_USAGE without a '='. */
int bt_members_assign(const struct bt_members *members, void *object, const char *assignment, const char *place,
                      struct bt_err *err);
/* Every member, in the table's order; the caller json_decref()s it. NULL when memory is out. */
json_t *bt_members_write(const struct bt_members *members, const void *object);
/* sha256, hex, of the compact JSON with sorted keys. E_MEMORY. */
int bt_members_hash(const struct bt_members *members, const void *object, char hex[65], struct bt_err *err);

#endif
