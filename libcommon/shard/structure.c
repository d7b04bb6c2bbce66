#include "libcommon/shard/structure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/mem.h"
#include "libcommon/shard/pages.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/frames.h"

#define LARGEST_FILE ((uint64_t)1 << 40)

struct walk {
    int fd;
    const char *path;
    struct bt_meta meta;
    uint8_t *seen;  /* a bit for each page */
    uint8_t *pages; /* the one that is open, for each level */
    uint64_t entries;
    bool has_end;
    struct bt_structure *found;
};

/* A key as a bound; no data: none. */
struct bound {
    const uint8_t *data;
    unsigned size;
};

static int damaged(const struct walk *w, uint64_t at, struct bt_err *err, const char *what)
{
    return bt_fail(err, BT_ERR_LMDB_STRUCT, "%s:%llu: %s; the file is damaged or hostile: fetch it again",
                   w->path, (unsigned long long)at, what);
}

static int bad_page(const struct walk *w, uint64_t page, struct bt_err *err, const char *what)
{
    char text[120];

    snprintf(text, sizeof text, "page %llu %s", (unsigned long long)page, what);
    return damaged(w, page * w->meta.page_bytes, err, text);
}

static int read_at(const struct walk *w, void *buf, size_t size, uint64_t at, struct bt_err *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(w->fd, (char *)buf + done, size - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bt_fail_errno(err, errno, 0, w->path, "check the disk, and run again");
        if (n == 0)
            return damaged(w, at + done, err, "the file ends within a page");
        done += (size_t)n;
    }
    return BT_OK;
}

/* ---- meta pages: rules 1 to 3 ---- */

static int read_meta(const struct walk *w, unsigned number, uint64_t at, struct bt_meta *meta,
                     struct bt_err *err)
{
    uint8_t bytes[BT_META_BYTES];
    uint64_t version = 0;
    unsigned place = 0;
    int rc = read_at(w, bytes, sizeof bytes, at, err);

    if (rc)
        return rc;
    const char *what = bt_meta_parse(meta, &version, &place, number, bytes);
    if (what && version != 1)
        return bt_fail(
            err, BT_ERR_LMDB_VERSION,
            "%s:%llu: LMDB data version %llu, this build reads 1; write it as a stream with 'bt-cat' "
            "where it was made and read that here",
            w->path, (unsigned long long)(at + place), (unsigned long long)version);
    return what ? damaged(w, at + place, err, what) : BT_OK;
}

static int read_metas(struct walk *w, uint64_t file_bytes, struct bt_err *err)
{
    struct bt_meta first, second;
    unsigned place = 0;
    uint64_t bytes;
    int rc = read_meta(w, 0, 0, &first, err);

    if (!rc)
        rc = read_meta(w, 1, first.page_bytes, &second, err);
    if (!rc && first.page_bytes != second.page_bytes)
        rc = damaged(w, first.page_bytes, err, "meta pages that differ in the size of pages");
    if (rc)
        return rc;
    bool is_second = second.txn > first.txn; /* liblmdb chooses so */
    w->meta = is_second ? second : first;
    if (!bt_add_u64(w->meta.last_page, 1, &bytes) || !bt_mul_u64(bytes, w->meta.page_bytes, &bytes) ||
        bytes > file_bytes)
        return damaged(w, file_bytes, err, "pages are missing at the end");
    const char *what = bt_meta_check_tree(&w->meta, &place);
    return what ? damaged(w, (is_second ? first.page_bytes : 0) + place, err, what) : BT_OK;
}

/* ---- the tree: rules 4 to 7 ---- */

static int claim(struct walk *w, uint64_t first, uint64_t count, uint64_t by, struct bt_err *err)
{
    if (first < 2 || first > w->meta.last_page || count > w->meta.last_page - first + 1)
        return bad_page(w, by, err, "leads outside the file");
    for (uint64_t page = first; page < first + count; page++) {
        uint8_t bit = (uint8_t)(1u << page % 8);

        if (w->seen[page / 8] & bit)
            return bad_page(w, by, err, "leads to a page that is taken");
        w->seen[page / 8] |= bit;
    }
    return BT_OK;
}

