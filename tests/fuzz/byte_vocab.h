/* The vocabulary that targets of byte-level BPE begin with: the 256 letters of bytes as ids 0 to 255, then others. */
#ifndef BT_FUZZ_BYTE_VOCAB_H
#define BT_FUZZ_BYTE_VOCAB_H

#include "libcommon/base/json.h"
#include "libcommon/text/byte_alphabet.h"
#include "libcommon/text/unicode.h"

static inline json_t *byte_vocab(const char *const *more, int count)
{
    json_t *root = json_object();
    uint32_t letter[256];
    int16_t byte[BT_BYTE_LETTERS];

    bt_byte_alphabet(letter, byte);
    for (int b = 0; b < 256; b++) {
        char text[5] = { 0 };

        bt_utf8_put(text, letter[b]);
        json_object_set_new(root, text, json_integer(b));
    }
    for (int i = 0; i < count; i++)
        json_object_set_new(root, more[i], json_integer(256 + i));
    return root;
}

#endif
