/* One good and one bad stream, or more, for every rule of formats.md 1.1 to 1.5 and the limits of section 8; each bad one is
 * refused with its code. With BT_CORPUS=DIR each is also written there, as a seed for fuzzing (tests/fuzz/frames.c). */
#include <zstd.h>

#include "libcommon/base/hash.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/stream.h"
#include "libcommon/stream/walk.h"
#include "tests/stream/scratch.h"

/* ---- streams by hand ---- */

struct made {
    struct bt_buf bytes;
    size_t segment; /* where the segment at hand begins */
    uint64_t n, body_bytes;
};

static void add(struct bt_buf *buf, const void *data, size_t size)
{
    struct bt_err err = { 0 };

    if (size > 0)
        CHECK_OK(bt_buf_add(buf, data, size, &err), &err);
}

static void add_frame(struct made *m, char type, const void *body, size_t size)
{
    uint8_t head[10] = { 0xC9, (uint8_t)((size + 4) >> 24), (uint8_t)((size + 4) >> 16), (uint8_t)((size + 4) >> 8),
                         (uint8_t)(size + 4), (uint8_t)type };
    uint32_t crc = bt_crc32c(bt_crc32c(0, head + 1, 5), body, size);

    for (int i = 0; i < 4; i++)
        head[6 + i] = (uint8_t)(crc >> (24 - 8 * i));
    add(&m->bytes, head, sizeof head);
    add(&m->bytes, body, size);
}

#define BODY(text) text, sizeof text - 1

/* A begin record with `more` pairs behind bt, minor and schema. */
static void add_begin(struct made *m, int more, const char *pairs, size_t size)
{
    struct bt_buf body = { 0 };
    char map = (char)(0x80 + 3 + more);

    m->segment = m->bytes.size;
    m->n = m->body_bytes = 0;
    add(&body, &map, 1);
    add(&body, BODY("\xa2" "bt\x01\xa5minor\x00\xa6schema\xab" "bt.sample/1"));
    add(&body, pairs, size);
    add_frame(m, 'B', body.data, body.size);
    bt_buf_free(&body);
}

static void begin(struct made *m)
{
    add_begin(m, 0, "", 0);
}

static void add_body(struct made *m, const void *body, size_t size)
{
    add_frame(m, 'R', body, size);
    m->n++;
    m->body_bytes += size;
}

/* A record {n, id, v}, v being the msgpack of one value. */
static void add_record(struct made *m, const void *value, size_t size)
{
    struct bt_buf body = { 0 };
    char n = (char)m->n;

    add(&body, BODY("\x83\xa1n"));
    add(&body, &n, 1);
    add(&body, BODY("\xa2id\xa1x\xa1v"));
    add(&body, value, size);
    add_body(m, body.data, body.size);
    bt_buf_free(&body);
}

static void add_end(struct made *m, int n_more, int bytes_more, int sum_more, const char *status)
{
    struct bt_record *rec = bt_record_new();
    struct bt_buf body = { 0 };
    struct bt_err err = { 0 };
    uint8_t sum[8];

    bt_put_u64(sum, bt_xxh64(m->bytes.data + m->segment, m->bytes.size - m->segment) + (uint64_t)sum_more);
    CHECK_OK(bt_record_set_int(rec, "n", (int64_t)m->n + n_more, &err), &err);
    CHECK_OK(bt_record_set_int(rec, "bytes", (int64_t)m->body_bytes + bytes_more, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "xxh64", sum, 8, &err), &err);
    CHECK_OK(bt_record_set_str(rec, "status", status, strlen(status), &err), &err);
    CHECK_OK(bt_record_encode(rec, &body, &err), &err);
    add_frame(m, 'E', body.data, body.size);
    bt_buf_free(&body);
    bt_record_free(rec);
}

static void end(struct made *m)
{
    add_end(m, 0, 0, 0, "complete");
}

/* ---- the verdict ---- */

static int seen[128], seen_count;

/* How reading ends. */
static int verdict(const char *data, size_t size)
{
    struct bt_record *rec = bt_record_new();
    struct bt_reader *r = NULL;
    struct bt_err err = { 0 };

    put_file(scratch("case.bt"), data, size);
    int rc = bt_reader_open(&r, scratch("case.bt"), NULL, &err);
    while (!rc)
        rc = bt_reader_next(r, rec, &err);
    CHECK(rc == BT_END || (err.status == rc && strstr(err.text, "case.bt") && strchr(err.text, ';')));
    bt_reader_close(r);
    bt_record_free(rec);
    return rc;
}

