/* Byte-pair encoding: short pieces by scanning, long ones by a heap, both in the same order of merges. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/bpe.h"
#include "libcommon/text/gpt2_split.h"
#include "libcommon/text/unicode.h"

#define SCANNED 48 /* symbols up to which scanning is faster than a heap */
#define NO_RANK UINT32_MAX

struct bt_bpe_link {
    int64_t before, behind; /* neighbours, -1 at the ends */
    int32_t id;             /* -1: merged away */
};

struct bt_bpe_entry {
    uint32_t rank;
    int64_t at;
};

/* ---------------------------------------------------------------- the table */

static uint64_t pair_slot(const struct bt_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;

    return (h ^ h >> 32) & (b->slot_count - 1);
}

static uint32_t rank_of(const struct bt_bpe *b, int32_t left, int32_t right)
{
    for (uint64_t i = pair_slot(b, left, right);; i = (i + 1) & (b->slot_count - 1)) {
        uint32_t rank = b->slots[i] - 1; /* a free slot becomes NO_RANK */

        if (rank == NO_RANK || (b->merges[rank].left == left && b->merges[rank].right == right))
            return rank;
    }
}

static void pair_put(struct bt_bpe *b, const struct bt_bpe_merge *m)
{
    uint64_t i = pair_slot(b, m->left, m->right);

    while (b->slots[i])
        i = (i + 1) & (b->slot_count - 1);
    b->slots[i] = m->rank + 1;
}

static int slots_resize(struct bt_bpe *b, uint64_t count, struct bt_err *err)
{
    uint32_t *slots = bt_alloc(count, sizeof *slots, err);

    if (!slots)
        return BT_ERR_MEMORY;
    free(b->slots);
    b->slots = slots;
    b->slot_count = count;
    for (uint64_t i = 0; i < b->merge_count; i++)
        pair_put(b, &b->merges[i]);
    return BT_OK;
}

int bt_bpe_init(struct bt_bpe *b, const struct bt_vocab *vocab, bool byte_level, int32_t unk, struct bt_err *err)
{
    uint32_t letter[256];
    int16_t byte[BT_BYTE_LETTERS];
    char text[4];

    memset(b, 0, sizeof *b);
    b->vocab = vocab;
    b->byte_level = byte_level;
    b->unk = unk;
    bt_byte_alphabet(letter, byte);
    for (int i = 0; i < 256; i++)
        b->byte_id[i] = bt_vocab_find(vocab, text, (size_t)bt_utf8_put(text, letter[i]));
    int rc = slots_resize(b, 1024, err);
    return rc ? rc : bt_piece_cache_init(&b->cache, err);
}

void bt_bpe_free(struct bt_bpe *b)
{
    if (!b->is_twin) {
        free(b->merges);
        free(b->slots);
    }
    free(b->links);
    free(b->heap);
    free(b->fresh);
    bt_ids_free(&b->symbols);
    bt_piece_cache_free(&b->cache);
    memset(b, 0, sizeof *b);
}

int bt_bpe_twin(struct bt_bpe *twin, const struct bt_bpe *of, struct bt_err *err)
{
    *twin = (struct bt_bpe){ .vocab = of->vocab, .byte_level = of->byte_level, .unk = of->unk, .merges = of->merges,
                             .merge_count = of->merge_count, .slots = of->slots, .slot_count = of->slot_count,
                             .is_twin = true };
    memcpy(twin->byte_id, of->byte_id, sizeof twin->byte_id);
    return bt_piece_cache_init(&twin->cache, err);
}

static int symbol_id(const struct bt_bpe *b, const char *text, size_t size, int32_t *id, struct bt_err *err)
{
    *id = bt_vocab_find(b->vocab, text, size);
    if (*id < 0)
        return bt_fail(err, BT_ERR_TOK_FILE, "merge %zu needs '%s', which is not in the vocabulary",
                       (size_t)b->merge_count + 1, bt_quote(text, size));
    return BT_OK;
}

int bt_bpe_merge_add(struct bt_bpe *b, const char *left, size_t left_size, const char *right, size_t right_size,
                     struct bt_err *err)
{
    struct bt_bpe_merge m = { .rank = (uint32_t)b->merge_count };
    char *result = bt_alloc(left_size + right_size, 1, err);
    int rc = result ? BT_OK : BT_ERR_MEMORY;

