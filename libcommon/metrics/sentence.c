#include "libcommon/metrics/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/words.h"

/* ROUGE-L takes time with the square of a caption's length. */
#define MAX_BYTES (1 << 16)

/* The table made at once for a text, not more: it grows as it must. */
#define MAX_EXPECTED (1 << 24)

/* An n-gram is the (n-1)-gram before its last word, and that word. All that is known of it stands in one line of the
 * cache, since the table is far larger than the caches. */
struct gram {
    int32_t prefix, word; /* prefix -1 for a 1-gram */
    int32_t number;       /* + 1; 0: free */
    int32_t place;        /* where it was met last, in the lists of all sentences one after the other; + 1 */
};

struct bt_lexicon {
    struct bt_hash_key key;
    struct bt_arena *arena;
    struct bt_intern *words;
    struct gram *table;
    uint32_t *known;     /* hashes by number, for a larger table */
    uint64_t slot_count; /* a power of two, at least twice `gram_count` */
    int32_t gram_count;
    int32_t place_count;          /* the length of the lists of the sentences before this one */
    int32_t *word_ids, *prefixes; /* of the sentence being read */
    uint64_t *hashes;             /* of its n-grams, order by order */
    struct bt_gram *grams;
    uint64_t known_capacity, hash_capacity, word_capacity, prefix_capacity, gram_capacity;
};

