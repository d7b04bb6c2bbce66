#include "libcommon/metrics/sentences.h"

#include <pthread.h>
#include <stdlib.h>

/* A portion on its way from the tokenizer to the lexicon. */
struct waiting {
    struct bt_token_portion portion;
    struct waiting *next;
};

struct run {
    struct bt_lexicon *lex;
    struct bt_sentence *sentences; /* by caption */
    int rc;                        /* of the lexicon; the caption, when it failed, and why */
    size_t failed;
    struct bt_err err;
    struct waiting *first, **last, *spare; /* spare ones are filled again */
    bool ended;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
};

static void read_portion(struct run *run, const struct bt_token_portion *p)
{
    for (size_t i = 0; !run->rc && i < p->count; i++) {
        run->rc = bt_lexicon_read(run->lex, p->tokens[i], &run->sentences[p->first + i], &run->err);
        run->failed = p->first + i;
    }
}

static void push(struct waiting **list, struct waiting *w)
{
    w->next = *list;
    *list = w;
}

static struct waiting *pop(struct waiting **list)
{
    struct waiting *w = *list;
    if (w)
        *list = w->next;
    return w;
}

static void *work(void *context)
{
    struct run *run = context;
    pthread_mutex_lock(&run->mutex);
    while (run->first || !run->ended) {
        struct waiting *w = pop(&run->first);
        if (!w) {
            pthread_cond_wait(&run->moved, &run->mutex);
            continue;
        }
        if (!run->first)
            run->last = &run->first;
        pthread_mutex_unlock(&run->mutex);
        read_portion(run, &w->portion);
        pthread_mutex_lock(&run->mutex);
        push(&run->spare, w);
    }
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* Appends a portion, or with NULL says that there are no more. */
static void hand_over(struct run *run, struct waiting *w)
{
    pthread_mutex_lock(&run->mutex);
    if (w) {
        w->next = NULL;
        *run->last = w;
        run->last = &w->next;
    }
    run->ended = !w;
    pthread_cond_signal(&run->moved);
    pthread_mutex_unlock(&run->mutex);
}

static void put_spare(struct run *run, struct waiting *w)
{
    pthread_mutex_lock(&run->mutex);
    push(&run->spare, w);
    pthread_mutex_unlock(&run->mutex);
}

static struct waiting *take_spare(struct run *run, struct bt_err *err)
{
    pthread_mutex_lock(&run->mutex);
    struct waiting *w = pop(&run->spare);
    pthread_mutex_unlock(&run->mutex);
    return w ? w : bt_alloc(1, sizeof *w, err);
}

int bt_sentences_read(struct bt_token_reader *reader, const struct bt_text *captions, size_t count,
                      struct bt_lexicon *lex, struct bt_sentence *sentences, size_t *failed, struct bt_err *err)
{
    struct run run = { .lex = lex, .sentences = sentences, .last = &run.first,
                       .mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
    pthread_t thread;
    int rc = bt_token_reader_begin(reader, captions, count, err);
    bool threaded = !rc && pthread_create(&thread, NULL, work, &run) == 0; /* or one does both in turn */
    while (!rc) {
        struct waiting *w = take_spare(&run, err);
        rc = w ? bt_token_reader_next(reader, &w->portion, err) : BT_ERR_MEMORY;
        if (!rc && threaded) {
            hand_over(&run, w);
            continue;
        }
        if (!rc)
            read_portion(&run, &w->portion);
        if (w)
            put_spare(&run, w);
    }
    if (threaded) {
        hand_over(&run, NULL);
        pthread_join(thread, NULL);
    }
    for (struct waiting *w; (w = pop(&run.spare));) {
        bt_token_portion_free(&w->portion);
        free(w);
    }
    *failed = count;
    if (rc != BT_END || !run.rc)
        return rc == BT_END ? BT_OK : rc;
    *failed = run.failed;
    *err = run.err;
    return run.rc;
}
