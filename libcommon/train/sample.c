/* Records as rows of a batch: tokens, labels, pictures. */
#include "libcommon/train/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/image.h"

/* ---- tokens ---- */

/* Fields that hold tokens, by what a record is for: captions of a picture, an answer to a question, a sentence. */
static const char *const text_fields[] = { "captions", "answer", "text" };
#define TEXT_FIELDS (sizeof text_fields / sizeof *text_fields)

static struct bt_value tokens_of(const struct bt_record *rec, const char *name)
{
    struct bt_value v = { .kind = BT_ABSENT };

    for (size_t i = 0; i < TEXT_FIELDS && v.kind == BT_ABSENT; i++) {
        char key[80];

        snprintf(key, sizeof key, "%s.%s", text_fields[i], name);
        v = bt_record_get(rec, key);
    }
    return v;
}

size_t bt_sample_texts(const struct bt_record *rec)
{
    struct bt_value v = tokens_of(rec, "bert");

    if (v.kind == BT_ABSENT)
        v = tokens_of(rec, "opt");
    return v.kind == BT_ARRAY ? v.size : 1;
}

int bt_sample_tokens(const struct bt_record *rec, const char *name, uint32_t choice, int32_t *ids, size_t room, size_t *count,
                     int32_t *prompt, size_t vocab, struct bt_err *err)
{
    struct bt_value v = tokens_of(rec, name);
    struct bt_array a;
    char key[80];
    int rc;

    if (v.kind == BT_ABSENT)
        return bt_fail(err, BT_ERR_INPUT, "no '%s' tokens of captions, answer or text; run bt-tokenize with --tokenizer %s=...", name, name);
    if (v.kind == BT_ARRAY) {
        if (!v.size)
            return bt_fail(err, BT_ERR_INPUT, "no captions; leave out pictures without any");
        v = bt_value_at(v, choice % v.size);
    }
    rc = bt_value_array(v, &a, err);
    if (rc)
        return rc;
    if (a.rank != 1 || strcmp(a.dtype, "i32") != 0)
        return bt_fail(err, BT_ERR_INPUT, "'%s' tokens are not a row of i32; make them with bt-tokenize", name);
    if ((size_t)a.shape[0] > room)
        return bt_fail(err, BT_ERR_INPUT, "%lld '%s' tokens, but max_text is %zu; tokenize with that --max-len",
                       (long long)a.shape[0], name, room);
    *count = (size_t)a.shape[0];
    memcpy(ids, a.data, *count * sizeof *ids);
    for (size_t i = 0; i < *count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return bt_fail(err, BT_ERR_INPUT, "token %d but vocab is %zu; tokenize with the model's tokenizer", ids[i], vocab);
    snprintf(key, sizeof key, "prompt_len.%s", name);

    struct bt_value p = bt_record_get(rec, key);

    *prompt = p.kind == BT_INT ? (int32_t)p.integer : 0;
    return BT_OK;
}

/* ---- pictures ---- */

int bt_sample_image(const struct bt_record *rec, float *chw, size_t side, const struct bt_recipe *recipe, uint32_t epoch,
                    uint64_t index, struct bt_err *err)
{
    struct bt_value image = bt_record_get(rec, "image"), pixels = bt_record_get(rec, "pixels");
    enum bt_augment random = BT_AUGMENT_NONE;

    if (image.kind == BT_BIN && recipe && recipe->augment && bt_recipe_random_augment(&random, recipe))
        return bt_image_load_train(chw, (int)side, image.data, image.size, "image", random, (uint64_t)recipe->seed, epoch, index,
                                   err);
    if (image.kind == BT_BIN)
        return bt_image_load_eval(chw, (int)side, image.data, image.size, "image", err);
    if (pixels.kind != BT_BIN || pixels.size != 3 * side * side)
        return bt_fail(err, BT_ERR_INPUT, "no 'image', and no 'pixels' of side %zu; make the set with bt-preprocess", side);

    struct bt_image stored = { .width = (int)side, .height = (int)side, .rgb = (uint8_t *)pixels.data };

    return bt_image_to_tensor(chw, (int)side, &stored, NULL, false, err);
}

/* ---- labels ---- */

struct word {
    const char *text;
    int32_t label;
};
struct bt_labels {
    char *data;
    struct word *words; /* sorted by text */
    uint64_t capacity;
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static int read_line(struct bt_labels *labels, char *line, size_t number, size_t classes, const char *path, struct bt_err *err)
{
    char *tab = strchr(line, '\t'), *end = NULL;
    long label = tab ? strtol(tab + 1, &end, 10) : -1;

    if (!tab || *end || end == tab + 1 || label < 0 || (size_t)label >= classes)
        return bt_fail(err, BT_ERR_INPUT, "%s:%zu: a line is a word, a tab and a label below %zu", path, number, classes);
    if (bt_grow(&labels->words, &labels->capacity, labels->count + 1, sizeof *labels->words, err))
        return err->status;
    *tab = 0;
    labels->words[labels->count++] = (struct word){ line, (int32_t)label };
    return BT_OK;
}

int bt_labels_load(struct bt_labels **out, const char *path, size_t classes, struct bt_err *err)
{
    struct bt_labels *labels = bt_alloc(1, sizeof *labels, err);
    size_t size = 0, number = 0;
    int rc = labels ? bt_file_read(path, (size_t)64 << 20, &labels->data, &size, err) : err->status;

    for (char *line = rc ? NULL : labels->data; line && *line && !rc;) {
        char *next = strchr(line, '\n');

        if (next)
            *next++ = 0;
        rc = read_line(labels, line, ++number, classes, path, err);
        line = next;
    }
    if (!rc && !labels->count)
        rc = bt_fail(err, BT_ERR_INPUT, "%s: no labels; write \"word<TAB>label\" lines", path);
    if (rc) {
        bt_labels_free(labels);
        return rc;
    }
    qsort(labels->words, labels->count, sizeof *labels->words, by_text);
    *out = labels;
    return BT_OK;
}

void bt_labels_free(struct bt_labels *labels)
{
    if (!labels)
        return;
    free(labels->words);
    free(labels->data);
    free(labels);
}

static void add_label(int32_t label, int32_t *row, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        if (row[i] == label)
            return;
        if (row[i] == BT_IGNORE) {
            row[i] = label;
            return;
        }
    }
}

void bt_labels_of(const struct bt_labels *labels, const struct bt_record *rec, int32_t *row, size_t most)
{
    struct bt_value captions = bt_record_get(rec, "captions");

    for (size_t i = 0; i < most; i++)
        row[i] = BT_IGNORE;
    for (size_t i = 0; captions.kind == BT_ARRAY && i < captions.size; i++) {
        struct bt_value caption = bt_value_at(captions, i);
        const char *at = caption.data, *end = caption.kind == BT_STR ? at + caption.size : at;

        while (at < end) {
            const char *space = memchr(at, ' ', (size_t)(end - at)), *stop = space ? space : end;
            char text[128];
            struct word key = { text, 0 };

            if ((size_t)(stop - at) < sizeof text) {
                memcpy(text, at, (size_t)(stop - at));
                text[stop - at] = 0;

                const struct word *found = bsearch(&key, labels->words, labels->count, sizeof key, by_text);

                if (found)
                    add_label(found->label, row, most);
            }
            at = stop + (stop < end);
        }
    }
}
