/* Any bytes as what may be compressed: given out to the end, or refused with a word, and with `salvage` never refused for
 * damage. No more comes out than the limits let. */
#include <stdlib.h>

#include "libcommon/stream/bytes.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *path, size_t size, bool salvage)
{
    static uint8_t buffer[1 << 16];
    struct bt_source *source = NULL;
    struct bt_err err = { 0 };
    uint64_t total = 0;
    size_t got = 1;
    int rc = bt_source_open(&source, &path, 1, salvage, &err);

    while (!rc && got > 0) {
        rc = bt_source_read(source, buffer, total % sizeof buffer + 1, &got, &err);
        total += got;
    }
    if (rc && !err.text[0])
        abort();
    if (salvage && (rc == BT_ERR_ZSTD || rc == BT_ERR_BT_TRUNC || rc == BT_ERR_BT_MAGIC))
        abort();
    if (total > ((uint64_t)32 << 20) + 4000 * (uint64_t)size)
        abort();
    bt_source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);

    read_all(path, size, false);
    read_all(path, size, true);
    return 0;
}
