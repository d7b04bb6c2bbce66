/* Any bytes as the body of a record: what is accepted msgpack-c reads alike, and it is written again to the same record. */
#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/stream/record_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const msgpack_object *a, const msgpack_object *b)
{
    if (a->type == MSGPACK_OBJECT_FLOAT64 && b->type == MSGPACK_OBJECT_FLOAT32)
        return (float)a->via.f64 == (float)b->via.f64 || (isnan(a->via.f64) && isnan(b->via.f64));
    if (a->type == MSGPACK_OBJECT_FLOAT64 && b->type == MSGPACK_OBJECT_FLOAT64)
        return memcmp(&a->via.f64, &b->via.f64, sizeof a->via.f64) == 0;
    if (a->type != b->type)
        return false;
    if (a->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < a->via.array.size && a->via.array.size == b->via.array.size; i++)
            if (!same(&a->via.array.ptr[i], &b->via.array.ptr[i]))
                return false;
        return a->via.array.size == b->via.array.size;
    }
    if (a->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < a->via.map.size && a->via.map.size == b->via.map.size; i++)
            if (!same(&a->via.map.ptr[i].key, &b->via.map.ptr[i].key) || !same(&a->via.map.ptr[i].val, &b->via.map.ptr[i].val))
                return false;
        return a->via.map.size == b->via.map.size;
    }
    return msgpack_object_equal(*a, *b);
}

static void second_opinion(const struct bt_record *rec, const uint8_t *data, size_t size)
{
    msgpack_unpacked theirs;
    size_t offset = 0;

    msgpack_unpacked_init(&theirs);
    if (msgpack_unpack_next(&theirs, (const char *)data, size, &offset) != MSGPACK_UNPACK_SUCCESS || offset != size ||
        theirs.data.type != MSGPACK_OBJECT_MAP || theirs.data.via.map.size != rec->count)
        abort();
    for (uint64_t i = 0; i < rec->count; i++)
        if (!same(&rec->fields[i].value, &theirs.data.via.map.ptr[i].val))
            abort();
    msgpack_unpacked_destroy(&theirs);
}

/* Packed by msgpack-c from the nodes, and copied as it was read: the same bytes. */
static void write_again(struct bt_record *rec)
{
    struct bt_record *again = bt_record_new();
    struct bt_buf copied = { 0 }, packed = { 0 };
    struct bt_err err = { 0 };

    if (bt_record_encode(rec, &copied, &err))
        abort();
    for (uint64_t i = 0; i < rec->count; i++)
        rec->fields[i].raw = NULL;
    if (bt_record_encode(rec, &packed, &err) || packed.size != copied.size || memcmp(packed.data, copied.data, packed.size) != 0)
        abort();
    if (bt_record_decode(again, packed.data, packed.size, &err) || again->count != rec->count)
        abort();
    bt_buf_free(&copied);
    bt_buf_free(&packed);
    bt_record_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    int rc = bt_record_decode(rec, data, size, &err);

    if (rc && !err.text[0])
        abort();
    if (!rc) {
        second_opinion(rec, data, size);
        write_again(rec);
    }
    bt_record_free(rec);
    return 0;
}
