#include "libcommon/metrics/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/both.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/pairs.h"
#include "libcommon/metrics/words.h"

/* ROUGE-L takes time with the square of a caption's length. */
#define MAX_BYTES (1 << 16)

/* All n-grams of all orders have numbers below 2^31. */
#define MAX_WORDS (INT32_MAX / BT_ORDERS - PAD)

/* A word that is none stands behind each sentence, and some behind the last. */
#define NO_WORD (-1)
#define PAD     3

struct bt_lexicon {
    struct bt_arena *arena;
    struct bt_intern *strings; /* pieces and words */
    int32_t *words;            /* of all sentences, one behind the other */
    size_t word_count;
    uint64_t word_capacity;
    struct bt_gram *lists;     /* the n-grams of the sentence whose words begin at i begin at i * BT_ORDERS */
    int32_t gram_count;
    struct bt_lexicon *appended; /* its sentences live on */
};

struct bt_lexicon *bt_lexicon_new(void)
{
    struct bt_lexicon *lex = calloc(1, sizeof *lex);
    if (!lex)
        return NULL;
    lex->arena = bt_arena_new(2 << 20);
    lex->strings = bt_intern_new();
    if (!lex->arena || !lex->strings) {
        bt_lexicon_free(lex);
        return NULL;
    }
    return lex;
}

void bt_lexicon_free(struct bt_lexicon *lex)
{
    while (lex) {
        struct bt_lexicon *next = lex->appended;
        bt_arena_free(lex->arena);
        bt_intern_free(lex->strings);
        free(lex->words);
        free(lex->lists);
        free(lex);
        lex = next;
    }
}

int32_t bt_lexicon_gram_count(const struct bt_lexicon *lex)
{
    return lex->gram_count;
}

int32_t bt_lexicon_piece_count(const struct bt_lexicon *lex)
{
    return bt_intern_count(lex->strings);
}

static int out_of_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for the captions");
}

/* Whether a piece is one word: ASCII without white space. All but a few pieces are. */
static bool is_word(struct bt_text piece)
{
    for (size_t i = 0; i < piece.size; i++)
        if ((unsigned char)piece.data[i] <= ' ' || (unsigned char)piece.data[i] >= 0x7F)
            return false;
    return piece.size > 0;
}

/* Adds the words of a piece, whose own number is `number`. There is room for them. */
static int add_words(struct bt_lexicon *lex, struct bt_text piece, int32_t number, struct bt_err *err)
{
    struct bt_text word;
    int rc = BT_OK;
    if (is_word(piece)) {
        lex->words[lex->word_count++] = number;
        return BT_OK;
    }
    while (!rc && bt_next_word(&piece, &word))
        rc = bt_intern_add(lex->strings, word, &lex->words[lex->word_count++], err);
    return rc;
}

static int read_pieces(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *s, struct bt_err *err)
{
    int rc = BT_OK;
    s->piece_count = 0;
    for (size_t start = 0, i = 0; !rc && i <= tokens.size; i++)
        if (i == tokens.size || tokens.data[i] == ' ') {
            const struct bt_text piece = { tokens.data + start, i - start };
            int32_t *number = &s->pieces[s->piece_count++];
            rc = bt_intern_add(lex->strings, piece, number, err);
            if (!rc)
                rc = add_words(lex, piece, *number, err);
            start = i + 1;
        }
    return rc;
}

int bt_lexicon_read(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *sentence,
                    struct bt_err *err)
{
    size_t spaces = 0;
    if (tokens.size > MAX_BYTES)
        return bt_fail(err, BT_ERR_LIMIT, "a caption of %zu bytes, the limit is %d; captions are short",
                       tokens.size, MAX_BYTES);
    for (size_t i = 0; i < tokens.size; i++)
        spaces += tokens.data[i] == ' ';
    /* A word for every two bytes at most. */
    int rc = bt_grow(&lex->words, &lex->word_capacity, lex->word_count + tokens.size / 2 + 1 + 1 + PAD,
                     sizeof *lex->words, err);
    if (rc)
        return rc;
    *sentence = (struct bt_sentence){ .pieces = bt_arena_take(lex->arena, spaces + 1, sizeof *sentence->pieces),
                                      .first_word = lex->word_count };
    if (!sentence->pieces)
        return out_of_memory(err);
    rc = read_pieces(lex, tokens, sentence, err);
    sentence->word_count = (int32_t)(lex->word_count - sentence->first_word);
    lex->words[lex->word_count++] = NO_WORD;
    return rc;
}

/* ---------------------------------------------------------------- two lexicons */

