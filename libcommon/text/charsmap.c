/* SentencePiece's normalization table. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/text/charsmap.h"
#include "libcommon/text/unicode.h"

#define CLUSTER_MOST 6 /* clusters of so many bytes are taken apart */

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Where the children of a unit are, relative to the unit. */
static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << (unit & 1u << 9 ? 8 : 0);
}

/* The replacement of the shortest key that is a prefix of text; NULL: there is none. */
static const char *replacement(const struct bt_charsmap *map, const char *text, size_t size)
{
    uint32_t at = offset_of(map->units[0]);

    for (size_t i = 0; i < size && text[i]; i++) {
        at ^= (uint8_t)text[i];
        if (at >= map->count || (map->units[at] & 0x800000FFu) != (uint8_t)text[i])
            return NULL;
        uint32_t unit = map->units[at];
        at ^= offset_of(unit);
        if (!(unit & 1u << 8))
            continue;
        if (at >= map->count)
            return NULL;
        uint32_t value = map->units[at] & 0x7FFFFFFFu;
        bool whole = value < map->pool_size && ((uint8_t)map->pool[value] & 0xC0) != 0x80;
        return whole ? map->pool + value : NULL;
    }
    return NULL;
}

static int check_pool(const struct bt_charsmap *map, struct bt_err *err)
{
    uint32_t from = 0;

    if (map->pool_size == 0 || map->pool[map->pool_size - 1])
        return bt_fail(err, BT_ERR_TOK_FILE, "the charsmap does not end with NUL; the file is damaged");
    if (bt_utf8_prefix(map->pool, map->pool_size) < map->pool_size)
        return bt_fail(err, BT_ERR_TOK_FILE, "the charsmap replaces by what is not UTF-8; the file is damaged");
    for (uint32_t i = 0; i < map->pool_size; i++) {
        if (i - from > BT_CHARSMAP_LONGEST)
            return bt_fail(err, BT_ERR_TOK_FILE, "the charsmap replaces by more than %d bytes; the file is damaged",
                           BT_CHARSMAP_LONGEST);
        if (!map->pool[i])
            from = i + 1;
    }
    return BT_OK;
}

static int split_blob(struct bt_charsmap *map, struct bt_err *err)
{
    uint32_t trie = map->blob_size >= 4 ? little_endian(map->blob) : 0;

    if (trie == 0 || trie % 4 || trie > map->blob_size - 4)
        return bt_fail(err, BT_ERR_TOK_FILE, "a charsmap of %zu bytes with a trie of %u; the file is damaged",
                       map->blob_size, trie);
    map->pool = (const char *)map->blob + 4 + trie;
    map->pool_size = (uint32_t)(map->blob_size - 4 - trie);
    int rc = check_pool(map, err);
    if (rc)
        return rc;
    map->units = bt_alloc(trie / 4, sizeof *map->units, err);
    if (!map->units)
        return BT_ERR_MEMORY;
    map->count = trie / 4;
    for (uint32_t i = 0; i < map->count; i++)
        map->units[i] = little_endian(map->blob + 4 + 4 * (size_t)i);
    return BT_OK;
}

int bt_charsmap_init(struct bt_charsmap *map, const void *blob, size_t size, struct bt_err *err)
{
    memset(map, 0, sizeof *map);
    if (size == 0)
        return BT_OK;
    if (size > UINT32_MAX)
        return bt_fail(err, BT_ERR_LIMIT, "a charsmap of %zu bytes; at most 2^32", size);
    map->blob = bt_alloc(size, 1, err);
    if (!map->blob)
        return BT_ERR_MEMORY;
    memcpy(map->blob, blob, size);
    map->blob_size = size;
    int rc = split_blob(map, err);
    if (rc)
        bt_charsmap_free(map);
    for (int c = 1; !rc && c < 128; c++) {
        char byte = (char)c;

        map->plain[c] = c != '\r' && !replacement(map, &byte, 1); /* CR LF is one cluster */
    }
    return rc;
}

void bt_charsmap_free(struct bt_charsmap *map)
{
    free(map->blob);
    free(map->units);
    memset(map, 0, sizeof *map);
}

/* The bytes of the grapheme cluster at text, and in *chars its characters. */
static size_t cluster_size(const char *text, size_t size, size_t *chars)
{
    utf8proc_int32_t state = 0;
    uint32_t c, next;
    size_t i = (size_t)bt_utf8_next(text, size, &c);

    for (*chars = 1; i < size; ++*chars, c = next) {
        size_t length = (size_t)bt_utf8_next(text + i, size - i, &next);

        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state))
            break;
        i += length;
    }
    return i;
}

struct copy {
    struct bt_buf *out;
    const char *text;
    size_t from; /* text before it has been copied, or replaced */
};

/* Replaces the `size` bytes at `at`, if there is a replacement. */
static int replace(const struct bt_charsmap *map, struct copy *copy, size_t at, size_t size, bool *done,
                   struct bt_err *err)
{
    const char *with = replacement(map, copy->text + at, size);

    *done = with != NULL;
    if (!with)
        return BT_OK;
    int rc = bt_buf_add(copy->out, copy->text + copy->from, at - copy->from, err);
    copy->from = at + size;
    return rc ? rc : bt_buf_add(copy->out, with, strlen(with), err);
}

static int replace_each(const struct bt_charsmap *map, struct copy *copy, size_t at, size_t size, struct bt_err *err)
{
    int rc = BT_OK;
    bool done;

    for (size_t end = at + size; at < end && !rc;) {
        uint32_t c;
        size_t length = (size_t)bt_utf8_next(copy->text + at, end - at, &c);

        rc = replace(map, copy, at, length, &done, err);
        at += length;
    }
    return rc;
}

/* Bytes from i on that stay as they are, whatever follows. */
static size_t plain_run(const struct bt_charsmap *map, const char *text, size_t i, size_t size)
{
    size_t start = i;

    while (i < size && map->plain[(uint8_t)text[i]])
        i++;
    return i < size && i > start && (uint8_t)text[i] >= 0x80 ? i - 1 : i; /* a mark may follow the last */
}

int bt_charsmap_apply(const struct bt_charsmap *map, const char *text, size_t size, struct bt_buf *scratch,
                      const char **out, size_t *out_size, struct bt_err *err)
{
    struct copy copy = { scratch, text, 0 };
    int rc = BT_OK;

    scratch->size = 0;
    for (size_t i = map->count ? 0 : size; i < size && !rc;) {
        size_t chars, length;
        bool done = false;

        if ((i = plain_run(map, text, i, size)) == size)
            break;
        length = cluster_size(text + i, size - i, &chars);
        if (length < CLUSTER_MOST)
            rc = replace(map, &copy, i, length, &done, err);
        if (!rc && !done && chars > 1)
            rc = replace_each(map, &copy, i, length, err);
        i += length;
    }
    *out = text;
    *out_size = size;
    if (rc || copy.from == 0)
        return rc;
    rc = bt_buf_add(scratch, text + copy.from, size - copy.from, err);
    *out = scratch->data;
    *out_size = scratch->size;
    return rc;
}
