/* Reader of webdataset archives: neighbouring members of the same key are one sample, its ending says what a member is.
 * data.md 8.2, 10. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/reader.h"
#include "libcommon/image/tar.h"

enum { MAX_TEXT = 16 << 20, MOST_MEMBERS = 64 };

/* Endings met in the sample at hand. */
struct seen {
    char ending[32];
    uint64_t offset;
};

struct samples {
    struct bt_reader_of_items base;
    struct bt_tar *tar;
    struct bt_tar_member member; /* read, and not part of a sample yet */
    bool have_member;
    int after; /* BT_END once the last sample was handed out */
    struct seen seen[MOST_MEMBERS];
    size_t seen_count;
};

static void close_samples(struct bt_reader_of_items *r)
{
    struct samples *s = (struct samples *)r;

    bt_tar_close(s->tar);
    free(s);
}

/* Bytes of the key: up to the first dot of the last part of the name. */
static size_t key_length(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');

    return dot ? (size_t)(dot - name) : strlen(name);
}

/* __name__ and hidden files are notes of whoever packed the archive. */
static bool is_note(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    size_t length = strlen(base);

    return base[0] == '.' || (length > 4 && strncmp(base, "__", 2) == 0 && strcmp(base + length - 2, "__") == 0);
}

/* ---- members ---- */

