/* bt-preprocess - pictures, captions, questions and sentences in, sample records out.  See
 * bt-preprocess(1). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/image/annotations.h"
#include "libcommon/image/pool.h"
#include "libcommon/image/seen.h"
#include "libcommon/image/survey.h"
#include "libcommon/stream/stream.h"

enum { MAX_CODES = 64, JUDGED_AFTER = 1000 };

static struct bt_list inputs;
static const char *output = "-", *format = "auto", *images, *answers, *split, *map_prefix, *group = "auto",
                  *rejects, *keep_as = "pixels", *background, *map_text, *delimiter, *shard;
static int64_t shard_i, shard_n = 1;
static struct bt_map *map;
static int64_t side, max_side, threads, max_pixels = 100000000, decode_mem = 1024, decode_time = 10;
static double max_rejects = 0.05;
static bool text_only, allow_truncated, allow_corrupt, dry_run, force, last_column_rest, nul, keep_going,
            key_with_shard, dedup, exif_rotate, scale_grey16;
static uint8_t background_rgb[3];

static const struct bt_option options[] = {
    BT_OPT_STRING('o', "output", &output, "FILE", "sample records: a stream, or a set of shards FILE.lmdb"),
    BT_OPT_CHOICE('F', "format", &format, BT_ANNOTATIONS_FORMATS,
                  "form of the inputs, by content if not given"),
    BT_OPT_STRING('i', "images", &images, "DIR", "folder of the pictures that annotations name"),
    BT_OPT_STRING('a', "annotations", &answers, "FILE", "VQAv2 answers for a question file"),
    BT_OPT_STRING('s', "split", &split, "NAME", "take this split only; train includes restval"),
    BT_OPT_CHOICE('g', "group", &group, "auto|caption|image", "one record per caption, or one per picture"),
    BT_OPT_STRING(0, "map-prefix", &map_prefix, "OLD=NEW", "replace the beginning of picture paths"),
    BT_OPT_STRING('m', "map", &map_text, "FIELD=NAME,...", "members or columns under other names; columns also by number"),
    BT_OPT_STRING('d', "delimiter", &delimiter, "CHAR", "of columns, or 'tab'; by default that of the form"),
    BT_OPT_FLAG(0, "last-column-rest", &last_column_rest, "the last column takes what is left of the line"),
    BT_OPT_FLAG('0', "null", &nul, "a NUL ends each of a list of paths"),
    BT_OPT_FLAG(0, "key-with-shard", &key_with_shard, "ids of tar samples begin with the name of the tar"),
    BT_OPT_FLAG('k', "keep-going", &keep_going, "take the whole samples of a tar that is cut"),
    BT_OPT_STRING(0, "shard", &shard, "I/N", "do share I, counted from 0, of a job that N processes share"),
    BT_OPT_FLAG(0, "dedup", &dedup, "leave out what has the picture and the texts of an input before"),
    BT_OPT_FLAG('t', "text-only", &text_only, "captions as sentences, without pictures"),
    BT_OPT_COUNT('r', "resize", &side, "SIDE", "store pixels, resized to SIDE x SIDE, instead of the file"),
    BT_OPT_CHOICE(0, "as", &keep_as, "pixels|jpeg", "with --resize: store pixels, or a JPEG file of them"),
    BT_OPT_COUNT(0, "max-side", &max_side, "N", "store larger pictures as JPEG files whose longer side is N"),
    BT_OPT_FLAG(0, "exif-rotate", &exif_rotate, "turn pictures the way their EXIF says, and store them so"),
    BT_OPT_STRING(0, "background", &background, "COLOR", "put transparent pictures over white, black or RRGGBB"),
    BT_OPT_FLAG(0, "scale-grey16", &scale_grey16, "scale 16-bit grey to 8 bits, where Pillow clips it"),
    BT_OPT_STRING(0, "rejects", &rejects, "FILE", "log of what was left out, JSON lines"),
    BT_OPT_NUMBER(0, "max-rejects", &max_rejects, "N",
                  "stop above this share of inputs, once 1000 were read; 0, or 1 and more: above this count"),
    BT_OPT_COUNT('j', "threads", &threads, "N",
                 "pictures checked at the same time, all processors if not given"),
    BT_OPT_WRITING,
    BT_OPT_COUNT(0, "max-pixels", &max_pixels, "N", "refuse pictures of more pixels"),
    BT_OPT_COUNT(0, "decode-mem", &decode_mem, "MIB", "memory for decoding one picture"),
    BT_OPT_COUNT(0, "decode-time", &decode_time, "S", "processor seconds for decoding one picture"),
    BT_OPT_FLAG(0, "allow-truncated", &allow_truncated, "take cut pictures as far as they go"),
    BT_OPT_FLAG(0, "allow-corrupt", &allow_corrupt, "take pictures whose damage is only warned of"),
    BT_OPT_FLAG('n', "dry-run", &dry_run, "write nothing, print what there is by split"),
    BT_OPT_LINES,
    BT_OPT_FLAG('f', "force", &force, "replace the output"),
    BT_OPT_OPERANDS(&inputs, "INPUT", "folders, pictures, annotation files"),
    BT_OPT_END
};

/* An item on its way, with the picture that a thread is checking for it. */
struct job {
    struct bt_item item;
    struct bt_picture *picture;
    uint64_t number;
    bool repeated; /* a tar sample that was there before */
};

