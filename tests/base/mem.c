/* libcommon/base/mem.h */
#include "tests/test.h"

#include "libcommon/base/mem.h"

static void test_checked_arithmetic(void)
{
    uint64_t out = 7;

    CHECK(bt_add_u64(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
    CHECK(!bt_add_u64(UINT64_MAX, 1, &out) && out == UINT64_MAX);
    CHECK(bt_mul_u64(1ull << 32, (1ull << 32) - 1, &out) && out == 0xFFFFFFFF00000000u);
    CHECK(!bt_mul_u64(1ull << 32, 1ull << 32, &out) && out == 0xFFFFFFFF00000000u);
    CHECK(bt_mul_u64(0, UINT64_MAX, &out) && out == 0);
}

static void test_alloc(void)
{
    struct bt_err err = { 0 };
    char *zeros = bt_alloc(1000, 3, &err), *none = bt_alloc(0, 8, &err);

    CHECK(zeros && none);
    for (int i = 0; zeros && i < 3000; i++)
        CHECK(zeros[i] == 0);
    free(zeros);
    free(none);
    CHECK(!bt_alloc(UINT64_MAX, 2, &err));
    CHECK_INT(err.status, BT_ERR_MEMORY);
    bt_err_clear(&err);
    CHECK(!bt_alloc(UINT64_MAX, 1, &err));
    CHECK_INT(err.status, BT_ERR_MEMORY);
    CHECK(!bt_alloc(UINT64_MAX, 1, NULL));
}

static void test_grow(void)
{
    struct bt_err err = { 0 };
    uint32_t *items = NULL, *before;
    uint64_t capacity = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_OK(bt_grow(&items, &capacity, i + 1, sizeof *items, &err), &err);
        items[i] = i;
    }
    CHECK_INT(capacity, 1024);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_INT(items[i], i);
    before = items;
    CHECK_INT(bt_grow(&items, &capacity, UINT64_MAX, sizeof *items, &err), BT_ERR_MEMORY);
    bt_err_clear(&err);
    CHECK_INT(bt_grow(&items, &capacity, UINT64_MAX / 4, sizeof *items, &err), BT_ERR_MEMORY);
    CHECK(items == before && capacity == 1024);
    free(items);
}

static void test_buf(void)
{
    struct bt_err err = { 0 };
    struct bt_buf buf = { 0 };

    CHECK_OK(bt_buf_add(&buf, NULL, 0, &err), &err);
    CHECK_STR(buf.data, "");
    for (int i = 0; i < 100; i++)
        CHECK_OK(bt_buf_printf(&buf, &err, "%d,", i), &err);
    CHECK_INT(buf.size, 290);
    CHECK(strncmp(buf.data, "0,1,2,", 6) == 0 && strcmp(buf.data + 284, "98,99,") == 0);
    CHECK_OK(bt_buf_add(&buf, "a\0b", 3, &err), &err);
    CHECK_INT(buf.size, 293);
    CHECK(memcmp(buf.data + 290, "a\0b", 4) == 0);
    bt_buf_free(&buf);
    CHECK(!buf.data && !buf.size && !buf.capacity);
    bt_buf_free(NULL);
}

static void test_arena(void)
{
    struct bt_arena *arena = bt_arena_new(1000);
    unsigned char *pieces[100], *again;
    int overwritten = 0;
    uint64_t most;
    char *text;

    CHECK(arena);
    for (int i = 0; i < 100; i++) {
        pieces[i] = bt_arena_take(arena, (uint64_t)i, 7);
        CHECK(pieces[i] && (uintptr_t)pieces[i] % 64 == 0);
        memset(pieces[i], i, (size_t)i * 7);
    }
    for (int i = 0; i < 100; i++)
        for (int j = 0; j < 7 * i; j++)
            overwritten += pieces[i][j] != i;
    CHECK_INT(overwritten, 0);
    text = bt_arena_str(arena, "a dog runs", 5);
    CHECK_STR(text, "a dog");
    CHECK(bt_arena_str(arena, "cat", 3) == text + 6);     /* strings stand one behind the other, */
    CHECK((uintptr_t)bt_arena_take(arena, 1, 1) % 64 == 0); /* and pieces behind them as they must */
    CHECK_STR(text, "a dog");
    CHECK(!bt_arena_take(arena, UINT64_MAX, 2));
    CHECK(!bt_arena_take(arena, UINT64_MAX - 63, 1));
    CHECK(!bt_arena_str(arena, "", SIZE_MAX));

    most = bt_arena_bytes(arena);
    CHECK(most >= 7 * 99 * 100 / 2);
    bt_arena_reset(arena);
    again = bt_arena_take(arena, 1, 1);
    CHECK(again == pieces[0]); /* the same block again */
    CHECK_INT(bt_arena_bytes(arena), most);
    bt_arena_free(arena);
    bt_arena_free(NULL);
}

int main(void)
{
    RUN(test_checked_arithmetic);
    RUN(test_alloc);
    RUN(test_grow);
    RUN(test_buf);
    RUN(test_arena);
    return test_end();
}
