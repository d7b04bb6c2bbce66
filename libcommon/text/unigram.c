/* Unigram: words out of a text, the best pieces of each. */
#include "libcommon/text/unigram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/unicode.h"

#define UNK_PENALTY 10.0 /* below the lowest score */
#define SPACE_BYTES 3

struct bt_unigram_step {
    double score; /* of the best pieces up to here */
    uint32_t size; /* bytes of the last of them; 0: no way leads here */
    int32_t id;
};

/* ---------------------------------------------------------------- making one */

double bt_unigram_score(double score)
{
    char text[40], digits[24] = "", *end;
    int precision = 14, count = 0, point;

    if (!isfinite(score))
        return score;
    /* The fewest digits that read back: 15 always suffice for numbers that people write, 17 for all. */
    do
        snprintf(text, sizeof text, "%.*e", precision, fabs(score));
    while (strtod(text, NULL) != fabs(score) && ++precision <= 16);
    for (end = text; *end != 'e'; end++)
        if (*end != '.')
            digits[count++] = *end;
    point = atoi(end + 1) - (count - 1); /* the exponent of the last digit */
    for (; count > 1 && digits[count - 1] == '0'; point++)
        digits[--count] = '\0';

    double whole = (double)strtoull(digits, NULL, 10);
    snprintf(text, sizeof text, "1e%d", abs(point));
    whole = point < 0 ? whole / strtod(text, NULL) : whole * strtod(text, NULL);
    return score < 0 ? -whole : whole;
}

static int check_pieces(struct bt_unigram *u, struct bt_err *err)
{
    double least = u->count ? u->scores[0] : 0;

    if (u->unk < 0 || u->unk >= u->count)
        return bt_fail(err, BT_ERR_TOK_FILE, "the unknown piece has id %d among %d pieces; the file is damaged", u->unk,
                       u->count);
    for (int32_t id = 0; id < u->count; id++) {
        size_t size;
        const char *text = bt_vocab_text(u->vocab, id, &size);

        if (size > BT_UNIGRAM_PIECE_MAX)
            return bt_fail(err, BT_ERR_LIMIT, "piece %d has %zu bytes; at most %d", id, size, BT_UNIGRAM_PIECE_MAX);
        if (!isfinite(u->scores[id]))
            return bt_fail(err, BT_ERR_TOK_FILE, "the score of '%s' is not a finite number; the file is damaged",
                           bt_quote(text, size));
        least = u->scores[id] < least ? u->scores[id] : least;
    }
    u->unk_score = least - UNK_PENALTY;
    return BT_OK;
}

int bt_unigram_init(struct bt_unigram *u, const struct bt_vocab *vocab, double *scores_take, int32_t unk,
                    const void *charsmap, size_t charsmap_size, struct bt_unigram_rules rules, struct bt_err *err)
{
    memset(u, 0, sizeof *u);
    u->vocab = vocab;
    u->scores = scores_take;
    u->count = vocab->count;
    u->unk = unk;
    u->rules = rules;
    int rc = check_pieces(u, err);
    if (!rc)
        rc = bt_charsmap_init(&u->charsmap, charsmap, charsmap_size, err);
    return rc ? rc : bt_piece_cache_init(&u->cache, err);
}

int bt_unigram_twin(struct bt_unigram *twin, const struct bt_unigram *u, struct bt_err *err)
{
    *twin = (struct bt_unigram){ .vocab = u->vocab, .scores = u->scores, .count = u->count, .unk = u->unk,
                                 .unk_score = u->unk_score, .marks = u->marks, .rules = u->rules,
                                 .charsmap = u->charsmap, .is_twin = true };
    return bt_piece_cache_init(&twin->cache, err);
}

void bt_unigram_free(struct bt_unigram *u)
{
    if (!u->is_twin) {
        free(u->scores);
        bt_charsmap_free(&u->charsmap);
    }
    bt_piece_cache_free(&u->cache);
    bt_buf_free(&u->normal);
    bt_buf_free(&u->word);
    free(u->steps);
    memset(u, 0, sizeof *u);
}

/* ---------------------------------------------------------------- the best pieces of a word */

/* A piece of `size` bytes, on from `start`: of equals the one that was there stays, which is the longer. */
static void offer(struct bt_unigram_step *steps, size_t start, size_t size, double score, int32_t id)
{
    struct bt_unigram_step *to = &steps[start + size];

    score += steps[start].score;
    if (to->size == 0 || score > to->score)
        *to = (struct bt_unigram_step){ score, (uint32_t)size, id };
}

static bool is_forbidden(const struct bt_unigram *u, int32_t id)
{
    size_t size;

    return u->marks && bt_vocab_text(u->marks, id, &size);
}

