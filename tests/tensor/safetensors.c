#include "libcommon/tensor/safetensors.h"

#include <float.h>
#include <unistd.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "tests/test.h"

static char *dir;

static char *path_of(const char *name)
{
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put_bytes(const char *name, const void *data, size_t size)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_file_write(path_of(name), data, size, true, &err), &err);
}

/* A file of this header (as it is, no padding) and data_size bytes 0, 1, 2, ... */
static void put(const char *name, const char *header, size_t header_size, size_t data_size)
{
    struct bt_buf file = { 0 };
    struct bt_err err = { 0 };

    for (int i = 0; i < 8; i++)
        bt_buf_add(&file, &(char){ (char)((uint64_t)header_size >> (8 * i)) }, 1, &err);
    bt_buf_add(&file, header, header_size, &err);
    for (size_t i = 0; i < data_size; i++)
        bt_buf_add(&file, &(char){ (char)i }, 1, &err);
    put_bytes(name, file.data, file.size);
    bt_buf_free(&file);
}

/* What opening says; the message, when it fails, has a place and a remedy. */
static int open_status(const char *name)
{
    struct bt_safetensors *st = NULL;
    struct bt_err err = { 0 };
    int rc = bt_safetensors_open(&st, path_of(name), &err);

    CHECK((rc == BT_OK) == (st != NULL));
    if (rc)
        CHECK(strstr(err.text, dir) && strstr(err.text, ": "));
    bt_safetensors_close(st);
    return rc;
}

static int header_status(const char *header, size_t data_size)
{
    put("one.safetensors", header, strlen(header), data_size);
    return open_status("one.safetensors");
}

#define T(dtype, shape, begin_end)                                                                           \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" begin_end "}"
#define BAD(header, data_size)  CHECK_INT(header_status(header, data_size), BT_ERR_ST)
#define FINE(header, data_size) CHECK_INT(header_status(header, data_size), BT_OK)

/* ---------------------------------------------------------------- the rules of formats.md 9 */

