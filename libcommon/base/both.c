#include "libcommon/base/both.h"

#include <pthread.h>
#include <stdbool.h>

struct call {
    void (*work)(void *);
    void *context;
};

static void *run(void *argument)
{
    const struct call *call = argument;
    call->work(call->context);
    return NULL;
}

void bt_both(void (*here)(void *), void *a, void (*there)(void *), void *b)
{
    struct call call = { there, b };
    pthread_t thread;
    const bool threaded = pthread_create(&thread, NULL, run, &call) == 0;
    here(a);
    if (threaded)
        pthread_join(thread, NULL);
    else
        there(b);
}
