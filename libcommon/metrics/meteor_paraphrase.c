#include "libcommon/metrics/meteor_paraphrase.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/gunzip.h"
#include "libcommon/metrics/meteor_data.h"

#define MAX_PAIRS ((uint64_t)1 << 28)

/* A phrase is the phrase before its last word, and that word: a node of a tree, under its parent. */
struct slot {
    int32_t parent, word, node; /* node + 1; 0: free */
};

struct node {
    int32_t first, count; /* its paraphrases in `targets` */
    bool phrase;          /* of the table, not only the beginning of one */
};

struct pair {
    int32_t phrase, paraphrase;
};

struct bt_paraphrases {
    struct slot *slots;
    uint64_t slot_count; /* a power of two, at least twice `node_count` */
    struct node *nodes;
    uint64_t node_capacity;
    int32_t node_count; /* node 0 is the root */
    struct pair *pairs; /* as they came */
    uint64_t pair_count, pair_capacity;
    int32_t *targets; /* [pairs], by phrase */
};

/* ---------------------------------------------------------------- sieve */

/* Which word sequences occur in captions, and which in references, by a hash that is cut short: what it
 * lets pass by chance finds no match later. A cell has two bits, so that all of them stay in the cache. */
enum { CAPTION = 1, REFERENCE = 2, CELLS_A_BYTE = 4 };
struct sieve {
    uint8_t *bytes;
    uint64_t mask; /* of cell numbers */
};

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * 0x9e3779b97f4a7c15u;
}

static uint64_t cell_of(const struct sieve *s, uint64_t hash)
{
    return (hash >> 32 ^ hash >> 11) & s->mask;
}

static void mark(const struct sieve *s, struct bt_text text, uint8_t side)
{
    for (size_t start = 0; start < text.size; start++) {
        if (start > 0 && text.data[start - 1] != ' ')
            continue;
        uint64_t h = HASH_START;
        int words = 0;
        for (size_t i = start; i < text.size && words < BT_METEOR_MAX_PHRASE; i++) {
            h = hash_byte(h, (unsigned char)text.data[i]);
            if (i + 1 == text.size || text.data[i + 1] == ' ') {
                uint64_t cell = cell_of(s, h);
                s->bytes[cell / CELLS_A_BYTE] |= (uint8_t)(side << cell % CELLS_A_BYTE * 2);
                words++;
            }
        }
    }
}

static int sieve_new(struct sieve *s, const struct bt_text *captions, size_t caption_count,
                     const struct bt_text *references, size_t reference_count, struct bt_err *err)
{
    uint64_t characters = 0, cells = 1 << 16;
    for (size_t i = 0; i < caption_count; i++)
        characters += captions[i].size;
    for (size_t i = 0; i < reference_count; i++)
        characters += references[i].size;
    while (cells < characters * 4 && cells < 1 << 26)
        cells *= 2;
    s->mask = cells - 1;
    s->bytes = bt_alloc(cells / CELLS_A_BYTE, 1, err);
    if (!s->bytes)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < caption_count; i++)
        mark(s, captions[i], CAPTION);
    for (size_t i = 0; i < reference_count; i++)
        mark(s, references[i], REFERENCE);
    return BT_OK;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

/* Where a phrase of the table occurs; a run of white space counts as one space, none at the ends. */
static uint8_t sides(const struct sieve *s, struct bt_text phrase)
{
    uint64_t h = HASH_START;
    bool space = false, begun = false;
    for (size_t i = 0; i < phrase.size; i++) {
        if (is_white(phrase.data[i])) {
            space = begun;
            continue;
        }
        if (space)
            h = hash_byte(h, ' ');
        h = hash_byte(h, (unsigned char)phrase.data[i]);
        space = false;
        begun = true;
    }
    uint64_t cell = cell_of(s, h);
    return s->bytes[cell / CELLS_A_BYTE] >> cell % CELLS_A_BYTE * 2 & (CAPTION | REFERENCE);
}

/* ---------------------------------------------------------------- tree */

