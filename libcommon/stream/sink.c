/* Bytes out, perhaps compressed: see bytes.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/stream/bytes.h"

enum { OUTPUT_BYTES = 256 << 10, FRAME_BYTES = 4 << 20, LEVEL = 3, WINDOW_LOG = 21 };

struct bt_sink {
    struct bt_outfile file;
    bool opened;
    ZSTD_CCtx *zstd; /* NULL: plain */
    uint8_t *out;    /* [OUTPUT_BYTES] compressed */
    size_t used;
    uint64_t in_frame; /* bytes given to the open zstd frame */
    double written_s;
};

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);

    return n >= m && strcmp(path + n - m, ending) == 0;
}

static int no_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for compression; write to a name without '.zst'");
}

static int setup_zstd(struct bt_sink *s, struct bt_err *err)
{
    s->out = bt_alloc(OUTPUT_BYTES, 1, err);
    if (!s->out)
        return BT_ERR_MEMORY;
    s->zstd = ZSTD_createCCtx();
    if (!s->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_windowLog, WINDOW_LOG)))
        return no_memory(err);
    return BT_OK;
}

int bt_sink_open(struct bt_sink **sink, const char *path, bool force, struct bt_err *err)
{
    struct bt_sink *s = bt_alloc(1, sizeof *s, err);
    int rc = s ? BT_OK : BT_ERR_MEMORY;

    if (!rc && ends_in(path, ".zst"))
        rc = setup_zstd(s, err);
    if (!rc) {
        rc = bt_outfile_open(&s->file, path, force, err);
        s->opened = !rc;
    }
    if (!rc && isatty(s->file.fd))
        rc = bt_fail(err, BT_ERR_TTY,
                     "standard output: a terminal cannot show records; write to a file or pipe, or "
                     "look at them with 'bt-cat --to=json'");
    if (rc)
        bt_sink_close(s);
    else
        *sink = s;
    return rc;
}

bool bt_sink_direct(const struct bt_sink *s)
{
    return s->file.direct;
}

void bt_sink_close(struct bt_sink *s)
{
    if (!s)
        return;
    if (s->opened)
        bt_outfile_close(&s->file);
    ZSTD_freeCCtx(s->zstd);
    free(s->out);
    free(s);
}

static int write_out(struct bt_sink *s, const void *data, size_t size, struct bt_err *err)
{
    s->written_s = bt_now_s();
    return bt_outfile_write(&s->file, data, size, err);
}

static int flush(struct bt_sink *s, struct bt_err *err)
{
    int rc = s->used > 0 ? write_out(s, s->out, s->used, err) : BT_OK;

    s->used = 0;
    return rc;
}

static int compress(struct bt_sink *s, const void *data, size_t size, ZSTD_EndDirective how,
                    struct bt_err *err)
{
    ZSTD_inBuffer in = { data, size, 0 };
    size_t left;
    int rc = BT_OK;

    do {
        ZSTD_outBuffer out = { s->out, OUTPUT_BYTES, s->used };

        left = ZSTD_compressStream2(s->zstd, &out, &in, how);
        s->used = out.pos;
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation)
            return no_memory(err);
        if (ZSTD_isError(left))
            return bt_fail(err, BT_ERR_BUG, "%s: compression failed (%s); please report this", s->file.path,
                           ZSTD_getErrorName(left));
        if (s->used == OUTPUT_BYTES)
            rc = flush(s, err);
    } while (!rc && (how == ZSTD_e_end ? left > 0 : in.pos < in.size));
    return rc;
}

int bt_sink_write(struct bt_sink *s, const void *data, size_t size, struct bt_err *err)
{
    if (!s->zstd)
        return write_out(s, data, size, err);
    s->in_frame += size;
    return compress(s, data, size, ZSTD_e_continue, err);
}

/* The bytes are the same either way; those of zstd come when a block of them is full. */
bool bt_sink_is_due(const struct bt_sink *s)
{
    return s->file.direct && !s->zstd && bt_now_s() - s->written_s > 0.2;
}

int bt_sink_mark(struct bt_sink *s, bool last, struct bt_err *err)
{
    if (!s->zstd || s->in_frame == 0 || (!last && s->in_frame < FRAME_BYTES))
        return BT_OK;
    s->in_frame = 0;
    return compress(s, NULL, 0, ZSTD_e_end, err);
}

int bt_sink_finish(struct bt_sink *s, struct bt_err *err)
{
    int rc = bt_sink_mark(s, true, err);

    if (!rc)
        rc = flush(s, err);
    return rc ? rc : bt_outfile_finish(&s->file, err);
}
