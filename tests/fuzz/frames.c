/* Any bytes as a stream: read to its end, or refused with a word; mended, it gives only what decodes. */
#include <stdlib.h>

#include "libcommon/base/log.h"
#include "libcommon/stream/stream.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_all(const char *path, const struct bt_reader_options *options)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };
    uint64_t count = 0;
    int rc = bt_reader_open(&r, path, options, &err);

    while (!rc) {
        rc = bt_reader_next(r, rec, &err);
        count += !rc;
    }
    if (rc != BT_END && (err.status != rc || !err.text[0]))
        abort(); /* refused without a word */
    bt_reader_close(r);
    bt_record_free(rec);
    return rc == BT_END ? count : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bt_reader_options mend = { .salvage = true, .kind = "bt.sample/1" };
    const char *path = fuzz_file(data, size);

    bt_log_silence();
    uint64_t good = read_all(path, NULL);
    if (read_all(path, &mend) < good)
        abort(); /* of what is whole nothing is lost */
    return 0;
}
