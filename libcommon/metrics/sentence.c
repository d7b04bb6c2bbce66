#include "libcommon/metrics/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/words.h"

/* ROUGE-L takes time with the square of a caption's length. */
#define MAX_BYTES (1 << 16)

/* An n-gram is the (n-1)-gram before its last word, and that word. */
struct gram {
    int32_t prefix, word; /* prefix -1 for a 1-gram */
    int32_t place;        /* where it was met last, in the lists of all sentences one after the other; + 1 */
};

struct bt_lexicon {
    struct bt_arena *arena;
    struct bt_intern *words;
    struct gram *known;  /* by number */
    int32_t *slots;      /* number + 1; 0: free */
    uint64_t slot_count; /* a power of two, at least twice `gram_count` */
    int32_t gram_count;
    int32_t place_count;          /* the length of the lists of the sentences before this one */
    int32_t *word_ids, *prefixes; /* of the sentence being read */
    uint64_t *hashes;
    struct bt_gram *grams;
    uint64_t hash_capacity, known_capacity, word_capacity, prefix_capacity, gram_capacity;
};

struct bt_lexicon *bt_lexicon_new(void)
{
    struct bt_lexicon *lex = calloc(1, sizeof *lex);
    if (!lex)
        return NULL;
    lex->arena = bt_arena_new(1 << 20);
    lex->words = bt_intern_new();
    lex->slot_count = 1 << 16;
    lex->slots = calloc(lex->slot_count, sizeof *lex->slots);
    int rc = bt_grow(&lex->known, &lex->known_capacity, lex->slot_count / 2, sizeof *lex->known, NULL);
    if (rc || !lex->arena || !lex->words || !lex->slots) {
        bt_lexicon_free(lex);
        return NULL;
    }
    return lex;
}

void bt_lexicon_free(struct bt_lexicon *lex)
{
    if (!lex)
        return;
    bt_arena_free(lex->arena);
    bt_intern_free(lex->words);
    free(lex->known);
    free(lex->slots);
    free(lex->word_ids);
    free(lex->prefixes);
    free(lex->hashes);
    free(lex->grams);
    free(lex);
}

int32_t bt_lexicon_gram_count(const struct bt_lexicon *lex)
{
    return lex->gram_count;
}

static uint64_t hash_gram(int32_t prefix, int32_t word)
{
    return bt_keyed_hash((uint64_t)(uint32_t)prefix << 32 | (uint32_t)word);
}

static uint64_t find_slot(const struct bt_lexicon *lex, uint64_t hash, int32_t prefix, int32_t word)
{
    uint64_t at = hash & (lex->slot_count - 1);
    for (; lex->slots[at]; at = (at + 1) & (lex->slot_count - 1)) {
        const struct gram *known = &lex->known[lex->slots[at] - 1];
        if (known->prefix == prefix && known->word == word)
            break;
    }
    return at;
}

static int grow_slots(struct bt_lexicon *lex, struct bt_err *err)
{
    uint64_t slot_count = lex->slot_count * 4;
    int32_t *slots = bt_alloc(slot_count, sizeof *slots, err);
    if (!slots)
        return BT_ERR_MEMORY;
    for (int32_t i = 0; i < lex->gram_count; i++) {
        uint64_t at = hash_gram(lex->known[i].prefix, lex->known[i].word) & (slot_count - 1);
        while (slots[at])
            at = (at + 1) & (slot_count - 1);
        slots[at] = i + 1;
    }
    free(lex->slots);
    lex->slots = slots;
    lex->slot_count = slot_count;
    return BT_OK;
}

