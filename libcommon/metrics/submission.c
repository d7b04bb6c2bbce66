#include "libcommon/metrics/submission.h"

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/metrics/input.h"

static int check_id(const struct bt_submission *form, struct bt_text id, struct bt_err *err)
{
    if ((id.data[0] == '"') == form->string_ids)
        return BT_OK;
    return bt_fail(err, BT_ERR_INPUT, "%s %s: the server takes %s only; keep the ids of its own files",
                   form->id_key, bt_quote(id.data, id.size), form->string_ids ? "strings" : "whole numbers");
}

static int add_result(struct bt_buf *buf, const struct bt_submission *form, struct bt_text id,
                      struct bt_text result, struct bt_err *err)
{
    int rc = bt_buf_printf(buf, err, "%s{\"%s\": ", buf->size > 1 ? ",\n " : "", form->id_key);
    if (!rc && form->string_ids)
        rc = bt_input_add_string(buf, (struct bt_text){ id.data + 1, id.size - 2 }, err);
    else if (!rc)
        rc = bt_buf_add(buf, id.data, id.size, err);
    if (!rc)
        rc = bt_buf_printf(buf, err, ", \"%s\": ", form->text_key);
    if (!rc)
        rc = bt_input_add_string(buf, result, err);
    return rc ? rc : bt_buf_printf(buf, err, "}");
}

int bt_submission_write(const struct bt_join *join, const struct bt_join_policy *policy,
                        const struct bt_submission *form, const char *path, bool force, struct bt_err *err)
{
    struct bt_buf buf = { 0 };
    int32_t count = 0;
    int rc = bt_join_check(join, policy, err);

    if (!rc)
        rc = bt_buf_printf(&buf, err, "[");
    for (int32_t i = 0; !rc && i < bt_join_count(join); i++) {
        struct bt_text id = bt_join_id(join, i), result;
        if (!bt_join_get(join, i, policy, &result))
            continue;
        rc = check_id(form, id, err);
        if (!rc)
            rc = add_result(&buf, form, id, result, err);
        count++;
    }
    if (!rc)
        rc = bt_buf_printf(&buf, err, "]\n");
    if (!rc)
        rc = bt_file_write(path, buf.data, buf.size, force, err);
    if (!rc)
        bt_note("%d results written", count);
    bt_buf_free(&buf);
    return rc;
}