static void test_rule_1_size(void)
{
    static const unsigned char small[] = { 1, 0, 0, 0, 0, 0, 0, 0, '{' };
    static const unsigned char large[] = { 0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, '{', '}' }; /* 100 000 001 */
    static const unsigned char huge[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}' };
    static const unsigned char beyond[] = { 3, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
    static const unsigned char good[] = { 2, 0, 0, 0, 0, 0, 0, 0, '{', '}' };

    for (size_t size = 0; size < 8; size++) {
        put_bytes("one.safetensors", good, size);
        CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
    }
    put_bytes("one.safetensors", small, sizeof small);
    CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
    put_bytes("one.safetensors", large, sizeof large);
    CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
    put_bytes("one.safetensors", huge, sizeof huge);
    CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
    put_bytes("one.safetensors", beyond, sizeof beyond);
    CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
    put_bytes("one.safetensors", good, sizeof good);
    CHECK_INT(open_status("one.safetensors"), BT_OK);
    CHECK_INT(open_status("missing.safetensors"), BT_ERR_NOINPUT);
}

static void test_rule_2_text(void)
{
    FINE("{\"a\":" T("U8", "[2]", "[0,2]") "}   ", 2);
    FINE("{ \"a\" :\n" T("U8", "[2]", "[0,2]") "\t}", 2);
    FINE("{\"\\u00e9\\\"{\":" T("U8", "[2]", "[0,2]") "}", 2);
    BAD(" {\"a\":" T("U8", "[2]", "[0,2]") "}", 2);
    BAD("[]", 0);
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") "}\n", 2);
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") "}{}", 2);
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") ",}", 2);
    BAD("{\"a\xff\":" T("U8", "[2]", "[0,2]") "}", 2);
    BAD("{\"a\\ud800\":" T("U8", "[2]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[02]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[[2]]", "[0,2]") "}", 2);
    BAD("{\"a}", 0);
    BAD("{\"a\":" T("U8", "[1]", "[0,1]") ",\"a\":" T("U8", "[1]", "[1,2]") "}", 2);
    BAD("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
    BAD("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0);
    BAD("{\"__metadata__\":{},\"__metadata__\":{}}", 0);
    put("one.safetensors", "{\"a\0b\":{}}", 10, 0);
    CHECK_INT(open_status("one.safetensors"), BT_ERR_ST);
}

static void test_rule_3_metadata(void)
{
    FINE("{\"__metadata__\":{\"format\":\"pt\",\"k\":\"-1.5 true\"}}", 0);
    FINE("{\"__metadata__\":{}}", 0);
    BAD("{\"__metadata__\":\"pt\"}", 0);
    BAD("{\"__metadata__\":[\"pt\"]}", 0);
    BAD("{\"__metadata__\":{\"k\":1}}", 0);
    BAD("{\"__metadata__\":{\"k\":null}}", 0);
    BAD("{\"__metadata__\":{\"k\":{\"a\":\"b\"}}}", 0);
}

static void test_rule_4_fields(void)
{
    char name[513 + 100];

    FINE("{\"a\":{\"data_offsets\":[0,2],\"shape\":[],\"dtype\":\"F16\"}}", 2);
    FINE("{\"a\":" T("U8", "[1,1,1,1,1,1,1,2]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,2]", "[0,2]") "}", 2);
    BAD("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2],\"scale\":2}}", 2);
    BAD("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"offsets\":[0,2]}}", 2);
    BAD("{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2);
    BAD("{\"a\":{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
    BAD("{\"a\":[]}", 0);
    BAD("{\"a\":" T("U8", "2", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[\"2\"]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[2]", "[0,1,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[-2]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[2.0]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[2e0]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[2]", "[-0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[+2]", "[0,2]") "}", 2);
    BAD("{\"a\":" T("U8", "[0,1099511627777]", "[0,0]") "}", 0);
    FINE("{\"a\":" T("U8", "[0,1099511627776]", "[0,0]") "}", 0);
    BAD("{\"a\":" T("U8", "[2]", "[0,9007199254740992]") "}", 2);
    BAD("{\"a\":" T("U8", "[2]", "[0,99999999999999999999]") "}", 2);
    for (size_t length = 512; length <= 513; length++) {
        snprintf(name, sizeof name, "{\"%0*d\":" T("U8", "[2]", "[0,2]") "}", (int)length, 0);
        CHECK_INT(header_status(name, 2), length == 512 ? BT_OK : BT_ERR_ST);
    }
}

static void test_rule_5_dtype(void)
{
    static const char *const names[] = { "BOOL", "U8",  "I8",  "F8_E4M3", "F8_E5M2", "U16", "I16", "F16",
                                         "BF16", "U32", "I32", "F32",     "U64",     "I64", "F64" };
    static const int sizes[] = { 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8 };
    char header[200];

    for (int i = 0; i < 15; i++) {
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}",
                 names[i], 3 * sizes[i]);
        FINE(header, (size_t)(3 * sizes[i]));
    }
    CHECK_INT(header_status("{\"a\":" T("F4", "[2]", "[0,1]") "}", 1), BT_ERR_ST_DTYPE);
    CHECK_INT(header_status("{\"a\":" T("f32", "[1]", "[0,4]") "}", 4), BT_ERR_ST_DTYPE);
    CHECK_INT(header_status("{\"a\":" T("", "[1]", "[0,4]") "}", 4), BT_ERR_ST_DTYPE);
}

static void test_rule_6_product(void)
{
    FINE("{\"a\":" T("F32", "[2,3]", "[0,24]") "}", 24);
    BAD("{\"a\":" T("F32", "[2,3]", "[0,20]") "}", 20);
    BAD("{\"a\":" T("F32", "[2,3]", "[0,28]") "}", 28);
    BAD("{\"a\":" T("F32", "[1]", "[4,0]") "}", 4);
    BAD("{\"a\":" T("U8", "[1099511627776,1099511627776]", "[0,0]") "}", 0); /* 2^80 is 0 modulo 2^64 */
    BAD("{\"a\":" T("F64", "[1099511627776,2097152]", "[0,0]") "}", 0);      /* 2^61 elements, 2^64 bytes */
}

static void test_rule_7_places(void)
{
    FINE("{\"b\":" T("U8", "[3]", "[2,5]") ",\"a\":" T("U8", "[2]", "[0,2]") "}", 5);
    FINE("{\"b\":" T("U8", "[3]", "[2,5]") ",\"z\":" T("U8", "[0]", "[2,2]") ",\"y\":" T(
             "U8", "[0]", "[5,5]") ",\"x\":" T("U8", "[0]", "[0,0]") ",\"a\":" T("U8", "[2]", "[0,2]") "}",
         5);
    BAD("{\"a\":" T("U8", "[2]", "[1,3]") "}", 3);                                   /* begins late */
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[3,5]") "}", 5); /* hole */
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[1,3]") "}", 3); /* overlap */
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[0,2]") "}", 2); /* the same twice */
    BAD("{\"a\":" T("U8", "[4]", "[0,4]") ",\"z\":" T("U8", "[0]", "[2,2]") "}", 4); /* inside another */
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") "}", 3);                                   /* something behind */
    BAD("{\"a\":" T("U8", "[2]", "[0,2]") "}", 1);                                   /* cut */
    BAD("{}", 1);
}