/* What was made must end so; then it is gone. */
static void expect(struct made *m, const char *name, int code)
{
    const char *corpus = getenv("BT_CORPUS");
    int got = verdict(m->bytes.data ? m->bytes.data : "", m->bytes.size);

    if (got != code)
        printf("# %s: %s, must be %s\n", name, bt_status_name(got), bt_status_name(code));
    CHECK(got == code);
    seen[seen_count++] = code;
    if (corpus && m->bytes.size < 8192 && code != BT_ERR_BOMB) {
        char path[200];

        snprintf(path, sizeof path, "%s/%s", corpus, name);
        put_file(path, m->bytes.data ? m->bytes.data : "", m->bytes.size);
    }
    bt_buf_free(&m->bytes);
    *m = (struct made){ 0 };
}

/* A stream of one record with this value. */
static void expect_value(const char *name, const void *value, size_t size, int code)
{
    struct made m = { 0 };

    begin(&m);
    add_record(&m, value, size);
    end(&m);
    expect(&m, name, code);
}

static void expect_body(const char *name, const void *body, size_t size, int code)
{
    struct made m = { 0 };

    begin(&m);
    add_body(&m, body, size);
    end(&m);
    expect(&m, name, code);
}

/* ---- 1.1: frames ---- */

static void test_frames(void)
{
    struct made m = { 0 };

    begin(&m);
    add_record(&m, BODY("\x01"));
    add_record(&m, BODY("\x02"));
    end(&m);
    expect(&m, "good", BT_END);
    begin(&m);
    end(&m);
    expect(&m, "good-empty", BT_END);
    begin(&m);
    end(&m);
    m.bytes.data[0] = (char)0xC8;
    expect(&m, "magic", BT_ERR_BT_MAGIC);
    begin(&m);
    m.bytes.data[m.bytes.size - 1] ^= 1;
    end(&m);
    expect(&m, "crc", BT_ERR_BT_CRC);
    begin(&m);
    add(&m.bytes, BODY("\xC9\x00\x00\x00\x04R\x00\x00\x00\x00"));
    expect(&m, "frame-without-body", BT_ERR_BT_BODY);
    begin(&m);
    add(&m.bytes, BODY("\xC9\x04\x00\x00\x05R\x00\x00\x00\x00"));
    expect(&m, "frame-over-64M", BT_ERR_LIMIT);
    begin(&m);
    add(&m.bytes, BODY("\xC9\x03\xff\xff\xffR\x00\x00\x00\x00"));
    expect(&m, "frame-longer-than-file", BT_ERR_BT_TRUNC);
    begin(&m);
    add_frame(&m, 'Q', BODY("\x80"));
    end(&m);
    expect(&m, "critical", BT_ERR_BT_TYPE);
    begin(&m);
    add_frame(&m, '\x01', BODY("\x80"));
    end(&m);
    expect(&m, "no-letter", BT_ERR_BT_TYPE);
    begin(&m);
    add_frame(&m, 'q', BODY("not msgpack"));
    add_frame(&m, 'p', BODY("\x80"));
    end(&m);
    expect(&m, "good-optional", BT_END);
    begin(&m);
    add_frame(&m, 'q', BODY("\x80"));
    m.bytes.data[m.bytes.size - 1] ^= 1;
    end(&m);
    expect(&m, "optional-crc", BT_ERR_BT_CRC);
}

static void test_begin(void)
{
    struct made m = { 0 };

    add_begin(&m, 1, BODY("\xa5later\xa1x"));
    end(&m);
    expect(&m, "good-unknown-key", BT_END);
    add_frame(&m, 'B', BODY("\x82\xa6schema\xab" "bt.sample/1\xa2" "bt\x01"));
    end(&m);
    expect(&m, "bt-not-first", BT_ERR_BT_BODY);
    add_frame(&m, 'B', BODY("\x82\xa2" "bt\x02\xa6schema\xab" "bt.sample/1"));
    end(&m);
    expect(&m, "bt-2", BT_ERR_BT_BODY);
    add_frame(&m, 'B', BODY("\x81\xa2" "bt\x01"));
    end(&m);
    expect(&m, "no-schema", BT_ERR_BT_BODY);
    add_begin(&m, 1, BODY("\xa4must\xa1x"));
    end(&m);
    expect(&m, "must-no-map", BT_ERR_BT_BODY);
    add_begin(&m, 1, BODY("\xa3seg\x82\xa1i\x00\xa2of\x01"));
    end(&m);
    expect(&m, "good-seg", BT_END);
    add_begin(&m, 1, BODY("\xa3seg\x82\xa1i\x02\xa2of\x02"));
    end(&m);
    expect(&m, "seg-beyond", BT_ERR_BT_BODY);
    add_begin(&m, 1, BODY("\xa3seg\x82\xa1i\x00\xa2of\xce\x7f\xff\xff\xff"));
    end(&m);
    expect(&m, "seg-too-many", BT_ERR_BT_BODY);
}

