/* Every allocation of a writer and of a reader fails in its turn: a clean error each time, and nothing is left behind. The
 * C library's own functions are put behind ours, which count; a sanitizer has its own, so that it skips this. */
#include <malloc.h>
#include <stdatomic.h>

#include "libcommon/stream/stream.h"
#include "libcommon/stream/twin.h"
#include "tests/stream/scratch.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static bool counting;
static long left, live; /* allocations until the one that fails; pieces that are held */

static bool fails(void)
{
    return counting && left-- == 0;
}

void *malloc(size_t size)
{
    void *memory = fails() ? NULL : __libc_malloc(size);

    live += counting && memory;
    return memory;
}

void *calloc(size_t count, size_t size)
{
    void *memory = fails() ? NULL : __libc_calloc(count, size);

    live += counting && memory;
    return memory;
}

void *realloc(void *memory, size_t size)
{
    void *larger = fails() ? NULL : __libc_realloc(memory, size);

    live += counting && !memory && larger;
    return larger;
}

void free(void *memory)
{
    live -= counting && memory;
    __libc_free(memory);
}

/* ---- what is done under want of memory ---- */

static int write_some(struct bt_err *err)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true, .provenance = true };
    struct bt_reject reject = { .code = "IMG_FORMAT", .src = "a.jpg", .off = -1, .bytes = -1 };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    int rc = rec ? bt_writer_open(&w, scratch("out.bt"), &options, err) : bt_fail(err, BT_ERR_MEMORY, "no record");

    if (!rc)
        rc = bt_writer_must_int(w, "side", 224, err);
    if (!rc)
        rc = bt_writer_input(w, "in.json", 1, 2, err);
    if (!rc)
        rc = bt_writer_rejects_to(w, scratch("rejects.jsonl"), err);
    if (!rc)
        bt_writer_max_rejects(w, 1);
    for (int i = 0; !rc && i < 3; i++) {
        bt_record_clear(rec);
        rc = bt_record_set_str(rec, "id", "12345678901234567890", (size_t)(10 + i), err);
        bt_record_begin(rec, "captions");
        bt_pack_array(rec, 2);
        bt_pack_str(rec, "one", 3);
        bt_pack_nil(rec);
        if (!rc)
            rc = bt_record_end(rec, err);
        if (!rc)
            rc = bt_writer_put(w, rec, err);
    }
    if (!rc)
        rc = bt_writer_reject(w, &reject, err);
    if (!rc)
        rc = bt_writer_finish(w, err);
    bt_writer_close(w);
    bt_record_free(rec);
    return rc;
}

static char input[200];
static bool salvage;

static int read_some(struct bt_err *err)
{
    struct bt_reader_options options = { .salvage = salvage };
    struct bt_record *rec = bt_record_new(), *other = bt_record_new();
    struct bt_reader *r = NULL;
    int rc = rec && other ? bt_reader_open(&r, input, &options, err) : bt_fail(err, BT_ERR_MEMORY, "no record");

    while (!rc) {
        rc = bt_reader_next(r, rec, err);
        if (!rc)
            rc = bt_record_copy(other, rec, err);
        if (!rc)
            rc = bt_record_set_value(other, "copy", bt_record_get(rec, "captions"), err);
    }
    bt_reader_close(r);
    bt_record_free(rec);
    bt_record_free(other);
    return rc == BT_END ? BT_OK : rc;
}

static int export_some(struct bt_err *err)
{
    const char *path = input;
    struct bt_twin_export job = { &path, 1, BT_BIN_BASE64, UINT64_MAX, NULL };
    struct bt_outfile out = { 0 };
    uint64_t count;
    int rc = bt_outfile_open(&out, scratch("out.jsonl"), true, err);

    if (!rc)
        rc = bt_twin_export(&job, &out, &count, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    return rc;
}

static int import_some(struct bt_err *err)
{
    struct bt_twin_import job = { scratch("in.jsonl"), scratch("imported.bt"), "bt.sample/1", true, UINT64_MAX, NULL };

    return bt_twin_import(&job, err);
}

/* Lets the first, the second, ... allocation fail, until none is left that could. A few may fail without harm. */
static void check_all(int (*some)(struct bt_err *err))
{
    struct bt_err err = { 0 };
    long k = 0;
    int rc = BT_OK;

    CHECK_OK(some(&err), &err); /* what is made once and kept, is */
    for (left = -1; left < 0 && k < 10000; k++) {
        bt_err_clear(&err);
        left = k;
        live = 0;
        counting = true;
        rc = some(&err);
        counting = false;
        if ((rc && rc != BT_ERR_MEMORY) || live != 0)
            printf("# allocation %ld: %s %s, %ld pieces left\n", k, bt_status_name(rc), err.text, live);
        CHECK(rc == BT_OK || (rc == BT_ERR_MEMORY && err.status == rc && err.text[0]));
        CHECK_INT(live, 0);
    }
    CHECK(rc == BT_OK && k > 10);
}

static void test_writer(void)
{
    check_all(write_some);
}

static void set_input(const char *name)
{
    snprintf(input, sizeof input, "%s", scratch(name));
}

/* A stream that does not compress at once. */
static void write_packed(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    char bytes[5000];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    CHECK_OK(bt_writer_open(&w, scratch("out.bt.zst"), &options, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "image", bytes, sizeof bytes, &err), &err);
    CHECK_OK(bt_writer_put(w, rec, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
}

static void test_reader(void)
{
    struct bt_err err = { 0 };

    CHECK_OK(write_some(&err), &err);
    write_packed();
    for (int i = 0; i < 4; i++) {
        set_input(i % 2 ? "out.bt.zst" : "out.bt");
        salvage = i >= 2;
        check_all(read_some);
    }
}

static void test_twin(void)
{
    static const char lines[] = "{\"id\":\"1\",\"a\":[1,2.5,{\"b\":{\"$bin\":\"AAEC\"}}]}\n{\"id\":\"2\"}\n{\"id\":\"3\"}";
    struct bt_err err = { 0 };

    CHECK_OK(write_some(&err), &err);
    set_input("out.bt");
    check_all(export_some);
    put_file(scratch("in.jsonl"), lines, strlen(lines));
    check_all(import_some);
}
#else
static void test_writer(void)
{
    SKIP("a sanitizer has its own memory");
}
static void test_reader(void)
{
    SKIP("a sanitizer has its own memory");
}
static void test_twin(void)
{
    SKIP("a sanitizer has its own memory");
}
#endif

int main(void)
{
    scratch_begin();
    RUN(test_writer);
    RUN(test_reader);
    RUN(test_twin);
    scratch_end();
    return test_end();
}
