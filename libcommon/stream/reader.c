/* One reader over streams and sets of shards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/shard/salvage.h"
#include "libcommon/shard/shard.h"
#include "libcommon/stream/frames.h"
#include "libcommon/stream/mend.h"
#include "libcommon/stream/reader_private.h"
#include "libcommon/stream/stream.h"

const struct bt_schema bt_schema_sample = { "bt.sample", 1 }, bt_schema_tokens = { "bt.tokens", 1 },
                       bt_schema_features = { "bt.features", 1 },
                       bt_schema_prediction = { "bt.prediction", 1 }, bt_schema_score = { "bt.score", 1 };

struct bt_reading bt_reading;

enum { PLACE_BYTES = 4200 };

struct bt_reader {
    struct bt_frames_in *frames; /* one of the four */
    struct bt_mend *mend;
    struct bt_shard_set *set;
    struct bt_salvage *salvage;
    char schema[80]; /* of what is mended or salvaged */
    char *paths[1]; /* of bt_reader_open, which borrows none */
    const char *name; /* of the file that the last record came from */
    char *place;      /* formed when it is asked for */
    uint64_t position;
    bool ended;
};

bool bt_path_is_set(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n > 5 && strncmp(path + n - 5, ".lmdb", 5) == 0)
        return true;
    char *manifest = bt_format("%s/bt-dataset.json", path);
    bool is_set = manifest && bt_path_is_dir(path) && bt_path_exists(manifest);
    free(manifest);
    return is_set;
}

bool bt_path_is_shards(const char *path)
{
    return bt_path_is_set(path) || bt_path_is_shard(path);
}

static int open_damaged(struct bt_reader *r, const char *const *paths, size_t count,
                        const struct bt_reader_options *options, struct bt_err *err)
{
    int rc = bt_mend_open(&r->mend, paths, count, options, err);

    if (!rc) {
        struct bt_value schema = bt_record_get(bt_mend_begin(r->mend), "schema");

        r->name = bt_mend_name(r->mend);
        snprintf(r->schema, sizeof r->schema, "%.*s", (int)schema.size, schema.size ? schema.data : "");
    }
    return rc;
}

static int open_streams(struct bt_reader *r, const char *const *paths, size_t count,
                        const struct bt_reader_options *options, struct bt_err *err)
{
    enum bt_frame_type type = BT_FRAME_BEGIN;

    if (options && options->salvage)
        return open_damaged(r, paths, count, options, err);
    struct bt_record *begin = bt_record_new();
    int rc =
        begin ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", paths[0]);

    if (!rc)
        rc = bt_frames_in_open(&r->frames, paths, count, options, err);
    if (!rc)
        rc = bt_frames_in_next(r->frames, &type, begin, err); /* a begin, or an error */
    if (!rc)
        r->name = bt_frames_in_name(r->frames);
    bt_record_free(begin);
    return rc;
}

/* What is left of shards is read in the place of the shards, and a directory that has lost its manifest is
 * one too. */
static bool is_shards(const char *path, const struct bt_reader_options *options)
{
    return bt_path_is_shards(path) || (options && options->salvage && bt_path_is_dir(path));
}

static int check_kind(const struct bt_reader *r, const struct bt_reader_options *options, struct bt_err *err)
{
    if (!options || !options->schemas)
        return BT_OK;
    for (size_t i = 0; options->schemas[i]; i++) {
        char name[100];

        snprintf(name, sizeof name, "%s/%d", options->schemas[i]->name, options->schemas[i]->major);
        if (strcmp(name, bt_reader_schema(r)) == 0)
            return BT_OK;
    }
    return bt_fail(err, BT_ERR_BT_SCHEMA,
                   "%s: records of kind %s, which this tool does not read; run the tool that makes "
                   "its input first",
                   r->name, bt_quote_str(bt_reader_schema(r)));
}

static int open_shards(struct bt_reader *r, const char *path, const struct bt_reader_options *options,
                       struct bt_err *err)
{
    int rc;

    r->name = path;
    if (options && options->salvage)
        rc = bt_salvage_open(&r->salvage, path, err);
    else
        rc = bt_shard_set_open(&r->set, path, bt_reading.allow_partial || (options && options->allow_partial), err);
    if (!rc && r->set && options && options->stage)
        rc = bt_shard_set_stage(r->set, options->stage, err);
    if (!rc && r->salvage) {
        struct bt_value schema = bt_salvage_header(r->salvage, "schema");

        snprintf(r->schema, sizeof r->schema, "%.*s", (int)schema.size, schema.data);
    }
    return rc ? rc : check_kind(r, options, err);
}

static struct bt_reader *new_reader(struct bt_err *err)
{
    struct bt_reader *r = bt_alloc(1, sizeof *r, err);

    if (r)
        r->place = bt_alloc(PLACE_BYTES, 1, err);
    if (r && !r->place) {
        free(r);
        r = NULL;
    }
    return r;
}

