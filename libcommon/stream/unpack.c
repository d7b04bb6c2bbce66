/* One compressed value, as shards hold them: see bytes.h. */
#include <zstd.h>

#include "libcommon/stream/bytes.h"

enum { PIECE_BYTES = 64 << 10 };

static int inflate(ZSTD_DCtx *zstd, struct bt_buf *out, const void *data, size_t size, uint64_t limit,
                   struct bt_err *err)
{
    char piece[PIECE_BYTES];
    ZSTD_inBuffer in = { data, size, 0 };
    size_t status = 1;
    int rc = BT_OK;

    while (!rc && status != 0) {
        ZSTD_outBuffer to = { piece, sizeof piece, 0 };

        status = ZSTD_decompressStream(zstd, &to, &in);
        if (ZSTD_isError(status))
            return bt_fail(err, BT_ERR_ZSTD, "compressed data is damaged (%s); fetch it again",
                           ZSTD_getErrorName(status));
        if (out->size + to.pos > limit)
            return bt_fail(err, BT_ERR_LIMIT, "unpacks to more than %llu bytes; it was not written by bt",
                           (unsigned long long)limit);
        if (bt_expands_too_far(out->size + to.pos, in.pos))
            return bt_fail(err, BT_ERR_BOMB, "expands more than 2000 times; it was not written by bt");
        if (status != 0 && to.pos == 0 && in.pos == in.size)
            return bt_fail(err, BT_ERR_ZSTD, "compressed data ends too early; fetch it again");
        rc = bt_buf_add(out, piece, to.pos, err);
    }
    if (!rc && in.pos != in.size)
        rc = bt_fail(err, BT_ERR_ZSTD, "compressed data with %zu bytes behind it; fetch it again",
                     in.size - in.pos);
    return rc;
}

int bt_unpack(struct bt_buf *out, const void *data, size_t size, const void *dict, size_t dict_size,
              uint64_t limit, struct bt_err *err)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    int rc = BT_OK;

    out->size = 0;
    if (!zstd || ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, BT_WINDOW_LOG)))
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for decompression; free some and run again");
    else if (dict_size > 0 && ZSTD_isError(ZSTD_DCtx_loadDictionary(zstd, dict, dict_size)))
        rc = bt_fail(err, BT_ERR_ZSTD, "the dictionary of the shard is damaged; fetch it again");
    if (!rc)
        rc = inflate(zstd, out, data, size, limit, err);
    ZSTD_freeDCtx(zstd);
    return rc;
}
