/* What the writers of a set have agreed on, in .ingest/plan. Source: formats.md 2.2. */
#include <stdlib.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/ingest.h"
#include "libcommon/stream/record_private.h"

enum { PLAN_BYTES = 64 << 20 };

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

/* BT_END when there is none. */
static int load_plan(const struct bt_ingest *in, struct bt_record *plan, struct bt_err *err)
{
    char *path = bt_format("%s/plan", in->ingest), *data = NULL;
    size_t size = 0;
    int rc = path ? BT_OK : no_memory(in->dir, err);

    if (!rc && !bt_path_exists(path))
        rc = BT_END;
    if (!rc)
        rc = bt_file_read(path, PLAN_BYTES, &data, &size, err);
    if (!rc && !bt_value_is_whole(data, size))
        rc = bt_fail(err, BT_ERR_SHARD, "%s: does not match its checksum; remove the set and make it again", path);
    if (!rc)
        rc = bt_record_decode(plan, data + BT_VALUE_HEAD, size - BT_VALUE_HEAD, err);
    free(data);
    free(path);
    return rc;
}

/* In the form of a shard's values. */
static int save_plan(const struct bt_ingest *in, const struct bt_record *plan, struct bt_err *err)
{
    uint8_t head[BT_VALUE_HEAD] = { 0 };
    struct bt_buf buf = { 0 };
    char *path = bt_format("%s/plan", in->ingest);
    int rc = path ? bt_buf_add(&buf, head, sizeof head, err) : no_memory(in->dir, err);

    if (!rc)
        rc = bt_record_encode(plan, &buf, err);
    if (!rc) {
        bt_value_head((uint8_t *)buf.data, BT_FORMAT_MSGPACK, buf.data + BT_VALUE_HEAD, buf.size - BT_VALUE_HEAD);
        rc = bt_file_write(path, buf.data, buf.size, true, err);
    }
    bt_buf_free(&buf);
    free(path);
    return rc;
}

int bt_ingest_compare(const struct bt_ingest *in, const struct bt_record *earlier, const struct bt_record *header,
                      struct bt_err *err)
{
    static const char *const keys[] = { "schema", "must", "per_shard", "prov", "more_inputs" };
    struct bt_value old = bt_record_get(earlier, "prov"), new = bt_record_get(header, "prov");

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct bt_value a = bt_record_get(earlier, keys[i]), b = bt_record_get(header, keys[i]);

        if (bt_value_same(a, b))
            continue;
        if (i >= 3 && bt_value_same(bt_value_member(old, "options"), bt_value_member(new, "options")) &&
            (i == 4 || !bt_value_same(bt_value_member(old, "inputs"), bt_value_member(new, "inputs"))))
            return bt_fail(err, BT_ERR_INPUT_CHANGED,
                           "%s: was begun from other inputs; give those, or remove the directory and "
                           "begin anew",
                           in->dir);
        return bt_fail(err, BT_ERR_EXISTS, "%s: holds a set made by another command ('%s' differs); %s",
                       in->dir, keys[i],
                       in->m.complete ? "name another output, or use --force to replace it"
                                      : "give the same options to go on with it, or remove the directory");
    }
    return BT_OK;
}

int bt_ingest_agree(struct bt_ingest *in, const struct bt_record *header, bool replace, struct bt_err *err)
{
    struct bt_record *plan = bt_record_new();
    int rc = plan ? BT_OK : no_memory(in->dir, err);

    if (!rc && !replace)
        rc = load_plan(in, plan, err);
    if (!rc && !replace)
        rc = bt_ingest_compare(in, plan, header, err);
    else if ((!rc || rc == BT_END) && !in->m.complete)
        rc = save_plan(in, header, err);
    else if (rc == BT_END)
        rc = BT_OK;
    bt_record_free(plan);
    return rc;
}

int bt_ingest_agree_on_total(struct bt_ingest *in, uint64_t total, struct bt_err *err)
{
    struct bt_record *plan = bt_record_new();
    int rc = plan ? load_plan(in, plan, err) : no_memory(in->dir, err);

    if (!rc) {
        struct bt_value known = bt_record_get(plan, "total");

        if (known.kind != BT_INT) {
            rc = bt_record_set_int(plan, "total", (int64_t)total, err);
            if (!rc)
                rc = save_plan(in, plan, err);
        } else if ((uint64_t)known.integer != total) {
            rc = bt_fail(err, BT_ERR_INPUT_CHANGED,
                         "%s: %llu inputs, but another of its writers has met %llu; give all of them the same, or "
                         "remove the directory and begin anew",
                         in->dir, (unsigned long long)total, (unsigned long long)known.integer);
        }
    }
    bt_record_free(plan);
    return rc == BT_END ? BT_OK : rc;
}
