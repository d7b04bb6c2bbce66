/* Reading. The checks follow formats.md 9, whose rule numbers stand beside them. */
#include "libcommon/tensor/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/tensor/safetensors_private.h"

#define WHOLE_MAX (((int64_t)1 << 53) - 1)
#define FETCH     "the file is damaged or hostile: fetch it again"

struct file {
    char *path;
    const char *name; /* last part of path */
    struct bt_map map;
    json_t *metadata; /* NULL: none */
};

struct bt_safetensors {
    char *path;
    struct file *files;
    uint64_t file_count, file_capacity;
    struct bt_st_tensor *tensors;
    uint64_t count, capacity;
    struct bt_arena *names;
};

bool bt_st_measure(const struct bt_st_tensor *t, uint64_t *count, uint64_t *bytes)
{
    uint64_t product = 1;

    if (t->rank < 0 || t->rank > BT_ST_RANK_MAX)
        return false;
    for (int i = 0; i < t->rank; i++) {
        if (t->shape[i] > ST_DIMENSION_MAX || !bt_mul_u64(product, t->shape[i], &product))
            return false;
    }
    *count = product;
    return bt_mul_u64(product, bt_dtype_size(t->dtype), bytes);
}

/* ---------------------------------------------------------------- the header as text: rules 1 and 2 */

static int header_size(const struct file *f, size_t *size, struct bt_err *err)
{
    uint64_t n = 0;

    if (f->map.size < ST_PREFIX_SIZE)
        return bt_fail(err, BT_ERR_ST, "%s: %zu bytes are too few for a safetensors file; " FETCH,
                       bt_quote_str(f->path), f->map.size);
    for (int i = 0; i < ST_PREFIX_SIZE; i++)
        n |= (uint64_t)f->map.data[i] << (8 * i);
    if (n > ST_HEADER_MAX && (memcmp(f->map.data, "PK\3\4", 4) == 0 || memcmp(f->map.data, "\x80\2\x8a\x0a", 4) == 0))
        return bt_fail(err, BT_ERR_ST, "%s: is a pickled file of PyTorch, which can run code and is not read; convert it to safetensors",
                       bt_quote_str(f->path));
    if (n < ST_HEADER_MIN || n > ST_HEADER_MAX)
        return bt_fail(err, BT_ERR_ST,
                       "%s:0: a header of %" PRIu64 " bytes, not of %d to %d; is it a safetensors file?",
                       bt_quote_str(f->path), n, ST_HEADER_MIN, ST_HEADER_MAX);
    if (n > f->map.size - ST_PREFIX_SIZE)
        return bt_fail(err, BT_ERR_ST,
                       "%s:0: a header of %" PRIu64 " bytes in a file of %zu; it is cut: fetch it again",
                       bt_quote_str(f->path), n, f->map.size);
    *size = (size_t)n;
    return BT_OK;
}

/* Outside of strings a header has only brackets, commas, colons, digits and space: no sign, fraction,
 * exponent (rule 4), true, false or null. A parser forgets how a number was written, so the text is looked
 * at. */
static int check_text(const struct file *f, const char *text, size_t size, struct bt_err *err)
{
    static const char plain[] = "{}[]:,0123456789 \t\r\n";
    bool in_string = false;
    size_t end = size;

    if (text[0] != '{')
        return bt_fail(err, BT_ERR_ST, "%s:8: the header does not begin with '{'; is it a safetensors file?",
                       bt_quote_str(f->path));
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (text[end - 1] != '}')
        return bt_fail(err, BT_ERR_ST, "%s:%zu: something other than spaces behind the header; " FETCH,
                       bt_quote_str(f->path), ST_PREFIX_SIZE + end - 1);
    for (size_t i = 0; i < end; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && text[i] == '\\')
            i++;
        else if (!in_string && !memchr(plain, text[i], sizeof plain - 1))
            return bt_fail(err, BT_ERR_ST,
                           "%s:%zu: '%s' where only strings and plain whole numbers may stand; " FETCH,
                           bt_quote_str(f->path), ST_PREFIX_SIZE + i, bt_quote(text + i, 1));
    }
    return BT_OK;
}

/* The strict parser refuses duplicate keys at every level; what depth may be follows from what is accepted
 * below. */
static int parse_header(json_t **root, const struct file *f, const char *text, size_t size,
                        struct bt_err *err)
{
    struct bt_err json = { 0 };
    int rc = bt_json_parse(root, f->path, text, size, &json);

