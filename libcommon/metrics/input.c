#include "libcommon/metrics/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ID 1024

/* A pipe's bytes stay in it: tee copies them to another one. */
static ssize_t peek_pipe(int fd, void *buf, size_t size)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC) != 0)
        return -1;
    ssize_t got;
    do
        got = tee(fd, copy[1], size, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        got = bt_read_full(copy[0], buf, (size_t)got);
    close(copy[0]);
    close(copy[1]);
    return got;
}

static ssize_t peek(int fd, void *buf, size_t size)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    if (S_ISFIFO(st.st_mode))
        return peek_pipe(fd, buf, size);
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? -1 : pread(fd, buf, size, at);
}

static enum bt_input kind_of(const unsigned char *bytes, size_t size)
{
    static const unsigned char zstd[] = { 0x28, 0xb5, 0x2f, 0xfd }, bom[] = { 0xef, 0xbb, 0xbf };
    size_t i = 0;
    if (bytes[0] == 0xc9 || bytes[0] == zstd[0])
        return BT_INPUT_RECORDS;
    if (size >= sizeof bom && memcmp(bytes, bom, sizeof bom) == 0)
        i = sizeof bom;
    while (i < size && strchr(" \t\r\n", bytes[i]) && bytes[i])
        i++;
    if (i == size)
        return BT_INPUT_OTHER;
    return bytes[i] == '[' ? BT_INPUT_ARRAY : bytes[i] == '{' ? BT_INPUT_OBJECT : BT_INPUT_OTHER;
}

int bt_input_detect(const char *path, enum bt_input *kind, struct bt_err *err)
{
    unsigned char bytes[256];
    *kind = BT_INPUT_RECORDS;
    if (bt_path_is_dir(path))
        return BT_OK;
    int fd = -1;
    int rc = bt_input_open(&fd, path, err);
    if (rc)
        return rc;
    ssize_t got = peek(fd, bytes, sizeof bytes);
    bt_input_close(fd);
    if (got == 0)
        return bt_fail(err, BT_ERR_INPUT, "%s: empty file; nothing was written there", bt_input_name(path));
    if (got > 0) /* what cannot be looked into (a terminal, a socket) is taken for records */
        *kind = kind_of(bytes, (size_t)got);
    return got > 0 ? bt_refuse_lfs_pointer(bt_input_name(path), bytes, (size_t)got, err) : BT_OK;
}

static int bad_id(const char *key, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_INPUT, "%s is neither a whole number nor a string of at most %d bytes", key,
                   MAX_ID);
}

static int text_id(const char *key, const char *text, size_t size, struct bt_buf *id, struct bt_err *err)
{
    if (size > MAX_ID)
        return bad_id(key, err);
    int rc = bt_buf_add(id, "\"", 1, err);
    if (!rc)
        rc = bt_buf_add(id, text, size, err);
    return rc ? rc : bt_buf_add(id, "\"", 1, err);
}

int bt_input_json_id(const json_t *object, const char *key, struct bt_buf *id, struct bt_err *err)
{
    const json_t *value = json_object_get(object, key);
    return value ? bt_input_value_id(value, key, id, err) : bt_fail(err, BT_ERR_INPUT, "no %s", key);
}

int bt_input_value_id(const json_t *value, const char *key, struct bt_buf *id, struct bt_err *err)
{
    id->size = 0;
    if (json_is_integer(value))
        return bt_buf_printf(id, err, "%lld", (long long)json_integer_value(value));
    if (json_is_string(value))
        return text_id(key, json_string_value(value), json_string_length(value), id, err);
    return bad_id(key, err);
}

int bt_input_plain_number(struct bt_buf *id, struct bt_err *err)
{
    struct bt_text text = { id->data + 1, id->size - 2 };
    if (id->data[0] != '"' || text.size > 18)
        return BT_OK;
    size_t digits = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    if (digits == text.size)
        return BT_OK;
    for (size_t i = digits; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return BT_OK;
    long long number = strtoll(text.data, NULL, 10);
    id->size = 0;
    return bt_buf_printf(id, err, "%lld", number);
}

int bt_input_record_id(const struct bt_record *rec, const char *key, struct bt_buf *id, struct bt_err *err)
{
    struct bt_value value = bt_record_get(rec, key);
    id->size = 0;
    if (value.kind == BT_ABSENT)
        value = bt_record_get(rec, "id");
    if (value.kind == BT_ABSENT)
        return bt_fail(err, BT_ERR_INPUT, "no %s", key);
    if (value.kind == BT_INT)
        return bt_buf_printf(id, err, "%lld", (long long)value.integer);
    if (value.kind == BT_STR)
        return text_id(key, value.data, value.size, id, err);
    return bad_id(key, err);
}

int bt_input_json_text(const json_t *object, const char *key, struct bt_text *text, bool *found,
                       struct bt_err *err)
{
    const json_t *value = json_object_get(object, key);
    *found = value != NULL;
    if (!value)
        return BT_OK;
    if (!json_is_string(value))
        return bt_fail(err, BT_ERR_INPUT, "%s is not a string", key);
    *text = (struct bt_text){ json_string_value(value), json_string_length(value) };
    return BT_OK;
}

int bt_input_record_text(const struct bt_record *rec, const char *key, struct bt_text *text, bool *found,
                         struct bt_err *err)
{
    struct bt_value value = bt_record_get(rec, key);
    *found = value.kind != BT_ABSENT;
    if (value.kind == BT_ABSENT)
        return BT_OK;
    if (value.kind != BT_STR)
        return bt_fail(err, BT_ERR_INPUT, "%s is not a string", key);
    *text = (struct bt_text){ value.data, value.size };
    return BT_OK;
}

void bt_input_record_preset(const struct bt_record *rec, struct bt_join *join)
{
    struct bt_value name = bt_record_get(rec, "preset"), hash = bt_record_get(rec, "preset_sha256");
    if (name.kind == BT_STR && hash.kind == BT_STR)
        bt_join_preset(join, (struct bt_text){ name.data, name.size },
                       (struct bt_text){ hash.data, hash.size });
}

int bt_input_add_string(struct bt_buf *buf, struct bt_text text, struct bt_err *err)
{
    json_t *string = json_stringn(text.data, text.size);
    char *dumped = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    int rc = dumped ? bt_buf_printf(buf, err, "%s", dumped) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    free(dumped);
    json_decref(string);
    return rc;
}