static struct slot *find_slot(struct slot *slots, uint64_t slot_count, int32_t parent, int32_t word)
{
    uint64_t at = bt_keyed_hash(bt_hash_key(), (uint64_t)(uint32_t)parent << 32 | (uint32_t)word) & (slot_count - 1);
    while (slots[at].node && (slots[at].parent != parent || slots[at].word != word))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static int grow_slots(struct bt_paraphrases *p, struct bt_err *err)
{
    uint64_t slot_count = p->slot_count * 2;
    struct slot *slots = bt_alloc(slot_count, sizeof *slots, err);
    if (!slots)
        return BT_ERR_MEMORY;
    for (uint64_t i = 0; i < p->slot_count; i++)
        if (p->slots[i].node)
            *find_slot(slots, slot_count, p->slots[i].parent, p->slots[i].word) = p->slots[i];
    free(p->slots);
    p->slots = slots;
    p->slot_count = slot_count;
    return BT_OK;
}

/* The node below `parent`, made when it is new. */
static int add_node(struct bt_paraphrases *p, int32_t parent, int32_t word, int32_t *node, struct bt_err *err)
{
    struct slot *slot = find_slot(p->slots, p->slot_count, parent, word);
    int rc = BT_OK;
    if (!slot->node) {
        if ((uint64_t)p->node_count * 2 >= p->slot_count) {
            rc = grow_slots(p, err);
            slot = find_slot(p->slots, p->slot_count, parent, word);
        }
        if (!rc)
            rc = bt_grow(&p->nodes, &p->node_capacity, (uint64_t)p->node_count + 1, sizeof *p->nodes, err);
        if (rc)
            return rc;
        p->nodes[p->node_count++] = (struct node){ 0 };
        *slot = (struct slot){ parent, word, p->node_count };
    }
    *node = slot->node - 1;
    return BT_OK;
}

/* The words of a phrase; -1 when one of them is in no sentence, or when there are too many for a match. */
static int32_t phrase_words(const struct bt_meteor_words *words, struct bt_text phrase, int32_t *numbers)
{
    int32_t count = 0;
    for (size_t i = 0, start; i < phrase.size;) {
        while (i < phrase.size && is_white(phrase.data[i]))
            i++;
        for (start = i; i < phrase.size && !is_white(phrase.data[i]);)
            i++;
        if (i == start)
            break;
        if (count == BT_METEOR_MAX_PHRASE)
            return -1;
        numbers[count] = bt_meteor_words_find(words, (struct bt_text){ phrase.data + start, i - start });
        if (numbers[count++] < 0)
            return -1;
    }
    return count > 0 ? count : -1;
}

static int add_phrase(struct bt_paraphrases *p, const int32_t *words, int32_t count, int32_t *node,
                      struct bt_err *err)
{
    int rc = BT_OK;
    *node = 0;
    for (int32_t i = 0; !rc && i < count; i++)
        rc = add_node(p, *node, words[i], node, err);
    if (!rc)
        p->nodes[*node].phrase = true;
    return rc;
}

static int add_pair(struct bt_paraphrases *p, const struct bt_meteor_words *words, struct bt_text phrase,
                    struct bt_text paraphrase, struct bt_err *err)
{
    int32_t left[BT_METEOR_MAX_PHRASE], right[BT_METEOR_MAX_PHRASE];
    int32_t left_count = phrase_words(words, phrase, left), right_count;
    struct pair pair;
    if (left_count < 0 || (right_count = phrase_words(words, paraphrase, right)) < 0)
        return BT_OK;
    if (p->pair_count == MAX_PAIRS)
        return bt_fail(err, BT_ERR_LIMIT, "more than 2^28 paraphrases match; score the set in parts");
    int rc = bt_grow(&p->pairs, &p->pair_capacity, p->pair_count + 1, sizeof *p->pairs, err);
    if (!rc)
        rc = add_phrase(p, left, left_count, &pair.phrase, err);
    if (!rc)
        rc = add_phrase(p, right, right_count, &pair.paraphrase, err);
    if (!rc)
        p->pairs[p->pair_count++] = pair;
    return rc;
}

/* ---------------------------------------------------------------- table */

/* Groups of three lines, which come in pieces. */
struct table {
    struct bt_paraphrases *into;
    const struct bt_meteor_words *words;
    const struct sieve *sieve;
    uint8_t phrase_sides; /* of the phrase of the last group, */
    char phrase[256];     /* which often comes again */
    size_t phrase_size;   /* 0: none, or a longer one */
};

static void note_phrase(struct table *t, struct bt_text phrase)
{
    if (t->phrase_size > 0 && phrase.size == t->phrase_size &&
        memcmp(phrase.data, t->phrase, phrase.size) == 0)
        return;
    t->phrase_sides = sides(t->sieve, phrase);
    t->phrase_size = phrase.size <= sizeof t->phrase ? phrase.size : 0;
    memcpy(t->phrase, phrase.data, t->phrase_size);
}

static int read_group(struct table *t, struct bt_text phrase, struct bt_text paraphrase, struct bt_err *err)
{
    note_phrase(t, phrase);
    if (!t->phrase_sides)
        return BT_OK;
    uint8_t other = sides(t->sieve, paraphrase);
    /* One side in a caption, the other in a reference. */
    if (!((t->phrase_sides & CAPTION && other & REFERENCE) ||
          (t->phrase_sides & REFERENCE && other & CAPTION)))
        return BT_OK;
    return add_pair(t->into, t->words, phrase, paraphrase, err);
}

/* The whole groups of a piece; *used are their bytes. */
static int read_piece(struct table *t, const char *data, size_t size, size_t *used, struct bt_err *err)
{
    int rc = BT_OK;
    *used = 0;
    while (!rc) {
        const char *line[4] = { data + *used };
        for (int i = 0; i < 3; i++) {
            const char *end = memchr(line[i], '\n', (size_t)(data + size - line[i]));
            if (!end)
                return BT_OK;
            line[i + 1] = end + 1;
        }
        rc = read_group(t, (struct bt_text){ line[1], (size_t)(line[2] - line[1] - 1) },
                        (struct bt_text){ line[2], (size_t)(line[3] - line[2] - 1) }, err);
        *used = (size_t)(line[3] - data);
    }
    return rc;
}

static int read_table(struct table *t, struct bt_gunzip *gunzip, const char *place, struct bt_err *err)
{
    char rest[BT_GUNZIP_ROOM + 1], *data;
    size_t rest_size = 0, size, used;
    int rc;
    while ((rc = bt_gunzip_next(gunzip, &data, &size, err)) == BT_OK) {
        memcpy(data - rest_size, rest, rest_size);
        data -= rest_size;
        size += rest_size;
        rc = read_piece(t, data, size, &used, err);
        if (!rc && size - used > BT_GUNZIP_ROOM)
            rc = bt_fail(err, BT_ERR_LIMIT, "%s: a line of more than 64 KiB; get it again", place);
        if (rc)
            return rc;
        rest_size = size - used;
        memcpy(rest, data + used, rest_size);
    }
    if (rc != BT_END)
        return rc;
    if (rest_size == 0)
        return BT_OK;
    if (rest[rest_size - 1] != '\n') /* the last line may lack its end */
        rest[rest_size++] = '\n';
    rc = read_piece(t, rest, rest_size, &used, err);
    if (!rc && used < rest_size)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: the last group has less than three lines; get it again", place);
    return rc;
}

/* By phrase, in the order in which they came. */
static int sort_pairs(struct bt_paraphrases *p, struct bt_err *err)
{
    int32_t at = 0;
    p->targets = bt_alloc(p->pair_count, sizeof *p->targets, err);
    if (!p->targets)
        return BT_ERR_MEMORY;
    for (uint64_t i = 0; i < p->pair_count; i++)
        p->nodes[p->pairs[i].phrase].count++;
    for (int32_t n = 0; n < p->node_count; n++) {
        p->nodes[n].first = at;
        at += p->nodes[n].count;
        p->nodes[n].count = 0;
    }
    for (uint64_t i = 0; i < p->pair_count; i++) {
        struct node *node = &p->nodes[p->pairs[i].phrase];
        p->targets[node->first + node->count++] = p->pairs[i].paraphrase;
    }
    free(p->pairs);
    p->pairs = NULL;
    return BT_OK;
}

static int open_tree(struct bt_paraphrases *p, struct bt_err *err)
{
    p->slot_count = 1 << 16;
    p->slots = bt_alloc(p->slot_count, sizeof *p->slots, err);
    int rc = p->slots ? bt_grow(&p->nodes, &p->node_capacity, 1, sizeof *p->nodes, err) : BT_ERR_MEMORY;
    if (!rc)
        p->nodes[p->node_count++] = (struct node){ 0 };
    return rc;
}

static int open_table(struct bt_meteor_table *t, struct bt_gunzip **gunzip, struct bt_err *err)
{
    *gunzip = t->begun;
    t->begun = NULL;
    return *gunzip ? BT_OK : bt_gunzip_open(gunzip, &t->map, t->path, err);
}

int bt_paraphrases_read(struct bt_paraphrases **paraphrases, const struct bt_meteor_data *data,
                        const struct bt_meteor_words *words, const struct bt_text *captions,
                        size_t caption_count, const struct bt_text *references, size_t reference_count,
                        struct bt_err *err)
{
    struct bt_paraphrases *p = bt_alloc(1, sizeof *p, err);
    struct bt_gunzip *gunzip = NULL;
    struct sieve sieve = { 0 };
    struct table table = { .into = p, .words = words, .sieve = &sieve };

