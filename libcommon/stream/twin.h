/* The JSON twin: one line per frame, and back to the same bytes.
 *
 * bin is {"$bin":"<base64>"} or, one way, {"$bin_len":N}; floats have the fewest digits that read back and always a point
 * or an exponent; NaN and infinities are {"$f64":"nan"}. A field named "type", and keys that begin with "$", get a "$"
 * in front. Source: formats.md 1.7. */
#ifndef BT_STREAM_TWIN_H
#define BT_STREAM_TWIN_H

#include <stdbool.h>

#include "libcommon/base/err.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/stream.h"

enum bt_twin_bin { BT_BIN_BASE64, BT_BIN_LENGTH };

/* Appends a value, or the members of a record ("k":v,...) without braces. */
int bt_twin_value(struct bt_buf *buf, struct bt_value value, enum bt_twin_bin bin, struct bt_err *err);
int bt_twin_members(struct bt_buf *buf, const struct bt_record *rec, enum bt_twin_bin bin, struct bt_err *err);

/* The way back: a value under `key`, or every member of a line but "type" (and "n", when it is a record's). */
int bt_twin_set(struct bt_record *rec, const char *key, const json_t *value, struct bt_err *err);
int bt_twin_record(struct bt_record *rec, const json_t *line, struct bt_err *err);

/* All frames of a stream, or of a set of shards as if it were one segment, as lines on fd. After `head` records (0: all)
 * it stops, without the end line. */
int bt_twin_export(const char *path, int fd, enum bt_twin_bin bin, uint64_t head, const struct bt_reader_options *options,
                   struct bt_err *err);

/* JSON lines to a stream. Lines of the twin give its frames back; an end line must agree in number. Lines without a
 * begin line (a user's own, or those a filter left) become records of `schema`; with `expect` (not UINT64_MAX) their
 * number must be that. The sums are formed anew, so edited lines make a valid stream.
 * Errors: E_JSON, E_JSON_TRUNC, E_BT_SEQ. */
struct bt_twin_import {
    const char *path, *output, *schema;
    bool force;
    uint64_t expect;
    const char *expect_sha256; /* hex of the whole input, or NULL */
};
int bt_twin_import(const struct bt_twin_import *job, struct bt_err *err);

#endif