static void test_order(void)
{
    struct made m = { 0 };

    begin(&m);
    m.n = 1;
    add_record(&m, BODY("\x01"));
    end(&m);
    expect(&m, "n-skipped", BT_ERR_BT_SEQ);
    begin(&m);
    add_record(&m, BODY("\x01"));
    m.n = 0;
    add_record(&m, BODY("\x01"));
    end(&m);
    expect(&m, "n-twice", BT_ERR_BT_SEQ);
    add_record(&m, BODY("\x01"));
    expect(&m, "record-first", BT_ERR_BT_SEQ);
    begin(&m);
    begin(&m);
    end(&m);
    expect(&m, "begin-twice", BT_ERR_BT_SEQ);
    begin(&m);
    end(&m);
    end(&m);
    expect(&m, "end-twice", BT_ERR_BT_SEQ);
    begin(&m);
    add_end(&m, 1, 0, 0, "complete");
    expect(&m, "end-n", BT_ERR_BT_SEQ);
    begin(&m);
    add_end(&m, 0, 1, 0, "complete");
    expect(&m, "end-bytes", BT_ERR_BT_SUM);
    begin(&m);
    add_end(&m, 0, 0, 1, "complete");
    expect(&m, "end-xxh64", BT_ERR_BT_SUM);
    begin(&m);
    add_frame(&m, 'E', BODY("\x81\xa1n\x00"));
    expect(&m, "end-without-sums", BT_ERR_BT_BODY);
    begin(&m);
    add_end(&m, 0, 0, 0, "perhaps");
    expect(&m, "end-status", BT_ERR_BT_BODY);
}

/* ---- 1.2: bodies ---- */

static void nested(const char *name, char open, int depth, int code)
{
    char value[64];

    memset(value, open, (size_t)depth);
    value[depth] = 1;
    expect_value(name, value, (size_t)depth + 1, code);
}

