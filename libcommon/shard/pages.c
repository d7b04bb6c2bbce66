#include "libcommon/shard/pages.h"

#include "libcommon/base/mem.h"

/* A page begins with its number u64, pad u16, flags u16, and the bounds of its free space, lower and upper,
 * u16; then come the places of its nodes, u16 each. */
enum {
    AT_FLAGS = 10,
    AT_LOWER = 12,
    AT_UPPER = 14,
    P_BRANCH = 0x01,
    P_LEAF = 0x02,
    P_META = 0x08,
};

/* A meta page goes on with magic u32, version u32, address u64, map size u64, two databases, last page u64,
 * transaction u64. A database: pad u32 (page size, of the free one), flags u16, depth u16, number of branch,
 * leaf and overflow pages, entries and root, u64 each. */
enum {
    AT_MAGIC = 16,
    AT_VERSION = 20,
    AT_ADDRESS = 24,
    AT_FREE_DB = 40,
    AT_MAIN_DB = 88,
    DB_FLAGS = 4,
    DB_DEPTH = 6,
    DB_ENTRIES = 32,
    DB_ROOT = 40,
    AT_LAST_PAGE = 136,
    AT_TXN = 144,
    INTEGER_KEYS = 0x0008,
    NO_SUBDIR = 0x4000, /* liblmdb keeps this flag of the environment with those of its free pages */
};
#define MAGIC 0xBEEFC0DEu

/* A node: u32 of its value's size, flags u16, key size u16, the key, the value; in a branch the first six
 * bytes are a page. */
enum {
    NODE_HEAD = 8,
    F_BIGDATA = 0x01,
    KEY_LARGEST = 511,
};

static uint64_t le(const uint8_t *p, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static const char *wrong(unsigned *at, unsigned place, const char *what)
{
    *at = place;
    return what;
}

const char *bt_meta_parse(struct bt_meta *meta, uint64_t *version, unsigned *at, unsigned number,
                          const uint8_t *p)
{
    const uint8_t *free_db = p + AT_FREE_DB, *main_db = p + AT_MAIN_DB;
    struct bt_meta m = {
        .page_bytes = le(free_db, 4),
        .last_page = le(p + AT_LAST_PAGE, 8),
        .txn = le(p + AT_TXN, 8),
        .flags = le(main_db + DB_FLAGS, 2),
        .depth = le(main_db + DB_DEPTH, 2),
        .entries = le(main_db + DB_ENTRIES, 8),
        .root = le(main_db + DB_ROOT, 8),
    };

    *version = 1;
    if (le(p + AT_MAGIC, 4) != MAGIC)
        return wrong(at, AT_MAGIC, "no LMDB file");
    *version = le(p + AT_VERSION, 4);
    if (*version != 1)
        return wrong(at, AT_VERSION, "another data version");
    if (le(p, 8) != number || le(p + AT_FLAGS, 2) != P_META)
        return wrong(at, 0, "no meta page");
    if (le(p + AT_ADDRESS, 8) != 0)
        return wrong(at, AT_ADDRESS, "a map at a fixed address");
    if (m.page_bytes < BT_PAGE_SMALLEST || m.page_bytes > BT_PAGE_LARGEST ||
        (m.page_bytes & (m.page_bytes - 1)))
        return wrong(at, AT_FREE_DB, "a page size that is no power of two from 4096 to 32768");
    if ((le(free_db + DB_FLAGS, 2) & ~(uint64_t)NO_SUBDIR) != INTEGER_KEYS)
        return wrong(at, AT_FREE_DB + DB_FLAGS, "free pages with flags that liblmdb does not set");
    *meta = m;
    return NULL;
}

const char *bt_meta_check_tree(const struct bt_meta *m, unsigned *at)
{
    if (m->flags != 0)
        return wrong(at, AT_MAIN_DB + DB_FLAGS, "a database of another kind than a shard's");
    if (m->depth > BT_TREE_DEPTH)
        return wrong(at, AT_MAIN_DB + DB_DEPTH, "a tree of more than 16 levels");
    if (m->root == BT_NO_ROOT ? m->depth != 0 || m->entries != 0 : m->root > m->last_page || m->depth == 0)
        return wrong(at, AT_MAIN_DB + DB_ROOT, "a root outside the file");
    return NULL;
}

const char *bt_page_parse(struct bt_page *page, const uint8_t *bytes, uint64_t number, uint64_t page_bytes)
{
    uint64_t flags = le(bytes + AT_FLAGS, 2), lower = le(bytes + AT_LOWER, 2),
             upper = le(bytes + AT_UPPER, 2);

    if (le(bytes, 8) != number)
        return "bears the number of another";
    if (flags != P_BRANCH && flags != P_LEAF)
        return "is neither a branch nor a leaf";
    if (lower < BT_PAGE_HEAD || lower > upper || upper > page_bytes)
        return "has bounds outside itself";
    *page = (struct bt_page){ bytes, number, page_bytes, flags == P_BRANCH,
                              (unsigned)(lower - BT_PAGE_HEAD) / 2 };
    if (page->count < (page->is_branch ? 2 : 1))
        return page->is_branch ? "is a branch of fewer than two keys" : "is a leaf without a key";
    return NULL;
}

static const char *parse_value(struct bt_node *node, const struct bt_page *page, const uint8_t *p,
                               uint64_t at)
{
    uint64_t flags = le(p + 4, 2), bytes;

    if (flags != 0 && flags != F_BIGDATA)
        return "has a value of another kind than a shard's";
    if (flags == 0) {
        node->at = page->number * page->page_bytes + at;
        return node->size <= page->page_bytes - at ? NULL : "has a value that leaves the page";
    }
    if (page->page_bytes - at < 8)
        return "has a value that leaves the page";
    node->overflow = le(p + NODE_HEAD + node->key_size, 8);
    node->pages = (BT_PAGE_HEAD + node->size + page->page_bytes - 1) / page->page_bytes;
    if (!bt_mul_u64(node->overflow, page->page_bytes, &bytes))
        return "has a value outside the file";
    node->at = bytes + BT_PAGE_HEAD;
    return NULL;
}

const char *bt_node_parse(struct bt_node *node, const struct bt_page *page, unsigned i)
{
    uint64_t at = le(page->bytes + BT_PAGE_HEAD + 2 * i, 2);
    const uint8_t *p = page->bytes + at;

    if (at % 2 || at < BT_PAGE_HEAD + 2 * (uint64_t)page->count || at + NODE_HEAD > page->page_bytes)
        return "has a node outside itself";
    *node = (struct bt_node){ .key = p + NODE_HEAD, .key_size = (unsigned)le(p + 6, 2) };
    at += NODE_HEAD + node->key_size;
    if (at > page->page_bytes)
        return "has a key that leaves the page";
    if (node->key_size > KEY_LARGEST || (node->key_size == 0 && !(page->is_branch && i == 0)))
        return "has a key that is not of 1 to 511 bytes";
    if (page->is_branch) {
        node->child = le(p, 6);
        return NULL;
    }
    node->size = le(p, 4);
    return parse_value(node, page, p, at);
}