    if (!rc)
        rc = symbol_id(b, left, left_size, &m.left, err);
    if (!rc)
        rc = symbol_id(b, right, right_size, &m.right, err);
    if (!rc) {
        memcpy(result, left, left_size);
        memcpy(result + left_size, right, right_size);
        rc = symbol_id(b, result, left_size + right_size, &m.result, err);
    }
    free(result);
    if (!rc && rank_of(b, m.left, m.right) != NO_RANK)
        rc = bt_fail(err, BT_ERR_TOK_FILE, "merges %u and %u are both of '%s' and '%s'",
                     rank_of(b, m.left, m.right) + 1, m.rank + 1, bt_quote(left, left_size),
                     bt_quote(right, right_size));
    if (!rc && b->merge_count >= BT_VOCAB_MAX)
        rc = bt_fail(err, BT_ERR_LIMIT, "more than 2^24 merges; use a smaller vocabulary");
    if (!rc)
        rc = bt_grow(&b->merges, &b->merges_capacity, b->merge_count + 1, sizeof *b->merges, err);
    if (!rc && 2 * (b->merge_count + 1) > b->slot_count)
        rc = slots_resize(b, 2 * b->slot_count, err);
    if (rc)
        return rc;
    b->merges[b->merge_count++] = m;
    pair_put(b, &m);
    return BT_OK;
}

/* ---------------------------------------------------------------- merging */

/* Scans for the lowest rank and merges all of its pairs, until none is left. `count` symbols, merged in place. */
static uint64_t merge_scanning(const struct bt_bpe *b, int32_t *symbols, uint64_t count)
{
    uint32_t ranks[SCANNED];

    for (uint64_t i = 0; i < count; i++)
        ranks[i] = i + 1 < count ? rank_of(b, symbols[i], symbols[i + 1]) : NO_RANK;
    while (count > 1) {
        uint32_t lowest = NO_RANK;
        uint64_t to = 0;

        for (uint64_t i = 0; i + 1 < count; i++)
            lowest = ranks[i] < lowest ? ranks[i] : lowest;
        if (lowest == NO_RANK)
            break;
        for (uint64_t from = 0; from < count; to++) {
            bool merged = from + 1 < count && ranks[from] == lowest;

            symbols[to] = merged ? b->merges[lowest].result : symbols[from];
            ranks[to] = ranks[merged ? from + 1 : from];
            from += merged ? 2 : 1;
        }
        count = to;
        for (uint64_t i = 0; i + 1 < count; i++) /* only pairs beside a new symbol have changed */
            if (symbols[i] == b->merges[lowest].result || symbols[i + 1] == b->merges[lowest].result)
                ranks[i] = rank_of(b, symbols[i], symbols[i + 1]);
    }
    return count;
}

static bool entry_before(const struct bt_bpe_entry *x, const struct bt_bpe_entry *y)
{
    return x->rank != y->rank ? x->rank < y->rank : x->at < y->at;
}

static int heap_push(struct bt_bpe *b, struct bt_bpe_entry entry, struct bt_err *err)
{
    int rc = bt_grow(&b->heap, &b->heap_capacity, b->heap_count + 1, sizeof *b->heap, err);
    uint64_t i = b->heap_count;

    if (rc)
        return rc;
    b->heap_count++;
    for (; i > 0 && entry_before(&entry, &b->heap[(i - 1) / 2]); i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = entry;
    return BT_OK;
}

static struct bt_bpe_entry heap_pop(struct bt_bpe *b)
{
    struct bt_bpe_entry top = b->heap[0], last = b->heap[--b->heap_count];
    uint64_t i = 0, child;

    while ((child = 2 * i + 1) < b->heap_count) {
        if (child + 1 < b->heap_count && entry_before(&b->heap[child + 1], &b->heap[child]))
            child++;
        if (!entry_before(&b->heap[child], &last))
            break;
        b->heap[i] = b->heap[child];
        i = child;
    }
    b->heap[i] = last;
    return top;
}

static uint32_t rank_at(const struct bt_bpe *b, int64_t at)
{
    const struct bt_bpe_link *link = &b->links[at];

    return link->id < 0 || link->behind < 0 ? NO_RANK : rank_of(b, link->id, b->links[link->behind].id);
}

/* Notes the pair at `at`, to be pushed once the merges of the present rank are done: a pair of lower rank that appears
 * meanwhile must wait for them. */
static int note_pair(struct bt_bpe *b, int64_t at, struct bt_err *err)
{
    uint32_t rank = at < 0 ? NO_RANK : rank_at(b, at);

    if (rank == NO_RANK)
        return BT_OK;
    int rc = bt_grow(&b->fresh, &b->fresh_capacity, b->fresh_count + 1, sizeof *b->fresh, err);
    if (!rc)
        b->fresh[b->fresh_count++] = (struct bt_bpe_entry){ rank, at };
    return rc;
}

static int push_noted(struct bt_bpe *b, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; i < b->fresh_count && !rc; i++)
        rc = heap_push(b, b->fresh[i], err);
    b->fresh_count = 0;
    return rc;
}