static int compare(const uint8_t *a, unsigned a_size, const uint8_t *b, unsigned b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Counts a key, and holds the numbers of records to 0, 1, 2, ... */
static const char *note_key(struct walk *w, const struct bt_node *node)
{
    const uint8_t *key = node->key;

    w->entries++;
    if (key[0] > 'R')
        return "has a key behind the records";
    if (key[0] == 'R' && (node->key_size != BT_NUMBER_KEY || bt_get_u64(key + 1) != w->found->records))
        return "has a record whose number does not follow";
    w->found->records += key[0] == 'R';
    w->found->ids += key[0] == 'I';
    w->found->rejects += key[0] == 'J';
    if (node->key_size == BT_NAME_KEY && memcmp(key, BT_KEY_HEADER, BT_NAME_KEY) == 0)
        w->found->header_at = node->at;
    if (node->key_size == BT_NAME_KEY && memcmp(key, BT_KEY_END, BT_NAME_KEY) == 0)
        w->has_end = true;
    return NULL;
}

static int read_page(struct walk *w, uint64_t number, unsigned level, struct bt_page *page,
                     struct bt_err *err)
{
    uint8_t *bytes = w->pages + level * w->meta.page_bytes;
    int rc = read_at(w, bytes, w->meta.page_bytes, number * w->meta.page_bytes, err);
    const char *what = rc ? NULL : bt_page_parse(page, bytes, number, w->meta.page_bytes);

    if (!rc && !what && page->is_branch != (level + 1 < w->meta.depth))
        what = page->is_branch ? "is a branch where the leaves must be" : "is a leaf above the last level";
    return what ? bad_page(w, number, err, what) : rc;
}

static int walk_page(struct walk *w, uint64_t number, unsigned level, struct bound low, struct bound high,
                     struct bt_err *err)
{
    struct bt_page page;
    struct bound before = low;
    struct bt_node node = { 0 }, next = { 0 };
    const char *what = NULL;
    int rc = read_page(w, number, level, &page, err);

    if (!rc)
        what = bt_node_parse(&next, &page, 0);
    for (unsigned i = 0; !rc && !what && i < page.count; i++) {
        bool is_bound = page.is_branch && i == 0; /* its key is the one that leads here, whatever it says */

        node = next;
        if (!is_bound && before.data) {
            int order = compare(before.data, before.size, node.key, node.key_size);

            if (order > 0 || (order == 0 && (page.is_branch || i > 0)))
                what = "has keys out of order";
        }
        if (!is_bound && high.data && compare(node.key, node.key_size, high.data, high.size) >= 0)
            what = "has a key beyond those that lead to it";
        if (!is_bound)
            before = (struct bound){ node.key, node.key_size };
        if (!what && i + 1 < page.count)
            what = bt_node_parse(&next, &page, i + 1);
        if (!what && !page.is_branch)
            what = note_key(w, &node);
        if (what)
            break;
        if (page.is_branch)
            rc = claim(w, node.child, 1, number, err);
        else if (node.overflow || node.pages)
            rc = claim(w, node.overflow, node.pages, number, err);
        if (!rc && page.is_branch)
            rc = walk_page(w, node.child, level + 1, before,
                           i + 1 < page.count ? (struct bound){ next.key, next.key_size } : high, err);
    }
    return what ? bad_page(w, number, err, what) : rc;
}

static int walk_tree(struct walk *w, struct bt_err *err)
{
    int rc;

    w->seen = bt_alloc(w->meta.last_page / 8 + 1, 1, err);
    w->pages = bt_alloc(w->meta.depth, w->meta.page_bytes, err);
    if (!w->seen || !w->pages)
        return BT_ERR_MEMORY;
    if (w->meta.root == BT_NO_ROOT)
        return BT_OK;
    rc = claim(w, w->meta.root, 1, w->meta.root, err);
    return rc ? rc : walk_page(w, w->meta.root, 0, (struct bound){ 0 }, (struct bound){ 0 }, err);
}

int bt_structure_check(struct bt_structure *structure, int fd, const char *path, bool finished,
                       struct bt_err *err)
{
    struct bt_structure found = { 0 };
    struct walk w = { .fd = fd, .path = path, .found = &found };
    struct stat st;
    int rc = BT_OK;

    if (fstat(fd, &st) != 0)
        return bt_fail_errno(err, errno, 0, path, NULL);
    if (!S_ISREG(st.st_mode))
        return damaged(&w, 0, err, "no regular file");
    if ((uint64_t)st.st_size > LARGEST_FILE)
        return bt_fail(err, BT_ERR_LIMIT, "%s: larger than 1 TiB; make smaller shards with --per-shard",
                       path);
    rc = read_metas(&w, (uint64_t)st.st_size, err);
    if (!rc)
        rc = walk_tree(&w, err);
    if (!rc && w.entries != w.meta.entries)
        rc = damaged(&w, 0, err, "not as many keys as its meta page says");
    if (!rc && finished && (!found.header_at || !w.has_end))
        rc = damaged(&w, 0, err, found.header_at ? "no 'M end', so it was never finished" : "no 'M hdr'");
    free(w.seen);
    free(w.pages);
    if (!rc)
        *structure = found;
    return rc;
}
