/* The letters by which byte-level vocabularies write bytes: printable ones stand for themselves, the others are
 * U+0100 and up, in order. Source: tokenizers.md 4.3. */
#ifndef BT_TEXT_BYTE_ALPHABET_H
#define BT_TEXT_BYTE_ALPHABET_H

#include <stdint.h>

#define BT_BYTE_LETTERS 0x144 /* letters are below this */

static inline int bt_byte_is_printable(uint32_t b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

/* letter[b] for each byte, and byte[c] for each letter (-1: not a letter). */
static inline void bt_byte_alphabet(uint32_t letter[256], int16_t byte[BT_BYTE_LETTERS])
{
    uint32_t next = 0x100;

    for (int c = 0; c < BT_BYTE_LETTERS; c++)
        byte[c] = -1;
    for (uint32_t b = 0; b < 256; b++) {
        letter[b] = bt_byte_is_printable(b) ? b : next++;
        byte[letter[b]] = (int16_t)b;
    }
}

#endif
