/* Tar, header by header. Source: POSIX.1-2017 pax (ustar and extended headers); GNU tar's long names. */
#include "libcommon/image/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/unpack.h"
#include "libcommon/image/codec.h"

enum { BLOCK = 512, MAX_NAME = 4096, MAX_EXTENDED = 1 << 20, MAX_MEMBER = 64 << 20 };

struct bt_tar {
    struct bt_unpack *bytes;
    char *place;
    uint64_t at;       /* bytes read */
    uint64_t left;     /* of the member at hand, padding included */
    uint64_t size;     /* of the member at hand */
    char *name, *whole; /* of the member at hand; of the last one that was read to its end */
    char *long_name;   /* said by an extended header for the next member */
    int64_t long_size;
    bool sparse;
};

int bt_tar_open(struct bt_tar **out, const char *path, struct bt_err *err)
{
    struct bt_tar *tar = bt_alloc(1, sizeof *tar, err);
    int rc = tar ? bt_unpack_open(&tar->bytes, path, err) : BT_ERR_MEMORY;

    if (!rc && !(tar->place = strdup(bt_input_name(path))))
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
    if (rc)
        bt_tar_close(tar);
    else
        *out = tar;
    return rc;
}

void bt_tar_close(struct bt_tar *tar)
{
    if (!tar)
        return;
    bt_unpack_close(tar->bytes);
    free(tar->place);
    free(tar->name);
    free(tar->whole);
    free(tar->long_name);
    free(tar);
}

/* ---- bytes ---- */

static int truncated(const struct bt_tar *tar, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_TAR_TRUNC, "%s:%llu: the archive ends here without its end mark; %s%s; copy it again, or take the whole "
                   "samples before with --keep-going", tar->place, (unsigned long long)tar->at,
                   tar->whole ? "the last whole member is " : "no member is whole", tar->whole ? bt_quote_str(tar->whole) : "");
}

static int read_bytes(struct bt_tar *tar, void *data, size_t size, struct bt_err *err)
{
    size_t have = 0;

    while (have < size) {
        ssize_t got = bt_unpack_read(tar->bytes, (char *)data + have, size - have, err);

        if (got < 0)
            return err->status;
        if (got == 0)
            return truncated(tar, err);
        have += (size_t)got;
        tar->at += (uint64_t)got;
    }
    return BT_OK;
}

static int pass_over(struct bt_tar *tar, uint64_t size, struct bt_err *err)
{
    char drop[8192];
    int rc = BT_OK;

    for (; size && !rc; size -= size < sizeof drop ? size : sizeof drop)
        rc = read_bytes(tar, drop, size < sizeof drop ? (size_t)size : sizeof drop, err);
    return rc;
}

/* What stands behind the end mark: whoever writes it into a pipe must not find it closed. */
static void drain(struct bt_tar *tar)
{
    struct bt_err ignored = { 0 };
    char drop[8192];

    while (bt_unpack_read(tar->bytes, drop, sizeof drop, &ignored) > 0)
        ;
}