static int index_status(const char *text)
{
    put_bytes("set/model.safetensors.index.json", text, strlen(text));
    return open_status("set/model.safetensors.index.json");
}

static void test_rule_8_index(void)
{
    static const char good[] =
        "{\"metadata\":{\"total_size\":10},\"weight_map\":"
        "{\"a\":\"x1.safetensors\",\"b\":\"x2.safetensors\",\"c\":\"x1.safetensors\"}}";
    static const char one[] = "{\"c\":" T("U8", "[2]", "[0,2]") ",\"a\":" T("F32", "[1]", "[2,6]") "}";
    static const char two[] = "{\"b\":" T("U8", "[4]", "[0,4]") "}";
    static const char both[] = "{\"b\":" T("U8", "[2]", "[0,2]") ",\"a\":" T("U8", "[2]", "[2,4]") "}";
    struct bt_safetensors *st = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_make_dirs(path_of("set"), &err), &err);
    CHECK_INT(open_status("set"), BT_ERR_NOINPUT);
    put("set/x1.safetensors", one, strlen(one), 6);
    put("set/x2.safetensors", two, strlen(two), 4);
    CHECK_INT(index_status(good), BT_OK);
    CHECK_OK(bt_safetensors_open(&st, path_of("set"), &err), &err);
    if (st) {
        CHECK_INT(bt_safetensors_count(st), 3);
        CHECK_STR(bt_safetensors_at(st, 1)->name, "b");
        CHECK_INT(((const unsigned char *)bt_safetensors_find(st, "b")->data)[3], 3);
        CHECK_INT(((const unsigned char *)bt_safetensors_find(st, "a")->data)[0], 2);
    }
    bt_safetensors_close(st);
#define MAP(a, b, c) "{\"weight_map\":{\"a\":" a ",\"b\":" b ",\"c\":" c "}}"
#define X1           "\"x1.safetensors\""
#define X2           "\"x2.safetensors\""
    CHECK_INT(index_status(MAP(X1, X2, X1)), BT_OK); /* total_size may be absent */
    CHECK_INT(index_status(MAP("\"../set/x1.safetensors\"", X2, "\"../set/x1.safetensors\"")), BT_ERR_ST);
    CHECK_INT(index_status(MAP("\"/x1.safetensors\"", X2, X1)), BT_ERR_ST);
    CHECK_INT(index_status(MAP("\".safetensors\"", X2, X1)), BT_ERR_ST);
    CHECK_INT(index_status(MAP("\"x1.bin\"", X2, X1)), BT_ERR_ST);
    CHECK_INT(index_status(MAP("1", X2, X1)), BT_ERR_ST);
    CHECK_INT(index_status(MAP(X2, X2, X1)), BT_ERR_ST);                        /* a is in the other file */
    CHECK_INT(index_status(MAP("\"x3.safetensors\"", X2, X1)), BT_ERR_NOINPUT); /* no such file */
    CHECK_INT(index_status("{\"weight_map\":{\"a\":" X1 ",\"b\":" X2 "}}"), BT_ERR_ST); /* c is not listed */
    CHECK_INT(index_status("{\"weight_map\":{\"a\":" X1 ",\"b\":" X2 ",\"c\":" X1 ",\"d\":" X2 "}}"),
              BT_ERR_ST);
    CHECK_INT(index_status("{\"weight_map\":{\"a\":" X1 ",\"a\":" X1 ",\"b\":" X2 ",\"c\":" X1 "}}"),
              BT_ERR_JSON);
    CHECK_INT(index_status("{\"weight_map\":[]}"), BT_ERR_ST);
    CHECK_INT(index_status("{}"), BT_ERR_ST);
    CHECK_INT(index_status("{\"metadata\":{\"total_size\":11},\"weight_map\":{\"a\":" X1 ",\"b\":" X2
                           ",\"c\":" X1 "}}"),
              BT_ERR_ST);
    CHECK_INT(index_status("{\"metadata\":{\"total_size\":\"10\"},\"weight_map\":{\"a\":" X1 ",\"b\":" X2
                           ",\"c\":" X1 "}}"),
              BT_ERR_ST);
    put("set/x2.safetensors", both, strlen(both), 4); /* a is in both files */
    CHECK_INT(index_status(MAP(X1, X2, X1)), BT_ERR_ST);
    put("set/model.safetensors", two, strlen(two), 4); /* a directory's single file goes first */
    CHECK_INT(open_status("set"), BT_OK);
}

