/* Writing (formats.md 3.2). */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/tensor/safetensors_private.h"

#define ALIGNMENT 64 /* of the first byte of data in the file */

static int by_size_and_name(const void *a, const void *b)
{
    const struct bt_st_tensor *const *s = a, *const *t = b;
    size_t x = bt_dtype_size((*s)->dtype), y = bt_dtype_size((*t)->dtype);

    if (x == y)
        return strcmp((*s)->name, (*t)->name);
    return x > y ? -1 : 1;
}

static int memory_failed(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "safetensors: no memory for the header; free memory");
}

/* Pairs and tensors arrive once each; a name that is not UTF-8 makes jansson return NULL. */
static int add_member(json_t *object, const char *key, json_t *value, struct bt_err *err)
{
    json_t *as_text = json_string(key);
    int rc = BT_OK;

    if (!as_text || !value || json_object_get(object, key) || strlen(key) > ST_NAME_MAX)
        rc = bt_fail(err, BT_ERR_ST,
                     "safetensors: '%s' is twice there, longer than %d bytes or not UTF-8; rename it",
                     bt_quote_str(key), ST_NAME_MAX);
    else if (json_object_set(object, key, value))
        rc = memory_failed(err);
    json_decref(as_text);
    json_decref(value);
    return rc;
}

static int add_metadata(json_t *root, const struct bt_st_pair *pairs, uint64_t count, struct bt_err *err)
{
    json_t *metadata = json_object();
    int rc = metadata ? add_member(metadata, "format", json_string("pt"), err) : memory_failed(err);

    for (uint64_t i = 0; i < count && !rc; i++)
        rc = add_member(metadata, pairs[i].key, json_string(pairs[i].value), err);
    if (!rc && json_object_set(root, ST_METADATA, metadata))
        rc = memory_failed(err);
    json_decref(metadata);
    return rc;
}

/* Moves *offset behind the tensor. */
static int add_tensor(json_t *root, const struct bt_st_tensor *t, uint64_t *offset, struct bt_err *err)
{
    uint64_t count, bytes, end;
    json_t *shape;

    if (!bt_st_measure(t, &count, &bytes) || !bt_add_u64(*offset, bytes, &end) || end >= (uint64_t)1 << 53)
        return bt_fail(err, BT_ERR_ST,
                       "safetensors: '%s' has more dimensions or bytes than a file may hold; split it",
                       bt_quote_str(t->name));
    shape = json_array();
    for (int i = 0; i < t->rank; i++) {
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i]))) {
            json_decref(shape);
            return memory_failed(err);
        }
    }

    json_t *value = json_pack("{s:s, s:o, s:[I, I]}", "dtype", bt_dtype_name(t->dtype), "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)end);

    if (!value)
        return memory_failed(err);
    *offset = end;
    return add_member(root, t->name, value, err);
}

/* The text that begins the file: size, JSON, and the spaces that bring the data to its alignment. */
static int make_header(struct bt_buf *header, const struct bt_st_tensor *const *sorted, uint64_t count,
                       const struct bt_st_pair *pairs, uint64_t pair_count, struct bt_err *err)
{
    static const uint8_t nothing[ST_PREFIX_SIZE];
    json_t *root = json_object();
    char *text = NULL;
    uint64_t offset = 0;
    int rc = root ? add_metadata(root, pairs, pair_count, err) : memory_failed(err);

    for (uint64_t i = 0; i < count && !rc; i++)
        rc = add_tensor(root, sorted[i], &offset, err);
    if (!rc && !(text = json_dumps(root, JSON_COMPACT)))
        rc = memory_failed(err);
    if (!rc)
        rc = bt_buf_add(header, nothing, sizeof nothing, err);
    if (!rc)
        rc = bt_buf_add(header, text, strlen(text), err);
    while (!rc && header->size % ALIGNMENT)
        rc = bt_buf_add(header, " ", 1, err);
    if (!rc && (header->size - ST_PREFIX_SIZE > ST_HEADER_MAX || count > ST_TENSORS_MAX))
        rc = bt_fail(err, BT_ERR_LIMIT, "safetensors: more tensors than a file may hold; split the model");
    for (int i = 0; i < ST_PREFIX_SIZE && !rc; i++)
        header->data[i] = (char)((header->size - ST_PREFIX_SIZE) >> (8 * i) & 0xff);
    free(text);
    json_decref(root);
    return rc;
}

static int put(struct bt_outfile *out, struct bt_sha256_state *sha, const void *data, uint64_t size,
               uint64_t *bytes, struct bt_err *err)
{
    if (!size)
        return BT_OK;
    bt_sha256_add(sha, data, size);
    *bytes += size;
    return bt_outfile_write(out, data, size, err);
}

int bt_safetensors_write(struct bt_outfile *out, const struct bt_st_tensor *tensors, uint64_t count,
                         const struct bt_st_pair *pairs, uint64_t pair_count, uint64_t *bytes,
                         uint8_t sha256[32], struct bt_err *err)
{
    const struct bt_st_tensor **sorted = bt_alloc(count, sizeof *sorted, err);
    struct bt_sha256_state *sha = bt_sha256_new();
    struct bt_buf header = { 0 };
    uint64_t written = 0, elements, size;
    uint8_t digest[32];
    int rc = sorted && sha ? BT_OK : memory_failed(err);

    if (!rc) {
        for (uint64_t i = 0; i < count; i++)
            sorted[i] = &tensors[i];
        if (count > 1)
            qsort(sorted, count, sizeof *sorted, by_size_and_name);
        rc = make_header(&header, sorted, count, pairs, pair_count, err);
    }
    if (!rc)
        rc = put(out, sha, header.data, header.size, &written, err);
    for (uint64_t i = 0; i < count && !rc; i++) {
        bt_st_measure(sorted[i], &elements, &size); /* make_header has checked it */
        rc = put(out, sha, sorted[i]->data, size, &written, err);
    }
    if (!rc) {
        bt_sha256_value(sha, digest);
        if (bytes)
            *bytes = written;
        if (sha256)
            memcpy(sha256, digest, sizeof digest);
    }
    bt_buf_free(&header);
    bt_sha256_free(sha);
    free(sorted);
    return rc;
}