static uint64_t padded(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* What is left of the member before; then it was whole. */
static int finish_member(struct bt_tar *tar, struct bt_err *err)
{
    int rc = pass_over(tar, tar->left, err);

    tar->left = 0;
    if (!rc && tar->name) {
        free(tar->whole);
        tar->whole = tar->name;
        tar->name = NULL;
    }
    return rc;
}

/* ---- headers ---- */

/* Octal, or from the first byte's top bit on a big-endian number; -1 when it is neither. */
static int64_t number(const uint8_t *field, size_t size)
{
    int64_t value = 0;
    size_t i = 0;

    if (field[0] & 0x80) {
        if (field[0] & 0x7f)
            return -1;
        for (i = 1; i < size; i++) {
            if (value >> 54)
                return -1;
            value = value << 8 | field[i];
        }
        return value;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (field[i] - '0');
    return i < size && field[i] != ' ' && field[i] != '\0' ? -1 : value;
}

static bool checksum_holds(const uint8_t *header)
{
    int64_t sum = 0, signed_sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        bool own = i >= 148 && i < 156;

        sum += own ? ' ' : header[i];
        signed_sum += own ? ' ' : (int8_t)header[i]; /* some old writers' */
    }
    int64_t said = number(header + 148, 8);

    return said == sum || said == signed_sum;
}

static bool all_zero(const uint8_t *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

/* ustar's name: prefix, slash, name. */
static char *header_name(const uint8_t *header)
{
    const char *name = (const char *)header, *prefix = (const char *)header + 345;
    bool ustar = memcmp(header + 257, "ustar", 6) == 0 && *prefix; /* GNU's header has other things there */

    return ustar ? bt_format("%.155s/%.100s", prefix, name) : bt_format("%.100s", name);
}

/* "27 path=folder/name\n" and the like: what concerns us of them. */
static int read_records(struct bt_tar *tar, char *text, size_t size, struct bt_err *err)
{
    while (size > 0) {
        char *space = memchr(text, ' ', size), *equals;
        unsigned long length = space ? strtoul(text, NULL, 10) : 0;

        equals = space ? memchr(space, '=', size - (size_t)(space - text)) : NULL;
        if (!equals || length > size || text + length <= equals || text[length - 1] != '\n')
            return bt_fail(err, BT_ERR_INPUT, "%s:%llu: an extended header that is none; the archive is damaged: copy it again",
                           tar->place, (unsigned long long)tar->at);
        text[length - 1] = *equals = '\0';
        if (strcmp(space + 1, "path") == 0) {
            free(tar->long_name);
            tar->long_name = strdup(equals + 1);
        } else if (strcmp(space + 1, "size") == 0) {
            tar->long_size = strtoll(equals + 1, NULL, 10);
        } else if (strncmp(space + 1, "GNU.sparse.", 11) == 0) {
            tar->sparse = true;
        }
        text += length;
        size -= length;
    }
    return BT_OK;
}

/* A header that speaks of the next one. */
static int read_extended(struct bt_tar *tar, char type, int64_t size, struct bt_err *err)
{
    char *text;
    int rc;

    if (type == 'g' || type == 'K') /* of all members, and the target of a link: neither names a file */
        return pass_over(tar, padded((uint64_t)size), err);
    if (size > MAX_EXTENDED)
        return bt_fail(err, BT_ERR_LIMIT, "%s:%llu: an extended header of %lld bytes; at most 1 MiB is read", tar->place,
                       (unsigned long long)tar->at, (long long)size);
    text = bt_alloc(padded((uint64_t)size) + 1, 1, err);
    if (!text)
        return err->status;
    rc = read_bytes(tar, text, padded((uint64_t)size), err);
    if (!rc)
        text[size] = '\0';
    if (!rc && type == 'L') {
        free(tar->long_name);
        tar->long_name = strdup(text);
    } else if (!rc) {
        rc = read_records(tar, text, (size_t)size, err);
    }
    free(text);
    return rc;
}

/* ---- members ---- */

static void judge(const struct bt_tar *tar, struct bt_tar_member *m, char type)
{
    json_t *text = json_stringn(tar->name, strlen(tar->name));

    if (!text || strlen(tar->name) > MAX_NAME || !*tar->name)
        bt_image_refuse(&m->reject, "TAR_NAME", "a name that is not UTF-8, empty, or over %d bytes", MAX_NAME);
    else if (type == 'S' || tar->sparse)
        bt_image_refuse(&m->reject, "TAR_SPARSE", "a sparse file");
    else if (type >= '1' && type <= '6')
        bt_image_refuse(&m->reject, "TAR_LINK", "a %s, no file", type == '1' || type == '2' ? "link" : "device");
    else if (m->size > MAX_MEMBER)
        bt_image_refuse(&m->reject, "FILE_TOO_LARGE", "%llu bytes, the limit is %d", (unsigned long long)m->size, MAX_MEMBER);
    json_decref(text);
}

static int take_header(struct bt_tar *tar, const uint8_t *header, struct bt_tar_member *m, bool *found, struct bt_err *err)
{
    int64_t size = number(header + 124, 12);
    char type = (char)header[156];

    if (!checksum_holds(header) || size < 0)
        return bt_fail(err, BT_ERR_INPUT, "%s:%llu: no tar header here; %s", tar->place, (unsigned long long)tar->at - BLOCK,
                       tar->at == BLOCK ? "is it a tar archive?" : "the archive is damaged: copy it again");
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K')
        return read_extended(tar, type, size, err);
    tar->name = tar->long_name ? tar->long_name : header_name(header);
    tar->long_name = NULL;
    if (tar->long_size >= 0)
        size = tar->long_size;
    if (!tar->name)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", tar->place);
    m->name = tar->name;
    m->size = tar->size = (uint64_t)size;
    m->reject = (struct bt_image_reject){ 0 };
    tar->left = type >= '1' && type <= '6' ? 0 : padded(m->size); /* links and devices have no bytes whatever they say */
    judge(tar, m, type);
    tar->long_size = -1;
    tar->sparse = false;
    *found = type != '5';
    return BT_OK;
}

int bt_tar_next(struct bt_tar *tar, struct bt_tar_member *member, struct bt_err *err)
{
    uint8_t header[BLOCK];
    bool found = false;
    int rc = finish_member(tar, err);

    member->offset = tar->at;
    tar->long_size = -1;
    while (!rc && !found) {
        rc = read_bytes(tar, header, BLOCK, err);
        if (!rc && all_zero(header)) {
            drain(tar);
            return BT_END;
        }
        if (!rc)
            rc = take_header(tar, header, member, &found, err);
        if (!rc && tar->name && !found) { /* a folder */
            rc = finish_member(tar, err);
            member->offset = tar->at;
        }
    }
    return rc;
}

int bt_tar_read(struct bt_tar *tar, uint8_t **data, struct bt_err *err)
{
    uint8_t *bytes = bt_alloc(tar->size + 1, 1, err);
    int rc = bytes ? read_bytes(tar, bytes, (size_t)tar->size, err) : err->status;

    if (rc) {
        free(bytes);
        return rc;
    }
    tar->left -= tar->size;
    *data = bytes;
    return BT_OK;
}
