/* Pieces through a relay: in order whatever the number of threads, and the failure that comes first in order ends it. */
#include <stdatomic.h>
#include <string.h>

#include "libcommon/base/relay.h"
#include "tests/test.h"

enum { NEVER = 1 << 20, ROOM = 64 };

struct run {
    uint64_t numbers[ROOM], results[ROOM]; /* by piece */
    uint64_t filled, end, put, next_put;
    uint64_t fill_fails, work_fails, put_fails; /* at which number */
    bool out_of_order;
    atomic_int at_once[ROOM]; /* by worker */
    atomic_bool shared;       /* one worker number was two threads' */
};

static int fill(void *context, int piece, struct bt_err *err)
{
    struct run *r = context;

    if (r->filled == r->fill_fails) {
        r->numbers[piece] = NEVER;
        return bt_fail(err, BT_ERR_IO, "fill %d", (int)r->filled);
    }
    r->numbers[piece] = r->filled == r->end ? NEVER : r->filled++;
    return r->numbers[piece] == NEVER ? BT_END : BT_OK;
}

/* Takes longer over some than over others. */
static int work(void *context, int piece, int worker, struct bt_err *err)
{
    struct run *r = context;
    uint64_t number = r->numbers[piece], x = number;

    if (atomic_fetch_add(&r->at_once[worker], 1) != 0)
        r->shared = true;
    for (uint64_t i = 0; i < (number * 7919) % 5000; i++)
        x = x * 6364136223846793005u + 1;
    r->results[piece] = x;
    atomic_fetch_sub(&r->at_once[worker], 1);
    return number >= r->work_fails && number != NEVER ? bt_fail(err, BT_ERR_INPUT, "work %d", (int)number) : BT_OK;
}

static int put(void *context, int piece, struct bt_err *err)
{
    struct run *r = context;
    uint64_t number = r->numbers[piece];

    if (number == NEVER)
        return BT_OK;
    if (number == r->put_fails)
        return bt_fail(err, BT_ERR_NOSPACE, "put %d", (int)number);
    r->out_of_order |= number != r->next_put++;
    r->put += r->results[piece] * (number + 1);
    return BT_OK;
}

static int run(struct run *r, int workers, struct bt_err *err)
{
    const struct bt_relay relay = { workers, r, fill, work, put };

    CHECK(bt_relay_pieces(workers) <= ROOM);
    return bt_relay_run(&relay, err);
}

static const int workers[] = { 1, 2, 3, 16 };

static void test_order(void)
{
    uint64_t want = 0;

    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        struct run r = { .end = 3000, .fill_fails = NEVER, .work_fails = NEVER, .put_fails = NEVER };
        struct bt_err err = { 0 };

        CHECK_OK(run(&r, workers[i], &err), &err);
        CHECK_INT(r.next_put, 3000);
        CHECK(!r.out_of_order && !r.shared);
        want = want ? want : r.put;
        CHECK(r.put == want);
    }
}

static void test_nothing(void)
{
    struct run r = { .end = 0, .fill_fails = NEVER, .work_fails = NEVER, .put_fails = NEVER };
    struct bt_err err = { 0 };

    CHECK_OK(run(&r, 2, &err), &err);
    CHECK_INT(r.next_put, 0);
}

/* What was before the failure is put, nothing behind it is, for any number of threads. */
static void check_failure(struct run r, int status, const char *text, uint64_t puts)
{
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        struct bt_err err = { 0 };
        struct run copy;

        memcpy(&copy, &r, sizeof copy);
        CHECK_INT(run(&copy, workers[i], &err), status);
        CHECK_STR(err.text, text);
        CHECK_INT(copy.next_put, puts);
        CHECK(!copy.out_of_order);
    }
}

static void test_failures(void)
{
    struct run r = { .end = NEVER, .fill_fails = 500, .work_fails = NEVER, .put_fails = NEVER };

    check_failure(r, BT_ERR_IO, "fill 500", 500);
    r.work_fails = 300; /* and so do all behind it, which may be done earlier */
    check_failure(r, BT_ERR_INPUT, "work 300", 300);
    r.put_fails = 299;
    check_failure(r, BT_ERR_NOSPACE, "put 299", 299);
    r.end = 301;
    r.put_fails = NEVER;
    check_failure(r, BT_ERR_INPUT, "work 300", 300);
}

int main(void)
{
    RUN(test_order);
    RUN(test_nothing);
    RUN(test_failures);
    return test_end();
}