int bt_reader_open_all(struct bt_reader **reader, const char *const *paths, size_t count,
                       const struct bt_reader_options *options, struct bt_err *err)
{
    struct bt_reader *r = new_reader(err);
    int rc = r ? BT_OK : BT_ERR_MEMORY;

    for (size_t i = 0; !rc && count > 1 && i < count; i++)
        if (is_shards(paths[i], options))
            rc = bt_fail(err, BT_ERR_USAGE,
                         "%s: a set of shards cannot be joined to others here; read it alone", paths[i]);
    if (!rc)
        rc = is_shards(paths[0], options) ? open_shards(r, paths[0], options, err)
                                          : open_streams(r, paths, count, options, err);
    if (rc)
        bt_reader_close(r);
    else
        *reader = r;
    return rc;
}

int bt_reader_open(struct bt_reader **reader, const char *path, const struct bt_reader_options *options,
                   struct bt_err *err)
{
    char *copy = bt_format("%s", path);
    struct bt_reader *r = new_reader(err);
    int rc =
        copy && r ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory; free some and run again", path);

    if (rc) {
        free(copy);
        bt_reader_close(r);
        return rc;
    }
    r->paths[0] = copy;
    rc = is_shards(path, options) ? open_shards(r, copy, options, err)
                                  : open_streams(r, (const char *const *)r->paths, 1, options, err);
    if (rc)
        bt_reader_close(r);
    else
        *reader = r;
    return rc;
}

void bt_reader_close(struct bt_reader *r)
{
    if (!r)
        return;
    bt_frames_in_close(r->frames);
    bt_mend_close(r->mend);
    bt_shard_set_close(r->set);
    bt_salvage_close(r->salvage);
    free(r->paths[0]);
    free(r->place);
    free(r);
}

static int next_of_stream(struct bt_reader *r, struct bt_record *rec, struct bt_err *err)
{
    enum bt_frame_type type = BT_FRAME_BEGIN;
    int rc = BT_OK;

    while (!rc) {
        rc = bt_frames_in_next(r->frames, &type, rec, err);
        if (!rc && type == BT_FRAME_RECORD)
            return bt_record_remove(rec, "n", err);
        if (!rc && type == BT_FRAME_ABORT)
            rc = bt_frames_in_aborted(r->frames, rec, err);
    }
    return rc;
}

int bt_reader_next(struct bt_reader *r, struct bt_record *rec, struct bt_err *err)
{
    int rc;

    if (r->ended)
        return BT_END;
    if (r->frames)
        rc = next_of_stream(r, rec, err);
    else if (r->salvage)
        rc = bt_salvage_next(r->salvage, rec, err);
    else if (r->mend)
        rc = bt_mend_next(r->mend, rec, err);
    else
        rc = r->position < bt_shard_set_count(r->set) ? bt_shard_set_read(r->set, r->position, rec, err)
                                                      : BT_END;
    r->ended = rc == BT_END;
    if (!rc && r->frames)
        r->name = bt_frames_in_name(r->frames);
    else if (!rc && r->mend)
        r->name = bt_mend_name(r->mend);
    r->position += !rc;
    return rc;
}

uint64_t bt_reader_position(const struct bt_reader *r)
{
    return r->position;
}

uint64_t bt_reader_count(const struct bt_reader *r)
{
    return r->set ? bt_shard_set_count(r->set) : 0;
}

const char *bt_reader_place(const struct bt_reader *r)
{
    if (r->position > 0)
        snprintf(r->place, PLACE_BYTES, "%s:record %llu", r->name, (unsigned long long)r->position - 1);
    else
        snprintf(r->place, PLACE_BYTES, "%s", r->name);
    return r->place;
}

const char *bt_reader_schema(const struct bt_reader *r)
{
    if (r->set)
        return bt_shard_set_schema(r->set);
    return r->frames ? bt_frames_in_schema(r->frames) : r->schema;
}

struct bt_value bt_reader_header(const struct bt_reader *r, const char *key)
{
    if (r->salvage)
        return bt_salvage_header(r->salvage, key);
    if (r->set)
        return bt_shard_set_header(r->set, key);
    return bt_record_get(r->mend ? bt_mend_begin(r->mend) : bt_frames_in_begin(r->frames), key);
}

bool bt_reader_is_partial(const struct bt_reader *r)
{
    return (r->frames && bt_frames_in_is_partial(r->frames)) || (r->mend && bt_mend_is_partial(r->mend)) ||
           (r->salvage && bt_salvage_lost(r->salvage) > 0) || (r->set && !bt_shard_set_is_complete(r->set));
}

uint64_t bt_reader_lost(const struct bt_reader *r)
{
    return r->mend ? bt_mend_lost(r->mend) : r->salvage ? bt_salvage_lost(r->salvage) : 0;
}

int bt_reader_verify(struct bt_reader *r, struct bt_err *err)
{
    return r->set ? bt_shard_set_verify(r->set, err) : BT_OK;
}

struct bt_value bt_reader_must(const struct bt_reader *r, const char *key)
{
    return bt_value_member(bt_reader_header(r, "must"), key);
}

struct bt_shard_set *bt_reader_set(const struct bt_reader *r)
{
    return r->set;
}
