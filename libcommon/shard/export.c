/* The reject log of a set, from the J entries of its shards. Source: formats.md 4. */
#include <stdlib.h>

#include "libcommon/base/file.h"
#include "libcommon/shard/ingest.h"
#include "libcommon/stream/rejects.h"

static int no_memory(const char *place, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", place);
}

static int export_shard(const char *dir, const struct bt_shard_info *info, struct bt_outfile *out,
                        struct bt_tally *tally, struct bt_err *err)
{
    struct bt_shard_env e = { 0 };
    struct bt_buf line = { 0 };
    struct bt_record *entry = bt_record_new();
    char *path = bt_format("%s/%s", dir, info->file);
    int rc = entry && path ? bt_shard_env_read(&e, path, err) : no_memory(dir, err);

    for (uint64_t i = 0; !rc && i < info->rejects; i++) {
        uint8_t key[BT_NUMBER_KEY];

        bt_number_key(key, 'J', i);
        rc = bt_shard_get_record(&e, key, sizeof key, entry, err);
        if (rc == BT_END)
            rc = bt_fail(err, BT_ERR_SHARD, "%s: reject %llu is missing; make the set again", path,
                         (unsigned long long)i);
        line.size = 0;
        if (!rc)
            rc = bt_reject_line(&line, tally->total, entry, err);
        if (!rc)
            rc = bt_outfile_write(out, line.data, line.size, err);
        if (!rc)
            rc = bt_tally_add(tally, entry, err);
    }
    bt_shard_env_close(&e);
    bt_buf_free(&line);
    bt_record_free(entry);
    free(path);
    return rc;
}

int bt_shards_export_rejects(const char *dir, const struct bt_manifest *m, struct bt_err *err)
{
    struct bt_tally tally = { 0 };
    struct bt_buf line = { 0 };
    struct bt_outfile out;
    char *path = bt_format("%s/rejects.jsonl", dir);
    int rc = path ? bt_outfile_open(&out, path, true, err) : no_memory(dir, err);

    if (rc) {
        free(path);
        return rc;
    }
    for (uint64_t k = 0; !rc && k < m->count; k++)
        rc = export_shard(dir, &m->shards[k], &out, &tally, err);
    if (!rc)
        rc = bt_reject_end_line(&line, &tally, err);
    if (!rc)
        rc = bt_outfile_write(&out, line.data, line.size, err);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    bt_buf_free(&line);
    bt_tally_free(&tally);
    free(path);
    return rc;
}
