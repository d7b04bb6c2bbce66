/* WordPiece over the vocabulary's trie. */
#include "libcommon/text/wordpiece.h"

int bt_wordpiece_init(struct bt_wordpiece *w, const struct bt_vocab *vocab, int32_t unk, size_t max_chars,
                      struct bt_err *err)
{
    memset(w, 0, sizeof *w);
    w->vocab = vocab;
    w->rest = bt_vocab_walk(vocab, BT_VOCAB_ROOT, "##", 2);
    w->unk = unk;
    int rc = bt_bert_splitter_init(&w->splitter, max_chars, err);
    return rc ? rc : bt_piece_cache_init(&w->cache, err);
}

void bt_wordpiece_free(struct bt_wordpiece *w)
{
    bt_bert_splitter_free(&w->splitter);
    bt_piece_cache_free(&w->cache);
}

static int cut_word(struct bt_wordpiece *w, const char *word, size_t size, struct bt_err *err)
{
    uint64_t before = w->ids->count;
    uint32_t node = BT_VOCAB_ROOT;
    int rc = BT_OK;

    while (size > 0 && !rc) {
        size_t length = 0;
        int32_t id = bt_vocab_longest(w->vocab, node, word, size, &length);

        if (id < 0) {
            w->ids->count = before;
            return bt_ids_push(w->ids, w->unk, err);
        }
        rc = bt_ids_push(w->ids, id, err);
        word += length;
        size -= length;
        node = w->rest;
    }
    return rc;
}

static int encode_word(void *context, const char *word, size_t size, size_t chars, struct bt_err *err)
{
    struct bt_wordpiece *w = context;
    uint64_t before = w->ids->count, count;
    const int32_t *known;

    if (chars > w->splitter.max_chars)
        return bt_ids_push(w->ids, w->unk, err);
    if (size > BT_PIECE_CACHED)
        return cut_word(w, word, size, err);
    if (bt_piece_cache_get(&w->cache, word, size, &known, &count))
        return bt_ids_add(w->ids, known, count, err);
    int rc = cut_word(w, word, size, err);
    if (rc)
        return rc;
    return bt_piece_cache_put(&w->cache, word, size, w->ids->data + before, w->ids->count - before, err);
}

int bt_wordpiece_encode(struct bt_wordpiece *w, const char *text, size_t size, struct bt_ids *ids, struct bt_err *err)
{
    w->ids = ids;
    return bt_bert_words(&w->splitter, text, size, encode_word, w, err);
}