struct run {
    struct bt_annotations *source;
    struct bt_pool *pool;
    struct bt_writer *writer;
    struct bt_record *record;
    struct job *jobs; /* a ring: `count` of them from `first` on */
    size_t capacity, first, count;
    uint64_t read, passed, kept, rotated, turned, clipped, damaged, cmyk, grey, alpha; /* passed: of those read, as safe or of other shares */
    struct bt_seen keys, contents; /* of tar samples; for --dedup */
    uint64_t repeated, duplicates;
    struct {
        const char *code;
        uint64_t count;
    } codes[MAX_CODES];
    size_t code_count;
    char first_reject[400]; /* where, why; empty: none */
    struct bt_progress progress;
};

/* ---- records ---- */

static int set_strings(struct bt_record *rec, const char *key, const json_t *array, struct bt_err *err)
{
    json_t *element;
    size_t i;

    bt_record_begin(rec, key);
    bt_pack_array(rec, json_array_size(array));
    json_array_foreach ((json_t *)array, i, element)
        bt_pack_str(rec, json_string_value(element), json_string_length(element));
    return bt_record_end(rec, err);
}

/* The fields of the item, always in this order. */
static int set_fields(struct bt_record *rec, const json_t *fields, struct bt_err *err)
{
    static const char *const keys[] = { "image_id",      "captions",    "question", "question_id", "answers",
                                        "question_type", "answer_type", "text",     "split" };
    int rc = BT_OK;

    for (size_t i = 0; !rc && i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(fields, keys[i]);

        if (json_is_string(value))
            rc = bt_record_set_str(rec, keys[i], json_string_value(value), json_string_length(value), err);
        else if (json_is_integer(value))
            rc = bt_record_set_int(rec, keys[i], json_integer_value(value), err);
        else if (value)
            rc = set_strings(rec, keys[i], value, err);
    }
    return rc;
}

static int set_picture(struct bt_record *rec, const struct bt_picture *p, struct bt_err *err)
{
    bool pixels = side && strcmp(keep_as, "pixels") == 0;
    int rc = bt_record_set_bin(rec, pixels ? "pixels" : "image", p->data, p->size, err);

    if (!rc && pixels)
        rc = bt_record_set_int(rec, "side", side, err);
    if (!rc)
        rc = bt_record_set_int(rec, "width", p->image.width, err);
    if (!rc)
        rc = bt_record_set_int(rec, "height", p->image.height, err);
    if (!rc && p->image.damaged)
        rc = bt_record_set_bool(rec, "damaged", true, err);
    return rc;
}

