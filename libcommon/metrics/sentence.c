#include "libcommon/metrics/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/words.h"

/* ROUGE-L takes time with the square of a caption's length. */
#define MAX_BYTES (1 << 16)

/* An n-gram is the (n-1)-gram before its last word, and that word. */
struct gram_slot {
    int32_t prefix, word; /* prefix -1 for a 1-gram */
    int32_t id;           /* + 1; 0: free */
    int32_t sentence;     /* that met it last, */
    int32_t place;        /* and where it stands in that sentence's list */
};

struct bt_lexicon {
    struct bt_arena *arena;
    struct bt_intern *words;
    struct gram_slot *slots;
    uint64_t slot_count; /* a power of two, at least twice `gram_count` */
    int32_t gram_count;
    int32_t sentence_count;
    int32_t *word_ids, *prefixes; /* of the sentence being read */
    struct bt_gram *grams;
    uint64_t word_capacity, prefix_capacity, gram_capacity;
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
    if (!lex->arena || !lex->words || !lex->slots) {
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
    free(lex->slots);
    free(lex->word_ids);
    free(lex->prefixes);
    free(lex->grams);
    free(lex);
}

int32_t bt_lexicon_gram_count(const struct bt_lexicon *lex)
{
    return lex->gram_count;
}

static struct gram_slot *find_slot(struct gram_slot *slots, uint64_t slot_count, int32_t prefix, int32_t word)
{
    uint64_t key = (uint64_t)(uint32_t)prefix << 32 | (uint32_t)word;
    uint64_t at = bt_keyed_hash(key) & (slot_count - 1);
    while (slots[at].id && (slots[at].prefix != prefix || slots[at].word != word))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static int grow_slots(struct bt_lexicon *lex, struct bt_err *err)
{
    uint64_t slot_count = lex->slot_count * 2;
    struct gram_slot *slots = bt_alloc(slot_count, sizeof *slots, err);
    if (!slots)
        return BT_ERR_MEMORY;
    for (uint64_t i = 0; i < lex->slot_count; i++)
        if (lex->slots[i].id)
            *find_slot(slots, slot_count, lex->slots[i].prefix, lex->slots[i].word) = lex->slots[i];
    free(lex->slots);
    lex->slots = slots;
    lex->slot_count = slot_count;
    return BT_OK;
}

/* The slot of an n-gram, which is numbered when it is new. */
static int find_gram(struct bt_lexicon *lex, int32_t prefix, int32_t word, struct gram_slot **slot,
                     struct bt_err *err)
{
    *slot = find_slot(lex->slots, lex->slot_count, prefix, word);
    if ((*slot)->id)
        return BT_OK;
    if (lex->gram_count == INT32_MAX - 1)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^31 different n-grams; score the set in parts");
    if ((uint64_t)lex->gram_count * 2 >= lex->slot_count) {
        int rc = grow_slots(lex, err);
        if (rc)
            return rc;
        *slot = find_slot(lex->slots, lex->slot_count, prefix, word);
    }
    **slot = (struct gram_slot){ prefix, word, ++lex->gram_count, 0, 0 };
    return BT_OK;
}

static int out_of_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory for the captions");
}

static int read_words(struct bt_lexicon *lex, struct bt_text tokens, int32_t *count, struct bt_err *err)
{
    struct bt_text word;
    int rc = BT_OK;
    *count = 0;
    while (!rc && bt_next_word(&tokens, &word)) {
        rc = bt_grow(&lex->word_ids, &lex->word_capacity, (uint64_t)*count + 1, sizeof *lex->word_ids, err);
        if (!rc)
            rc = bt_intern_add(lex->words, word, &lex->word_ids[(*count)++], err);
    }
    return rc;
}

static int read_pieces(struct bt_lexicon *lex, struct bt_text tokens, struct bt_sentence *s,
                       struct bt_err *err)
{
    int32_t count = 1, done = 0;
    for (size_t i = 0; i < tokens.size; i++)
        count += tokens.data[i] == ' ';
    int32_t *pieces = bt_arena_take(lex->arena, (uint64_t)count, sizeof *pieces);
    if (!pieces)
        return out_of_memory(err);

    int rc = BT_OK;
    for (size_t start = 0, i = 0; !rc && i <= tokens.size; i++)
        if (i == tokens.size || tokens.data[i] == ' ') {
            rc = bt_intern_add(lex->words, (struct bt_text){ tokens.data + start, i - start },
                               &pieces[done++], err);
            start = i + 1;
        }
    s->pieces = pieces;
    s->piece_count = count;
    return rc;
}

/* One more of the n-gram in the list that is being made for the current sentence. */
static void count_gram(struct bt_lexicon *lex, struct gram_slot *slot, int32_t *distinct)
{
    if (slot->sentence != lex->sentence_count) {
        slot->sentence = lex->sentence_count;
        slot->place = *distinct;
        lex->grams[(*distinct)++] = (struct bt_gram){ slot->id - 1, 0 };
    }
    lex->grams[slot->place].count++;
}

static int read_grams(struct bt_lexicon *lex, int32_t word_count, struct bt_sentence *s, struct bt_err *err)
{
    int32_t distinct = 0;
    int rc = bt_grow(&lex->prefixes, &lex->prefix_capacity, (uint64_t)word_count, sizeof *lex->prefixes, err);
    if (!rc)
        rc = bt_grow(&lex->grams, &lex->gram_capacity, (uint64_t)word_count * BT_ORDERS, sizeof *lex->grams,
                     err);
    lex->sentence_count++;
    for (int32_t i = 0; !rc && i < word_count; i++)
        lex->prefixes[i] = -1;
    for (int n = 1; !rc && n <= BT_ORDERS; n++) {
        for (int32_t i = 0; i + n <= word_count; i++) {
            struct gram_slot *slot;
            rc = find_gram(lex, lex->prefixes[i], lex->word_ids[i + n - 1], &slot, err);
            if (rc)
                break;
            count_gram(lex, slot, &distinct);
            lex->prefixes[i] = slot->id - 1;
        }
        s->gram_end[n - 1] = distinct;
    }
    if (rc)
        return rc;
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
    int rc = read_words(lex, tokens, &word_count, err);
    if (!rc)
        rc = read_grams(lex, word_count, sentence, err);
    if (!rc)
        rc = read_pieces(lex, tokens, sentence, err);
    return rc;
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