    if (rc == BT_ERR_MEMORY)
        return bt_fail(err, rc, "%s", json.text);
    if (rc)
        return bt_fail(err, BT_ERR_ST, "header of %s", json.text);
    return BT_OK;
}

/* ---------------------------------------------------------------- what it says: rules 3 to 6 */

static int take_metadata(struct file *f, json_t *metadata, struct bt_err *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return bt_fail(err, BT_ERR_ST, "%s: " ST_METADATA " is not an object; " FETCH, bt_quote_str(f->path));
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return bt_fail(err, BT_ERR_ST, "%s: '%s' in " ST_METADATA " is not a string; " FETCH,
                           bt_quote_str(f->path), bt_quote_str(key));
    }
    f->metadata = json_incref(metadata);
    return BT_OK;
}

static bool whole_number(const json_t *value, uint64_t most, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > most)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static int tensor_bad(const struct file *f, const char *name, const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_ST, "%s!%s: %s; " FETCH, bt_quote_str(f->path), bt_quote_str(name), what);
}

static int read_dtype(struct bt_st_tensor *t, const struct file *f, const char *name, const json_t *dtype,
                      struct bt_err *err)
{
    if (!json_is_string(dtype))
        return tensor_bad(f, name, "dtype is missing or not a string", err);
    t->dtype = bt_dtype_find(json_string_value(dtype));
    if (t->dtype == BT_DTYPE_COUNT)
        return bt_fail(err, BT_ERR_ST_DTYPE,
                       "%s!%s: unknown dtype '%s'; convert the file to F32, F16 or BF16",
                       bt_quote_str(f->path), bt_quote_str(name), bt_quote_str(json_string_value(dtype)));
    return BT_OK;
}

static int read_shape(struct bt_st_tensor *t, const struct file *f, const char *name, const json_t *shape,
                      struct bt_err *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > BT_ST_RANK_MAX)
        return tensor_bad(f, name, "shape is missing or not an array of up to 8 numbers", err);
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        if (!whole_number(json_array_get(shape, (size_t)i), ST_DIMENSION_MAX, &t->shape[i]))
            return tensor_bad(f, name, "a dimension is not a whole number up to 2^40", err);
    }
    if (!bt_st_measure(t, &t->count, &t->bytes))
        return tensor_bad(f, name, "the product of its dimensions is beyond all memory", err);
    return BT_OK;
}

static int read_offsets(struct bt_st_tensor *t, const struct file *f, const char *name, const json_t *offsets,
                        const uint8_t *data, struct bt_err *err)
{
    uint64_t begin, end, size = (uint64_t)(f->map.data + f->map.size - data);

    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !whole_number(json_array_get(offsets, 0), WHOLE_MAX, &begin) ||
        !whole_number(json_array_get(offsets, 1), WHOLE_MAX, &end))
        return tensor_bad(f, name, "data_offsets is missing or not two whole numbers up to 2^53-1", err);
    if (begin > end || end > size)
        return bt_fail(err, BT_ERR_ST,
                       "%s!%s: bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64 "; the file is cut or damaged: "
                       "fetch it again",
                       bt_quote_str(f->path), bt_quote_str(name), begin, end, size);
    if (end - begin != t->bytes)
        return bt_fail(err, BT_ERR_ST,
                       "%s!%s: shape and dtype make %" PRIu64 " bytes, the offsets %" PRIu64 "; " FETCH,
                       bt_quote_str(f->path), bt_quote_str(name), t->bytes, end - begin);
    t->data = data + begin;
    return BT_OK;
}

static int take_tensor(struct bt_safetensors *st, const char *name, const json_t *value, const uint8_t *data,
                       struct bt_err *err)
{
    struct bt_st_tensor t = { .file = (uint32_t)(st->file_count - 1) };
    const struct file *f = &st->files[t.file];
    int rc;

    if (strlen(name) > ST_NAME_MAX)
        return tensor_bad(f, name, "a name of more than 512 bytes", err);
    if (!json_is_object(value) || json_object_size(value) != 3)
        return tensor_bad(f, name, "not an object of dtype, shape and data_offsets alone", err);
    if (st->count >= ST_TENSORS_MAX)
        return bt_fail(err, BT_ERR_LIMIT, "%s: more than %d tensors; split the model", bt_quote_str(st->path),
                       ST_TENSORS_MAX);

