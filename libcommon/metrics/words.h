/* Words of a text: white space as Python's str.split() and str.strip() see it, and the tokenizer `words`.
 * Texts are UTF-8. Source: metrics.md 1.2, 3.1; data.md 6 (the set of white space). */
#ifndef BT_METRICS_WORDS_H
#define BT_METRICS_WORDS_H

#include <stdbool.h>

#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/intern.h"

/* The next run of characters that are no white space, cut off the front of *rest; false when there is none.
 */
bool bt_next_word(struct bt_text *rest, struct bt_text *word);

/* `text` without the white space at both ends. */
struct bt_text bt_strip(struct bt_text text);

/* Whether a decimal digit of any script starts at byte i, or ends just before it. */
bool bt_digit_at(struct bt_text text, size_t i);
bool bt_digit_before(struct bt_text text, size_t i);

/* The tokenizer `words`: lower case (Python's str.lower(), libcommon/text/clean.h), split at white space,
 * joined by single spaces. Appended to out. E_UTF8, E_MEMORY. */
int bt_tokenize_words(struct bt_buf *out, struct bt_text text, struct bt_err *err);

#endif