/* ---------------------------------------------------------------- values */

/* Opens a file of one tensor "t" with these bytes behind a header of odd length, so that nothing is aligned.
 */
static struct bt_safetensors *open_values(const char *dtype, int count, const void *data, size_t bytes)
{
    struct bt_safetensors *st = NULL;
    struct bt_err err = { 0 };
    struct bt_buf file = { 0 };
    char header[200];
    int size =
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}",
                 dtype, count, bytes);

    if (size % 2 == 0)
        header[size++] = ' ';
    bt_buf_add(&file, (const char[8]){ (char)size }, 8, &err);
    bt_buf_add(&file, header, (size_t)size, &err);
    bt_buf_add(&file, data, bytes, &err);
    put_bytes("values.safetensors", file.data, file.size);
    bt_buf_free(&file);
    CHECK_OK(bt_safetensors_open(&st, path_of("values.safetensors"), &err), &err);
    if (!st)
        exit(1);
    return st;
}

static void check_floats(const char *dtype, int count, const void *data, size_t bytes, const float *want)
{
    struct bt_safetensors *st = open_values(dtype, count, data, bytes);
    struct bt_err err = { 0 };
    float got[16];

    CHECK_OK(bt_safetensors_read(st, bt_safetensors_find(st, "t"), got, &err), &err);
    for (int i = 0; i < count; i++) /* bit for bit: the sign of 0 counts */
        CHECK(isnan(want[i]) ? isnan(got[i]) : memcmp(&got[i], &want[i], sizeof got[i]) == 0);
    bt_safetensors_close(st);
}

static void test_floats(void)
{
    static const uint16_t halves[] = { 0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001,
                                       0,      0x8000, 0x7c00, 0xfc00, 0x7e00, 0x3555 };
    static const float half_values[] = { 1, -2,    65504,    0x1p-14f,  0x1.ff8p-15f, -0x1p-24f,
                                         0, -0.0f, INFINITY, -INFINITY, NAN,          0.333251953125f };
    static const uint16_t brains[] = { 0x3f80, 0xc049, 0x0001, 0x7f7f, 0xff80, 0x8000 };
    static const float brain_values[] = { 1, -3.140625f, 0x1p-133f, 0x1.fep127f, -INFINITY, -0.0f };
    static const double doubles[] = { 1, 0.1, -1e-50, 3.4028234663852886e38, INFINITY, 1.00000006 };
    static const float double_values[] = { 1, 0.1f, -0.0f, 3.40282347e38f, INFINITY, 1.00000012f };
    static const float floats[] = { 1, -0.0f, 1e-45f, INFINITY };

    check_floats("F16", 12, halves, sizeof halves, half_values);
    check_floats("BF16", 6, brains, sizeof brains, brain_values);
    check_floats("F64", 6, doubles, sizeof doubles, double_values);
    check_floats("F32", 4, floats, sizeof floats, floats);
    check_floats("F32", 0, floats, 0, floats);
}