    rc = read_dtype(&t, f, name, json_object_get(value, "dtype"), err);
    if (!rc)
        rc = read_shape(&t, f, name, json_object_get(value, "shape"), err);
    if (!rc)
        rc = read_offsets(&t, f, name, json_object_get(value, "data_offsets"), data, err);
    if (!rc)
        rc = bt_grow(&st->tensors, &st->capacity, st->count + 1, sizeof *st->tensors, err);
    if (!rc && !(t.name = bt_arena_str(st->names, name, strlen(name))))
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory for its names; free memory", bt_quote_str(f->path));
    if (!rc)
        st->tensors[st->count++] = t;
    return rc;
}

/* ---------------------------------------------------------------- one file, and rule 7 */

static int by_place(const void *a, const void *b)
{
    const struct bt_st_tensor *s = a, *t = b;
    uintptr_t x = (uintptr_t)s->data, y = (uintptr_t)t->data;

    if (x == y)
        return (s->bytes > t->bytes) - (s->bytes < t->bytes);
    return x < y ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
    const struct bt_st_tensor *s = a, *t = b;

    return strcmp(s->name, t->name);
}

/* No overlap, no hole, nothing behind: data that no tensor owns could be anything. */
static int check_places(const struct file *f, struct bt_st_tensor *tensors, uint64_t count,
                        const uint8_t *data, struct bt_err *err)
{
    const uint8_t *end = f->map.data + f->map.size;

    if (count > 1)
        qsort(tensors, count, sizeof *tensors, by_place);
    for (uint64_t i = 0; i < count; i++) {
        if (tensors[i].data != data)
            return tensor_bad(f, tensors[i].name, "its data does not begin where the tensor before ends",
                              err);
        data += tensors[i].bytes;
    }
    if (data != end)
        return bt_fail(err, BT_ERR_ST, "%s:%td: %td bytes belong to no tensor; " FETCH, bt_quote_str(f->path),
                       data - f->map.data, end - data);
    return BT_OK;
}

/* Adds one file and its tensors. Takes path, also when it fails. */
static int add_file(struct bt_safetensors *st, char *path, struct bt_err *err)
{
    uint64_t first = st->count;
    struct file *f;
    json_t *root = NULL, *value;
    const char *key;
    const uint8_t *data = NULL;
    size_t size = 0;
    int rc =
        path ? BT_OK
             : bt_fail(err, BT_ERR_MEMORY, "%s: no memory for a path; free memory", bt_quote_str(st->path));

    if (!rc)
        rc = bt_grow(&st->files, &st->file_capacity, st->file_count + 1, sizeof *st->files, err);
    if (rc) {
        free(path);
        return rc;
    }
    f = &st->files[st->file_count++];
    *f = (struct file){ .path = path, .name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path };

    rc = bt_map_open(&f->map, path, err);
    if (!rc)
        rc = header_size(f, &size, err);
    if (!rc)
        rc = check_text(f, (const char *)f->map.data + ST_PREFIX_SIZE, size, err);
    if (!rc)
        rc = parse_header(&root, f, (const char *)f->map.data + ST_PREFIX_SIZE, size, err);
    if (!rc) {
        data = f->map.data + ST_PREFIX_SIZE + size;
        json_object_foreach(root, key, value)
        {
            rc = strcmp(key, ST_METADATA) == 0 ? take_metadata(f, value, err)
                                               : take_tensor(st, key, value, data, err);
            if (rc)
                break;
        }
    }
    if (!rc)
        rc = check_places(f, st->tensors ? st->tensors + first : NULL, st->count - first, data, err);
    json_decref(root);
    return rc;
}

/* ---------------------------------------------------------------- a set with its index: rule 8 */

