/* The bytes under a stream: a source that undoes zstd and a sink that may do it. Private to stream and shard.
 * zstd's one home is source.c, sink.c and unpack.c. Source: formats.md 1.4, 1.5. */
#ifndef BT_STREAM_BYTES_H
#define BT_STREAM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

enum { BT_WINDOW_LOG = 27, BT_FREE_BYTES = 16 << 20, BT_RATIO_LIMIT = 2000 };

/* More than 2000:1 beyond the first 16 MiB is no data. */
static inline bool bt_expands_too_far(uint64_t expanded, uint64_t packed)
{
    return expanded > BT_FREE_BYTES && (expanded - BT_FREE_BYTES) / BT_RATIO_LIMIT > packed;
}

/* Segments one behind another, each plain or compressed, told apart by their first bytes. Several files read
 * as one, but none may end within a segment; `paths` must outlive the source. "-" is stdin. */
struct bt_source;
/* With `salvage` damage is stepped over, and told by bt_source_damage, not an error. */
int bt_source_open(struct bt_source **source, const char *const *paths, size_t count, bool salvage,
                   struct bt_err *err);
/* Fills buf; *got is less than size only at the end of the input. An input that ends within a zstd frame is
 * E_BT_TRUNC. */
int bt_source_read(struct bt_source *source, void *buf, size_t size, size_t *got, struct bt_err *err);
/* Says that a segment begins or ends here: only between segments may the kind change. */
void bt_source_segment(struct bt_source *source, bool inside);
uint64_t bt_source_offset(const struct bt_source *source); /* bytes given out */
const char *bt_source_name(const struct bt_source *source);
uint64_t bt_source_damage(const struct bt_source *source); /* places that were stepped over */
void bt_source_close(struct bt_source *source);

/* A file in the making, "-" for stdout; compressed when the name ends in ".zst". */
struct bt_sink;
int bt_sink_open(struct bt_sink **sink, const char *path, bool force, struct bt_err *err);
/* Many frames at a time: a call of the system for each would cost more than its bytes. */
int bt_sink_write(struct bt_sink *sink, const void *data, size_t size, struct bt_err *err);
/* Whether a reader has waited long enough to be given what there is, however little. */
bool bt_sink_is_due(const struct bt_sink *sink);
/* Between bt frames: where a zstd frame may close; after an end record (`last`) it must. */
int bt_sink_mark(struct bt_sink *sink, bool last, struct bt_err *err);
int bt_sink_finish(struct bt_sink *sink, struct bt_err *err);
bool bt_sink_direct(const struct bt_sink *sink); /* someone may be reading already */
void bt_sink_close(struct bt_sink *sink);

/* One zstd frame and nothing else, unpacked into out, which is emptied first; dict may be NULL. Errors: E_ZSTD,
 * E_BOMB, E_LIMIT (more than `limit` bytes), E_MEMORY. */
int bt_unpack(struct bt_buf *out, const void *data, size_t size, const void *dict, size_t dict_size,
              uint64_t limit, struct bt_err *err);

#endif
