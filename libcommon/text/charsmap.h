/* SentencePiece's normalization table ("precompiled charsmap"): a double array of byte strings, each with its
 * replacement, applied as the published T5 tokenizer does: to whole grapheme clusters shorter than 6 bytes, otherwise to
 * single characters, and by the shortest key that fits. Source: tokenizers.md 5.2, 5.4 (Unicode 15.0 clusters). */
#ifndef BT_TEXT_CHARSMAP_H
#define BT_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/mem.h"

#define BT_CHARSMAP_LONGEST 1024 /* bytes of a replacement: no text grows without measure */

struct bt_charsmap {
    uint8_t *blob;
    size_t blob_size;
    uint32_t *units;
    uint32_t count; /* 0: every text stays as it is */
    const char *pool;
    uint32_t pool_size;
    bool plain[256]; /* ASCII that stays as it is when ASCII follows; nothing else */
};

/* From the bytes of a model file, which are copied; none at all: the identity. E_TOK_FILE. */
int bt_charsmap_init(struct bt_charsmap *map, const void *blob, size_t size, struct bt_err *err);
void bt_charsmap_free(struct bt_charsmap *map);

/* Sets *out and *out_size to the normalized text (UTF-8): text itself where nothing changes, otherwise scratch's. */
int bt_charsmap_apply(const struct bt_charsmap *map, const char *text, size_t size, struct bt_buf *scratch,
                      const char **out, size_t *out_size, struct bt_err *err);

#endif