static void forward(const struct bt_unigram *u, const char *word, size_t size)
{
    memset(u->steps, 0, (size + 1) * sizeof *u->steps);
    for (size_t start = 0, chars; start < size; start += chars) {
        uint32_t c, node = BT_VOCAB_ROOT;
        bool single = false;

        chars = (size_t)bt_utf8_next(word + start, size - start, &c);
        for (size_t i = start; i < size; i++) {
            node = bt_vocab_walk(u->vocab, node, word + i, 1);
            if (node == BT_VOCAB_NOWHERE)
                break;
            int32_t id = u->vocab->ids[node];
            if (id < 0 || id >= u->count || is_forbidden(u, id))
                continue;
            offer(u->steps, start, i + 1 - start, u->scores[id], id);
            single |= i + 1 - start == chars;
        }
        if (!single)
            offer(u->steps, start, chars, u->unk_score, u->unk);
    }
}

/* Appends the ids of the best way, unknowns next to each other as one. */
static int backward(const struct bt_unigram *u, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    uint64_t first = ids->count;
    int rc = BT_OK;

    for (size_t end = size; end > 0 && !rc; end -= u->steps[end].size) {
        int32_t id = u->steps[end].id;

        if (id != u->unk || ids->count == first || ids->data[ids->count - 1] != u->unk)
            rc = bt_ids_push(ids, id, err);
    }
    for (uint64_t i = first, j = ids->count; i + 1 < j; i++) {
        int32_t id = ids->data[i];

        ids->data[i] = ids->data[--j];
        ids->data[j] = id;
    }
    return rc;
}

static int encode_word(struct bt_unigram *u, const char *word, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    const int32_t *known;
    uint64_t count, first = ids->count;

    if (size <= BT_PIECE_CACHED && bt_piece_cache_get(&u->cache, word, size, &known, &count))
        return bt_ids_add(ids, known, count, err);
    if (size > UINT32_MAX)
        return bt_fail(err, BT_ERR_LIMIT, "a word of %zu bytes; at most 2^32", size);
    int rc = bt_grow(&u->steps, &u->steps_capacity, size + 1, sizeof *u->steps, err);
    if (!rc) {
        forward(u, word, size);
        rc = backward(u, size, ids, err);
    }
    if (!rc && size <= BT_PIECE_CACHED)
        rc = bt_piece_cache_put(&u->cache, word, size, ids->data + first, ids->count - first, err);
    return rc;
}

/* ---------------------------------------------------------------- words */

/* The bytes of the white space at text; 0: something else stands there. */
static size_t white_size(const char *text, size_t size)
{
    uint32_t c;
    int length = bt_utf8_next(text, size, &c);

    return length > 0 && bt_char_is_white(c) ? (size_t)length : 0;
}

static size_t without_white_end(const char *text, size_t size)
{
    for (size_t at; size > 0; size = at) {
        for (at = size - 1; at > 0 && ((uint8_t)text[at] & 0xC0) == 0x80;)
            at--;
        if (white_size(text + at, size - at) == 0)
            break;
    }
    return size;
}

static bool is_mark(const char *text, const char *end)
{
    return end - text >= SPACE_BYTES && memcmp(text, BT_UNIGRAM_SPACE, SPACE_BYTES) == 0;
}

/* Where the word that goes on at text ends. */
static const char *word_end(const struct bt_unigram *u, const char *text, const char *end)
{
    for (; text < end; text++) {
        uint8_t c = (uint8_t)*text;

        if (c == ' ' || (c == 0xE2 && is_mark(text, end)))
            break;
        if (u->rules.split_white && (c < 0x20 || c >= 0xC2) && white_size(text, (size_t)(end - text)))
            break;
    }
    return text;
}

/* The word at *text, its space in front written as U+2581: what begins a text, or comes behind white space that is gone,
 * gets one all the same. *text moves on. */
static int next_word(struct bt_unigram *u, bool lead, const char **text, const char *end, struct bt_err *err)
{
    const char *from = *text, *stop;

    if (*from == ' ')
        from++;
    else if (is_mark(from, end))
        from += SPACE_BYTES;
    size_t mark = from > *text || lead ? SPACE_BYTES : 0;
    if (u->rules.collapse && from == *text + 1)
        while (from < end && *from == ' ')
            from++;
    stop = word_end(u, from, end);
    size_t rest = (size_t)(stop - from);
    int rc = bt_grow(&u->word.data, &u->word.capacity, mark + rest + 1, 1, err);
    if (rc)
        return rc;
    memcpy(u->word.data, BT_UNIGRAM_SPACE, mark);
    memcpy(u->word.data + mark, from, rest);
    u->word.size = mark + rest;
    *text = stop;
    return BT_OK;
}

int bt_unigram_encode(struct bt_unigram *u, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    const char *end;
    bool lead = true;
    int rc = bt_charsmap_apply(&u->charsmap, text, size, &u->normal, &text, &size, err);

    if (!rc && u->rules.strip_right)
        size = without_white_end(text, size);
    for (end = text + size; text < end && !rc;) {
        size_t white = u->rules.split_white ? white_size(text, (size_t)(end - text)) : 0;

        if (white) {
            text += white;
            lead = true;
            continue;
        }
        rc = next_word(u, lead, &text, end, err);
        if (!rc)
            rc = encode_word(u, u->word.data, u->word.size, ids, err);
        lead = false;
    }
    return rc;
}