static int append(struct bt_lexicon *lex, const struct bt_lexicon *other, int32_t *numbers, struct bt_err *err)
{
    int rc = bt_grow(&lex->words, &lex->word_capacity, lex->word_count + other->word_count + PAD, sizeof *lex->words, err);
    for (int32_t i = 0; !rc && i < bt_intern_count(other->strings); i++)
        rc = bt_intern_add(lex->strings, bt_intern_text(other->strings, i), &numbers[i], err);
    for (size_t i = 0; !rc && i < other->word_count; i++)
        lex->words[lex->word_count++] = other->words[i] < 0 ? NO_WORD : numbers[other->words[i]];
    return rc;
}

int bt_lexicon_append(struct bt_lexicon *lex, struct bt_lexicon *other, struct bt_sentence *sentences, size_t count,
                      struct bt_err *err)
{
    const size_t first = lex->word_count;
    int32_t *numbers = bt_alloc((uint64_t)bt_intern_count(other->strings), sizeof *numbers, err);
    int rc = numbers ? append(lex, other, numbers, err) : BT_ERR_MEMORY;
    for (size_t i = 0; !rc && i < count; i++) {
        sentences[i].first_word += first;
        for (int32_t k = 0; k < sentences[i].piece_count; k++)
            sentences[i].pieces[k] = numbers[sentences[i].pieces[k]];
    }
    free(numbers);
    struct bt_lexicon **end = &lex->appended;
    while (*end)
        end = &(*end)->appended;
    *end = other;
    return rc;
}

/* ---------------------------------------------------------------- n-grams */

/* The n-grams of each order by the place of their first word: orders[n - 1][i], -1 where none begins. */
struct grams {
    struct bt_lexicon *lex;
    int32_t *orders[BT_ORDERS];
    int32_t distinct[BT_ORDERS];
};

/* Numbers the n-grams of an order, given those of lower ones. */
static int number_order(struct grams *g, int n, const int32_t *left, const int32_t *right, struct bt_err *err)
{
    const size_t count = g->lex->word_count;
    int32_t *numbers = g->orders[n - 1];
    for (int i = 0; i < PAD; i++)
        numbers[count + (size_t)i] = NO_WORD;
    return bt_number_pairs(left, right, count, numbers, &g->distinct[n - 1], err);
}

/* A thread's order. Both come from that of two words. */
struct order {
    struct grams *grams;
    int n;
    int rc;
    struct bt_err err;
};

static void number_longer(void *context)
{
    struct order *o = context;
    const int32_t *words = o->grams->orders[0], *twos = o->grams->orders[1];
    o->rc = number_order(o->grams, o->n, twos, o->n == 3 ? words + 2 : twos + 2, &o->err);
}

static int number_orders(struct grams *g, struct bt_err *err)
{
    struct order three = { .grams = g, .n = 3 }, four = { .grams = g, .n = 4 };
    int rc = number_order(g, 2, g->orders[0], g->orders[0] + 1, err);
    if (rc)
        return rc;
    bt_both(number_longer, &three, number_longer, &four);
    if (three.rc || four.rc)
        *err = three.rc ? three.err : four.err;
    return three.rc ? three.rc : four.rc;
}

/* ---------------------------------------------------------------- the lists of sentences */

/* A thread's sentences: the first or the second half of each range. */
struct lister {
    const struct grams *grams;
    const struct bt_sentence_range *ranges;
    int range_count;
    bool second;
    int32_t *places;    /* by word: where it was met last, in all lists of this thread one behind the other; + 1 */
    int32_t place;      /* where the current list begins there */
    int32_t *at;        /* by place in the sentence: where the n-gram that begins there is in the list */
    uint64_t at_capacity;
    int rc;
    struct bt_err err;
};

static int32_t add(struct bt_gram *list, int32_t *count, int32_t id)
{
    list[*count] = (struct bt_gram){ id, 1 };
    return (*count)++;
}

static void list_words(struct lister *l, const int32_t *words, int32_t word_count, struct bt_gram *list, int32_t *count)
{
    for (int32_t i = 0; i < word_count; i++) {
        int32_t *place = &l->places[words[i]];
        if (*place > l->place) {
            l->at[i] = *place - l->place - 1;
            list[l->at[i]].count++;
        } else {
            l->at[i] = add(list, count, words[i]);
            *place = l->place + *count;
        }
    }
    l->place += *count;
}

/* An n-gram can be there twice only where its first n-1 words are. */
static void list_order(struct lister *l, const int32_t *ids, int32_t base, int32_t id_count, struct bt_gram *list, int32_t *count)
{
    const int32_t begin = *count;
    for (int32_t i = 0; i < id_count; i++) {
        const int32_t id = base + ids[i];
        int32_t at = *count;
        if (list[l->at[i]].count > 1)
            for (at = begin; at < *count && list[at].id != id; at++)
                ;
        if (at < *count)
            list[at].count++;
        else
            at = add(list, count, id);
        l->at[i] = at;
    }
}

