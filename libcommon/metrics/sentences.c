#include "libcommon/metrics/sentences.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/both.h"

/* Fewer captions are read before a thread has begun. */
#define LEAST_SHARED 1000

struct run {
    struct bt_lexicon *lex;
    const struct bt_sentence_stream *streams;
    struct bt_token_source sources[BT_MAX_STREAMS];
    int count;
};

/* What one thread reads: stream by stream, into sentences and a lexicon that are its own. */
struct part {
    const struct run *run;
    struct bt_token_reader *reader;
    struct bt_lexicon *lex;
    struct bt_token_portion portion;
    struct bt_sentence *sentences[BT_MAX_STREAMS];
    size_t first[BT_MAX_STREAMS], end[BT_MAX_STREAMS]; /* its captions of each stream */
    size_t done[BT_MAX_STREAMS];                       /* sentences of each */
    int rc;
    size_t failed; /* the caption, counted through all streams */
    struct bt_err err;
};

/* ---------------------------------------------------------------- one part */

/* Token strings beyond the last caption are nobody's (tokens.h). */
static int number_portion(struct part *p, int stream)
{
    const size_t room = p->run->streams[stream].count - p->first[stream];
    size_t *done = &p->done[stream];
    for (size_t i = 0; i < p->portion.count && *done < room; i++) {
        int rc = bt_lexicon_read(p->lex, p->portion.tokens[i], &p->sentences[stream][*done], &p->err);
        if (rc) {
            p->failed = p->first[stream] + *done;
            for (int before = 0; before < stream; before++)
                p->failed += p->run->streams[before].count;
            return rc;
        }
        ++*done;
    }
    return BT_OK;
}

static void read_streams(struct part *p)
{
    for (int s = 0; !p->rc && s < p->run->count; s++) {
        if (p->first[s] == p->end[s])
            continue;
        p->rc = bt_token_reader_begin(p->reader, &p->run->sources[s], p->first[s], p->end[s], &p->err);
        while (!p->rc && (p->rc = bt_token_reader_next(p->reader, &p->portion, &p->err)) == BT_OK)
            p->rc = number_portion(p, s);
        if (p->rc == BT_END)
            p->rc = BT_OK;
    }
}

static size_t caption_count(const struct part *p)
{
    size_t count = 0;
    for (int s = 0; s < p->run->count; s++)
        count += p->end[s] - p->first[s];
    return count;
}

/* The second part has a lexicon of its own, and its sentences one stream behind the other. */
static void prepare_second(struct part *p)
{
    p->lex = bt_lexicon_new();
    p->sentences[0] = bt_alloc(caption_count(p), sizeof *p->sentences[0], &p->err);
    p->rc = p->lex && p->sentences[0] ? BT_OK : bt_fail(&p->err, BT_ERR_MEMORY, "out of memory for the captions");
    for (int s = 1; s < p->run->count; s++)
        p->sentences[s] = p->sentences[s - 1] + (p->end[s - 1] - p->first[s - 1]);
}

static void read_part(void *context)
{
    struct part *p = context;
    if (!p->lex)
        prepare_second(p);
    if (!p->rc)
        p->rc = bt_token_reader_new(&p->reader, p->run->sources[0].how, &p->err);
    read_streams(p);
}

static void part_free(struct part *p)
{
    bt_token_portion_free(&p->portion);
    bt_token_reader_free(p->reader);
    if (p->lex != p->run->lex) {
        bt_lexicon_free(p->lex);
        free(p->sentences[0]);
    }
}

/* ---------------------------------------------------------------- two parts */

/* The first part ends behind so many captions, the second begins there. */
static void divide(struct part *first, struct part *second, size_t middle)
{
    for (int s = 0; s < first->run->count; s++) {
        const size_t count = first->run->streams[s].count, own = middle < count ? middle : count;
        first->end[s] = second->first[s] = own;
        second->end[s] = count;
        middle -= own;
    }
}

/* The first part reads the other streams as well. */
static void read_rest(struct part *p)
{
    for (int s = 0; s < p->run->count; s++) {
        const size_t count = p->run->streams[s].count;
        p->first[s] = p->end[s] > 0 ? count : 0;
        p->end[s] = count;
    }
    read_streams(p);
}

/* Puts the second part behind the first. There is less room where a line was too many, and none in a stream that the first
 * has read to its end. */
static void append(struct part *first, struct part *second)
{
    first->rc = second->rc;
    first->failed = second->failed;
    first->err = second->err;
    if (!first->rc) {
        first->rc = bt_lexicon_append(first->lex, second->lex, second->sentences[0], caption_count(second), &first->err);
        second->lex = NULL;
    }
    for (int s = 0; !first->rc && s < first->run->count; s++) {
        const size_t room = first->run->streams[s].count - first->done[s];
        memcpy(first->sentences[s] + first->done[s], second->sentences[s],
               (second->done[s] < room ? second->done[s] : room) * sizeof *second->sentences[s]);
    }
}

static void read_parts(struct part *first, struct part *second)
{
    if (caption_count(second) == 0) {
        read_part(first);
        return;
    }
    bt_both(read_part, first, read_part, second);
    if (first->rc)
        return;
    if (second->rc && !bt_token_reader_met(first->reader)) /* what failed may be none of the tokens */
        read_rest(first);
    else
        append(first, second);
}

static int number_all(const struct run *run, struct bt_err *err)
{
    struct bt_sentence_range ranges[BT_MAX_STREAMS];
    for (int s = 0; s < run->count; s++)
        ranges[s] = (struct bt_sentence_range){ run->streams[s].sentences, run->streams[s].count };
    return bt_lexicon_number(run->lex, ranges, run->count, err);
}

int bt_sentences_read(struct bt_lexicon *lex, enum bt_tokens how, const struct bt_sentence_stream *streams, int count,
                      size_t *failed, struct bt_err *err)
{
    struct run run = { .lex = lex, .streams = streams, .count = count };
    struct part first = { .run = &run, .lex = lex }, second = { .run = &run };
    size_t captions = 0;
    int rc = BT_OK;
    assert(count <= BT_MAX_STREAMS);
    for (int s = 0; !rc && s < count; s++) {
        rc = bt_token_source_init(&run.sources[s], how, streams[s].captions, streams[s].count, err);
        first.sentences[s] = streams[s].sentences;
        captions += streams[s].count;
    }
    *failed = first.failed = second.failed = captions;
    if (!rc) {
        divide(&first, &second, captions < LEAST_SHARED ? captions : captions / 2);
        read_parts(&first, &second);
        rc = first.rc;
        *failed = first.failed;
        if (rc)
            *err = first.err;
        else
            rc = number_all(&run, err);
    }
    part_free(&first);
    part_free(&second);
    for (int s = 0; s < count; s++)
        bt_token_source_free(&run.sources[s]);
    return rc;
}