struct bt_lexicon *bt_lexicon_new(void)
{
    struct bt_lexicon *lex = calloc(1, sizeof *lex);
    if (!lex)
        return NULL;
    lex->key = bt_hash_key();
    lex->arena = bt_arena_new(8 << 20);
    lex->words = bt_intern_new();
    lex->slot_count = 1 << 14;
    lex->table = bt_alloc(lex->slot_count, sizeof *lex->table, NULL);
    if (!lex->arena || !lex->words || !lex->table) {
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
    free(lex->table);
    free(lex->known);
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

int32_t bt_lexicon_piece_count(const struct bt_lexicon *lex)
{
    return bt_intern_count(lex->words);
}

/* The place of an n-gram, or the free one where it belongs. */
static struct gram *find_gram(const struct bt_lexicon *lex, uint64_t hash, int32_t prefix, int32_t word)
{
    uint64_t at = hash & (lex->slot_count - 1);
    while (lex->table[at].number && (lex->table[at].prefix != prefix || lex->table[at].word != word))
        at = (at + 1) & (lex->slot_count - 1);
    return &lex->table[at];
}

static int grow_table(struct bt_lexicon *lex, uint64_t slot_count, struct bt_err *err)
{
    struct gram *old = lex->table, *table = bt_alloc(slot_count, sizeof *table, err);
    uint64_t old_count = lex->slot_count;
    if (!table)
        return BT_ERR_MEMORY;
    lex->table = table;
    lex->slot_count = slot_count;
    for (uint64_t i = 0; i < old_count; i++)
        if (old[i].number)
            *find_gram(lex, lex->known[old[i].number - 1], old[i].prefix, old[i].word) = old[i];
    free(old);
    return BT_OK;
}

int bt_lexicon_expect(struct bt_lexicon *lex, uint64_t bytes, struct bt_err *err)
{
    uint64_t slot_count = lex->slot_count;
    while (slot_count < bytes / 4 && slot_count < MAX_EXPECTED)
        slot_count *= 2;
    return slot_count > lex->slot_count ? grow_table(lex, slot_count, err) : BT_OK;
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
static void count_gram(struct bt_lexicon *lex, struct gram *gram, int32_t *distinct)
{
    if (gram->place <= lex->place_count) {
        lex->grams[(*distinct)++] = (struct bt_gram){ gram->number - 1, 0 };
        gram->place = lex->place_count + *distinct;
    }
    lex->grams[gram->place - lex->place_count - 1].count++;
}

/* The table is far larger than the caches: asks for all places before the first is needed. An n-gram's hash comes from
 * the hash of its prefix, not its number, which is not known yet. */
static void hash_grams(struct bt_lexicon *lex, int32_t word_count)
{
    uint64_t *hashes = lex->hashes;
    for (int32_t i = 0; i < word_count; i++)
        hashes[i] = bt_keyed_hash(lex->key, (uint32_t)lex->word_ids[i]);
    for (int32_t n = 1; n < BT_ORDERS; n++, hashes += word_count)
        for (int32_t i = 0; i + n < word_count; i++)
            hashes[word_count + i] = bt_keyed_hash(lex->key, hashes[i] + (uint32_t)lex->word_ids[i + n]);
    hashes = lex->hashes;
    for (int32_t n = 0; n < BT_ORDERS; n++, hashes += word_count)
        for (int32_t i = 0; i + n < word_count; i++) {
            hashes[i] &= UINT32_MAX;
            __builtin_prefetch(&lex->table[hashes[i] & (lex->slot_count - 1)], 1);
        }
}

/* The n-grams of one order; lex->prefixes[i] becomes the number of the n-gram that begins at word i. There is room for
 * all of them. */
static void read_order(struct bt_lexicon *lex, int32_t n, int32_t word_count, int32_t *distinct)
{
    const int32_t *last = lex->word_ids + n - 1;
    const uint64_t *hashes = lex->hashes + (n - 1) * word_count;
    for (int32_t i = 0; i + n <= word_count; i++) {
        struct gram *gram = find_gram(lex, hashes[i], lex->prefixes[i], last[i]);
        if (!gram->number) {
            lex->known[lex->gram_count] = (uint32_t)hashes[i];
            *gram = (struct gram){ lex->prefixes[i], last[i], ++lex->gram_count, 0 };
        }
        count_gram(lex, gram, distinct);
        lex->prefixes[i] = gram->number - 1;
    }
}

/* Room for the n-grams of so many words: in the table, where all may be new, and in the lists. */
static int make_room(struct bt_lexicon *lex, uint64_t word_count, struct bt_err *err)
{
    const uint64_t count = word_count * BT_ORDERS, known = (uint64_t)lex->gram_count + count;
    int rc = bt_grow(&lex->prefixes, &lex->prefix_capacity, word_count, sizeof *lex->prefixes, err);
    if (!rc)
        rc = bt_grow(&lex->hashes, &lex->hash_capacity, count, sizeof *lex->hashes, err);
    if (!rc)
        rc = bt_grow(&lex->grams, &lex->gram_capacity, count, sizeof *lex->grams, err);
    if (!rc)
        rc = bt_grow(&lex->known, &lex->known_capacity, known, sizeof *lex->known, err);
    while (!rc && known * 2 > lex->slot_count)
        rc = grow_table(lex, lex->slot_count * 2, err);
    return rc;
}

static int read_grams(struct bt_lexicon *lex, int32_t word_count, struct bt_sentence *s, struct bt_err *err)
{
    int32_t distinct = 0;
    if (lex->place_count > INT32_MAX - BT_ORDERS * word_count)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^31 n-grams; score the set in parts");
    int rc = make_room(lex, (uint64_t)word_count, err);
    if (rc)
        return rc;
    for (int32_t i = 0; i < word_count; i++)
        lex->prefixes[i] = -1;
    hash_grams(lex, word_count);
    for (int n = 1; n <= BT_ORDERS; n++) {
        read_order(lex, n, word_count, &distinct);
        s->gram_end[n - 1] = distinct;
    }
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

uint64_t bt_longest_hypothesis(const struct bt_caption_item *items, size_t count)
{
    int32_t longest = 0;
    for (size_t i = 0; i < count; i++)
        if (longest < items[i].hypothesis.gram_end[BT_ORDERS - 1])
            longest = items[i].hypothesis.gram_end[BT_ORDERS - 1];
    return (uint64_t)longest;
}
