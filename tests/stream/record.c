/* Records: fields set, encoded, decoded, copied; bodies that must be refused. */
#include "libcommon/stream/record.h"

#include "libcommon/stream/walk.h"
#include "tests/test.h"

static int decode(const void *body, size_t size)
{
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    int rc = bt_record_decode(rec, body, size, &err);

    bt_record_free(rec);
    return rc;
}

static struct bt_record *sample(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    static const int32_t ids[] = { 1, -2, 300000 };
    static const int64_t shape[] = { 3, 1 };

    CHECK_OK(bt_record_set_str(rec, "id", "a\xc3\xa9", 3, &err), &err);
    CHECK_OK(bt_record_set_int(rec, "width", 640, &err), &err);
    CHECK_OK(bt_record_set_int(rec, "least", -BT_MAX_INTEGER, &err), &err);
    CHECK_OK(bt_record_set_float(rec, "score", 0.1, &err), &err);
    CHECK_OK(bt_record_set_bool(rec, "yes", true, &err), &err);
    CHECK_OK(bt_record_set_bin(rec, "image", "\0\xff", 2, &err), &err);
    CHECK_OK(bt_record_set_array(rec, "ids", "i32", 2, shape, ids, sizeof ids, &err), &err);
    bt_record_begin(rec, "captions");
    bt_pack_array(rec, 3);
    bt_pack_str(rec, "one", 3);
    bt_pack_nil(rec);
    bt_pack_i32s(rec, ids, 3);
    CHECK_OK(bt_record_end(rec, &err), &err);
    return rec;
}

static void check_sample(const struct bt_record *rec)
{
    struct bt_err err = { 0 };
    struct bt_array array;
    int64_t width;
    int32_t first;
    const char *id;
    size_t size;

    CHECK_INT(bt_record_field_count(rec), 8);
    CHECK_OK(bt_record_need_str(rec, "id", &id, &size, &err), &err);
    CHECK(size == 3 && memcmp(id, "a\xc3\xa9", 3) == 0);
    CHECK_OK(bt_record_need_int(rec, "width", &width, &err), &err);
    CHECK_INT(width, 640);
    CHECK_INT(bt_record_get(rec, "least").integer, -BT_MAX_INTEGER);
    CHECK(bt_record_get(rec, "score").number == 0.1);
    CHECK(bt_record_get(rec, "yes").kind == BT_BOOL && bt_record_get(rec, "yes").integer == 1);
    CHECK(bt_record_get(rec, "image").kind == BT_BIN && bt_record_get(rec, "image").size == 2);
    CHECK(bt_record_get(rec, "nothing").kind == BT_ABSENT);
    CHECK_OK(bt_value_array(bt_record_get(rec, "ids"), &array, &err), &err);
    CHECK_STR(array.dtype, "i32");
    CHECK(array.rank == 2 && array.shape[0] == 3 && array.shape[1] == 1 && array.bytes == 12);
    memcpy(&first, (const char *)array.data + 8, 4);
    CHECK_INT(first, 300000);
    struct bt_value captions = bt_record_get(rec, "captions");
    CHECK_INT(captions.size, 3);
    CHECK(bt_value_is(bt_value_at(captions, 0), "one"));
    CHECK(bt_value_at(captions, 1).kind == BT_NIL);
    CHECK(bt_value_is(bt_value_member(bt_value_at(captions, 2), "dt"), "i32"));
    CHECK(bt_value_at(captions, 3).kind == BT_ABSENT);
}

static void test_round_trip(void)
{
    struct bt_record *rec = sample(), *again = bt_record_new(), *third = bt_record_new();
    struct bt_buf a = { 0 }, b = { 0 };
    struct bt_err err = { 0 };

    check_sample(rec);
    CHECK_OK(bt_record_encode(rec, &a, &err), &err);
    CHECK_OK(bt_record_decode(again, a.data, a.size, &err), &err);
    check_sample(again);
    CHECK_OK(bt_record_copy(third, again, &err), &err);
    bt_record_free(again);
    check_sample(third);
    CHECK_OK(bt_record_encode(third, &b, &err), &err);
    CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    bt_buf_free(&a);
    bt_buf_free(&b);
    bt_record_free(rec);
    bt_record_free(third);
}

static void test_fields_keep_their_places(void)
{
    struct bt_record *rec = sample(), *other = bt_record_new();
    struct bt_err err = { 0 };
    struct bt_value key;

    CHECK_OK(bt_record_set_int(rec, "width", 7, &err), &err);
    CHECK_OK(bt_record_remove(rec, "least", &err), &err);
    CHECK_OK(bt_record_remove(rec, "nothing", &err), &err);
    bt_record_field(rec, 1, &key);
    CHECK(bt_value_is(key, "width"));
    CHECK_INT(bt_record_get(rec, "width").integer, 7);
    CHECK_INT(bt_record_field_count(rec), 7);
    CHECK_OK(bt_record_set_value(other, "copy", bt_record_get(rec, "captions"), &err), &err);
    bt_record_free(rec);
    CHECK(bt_value_is(bt_value_at(bt_record_get(other, "copy"), 0), "one"));
    bt_record_free(other);
}

static void test_setters_refuse(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };

    CHECK(bt_record_set_str(rec, "a", "\xff", 1, &err) == BT_ERR_UTF8);
    bt_err_clear(&err);
    CHECK(bt_record_set_int(rec, "a", BT_MAX_INTEGER + 1, &err) == BT_ERR_BT_BODY);
    bt_err_clear(&err);
    bt_record_begin(rec, "short");
    bt_pack_array(rec, 2);
    bt_pack_int(rec, 1);
    CHECK(bt_record_end(rec, &err) == BT_ERR_BT_BODY);
    bt_err_clear(&err);
    bt_record_begin(rec, "long");
    bt_pack_int(rec, 1);
    bt_pack_int(rec, 1);
    CHECK(bt_record_end(rec, &err) == BT_ERR_BT_BODY);
    CHECK_INT(bt_record_field_count(rec), 0);
    bt_record_free(rec);
}

