/* Damaged streams mended: what is kept is as it was written, what is lost is known to be. */
#include "libcommon/stream/mend.h"

#include <fcntl.h>

#include "libcommon/base/log.h"
#include "tests/stream/scratch.h"

enum { RECORDS = 12 };

static void write_stream(const char *path, int first, int count)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .force = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&w, path, &options, &err), &err);
    for (int i = first; i < first + count; i++) {
        char id[20];

        snprintf(id, sizeof id, "%06d", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, 6, &err), &err);
        CHECK_OK(bt_record_set_int(rec, "square", i * i, &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
}

/* What mending makes of the bytes. */
struct mended {
    int rc, count, last; /* last: number in the id of the last record */
    uint64_t lost;
    bool partial, in_order;
};

static struct mended mend(const void *data, size_t size, const char *kind)
{
    struct bt_reader_options options = { .salvage = true, .kind = kind };
    struct bt_record *rec = bt_record_new();
    struct mended m = { .last = -1, .in_order = true };
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };

    put_file(scratch("bytes.bt"), data, size);
    m.rc = bt_reader_open(&r, scratch("bytes.bt"), &options, &err);
    while (!m.rc) {
        m.rc = bt_reader_next(r, rec, &err);
        if (m.rc)
            break;
        int id = atoi(bt_record_get(rec, "id").data);
        m.in_order = m.in_order && id > m.last && bt_record_get(rec, "square").integer == id * id;
        m.last = id;
        m.count++;
    }
    m.lost = r ? bt_reader_lost(r) : 0;
    m.partial = r && bt_reader_is_partial(r);
    bt_reader_close(r);
    bt_record_free(rec);
    return m;
}

/* Where each frame begins, and the end. */
static size_t frames_of(const char *data, size_t size, size_t *at)
{
    size_t count = 0;

    for (size_t i = 0; i < size; count++) {
        const uint8_t *p = (const uint8_t *)data + i;

        at[count] = i;
        i += 6 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
    }
    at[count] = size;
    return count;
}

static void test_whole(void)
{
    size_t size = 0;

    write_stream(scratch("a.bt"), 0, RECORDS);
    char *data = get_file(scratch("a.bt"), &size);
    struct mended m = mend(data, size, NULL);
    CHECK(m.rc == BT_END && m.count == RECORDS && m.lost == 0 && !m.partial && m.in_order);
    free(data);
}

static void test_every_cut(void)
{
    size_t size = 0, at[RECORDS + 3];

    write_stream(scratch("a.bt"), 0, RECORDS);
    char *data = get_file(scratch("a.bt"), &size);
    CHECK_INT(frames_of(data, size, at), RECORDS + 2);
    for (size_t n = 0; n < size; n++) {
        struct mended m = mend(data, n, NULL);
        int whole = 0;

        while (whole < RECORDS && at[whole + 2] <= n)
            whole++;
        if (n < at[1])
            CHECK_INT(m.rc, BT_ERR_BT_MAGIC);
        else
            CHECK(m.rc == BT_END && m.count == whole && m.partial && m.in_order);
    }
    free(data);
}