    int rc = p ? open_tree(p, err) : BT_ERR_MEMORY;
    if (!rc && data->table) {
        rc = open_table(data->table, &gunzip, err);
        if (!rc)
            rc = sieve_new(&sieve, captions, caption_count, references, reference_count, err);
        if (!rc)
            rc = read_table(&table, gunzip, data->table->path, err);
    }
    if (!rc)
        rc = sort_pairs(p, err);
    bt_gunzip_close(gunzip);
    free(sieve.bytes);
    if (rc)
        bt_paraphrases_free(p);
    else
        *paraphrases = p;
    return rc;
}

void bt_paraphrases_free(struct bt_paraphrases *p)
{
    if (!p)
        return;
    free(p->slots);
    free(p->nodes);
    free(p->pairs);
    free(p->targets);
    free(p);
}

int32_t bt_paraphrases_spots(const struct bt_paraphrases *p, const struct bt_meteor_sentence *sentence,
                             struct bt_meteor_spot *spots)
{
    int32_t count = 0;
    if (p->node_count == 1)
        return 0;
    for (int32_t start = 0; start < sentence->count; start++)
        for (int32_t node = 0, i = start; i < sentence->count && i - start < BT_METEOR_MAX_PHRASE; i++) {
            node = find_slot(p->slots, p->slot_count, node, sentence->words[i])->node - 1;
            if (node < 0)
                break;
            if (p->nodes[node].phrase)
                spots[count++] = (struct bt_meteor_spot){ node, start, i - start + 1 };
        }
    return count;
}

const int32_t *bt_paraphrases_of(const struct bt_paraphrases *p, int32_t phrase, int32_t *count)
{
    *count = p->nodes[phrase].count;
    return p->targets + p->nodes[phrase].first;
}
