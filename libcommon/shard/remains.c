#include "libcommon/shard/remains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/pages.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/bytes.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/walk.h"

enum { PIECES = 1 << 24 };

struct search {
    struct bt_remains *r;
    uint64_t file_bytes, page_bytes, page_count;
    uint8_t *seen;  /* a bit for each page */
    uint8_t *pages; /* one for each level, and one more */
    bool broken;    /* the tree does not lead everywhere */
    struct bt_err *err;
};

static int read_at(const struct bt_remains *r, void *buf, uint64_t size, uint64_t at)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t n = pread(r->fd, (char *)buf + done, size - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* what cannot be read is lost */
            return -1;
        done += (uint64_t)n;
    }
    return 0;
}

/* ---- values ---- */

/* The body of a value into `body`; BT_END when it is not whole. */
static int read_value(struct bt_remains *r, uint64_t at, uint64_t size, bool is_record, struct bt_buf *body,
                      struct bt_err *err)
{
    struct bt_err ignored = { 0 };
    int rc = BT_END;

    if (size < BT_VALUE_HEAD || size > BT_MAX_RECORD + BT_VALUE_HEAD)
        return BT_END;
    uint8_t *value = bt_alloc(size, 1, err);
    if (!value)
        return BT_ERR_MEMORY;
    body->size = 0;
    if (read_at(r, value, size, at) == 0 && bt_value_is_whole(value, size)) {
        int format = value[0];
        bool packed = format == BT_FORMAT_ZSTD || format == BT_FORMAT_DICT;

        if (packed)
            rc = bt_unpack(body, value + BT_VALUE_HEAD, size - BT_VALUE_HEAD,
                           format == BT_FORMAT_DICT ? r->dict.data : NULL,
                           format == BT_FORMAT_DICT ? r->dict.size : 0, BT_MAX_RECORD, &ignored);
        else if (format == (is_record ? BT_FORMAT_MSGPACK : BT_FORMAT_RAW))
            rc = bt_buf_add(body, value + BT_VALUE_HEAD, size - BT_VALUE_HEAD, err);
        if (packed && rc && rc != BT_ERR_MEMORY)
            rc = BT_END;
    }
    free(value);
    return rc;
}

static int read_record(struct bt_remains *r, uint64_t at, uint64_t size, struct bt_record *rec,
                       struct bt_err *err)
{
    struct bt_err why = { 0 };
    struct bt_buf body = { 0 };
    int rc = read_value(r, at, size, true, &body, err);

    if (!rc) {
        rc = bt_record_decode(rec, body.data ? body.data : "", body.size, &why);
        if (rc && rc != BT_ERR_MEMORY)
            rc = BT_END;
        else if (rc)
            bt_fail(err, rc, "%s", why.text);
    }
    bt_buf_free(&body);
    return rc;
}

int bt_remains_read(struct bt_remains *r, uint64_t i, struct bt_record *rec, struct bt_err *err)
{
    return read_record(r, r->pieces[i].at, r->pieces[i].size, rec, err);
}

/* ---- pages ---- */

