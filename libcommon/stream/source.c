/* Bytes in, decompressed: see bytes.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/stream.h"

enum {
    INPUT_BYTES = 256 << 10,
    SKIPPABLE_LIMIT = 1 << 20,
    WINDOW_BYTES = 128 << 20,
    WINDOW_LOG_LEAST = 10, /* zstd's own bounds */
    WINDOW_LOG_MOST = 31,
    FREE_RETRIES = 1 << 30,
    FREE_BYTES = 16 << 20, /* the ratio counts from here on */
    RATIO_LIMIT = 2000,
};

static const uint8_t zstd_magic[4] = { 0x28, 0xB5, 0x2F, 0xFD };

struct bt_source {
    const char *const
        *paths; /* files read as if they were one, left to right; borrowed until the source is closed */
    size_t count, current;
    int fd;
    const char *name;
    uint8_t *in;
    size_t size, used; /* of what was read into `in` */
    bool eof, inside;
    enum { BETWEEN, PLAIN, ZSTD } mode;
    ZSTD_DCtx *zstd;
    uint64_t file_bytes, offset, packed, expanded;
    bool salvage, raw; /* raw: what is given out may be the inside of a damaged zstd frame */
    uint64_t damage, max_ratio, retried;
    size_t frame; /* where in `in` the zstd frame at hand began, as far as it is still there */
    int window_log;
};

static int open_file(struct bt_source *s, struct bt_err *err)
{
    const char *path = s->paths[s->current];
    bool is_stdin = strcmp(path, "-") == 0;

    s->name = is_stdin ? "stdin" : path;
    s->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return bt_fail_errno(err, errno, 0, bt_quote_str(path), "check the path");
    s->eof = false;
    s->file_bytes = s->offset = 0;
    return BT_OK;
}

static void close_file(struct bt_source *s)
{
    if (s->fd > STDERR_FILENO)
        close(s->fd);
    s->fd = -1;
}

int bt_source_open(struct bt_source **source, const char *const *paths, size_t count, bool salvage,
                   struct bt_err *err)
{
    struct bt_source *s = bt_alloc(1, sizeof *s, err);

    if (!s)
        return BT_ERR_MEMORY;
    s->salvage = salvage;
    s->max_ratio = bt_reading.max_ratio ? (uint64_t)bt_reading.max_ratio : RATIO_LIMIT;
    s->window_log = WINDOW_LOG_LEAST;
    while (s->window_log < WINDOW_LOG_MOST &&
           INT64_C(2) << s->window_log <= (bt_reading.max_window ? bt_reading.max_window : WINDOW_BYTES))
        s->window_log++;
    s->paths = paths;
    s->count = count;
    s->fd = -1;
    s->in = bt_alloc(INPUT_BYTES, 1, err);
    int rc = s->in ? open_file(s, err) : BT_ERR_MEMORY;
    if (rc)
        bt_source_close(s);
    else
        *source = s;
    return rc;
}

void bt_source_close(struct bt_source *s)
{
    if (!s)
        return;
    close_file(s);
    ZSTD_freeDCtx(s->zstd);
    free(s->in);
    free(s);
}

uint64_t bt_source_damage(const struct bt_source *s)
{
    return s->damage;
}

uint64_t bt_source_offset(const struct bt_source *s)
{
    return s->offset;
}

const char *bt_source_name(const struct bt_source *s)
{
    return s->name;
}

void bt_source_segment(struct bt_source *s, bool inside)
{
    s->inside = inside;
    if (!inside && s->mode == PLAIN)
        s->mode = BETWEEN;
}

static int read_some(struct bt_source *s, void *buf, size_t size, size_t *got, struct bt_err *err)
{
    ssize_t n;

    do
        n = read(s->fd, buf, size);
    while (n < 0 && errno == EINTR && !bt_stop_requested());
    if (n < 0 && errno == EINTR)
        return bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", s->name);
    if (n < 0)
        return bt_fail_errno(err, errno, 0, s->name, "check the disk or the pipe, and run again");
    s->eof = n == 0;
    s->file_bytes += (uint64_t)n;
    *got = (size_t)n;
    return BT_OK;
}

/* Whether the zstd frame at hand is kept as long as it may turn out to be none. */
static bool can_go_back(const struct bt_source *s)
{
    return s->salvage && s->mode == ZSTD && s->size - s->frame <= INPUT_BYTES / 2;
}

/* At least `need` bytes in the buffer, unless the input ends before. */
static int fill(struct bt_source *s, size_t need, struct bt_err *err)
{
    int rc = BT_OK;

    if (s->size - s->used >= need)
        return BT_OK;
    size_t from = can_go_back(s) ? s->frame : s->used;
    memmove(s->in, s->in + from, s->size - from);
    s->size -= from;
    s->used -= from;
    s->frame = 0;
    while (!rc && !s->eof && s->size - s->used < need) {
        size_t got = 0;

        rc = read_some(s, s->in + s->size, INPUT_BYTES - s->size, &got, err);
        s->size += got;
    }
    return rc;
}