static void test_refused_values(void)
{
    static const double too_large[] = { INFINITY, 1, 1e39 };
    static const int64_t wide[] = { -5, (int64_t)1 << 31 };
    struct bt_safetensors *st = open_values("F64", 3, too_large, sizeof too_large);
    struct bt_err err = { 0 };
    int64_t whole[2];
    int32_t narrow[2];
    float got[3];

    CHECK_INT(bt_safetensors_read(st, bt_safetensors_find(st, "t"), got, &err), BT_ERR_ST);
    CHECK(strstr(err.text, "!t: element 2") != NULL);
    bt_err_clear(&err);
    CHECK_INT(bt_safetensors_read_i64(st, bt_safetensors_find(st, "t"), whole, &err), BT_ERR_ST_DTYPE);
    bt_safetensors_close(st);

    bt_err_clear(&err);
    st = open_values("I64", 2, wide, sizeof wide);
    CHECK_OK(bt_safetensors_read_i64(st, bt_safetensors_find(st, "t"), whole, &err), &err);
    CHECK(whole[0] == -5 && whole[1] == (int64_t)1 << 31);
    CHECK_INT(bt_safetensors_read_i32(st, bt_safetensors_find(st, "t"), narrow, &err), BT_ERR_ST);
    bt_err_clear(&err);
    CHECK_INT(bt_safetensors_read(st, bt_safetensors_find(st, "t"), got, &err), BT_ERR_ST_DTYPE);
    bt_safetensors_close(st);
}

static void test_integers(void)
{
    static const int32_t in[] = { -7, INT32_MAX };
    static const int64_t in_wide[] = { INT32_MIN, 9 };
    struct bt_safetensors *st = open_values("I32", 2, in, sizeof in);
    struct bt_err err = { 0 };
    int64_t whole[2];
    int32_t narrow[2];

    CHECK_OK(bt_safetensors_read_i64(st, bt_safetensors_find(st, "t"), whole, &err), &err);
    CHECK(whole[0] == -7 && whole[1] == INT32_MAX);
    CHECK_OK(bt_safetensors_read_i32(st, bt_safetensors_find(st, "t"), narrow, &err), &err);
    CHECK(narrow[0] == -7 && narrow[1] == INT32_MAX);
    bt_safetensors_close(st);
    st = open_values("I64", 2, in_wide, sizeof in_wide);
    CHECK_OK(bt_safetensors_read_i32(st, bt_safetensors_find(st, "t"), narrow, &err), &err);
    CHECK(narrow[0] == INT32_MIN && narrow[1] == 9);
    bt_safetensors_close(st);
}

static void check_scan(const char *dtype, int count, const void *data, size_t bytes, const char *says)
{
    struct bt_safetensors *st = open_values(dtype, count, data, bytes);
    struct bt_err err = { 0 };

    CHECK_INT(bt_safetensors_check_finite(st, bt_safetensors_find(st, "t"), &err), says ? BT_ERR_ST : BT_OK);
    CHECK(!says || strstr(err.text, says));
    bt_safetensors_close(st);
}

static void test_finite(void)
{
    static const float f32[] = { 1, FLT_MAX, -INFINITY, NAN };
    static const uint16_t f16[] = { 0x7bff, 0x7c01 }, bf16[] = { 0x7f7f, 0x7c00, 0x7f80 };
    static const double f64[] = { 1e300, NAN };
    static const uint8_t e4m3[] = { 0x7e, 0xff }, e5m2[] = { 0x7b, 0x7c };

    check_scan("F32", 2, f32, 8, NULL);
    check_scan("F32", 4, f32, 16, "!t: element 2 is NaN or infinite");
    check_scan("F16", 1, f16, 2, NULL);
    check_scan("F16", 2, f16, 4, "element 1");
    check_scan("BF16", 2, bf16, 4, NULL);
    check_scan("BF16", 3, bf16, 6, "element 2");
    check_scan("F64", 1, f64, 8, NULL);
    check_scan("F64", 2, f64, 16, "element 1");
    check_scan("F8_E4M3", 1, e4m3, 1, NULL);
    check_scan("F8_E4M3", 2, e4m3, 2, "element 1");
    check_scan("F8_E5M2", 1, e5m2, 1, NULL);
    check_scan("F8_E5M2", 2, e5m2, 2, "element 1");
    check_scan("I16", 2, bf16, 4, NULL);
}

