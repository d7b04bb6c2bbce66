/* LMDB's pages as bytes: what the structure check and the salvage of shards read without liblmdb, which
 * trusts its file. Data version 1, 64-bit, little-endian. Private to shard. Source: formats.md 2.3; liblmdb
 * 0.9 mdb.c, MDB_page, MDB_node, MDB_meta. */
#ifndef BT_SHARD_PAGES_H
#define BT_SHARD_PAGES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BT_PAGE_HEAD = 16,
    BT_META_BYTES = 152,
    BT_PAGE_SMALLEST = 4096,
    BT_PAGE_LARGEST = 32768,
    BT_TREE_DEPTH = 16,
};
#define BT_NO_ROOT UINT64_MAX

struct bt_meta {
    uint64_t page_bytes, last_page, txn;
    uint64_t flags, depth, entries, root; /* of the main database; BT_NO_ROOT: it is empty */
};
/* Meta page `number` (0 or 1), from its first BT_META_BYTES; formats.md 2.3, 1. NULL, or what is wrong; *at
 * is then the byte that shows it. *version is set whenever the page is LMDB's, and no 1 is wrong. */
const char *bt_meta_parse(struct bt_meta *meta, uint64_t *version, unsigned *at, unsigned number,
                          const uint8_t *bytes);
/* The main database of the meta page that counts; formats.md 2.3, 3. A commit that failed may leave the other
 * one with a root that is nowhere. */
const char *bt_meta_check_tree(const struct bt_meta *meta, unsigned *at);

struct bt_page {
    const uint8_t *bytes;
    uint64_t number, page_bytes;
    bool is_branch; /* else a leaf */
    unsigned count; /* of its nodes */
};
/* A page of a tree, which has to be what `number` asks for: formats.md 2.3, 4. NULL, or what is wrong. */
const char *bt_page_parse(struct bt_page *page, const uint8_t *bytes, uint64_t number, uint64_t page_bytes);

struct bt_node {
    const uint8_t *key;
    unsigned key_size;
    uint64_t child;    /* of a branch: a page */
    uint64_t size;     /* of a leaf: of its value */
    uint64_t at;       /* where in the file that begins */
    uint64_t overflow; /* the first of the pages it fills, or 0: it lies in the leaf */
    uint64_t pages;
};
/* Node i: formats.md 2.3, 5 and 6, as far as one node shows it. NULL, or what is wrong. */
const char *bt_node_parse(struct bt_node *node, const struct bt_page *page, unsigned i);

#endif
