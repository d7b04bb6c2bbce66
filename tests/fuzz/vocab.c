/* Any bytes as vocab.txt: a refusal, or a tokenizer that encodes. */
#include "libcommon/text/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "A dog's 12\xC3\xA9 [MASK]!";
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    if (bt_tokenizer_from_vocab_text(&tok, (const char *)data, size, &err) == BT_OK) {
        if (bt_tokenizer_dec_add(tok, &err) == BT_OK && bt_tokenizer_seal(tok, &err) == BT_OK) {
            if (bt_tokenizer_encode(tok, text, sizeof text - 1, true, 0, &ids, &err) != BT_OK || ids.count < 2)
                __builtin_trap();
        }
        bt_tokenizer_free(tok);
    }
    bt_ids_free(&ids);
    return 0;
}