static int merge_at(struct bt_bpe *b, int64_t at, uint32_t rank, struct bt_err *err)
{
    struct bt_bpe_link *link = &b->links[at], *gone = &b->links[link->behind];

    link->id = b->merges[rank].result;
    gone->id = -1;
    link->behind = gone->behind;
    if (link->behind >= 0)
        b->links[link->behind].before = at;
    int rc = note_pair(b, link->before, err);
    return rc ? rc : note_pair(b, at, err);
}

static int merge_by_heap(struct bt_bpe *b, int32_t *symbols, uint64_t *count, struct bt_err *err)
{
    int64_t n = (int64_t)*count;
    uint32_t present = NO_RANK;
    int rc = bt_grow(&b->links, &b->links_capacity, *count, sizeof *b->links, err);

    if (rc)
        return rc;
    b->heap_count = b->fresh_count = 0;
    for (int64_t i = 0; i < n; i++)
        b->links[i] = (struct bt_bpe_link){ i - 1, i + 1 < n ? i + 1 : -1, symbols[i] };
    for (int64_t i = 0; i < n && !rc; i++)
        rc = note_pair(b, i, err);
    while (!rc) {
        if (b->fresh_count && (b->heap_count == 0 || b->heap[0].rank != present))
            rc = push_noted(b, err);
        if (rc || b->heap_count == 0)
            break;
        struct bt_bpe_entry entry = heap_pop(b);
        present = entry.rank;
        if (rank_at(b, entry.at) == entry.rank) /* else a neighbour has changed since */
            rc = merge_at(b, entry.at, entry.rank, err);
    }
    uint64_t to = 0;
    for (int64_t i = 0; i >= 0 && !rc; i = b->links[i].behind)
        symbols[to++] = b->links[i].id;
    *count = to;
    return rc;
}

/* ---------------------------------------------------------------- pieces */

static int first_symbols(struct bt_bpe *b, const char *piece, size_t size, struct bt_err *err)
{
    int rc = BT_OK;

    b->symbols.count = 0;
    for (size_t i = 0; i < size && !rc;) {
        uint32_t c;
        size_t length = b->byte_level ? 1 : (size_t)bt_utf8_next(piece + i, size - i, &c);
        int32_t id = b->byte_level ? b->byte_id[(uint8_t)piece[i]] : bt_vocab_find(b->vocab, piece + i, length);

        if (id < 0)
            id = b->unk;
        if (id < 0)
            return bt_fail(err, BT_ERR_INPUT, "'%s' cannot be written with this vocabulary; use one that covers it",
                           bt_quote(piece + i, length));
        rc = bt_ids_push(&b->symbols, id, err);
        i += length;
    }
    return rc;
}

static int encode_piece(struct bt_bpe *b, const char *piece, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    const int32_t *known;
    uint64_t count;

    if (size <= BT_PIECE_CACHED && bt_piece_cache_get(&b->cache, piece, size, &known, &count))
        return bt_ids_add(ids, known, count, err);
    int rc = first_symbols(b, piece, size, err);
    if (rc)
        return rc;
    if (b->symbols.count <= SCANNED)
        b->symbols.count = merge_scanning(b, b->symbols.data, b->symbols.count);
    else
        rc = merge_by_heap(b, b->symbols.data, &b->symbols.count, err);
    if (!rc)
        rc = bt_ids_add(ids, b->symbols.data, b->symbols.count, err);
    if (!rc && size <= BT_PIECE_CACHED)
        rc = bt_piece_cache_put(&b->cache, piece, size, b->symbols.data, b->symbols.count, err);
    return rc;
}

int bt_bpe_encode(struct bt_bpe *b, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = 0; i < size && !rc;) {
        size_t length = b->byte_level ? bt_gpt2_piece(text + i, size - i) : size;

        rc = encode_piece(b, text + i, length, ids, err);
        i += length;
    }
    return rc;
}
