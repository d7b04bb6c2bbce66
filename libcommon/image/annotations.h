/* What people have on disk - folders, caption and question files in the forms of COCO, LAVIS, Karpathy and
 * VQAv2, JSON lines, sentences - read as one sequence of items: a picture's path and the fields that go
 * with it. Streams; only a file whose parts have to be joined (COCO's captions, VQAv2's answers) is held,
 * without its pictures. Source: data.md 3, 10; formats.md 4 (reject codes), 11 (text and paths). */
#ifndef BT_IMAGE_ANNOTATIONS_H
#define BT_IMAGE_ANNOTATIONS_H

#include "libcommon/base/json.h"
#include "libcommon/image/map.h"
#include "libcommon/image/image.h"
#include "libcommon/image/root.h"

enum bt_group {
    BT_GROUP_AUTO,    /* as the file has it; the training part of COCO forms by caption */
    BT_GROUP_CAPTION, /* one item for each caption */
    BT_GROUP_IMAGE,   /* one item for each picture, neighbours of the same picture joined */
};

struct bt_annotations_options {
    const char *format;     /* NULL or "auto": by content; else one of BT_ANNOTATIONS_FORMATS */
    const char *images;     /* folder of the pictures; NULL: that of the annotation file */
    const char *answers;    /* VQAv2 annotation file for a question file; NULL: none */
    const char *split;      /* take only this one, "train" includes Karpathy's "restval"; NULL: all */
    const char *map_prefix; /* "OLD=NEW", for picture paths; NULL: none */
    const struct bt_map *map; /* fields under other names; NULL: none */
    char delimiter;           /* of tables; 0: that of their form */
    bool last_column_rest;    /* tables: the last column takes what is left of the line */
    bool nul;                 /* lists of paths: a NUL ends each */
    bool keep_going;          /* tar: of a cut one the whole samples, with a warning */
    bool key_with_shard;      /* tar: the id has the tar's name in front */
    enum bt_group group;
    bool text_only; /* captions as sentences, no pictures */
};
#define BT_ANNOTATIONS_FORMATS \
    "auto|coco|karpathy|lavis|vqa|gqa|jsonl|csv|tsv|cc3m|cc12m|tar|folder|picture|paths|text"

/* One record to be. `fields` is an object of the record's fields (bt.sample: image_id, captions, question,
 * ...), each a string, an integer or an array of strings. A bad item has reject.code and possibly no
 * fields. */
struct bt_item {
    char *id;    /* unique in its file: the source's own id, else "file:index" */
    char *image; /* below `root`, or the name of the member that `bytes` are; NULL: no picture */
    uint8_t *bytes; /* of a tar: the picture's file; else NULL */
    size_t byte_count;
    int64_t offset; /* of a tar: where the sample begins, else 0 */
    const struct bt_root *root;
    json_t *fields;
    const char *src; /* the input, without its folders; for pictures by themselves their path */
    struct bt_image_reject reject;

    /* between the readers and the grouping */
    json_t *caption_ids; /* one id for each caption, or NULL */
    bool by_caption;     /* split under BT_GROUP_AUTO */
};

/* Counted while reading, for the summary. */
struct bt_annotations_stats {
    uint64_t pictures, captions; /* found in folders */
    uint64_t ignored;            /* files in folders that are neither picture nor caption */
    char ignored_example[100];
    uint64_t blank_lines; /* in sentence files */
    uint64_t other_split; /* entries of another split than the one asked for */
    uint64_t orphans;     /* captions of pictures that are not in their file */
    uint64_t by_base_name; /* foreign absolute paths found below the root by their last part */
    uint64_t cut;          /* inputs that were cut, of which the whole samples were taken */
};

struct bt_annotations;

/* Several inputs are read one after the other. Each is a folder, a picture, an annotation file, or "-"
 * (stdin, for jsonl and text, with the format named). The paths and options must outlive it. */
int bt_annotations_open(struct bt_annotations **a, const char *const *inputs, size_t count,
                        const struct bt_annotations_options *options, struct bt_err *err);
/* The next item, which the caller clears; BT_END after the last. */
int bt_annotations_next(struct bt_annotations *a, struct bt_item *item, struct bt_err *err);
const struct bt_annotations_stats *bt_annotations_stats(const struct bt_annotations *a);
void bt_item_clear(struct bt_item *item);
/* Items refer to its roots: clear them and release their pictures first. */
void bt_annotations_close(struct bt_annotations *a);

/* Identity of an input, for provenance and resuming: bytes, and xxh64 of the first and last 64 KiB; of a
 * folder, number and hash of its file names. stdin gives 0, 0. */
int bt_annotations_identity(const char *input, uint64_t *bytes, uint64_t *hash, struct bt_err *err);

#endif
