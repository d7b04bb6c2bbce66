/* Any bytes as METEOR's jar, its table of paraphrases, packed or plain, its synonyms, or a caption: scores or
 * a refusal, within the limits. The first byte says which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/synonyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

/* A name for the bytes that needs no disk. */
static int name_bytes(const void *data, size_t size, char path[64])
{
    int fd = memfd_create("meteor", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void align(const struct bt_meteor_data *data, struct bt_text caption)
{
    const struct bt_text references[] = { text("two dogs run"), text("a couple of dogs on the move, u.s."),
                                          caption };
    const struct bt_meteor_item items[] = { { caption, references, 3 },
                                            { text("a couple of dog's running"), references, 3 } };
    struct bt_meteor_stats stats[2];
    struct bt_err err = { 0 };
    if (bt_meteor_align(data, items, 2, stats, &err) != BT_OK)
        return;
    for (int i = 0; i < 2; i++) {
        double score = bt_meteor_score(&stats[i]);
        if (!(score >= 0 && score <= 1))
            __builtin_trap();
    }
}

static void try_jar(const uint8_t *bytes, size_t size)
{
    struct bt_meteor_data *data = NULL;
    char path[64];
    int fd = name_bytes(bytes, size, path);
    if (bt_meteor_open(&data, path, NULL) == BT_OK) /* never: no table lies beside a jar without a folder */
        __builtin_trap();
    close(fd);
}

static void try_table(const void *bytes, size_t size)
{
    struct bt_meteor_data *data = NULL;
    char path[64];
    int fd = name_bytes(bytes, size, path);
    if (bt_meteor_open(&data, NULL, NULL) == BT_OK && bt_meteor_set_paraphrases(data, path, NULL) == BT_OK)
        align(data, text("the dogs."));
    bt_meteor_close(data);
    close(fd);
}

static void try_plain_table(const uint8_t *bytes, size_t size)
{
    z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)size };
    if (deflateInit2(&z, 0, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    size_t most = deflateBound(&z, size);
    Bytef *packed = malloc(most);
    z.next_out = packed;
    z.avail_out = (uInt)most;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    try_table(packed, most - z.avail_out);
    deflateEnd(&z);
    free(packed);
}

static void try_synonyms(struct bt_text both)
{
    struct bt_synonyms *synonyms = NULL;
    struct bt_text synsets = { both.data, both.size / 2 },
                   exceptions = { both.data + both.size / 2, both.size - both.size / 2 };
    int32_t *found = NULL, count;
    uint64_t capacity = 0;
    if (bt_synonyms_new(&synonyms, synsets, exceptions, NULL) == BT_OK) {
        bt_synonyms_find(synonyms, text("children"), &found, &capacity, &count, NULL);
        bt_synonyms_find(synonyms, text("dogs"), &found, &capacity, &count, NULL);
    }
    free(found);
    bt_synonyms_free(synonyms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_meteor_data *none = NULL;
    if (size == 0)
        return 0;
    const struct bt_text rest = { (const char *)data + 1, size - 1 };
    switch (data[0] % 5) {
    case 0:
        try_jar(data + 1, size - 1);
        break;
    case 1:
        try_table(data + 1, size - 1);
        break;
    case 2:
        try_plain_table(data + 1, size - 1);
        break;
    case 3:
        try_synonyms(rest);
        break;
    default:
        if (bt_meteor_open(&none, NULL, NULL) == BT_OK)
            align(none, rest);
        bt_meteor_close(none);
    }
    return 0;
}
