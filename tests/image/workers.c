/* Work in processes of its own: what a request does to its worker is that request's answer, and no one else's. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libcommon/image/workers.h"
#include "tests/test.h"

enum { MEMORY = 256 << 20 };

/* The request is one letter; a digit is answered by itself. */
static size_t work(void *reply, const void *request, size_t size, const void *context)
{
    char letter = *(const char *)request, *answer = reply;
    volatile unsigned long turns = 0;
    void *memory;

    (void)size, (void)context;
    *answer = letter;
    switch (letter) {
    case 'c':
        signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
        raise(SIGSEGV);
        break;
    case 'k':
        raise(SIGKILL);
        break;
    case 'x':
        _exit(3);
    case 't':
        for (;;)
            turns++;
    case 'm': /* a decoder says itself that there is no memory */
        memory = malloc(2 * (size_t)MEMORY);
        *answer = memory ? 'M' : 'm';
        free(memory);
        break;
    case 'f':
        *answer = open("/dev/null", O_RDONLY) >= 0 ? 'F' : 'f';
        break;
    default:
        break;
    }
    return 1;
}

static struct bt_workers *workers_new(int count)
{
    struct bt_workers_options o = { .count = count,
                                    .request_bytes = 100,
                                    .reply_bytes = 100,
                                    .memory_bytes = MEMORY,
                                    .cpu_seconds = 1,
                                    .work = work };
    struct bt_workers *w = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_workers_new(&w, &o, &err), &err);
    return w;
}

/* The answer's letter, or its code. */
static const char *ask(struct bt_workers *w, int slot, char letter)
{
    static _Thread_local char text[2];
    struct bt_image_reject reject = { 0 };
    const void *reply;
    size_t size;

    if (bt_workers_call(w, slot, &letter, 1, &reply, &size, &reject))
        return reject.code;
    CHECK(size == 1);
    text[0] = *(const char *)reply;
    return text;
}

static void test_each_fate(void)
{
    struct bt_workers *w = workers_new(2);

    CHECK_STR(ask(w, 0, '1'), "1");
    CHECK_STR(ask(w, 0, 'c'), "DECODE_CRASH");
    CHECK_STR(ask(w, 0, '2'), "2");
    CHECK_STR(ask(w, 1, 'k'), "DECODE_MEM");
    CHECK_STR(ask(w, 1, 'x'), "DECODE_CRASH");
    CHECK_STR(ask(w, 1, '3'), "3");
    CHECK_STR(ask(w, 0, 't'), "DECODE_TIME");
    CHECK_STR(ask(w, 0, '4'), "4");
    bt_workers_free(w);
}

static void test_no_files(void)
{
    struct bt_workers *w = workers_new(1);

    CHECK_STR(ask(w, 0, 'f'), "f");
    bt_workers_free(w);
}

static void test_memory_limit(void)
{
#if defined(__SANITIZE_ADDRESS__)
    SKIP("the address sanitizer's malloc does not return NULL");
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    SKIP("the address sanitizer's malloc does not return NULL");
#endif
#endif
    struct bt_workers *w = workers_new(1);

    CHECK_STR(ask(w, 0, 'm'), "m");
    bt_workers_free(w);
}

/* A pipe that was open at the start is not kept open by the workers. */
static void test_nothing_inherited(void)
{
    struct bt_workers *w;
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0);
    w = workers_new(2);
    CHECK_STR(ask(w, 0, '1'), "1");
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    bt_workers_free(w);
}

static void test_too_large(void)
{
    struct bt_workers *w = workers_new(1);
    struct bt_image_reject reject = { 0 };
    char request[101] = "1";
    const void *reply;
    size_t size;

    CHECK(bt_workers_call(w, 0, request, sizeof request, &reply, &size, &reject) == BT_ERR_IMAGE);
    CHECK_STR(reject.code, "DECODE_MEM");
    CHECK_STR(ask(w, 0, '1'), "1");
    bt_workers_free(w);
}

struct caller {
    struct bt_workers *workers;
    int slot, wrong;
};

static void *call_often(void *argument)
{
    struct caller *c = argument;

    for (int i = 0; i < 60; i++) {
        char digit[2] = { (char)('0' + (i + c->slot) % 10), 0 };

        c->wrong += strcmp(ask(c->workers, c->slot, digit[0]), digit) != 0;
        if (i % 20 == c->slot)
            c->wrong += strcmp(ask(c->workers, c->slot, 'x'), "DECODE_CRASH") != 0;
    }
    return NULL;
}

static void test_slots_are_independent(void)
{
    struct bt_workers *w = workers_new(3);
    struct caller callers[3];
    pthread_t threads[3];

    for (int i = 0; i < 3; i++) {
        callers[i] = (struct caller){ w, i, 0 };
        CHECK(pthread_create(&threads[i], NULL, call_often, &callers[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(callers[i].wrong, 0);
    }
    bt_workers_free(w);
}

int main(void)
{
    RUN(test_each_fate);
    RUN(test_no_files);
    RUN(test_memory_limit);
    RUN(test_nothing_inherited);
    RUN(test_too_large);
    RUN(test_slots_are_independent);
    return test_end();
}