/* ---------------------------------------------------------------- writing */

static int write_file(const char *name, const struct bt_st_tensor *tensors, uint64_t count,
                      const struct bt_st_pair *pairs, uint64_t pair_count, uint64_t *bytes,
                      uint8_t sha256[32], struct bt_err *err)
{
    struct bt_outfile out;
    int rc = bt_outfile_open(&out, path_of(name), true, err);

    if (rc)
        return rc;
    rc = bt_safetensors_write(&out, tensors, count, pairs, pair_count, bytes, sha256, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    return rc;
}

static const float three[] = { 1, 2, 3 }, one[] = { -0.5f };
static const int64_t ids[] = { 1, -1 };
static const struct bt_st_tensor model[] = {
    { .name = "b.weight", .dtype = BT_DTYPE_F32, .rank = 2, .shape = { 1, 3 }, .data = three },
    { .name = "a.scale", .dtype = BT_DTYPE_F32, .rank = 0, .data = one },
    { .name = "z.ids", .dtype = BT_DTYPE_I64, .rank = 1, .shape = { 2 }, .data = ids },
    { .name = "e", .dtype = BT_DTYPE_F32, .rank = 1, .shape = { 0 } },
};
static const struct bt_st_pair notes[] = { { "bt.step", "12" }, { "bt.note", "\"quoted\" \xc3\xa9" } };

static void test_layout(void)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"bt.step\":\"12\",\"bt.note\":\"\\\"quoted\\\" \xc3\xa9\"},"
        "\"z.ids\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"a.scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
        "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[20,32]},"
        "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[32,32]}}";
    struct bt_st_tensor turned[4] = { model[3], model[2], model[1], model[0] };
    struct bt_err err = { 0 };
    uint64_t bytes = 0, read_bytes = 0;
    uint8_t sha256[32] = { 0 }, read_sha256[32], turned_sha256[32];
    char *file = NULL;
    size_t size = 0, data_at = (8 + strlen(header) + 63) / 64 * 64;

    CHECK_OK(write_file("out.safetensors", model, 4, notes, 2, &bytes, sha256, &err), &err);
    CHECK_OK(bt_file_read(path_of("out.safetensors"), 1 << 20, &file, &size, &err), &err);
    CHECK_INT(size, data_at + 32);
    CHECK_INT(bytes, size);
    if (size == data_at + 32) {
        CHECK_INT((unsigned char)file[0] + 256 * (unsigned char)file[1], data_at - 8);
        CHECK(memcmp(file + 2, "\0\0\0\0\0\0", 6) == 0);
        CHECK(memcmp(file + 8, header, strlen(header)) == 0);
        for (size_t i = 8 + strlen(header); i < data_at; i++)
            CHECK(file[i] == ' ');
        CHECK(memcmp(file + data_at, ids, 16) == 0);
        CHECK(memcmp(file + data_at + 16, one, 4) == 0);
        CHECK(memcmp(file + data_at + 20, three, 12) == 0);
    }
    CHECK_OK(bt_sha256_file(path_of("out.safetensors"), read_sha256, &read_bytes, &err), &err);
    CHECK(memcmp(sha256, read_sha256, 32) == 0 && read_bytes == bytes);
    CHECK_OK(write_file("out.safetensors", turned, 4, notes, 2, NULL, turned_sha256, &err), &err);
    CHECK(memcmp(sha256, turned_sha256, 32) == 0);
    free(file);
}