static int cut(struct bt_source *s, struct bt_err *err)
{
    return bt_fail(
        err, BT_ERR_BT_TRUNC,
        "%s: ends within a compressed frame; the producer died or the file is cut: rerun it, or salvage "
        "with 'bt-cat --repair'",
        s->name);
}

static int skip_frame(struct bt_source *s, struct bt_err *err)
{
    int rc = fill(s, 8, err);

    if (!rc && s->size - s->used < 8)
        rc = cut(s, err);
    if (rc)
        return rc;
    const uint8_t *p = s->in + s->used + 4; /* little-endian, as zstd has it */
    uint64_t left = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
    if (left > SKIPPABLE_LIMIT)
        return bt_fail(err, BT_ERR_LIMIT, "%s: a skippable frame of %llu bytes; at most 1 MiB is skipped",
                       s->name, (unsigned long long)left);
    s->used += 8;
    while (!rc && left > 0) {
        rc = fill(s, 1, err);
        size_t here = s->size - s->used;
        if (!rc && here == 0)
            rc = cut(s, err);
        if (here > left)
            here = (size_t)left;
        s->used += here;
        left -= here;
    }
    return rc;
}

static int no_memory(struct bt_source *s, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory for decompression; free some and run again", s->name);
}

static int start_zstd(struct bt_source *s, struct bt_err *err)
{
    if (!s->zstd)
        s->zstd = ZSTD_createDCtx();
    if (!s->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, s->window_log)))
        return no_memory(s, err);
    s->mode = ZSTD;
    s->raw = false;
    s->frame = s->used;
    return BT_OK;
}

/* The end of a file. Between segments the next one may begin; an empty file is none (formats.md 1.3). */
static int next_file(struct bt_source *s, bool *end, struct bt_err *err)
{
    if (s->file_bytes == 0 && s->salvage)
        s->damage++;
    else if (s->file_bytes == 0)
        return bt_fail(err, BT_ERR_BT_EMPTY,
                       "%s: no bytes at all, and an empty stream has a begin and an end; the producer "
                       "died before it wrote anything",
                       s->name);
    *end = (s->inside && !s->salvage) || s->current + 1 == s->count;
    if (*end)
        return BT_OK;
    close_file(s);
    s->current++;
    return open_file(s, err);
}

/* The bytes at the start of a segment or of a zstd frame say what follows. *end: nothing does. */
static int detect(struct bt_source *s, bool *end, struct bt_err *err)
{
    static const uint8_t skip_magic[4] = { 0x50, 0x2A, 0x4D, 0x18 };
    int rc = fill(s, 4, err);
    size_t here = s->size - s->used < 4 ? s->size - s->used : 4;
    const uint8_t *p = s->in + s->used;

    if (rc)
        return rc;
    if (here == 0)
        return next_file(s, end, err);
    bool is_zstd = memcmp(p, zstd_magic, here) == 0;
    bool is_skip = (p[0] & 0xF0) == 0x50 && memcmp(p + 1, skip_magic + 1, here - 1) == 0;
    if ((p[0] == 0xC9 && !s->inside) || (s->salvage && !is_zstd && !is_skip)) {
        s->mode = PLAIN;
        return BT_OK;
    }
    if ((is_zstd || is_skip) && here < 4)
        return cut(s, err);
    if (is_zstd)
        return start_zstd(s, err);
    if (is_skip)
        return skip_frame(s, err);
    rc = bt_refuse_lfs_pointer(s->name, p, s->size - s->used, err);
    if (rc)
        return rc;
    return bt_fail(err, BT_ERR_BT_MAGIC,
                   "%s:%llu: not a bt stream (it goes on with byte 0x%02x); "
                   "JSON lines are read by 'bt-cat --from=json'",
                   s->name, (unsigned long long)s->offset, p[0]);
}

/* The window was refused, memory is short, or the data is damaged: zstd says which. */
static int zstd_failed(struct bt_source *s, size_t status, struct bt_err *err)
{
    if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation)
        return no_memory(s, err);
    if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge)
        return bt_fail(err, BT_ERR_LIMIT, "%s: compressed with a window beyond %llu bytes; raise --max-window",
                       s->name, 1ULL << s->window_log);
    return bt_fail(err, BT_ERR_ZSTD, "%s: compressed data is damaged (%s); copy the file again and compare sha256",
                   s->name, ZSTD_getErrorName(status));
}