static int take_text(struct bt_item *item, const char *text, size_t size, struct bt_err *err)
{
    json_t *caption;

    if (json_object_get(item->fields, "captions")) /* what the .json says comes first */
        return BT_OK;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3, size -= 3;
    while (size && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (memchr(text, 0, size))
        return bt_item_reject(item, "TEXT_NUL", "a NUL byte in the caption");
    caption = json_stringn(text, size);
    if (!caption)
        return bt_item_reject(item, "TEXT_UTF8", "the caption is not UTF-8");
    return bt_item_set(item, "captions", json_pack("[o]", caption), err);
}

static int take_json(struct bt_item *item, const struct bt_place *place, const char *text, size_t size, struct bt_err *err)
{
    struct bt_err why = { 0 };
    json_t *object, *mapped;
    int rc;

    if (bt_json_parse(&object, "json", text, size, &why))
        return bt_item_reject(item, why.status == BT_ERR_UTF8 ? "TEXT_UTF8" : "JSON_SYNTAX", "%.190s", why.text);
    mapped = bt_map_apply(place->options->map, object);
    json_decref(object);
    if (!mapped)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
    json_object_del(item->fields, "captions");
    rc = json_is_object(mapped) ? bt_item_take_fields(item, mapped, err)
                                : bt_item_reject(item, "JSON_TYPE", "the .json member is not an object");
    json_decref(mapped);
    return rc;
}

/* The picture of a sample; a second one of another kind is left alone, as its ending decides nothing. */
static int take_picture(struct samples *s, struct bt_item *item, uint8_t *data, struct bt_err *err)
{
    if (item->bytes || s->base.place.options->text_only) {
        free(data);
        return BT_OK;
    }
    item->bytes = data;
    item->byte_count = s->member.size;
    item->image = bt_format("%s", s->member.name);
    return item->image ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", s->base.place.path);
}

static int take_member(struct samples *s, struct bt_item *item, const char *ending, struct bt_err *err)
{
    bool text = strcasecmp(ending, "txt") == 0, json = strcasecmp(ending, "json") == 0;
    bool picture = bt_is_picture_name(s->member.name);
    uint8_t *data;
    int rc;

    if (!text && !json && !picture)
        return BT_OK;
    if ((text || json) && s->member.size > MAX_TEXT)
        return bt_item_reject(item, "TEXT_TOO_LONG", "member '%.100s' is over %d bytes", bt_quote_str(s->member.name), MAX_TEXT);
    rc = bt_tar_read(s->tar, &data, err);
    if (rc)
        return rc;
    if (picture)
        return take_picture(s, item, data, err);
    rc = text ? take_text(item, (char *)data, s->member.size, err)
              : take_json(item, &s->base.place, (char *)data, s->member.size, err);
    free(data);
    return rc;
}

/* The same name twice: which one was meant, nobody can say. */
static int note_ending(struct samples *s, struct bt_item *item, const char *ending)
{
    for (size_t i = 0; i < s->seen_count; i++)
        if (strcasecmp(s->seen[i].ending, ending) == 0)
            return bt_item_reject(item, "DUP_ID", "two members '%.60s', at %llu and %llu", bt_quote_str(s->member.name),
                                  (unsigned long long)s->seen[i].offset, (unsigned long long)s->member.offset);
    if (s->seen_count < MOST_MEMBERS) {
        snprintf(s->seen[s->seen_count].ending, sizeof s->seen->ending, "%s", ending);
        s->seen[s->seen_count++].offset = s->member.offset;
    }
    return BT_OK;
}

/* ---- samples ---- */

static int begin_sample(struct samples *s, struct bt_item *item, size_t length, struct bt_err *err)
{
    const struct bt_place *place = &s->base.place;
    bool shard = place->options->key_with_shard;

    s->seen_count = 0;
    item->root = place->root;
    item->offset = (int64_t)s->member.offset;
    item->fields = json_object();
    item->id = bt_format("%s%s%.*s", shard ? place->name : "", shard ? "/" : "", (int)length, s->member.name);
    return item->id && item->fields ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
}

static int add_member(struct samples *s, struct bt_item *item, size_t length, struct bt_err *err)
{
    const char *ending = s->member.name + length + (s->member.name[length] == '.');
    int rc = BT_OK;

    if (s->member.reject.code && !item->reject.code)
        return bt_item_reject(item, s->member.reject.code, "member '%.80s' at %llu: %.90s", bt_quote_str(s->member.name),
                              (unsigned long long)s->member.offset, s->member.reject.detail);
    if (!item->reject.code)
        rc = note_ending(s, item, ending);
    return !rc && !item->reject.code ? take_member(s, item, ending, err) : rc;
}

static int next_member(struct samples *s, struct bt_err *err)
{
    int rc;

    do
        rc = bt_tar_next(s->tar, &s->member, err);
    while (!rc && is_note(s->member.name));
    s->have_member = !rc;
    return rc;
}

static void check_sample(const struct samples *s, struct bt_item *item)
{
    size_t used = 0;
    char endings[120] = "";

    if (item->reject.code || item->bytes || s->base.place.options->text_only)
        return;
    for (size_t i = 0; i < s->seen_count && used + sizeof s->seen->ending < sizeof endings; i++)
        used += (size_t)snprintf(endings + used, sizeof endings - used, " %s", s->seen[i].ending);
    bt_item_reject(item, "FIELD_MISSING", "no picture in the sample, only%s", endings);
}

/* An archive that ends early is an error, unless its whole samples are wanted: the one at hand may lack members. */
static int end_early(struct samples *s, struct bt_item *item, int rc, struct bt_err *err)
{
    bt_item_clear(item);
    if (rc != BT_ERR_TAR_TRUNC || !s->base.place.options->keep_going)
        return rc;
    bt_warn("%s [%s]", err->text, bt_status_name(rc));
    bt_err_clear(err);
    s->base.place.stats->cut++;
    return BT_END;
}

static int next_sample(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct samples *s = (struct samples *)r;
    size_t length = 0;
    char *key = NULL;
    int rc = s->after;

    if (!rc && !s->have_member)
        rc = next_member(s, err);
    if (!rc) {
        length = key_length(s->member.name);
        key = bt_format("%.*s", (int)length, s->member.name);
        rc = key ? begin_sample(s, item, length, err) : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", r->place.path);
    }
    while (!rc) {
        rc = add_member(s, item, length, err);
        if (!rc)
            rc = next_member(s, err);
        if (!rc && (key_length(s->member.name) != length || strncmp(s->member.name, key, length) != 0))
            break;
    }
    free(key);
    if (rc == BT_END && item->id) {
        s->after = BT_END;
        rc = BT_OK;
    }
    if (rc)
        return end_early(s, item, rc, err);
    check_sample(s, item);
    return BT_OK;
}

int bt_read_tar(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    struct samples *s = bt_alloc(1, sizeof *s, err);
    int rc = s ? bt_tar_open(&s->tar, place->path, err) : BT_ERR_MEMORY;

    if (rc) {
        free(s);
        return rc;
    }
    s->base = (struct bt_reader_of_items){ .place = *place, .next = next_sample, .close = close_samples };
    *r = &s->base;
    return BT_OK;
}