static bool bare_name(const char *name)
{
    static const char suffix[] = ".safetensors";
    size_t length = strlen(name);

    return length > sizeof suffix - 1 && length <= 255 && !strchr(name, '/') && name[0] != '.' &&
           strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

static bool has_file(const struct bt_safetensors *st, const char *name)
{
    for (uint64_t i = 0; i < st->file_count; i++) {
        if (strcmp(st->files[i].name, name) == 0)
            return true;
    }
    return false;
}

static int add_indexed_files(struct bt_safetensors *st, const char *index, const json_t *weight_map,
                             struct bt_err *err)
{
    const char *slash = strrchr(index, '/'), *key;
    int directory = slash ? (int)(slash + 1 - index) : 0, rc = BT_OK;
    json_t *value;

    json_object_foreach((json_t *)weight_map, key, value)
    {
        const char *name = json_string_value(value);

        if (!name || !bare_name(name))
            return bt_fail(err, BT_ERR_ST,
                           "%s: '%s' is not in a file of this directory whose name ends in .safetensors; "
                           "the index is damaged or hostile: fetch it again",
                           bt_quote_str(index), bt_quote_str(key));
        if (!has_file(st, name))
            rc = add_file(st, bt_format("%.*s%s", directory, index, name), err);
        if (rc)
            return rc;
    }
    return BT_OK;
}

/* Every tensor is where the index says, and the index has no more: with equal numbers and unique names that
 * is all. */
static int check_index(const struct bt_safetensors *st, const char *index, const json_t *weight_map,
                       struct bt_err *err)
{
    for (uint64_t i = 0; i < st->count; i++) {
        const struct file *f = &st->files[st->tensors[i].file];
        const char *name = json_string_value(json_object_get(weight_map, st->tensors[i].name));

        if (!name || strcmp(name, f->name) != 0)
            return bt_fail(err, BT_ERR_ST, "%s!%s: the index %s; fetch index and files together",
                           bt_quote_str(f->path), bt_quote_str(st->tensors[i].name),
                           name ? "puts it in another file" : "does not list it");
    }
    if (st->count != json_object_size(weight_map))
        return bt_fail(err, BT_ERR_ST,
                       "%s: lists %zu tensors, its files hold %" PRIu64 "; fetch index and files together",
                       bt_quote_str(index), json_object_size(weight_map), st->count);
    return BT_OK;
}

static int check_total(const struct bt_safetensors *st, const char *index, const json_t *metadata,
                       struct bt_err *err)
{
    const json_t *total = json_object_get(metadata, "total_size");
    uint64_t sum = 0, said;

    for (uint64_t i = 0; i < st->count; i++)
        sum += st->tensors[i].bytes; /* each lies within a mapped file */
    if (total && (!whole_number(total, WHOLE_MAX, &said) || said != sum))
        return bt_fail(err, BT_ERR_ST,
                       "%s: total_size is not %" PRIu64 ", what the tensors take; fetch index and files "
                       "together",
                       bt_quote_str(index), sum);
    return BT_OK;
}

static int add_set(struct bt_safetensors *st, const char *index, struct bt_err *err)
{
    json_t *root = NULL;
    int rc = bt_json_load(&root, index, err);
    const json_t *weight_map = json_object_get(root, "weight_map");

    if (!rc && !json_is_object(weight_map))
        rc = bt_fail(err, BT_ERR_ST, "%s: has no object weight_map; name an index or a .safetensors file",
                     bt_quote_str(index));
    if (!rc)
        rc = add_indexed_files(st, index, weight_map, err);
    if (!rc && st->count > 1)
        qsort(st->tensors, st->count, sizeof *st->tensors, by_name);
    if (!rc)
        rc = check_index(st, index, weight_map, err);
    if (!rc)
        rc = check_total(st, index, json_object_get(root, "metadata"), err);
    json_decref(root);
    return rc;
}

/* ---------------------------------------------------------------- opening */

static int add_directory(struct bt_safetensors *st, const char *path, struct bt_err *err)
{
    char *single = bt_format("%s/model.safetensors", path),
         *index = bt_format("%s/model.safetensors.index.json", path);
    int rc;

    if (!single || !index)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory for a path; free memory", bt_quote_str(path));
    else if (bt_path_exists(single)) {
        rc = add_file(st, single, err);
        single = NULL;
    } else if (bt_path_exists(index))
        rc = add_set(st, index, err);
    else
        rc = bt_fail(err, BT_ERR_NOINPUT,
                     "%s: holds no model.safetensors and no model.safetensors.index.json; name the "
                     "file",
                     bt_quote_str(path));
    free(single);
    free(index);
    return rc;
}

int bt_safetensors_open(struct bt_safetensors **out, const char *path, struct bt_err *err)
{
    struct bt_safetensors *st = bt_alloc(1, sizeof *st, err);
    size_t length = strlen(path);
    int rc;

    if (!st)
        return BT_ERR_MEMORY;
    st->path = bt_format("%s", path);
    st->names = bt_arena_new(65536);
    if (!st->path || !st->names)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: no memory to open it; free memory", bt_quote_str(path));
    else if (bt_path_is_dir(path))
        rc = add_directory(st, path, err);
    else if (length >= 5 && strcmp(path + length - 5, ".json") == 0)
        rc = add_set(st, path, err);
    else
        rc = add_file(st, bt_format("%s", path), err);
    if (rc) {
        bt_safetensors_close(st);
        return rc;
    }
    if (st->count > 1)
        qsort(st->tensors, st->count, sizeof *st->tensors, by_name);
    *out = st;
    return BT_OK;
}

void bt_safetensors_close(struct bt_safetensors *st)
{
    if (!st)
        return;
    for (uint64_t i = 0; i < st->file_count; i++) {
        bt_map_close(&st->files[i].map);
        json_decref(st->files[i].metadata);
        free(st->files[i].path);
    }
    bt_arena_free(st->names);
    free(st->files);
    free(st->tensors);
    free(st->path);
    free(st);
}

/* ---------------------------------------------------------------- looking and reading */

const char *bt_safetensors_path(const struct bt_safetensors *st)
{
    return st->path;
}

uint64_t bt_safetensors_count(const struct bt_safetensors *st)
{
    return st->count;
}

const struct bt_st_tensor *bt_safetensors_at(const struct bt_safetensors *st, uint64_t i)
{
    return &st->tensors[i];
}

const struct bt_st_tensor *bt_safetensors_find(const struct bt_safetensors *st, const char *name)
{
    const struct bt_st_tensor wanted = { .name = name };

    return st->count ? bsearch(&wanted, st->tensors, st->count, sizeof wanted, by_name) : NULL;
}

const char *bt_safetensors_metadata(const struct bt_safetensors *st, const char *key)
{
    const char *value = NULL;

    for (uint64_t i = 0; i < st->file_count && !value; i++)
        value = json_string_value(json_object_get(st->files[i].metadata, key));
    return value;
}

static int refuse(const struct bt_safetensors *st, const struct bt_st_tensor *t, const char *wanted,
                  struct bt_err *err)
{
    return bt_fail(err, BT_ERR_ST_DTYPE, "%s!%s: is %s where %s are needed; convert it",
                   bt_quote_str(st->files[t->file].path), bt_quote_str(t->name), bt_dtype_name(t->dtype),
                   wanted);
}

static int refuse_value(const struct bt_safetensors *st, const struct bt_st_tensor *t, uint64_t i,
                        const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_ST,
                   "%s!%s: element %" PRIu64 " is %s; the weights cannot be used: fetch or train them again",
                   bt_quote_str(st->files[t->file].path), bt_quote_str(t->name), i, what);
}

