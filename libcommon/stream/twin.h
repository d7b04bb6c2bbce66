/* The JSON twin: one line per frame, and back to the same bytes.
 *
 * bin is {"$bin":"<base64>"} or, one way, {"$bin_len":N}; floats have the fewest digits that read back and
 * always a point or an exponent; NaN and infinities are {"$f64":"nan"}. A field named "type", and keys that
 * begin with "$", get a "$" in front. Source: formats.md 1.7. */
#ifndef BT_STREAM_TWIN_H
#define BT_STREAM_TWIN_H

#include <stdbool.h>

#include "libcommon/base/err.h"
#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/stream.h"

enum bt_twin_bin { BT_BIN_BASE64, BT_BIN_LENGTH };

/* Appends a value, or the members of a record ("k":v,...) without braces. */
int bt_twin_value(struct bt_buf *buf, struct bt_value value, enum bt_twin_bin bin, struct bt_err *err);
int bt_twin_members(struct bt_buf *buf, const struct bt_record *rec, enum bt_twin_bin bin,
                    struct bt_err *err);

/* The way back: a value under `key`, or every member of a line. Errors: E_JSON, and those of bt_record_end.
 */
int bt_twin_set(struct bt_record *rec, const char *key, const json_t *value, struct bt_err *err);
int bt_twin_record(struct bt_record *rec, const json_t *line, struct bt_err *err);

/* All frames of streams, joined as bt_reader_open_all joins them, or of a set of shards as if it were one
 * segment, as lines to `out`, which stays open. After `head` records (UINT64_MAX: never) it stops, without an
 * end line. *count: records. */
struct bt_twin_export {
    const char *const *paths;
    size_t path_count;
    enum bt_twin_bin bin;
    uint64_t head;
    const struct bt_reader_options *options;
};
int bt_twin_export(const struct bt_twin_export *job, struct bt_outfile *out, uint64_t *count,
                   struct bt_err *err);

/* JSON lines to a stream. Lines of the twin give its frames back; an end line must agree in number. Lines
 * without a begin line (a user's own, or those a filter left) become records of `schema`, an "id" that is
 * missing being the line's number. The sums are formed anew, so edited lines make a valid stream. With
 * `expect` (not UINT64_MAX) the number of records must be that, with expect_sha256 the file's hash. Errors:
 * E_JSON, E_JSON_TRUNC, E_BT_SEQ, E_BT_ABORT. */
struct bt_twin_import {
    const char *path, *output, *schema;
    bool force;
    uint64_t expect;
    const char *expect_sha256; /* hex, or NULL */
};
int bt_twin_import(const struct bt_twin_import *job, struct bt_err *err);

#endif
