/* Byte-level BPE training: every pair of neighbours with its count in one table, the commonest found by a heap whose entries
 * are checked when they come up, and for each pair the words where it may stand. */
#include <stdio.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/text/byte_alphabet.h"
#include "libcommon/text/train.h"
#include "libcommon/text/unicode.h"

#define PAIR_SEEN_LEAST 2

struct word {
    uint64_t start, count; /* where its symbols begin; how often it occurs */
    uint32_t size;         /* symbols */
};

struct pair {
    int32_t left, right;
    int64_t count;
    int64_t queued; /* the count of its entry in the heap, 0: none */
    uint32_t *words;
    uint64_t word_count, words_capacity;
    bool refused; /* would spell a mark */
};

struct entry {
    int64_t count;
    uint32_t pair;
};

struct trainer {
    struct bt_vocab vocab;
    int32_t byte_id[256];
    struct word *words;
    uint64_t word_count;
    int32_t *symbols;
    struct pair *pairs;
    uint64_t pair_count, pairs_capacity;
    uint32_t *slots; /* index of pair + 1 */
    uint64_t slot_count;
    struct entry *heap;
    uint64_t heap_count, heap_capacity;
    uint32_t *touched;
    uint64_t touched_count, touched_capacity;
    struct bt_buf merges; /* merges.txt in the making */
};

/* ---------------------------------------------------------------- pairs */

static uint64_t slot_of(const struct trainer *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;

    for (uint64_t i = (h ^ h >> 32) & (t->slot_count - 1);; i = (i + 1) & (t->slot_count - 1)) {
        const struct pair *p = t->slots[i] ? &t->pairs[t->slots[i] - 1] : NULL;

        if (!p || (p->left == left && p->right == right))
            return i;
    }
}

static int slots_resize(struct trainer *t, uint64_t count, struct bt_err *err)
{
    uint32_t *slots = bt_alloc(count, sizeof *slots, err);

    if (!slots)
        return BT_ERR_MEMORY;
    free(t->slots);
    t->slots = slots;
    t->slot_count = count;
    for (uint64_t i = 0; i < t->pair_count; i++)
        t->slots[slot_of(t, t->pairs[i].left, t->pairs[i].right)] = (uint32_t)i + 1;
    return BT_OK;
}

static int pair_find(struct trainer *t, int32_t left, int32_t right, uint32_t *index, struct bt_err *err)
{
    uint64_t slot = slot_of(t, left, right);
    int rc = BT_OK;

    if (t->slots[slot]) {
        *index = t->slots[slot] - 1;
        return BT_OK;
    }
    if (t->pair_count >= UINT32_MAX - 1)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^32 pairs; train on a part of the text");
    if (2 * (t->pair_count + 1) > t->slot_count)
        rc = slots_resize(t, 2 * t->slot_count, err);
    if (!rc)
        rc = bt_grow(&t->pairs, &t->pairs_capacity, t->pair_count + 1, sizeof *t->pairs, err);
    if (rc)
        return rc;
    t->pairs[t->pair_count] = (struct pair){ .left = left, .right = right };
    *index = (uint32_t)t->pair_count++;
    t->slots[slot_of(t, left, right)] = *index + 1;
    return BT_OK;
}

static int pair_note_word(struct pair *p, uint32_t word, struct bt_err *err)
{
    if (p->word_count && p->words[p->word_count - 1] == word)
        return BT_OK;
    int rc = bt_grow(&p->words, &p->words_capacity, p->word_count + 1, sizeof *p->words, err);
    if (!rc)
        p->words[p->word_count++] = word;
    return rc;
}

/* Takes the pairs of a word out of the counts. */
static int word_leave(struct trainer *t, uint32_t index, struct bt_err *err)
{
    const struct word *w = &t->words[index];
    uint32_t pair = 0;
    int rc = BT_OK;

    for (uint32_t i = 0; i + 1 < w->size && !rc; i++) {
        rc = pair_find(t, t->symbols[w->start + i], t->symbols[w->start + i + 1], &pair, err);
        if (!rc)
            t->pairs[pair].count -= (int64_t)w->count;
    }
    return rc;
}

