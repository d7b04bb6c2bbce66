/* Caption and question cleaning, as the published training and evaluation do it, character for character.
 * Source: data.md 6 (blip_caption, blip_question). */
#ifndef BT_TEXT_CLEAN_H
#define BT_TEXT_CLEAN_H

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

#define BT_CLEAN_MAX_WORDS 50 /* the published limit of both */

enum bt_clean { BT_CLEAN_NONE, BT_CLEAN_CAPTION, BT_CLEAN_QUESTION };

/* Appends the text to out, cleaned as `how` says within BT_CLEAN_MAX_WORDS; not cleaned, it must be UTF-8 all the same. */
int bt_clean(struct bt_buf *out, enum bt_clean how, const char *text, size_t size, struct bt_err *err);

/* Appends the cleaned text to out: lower case, ten punctuation characters to spaces, runs of white space to one space,
 * stripped, at most max_words words between single spaces; `prompt` (NUL-terminated, may be NULL) goes in front as it
 * stands. E_UTF8 with the byte offset when text is not UTF-8, E_MEMORY. */
int bt_clean_caption(struct bt_buf *out, const char *text, size_t size, const char *prompt, int64_t max_words,
                     struct bt_err *err);

/* The same for a question: the ten characters are deleted, and white space stays, but for spaces at the end. */
int bt_clean_question(struct bt_buf *out, const char *text, size_t size, int64_t max_words, struct bt_err *err);

/* Appends Python's str.lower(): full mapping, with the final sigma. Text must be UTF-8. */
int bt_lower(struct bt_buf *out, const char *text, size_t size, struct bt_err *err);

#endif