static int list_sentence(struct lister *l, struct bt_sentence *s)
{
    const struct grams *g = l->grams;
    struct bt_gram *list = g->lex->lists + s->first_word * BT_ORDERS;
    int32_t count = 0, base = 0;
    int rc = bt_grow(&l->at, &l->at_capacity, (uint64_t)s->word_count, sizeof *l->at, &l->err);
    if (rc)
        return rc;
    list_words(l, g->orders[0] + s->first_word, s->word_count, list, &count);
    s->gram_end[0] = count;
    for (int n = 2; n <= BT_ORDERS; n++) {
        base += g->distinct[n - 2];
        list_order(l, g->orders[n - 1] + s->first_word, base, s->word_count - n + 1, list, &count);
        s->gram_end[n - 1] = count;
    }
    s->grams = list;
    return BT_OK;
}

static void list_half(void *context)
{
    struct lister *l = context;
    l->places = bt_alloc((uint64_t)l->grams->distinct[0], sizeof *l->places, &l->err);
    l->rc = l->places ? BT_OK : BT_ERR_MEMORY;
    for (int r = 0; r < l->range_count; r++) {
        const struct bt_sentence_range *range = &l->ranges[r];
        const size_t begin = l->second ? range->count / 2 : 0, end = l->second ? range->count : range->count / 2;
        for (size_t i = begin; !l->rc && i < end; i++)
            l->rc = list_sentence(l, &range->sentences[i]);
    }
    free(l->places);
    free(l->at);
}

static int list_all(const struct grams *g, const struct bt_sentence_range *ranges, int count, struct bt_err *err)
{
    struct lister one = { .grams = g, .ranges = ranges, .range_count = count }, two = one;
    two.second = true;
    bt_both(list_half, &one, list_half, &two);
    if (one.rc || two.rc)
        *err = one.rc ? one.err : two.err;
    return one.rc ? one.rc : two.rc;
}

int bt_lexicon_number(struct bt_lexicon *lex, const struct bt_sentence_range *ranges, int count, struct bt_err *err)
{
    struct grams g = { .lex = lex, .distinct = { bt_intern_count(lex->strings) } };
    if (lex->word_count > MAX_WORDS)
        return bt_fail(err, BT_ERR_LIMIT, "more than %d words; score the set in parts", MAX_WORDS);
    int rc = bt_grow(&lex->words, &lex->word_capacity, lex->word_count + PAD, sizeof *lex->words, err);
    for (int i = 0; !rc && i < PAD; i++)
        lex->words[lex->word_count + (size_t)i] = NO_WORD;
    g.orders[0] = lex->words;
    for (int n = 2; !rc && n <= BT_ORDERS; n++) {
        g.orders[n - 1] = bt_alloc(lex->word_count + PAD, sizeof *g.orders[n - 1], err);
        rc = g.orders[n - 1] ? BT_OK : BT_ERR_MEMORY;
    }
    if (!rc)
        rc = number_orders(&g, err);
    if (!rc) {
        lex->lists = bt_alloc(lex->word_count, BT_ORDERS * sizeof *lex->lists, err);
        rc = lex->lists ? list_all(&g, ranges, count, err) : BT_ERR_MEMORY;
    }
    for (int n = 1; n <= BT_ORDERS; n++) {
        lex->gram_count += g.distinct[n - 1];
        if (n > 1)
            free(g.orders[n - 1]);
    }
    return rc;
}

int bt_lexicon_text(const struct bt_lexicon *lex, const struct bt_sentence *sentence, struct bt_buf *out,
                    struct bt_err *err)
{
    int rc = BT_OK;
    for (int32_t i = 0; !rc && i < sentence->piece_count; i++) {
        struct bt_text piece = bt_intern_text(lex->strings, sentence->pieces[i]);
        if (i > 0)
            rc = bt_buf_add(out, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(out, piece.data, piece.size, err);
    }
    return rc;
}

bool bt_sentence_equal(const struct bt_sentence *a, const struct bt_sentence *b)
{
    return a->piece_count == b->piece_count &&
           memcmp(a->pieces, b->pieces, (size_t)a->piece_count * sizeof *a->pieces) == 0;
}

uint64_t bt_longest_hypothesis(const struct bt_caption_item *items, size_t count)
{
    int32_t longest = 0;
    for (size_t i = 0; i < count; i++)
        if (longest < items[i].hypothesis.gram_end[BT_ORDERS - 1])
            longest = items[i].hypothesis.gram_end[BT_ORDERS - 1];
    return (uint64_t)longest;
}