/* Puts them in. The pairs with the symbol `fresh` (-1: all) did not stand in this word before. */
static int word_enter(struct trainer *t, uint32_t index, int32_t fresh, struct bt_err *err)
{
    const struct word *w = &t->words[index];
    uint32_t pair = 0;
    int rc = BT_OK;

    for (uint32_t i = 0; i + 1 < w->size && !rc; i++) {
        int32_t left = t->symbols[w->start + i], right = t->symbols[w->start + i + 1];

        rc = pair_find(t, left, right, &pair, err);
        if (rc)
            return rc;
        t->pairs[pair].count += (int64_t)w->count;
        if (fresh >= 0 && left != fresh && right != fresh)
            continue;
        rc = pair_note_word(&t->pairs[pair], index, err);
        if (!rc)
            rc = bt_grow(&t->touched, &t->touched_capacity, t->touched_count + 1, sizeof *t->touched, err);
        if (!rc)
            t->touched[t->touched_count++] = pair;
    }
    return rc;
}

/* ---------------------------------------------------------------- the heap */

static int text_order(const struct bt_vocab *vocab, int32_t x, int32_t y)
{
    size_t x_size = 0, y_size = 0;
    const char *x_text = bt_vocab_text(vocab, x, &x_size), *y_text = bt_vocab_text(vocab, y, &y_size);
    int order = memcmp(x_text, y_text, x_size < y_size ? x_size : y_size);

    return order ? order : (x_size > y_size) - (x_size < y_size);
}

static bool comes_before(const struct trainer *t, const struct entry *x, const struct entry *y)
{
    const struct pair *a = &t->pairs[x->pair], *b = &t->pairs[y->pair];
    int order;

    if (x->count != y->count)
        return x->count > y->count;
    order = text_order(&t->vocab, a->left, b->left);
    return order ? order < 0 : text_order(&t->vocab, a->right, b->right) < 0;
}

