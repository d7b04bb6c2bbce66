/* A vocabulary: texts and their ids, over a trie of bytes, so that "the longest entry that starts here" is one walk.
 * The trie is a hash table of (node, byte), keyed per process: no input can make it slow (formats.md 11). */
#ifndef BT_TEXT_VOCAB_H
#define BT_TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

#define BT_VOCAB_MAX (1 << 24)          /* entries (formats.md 8) */
#define BT_VOCAB_ROOT 0                 /* the node of the empty text */
#define BT_VOCAB_NOWHERE UINT32_MAX     /* no such node */

struct bt_vocab_edge {
    uint64_t key; /* node << 8 | byte, plus 1; 0 is a free slot */
    uint32_t child;
};

struct bt_vocab {
    int32_t count;  /* one more than the largest id */
    int32_t filled; /* ids in use: equal to count when there are no gaps */
    uint64_t *start;  /* per id, where its text lies in bytes; */
    uint32_t *length; /* 0: no entry */
    uint64_t start_capacity, length_capacity;
    char *bytes;
    uint64_t bytes_size, bytes_capacity;
    struct bt_vocab_edge *edges;
    uint64_t edge_count, edge_slots, salt;
    int32_t *ids; /* per node, -1: no entry ends here */
    uint64_t nodes, nodes_capacity;
};

int bt_vocab_init(struct bt_vocab *vocab, struct bt_err *err);
void bt_vocab_free(struct bt_vocab *vocab);

/* Adds text (1 byte or more) under an id from 0 to BT_VOCAB_MAX - 1; bt_vocab_append under the next. E_TOK_FILE when
 * the text or the id is there already, E_MEMORY. Memory grows with the id: callers bound it by what they read. */
int bt_vocab_add(struct bt_vocab *vocab, const char *text, size_t size, int32_t id, struct bt_err *err);
int bt_vocab_append(struct bt_vocab *vocab, const char *text, size_t size, int32_t *id, struct bt_err *err);

/* The id of a text, or -1. */
int32_t bt_vocab_find(const struct bt_vocab *vocab, const char *text, size_t size);

/* The text of an id (no NUL behind it), NULL when there is none. Lives until the next add. */
const char *bt_vocab_text(const struct bt_vocab *vocab, int32_t id, size_t *size);

/* The node reached from `node` over all of text, or BT_VOCAB_NOWHERE. */
uint32_t bt_vocab_walk(const struct bt_vocab *vocab, uint32_t node, const char *text, size_t size);

/* The longest entry that begins at text and goes on from `node`: its id, and in *length its bytes of text; -1: none. */
int32_t bt_vocab_longest(const struct bt_vocab *vocab, uint32_t node, const char *text, size_t size, size_t *length);

#endif
