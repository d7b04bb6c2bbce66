/* Unicode as the tokenizers need it: strict UTF-8 and the classes of single characters.
 *
 * The tables are libutf8proc's (Unicode 15.0). The published BERT ids and the caption cleaning were made with
 * Unicode 14.0, so the functions that say so treat what came later as unassigned.
 * Source: tokenizers.md 0, 3.2, 4.2, 4.5; data.md 6. */
#ifndef BT_TEXT_UNICODE_H
#define BT_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utf8proc.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

/* The bytes of the longest prefix that is well-formed UTF-8 (no surrogates, no overlong forms): size when all of text is,
 * otherwise where the first bad sequence starts. */
size_t bt_utf8_prefix(const char *text, size_t size);

/* E_UTF8 with that offset, "byte 3 of the text is not UTF-8; ...", unless all of text is. */
int bt_utf8_check(const char *text, size_t size, struct bt_err *err);

/* The character at text[0], size >= 1. Returns its bytes; for an ill-formed sequence minus the length of the maximal
 * subpart that one U+FFFD stands for, with *c = U+FFFD. */
int bt_utf8_next(const char *text, size_t size, uint32_t *c);

/* Writes a character (not a surrogate) into out[4] and returns its length. */
int bt_utf8_put(char out[4], uint32_t c);

/* Appends text with every maximal ill-formed subpart replaced by U+FFFD. */
int bt_utf8_repair(struct bt_buf *out, const char *text, size_t size, struct bt_err *err);

/* How often U+FFFD stands in the text: what an earlier conversion could not read. */
uint64_t bt_utf8_replacements(const char *text, size_t size);

/* General category by Unicode 15.0, and with later characters unassigned, by Unicode 14.0. */
utf8proc_category_t bt_char_category(uint32_t c);
utf8proc_category_t bt_char_category14(uint32_t c);
/* Whether Unicode 13.0, which Java 17 has, knows the character; of those beyond U+FFFF, told only where they have a case. */
bool bt_char_is_in_unicode13(uint32_t c);

/* White_Space, the 25 characters; Python's str adds U+001C to U+001F. */
bool bt_char_is_white(uint32_t c);
bool bt_char_is_python_white(uint32_t c);

/* Python's str.lower() on one character, without regard to its neighbours: 1 or 2 characters into out, their count
 * returned (2 for U+0130 alone). */
int bt_char_lower(uint32_t c, uint32_t out[2]);

/* The properties that decide how a capital sigma is written in lower case (Unicode 14.0). */
bool bt_char_is_cased(uint32_t c);
bool bt_char_is_case_ignorable(uint32_t c);

#endif
