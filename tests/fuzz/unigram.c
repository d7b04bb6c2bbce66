/* Any text: unigram encoding takes it or names the byte that is not UTF-8, and every id is of the vocabulary. The input's
 * first half is the pieces, each with a score, its second the text, so that the two go together. */
#include <string.h>

#include "libcommon/text/unicode.h"
#include "libcommon/text/unigram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Pieces of up to 7 bytes: one that says how long and how likely, then the piece. */
static int fill(struct bt_vocab *vocab, double *scores, const char *data, size_t size)
{
    int rc = bt_vocab_append(vocab, "<unk>", 5, NULL, NULL);

    scores[0] = 0;
    for (size_t i = 0; i < size && !rc && vocab->count < 256;) {
        uint8_t head = (uint8_t)data[i++];
        size_t length = head % 8 < size - i ? head % 8 : size - i;

        if (length && bt_utf8_prefix(data + i, length) == length && bt_vocab_find(vocab, data + i, length) < 0) {
            scores[vocab->count] = -(double)(head >> 3) / 4;
            rc = bt_vocab_append(vocab, data + i, length, NULL, NULL);
        }
        i += length;
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_unigram_rules rules = { size & 1, size & 2, size & 4 };
    const char *text = (const char *)data + size / 2;
    struct bt_vocab vocab = { 0 };
    struct bt_unigram unigram = { 0 };
    struct bt_ids ids = { 0 };
    double *scores = bt_alloc(256, sizeof *scores, NULL);
    size_t length = bt_utf8_prefix(text, size - size / 2);

    if (!scores || bt_vocab_init(&vocab, NULL) || fill(&vocab, scores, (const char *)data, size / 2) ||
        bt_unigram_init(&unigram, &vocab, scores, 0, NULL, 0, rules, NULL))
        __builtin_trap();
    for (int round = 0; round < 2; round++) { /* the second time from the cache */
        uint64_t count = ids.count;

        ids.count = 0;
        if (bt_unigram_encode(&unigram, text, length, &ids, NULL) || (round && ids.count != count))
            __builtin_trap();
    }
    for (uint64_t i = 0; i < ids.count; i++)
        if (ids.data[i] < 0 || ids.data[i] >= vocab.count)
            __builtin_trap();
    bt_ids_free(&ids);
    bt_unigram_free(&unigram);
    bt_vocab_free(&vocab);
    return 0;
}
