#include "libcommon/metrics/jar.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"

enum {
    END_SIZE = 22,   /* end of central directory, then a comment */
    ENTRY_SIZE = 46, /* central directory header, then name, extra field, comment */
    LOCAL_SIZE = 30, /* local header, then name, extra field */
    MAX_COMMENT = 65535,
    STORED = 0,
    DEFLATED = 8
};

struct bt_jar {
    char *path;
    bool directory;
    struct bt_map map;
    size_t entries, entry_count; /* where the central directory begins */
};

/* Where a member's bytes are. */
struct entry {
    const uint8_t *data;
    uint32_t packed, size, crc;
    int method;
};

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

/* The end of the central directory stands at the end of the file, before a comment. */
static int find_directory(struct bt_jar *jar, struct bt_err *err)
{
    const uint8_t *p = jar->map.data;
    size_t size = jar->map.size, least = size > END_SIZE + MAX_COMMENT ? size - END_SIZE - MAX_COMMENT : 0;

    for (size_t at = size < END_SIZE ? 0 : size - END_SIZE + 1; at-- > least;)
        if (memcmp(p + at, "PK\5\6", 4) == 0) {
            jar->entry_count = u16(p + at + 10);
            jar->entries = u32(p + at + 16);
            return BT_OK;
        }
    return bt_fail(err, BT_ERR_INPUT, "%s: not a jar (no end of a zip archive); get the file again",
                   jar->path);
}

int bt_jar_open(struct bt_jar **jar, const char *path, struct bt_err *err)
{
    struct bt_jar *j = bt_alloc(1, sizeof *j, err);
    if (!j)
        return BT_ERR_MEMORY;
    j->path = strdup(path);
    j->directory = bt_path_is_dir(path);
    int rc = j->path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
    if (!rc && !j->directory)
        rc = bt_map_open(&j->map, path, err);
    if (!rc && !j->directory)
        rc = find_directory(j, err);
    if (rc)
        bt_jar_close(j);
    else
        *jar = j;
    return rc;
}

void bt_jar_close(struct bt_jar *jar)
{
    if (!jar)
        return;
    bt_map_close(&jar->map);
    free(jar->path);
    free(jar);
}

static int damaged(const struct bt_jar *jar, const char *member, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_INPUT, "%s: %s is damaged; get the jar again", jar->path, member);
}

static int find(const struct bt_jar *jar, const char *member, struct entry *entry, struct bt_err *err)
{
    const uint8_t *p = jar->map.data;
    size_t size = jar->map.size, at = jar->entries, name = strlen(member);

    for (size_t i = 0; i < jar->entry_count; i++) {
        if (at > size || size - at < ENTRY_SIZE || memcmp(p + at, "PK\1\2", 4) != 0)
            return damaged(jar, "the directory of the archive", err);
        size_t tail = u16(p + at + 28) + u16(p + at + 30) + u16(p + at + 32), local = u32(p + at + 42);
        if (size - at - ENTRY_SIZE < tail)
            return damaged(jar, "the directory of the archive", err);
        if (u16(p + at + 28) != name || memcmp(p + at + ENTRY_SIZE, member, name) != 0) {
            at += ENTRY_SIZE + tail;
            continue;
        }
        if (local > size || size - local < LOCAL_SIZE)
            return damaged(jar, member, err);
        size_t begin = local + LOCAL_SIZE + u16(p + local + 26) + u16(p + local + 28);
        *entry = (struct entry){ p + begin, u32(p + at + 20), u32(p + at + 24), u32(p + at + 16),
                                 (int)u16(p + at + 10) };
        if (begin > size || size - begin < entry->packed)
            return damaged(jar, member, err);
        return BT_OK;
    }
    return bt_fail(err, BT_ERR_NOINPUT, "%s: has no %s; is it the right jar?", jar->path, member);
}

/* False unless exactly entry->size bytes come out. */
static bool unpack(const struct entry *entry, char *out)
{
    if (entry->method == STORED) {
        if (entry->packed != entry->size)
            return false;
        memcpy(out, entry->data, entry->size);
        return true;
    }
    z_stream z = { .next_in = (Bytef *)entry->data,
                   .avail_in = entry->packed,
                   .next_out = (Bytef *)out,
                   .avail_out = entry->size };
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    int status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return status == Z_STREAM_END && z.avail_out == 0;
}

int bt_jar_read(const struct bt_jar *jar, const char *member, size_t limit, char **data, size_t *size,
                struct bt_err *err)
{
    struct entry entry = { 0 };
    if (jar->directory) {
        char *path = bt_format("%s/%s", jar->path, member);
        int rc = path ? bt_file_read(path, limit, data, size, err)
                      : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", jar->path);
        free(path);
        return rc;
    }
    int rc = find(jar, member, &entry, err);
    if (rc)
        return rc;
    if (entry.method != STORED && entry.method != DEFLATED)
        return bt_fail(err, BT_ERR_INPUT, "%s: %s is packed by method %d; pack it with deflate", jar->path,
                       member, entry.method);
    if (entry.size > limit)
        return bt_fail(err, BT_ERR_LIMIT, "%s: %s has %u bytes, the limit is %zu", jar->path, member,
                       entry.size, limit);
    char *out = bt_alloc((uint64_t)entry.size + 1, 1, err);
    if (!out)
        return BT_ERR_MEMORY;
    if (!unpack(&entry, out) || crc32(0, (const Bytef *)out, entry.size) != entry.crc) {
        free(out);
        return damaged(jar, member, err);
    }
    *data = out;
    *size = entry.size;
    return BT_OK;
}
