/* Any bytes as a spiece.model: refused, or a tokenizer that encodes every text and decodes what it made. */
#include "libcommon/text/sentencepiece.h"
#include "libcommon/text/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a photo  of <extra_id_0>caf\xC3\xA9 e\xCC\x81\r\n\xEF\xBD\xB6\xEF\xBE\x9E </s> \xE2\x96\x81x";
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    int rc = bt_tokenizer_from_sentencepiece(&tok, data, size, &err);

    if (!rc)
        rc = bt_tokenizer_seal(tok, &err);
    if (!rc && bt_tokenizer_encode(tok, text, sizeof text - 1, true, 0, &ids, &err) != BT_OK)
        __builtin_trap();
    for (uint64_t i = 0; i < ids.count; i++)
        if (ids.data[i] < 0 || ids.data[i] >= bt_tokenizer_vocab_size(tok))
            __builtin_trap();
    if (!rc && bt_tokenizer_decode(tok, ids.data, ids.count, true, &out, &err) != BT_OK)
        __builtin_trap();
    bt_ids_free(&ids);
    bt_buf_free(&out);
    bt_tokenizer_free(tok);
    return 0;
}