static int keep_header(struct search *s, const struct bt_node *node)
{
    struct bt_record *header = s->r->header ? NULL : bt_record_new();
    int rc = s->r->header || header
                 ? BT_OK
                 : bt_fail(s->err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", s->r->path);

    if (header) {
        rc = read_record(s->r, node->at, node->size, header, s->err);
        if (rc)
            bt_record_free(header);
        else
            s->r->header = header;
    }
    return rc == BT_END ? BT_OK : rc;
}

/* `M end` and `M cur` say how many records there are. */
static int keep_count(struct search *s, const struct bt_node *node)
{
    struct bt_record *rec = bt_record_new();
    int rc = rec ? read_record(s->r, node->at, node->size, rec, s->err)
                 : bt_fail(s->err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", s->r->path);

    if (!rc) {
        int64_t n = bt_record_get(rec, "n").integer;

        if (n > 0 && (uint64_t)n > s->r->expected)
            s->r->expected = (uint64_t)n;
    }
    bt_record_free(rec);
    return rc == BT_END ? BT_OK : rc;
}

static int keep_dict(struct search *s, const struct bt_node *node)
{
    int rc = s->r->dict.size ? BT_OK : read_value(s->r, node->at, node->size, false, &s->r->dict, s->err);

    return rc == BT_END ? BT_OK : rc;
}

static int keep(struct search *s, const struct bt_node *node, bool reached)
{
    uint64_t end;

    if (!bt_add_u64(node->at, node->size, &end) || end > s->file_bytes)
        return BT_OK;
    if (node->key_size == BT_NAME_KEY && memcmp(node->key, BT_KEY_HEADER, BT_NAME_KEY) == 0)
        return keep_header(s, node);
    if (node->key_size == BT_NAME_KEY && (memcmp(node->key, BT_KEY_END, BT_NAME_KEY) == 0 ||
                                          memcmp(node->key, BT_KEY_CURSOR, BT_NAME_KEY) == 0))
        return keep_count(s, node);
    if (node->key_size == sizeof BT_KEY_DICT - 1 && memcmp(node->key, BT_KEY_DICT, node->key_size) == 0)
        return keep_dict(s, node);
    if (node->key_size != BT_NUMBER_KEY || node->key[0] != 'R')
        return BT_OK;
    if (s->r->count == PIECES)
        return bt_fail(s->err, BT_ERR_LIMIT, "%s: more than %d records; no shard has so many", s->r->path,
                       PIECES);
    int rc = bt_grow(&s->r->pieces, &s->r->capacity, s->r->count + 1, sizeof *s->r->pieces, s->err);
    if (!rc)
        s->r->pieces[s->r->count++] =
            (struct bt_piece){ bt_get_u64(node->key + 1), node->at, node->size, reached };
    return rc;
}

/* Marks a page as seen; false when it was, or is not there. */
static bool claim(struct search *s, uint64_t page)
{
    uint8_t bit = (uint8_t)(1u << page % 8);

    if (page < 2 || page >= s->page_count || s->seen[page / 8] & bit)
        return false;
    s->seen[page / 8] |= bit;
    return true;
}

/* A page of the tree and all below it, as far as they hold. */
static int reach(struct search *s, uint64_t number, unsigned level)
{
    uint8_t *bytes = s->pages + level * s->page_bytes;
    struct bt_page page;
    int rc = BT_OK;

    if (level == BT_TREE_DEPTH || !claim(s, number) ||
        read_at(s->r, bytes, s->page_bytes, number * s->page_bytes) != 0 ||
        bt_page_parse(&page, bytes, number, s->page_bytes)) {
        s->broken = true;
        return BT_OK;
    }
    for (unsigned i = 0; !rc && i < page.count; i++) {
        struct bt_node node;

        if (bt_node_parse(&node, &page, i))
            s->broken = true;
        else
            rc = page.is_branch ? reach(s, node.child, level + 1) : keep(s, &node, true);
    }
    return rc;
}

/* Leaves that the tree does not lead to any more. */
static int look_everywhere(struct search *s)
{
    uint8_t *bytes = s->pages + BT_TREE_DEPTH * s->page_bytes;
    struct bt_page page;
    int rc = BT_OK;

    for (uint64_t number = 2; !rc && number < s->page_count; number++) {
        if (s->seen[number / 8] & 1u << number % 8 ||
            read_at(s->r, bytes, s->page_bytes, number * s->page_bytes) != 0 ||
            bt_page_parse(&page, bytes, number, s->page_bytes) || page.is_branch)
            continue;
        for (unsigned i = 0; !rc && i < page.count; i++) {
            struct bt_node node;

            if (!bt_node_parse(&node, &page, i))
                rc = keep(s, &node, false);
        }
    }
    return rc;
}

/* ---- one of each ---- */

static int by_place(const void *a, const void *b)
{
    const struct bt_piece *x = a, *y = b;

    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : y->reached - x->reached;
}

static int by_number(const void *a, const void *b)
{
    const struct bt_piece *x = a, *y = b;

    return x->number != y->number ? (x->number > y->number) - (x->number < y->number)
                                  : y->reached - x->reached;
}

/* What several pieces claim, a number or a place, belongs to the one that the tree leads to, and else, or
 * when it leads to several, to none: a page that no tree leads to may be older than what lies where it
 * points. */
static void choose(struct bt_remains *r, int (*order)(const void *, const void *), bool by_at)
{
    uint64_t kept = 0;

    if (r->count > 1)
        qsort(r->pieces, r->count, sizeof *r->pieces, order);
    for (uint64_t i = 0, next; i < r->count; i = next) {
        struct bt_piece p = r->pieces[i];
        bool disputed = false;

        for (next = i + 1; next < r->count; next++) {
            const struct bt_piece *q = &r->pieces[next];

            if (by_at ? q->at != p.at : q->number != p.number)
                break;
            if (q->number != p.number || q->at != p.at || q->size != p.size)
                disputed = disputed || !p.reached || q->reached;
        }
        if (!disputed && (r->expected == 0 || p.number < r->expected))
            r->pieces[kept++] = p;
    }
    r->count = kept;
}

/* ---- the file ---- */

/* The newest meta page that is whole, and the size of pages; without any the size that most leaves agree
 * with. */
static bool find_root(struct search *s, struct bt_meta *newest)
{
    bool found = false;

    for (uint64_t size = BT_PAGE_SMALLEST; size <= BT_PAGE_LARGEST; size *= 2)
        for (unsigned number = 0; number < 2; number++) {
            uint8_t bytes[BT_META_BYTES];
            struct bt_meta meta;
            uint64_t version;
            unsigned at;

            if (read_at(s->r, bytes, sizeof bytes, number * size) != 0 ||
                bt_meta_parse(&meta, &version, &at, number, bytes) || meta.page_bytes != size ||
                (found && meta.txn <= newest->txn))
                continue;
            *newest = meta;
            found = true;
        }
    s->page_bytes = found ? newest->page_bytes : BT_PAGE_SMALLEST;
    return found;
}

static int search(struct search *s)
{
    struct bt_meta meta = { .root = BT_NO_ROOT };
    bool rooted = find_root(s, &meta);
    int rc = BT_OK;

    s->page_count = s->file_bytes / s->page_bytes;
    s->seen = bt_alloc(s->page_count / 8 + 1, 1, s->err);
    s->pages = bt_alloc(BT_TREE_DEPTH + 1, s->page_bytes, s->err);
    if (!s->seen || !s->pages)
        return BT_ERR_MEMORY;
    s->broken = !rooted;
    if (meta.root != BT_NO_ROOT)
        rc = reach(s, meta.root, 0);
    if (!rc && s->broken)
        rc = look_everywhere(s);
    if (rc)
        return rc;
    choose(s->r, by_place, true);
    choose(s->r, by_number, false);
    return BT_OK;
}

int bt_remains_open(struct bt_remains *r, const char *path, struct bt_err *err)
{
    struct search s = { .r = r, .err = err };
    struct stat st;
    int rc = BT_OK;

    *r = (struct bt_remains){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
                              .path = bt_format("%s", path) };
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        rc = bt_fail_errno(err, errno, 0, path, "check the path");
    else if (!r->path)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);
    else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)1 << 40)
        rc = bt_fail(err, BT_ERR_LMDB_STRUCT, "%s: no regular file, or larger than 1 TiB; it is no shard",
                     path);
    if (!rc) {
        s.file_bytes = (uint64_t)st.st_size;
        rc = search(&s);
    }
    free(s.seen);
    free(s.pages);
    if (rc)
        bt_remains_close(r);
    return rc;
}

void bt_remains_close(struct bt_remains *r)
{
    if (r->fd > STDERR_FILENO)
        close(r->fd);
    bt_record_free(r->header);
    bt_buf_free(&r->dict);
    free(r->pieces);
    free(r->path);
    *r = (struct bt_remains){ .fd = -1 };
}
