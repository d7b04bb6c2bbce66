/* Any bytes as a tokenizer.json, of every kind: refused, or a tokenizer that encodes and decodes. */
#include "libcommon/text/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a photo  of [MASK]caf\xC3\xA9 </s> \xE2\x96\x81x";
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    json_t *root = NULL;
    int rc = bt_json_parse(&root, "tokenizer.json", (const char *)data, size, &err);

    if (!rc)
        rc = bt_tokenizer_from_json(&tok, root, &err);
    if (!rc)
        rc = bt_tokenizer_seal(tok, &err);
    if (!rc)
        rc = bt_tokenizer_encode(tok, text, sizeof text - 1, true, 32, &ids, &err);
    if (!rc && bt_tokenizer_decode(tok, ids.data, ids.count, false, &out, &err) != BT_OK)
        __builtin_trap();
    for (uint64_t i = 0; i < ids.count && !rc; i++)
        if (ids.data[i] < 0 || ids.data[i] >= bt_tokenizer_vocab_size(tok))
            __builtin_trap();
    bt_ids_free(&ids);
    bt_buf_free(&out);
    bt_tokenizer_free(tok);
    json_decref(root);
    return 0;
}