static int inflate(struct bt_source *s, void *buf, size_t size, size_t *got, struct bt_err *err)
{
    int rc = fill(s, 1, err);

    if (rc)
        return rc;
    ZSTD_inBuffer in = { s->in + s->used, s->size - s->used, 0 };
    ZSTD_outBuffer out = { buf, size, 0 };
    size_t status = ZSTD_decompressStream(s->zstd, &out, &in);
    s->used += in.pos;
    s->packed += in.pos;
    s->expanded += out.pos;
    *got = out.pos;
    if (ZSTD_isError(status)) {
        ZSTD_freeDCtx(s->zstd); /* not to be used after an error */
        s->zstd = NULL;
        return zstd_failed(s, status, err);
    }
    if (s->expanded > FREE_BYTES && (s->expanded - FREE_BYTES) / s->max_ratio > s->packed)
        return bt_fail(err, BT_ERR_BOMB,
                       "%s:%llu: expands more than %llu times; refused, raise --max-ratio if you trust it",
                       s->name, (unsigned long long)s->packed, (unsigned long long)s->max_ratio);
    if (status == 0)
        s->mode = BETWEEN;
    else if (in.size == 0 && out.pos == 0)
        return cut(s, err);
    return BT_OK;
}

/* When bytes are missing or damaged, a zstd frame may follow anywhere. */
static size_t up_to_zstd(struct bt_source *s, size_t here)
{
    const uint8_t *from = s->in + s->used, *found = memmem(from, here, zstd_magic, sizeof zstd_magic);

    if (found == from)
        s->mode = BETWEEN;
    return found ? (size_t)(found - from) : here > 3 ? here - 3 : s->eof ? here : 0;
}

static int copy(struct bt_source *s, void *buf, size_t size, size_t *got, struct bt_err *err)
{
    bool searching = s->salvage && (!s->inside || s->raw);

    if (s->used == s->size && size >= INPUT_BYTES && !searching)
        return read_some(s, buf, size, got, err);
    int rc = s->used < s->size && !searching ? BT_OK : fill(s, searching ? sizeof zstd_magic : 1, err);
    size_t here = s->size - s->used;

    if (searching)
        here = up_to_zstd(s, here);
    *got = here < size ? here : size;
    memcpy(buf, s->in + s->used, *got);
    s->used += *got;
    return rc;
}

/* What is no zstd after all is given out as it is, for frames to be looked for in it; the next zstd frame may begin well
 * before the place where the damage showed. Going back is done for so many bytes only, or it could be done for ever. */
static void step_over(struct bt_source *s)
{
    if (s->mode == ZSTD && s->frame < s->used && s->retried < FREE_RETRIES + 16 * s->file_bytes) {
        s->retried += s->used - s->frame;
        s->used = s->frame;
    }
    s->used += s->used < s->size; /* or the same would be tried again */
    ZSTD_freeDCtx(s->zstd);
    s->zstd = NULL;
    s->damage++;
    s->mode = PLAIN;
    s->raw = true;
}

static bool can_step_over(int rc)
{
    return rc == BT_ERR_ZSTD || rc == BT_ERR_BT_TRUNC || rc == BT_ERR_LIMIT;
}

/* Some bytes more, or what stands in their way. *end: there are none. */
static int read_on(struct bt_source *s, void *buf, size_t size, size_t *got, bool *end, struct bt_err *err)
{
    int rc;

    switch (s->mode) {
    case BETWEEN:
        return detect(s, end, err);
    case PLAIN:
        rc = copy(s, buf, size, got, err);
        if (s->salvage && s->used == s->size && s->eof)
            s->mode = BETWEEN; /* of this file and the next */
        *end = !s->salvage && !rc && *got == 0;
        return rc;
    default:
        return inflate(s, buf, size, got, err);
    }
}

int bt_source_read(struct bt_source *s, void *buf, size_t size, size_t *got, struct bt_err *err)
{
    size_t done = 0;
    bool end = false;
    int rc = BT_OK;

    if (s->mode == PLAIN && !s->salvage && s->size - s->used >= size) { /* nearly always */
        memcpy(buf, s->in + s->used, size);
        s->used += size;
        s->offset += size;
        *got = size;
        return BT_OK;
    }
    while (!rc && !end && done < size) {
        struct bt_err why; /* large, and this is called for every record */
        size_t n = 0;

        bt_err_clear(&why);
        rc = read_on(s, (char *)buf + done, size - done, &n, &end, s->salvage ? &why : err);
        done += n;
        s->offset += n;
        if (s->salvage && can_step_over(rc)) {
            step_over(s);
            rc = BT_OK;
        } else if (s->salvage && rc) {
            bt_fail(err, rc, "%s", why.text);
        }
    }
    *got = done;
    return rc;
}
