/* A ring of pieces: filled by the caller, taken by the workers in order, put by the caller in order. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/base/relay.h"

struct piece {
    struct bt_err err; /* of its work */
    int rc;
    bool done;
};

struct ring {
    const struct bt_relay *relay;
    struct piece *pieces;
    int size;
    pthread_t *threads;
    int thread_count;

    pthread_mutex_t lock; /* over what follows, and over done */
    pthread_cond_t filled_more, done_more;
    uint64_t filled, taken, put;
    bool ended; /* nothing will be filled any more */
    bool stopped; /* nothing is to be worked on any more */
};

struct start {
    struct ring *ring;
    int worker;
};

int bt_relay_pieces(int workers)
{
    return workers > 1 ? 4 * workers : 1; /* enough that nobody waits while the caller reads or writes */
}

/* ---------------------------------------------------------------- in the workers */

/* The next piece to work on; NULL: there are no more. */
static struct piece *take(struct ring *r)
{
    struct piece *p = NULL;

    pthread_mutex_lock(&r->lock);
    while (r->taken == r->filled && !r->ended && !r->stopped)
        pthread_cond_wait(&r->filled_more, &r->lock);
    if (r->taken < r->filled && !r->stopped)
        p = &r->pieces[r->taken++ % (uint64_t)r->size];
    pthread_mutex_unlock(&r->lock);
    return p;
}

static void *work(void *argument)
{
    struct start start = *(struct start *)argument;
    struct ring *r = start.ring;
    struct piece *p;

    free(argument);
    while ((p = take(r)) != NULL) {
        p->rc = r->relay->work(r->relay->context, (int)(p - r->pieces), start.worker, &p->err);
        pthread_mutex_lock(&r->lock);
        p->done = true;
        pthread_cond_signal(&r->done_more);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

static int start_worker(struct ring *r, struct bt_err *err)
{
    struct start *start = bt_alloc(1, sizeof *start, err);
    sigset_t all, before;

    if (!start)
        return BT_ERR_MEMORY;
    *start = (struct start){ r, r->thread_count };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the caller, who may wait in a read */
    int errnum = pthread_create(&r->threads[r->thread_count], NULL, work, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum) {
        free(start);
        return bt_fail(err, BT_ERR_OS, "thread: %s; use fewer --threads", strerror(errnum));
    }
    r->thread_count++;
    return BT_OK;
}

/* ---------------------------------------------------------------- in the caller */

static void say(struct ring *r, bool *what)
{
    pthread_mutex_lock(&r->lock);
    *what = true;
    pthread_cond_broadcast(&r->filled_more);
    pthread_mutex_unlock(&r->lock);
}

/* Whether the oldest piece can be put; waits for it where there is nothing else to do. */
static bool is_oldest_done(struct ring *r, bool wait)
{
    const struct piece *oldest = &r->pieces[r->put % (uint64_t)r->size];

    if (r->put == r->filled)
        return false;
    pthread_mutex_lock(&r->lock);
    while (wait && !oldest->done)
        pthread_cond_wait(&r->done_more, &r->lock);
    bool done = oldest->done;
    pthread_mutex_unlock(&r->lock);
    return done;
}

static int put_oldest(struct ring *r, struct bt_err *err)
{
    int at = (int)(r->put % (uint64_t)r->size);
    struct piece *oldest = &r->pieces[at];

    if (oldest->rc) {
        *err = oldest->err;
        return oldest->rc;
    }
    r->put++;
    return r->relay->put(r->relay->context, at, err);
}

static int fill_next(struct ring *r, struct bt_err *err)
{
    int at = (int)(r->filled % (uint64_t)r->size);
    struct piece *next = &r->pieces[at];

    next->done = false;
    int rc = r->relay->fill(r->relay->context, at, err);
    pthread_mutex_lock(&r->lock);
    r->filled++;
    pthread_cond_signal(&r->filled_more);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int run_ring(struct ring *r, struct bt_err *err)
{
    struct bt_err fill_err = { 0 };
    int rc = BT_OK, fill_rc = BT_OK;

    while (!rc) {
        bool room = !fill_rc && r->filled - r->put < (uint64_t)r->size;

        if (is_oldest_done(r, !room)) {
            rc = put_oldest(r, err);
        } else if (room) {
            fill_rc = fill_next(r, &fill_err);
            if (fill_rc)
                say(r, &r->ended);
        } else {
            break;
        }
    }
    if (rc || fill_rc == BT_END)
        return rc;
    *err = fill_err;
    return fill_rc;
}

static int run_alone(const struct bt_relay *relay, struct bt_err *err)
{
    struct bt_err fill_err = { 0 };
    int rc = BT_OK, fill_rc = BT_OK;

    while (!rc && !fill_rc) {
        fill_rc = relay->fill(relay->context, 0, &fill_err);
        rc = relay->work(relay->context, 0, 0, err);
        if (!rc)
            rc = relay->put(relay->context, 0, err);
    }
    if (rc || fill_rc == BT_END)
        return rc;
    *err = fill_err;
    return fill_rc;
}

int bt_relay_run(const struct bt_relay *relay, struct bt_err *err)
{
    struct ring r = { .relay = relay, .size = bt_relay_pieces(relay->workers) };
    int rc;

    if (relay->workers == 1)
        return run_alone(relay, err);
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.filled_more, NULL);
    pthread_cond_init(&r.done_more, NULL);
    r.pieces = bt_alloc((uint64_t)r.size, sizeof *r.pieces, err);
    r.threads = bt_alloc((uint64_t)relay->workers, sizeof *r.threads, err);
    rc = r.pieces && r.threads ? BT_OK : BT_ERR_MEMORY;
    for (int i = 0; i < relay->workers && !rc; i++)
        rc = start_worker(&r, err);
    if (!rc)
        rc = run_ring(&r, err);
    say(&r, &r.stopped);
    for (int i = 0; i < r.thread_count; i++)
        pthread_join(r.threads[i], NULL);
    free(r.threads);
    free(r.pieces);
    pthread_cond_destroy(&r.filled_more);
    pthread_cond_destroy(&r.done_more);
    pthread_mutex_destroy(&r.lock);
    return rc;
}
