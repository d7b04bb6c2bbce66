#include "libcommon/metrics/caption_meteor.h"

#include <stdlib.h>

/* All texts one after the other, and where they end. */
struct texts {
    struct bt_buf bytes;
    struct bt_text *items;
    size_t count;
};

static int add_text(struct texts *t, const struct bt_lexicon *lex, const struct bt_sentence *sentence,
                    struct bt_err *err)
{
    size_t start = t->bytes.size;
    int rc = bt_lexicon_text(lex, sentence, &t->bytes, err);
    t->items[t->count++].size = t->bytes.size - start;
    return rc;
}

static int add_texts(struct texts *t, const struct bt_lexicon *lex, const struct bt_caption_item *items,
                     size_t count, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        rc = add_text(t, lex, &items[i].hypothesis, err);
        for (int32_t r = 0; !rc && r < items[i].reference_count; r++)
            rc = add_text(t, lex, &items[i].references[r], err);
    }
    const char *at = t->bytes.size > 0 ? t->bytes.data : "";
    for (size_t i = 0; !rc && i < t->count; i++) {
        t->items[i].data = at;
        at += t->items[i].size;
    }
    return rc;
}

int bt_caption_meteor(const struct bt_meteor_data *data, const struct bt_lexicon *lex,
                      const struct bt_caption_item *items, size_t count, struct bt_meteor_stats *stats,
                      struct bt_err *err)
{
    struct texts texts = { .count = 0 };
    struct bt_meteor_item *own = bt_alloc(count, sizeof *own, err);
    uint64_t text_count = count;
    for (size_t i = 0; i < count; i++)
        text_count += (uint64_t)items[i].reference_count;
    texts.items = bt_alloc(text_count, sizeof *texts.items, err);
    int rc = own && texts.items ? add_texts(&texts, lex, items, count, err) : BT_ERR_MEMORY;

    const struct bt_text *text = texts.items;
    for (size_t i = 0; !rc && i < count; i++) {
        own[i] = (struct bt_meteor_item){ text[0], text + 1, items[i].reference_count };
        text += 1 + items[i].reference_count;
    }
    if (!rc)
        rc = bt_meteor_align(data, own, count, stats, err);
    bt_buf_free(&texts.bytes);
    free(texts.items);
    free(own);
    return rc;
}
