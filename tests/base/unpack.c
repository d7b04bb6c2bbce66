/* libcommon/base/unpack.h: plain and packed files give the same bytes; damage is told, never read over. */
#include "libcommon/base/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

typedef int filter(struct archive *);

/* `size` bytes through a filter; returns the packed ones. */
static size_t pack(filter *add, const char *data, size_t size, char *out, size_t room)
{
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    size_t used = 0;

    add(a);
    archive_write_set_format_raw(a);
    archive_write_set_bytes_per_block(a, 0);
    CHECK_INT(archive_write_open_memory(a, out, room, &used), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(a, entry);
    CHECK_INT(archive_write_data(a, data, size), (long long)size);
    archive_write_close(a);
    archive_write_free(a);
    archive_entry_free(entry);
    return used;
}

/* All bytes of a file, read `step` at a time; -1 when it fails. */
static ssize_t read_all(const void *file, size_t size, size_t step, char *out, size_t room, struct bt_err *err)
{
    const char *path = scratch("packed");
    struct bt_unpack *u = NULL;
    ssize_t got = 0, all = 0;

    bt_err_clear(err);
    CHECK_OK(bt_file_write(path, file, size, true, err), err);
    if (bt_unpack_open(&u, path, err))
        return -1;
    while ((got = bt_unpack_read(u, out + all, (size_t)all + step < room ? step : room - (size_t)all, err)) > 0)
        all += got;
    bt_unpack_close(u);
    return got < 0 ? -1 : all;
}

static filter *const filters[] = { archive_write_add_filter_gzip, archive_write_add_filter_zstd, archive_write_add_filter_xz,
                                   archive_write_add_filter_bzip2 };

static void test_round_trips(void)
{
    enum { SIZE = 300000 };
    static char text[SIZE], packed[2 * SIZE], back[SIZE + 10];
    struct bt_err err = { 0 };

    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i * i % 251 + i / 1000 % 5);
    for (size_t size = 0; size <= SIZE; size = size < 5 ? size + 1 : size * 60) {
        CHECK_INT(read_all(text, size, 1000, back, sizeof back, &err), (long long)size);
        CHECK(memcmp(text, back, size) == 0);
        for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
            size_t bytes = pack(filters[f], text, size, packed, sizeof packed);

            CHECK_INT(read_all(packed, bytes, 777, back, sizeof back, &err), (long long)size);
            CHECK(memcmp(text, back, size) == 0);
        }
    }
}

/* Of gzip and zstd every cut is an error, and so is a flipped bit of what they checksum. */
static void test_damage(void)
{
    static char text[4000], packed[8000], back[sizeof text + 10];
    struct bt_err err = { 0 };

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7919 % 253);
    for (size_t f = 0; f < 2; f++) {
        size_t bytes = pack(filters[f], text, sizeof text, packed, sizeof packed);

        for (size_t cut = 4; cut < bytes; cut += 13) {
            CHECK_INT(read_all(packed, cut, sizeof back, back, sizeof back, &err), -1);
            CHECK(err.status == BT_ERR_INPUT && strstr(err.text, "damaged or cut"));
        }
    }
}

/* 64 MiB of zeros in some 64 KiB or less. */
static void test_bomb(void)
{
    enum { SIZE = 64 << 20 };
    char *zeros = calloc(1, SIZE + 10), *packed = malloc(SIZE);
    struct bt_err err = { 0 };
    size_t bytes = pack(archive_write_add_filter_zstd, zeros, SIZE, packed, SIZE);

    CHECK(bytes < SIZE / 2500);
    CHECK_INT(read_all(packed, bytes, 1 << 16, zeros, SIZE + 10, &err), -1);
    CHECK_INT(err.status, BT_ERR_BOMB);
    free(zeros);
    free(packed);
}

/* Lines and arrays do not know that their file is packed. */
static void test_text_readers(void)
{
    static const char text[] = "[1,\n22,\n333]\n";
    char packed[200];
    struct bt_err err = { 0 };
    struct bt_json_array *array = NULL;
    json_t *element;
    int64_t sum = 0;
    int rc;

    size_t bytes = pack(archive_write_add_filter_gzip, text, sizeof text - 1, packed, sizeof packed);

    CHECK_OK(bt_file_write(scratch("a.json.gz"), packed, bytes, true, &err), &err);
    CHECK_OK(bt_json_array_open(&array, scratch("a.json.gz"), NULL, &err), &err);
    while (!(rc = bt_json_array_next(array, &element, &err))) {
        sum += json_integer_value(element);
        json_decref(element);
    }
    CHECK_INT(rc, BT_END);
    CHECK_INT(sum, 356);
    bt_json_array_close(array);
}

int main(void)
{
    scratch_begin();
    RUN(test_round_trips);
    RUN(test_damage);
    RUN(test_bomb);
    RUN(test_text_readers);
    scratch_end();
    return test_end();
}
