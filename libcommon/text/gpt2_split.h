/* GPT-2's pieces: contractions, words, numbers, other signs (each with the space before it) and white space.
 * Classes by Unicode 15.0. Source: tokenizers.md 4.2. */
#ifndef BT_TEXT_GPT2_SPLIT_H
#define BT_TEXT_GPT2_SPLIT_H

#include <stddef.h>

/* The bytes of the piece that starts at text[0]; size >= 1. text must be UTF-8. */
size_t bt_gpt2_piece(const char *text, size_t size);

#endif