/* The number of an n-gram, the next one when it is new. */
static int number_gram(struct bt_lexicon *lex, uint64_t hash, int32_t prefix, int32_t word, int32_t *number,
                       struct bt_err *err)
{
    uint64_t slot = find_slot(lex, hash, prefix, word);
    *number = lex->slots[slot] - 1;
    if (*number >= 0)
        return BT_OK;
    int rc =
        bt_grow(&lex->known, &lex->known_capacity, (uint64_t)lex->gram_count + 1, sizeof *lex->known, err);
    if (!rc && (uint64_t)lex->gram_count * 2 >= lex->slot_count) {
        rc = grow_slots(lex, err);
        slot = find_slot(lex, hash, prefix, word);
    }
    if (rc)
        return rc;
    *number = lex->gram_count++;
    lex->known[*number] = (struct gram){ prefix, word, 0 };
    lex->slots[slot] = lex->gram_count;
    return BT_OK;
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

/* Adds the words of a piece, whose own number is `number`. */
static int add_words(struct bt_lexicon *lex, struct bt_text piece, int32_t number, int32_t *count,
                     struct bt_err *err)
{
    struct bt_text word;
    int rc = BT_OK;
    if (is_word(piece)) {
        lex->word_ids[(*count)++] = number;
        return BT_OK;
    }
    while (!rc && bt_next_word(&piece, &word))
        rc = bt_intern_add(lex->words, word, &lex->word_ids[(*count)++], err);
    return rc;
}

/* Pieces into the sentence, words into lex->word_ids. */
static int read_pieces(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *s,
                       int32_t *word_count, struct bt_err *err)
{
    int32_t count = 1, done = 0;
    for (size_t i = 0; i < tokens.size; i++)
        count += tokens.data[i] == ' ';
    int32_t *pieces = bt_arena_take(lex->arena, (uint64_t)count, sizeof *pieces);
    if (!pieces)
        return out_of_memory(err);

    *word_count = 0; /* at most one for every two bytes */
    int rc = bt_grow(&lex->word_ids, &lex->word_capacity, tokens.size / 2 + 1, sizeof *lex->word_ids, err);
    for (size_t start = 0, i = 0; !rc && i <= tokens.size; i++)
        if (i == tokens.size || tokens.data[i] == ' ') {
            const struct bt_text piece = { tokens.data + start, i - start };
            rc = bt_intern_add(lex->words, piece, &pieces[done], err);
            if (!rc)
                rc = add_words(lex, piece, pieces[done++], word_count, err);
            start = i + 1;
        }
    s->pieces = pieces;
    s->piece_count = count;
    return rc;
}

/* One more of the n-gram in the list that is being made for the current sentence. */
static void count_gram(struct bt_lexicon *lex, int32_t number, int32_t *distinct)
{
    struct gram *known = &lex->known[number];
    if (known->place <= lex->place_count) {
        lex->grams[(*distinct)++] = (struct bt_gram){ number, 0 };
        known->place = lex->place_count + *distinct;
    }
    lex->grams[known->place - lex->place_count - 1].count++;
}

/* The n-grams of one order; lex->prefixes[i] becomes the number of the n-gram that begins at word i. */
static int read_order(struct bt_lexicon *lex, int32_t n, int32_t word_count, int32_t *distinct,
                      struct bt_err *err)
{
    const int32_t *last = lex->word_ids + n - 1;
    /* The tables are far larger than the caches: ask for all of them before the first is needed. */
    for (int32_t i = 0; i + n <= word_count; i++) {
        lex->hashes[i] = hash_gram(lex->prefixes[i], last[i]);
        __builtin_prefetch(&lex->slots[lex->hashes[i] & (lex->slot_count - 1)]);
    }
    for (int32_t i = 0; i + n <= word_count; i++)
        __builtin_prefetch(&lex->known[lex->slots[lex->hashes[i] & (lex->slot_count - 1)]]);
    for (int32_t i = 0; i + n <= word_count; i++) {
        int32_t number;
        int rc = number_gram(lex, lex->hashes[i], lex->prefixes[i], last[i], &number, err);
        if (rc)
            return rc;
        count_gram(lex, number, distinct);
        lex->prefixes[i] = number;
    }
    return BT_OK;
}

static int read_grams(struct bt_lexicon *lex, int32_t word_count, struct bt_sentence *s, struct bt_err *err)
{
    int32_t distinct = 0;
    if (lex->place_count > INT32_MAX - BT_ORDERS * word_count)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^31 n-grams; score the set in parts");
    int rc = bt_grow(&lex->prefixes, &lex->prefix_capacity, (uint64_t)word_count, sizeof *lex->prefixes, err);
    if (!rc)
        rc = bt_grow(&lex->hashes, &lex->hash_capacity, (uint64_t)word_count, sizeof *lex->hashes, err);
    if (!rc)
        rc = bt_grow(&lex->grams, &lex->gram_capacity, (uint64_t)word_count * BT_ORDERS, sizeof *lex->grams,
                     err);
    for (int32_t i = 0; !rc && i < word_count; i++)
        lex->prefixes[i] = -1;
    for (int n = 1; !rc && n <= BT_ORDERS; n++) {
        rc = read_order(lex, n, word_count, &distinct, err);
        s->gram_end[n - 1] = distinct;
    }
    if (rc)
        return rc;
    lex->place_count += distinct;
    struct bt_gram *grams = bt_arena_take(lex->arena, (uint64_t)distinct, sizeof *grams);
    if (!grams)
        return out_of_memory(err);
    if (distinct > 0)
        memcpy(grams, lex->grams, (size_t)distinct * sizeof *grams);
    s->grams = grams;
    s->word_count = word_count;
    return BT_OK;
}

int bt_lexicon_read(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *sentence,
                    struct bt_err *err)
{
    int32_t word_count = 0;
    if (tokens.size > MAX_BYTES)
        return bt_fail(err, BT_ERR_LIMIT, "a caption of %zu bytes, the limit is %d; captions are short",
                       tokens.size, MAX_BYTES);
    int rc = read_pieces(lex, tokens, sentence, &word_count, err);
    return rc ? rc : read_grams(lex, word_count, sentence, err);
}

int bt_lexicon_text(const struct bt_lexicon *lex, const struct bt_sentence *sentence, struct bt_buf *out,
                    struct bt_err *err)
{
    int rc = BT_OK;
    for (int32_t i = 0; !rc && i < sentence->piece_count; i++) {
        struct bt_text piece = bt_intern_text(lex->words, sentence->pieces[i]);
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
