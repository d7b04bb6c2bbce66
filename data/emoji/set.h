/* The set in the making: the scenes of its splits, and the folder that its files go to. */
#ifndef EMOJI_SET_H
#define EMOJI_SET_H

#include "data/emoji/bag.h"
#include "data/emoji/glyph.h"
#include "data/emoji/scene.h"
#include "data/emoji/source.h"
#include "libcommon/base/mem.h"

/* At most so many pictures in a split: its ids are a block of a million. */
enum { PICTURE_MAX = 1000000 - 1, FILE_NAME_SIZE = 32 };

struct set {
    uint64_t seed, test_seed; /* training, validation and documents; test */
    uint64_t picture_count[SPLIT_COUNT], document_count;
    struct scene *scene[SPLIT_COUNT];
    struct bag keys[SPLIT_COUNT], document_keys;
    const char *dir;
    struct bt_buf manifest;
};

/* What is known of the finished set, for people and for summary.json. */
struct tally {
    uint64_t type[SPLIT_COUNT][SCENE_TYPE_COUNT];
    uint64_t shared; /* combinations of one split that another holds; a set with any is refused */
    uint64_t pairs_seen[SPLIT_COUNT]; /* pictures whose attribute pairs all occur in training pictures */
    uint64_t questions[SPLIT_COUNT], yes[SPLIT_COUNT], no[SPLIT_COUNT];
    uint64_t sentences, document_questions, document_yes, document_no, document_words;
    uint64_t labels, label_words;
    uint64_t picture_bytes;
};

struct origin set_origin(const struct set *set, enum split split, uint64_t number);
struct origin set_document_origin(const struct set *set, uint64_t number);
/* Numbers in files start at 1; ids are unique over the splits. */
uint64_t set_image_id(enum split split, uint64_t number);
/* "test/2000001.jpg": by its id, since a question names no file. */
void set_file_name(char out[FILE_NAME_SIZE], enum split split, uint64_t number);

int set_draw(struct set *set, struct bt_err *err);
void set_free(struct set *set);

/* One file of the set, noted in the manifest; takes the bytes, also on failure. */
int set_write(struct set *set, const char *name, struct bt_buf *bytes, struct bt_err *err);

/* Painting by `threads` threads (0: all); the same bytes for any number. */
int set_write_pictures(struct set *set, const struct glyphs *glyphs, int threads, struct tally *tally,
                       struct bt_err *err);
/* captions, questions, annotations, gqa and scenes of a split, and text_qa but for training. */
int set_write_split(struct set *set, enum split split, struct tally *tally, struct bt_err *err);
/* documents_train.jsonl, sentences_train.txt; notes the documents' combinations. */
int set_write_documents(struct set *set, const struct source *source, struct tally *tally,
                        struct bt_err *err);
/* words.txt */
int set_write_words(struct set *set, struct tally *tally, struct bt_err *err);
/* No combination in two splits, none of validation or test in a document (E_BUG); counts the rest. */
int set_check(struct set *set, struct tally *tally, struct bt_err *err);
/* summary.json */
int set_write_summary(struct set *set, const struct tally *tally, struct bt_err *err);

#endif