/* One bit is wrong: no more than the record that holds it is lost, and every flip is noticed. */
static void test_every_flip(void)
{
    size_t size = 0, at[RECORDS + 3];

    write_stream(scratch("a.bt"), 0, RECORDS);
    char *data = get_file(scratch("a.bt"), &size);
    frames_of(data, size, at);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        data[bit / 8] ^= (char)(1 << bit % 8);
        struct mended m = mend(data, size, "bt.sample/1");
        bool in_record = bit / 8 >= at[1] && bit / 8 < at[RECORDS + 1];

        CHECK(m.rc == BT_END && m.partial && m.in_order);
        CHECK_INT(m.count, RECORDS - in_record);
        CHECK_INT(m.lost, in_record);
        data[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(data);
}

static void test_damage_within_zstd(void)
{
    size_t a_size = 0, b_size = 0;
    int best = 0;

    write_stream(scratch("a.bt.zst"), 0, RECORDS);
    write_stream(scratch("b.bt.zst"), RECORDS, RECORDS);
    char *a = get_file(scratch("a.bt.zst"), &a_size), *b = get_file(scratch("b.bt.zst"), &b_size);
    a = realloc(a, a_size + b_size);
    memcpy(a + a_size, b, b_size);
    for (size_t i = 0; i < a_size; i++) { /* in the first of two segments: the second is kept */
        a[i] ^= 0x55;
        struct mended m = mend(a, a_size + b_size, NULL);
        CHECK(m.rc == BT_END && m.in_order && m.count >= RECORDS && m.last == 2 * RECORDS - 1);
        CHECK(m.partial || m.count == 2 * RECORDS); /* some bits of a zstd frame's head mean nothing */
        best = m.count > best ? m.count : best;
        a[i] ^= 0x55;
    }
    CHECK(best >= RECORDS);
    for (size_t n = 1; n < a_size; n++) { /* the first cut, the second whole */
        struct bt_buf cut = { 0 };
        struct bt_err err = { 0 };

        CHECK_OK(bt_buf_add(&cut, a, n, &err), &err);
        CHECK_OK(bt_buf_add(&cut, b, b_size, &err), &err);
        struct mended m = mend(cut.data, cut.size, NULL);
        CHECK(m.rc == BT_END && m.in_order && m.partial && m.count >= RECORDS && m.last == 2 * RECORDS - 1);
        bt_buf_free(&cut);
    }
    free(a);
    free(b);
}

static struct mended mend_arranged(const char *data, const size_t *at, const char *which)
{
    struct bt_buf all = { 0 };
    struct bt_err err = { 0 };

    for (; *which; which++) {
        size_t i = (size_t)(*which - 'a');

        CHECK_OK(bt_buf_add(&all, data + at[i], at[i + 1] - at[i], &err), &err);
    }
    struct mended m = mend(all.data, all.size, NULL);
    bt_buf_free(&all);
    return m;
}

static void test_arranged(void)
{
    size_t size = 0, at[RECORDS + 3];

    write_stream(scratch("a.bt"), 0, 4);
    char *data = get_file(scratch("a.bt"), &size);
    frames_of(data, size, at); /* begin a, records b c d e, end f */
    struct mended m = mend_arranged(data, at, "abdef");
    CHECK(m.count == 3 && m.lost == 1 && m.partial && m.in_order);
    m = mend_arranged(data, at, "abccdef");
    CHECK(m.count == 4 && m.lost == 0 && m.partial && m.in_order);
    m = mend_arranged(data, at, "abdcef");
    CHECK(m.count == 3 && m.lost == 1 && m.partial && m.in_order);
    m = mend_arranged(data, at, "abcdf");
    CHECK(m.count == 3 && m.lost == 1 && m.partial);
    m = mend_arranged(data, at, "abcdef");
    CHECK(m.count == 4 && m.lost == 0 && !m.partial);
    m = mend_arranged(data, at, "bcdef");
    CHECK_INT(m.rc, BT_ERR_BT_MAGIC);
    free(data);
}

static void test_segments_of_other_kinds(void)
{
    struct bt_writer_options options = { .schema = &bt_schema_score, .force = true };
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    size_t a_size = 0, b_size = 0;

    write_stream(scratch("a.bt"), 0, 2);
    CHECK_OK(bt_writer_open(&w, scratch("b.bt"), &options, &err), &err);
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    char *a = get_file(scratch("a.bt"), &a_size), *b = get_file(scratch("b.bt"), &b_size);
    a = realloc(a, a_size + b_size);
    memcpy(a + a_size, b, b_size);
    CHECK_INT(mend(a, a_size + b_size, NULL).rc, BT_ERR_BT_MIXED);
    free(a);
    free(b);
}

/* Heads of frames that claim far more than they are, one behind another, cost no more than a bounded time. */
static void test_false_heads(void)
{
    size_t size = 3 << 20;
    char *data = malloc(size);

    for (size_t i = 0; i < size; i++)
        data[i] = "\xC9\x00\x2F\xFF\xFFR"[i % 6];
    int rc = mend(data, size, "bt.sample/1").rc;
    CHECK(rc == BT_ERR_LIMIT || rc == BT_END || rc == BT_ERR_BT_MAGIC);
    free(data);
}

int main(void)
{
    int saved = dup(STDERR_FILENO);

    /* The account of what is lost, thousands of times, is not for whoever runs this. */
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    scratch_begin();
    RUN(test_whole);
    RUN(test_every_cut);
    RUN(test_every_flip);
    RUN(test_damage_within_zstd);
    RUN(test_arranged);
    RUN(test_segments_of_other_kinds);
    RUN(test_false_heads);
    scratch_end();
    dup2(saved, STDERR_FILENO);
    return test_end();
}
