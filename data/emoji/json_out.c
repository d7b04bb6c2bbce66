/* JSON text into a buffer. */
#include "data/emoji/json_out.h"

struct sink {
    struct bt_buf *out;
    struct bt_err *err;
};

static int sink_add(const char *bytes, size_t size, void *data)
{
    struct sink *sink = data;

    return bt_buf_add(sink->out, bytes, size, sink->err) ? -1 : 0;
}

int json_put(struct bt_buf *out, json_t *value, struct bt_err *err)
{
    struct sink sink = { out, err };
    int failed = !value || json_dump_callback(value, sink_add, &sink, JSON_COMPACT) != 0;

    json_decref(value);
    return failed ? bt_fail(err, BT_ERR_MEMORY, "JSON output: out of memory") : BT_OK;
}

int json_put_element(struct bt_buf *out, json_t *value, struct bt_err *err)
{
    char last = out->size > 0 ? out->data[out->size - 1] : '[';
    int rc = last == '[' || last == '{' ? BT_OK : bt_buf_add(out, ",\n", 2, err);

    if (rc) {
        json_decref(value);
        return rc;
    }
    return json_put(out, value, err);
}