static void test_round_trip(void)
{
    struct bt_safetensors *st = NULL;
    struct bt_err err = { 0 };
    float values[3];
    int64_t whole[2];

    CHECK_OK(write_file("out.safetensors", model, 4, notes, 2, NULL, NULL, &err), &err);
    CHECK_OK(bt_safetensors_open(&st, path_of("out.safetensors"), &err), &err);
    if (!st)
        return;

    const struct bt_st_tensor *b = bt_safetensors_find(st, "b.weight"), *z = bt_safetensors_find(st, "z.ids");

    CHECK_STR(bt_safetensors_path(st), path_of("out.safetensors"));
    CHECK_INT(bt_safetensors_count(st), 4);
    CHECK_STR(bt_safetensors_at(st, 0)->name, "a.scale");
    CHECK_STR(bt_safetensors_at(st, 3)->name, "z.ids");
    CHECK_STR(bt_safetensors_metadata(st, "format"), "pt");
    CHECK_STR(bt_safetensors_metadata(st, "bt.note"), "\"quoted\" \xc3\xa9");
    CHECK(!bt_safetensors_metadata(st, "bt.other") && !bt_safetensors_find(st, "c"));
    CHECK(b->rank == 2 && b->shape[0] == 1 && b->shape[1] == 3 && b->count == 3 && b->bytes == 12);
    CHECK_OK(bt_safetensors_read(st, b, values, &err), &err);
    CHECK(memcmp(values, three, sizeof three) == 0);
    CHECK_OK(bt_safetensors_read_i64(st, z, whole, &err), &err);
    CHECK(memcmp(whole, ids, sizeof ids) == 0);
    bt_safetensors_close(st);
    CHECK_OK(write_file("out.safetensors", NULL, 0, NULL, 0, NULL, NULL, &err), &err);
    CHECK_INT(open_status("out.safetensors"), BT_OK);
}

/* Whatever is cut off the end, the rest is refused. */
static void test_prefixes(void)
{
    struct bt_err err = { 0 };
    char *file = NULL;
    size_t size = 0;

    CHECK_OK(write_file("out.safetensors", model, 3, NULL, 0, NULL, NULL, &err), &err);
    CHECK_OK(bt_file_read(path_of("out.safetensors"), 1 << 20, &file, &size, &err), &err);
    for (size_t cut = 0; cut < size; cut++) {
        put_bytes("cut.safetensors", file, cut);
        CHECK_INT(open_status("cut.safetensors"), BT_ERR_ST);
    }
    put_bytes("cut.safetensors", file, size);
    CHECK_INT(open_status("cut.safetensors"), BT_OK);
    free(file);
}

static void test_refused_names(void)
{
    static const struct bt_st_pair format[] = { { "format", "tf" } }, bad_text[] = { { "k", "\xff" } };
    struct bt_st_tensor twice[2] = { model[0], model[0] }, named = model[0], deep = model[0];
    struct bt_err err = { 0 };
    char longest[514];

    CHECK_INT(write_file("no.safetensors", twice, 2, NULL, 0, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    CHECK_INT(write_file("no.safetensors", NULL, 0, format, 1, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    CHECK_INT(write_file("no.safetensors", NULL, 0, bad_text, 1, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    named.name = "__metadata__";
    CHECK_INT(write_file("no.safetensors", &named, 1, NULL, 0, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    named.name = "\xc3";
    CHECK_INT(write_file("no.safetensors", &named, 1, NULL, 0, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    memset(longest, 'x', 513);
    longest[513] = '\0';
    named.name = longest;
    CHECK_INT(write_file("no.safetensors", &named, 1, NULL, 0, NULL, NULL, &err), BT_ERR_ST);
    bt_err_clear(&err);
    deep.rank = 9;
    CHECK_INT(write_file("no.safetensors", &deep, 1, NULL, 0, NULL, NULL, &err), BT_ERR_ST);
    CHECK(!bt_path_exists(path_of("no.safetensors")));
}

int main(void)
{
    const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir;
    struct bt_err err = { 0 };

    dir = bt_format("%s/bt-test-XXXXXX", base);
    if (!dir || !mkdtemp(dir)) {
        printf("Bail out! no temporary directory in %s\n", base);
        return 1;
    }
    RUN(test_rule_1_size);
    RUN(test_rule_2_text);
    RUN(test_rule_3_metadata);
    RUN(test_rule_4_fields);
    RUN(test_rule_5_dtype);
    RUN(test_rule_6_product);
    RUN(test_rule_7_places);
    RUN(test_rule_8_index);
    RUN(test_floats);
    RUN(test_refused_values);
    RUN(test_integers);
    RUN(test_finite);
    RUN(test_layout);
    RUN(test_round_trip);
    RUN(test_prefixes);
    RUN(test_refused_names);
    bt_remove_dir(dir, &err);
    free(dir);
    return test_end();
}
