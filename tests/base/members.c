/* Structs from JSON: every kind read, written and hashed; what is refused, by its message. */
#include "libcommon/base/members.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

struct thing {
    int64_t count;
    size_t size;
    int32_t id;
    double real, free_real;
    float single;
    bool flag;
    char text[8];
};

static const struct bt_member rows[] = {
    BT_MEMBER(struct thing, NULL, "count", count, COUNT, 0),
    BT_MEMBER(struct thing, "inner", "size", size, SIZE, 1),
    BT_MEMBER(struct thing, "inner", "id", id, ID, 0),
    BT_MEMBER(struct thing, NULL, "real", real, REAL, 0.5),
    BT_MEMBER(struct thing, NULL, "free_real", free_real, REAL, -INFINITY),
    BT_MEMBER(struct thing, NULL, "single", single, FLOAT, 0),
    BT_MEMBER(struct thing, NULL, "flag", flag, FLAG, 0),
    BT_MEMBER(struct thing, NULL, "text", text, TEXT, 0),
};
static const struct bt_members members = { "thing", "thing(5)", rows, sizeof rows / sizeof *rows };

static const char all[] = "{\"count\": 9007199254740993, \"inner\": {\"size\": 2147483647, \"id\": 7}, \"real\": 0.5,"
                          " \"free_real\": -1e300, \"single\": 0.1, \"flag\": true, \"text\": \"1234567\"}";

static int read_text(struct thing *thing, const char *text, struct bt_err *err)
{
    json_t *json = NULL;
    int rc = bt_json_parse(&json, "t.json", text, strlen(text), err);

    if (!rc)
        rc = bt_members_read(&members, thing, json, "t.json", err);
    json_decref(json);
    return rc;
}

static void test_every_kind_goes_round(void)
{
    struct thing thing = { 0 }, again = { 0 };
    struct bt_err err = { 0 };
    json_t *json;
    char hash[65], other[65];

    CHECK_OK(read_text(&thing, all, &err), &err);
    CHECK(thing.count == 9007199254740993 && thing.size == 2147483647 && thing.id == 7 && thing.flag);
    CHECK(thing.real == 0.5 && thing.free_real == -1e300 && thing.single == 0.1f);
    CHECK_STR(thing.text, "1234567");

    json = bt_members_write(&members, &thing);
    CHECK(json_real_value(json_object_get(json, "single")) == 0.1); /* no digits of the double behind the float */
    CHECK_OK(bt_members_require(&members, json, "t.json", &err), &err);
    CHECK_OK(bt_members_read(&members, &again, json, "t.json", &err), &err);
    CHECK(again.count == thing.count && again.size == thing.size && again.id == 7 && again.flag);
    CHECK(again.real == 0.5 && again.free_real == -1e300 && again.single == 0.1f);
    CHECK_STR(again.text, thing.text);
    CHECK_OK(bt_members_hash(&members, &thing, hash, &err), &err);
    again.single = 0.2f;
    CHECK_OK(bt_members_hash(&members, &again, other, &err), &err);
    CHECK(strcmp(hash, other) != 0);
    json_object_del(json_object_get(json, "inner"), "id");
    CHECK_INT(bt_members_require(&members, json, "t.json", &err), BT_ERR_CONFIG);
    CHECK_STR(err.text, "t.json: member 'inner.id' is missing; thing(5) lists those of a thing");
    json_decref(json);
}

static void test_what_is_refused(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "[1]", "t.json: a thing is a JSON object" },
        { "{\"counts\": 1}", "t.json: a thing has no 'counts'; thing(5) lists its members" },
        { "{\"size\": 1}", "t.json: a thing has no 'size'; thing(5) lists its members" },
        { "{\"inner\": {\"count\": 1}}", "t.json: a thing has no 'inner.count'; thing(5) lists its members" },
        { "{\"outer\": {\"size\": 1}}", "t.json: a thing has no 'outer'; thing(5) lists its members" },
        { "{\"inner\": 3}", "t.json: a thing has no 'inner'; thing(5) lists its members" },
        { "{\"count\": -1}", "t.json: count must be a whole number of at least 0" },
        { "{\"count\": 1.0}", "t.json: count must be a whole number of at least 0" },
        { "{\"inner\": {\"size\": 0}}", "t.json: inner.size must be a whole number of at least 1" },
        { "{\"inner\": {\"id\": 2147483648}}", "t.json: inner.id must be a whole number of at least 0" },
        { "{\"real\": 0.25}", "t.json: real must be a number of at least 0.5" },
        { "{\"free_real\": null}", "t.json: free_real must be a number" },
        { "{\"flag\": 1}", "t.json: flag must be true or false" },
        { "{\"text\": \"12345678\"}", "t.json: text must be a text of at most 7 bytes" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct thing thing = { 0 };
        struct bt_err err = { 0 };

        CHECK_INT(read_text(&thing, cases[i].text, &err), BT_ERR_CONFIG);
        CHECK_STR(err.text, cases[i].message);
    }
}

static void test_assignments(void)
{
    struct thing thing = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_members_assign(&members, &thing, "real=1.5", "--set", &err), &err);
    CHECK_OK(bt_members_assign(&members, &thing, "text=\"a=b\"", "--set", &err), &err);
    CHECK(thing.real == 1.5);
    CHECK_STR(thing.text, "a=b");
    CHECK_INT(bt_members_assign(&members, &thing, "real", "--set", &err), BT_ERR_USAGE);
    CHECK_STR(err.text, "--set real: is not KEY=VALUE");
    bt_err_clear(&err);
    CHECK_INT(bt_members_assign(&members, &thing, "real=0,7", "--set", &err), BT_ERR_JSON);
    bt_err_clear(&err);
    CHECK_INT(bt_members_assign(&members, &thing, "size=1", "--set", &err), BT_ERR_CONFIG);
    CHECK(thing.real == 1.5);
}

int main(void)
{
    RUN(test_every_kind_goes_round);
    RUN(test_what_is_refused);
    RUN(test_assignments);
    return test_end();
}
