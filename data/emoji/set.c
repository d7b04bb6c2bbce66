/* The set: scenes, names, the check of its split, the summary. */
#include "data/emoji/set.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/emoji/json_out.h"
#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"

struct origin set_origin(const struct set *set, enum split split, uint64_t number)
{
    static const enum stream streams[SPLIT_COUNT] = { STREAM_TRAIN, STREAM_VAL, STREAM_TEST };

    return (struct origin){ split == SPLIT_TEST ? set->test_seed : set->seed, streams[split], number };
}

struct origin set_document_origin(const struct set *set, uint64_t number)
{
    return (struct origin){ set->seed, STREAM_DOCUMENT, number };
}

uint64_t set_image_id(enum split split, uint64_t number)
{
    return (uint64_t)split * (PICTURE_MAX + 1) + number + 1;
}

void set_file_name(char out[FILE_NAME_SIZE], enum split split, uint64_t number)
{
    snprintf(out, FILE_NAME_SIZE, "%s/%06llu.jpg", split_names[split],
             (unsigned long long)set_image_id(split, number));
}

int set_draw(struct set *set, struct bt_err *err)
{
    int rc = BT_OK;

    for (int s = 0; !rc && s < SPLIT_COUNT; s++) {
        set->scene[s] = bt_alloc(set->picture_count[s], sizeof *set->scene[s], err);
        if (!set->scene[s])
            rc = BT_ERR_MEMORY;
        for (uint64_t i = 0; !rc && i < set->picture_count[s]; i++) {
            struct origin origin = set_origin(set, (enum split)s, i);
            char key[KEY_SIZE];

            rc = scene_draw(&set->scene[s][i], &origin, (enum split)s, err);
            if (!rc) {
                scene_key(&set->scene[s][i], key);
                rc = bag_add(&set->keys[s], key, err);
            }
        }
    }
    return rc;
}

void set_free(struct set *set)
{
    for (int s = 0; s < SPLIT_COUNT; s++) {
        free(set->scene[s]);
        bag_free(&set->keys[s]);
    }
    bag_free(&set->document_keys);
    bt_buf_free(&set->manifest);
}

int set_write(struct set *set, const char *name, struct bt_buf *bytes, struct bt_err *err)
{
    char *path = bt_format("%s/%s", set->dir, name), hex[65];
    uint8_t digest[32];
    int rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", name);

    if (!rc)
        rc = bt_file_write(path, bytes->data ? bytes->data : "", bytes->size, false, err);
    if (!rc) {
        bt_sha256(bytes->data ? bytes->data : "", bytes->size, digest);
        bt_hex(hex, digest, sizeof digest);
        rc = bt_buf_printf(&set->manifest, err, "%s %llu %s\n", name, (unsigned long long)bytes->size, hex);
    }
    free(path);
    bt_buf_free(bytes);
    return rc;
}

/* Every two attributes of a scene, as one text each; a pair may be seen in any type of scene. */
static int pairs_of(const struct scene *scene, char pair[6][KEY_SIZE])
{
    const char *attribute[ATTRIBUTE_COUNT];
    int count = scene_attributes(scene, attribute), n = 0;

    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            snprintf(pair[n++], KEY_SIZE, "%s+%s", attribute[i], attribute[j]);
    return n;
}

static int count_pairs(const struct set *set, struct tally *tally, struct bt_err *err)
{
    struct bag seen = { 0 };
    char pair[6][KEY_SIZE];
    int rc = BT_OK;

    for (uint64_t i = 0; !rc && i < set->picture_count[SPLIT_TRAIN]; i++) {
        int count = pairs_of(&set->scene[SPLIT_TRAIN][i], pair);

        for (int k = 0; !rc && k < count; k++)
            rc = bag_add(&seen, pair[k], err);
    }
    for (int s = 0; !rc && s < SPLIT_COUNT; s++)
        for (uint64_t i = 0; i < set->picture_count[s]; i++) {
            int count = pairs_of(&set->scene[s][i], pair), known = 0;

            for (int k = 0; k < count; k++)
                known += bag_count(&seen, pair[k]) > 0;
            tally->pairs_seen[s] += known == count;
        }
    bag_free(&seen);
    return rc;
}

static uint64_t shared_between(const struct bag *a, const struct bag *b)
{
    uint64_t shared = 0;

    for (uint64_t i = 0; i < a->size; i++)
        shared += bag_count(b, a->entry[i].text) > 0;
    return shared;
}

int set_check(struct set *set, struct tally *tally, struct bt_err *err)
{
    for (int s = 0; s < SPLIT_COUNT; s++)
        for (uint64_t i = 0; i < set->picture_count[s]; i++)
            tally->type[s][set->scene[s][i].type]++;
    tally->shared = shared_between(&set->keys[SPLIT_VAL], &set->keys[SPLIT_TEST]);
    for (int s = SPLIT_VAL; s <= SPLIT_TEST; s++)
        tally->shared += shared_between(&set->keys[s], &set->keys[SPLIT_TRAIN]) +
                         shared_between(&set->keys[s], &set->document_keys);
    if (tally->shared > 0)
        return bt_fail(err, BT_ERR_BUG, "emoji set: %llu held-out combinations are in training",
                       (unsigned long long)tally->shared);
    return count_pairs(set, tally, err);
}

static json_t *split_summary(const struct set *set, const struct tally *tally, int s)
{
    json_t *types = json_object();

    for (int t = 0; t < SCENE_TYPE_COUNT; t++)
        json_object_set_new(types, scene_type_names[t], json_integer((json_int_t)tally->type[s][t]));
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I}", "pictures", (json_int_t)set->picture_count[s],
                     "combinations", (json_int_t)set->keys[s].size, "pictures_with_all_pairs_trained",
                     (json_int_t)tally->pairs_seen[s], "types", types, "questions",
                     (json_int_t)tally->questions[s], "yes", (json_int_t)tally->yes[s], "no",
                     (json_int_t)tally->no[s]);
}

int set_write_summary(struct set *set, const struct tally *tally, struct bt_err *err)
{
    struct bt_buf out = { 0 };
    json_t *all = json_pack("{s:I, s:I, s:I, s:I}", "shared_combinations", (json_int_t)tally->shared,
                            "picture_bytes", (json_int_t)tally->picture_bytes, "labels",
                            (json_int_t)tally->labels, "label_words", (json_int_t)tally->label_words);
    int rc;

    for (int s = 0; s < SPLIT_COUNT; s++)
        json_object_set_new(all, split_names[s], split_summary(set, tally, s));
    json_object_set_new(
        all, "documents",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "documents", (json_int_t)set->document_count,
                  "combinations", (json_int_t)set->document_keys.size, "sentences",
                  (json_int_t)tally->sentences, "questions", (json_int_t)tally->document_questions, "yes",
                  (json_int_t)tally->document_yes, "no", (json_int_t)tally->document_no, "words",
                  (json_int_t)tally->document_words));
    rc = json_put(&out, all, err);
    if (!rc)
        rc = bt_buf_add(&out, "\n", 1, err);
    if (rc) {
        bt_buf_free(&out);
        return rc;
    }
    return set_write(set, "summary.json", &out, err);
}