static int keep(struct run *r, const struct job *job, struct bt_err *err)
{
    int rc;

    bt_record_clear(r->record);
    rc = bt_record_set_str(r->record, "id", job->item.id, strlen(job->item.id), err);
    if (!rc && job->picture)
        rc = set_picture(r->record, job->picture, err);
    if (!rc)
        rc = set_fields(r->record, job->item.fields, err);
    if (!rc)
        rc = bt_writer_put(r->writer, r->record, err);
    r->kept++;
    return rc;
}

static int reject(struct run *r, const struct job *job, const struct bt_image_reject *why, struct bt_err *err)
{
    const struct bt_item *item = &job->item;
    size_t i = 0;
    struct bt_reject entry = {
        .code = why->code, .src = item->src, .id = item->id, .detail = why->detail, .off = -1, .bytes = -1
    };

    if (!r->first_reject[0])
        snprintf(r->first_reject, sizeof r->first_reject, "%s: %s [%s]", bt_quote_str(item->id ? item->id : item->src), why->detail, why->code);
    if (item->image && strcmp(item->image, item->src) != 0)
        entry.member = item->image;
    if (job->picture && job->picture->file_bytes)
        entry.bytes = (int64_t)job->picture->file_bytes;
    while (i < r->code_count && strcmp(r->codes[i].code, why->code) != 0)
        i++;
    if (i == r->code_count && i < MAX_CODES)
        r->codes[r->code_count++].code = why->code;
    if (i < MAX_CODES)
        r->codes[i].count++;
    return bt_writer_reject(r->writer, &entry, err);
}

/* ---- the queue ---- */