#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1)

static void test_bodies_refused(void)
{
    CHECK_INT(DECODE("\x81\xa1" "a\x01"), BT_OK);
    CHECK_INT(DECODE(""), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x01"), BT_ERR_BT_BODY);                         /* no map */
    CHECK_INT(DECODE("\x81\xa1" "a\x01\x01"), BT_ERR_BT_BODY);         /* something behind */
    CHECK_INT(DECODE("\x81\xa1" "a"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xc1"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xd4\x01\x01"), BT_ERR_BT_BODY);     /* ext */
    CHECK_INT(DECODE("\x81\xa1" "a\xc7\x01\x01\x01"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\x01\x01"), BT_ERR_BT_BODY);                 /* key no string */
    CHECK_INT(DECODE("\x81\xa0\x01"), BT_ERR_BT_BODY);                 /* key empty */
    CHECK_INT(DECODE("\x82\xa1" "a\x01\xa1" "a\x02"), BT_ERR_BT_DUPKEY);
    CHECK_INT(DECODE("\x81\xa1" "a\x82\xa1" "b\x01\xa1" "b\x02"), BT_ERR_BT_DUPKEY);
    CHECK_INT(DECODE("\x81\xa1" "a\xa1\xff"), BT_ERR_BT_BODY);         /* UTF-8 */
    CHECK_INT(DECODE("\x81\xa1" "a\xa3\xed\xa0\x80"), BT_ERR_BT_BODY); /* surrogate */
    CHECK_INT(DECODE("\x81\xa1" "a\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), BT_ERR_BT_BODY); /* 2^53 */
    CHECK_INT(DECODE("\x81\xa1" "a\xd3\xff\xdf\xff\xff\xff\xff\xff\xff"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"), BT_OK);
    CHECK_INT(DECODE("\x81\xa1" "a\xca\x3f\x80\x00\x00"), BT_OK);      /* float 32 is read */
}

static void test_counts_beyond_the_bytes(void)
{
    CHECK_INT(DECODE("\xdf\xff\xff\xff\xff"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xdd\xff\xff\xff\xff"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xdc\x00\x03\x01\x01"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xc6\xff\xff\xff\xff"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x81\xa1" "a\xdb\x00\x00\x00\x02z"), BT_ERR_BT_BODY);
    CHECK_INT(DECODE("\x82\xa1" "a\x01\xa1"), BT_ERR_BT_BODY);
}

static void test_depth(void)
{
    for (int arrays = 15; arrays <= 16; arrays++) { /* the map around them is the first level */
        uint8_t body[32] = { 0x81, 0xA1, 'a' };

        memset(body + 3, 0x91, (size_t)arrays);
        body[3 + arrays] = 0xC0;
        CHECK_INT(decode(body, (size_t)arrays + 4), arrays == 15 ? BT_OK : BT_ERR_BT_BODY);
    }
}

static void test_many_keys(void)
{
    struct bt_err err = { 0 };

    for (int doubled = 0; doubled < 2; doubled++) {
        struct bt_buf body = { 0 };

        CHECK_OK(bt_buf_add(&body, "\xde\x0f\xff", 3, &err), &err); /* 4095 */
        for (int i = 0; i < 4095; i++)
            CHECK_OK(bt_buf_printf(&body, &err, "\xa4%04d\x01", doubled && i == 4000 ? 17 : i), &err);
        CHECK_INT(decode(body.data, body.size), doubled ? BT_ERR_BT_DUPKEY : BT_OK);
        bt_buf_free(&body);
    }
    struct bt_buf body = { 0 };
    CHECK_OK(bt_buf_add(&body, "\xde\x10\x01", 3, &err), &err); /* 4097 */
    for (int i = 0; i < 4097; i++)
        CHECK_OK(bt_buf_printf(&body, &err, "\xa4%04d\x01", i), &err);
    CHECK_INT(decode(body.data, body.size), BT_ERR_LIMIT);
    bt_buf_free(&body);
}

static void test_array_sizes(void)
{
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    struct bt_array array;
    static const int64_t shape[] = { 3 };

    CHECK_OK(bt_record_set_array(rec, "a", "f32", 1, shape, "0123456789ab", 12, &err), &err);
    CHECK_OK(bt_value_array(bt_record_get(rec, "a"), &array, &err), &err);
    CHECK_OK(bt_record_set_array(rec, "a", "f32", 1, shape, "0123456789ab", 11, &err), &err);
    CHECK(bt_value_array(bt_record_get(rec, "a"), &array, &err) == BT_ERR_BT_BODY);
    bt_err_clear(&err);
    CHECK_OK(bt_record_set_array(rec, "a", "odd", 1, shape, "01234", 5, &err), &err); /* passed through */
    CHECK_OK(bt_value_array(bt_record_get(rec, "a"), &array, &err), &err);
    CHECK(bt_value_array(bt_record_get(rec, "b"), &array, &err) == BT_ERR_BT_BODY);
    bt_record_free(rec);
}

int main(void)
{
    RUN(test_round_trip);
    RUN(test_fields_keep_their_places);
    RUN(test_setters_refuse);
    RUN(test_bodies_refused);
    RUN(test_counts_beyond_the_bytes);
    RUN(test_depth);
    RUN(test_many_keys);
    RUN(test_array_sizes);
    return test_end();
}