int bt_safetensors_read(const struct bt_safetensors *st, const struct bt_st_tensor *t, float *out,
                        struct bt_err *err)
{
    if (!bt_dtype_to_float(out, t->dtype, t->data, t->count))
        return refuse(st, t, "floating-point numbers", err);
    for (uint64_t i = 0; t->dtype == BT_DTYPE_F64 && i < t->count; i++) {
        bool became_infinite =
            isinf(out[i]) && bt_dtype_nonfinite(t->dtype, (const uint8_t *)t->data + 8 * i, 1) == 1;

        if (became_infinite)
            return refuse_value(st, t, i, "beyond float32", err);
    }
    return BT_OK;
}

int bt_safetensors_read_i64(const struct bt_safetensors *st, const struct bt_st_tensor *t, int64_t *out,
                            struct bt_err *err)
{
    if (!bt_dtype_to_int64(out, t->dtype, t->data, t->count))
        return refuse(st, t, "I64 or I32", err);
    return BT_OK;
}

int bt_safetensors_read_i32(const struct bt_safetensors *st, const struct bt_st_tensor *t, int32_t *out,
                            struct bt_err *err)
{
    const size_t size = bt_dtype_size(t->dtype);

    for (uint64_t i = 0; i < t->count; i++) {
        int64_t value;

        if (!bt_dtype_to_int64(&value, t->dtype, (const uint8_t *)t->data + i * size, 1))
            return refuse(st, t, "I64 or I32", err);
        if (value < INT32_MIN || value > INT32_MAX)
            return refuse_value(st, t, i, "beyond 32 bits", err);
        out[i] = (int32_t)value;
    }
    return BT_OK;
}

int bt_safetensors_check_finite(const struct bt_safetensors *st, const struct bt_st_tensor *t,
                                struct bt_err *err)
{
    uint64_t bad = bt_dtype_nonfinite(t->dtype, t->data, t->count);

    return bad < t->count ? refuse_value(st, t, bad, "NaN or infinite", err) : BT_OK;
}