/* Neighbours that name the same picture share one reading of it. */
static int submit(struct run *r, struct job *job, struct bt_err *err)
{
    const struct job *before = r->count ? &r->jobs[(r->first + r->count - 1) % r->capacity] : NULL;
    const struct bt_item *item = &job->item;

    job->picture = NULL;
    if (!item->image || item->reject.code)
        return BT_OK;
    if (job->item.bytes) {
        job->picture = bt_pool_submit_bytes(r->pool, job->item.bytes, job->item.byte_count, item->image);
        job->item.bytes = NULL;
    } else if (before && before->picture && before->picture->root == item->root &&
        strcmp(before->picture->path, item->image) == 0)
        job->picture = bt_picture_share(before->picture);
    else
        job->picture = bt_pool_submit(r->pool, item->root, item->image);
    return job->picture ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

/* xxh64 of the texts, going on from that of the picture. */
static uint64_t content_of(uint64_t picture, const json_t *fields)
{
    static const char *const texts[] = { "captions", "question", "answers", "text" };
    uint64_t hash[5] = { picture };

    for (size_t i = 0; i < 4; i++) {
        char *text = json_dumps(json_object_get(fields, texts[i]), JSON_COMPACT | JSON_ENCODE_ANY);

        hash[i + 1] = text ? bt_xxh64(text, strlen(text)) : 0;
        free(text);
    }
    return bt_xxh64(hash, sizeof hash);
}

/* Two archives may hold the same key: what follows with the same content is passed over, what follows with other is a reject. */
static int know_key(struct run *r, struct job *job, struct bt_err *err)
{
    struct bt_item *item = &job->item;
    uint64_t before, content;
    bool found;
    int rc;

    job->repeated = false;
    if (!item->bytes || item->reject.code)
        return BT_OK;
    content = content_of(bt_xxh64(item->bytes, item->byte_count), item->fields);
    rc = bt_seen_add(&r->keys, bt_xxh64(item->id, strlen(item->id)), content, &found, &before, err);
    if (!rc && found && before == content)
        job->repeated = true;
    else if (!rc && found)
        item->reject = (struct bt_image_reject){ "DUP_ID", "an archive before has this key with another picture or text; see --key-with-shard" };
    return rc;
}

/* Whether an input before had this picture and these texts. */
static int is_duplicate(struct run *r, const struct job *job, bool *yes, struct bt_err *err)
{
    uint64_t picture = job->picture ? bt_xxh64(job->picture->data, job->picture->size) : 0, before;

    return bt_seen_add(&r->contents, content_of(picture, job->item.fields), 0, yes, &before, err);
}

/* Fills the ring; BT_END when the inputs are through. Items that an earlier run has made safe, and those of other shares,
 * are passed over; their keys count all the same. */
static int fill(struct run *r, struct bt_err *err)
{
    int rc = BT_OK;

    while (!rc && r->count < r->capacity) {
        struct job *job = &r->jobs[(r->first + r->count) % r->capacity];

        rc = bt_annotations_next(r->source, &job->item, err);
        if (rc)
            break;
        job->number = r->read++;
        rc = know_key(r, job, err);
        if (rc || !bt_writer_wants(r->writer, job->number)) {
            bt_item_clear(&job->item);
            r->passed++;
            continue;
        }
        if (!r->progress.what) /* its rate is that of what is done now */
            bt_progress_start(&r->progress, "preprocess", "records", job->number, 0);
        rc = submit(r, job, err);
        r->count++;
    }
    return rc;
}

static void drop_first(struct run *r)
{
    struct job *job = &r->jobs[r->first];

    bt_pool_release(r->pool, job->picture);
    bt_item_clear(&job->item);
    job->picture = NULL;
    r->first = (r->first + 1) % r->capacity;
    r->count--;
}

static void count_case(struct run *r, const struct bt_image *image)
{
    r->rotated += image->orientation > 1 && !image->rotated;
    r->turned += image->rotated;
    r->clipped += image->grey16 && !scale_grey16;
    r->damaged += image->damaged;
    r->cmyk += image->cmyk;
    r->grey += image->grey;
    r->alpha += image->alpha;
}

static int write_first(struct run *r, struct bt_err *err)
{
    struct job *job = &r->jobs[r->first];
    const struct bt_image_reject *why = &job->item.reject;
    bool duplicate = false;
    int rc = BT_OK;

    if (job->picture) {
        bt_pool_wait(r->pool, job->picture);
        why = &job->picture->reject;
        if (!why->code)
            count_case(r, &job->picture->image);
    }
    if (dedup && !why->code && !job->repeated)
        rc = is_duplicate(r, job, &duplicate, err);
    r->repeated += job->repeated;
    r->duplicates += duplicate;
    if (!rc && why->code)
        rc = reject(r, job, why, err);
    else if (!rc && !job->repeated && !duplicate)
        rc = keep(r, job, err);
    if (!rc)
        rc = bt_writer_input_done(r->writer, job->number, err);
    drop_first(r);
    bt_progress_update(&r->progress, r->read - r->count, NULL);
    return rc;
}

static int work(struct run *r, struct bt_err *err)
{
    int rc = BT_OK, end = BT_OK;

    while (!rc && (!end || r->count)) {
        if (!end)
            end = fill(r, err);
        if (end && end != BT_END)
            rc = end;
        else if (bt_stop_requested())
            rc = bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again", output);
        else if (r->count)
            rc = write_first(r, err);
    }
    if (!rc && r->progress.what)
        bt_progress_finish(&r->progress);
    return rc;
}

/* ---- the summary ---- */

static void note_codes(const struct run *r)
{
    for (size_t i = 0; i < r->code_count; i++)
        bt_note("  %s: %s", r->codes[i].code, bt_human_count(r->codes[i].count));
}

static void summarise(const struct run *r)
{
    const struct bt_annotations_stats *s = bt_annotations_stats(r->source);
    uint64_t rejected = 0;

    for (size_t i = 0; i < r->code_count; i++)
        rejected += r->codes[i].count;
    bt_note("%s read, %s kept, %s rejected", bt_human_count(r->read), bt_human_count(r->kept),
            bt_human_count(rejected));
    note_codes(r);
    if (r->passed)
        bt_note("%s of them were safe from an earlier run%s", bt_human_count(r->passed),
                shard ? ", or are of other shares" : "");
    if (s->pictures)
        bt_note("pictures found: %s, caption files found: %s, files ignored: %s%s%s",
                bt_human_count(s->pictures), bt_human_count(s->captions), bt_human_count(s->ignored),
                s->ignored ? ", neither picture nor caption, such as " : "",
                s->ignored ? bt_quote_str(s->ignored_example) : "");
    if (s->other_split)
        bt_note("%s entries of another split passed over", bt_human_count(s->other_split));
    if (s->orphans)
        bt_warn("%s captions name a picture that is not in their file", bt_human_count(s->orphans));
    if (s->by_base_name)
        bt_note("%s foreign paths were found by their last part", bt_human_count(s->by_base_name));
    if (s->cut)
        bt_warn("%s inputs were cut; their whole samples were taken", bt_human_count(s->cut));
    if (r->repeated)
        bt_note("%s samples were there before, with the same key and content, and were passed over", bt_human_count(r->repeated));
    if (r->duplicates)
        bt_note("%s duplicates of inputs before were left out", bt_human_count(r->duplicates));
    if (s->blank_lines)
        bt_note("%s blank lines passed over", bt_human_count(s->blank_lines));
    if (r->rotated)
        bt_note("%s pictures carry a rotation that was not applied; see --exif-rotate", bt_human_count(r->rotated));
    if (r->turned)
        bt_note("%s pictures were turned the way their EXIF says", bt_human_count(r->turned));
    if (r->clipped)
        bt_note("%s pictures of 16-bit grey were clipped to 8 bits, not scaled; see --scale-grey16", bt_human_count(r->clipped));
    if (r->cmyk || r->grey || r->alpha)
        bt_note("%s pictures are CMYK, %s grey, %s have transparency, which was %s", bt_human_count(r->cmyk),
                bt_human_count(r->grey), bt_human_count(r->alpha), background ? "put over the background" : "dropped");
    if (r->damaged)
        bt_note("%s damaged pictures were accepted; their records say so", bt_human_count(r->damaged));
}

/* ---- opening ---- */

static struct bt_annotations_options reading(void)
{
    return (struct bt_annotations_options){
        .format = format,
        .images = images,
        .answers = answers,
        .split = split,
        .map_prefix = map_prefix,
        .map = map,
        .delimiter = !delimiter ? 0 : strcmp(delimiter, "tab") == 0 ? '\t' : *delimiter,
        .last_column_rest = last_column_rest,
        .nul = nul,
        .keep_going = keep_going,
        .key_with_shard = key_with_shard,
        .group = strcmp(group, "caption") == 0 ? BT_GROUP_CAPTION
                 : strcmp(group, "image") == 0 ? BT_GROUP_IMAGE
                                               : BT_GROUP_AUTO,
        .text_only = text_only,
    };
}

/* Whether the processes that share the job write one set of shards together. */
static bool sharing_set(void)
{
    return shard && bt_path_is_shards(output);
}

/* The options that the records depend on; neither paths nor threads. */
static int options_hash(char hex[17], struct bt_err *err)
{
    bool alone = sharing_set(); /* all write what one would */
    struct bt_buf text = { 0 };
    uint8_t bytes[8];
    uint64_t hash;
    int rc = bt_buf_printf(
        &text, err,
        "format=%s split=%s group=%s text=%d side=%lld pixels=%lld truncated=%d corrupt=%d map=%s delimiter=%s rest=%d "
        "going=%d key=%d shard=%lld/%lld dedup=%d as=%s max=%lld turn=%d over=%s scale=%d",
        format, split ? split : "", group, text_only, (long long)side, (long long)max_pixels, allow_truncated,
        allow_corrupt, map_text ? map_text : "", delimiter ? delimiter : "", last_column_rest, keep_going, key_with_shard,
        alone ? 0 : (long long)shard_i, alone ? 1 : (long long)shard_n, dedup, keep_as, (long long)max_side, exif_rotate, background ? background : "",
        scale_grey16);

    if (!rc) {
        hash = bt_xxh64(text.data, text.size);
        for (int i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
        bt_hex(hex, bytes, sizeof bytes);
    }
    bt_buf_free(&text);
    return rc;
}

static int name_inputs(struct bt_writer *writer, struct bt_err *err)
{
    uint64_t bytes, hash;
    int rc = BT_OK;

    for (size_t i = 0; !rc && i <= inputs.count; i++) {
        const char *input = i < inputs.count ? inputs.items[i] : answers;
        if (!input || strcmp(input, "-") == 0)
            continue;
        rc = bt_annotations_identity(input, &bytes, &hash, err);
        if (!rc)
            rc = bt_writer_input(writer, input, bytes, hash, err);
    }
    return rc;
}

static int open_writer(struct run *r, struct bt_err *err)
{
    char hash[17];
    struct bt_writer_options o = { .schema = &bt_schema_sample,
                                   .options_hash = hash,
                                   .force = force,
                                   .provenance = true,
                                   .share_i = (uint64_t)shard_i,
                                   .share_of = shard ? (uint64_t)shard_n : 0 };
    int rc = options_hash(hash, err);

    if (!rc)
        rc = bt_writer_open(&r->writer, output, &o, err);
    if (!rc && side && strcmp(keep_as, "pixels") == 0)
        rc = bt_writer_must_int(r->writer, "side", side, err);
    if (!rc)
        rc = name_inputs(r->writer, err);
    if (!rc && rejects)
        rc = bt_writer_rejects_to(r->writer, rejects, err);
    if (!rc)
        bt_writer_max_rejects(r->writer, max_rejects);
    return rc;
}

static int open_pool(struct run *r, struct bt_err *err)
{
    struct bt_pool_options o = { .image = { .max_pixels = (uint64_t)max_pixels,
                                            .allow_truncated = allow_truncated,
                                            .allow_corrupt = allow_corrupt,
                                            .exif_rotate = exif_rotate,
                                            .scale_grey16 = scale_grey16,
                                            .composite = background != NULL },
                                 .side = (int)side,
                                 .jpeg = strcmp(keep_as, "jpeg") == 0,
                                 .max_side = (int)max_side,
                                 .memory_bytes = (size_t)decode_mem << 20,
                                 .cpu_seconds = (int)decode_time };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    memcpy(o.image.background, background_rgb, sizeof background_rgb);
    o.threads = threads ? (int)threads : processors > 0 ? (int)processors : 1;
    r->capacity = 4 * (size_t)o.threads + 4;
    r->jobs = bt_alloc(r->capacity, sizeof *r->jobs, err);
    r->record = bt_record_new();
    if (!r->jobs || !r->record)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    return text_only ? BT_OK : bt_pool_new(&r->pool, &o, err); /* its processes would have nothing to do */
}

static int finish(struct run *r, struct bt_err *err)
{
    uint64_t judged = bt_path_is_shards(output) ? r->read : r->read - r->passed;

    if (r->read == 0 || (judged && !sharing_set() && r->kept == 0 && bt_writer_written(r->writer) == 0)) {
        summarise(r);
        return bt_fail(err, BT_ERR_INPUT, "%s: %s%s%s; see the inputs and --format, --images, --split", inputs.items[0],
                       r->read ? "every input was rejected, no record is left" : "nothing to read",
                       r->first_reject[0] ? "; the first, " : "", r->first_reject);
    }
    if (max_rejects > 0 && max_rejects < 1 && judged && judged < JUDGED_AFTER) /* too few for a share to mean much, */
        bt_writer_max_rejects(r->writer, (double)(judged - 1));                 /* but not all */
    return bt_writer_finish(r->writer, err);
}

/* ---- options ---- */

static bool parse_background(void)
{
    unsigned rgb = 0xffffff;
    char behind;

    if (strcmp(background, "black") == 0)
        rgb = 0;
    else if (strcmp(background, "white") != 0 &&
             (strlen(background) != 6 || strspn(background, "0123456789abcdefABCDEF") != 6 || sscanf(background, "%6x%c", &rgb, &behind) != 1))
        return false;
    for (int c = 0; c < 3; c++)
        background_rgb[c] = (uint8_t)(rgb >> (16 - 8 * c));
    return true;
}

static int check_options(struct bt_err *err)
{
    char behind;

    if (inputs.count == 0)
        return bt_fail(err, BT_ERR_USAGE, "no input; name a folder, pictures or an annotation file");
    if (side > 4096 || threads > 1024)
        return bt_fail(err, BT_ERR_USAGE, "--resize is at most 4096, --threads at most 1024");
    if (map_prefix && (map_prefix[0] == '=' || !strchr(map_prefix, '=')))
        return bt_fail(err, BT_ERR_USAGE, "--map-prefix=%s: write OLD=NEW", bt_quote_str(map_prefix));
    if (delimiter && strcmp(delimiter, "tab") != 0 && strlen(delimiter) != 1)
        return bt_fail(err, BT_ERR_USAGE, "--delimiter=%s: is not one character, nor 'tab'", bt_quote_str(delimiter));
    if (shard && (sscanf(shard, "%5" SCNd64 "/%5" SCNd64 "%c", &shard_i, &shard_n, &behind) != 2 || shard_i < 0 || shard_n < 1 ||
                  shard_i >= shard_n))
        return bt_fail(err, BT_ERR_USAGE, "--shard=%s: write I/N, I from 0 to N - 1", bt_quote_str(shard));
    if (sharing_set() && (dedup || force))
        return bt_fail(err, BT_ERR_USAGE, dedup ? "--dedup has to see all inputs, and those of a shared set are not all here; leave out --shard"
                                                : "--force would remove what other shares have made; remove the set, then start them");
    for (size_t i = 0; sharing_set() && i < inputs.count; i++)
        if (strcmp(inputs.items[i], "-") == 0)
            return bt_fail(err, BT_ERR_USAGE, "every share of a set reads all inputs, and standard input can be read once; name files");
    if (background && !parse_background())
        return bt_fail(err, BT_ERR_USAGE, "--background=%s: is neither white, black nor RRGGBB", bt_quote_str(background));
    if (max_side > 32768 || decode_mem < 16 || decode_mem > 65536 || decode_time < 1 || decode_time > 3600)
        return bt_fail(err, BT_ERR_USAGE, "--max-side is at most 32768, --decode-mem 16 to 65536, --decode-time 1 to 3600");
    if (side && max_side)
        return bt_fail(err, BT_ERR_USAGE, "--resize and --max-side exclude each other");
    if (text_only && side)
        return bt_fail(err, BT_ERR_USAGE, "--text-only has no pictures for --resize");
    return BT_OK;
}

static int process(struct run *r, struct bt_err *err)
{
    int rc = open_pool(r, err);

    if (!rc)
        rc = open_writer(r, err);
    if (!rc)
        rc = work(r, err);
    if (!rc)
        rc = finish(r, err);
    if (!rc)
        summarise(r);
    return rc;
}

static int run(struct bt_err *err)
{
    struct bt_annotations_options how;
    struct run r = { 0 };
    int rc = check_options(err);

    if (!rc)
        rc = bt_map_parse(&map, map_text, err);
    how = reading();
    if (!rc)
        rc = bt_annotations_open(&r.source, inputs.items, inputs.count, &how, err);
    if (!rc)
        rc = dry_run ? bt_annotations_survey(r.source, err) : process(&r, err);

    while (r.count)
        drop_first(&r);
    if (rc && r.writer)
        bt_writer_abort(r.writer, err);
    bt_writer_close(r.writer);
    bt_record_free(r.record);
    bt_pool_free(r.pool);
    free(r.jobs);
    bt_annotations_close(r.source);
    bt_seen_free(&r.keys);
    bt_seen_free(&r.contents);
    bt_map_free(map);
    return rc;
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-preprocess", "turn pictures and annotations into sample records",
                                  options };
    return bt_tool_main(&tool, run, argc, argv);
}
