/* A vocabulary over a byte trie. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libcommon/base/mem.h"
#include "libcommon/text/vocab.h"

static uint64_t edge_slot(const struct bt_vocab *v, uint64_t key)
{
    return ((key ^ v->salt) * 0x9E3779B97F4A7C15u >> 20) & (v->edge_slots - 1);
}

static uint32_t child_of(const struct bt_vocab *v, uint32_t node, uint8_t byte)
{
    uint64_t key = ((uint64_t)node << 8 | byte) + 1;

    for (uint64_t i = edge_slot(v, key);; i = (i + 1) & (v->edge_slots - 1)) {
        if (v->edges[i].key == key)
            return v->edges[i].child;
        if (v->edges[i].key == 0)
            return BT_VOCAB_NOWHERE;
    }
}

static void edge_put(struct bt_vocab *v, uint64_t key, uint32_t child)
{
    uint64_t i = edge_slot(v, key);

    while (v->edges[i].key)
        i = (i + 1) & (v->edge_slots - 1);
    v->edges[i] = (struct bt_vocab_edge){ key, child };
}

static int edges_resize(struct bt_vocab *v, uint64_t slots, struct bt_err *err)
{
    struct bt_vocab_edge *old = v->edges;
    uint64_t old_slots = v->edge_slots;
    struct bt_vocab_edge *edges = bt_alloc(slots, sizeof *edges, err);

    if (!edges)
        return BT_ERR_MEMORY;
    v->edges = edges;
    v->edge_slots = slots;
    for (uint64_t i = 0; i < old_slots; i++)
        if (old[i].key)
            edge_put(v, old[i].key, old[i].child);
    free(old);
    return BT_OK;
}

static int node_new(struct bt_vocab *v, uint32_t *node, struct bt_err *err)
{
    if (v->nodes >= BT_VOCAB_NOWHERE)
        return bt_fail(err, BT_ERR_LIMIT, "vocabulary: more than 2^32 letters; use a smaller one");
    int rc = bt_grow(&v->ids, &v->nodes_capacity, v->nodes + 1, sizeof *v->ids, err);
    if (rc)
        return rc;
    v->ids[v->nodes] = -1;
    *node = (uint32_t)v->nodes++;
    return BT_OK;
}

static int child_make(struct bt_vocab *v, uint32_t node, uint8_t byte, uint32_t *child, struct bt_err *err)
{
    int rc = BT_OK;

    *child = child_of(v, node, byte);
    if (*child != BT_VOCAB_NOWHERE)
        return BT_OK;
    if (2 * (v->edge_count + 1) > v->edge_slots)
        rc = edges_resize(v, 2 * v->edge_slots, err);
    if (!rc)
        rc = node_new(v, child, err);
    if (!rc) {
        edge_put(v, ((uint64_t)node << 8 | byte) + 1, *child);
        v->edge_count++;
    }
    return rc;
}

int bt_vocab_init(struct bt_vocab *v, struct bt_err *err)
{
    uint32_t root;

    memset(v, 0, sizeof *v);
    if (getrandom(&v->salt, sizeof v->salt, GRND_NONBLOCK) != (ssize_t)sizeof v->salt)
        v->salt = (uintptr_t)v; /* early in boot: the address will do */
    int rc = edges_resize(v, 1024, err);
    return rc ? rc : node_new(v, &root, err);
}

void bt_vocab_free(struct bt_vocab *v)
{
    free(v->start);
    free(v->length);
    free(v->bytes);
    free(v->edges);
    free(v->ids);
    memset(v, 0, sizeof *v);
}

/* Makes room for the arrays to hold `id`, new entries marked as gaps. */
static int reserve_id(struct bt_vocab *v, int32_t id, struct bt_err *err)
{
    uint64_t need = (uint64_t)id + 1;
    int rc = bt_grow(&v->start, &v->start_capacity, need, sizeof *v->start, err);

    if (!rc)
        rc = bt_grow(&v->length, &v->length_capacity, need, sizeof *v->length, err);
    if (!rc && id >= v->count) {
        memset(v->length + v->count, 0, (need - (uint64_t)v->count) * sizeof *v->length);
        v->count = id + 1;
    }
    return rc;
}

int bt_vocab_add(struct bt_vocab *v, const char *text, size_t size, int32_t id, struct bt_err *err)
{
    uint32_t node = BT_VOCAB_ROOT;
    int rc = BT_OK;

    if (size == 0 || size > UINT32_MAX)
        return bt_fail(err, BT_ERR_TOK_FILE, "entry %d is empty; every token needs a text", id);
    if (id < 0 || id >= BT_VOCAB_MAX)
        return bt_fail(err, BT_ERR_TOK_FILE, "'%s' has id %d, outside 0 to 2^24-1", bt_quote(text, size), id);
    if (id < v->count && v->length[id])
        return bt_fail(err, BT_ERR_TOK_FILE, "'%s' and '%s' have the same id %d", bt_quote(text, size),
                       bt_quote(v->bytes + v->start[id], v->length[id]), id);
    for (size_t i = 0; i < size && !rc; i++)
        rc = child_make(v, node, (uint8_t)text[i], &node, err);
    if (!rc && v->ids[node] >= 0)
        return bt_fail(err, BT_ERR_TOK_FILE, "'%s' stands there twice, as %d and %d", bt_quote(text, size),
                       v->ids[node], id);
    if (!rc)
        rc = reserve_id(v, id, err);
    if (!rc)
        rc = bt_grow(&v->bytes, &v->bytes_capacity, v->bytes_size + size, 1, err);
    if (rc)
        return rc;
    memcpy(v->bytes + v->bytes_size, text, size);
    v->start[id] = v->bytes_size;
    v->length[id] = (uint32_t)size;
    v->bytes_size += size;
    v->ids[node] = id;
    v->filled++;
    return BT_OK;
}

int bt_vocab_append(struct bt_vocab *v, const char *text, size_t size, int32_t *id, struct bt_err *err)
{
    int32_t next = v->count;
    int rc = bt_vocab_add(v, text, size, next, err);

    if (!rc && id)
        *id = next;
    return rc;
}

uint32_t bt_vocab_walk(const struct bt_vocab *v, uint32_t node, const char *text, size_t size)
{
    for (size_t i = 0; i < size && node != BT_VOCAB_NOWHERE; i++)
        node = child_of(v, node, (uint8_t)text[i]);
    return node;
}

int32_t bt_vocab_find(const struct bt_vocab *v, const char *text, size_t size)
{
    uint32_t node = size ? bt_vocab_walk(v, BT_VOCAB_ROOT, text, size) : BT_VOCAB_NOWHERE;

    return node == BT_VOCAB_NOWHERE ? -1 : v->ids[node];
}

const char *bt_vocab_text(const struct bt_vocab *v, int32_t id, size_t *size)
{
    if (id < 0 || id >= v->count || !v->length[id])
        return NULL;
    *size = v->length[id];
    return v->bytes + v->start[id];
}

int32_t bt_vocab_longest(const struct bt_vocab *v, uint32_t node, const char *text, size_t size, size_t *length)
{
    int32_t found = -1;

    for (size_t i = 0; i < size && node != BT_VOCAB_NOWHERE; i++) {
        node = child_of(v, node, (uint8_t)text[i]);
        if (node != BT_VOCAB_NOWHERE && v->ids[node] >= 0) {
            found = v->ids[node];
            *length = i + 1;
        }
    }
    return found;
}
