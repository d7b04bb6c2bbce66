/* bt-dataset.json: what makes shards a set. Source: formats.md 2.4. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/shard/shard_private.h"
#include "libcommon/stream/twin.h"

enum { MANIFEST_BYTES = 64 << 20 };

/* ---- reading ---- */

static int no_manifest(const char *place, const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_SHARD, "%s: %s; it is not the manifest of a set: make the set again", place,
                   what);
}

static bool consists_of(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

/* A hash as we write it: `size` digits. */
static bool is_hash(const char *text, size_t size)
{
    return text && strlen(text) == size && consists_of(text, "0123456789abcdef");
}

/* A finished shard beside the manifest: no path, no .part. */
static bool is_shard_name(const char *name)
{
    size_t size = strlen(name);

    return name[0] != '.' && consists_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") && size < sizeof((struct bt_shard_info *)0)->file &&
           size > 4 && strcmp(name + size - 4, ".mdb") == 0;
}

static int load_shard(struct bt_manifest *m, const json_t *object, const char *place, struct bt_err *err)
{
    struct bt_shard_info info = { .n = 0 };
    const char *file = NULL, *sha256 = NULL, *content = NULL;
    int64_t first = -1, n = -1, bytes = -1, rejects = 0, inputs = 0;
    int rc = bt_json_get_str(object, "file", &file, place, err);

    if (!rc)
        rc = bt_json_get_str(object, "sha256", &sha256, place, err);
    if (!rc)
        rc = bt_json_get_str(object, "content", &content, place, err);
    if (!rc)
        rc = bt_json_get_int(object, "first", &first, place, err);
    if (!rc)
        rc = bt_json_get_int(object, "n", &n, place, err);
    if (!rc)
        rc = bt_json_get_int(object, "bytes", &bytes, place, err);
    if (!rc)
        rc = bt_json_get_int(object, "rejects", &rejects, place, err);
    if (!rc)
        rc = bt_json_get_int(object, "inputs", &inputs, place, err);
    if (rc)
        return rc;
    if (!file || !is_shard_name(file) || !is_hash(sha256, 64) || !is_hash(content, 16))
        return no_manifest(place, "a shard without a bare file name, sha256 or content", err);
    if (m->count > 0 && strcmp(m->shards[m->count - 1].file, file) >= 0)
        return no_manifest(place, "a shard twice, or out of order", err);
    if (first != (int64_t)m->n || n < 0 || bytes < 0 || rejects < 0 || inputs < 0)
        return no_manifest(place, "shards whose numbers do not follow one another", err);
    strcpy(info.file, file);
    strcpy(info.sha256, sha256);
    info.first = (uint64_t)first;
    info.n = (uint64_t)n;
    info.bytes = (uint64_t)bytes;
    info.rejects = (uint64_t)rejects;
    info.inputs = (uint64_t)inputs;
    info.content = strtoull(content, NULL, 16);
    return bt_manifest_add(m, &info, err);
}

/* Counts the shards from `from` on. */
static int count_shards(struct bt_manifest *m, uint64_t from, struct bt_err *err)
{
    for (uint64_t i = from; i < m->count; i++) {
        struct bt_shard_info *info = &m->shards[i];

        info->first = m->n;
        if (!bt_add_u64(m->n, info->n, &m->n) || !bt_add_u64(m->inputs, info->inputs, &m->inputs) ||
            !bt_add_u64(m->rejects, info->rejects, &m->rejects))
            return no_manifest(info->file, "numbers beyond all measure", err);
    }
    return BT_OK;
}

static int count_anew(struct bt_manifest *m, struct bt_err *err)
{
    m->n = m->inputs = m->rejects = 0;
    return count_shards(m, 0, err);
}

int bt_manifest_add(struct bt_manifest *m, const struct bt_shard_info *info, struct bt_err *err)
{
    int rc = bt_grow(&m->shards, &m->capacity, m->count + 1, sizeof *m->shards, err);

    if (rc)
        return rc;
    m->shards[m->count++] = *info;
    return count_shards(m, m->count - 1, err);
}

/* Where a shard stands, or is to stand. */
static uint64_t place_of(const struct bt_manifest *m, const char *file)
{
    uint64_t low = 0, high = m->count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (strcmp(m->shards[middle].file, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct bt_shard_info *bt_manifest_find(const struct bt_manifest *m, const char *file)
{
    uint64_t at = place_of(m, file);

    return at < m->count && strcmp(m->shards[at].file, file) == 0 ? &m->shards[at] : NULL;
}

int bt_manifest_put(struct bt_manifest *m, const struct bt_shard_info *info, struct bt_err *err)
{
    bool there = bt_manifest_find(m, info->file) != NULL;
    uint64_t at = place_of(m, info->file);
    int rc = there ? BT_OK : bt_grow(&m->shards, &m->capacity, m->count + 1, sizeof *m->shards, err);

    if (rc)
        return rc;
    if (!there)
        memmove(&m->shards[at + 1], &m->shards[at], (m->count++ - at) * sizeof *m->shards);
    m->shards[at] = *info;
    return count_anew(m, err);
}

int bt_manifest_drop(struct bt_manifest *m, const char *file, struct bt_err *err)
{
    uint64_t at = place_of(m, file);

    if (!bt_manifest_find(m, file))
        return BT_OK;
    memmove(&m->shards[at], &m->shards[at + 1], (--m->count - at) * sizeof *m->shards);
    return count_anew(m, err);
}

/* The provenance of all shards stands in the manifest member by member. */
static int load_prov(struct bt_manifest *m, const json_t *root, struct bt_err *err)
{
    static const char *const names[] = { "tool", "version", "options", "inputs" };
    json_t *prov = json_object();
    int rc =
        prov ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory for a manifest; free some and run again");

    for (size_t i = 0; !rc && i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(root, names[i]);

        if (value)
            json_object_set(prov, names[i], value);
    }
    if (!rc && json_object_size(prov) > 0)
        rc = bt_twin_set(m->header, "prov", prov, err);
    json_decref(prov);
    return rc;
}

static int load(struct bt_manifest *m, const json_t *root, const char *place, struct bt_err *err)
{
    const json_t *shards = json_object_get(root, "shards"), *must = json_object_get(root, "must");
    const char *schema = NULL;
    int64_t version = 0, n = -1, data_version = 1;
    int rc = bt_json_get_int(root, "bt_dataset", &version, place, err);

    if (!rc && version != 1)
        return no_manifest(place, "'bt_dataset' is not 1", err);
    if (!rc)
        rc = bt_json_get_str(root, "schema", &schema, place, err);
    if (!rc)
        rc = bt_json_get_bool(root, "complete", &m->complete, place, err);
    if (!rc)
        rc = bt_json_get_int(root, "n", &n, place, err);
    if (!rc && json_object_get(root, "lmdb"))
        rc = bt_json_get_int(json_object_get(root, "lmdb"), "data_version", &data_version, place, err);
    if (rc)
        return rc;
    if (data_version != 1)
        return bt_fail(err, BT_ERR_LMDB_VERSION,
                       "%s: LMDB data version %lld, this build reads 1; write it as a stream with "
                       "'bt-cat' where it was made and read that here",
                       place, (long long)data_version);
    if (!schema || !json_is_array(shards) || (must && !json_is_object(must)))
        return no_manifest(place, "'schema', 'must' or 'shards' is missing or of another type", err);
    rc = bt_record_set_str(m->header, "schema", schema, strlen(schema), err);
    if (!rc && must && json_object_size(must) > 0)
        rc = bt_twin_set(m->header, "must", must, err);
    if (!rc)
        rc = load_prov(m, root, err);
    for (size_t i = 0; !rc && i < json_array_size(shards); i++)
        rc = load_shard(m, json_array_get(shards, i), place, err);
    if (!rc && n != (int64_t)m->n)
        rc = no_manifest(place, "'n' is not the sum over its shards", err);
    return rc;
}

int bt_manifest_load(struct bt_manifest *m, const char *dir, struct bt_err *err)
{
    char *path = bt_format("%s/bt-dataset.json", dir), *text = NULL;
    uint8_t digest[32];
    size_t size = 0;
    json_t *root = NULL;
    int rc = BT_OK;

    m->header = bt_record_new();
    if (!path || !m->header)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", dir);
    if (!rc && !bt_path_exists(path))
        rc = BT_END;
    if (!rc)
        rc = bt_file_read(path, MANIFEST_BYTES, &text, &size, err);
    if (!rc)
        rc = bt_json_parse(&root, path, text, size, err);
    if (!rc && !json_is_object(root))
        rc = no_manifest(path, "not an object", err);
    if (!rc && text[size - 1] != '\n') /* the one byte whose loss JSON does not notice */
        rc = no_manifest(path, "ends without a newline, so it is cut", err);
    if (!rc)
        rc = load(m, root, path, err);
    if (!rc) {
        bt_sha256(text, size, digest);
        bt_hex(m->identity, digest, sizeof digest);
    }
    json_decref(root);
    free(text);
    free(path);
    return rc;
}

void bt_manifest_free(struct bt_manifest *m)
{
    bt_record_free(m->header);
    free(m->shards);
    *m = (struct bt_manifest){ 0 };
}

/* ---- writing ---- */

static int put_value(struct bt_buf *buf, const char *key, struct bt_value value, struct bt_err *err)
{
    int rc = bt_buf_printf(buf, err, "  \"%s\": ", key);

    if (!rc)
        rc = bt_twin_value(buf, value, BT_BIN_BASE64, err);
    return rc ? rc : bt_buf_add(buf, ",\n", 2, err);
}

static int put_prov(struct bt_buf *buf, struct bt_value prov, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = 0; !rc && prov.kind == BT_MAP && i < prov.size; i++) {
        struct bt_value key, value = bt_value_pair(prov, i, &key);
        char name[72] = "";

        memcpy(name, key.data, key.size < sizeof name ? key.size : sizeof name - 1);
        rc = put_value(buf, name, value, err);
    }
    return rc;
}

static int put_shard(struct bt_buf *buf, const struct bt_shard_info *s, bool last, struct bt_err *err)
{
    return bt_buf_printf(
        buf, err,
        "    {\"file\": \"%s\", \"first\": %llu, \"n\": %llu, \"bytes\": %llu, \"sha256\": \"%s\", "
        "\"content\": \"%016llx\", \"rejects\": %llu, \"inputs\": %llu}%s\n",
        s->file, (unsigned long long)s->first, (unsigned long long)s->n, (unsigned long long)s->bytes,
        s->sha256, (unsigned long long)s->content, (unsigned long long)s->rejects,
        (unsigned long long)s->inputs, last ? "" : ",");
}

int bt_manifest_save(const struct bt_manifest *m, const char *dir, uint64_t repeated, struct bt_err *err)
{
    struct bt_value must = bt_record_get(m->header, "must");
    struct bt_buf buf = { 0 };
    char *path = bt_format("%s/bt-dataset.json", dir);
    int rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", dir);

    if (!rc)
        rc = bt_buf_printf(&buf, err, "{\n  \"bt_dataset\": 1,\n");
    if (!rc)
        rc = put_value(&buf, "schema", bt_record_get(m->header, "schema"), err);
    if (!rc)
        rc = must.kind == BT_MAP ? put_value(&buf, "must", must, err)
                                 : bt_buf_printf(&buf, err, "  \"must\": {},\n");
    if (!rc)
        rc = bt_buf_printf(
            &buf, err,
            "  \"n\": %llu,\n  \"rejects\": %llu,\n  \"repeated_ids\": %llu,\n  \"complete\": %s,\n"
            "  \"lmdb\": {\"data_version\": 1, \"word\": 64, \"endian\": \"little\", \"psize\": 4096},\n",
            (unsigned long long)m->n, (unsigned long long)m->rejects, (unsigned long long)repeated,
            m->complete ? "true" : "false");
    if (!rc)
        rc = put_prov(&buf, bt_record_get(m->header, "prov"), err);
    if (!rc)
        rc = bt_buf_printf(&buf, err, "  \"shards\": [\n");
    for (uint64_t i = 0; !rc && i < m->count; i++)
        rc = put_shard(&buf, &m->shards[i], i + 1 == m->count, err);
    if (!rc)
        rc = bt_buf_printf(&buf, err, "  ]\n}\n");
    if (!rc)
        rc = bt_file_write(path, buf.data, buf.size, true, err);
    bt_buf_free(&buf);
    free(path);
    return rc;
}