static void test_subset(void)
{
    expect_value("good-nil", BODY("\xc0"), BT_END);
    expect_value("good-float-32", BODY("\xca\x3f\x80\x00\x00"), BT_END);
    expect_value("good-float-64", BODY("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), BT_END);
    expect_value("good-2^53-1", BODY("\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"), BT_END);
    expect_value("2^53", BODY("\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), BT_ERR_BT_BODY);
    expect_value("good-minus-2^53-1", BODY("\xd3\xff\xe0\x00\x00\x00\x00\x00\x01"), BT_END);
    expect_value("minus-2^53", BODY("\xd3\xff\xe0\x00\x00\x00\x00\x00\x00"), BT_ERR_BT_BODY);
    expect_value("c1", BODY("\xc1"), BT_ERR_BT_BODY);
    expect_value("ext", BODY("\xd4\x01\x00"), BT_ERR_BT_BODY);
    expect_value("ext-32", BODY("\xc9\x00\x00\x00\x01\x01\x00"), BT_ERR_BT_BODY);
    expect_value("good-utf8", BODY("\xa4\xf0\x9f\x98\x80"), BT_END);
    expect_value("utf8-surrogate", BODY("\xa3\xed\xa0\x80"), BT_ERR_BT_BODY);
    expect_value("utf8-overlong", BODY("\xa2\xc0\x80"), BT_ERR_BT_BODY);
    expect_value("utf8-cut", BODY("\xa1\xe2"), BT_ERR_BT_BODY);
    expect_value("str-longer-than-body", BODY("\xdb\x7f\xff\xff\xff" "a"), BT_ERR_BT_BODY);
    expect_value("bin-longer-than-body", BODY("\xc6\xff\xff\xff\xff"), BT_ERR_BT_BODY);
    expect_value("array-of-4G", BODY("\xdd\xff\xff\xff\xff\x01"), BT_ERR_BT_BODY);
    expect_value("map-of-4G", BODY("\xdf\xff\xff\xff\xff\x01"), BT_ERR_BT_BODY);
    expect_value("two-values", BODY("\x01\x02"), BT_ERR_BT_BODY);
    expect_value("no-value", "", 0, BT_ERR_BT_BODY);
    nested("good-depth", '\x91', 15, BT_END); /* the record itself is one */
    nested("depth", '\x91', 16, BT_ERR_BT_BODY);
    expect_body("body-no-map", BODY("\x91\x01"), BT_ERR_BT_BODY);
}

static void test_keys(void)
{
    char key[80] = "\x82\xa1n\x00\xd9";

    expect_value("good-keys", BODY("\x82\xa1" "a\x01\xa1" "b\x01"), BT_END);
    expect_value("key-twice", BODY("\x82\xa1" "a\x01\xa1" "a\x01"), BT_ERR_BT_DUPKEY);
    expect_value("key-twice-otherwise", BODY("\x82\xa1" "a\x01\xd9\x01" "a\x01"), BT_ERR_BT_DUPKEY);
    expect_body("field-twice", BODY("\x83\xa1n\x00\xa2id\xa1x\xa2id\xa1y"), BT_ERR_BT_DUPKEY);
    expect_value("key-int", BODY("\x81\x01\x01"), BT_ERR_BT_BODY);
    expect_value("key-empty", BODY("\x81\xa0\x01"), BT_ERR_BT_BODY);
    memset(key + 6, 'k', 66);
    key[5] = 64;
    key[6 + 64] = 1;
    expect_body("good-key-64", key, 6 + 64 + 1, BT_END);
    key[5] = 65;
    key[6 + 64] = 'k';
    key[6 + 65] = 1;
    expect_body("key-65", key, 6 + 65 + 1, BT_ERR_BT_BODY);
}

/* Many elements, or many keys "0000", "0001" and on; `twice`: the last key is the first again. */
static void expect_many(const char *name, bool is_map, int count, bool twice, int code)
{
    struct bt_buf value = { 0 };
    uint8_t head[5] = { is_map ? 0xdf : 0xdd, 0, (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count };

    add(&value, head, sizeof head);
    for (int i = 0; i < count; i++) {
        char pair[12];

        snprintf(pair, sizeof pair, "\xa5%05d\x01", twice && i == count - 1 ? 0 : i);
        add(&value, is_map ? pair : "\x01", is_map ? 7 : 1);
    }
    expect_value(name, value.data, value.size, code);
    bt_buf_free(&value);
}

static void test_limits(void)
{
    char *text = calloc(1, (16 << 20) + 6);

    expect_many("good-4096-keys", true, BT_MAX_KEYS, false, BT_END);
    expect_many("4096-keys-one-twice", true, BT_MAX_KEYS, true, BT_ERR_BT_DUPKEY);
    expect_many("4097-keys", true, BT_MAX_KEYS + 1, false, BT_ERR_LIMIT);
    expect_many("good-65536-elements", false, BT_MAX_ELEMENTS, false, BT_END);
    expect_many("65537-elements", false, BT_MAX_ELEMENTS + 1, false, BT_ERR_LIMIT);
    memcpy(text, "\xdb\x01\x00\x00\x00", 5);
    expect_value("good-16M", text, 5 + (16 << 20), BT_END);
    text[4] = 1;
    expect_value("over-16M", text, 6 + (16 << 20), BT_ERR_LIMIT);
    free(text);
}

/* ---- 1.3, 1.4: ends and joins ---- */

static void test_ends(void)
{
    struct made m = { 0 };

    expect(&m, "nothing", BT_ERR_BT_EMPTY);
    begin(&m);
    expect(&m, "no-end", BT_ERR_BT_TRUNC);
    begin(&m);
    end(&m);
    m.bytes.size--;
    expect(&m, "one-byte-less", BT_ERR_BT_TRUNC);
    begin(&m);
    end(&m);
    add(&m.bytes, "\n", 1);
    expect(&m, "one-byte-more", BT_ERR_BT_MAGIC);
    begin(&m);
    add_frame(&m, 'X', BODY("\x82\xa4" "code\xa4" "E_IO\xa3msg\xa3why"));
    expect(&m, "abort", BT_ERR_BT_ABORT);
    begin(&m);
    add_end(&m, 0, 0, 0, "partial");
    expect(&m, "partial", BT_ERR_BT_PARTIAL);
    begin(&m);
    end(&m);
    begin(&m);
    add_record(&m, BODY("\x01"));
    end(&m);
    expect(&m, "good-two-segments", BT_END);
    begin(&m);
    end(&m);
    add_frame(&m, 'B', BODY("\x82\xa2" "bt\x01\xa6schema\xaa" "bt.score/1"));
    expect(&m, "another-schema", BT_ERR_BT_MIXED);
    begin(&m);
    end(&m);
    add_begin(&m, 1, BODY("\xa4must\x81\xa4side\x10"));
    end(&m);
    expect(&m, "another-must", BT_ERR_BT_MIXED);
    add_begin(&m, 1, BODY("\xa3seg\x82\xa1i\x00\xa2of\x02"));
    end(&m);
    expect(&m, "segment-missing", BT_ERR_BT_SEGMENTS);
    for (int i = 0; i < 2; i++) {
        add_begin(&m, 1, i ? "\xa3seg\x82\xa1i\x00\xa2of\x02" : "\xa3seg\x82\xa1i\x01\xa2of\x02", 12);
        end(&m);
    }
    expect(&m, "good-segments", BT_END);
    for (int i = 0; i < 2; i++) {
        add_begin(&m, 1, BODY("\xa3seg\x82\xa1i\x00\xa2of\x02"));
        end(&m);
    }
    expect(&m, "segment-twice", BT_ERR_BT_SEGMENTS);
}

/* ---- 1.5: compression ---- */

static void pack(struct made *m, int level, int window_log, size_t size)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    char *packed = malloc(ZSTD_compressBound(size));

    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    if (window_log)
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    m->bytes.size = ZSTD_compress2(zstd, packed, ZSTD_compressBound(size), m->bytes.data, size);
    CHECK(!ZSTD_isError(m->bytes.size));
    memcpy(m->bytes.data, packed, m->bytes.size);
    free(packed);
    ZSTD_freeCCtx(zstd);
}

static void test_zstd(void)
{
    struct made m = { 0 };
    char *zeros = calloc(1, 40 << 20);

    begin(&m);
    end(&m);
    pack(&m, 3, 0, m.bytes.size);
    expect(&m, "good-zstd", BT_END);
    begin(&m);
    end(&m);
    pack(&m, 3, 0, m.bytes.size);
    m.bytes.size--;
    expect(&m, "zstd-cut", BT_ERR_BT_TRUNC);
    begin(&m);
    end(&m);
    pack(&m, 3, 0, m.bytes.size);
    m.bytes.data[m.bytes.size - 1] ^= 1;
    expect(&m, "zstd-checksum", BT_ERR_ZSTD);
    begin(&m);
    pack(&m, 3, 0, m.bytes.size);
    expect(&m, "zstd-whole-stream-not", BT_ERR_BT_TRUNC);
    begin(&m);
    end(&m);
    pack(&m, 3, 0, m.bytes.size);
    add(&m.bytes, BODY("\x50\x2a\x4d\x18\x02\x00\x00\x00xx"));
    expect(&m, "good-skippable", BT_END);
    begin(&m);
    end(&m);
    add(&m.bytes, BODY("\x5f\x2a\x4d\x18\x01\x00\x10\x00xx"));
    expect(&m, "skippable-over-1M", BT_ERR_LIMIT);
    add(&m.bytes, BODY("\xC9\x03\xff\xff\xffR"));
    add(&m.bytes, zeros, 40 << 20);
    pack(&m, 19, 0, m.bytes.size);
    expect(&m, "bomb", BT_ERR_BOMB);
    /* A frame that asks for a window of 256 MiB: magic, descriptor, window byte; then an empty last block. */
    add(&m.bytes, BODY("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00"));
    expect(&m, "window-of-256M", BT_ERR_LIMIT);
    add(&m.bytes, BODY("\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00"));
    expect(&m, "window-of-128M", BT_ERR_BT_EMPTY); /* read, and there is nothing in it */
    free(zeros);
}

/* Every code that a stream can be refused with was met. */
static void test_every_code(void)
{
    static const int codes[] = { BT_END, BT_ERR_LIMIT, BT_ERR_BT_TRUNC, BT_ERR_BT_EMPTY, BT_ERR_BT_MAGIC, BT_ERR_BT_CRC,
                                 BT_ERR_BT_SEQ, BT_ERR_BT_SUM, BT_ERR_BT_TYPE, BT_ERR_BT_BODY, BT_ERR_BT_DUPKEY,
                                 BT_ERR_BT_ABORT, BT_ERR_BT_PARTIAL, BT_ERR_BT_SEGMENTS, BT_ERR_BT_MIXED, BT_ERR_BOMB,
                                 BT_ERR_ZSTD };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        bool met = false;

        for (int j = 0; j < seen_count; j++)
            met = met || seen[j] == codes[i];
        CHECK(met);
    }
}

int main(void)
{
    scratch_begin();
    RUN(test_frames);
    RUN(test_begin);
    RUN(test_order);
    RUN(test_subset);
    RUN(test_keys);
    RUN(test_limits);
    RUN(test_ends);
    RUN(test_zstd);
    RUN(test_every_code);
    scratch_end();
    return test_end();
}