static int heap_push(struct trainer *t, uint32_t pair, struct bt_err *err)
{
    struct entry entry = { t->pairs[pair].count, pair };
    uint64_t i = t->heap_count;
    int rc = bt_grow(&t->heap, &t->heap_capacity, t->heap_count + 1, sizeof *t->heap, err);

    if (rc)
        return rc;
    t->heap_count++;
    for (; i > 0 && comes_before(t, &entry, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = entry;
    t->pairs[pair].queued = entry.count;
    return BT_OK;
}

static struct entry heap_pop(struct trainer *t)
{
    struct entry top = t->heap[0], last = t->heap[--t->heap_count];
    uint64_t i = 0, child;

    while ((child = 2 * i + 1) < t->heap_count) {
        if (child + 1 < t->heap_count && comes_before(t, &t->heap[child + 1], &t->heap[child]))
            child++;
        if (!comes_before(t, &t->heap[child], &last))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return top;
}

/* Pairs that became commoner get a new entry; those that became rarer are found out when their entry comes up. */
static int push_touched(struct trainer *t, struct bt_err *err)
{
    int rc = BT_OK;

    for (uint64_t i = 0; i < t->touched_count && !rc; i++) {
        const struct pair *p = &t->pairs[t->touched[i]];

        if (p->count > p->queued && p->count >= PAIR_SEEN_LEAST && !p->refused)
            rc = heap_push(t, t->touched[i], err);
    }
    t->touched_count = 0;
    return rc;
}

/* The commonest pair, BT_END when none is left. */
static int next_pair(struct trainer *t, uint32_t *pair, struct bt_err *err)
{
    int rc = BT_OK;

    while (!rc && t->heap_count > 0) {
        struct entry top = heap_pop(t);
        struct pair *p = &t->pairs[top.pair];

        if (top.count != p->queued)
            continue; /* it has a newer entry */
        p->queued = 0;
        if (top.count == p->count) {
            *pair = top.pair;
            return BT_OK;
        }
        if (p->count >= PAIR_SEEN_LEAST)
            rc = heap_push(t, top.pair, err);
    }
    return rc ? rc : BT_END;
}

/* ---------------------------------------------------------------- merging */

static bool spells_mark(const struct trainer *t, const char *text, size_t size)
{
    int32_t id = bt_vocab_find(&t->vocab, text, size);

    return id >= 0 && id < 4;
}

/* The symbol that a pair becomes: new, or there already by another way; -1 for a pair that must not merge. */
static int result_of(struct trainer *t, const struct pair *p, int32_t *id, struct bt_err *err)
{
    size_t left = 0, right = 0;
    const char *left_text = bt_vocab_text(&t->vocab, p->left, &left);
    const char *right_text = bt_vocab_text(&t->vocab, p->right, &right);
    char *joined = bt_format("%.*s%.*s", (int)left, left_text, (int)right, right_text);
    int rc = BT_OK;

    if (!joined)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (spells_mark(t, joined, left + right)) {
        *id = -1;
    } else {
        rc = bt_buf_printf(&t->merges, err, "%.*s %.*s\n", (int)left, left_text, (int)right, right_text);
        *id = bt_vocab_find(&t->vocab, joined, left + right);
        if (!rc && *id < 0)
            rc = bt_vocab_append(&t->vocab, joined, left + right, id, err);
    }
    free(joined);
    return rc;
}

static void rewrite(struct trainer *t, struct word *w, int32_t left, int32_t right, int32_t result)
{
    int32_t *s = t->symbols + w->start;
    uint32_t to = 0;

    for (uint32_t from = 0; from < w->size; to++) {
        bool merged = from + 1 < w->size && s[from] == left && s[from + 1] == right;

        s[to] = merged ? result : s[from];
        from += merged ? 2 : 1;
    }
    w->size = to;
}

static int merge(struct trainer *t, uint32_t index, struct bt_err *err)
{
    struct pair p = t->pairs[index]; /* a copy: the table moves as it grows */
    int32_t result = -1;
    int rc = result_of(t, &p, &result, err);

    if (rc)
        return rc;
    if (result < 0) {
        t->pairs[index].refused = true;
        return BT_OK;
    }
    t->pairs[index].words = NULL;
    t->pairs[index].word_count = t->pairs[index].words_capacity = 0;
    for (uint64_t i = 0; i < p.word_count && !rc; i++) {
        rc = word_leave(t, p.words[i], err);
        if (!rc) {
            rewrite(t, &t->words[p.words[i]], p.left, p.right, result);
            rc = word_enter(t, p.words[i], result, err);
        }
    }
    free(p.words);
    return rc ? rc : push_touched(t, err);
}

/* ---------------------------------------------------------------- start and end */

static int start_vocab(struct trainer *t, struct bt_err *err)
{
    static const char *const marks[] = { "<s>", "<pad>", "</s>", "<unk>" };
    uint32_t letter[256];
    int16_t byte[BT_BYTE_LETTERS];
    char text[4];
    int rc = bt_vocab_init(&t->vocab, err);

    for (int i = 0; i < 4 && !rc; i++)
        rc = bt_vocab_append(&t->vocab, marks[i], strlen(marks[i]), NULL, err);
    bt_byte_alphabet(letter, byte);
    for (int b = 0; b < 256 && !rc; b++)
        rc = bt_vocab_append(&t->vocab, text, (size_t)bt_utf8_put(text, letter[b]), &t->byte_id[b], err);
    return rc;
}

static int start_words(struct trainer *t, const struct bt_corpus *corpus, struct bt_err *err)
{
    int32_t *order = NULL;
    uint64_t symbols = 0;
    int rc = bt_corpus_sorted(corpus, false, &order, err);

    if (rc)
        return rc;
    t->words = bt_alloc((uint64_t)corpus->words.count, sizeof *t->words, err);
    t->symbols = bt_alloc(corpus->words.bytes_size, sizeof *t->symbols, err);
    if (!t->words || !t->symbols)
        rc = BT_ERR_MEMORY;
    for (int32_t i = 0; i < corpus->words.count && !rc; i++) {
        size_t size = 0;
        const char *text = bt_vocab_text(&corpus->words, order[i], &size);

        t->words[i] = (struct word){ symbols, corpus->counts[order[i]], (uint32_t)size };
        for (size_t k = 0; k < size; k++)
            t->symbols[symbols++] = t->byte_id[(uint8_t)text[k]];
        t->word_count++;
        rc = word_enter(t, (uint32_t)i, -1, err);
    }
    free(order);
    return rc ? rc : push_touched(t, err);
}

static int write_vocab_json(const struct bt_vocab *vocab, const char *path, bool force, struct bt_err *err)
{
    json_t *object = json_object();
    char *text = NULL;
    int rc = object ? BT_OK : BT_ERR_MEMORY;

    for (int32_t id = 0; id < vocab->count && !rc; id++) {
        size_t size = 0;
        const char *entry = bt_vocab_text(vocab, id, &size);
        char *key = bt_format("%.*s", (int)size, entry);

        rc = key && json_object_set_new(object, key, json_integer(id)) == 0 ? BT_OK : BT_ERR_MEMORY;
        free(key);
    }
    if (!rc && (text = json_dumps(object, JSON_COMPACT)) == NULL)
        rc = BT_ERR_MEMORY;
    json_decref(object);
    if (rc)
        return bt_fail(err, rc, "out of memory");
    rc = bt_file_write(path, text, strlen(text), force, err);
    free(text);
    return rc;
}

static int write_files(const struct trainer *t, const char *dir, bool force, struct bt_err *err)
{
    char *vocab = bt_format("%s/vocab.json", dir), *merges = bt_format("%s/merges.txt", dir);
    int rc = vocab && merges ? bt_make_dirs(dir, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");

    if (!rc)
        rc = bt_file_write(merges, t->merges.data, t->merges.size, force, err);
    if (!rc)
        rc = write_vocab_json(&t->vocab, vocab, force, err);
    free(vocab);
    free(merges);
    return rc;
}

static void trainer_free(struct trainer *t)
{
    for (uint64_t i = 0; i < t->pair_count; i++)
        free(t->pairs[i].words);
    free(t->pairs);
    free(t->slots);
    free(t->words);
    free(t->symbols);
    free(t->heap);
    free(t->touched);
    bt_buf_free(&t->merges);
    bt_vocab_free(&t->vocab);
}

int bt_train_bpe(const struct bt_corpus *corpus, int64_t vocab_size, const char *dir, bool force, int64_t *made,
                 struct bt_err *err)
{
    struct trainer t = { 0 };
    uint32_t pair = 0;
    int rc;

    if (vocab_size < BT_TRAIN_BPE_LEAST || vocab_size >= BT_VOCAB_MAX)
        return bt_fail(err, BT_ERR_USAGE, "a vocabulary of %lld entries; byte-level BPE needs %d to 2^24-1",
                       (long long)vocab_size, BT_TRAIN_BPE_LEAST);
    rc = start_vocab(&t, err);
    if (!rc)
        rc = slots_resize(&t, 4096, err);
    if (!rc)
        rc = bt_buf_printf(&t.merges, err, "#version: 0.2\n");
    if (!rc)
        rc = start_words(&t, corpus, err);
    while (!rc && t.vocab.count < vocab_size) {
        rc = next_pair(&t, &pair, err);
        if (!rc)
            rc = merge(&t, pair, err);
    }
    if (rc == BT_END)
        rc = BT_OK;
    if (!rc)
        rc = write_files(&t, dir, force, err);
    if (!rc)
        *made = t.vocab.count;
    trainer_free(&t);
    return rc;
}
