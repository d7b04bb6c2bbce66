#include "libcommon/metrics/meteor_words.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/mem.h"
#include "libcommon/metrics/meteor_data.h"

struct bt_meteor_words {
    const struct bt_meteor_data *data;
    struct sb_stemmer *stemmer; /* Snowball's English one, Porter2 */
    struct bt_intern *texts, *stems;
    struct bt_meteor_word *words;
    uint64_t capacity;
    struct bt_arena *synsets;
    int32_t *found; /* of the word being added */
    uint64_t found_capacity;
};

struct bt_meteor_words *bt_meteor_words_new(const struct bt_meteor_data *data)
{
    struct bt_meteor_words *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->data = data;
    w->stemmer = sb_stemmer_new("english", "UTF_8");
    w->texts = bt_intern_new();
    w->stems = bt_intern_new();
    w->synsets = bt_arena_new(1 << 18);
    if (!w->stemmer || !w->texts || !w->stems || !w->synsets) {
        bt_meteor_words_free(w);
        return NULL;
    }
    return w;
}

void bt_meteor_words_free(struct bt_meteor_words *w)
{
    if (!w)
        return;
    sb_stemmer_delete(w->stemmer);
    bt_intern_free(w->texts);
    bt_intern_free(w->stems);
    bt_arena_free(w->synsets);
    free(w->words);
    free(w->found);
    free(w);
}

static int add_stem(struct bt_meteor_words *w, struct bt_text text, int32_t *number, struct bt_err *err)
{
    const sb_symbol *stem = sb_stemmer_stem(w->stemmer, (const sb_symbol *)text.data, (int)text.size);
    if (!stem)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for a stem");
    return bt_intern_add(
        w->stems, (struct bt_text){ (const char *)stem, (size_t)sb_stemmer_length(w->stemmer) }, number, err);
}

static int add_synsets(struct bt_meteor_words *w, struct bt_text text, struct bt_meteor_word *word,
                       struct bt_err *err)
{
    if (!w->data->synonyms)
        return BT_OK;
    int rc =
        bt_synonyms_find(w->data->synonyms, text, &w->found, &w->found_capacity, &word->synset_count, err);
    if (rc || word->synset_count == 0)
        return rc;
    int32_t *copy = bt_arena_take(w->synsets, (uint64_t)word->synset_count, sizeof *copy);
    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the synonyms");
    memcpy(copy, w->found, (size_t)word->synset_count * sizeof *copy);
    word->synsets = copy;
    for (int32_t i = 0; i < word->synset_count; i++)
        word->synset_mask |= 1ull << (copy[i] & 63);
    return BT_OK;
}

int bt_meteor_words_add(struct bt_meteor_words *w, struct bt_text text, int32_t *number, struct bt_err *err)
{
    int32_t before = bt_intern_count(w->texts);
    int rc = bt_intern_add(w->texts, text, number, err);
    if (rc || *number < before)
        return rc;
    struct bt_meteor_word word = { .function = bt_intern_find(w->data->function_words, text) >= 0 };
    rc = bt_grow(&w->words, &w->capacity, (uint64_t)before + 1, sizeof *w->words, err);
    if (!rc)
        rc = add_stem(w, text, &word.stem, err);
    if (!rc)
        rc = add_synsets(w, text, &word, err);
    if (!rc)
        w->words[before] = word;
    return rc;
}

int32_t bt_meteor_words_find(const struct bt_meteor_words *w, struct bt_text text)
{
    return bt_intern_find(w->texts, text);
}

const struct bt_meteor_word *bt_meteor_words_get(const struct bt_meteor_words *w, int32_t number)
{
    return &w->words[number];
}
