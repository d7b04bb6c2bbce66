/* A stream as frames, every rule of formats.md 1.1-1.4 enforced. Private to stream (reader, writer, JSON
 * twin). */
#ifndef BT_STREAM_FRAMES_H
#define BT_STREAM_FRAMES_H

#include "libcommon/base/err.h"
#include "libcommon/stream/record.h"
#include "libcommon/stream/stream.h"

enum bt_frame_type {
    BT_FRAME_BEGIN = 'B',
    BT_FRAME_RECORD = 'R',
    BT_FRAME_END = 'E',
    BT_FRAME_ABORT = 'X',
    BT_FRAME_PROGRESS = 'p',
};

/* ---- in ---- */
struct bt_frames_in;

/* `paths` must outlive it. */
int bt_frames_in_open(struct bt_frames_in **in, const char *const *paths, size_t count,
                      const struct bt_reader_options *options, struct bt_err *err);
/* The next B, R, E or X frame, checked, its body decoded into rec (records with their "n"). BT_END after the
 * end of the last segment, when the segments are all there. */
int bt_frames_in_next(struct bt_frames_in *in, enum bt_frame_type *type, struct bt_record *rec,
                      struct bt_err *err);
/* What an X frame says, as an error. */
int bt_frames_in_aborted(const struct bt_frames_in *in, const struct bt_record *body, struct bt_err *err);
uint64_t bt_frames_in_count(const struct bt_frames_in *in); /* records so far, over all segments */
const struct bt_record *bt_frames_in_begin(const struct bt_frames_in *in); /* of the current segment */
const char *bt_frames_in_schema(const struct bt_frames_in *in);
bool bt_frames_in_is_partial(const struct bt_frames_in *in); /* a segment says so, or some are missing at the end */
const char *bt_frames_in_name(const struct bt_frames_in *in);
void bt_frames_in_close(struct bt_frames_in *in);

/* ---- out ---- */
struct bt_frames_out;

int bt_frames_out_open(struct bt_frames_out **out, const char *path, bool force, struct bt_err *err);
/* B: a new segment; the body's first key is "bt". */
int bt_frames_out_begin(struct bt_frames_out *out, const struct bt_record *body, struct bt_err *err);
int bt_frames_out_record(struct bt_frames_out *out, const struct bt_record *rec, struct bt_err *err);
int bt_frames_out_end(struct bt_frames_out *out, bool partial, uint64_t rejects, struct bt_err *err);
/* The output is whole: its file gets its name. */
int bt_frames_out_finish(struct bt_frames_out *out, struct bt_err *err);
void bt_frames_out_abort(struct bt_frames_out *out, const char *code, const char *message);
uint64_t bt_frames_out_count(const struct bt_frames_out *out);   /* records of this segment */
uint64_t bt_frames_out_content(const struct bt_frames_out *out); /* xxh64 of the segments that ended */
void bt_frames_out_close(struct bt_frames_out *out);

/* xxh64 as it stands in an end record, and back. */
void bt_put_u64(uint8_t out[8], uint64_t value);
uint64_t bt_get_u64(const void *bytes);

#endif
