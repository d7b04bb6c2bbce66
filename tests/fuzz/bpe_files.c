/* Any bytes as merges.txt beside a vocabulary of the 256 bytes and a few pairs; and, behind a first byte of zero, as vocab.json. */
#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"
#include "tests/fuzz/byte_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct bt_tokenizer *tok)
{
    static const char text[] = "abab baab aaaa\n\xC3\xA9</s>";
    struct bt_ids ids = { 0 };
    struct bt_buf back = { 0 };
    struct bt_err err = { 0 };

    if (bt_tokenizer_encode(tok, text, sizeof text - 1, true, 0, &ids, &err) != BT_OK ||
        bt_tokenizer_decode(tok, ids.data, ids.count, false, &back, &err) != BT_OK || back.size == 0)
        __builtin_trap();
    bt_ids_free(&ids);
    bt_buf_free(&back);
}

static json_t *vocabulary(void)
{
    static const char *const more[] = { "<pad>", "</s>", "aa", "ab", "ba", "aab", "aba", "abab", "aaaa" };

    return byte_vocab(more, sizeof more / sizeof *more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    json_t *root = NULL;
    bool is_vocab = size > 0 && data[0] == 0;
    int rc = BT_OK;

    if (is_vocab)
        rc = bt_json_parse(&root, "fuzz", (const char *)data + 1, size - 1, &err);
    else
        root = vocabulary();
    if (!rc)
        rc = bt_tokenizer_from_vocab_json(&tok, root, &err);
    if (!rc && !is_vocab)
        rc = bt_tokenizer_merges_text(&tok->bpe, (const char *)data, size, &err);
    if (!rc)
        rc = bt_tokenizer_seal(tok, &err);
    if (!rc)
        encode(tok);
    bt_tokenizer_free(tok);
    json_decref(root);
    return 0;
}
