/* Scenes: drawing, the split rule. */
#include "data/emoji/scene.h"

#include <stdio.h>
#include <string.h>

#include "libcommon/base/hash.h"

const char *const split_names[SPLIT_COUNT] = { "train", "val", "test" };
const char *const scene_type_names[SCENE_TYPE_COUNT] = { "two", "count", "one", "person" };

/* Twenty numbers in a row: 8 two (40 %), 3 count (15 %), 4 one (20 %), 5 person (25 %). */
static const char pattern[] = "TPOTCTPTOTPCTPOTCTPO";
static const char pattern_letters[SCENE_TYPE_COUNT] = { 'T', 'C', 'O', 'P' };

struct bt_draw origin_draw(const struct origin *origin, enum use use)
{
    return bt_draw(origin->seed, BT_DRAW_SCENE, (uint32_t)origin->stream * 16 + use, origin->number);
}

static void choose_type(struct scene *scene, uint64_t number)
{
    size_t length = sizeof pattern - 1, slot = (size_t)(number % length);
    uint64_t in_row = 0, before = 0;

    for (int t = 0; t < SCENE_TYPE_COUNT; t++)
        if (pattern[slot] == pattern_letters[t])
            scene->type = (enum scene_type)t;
    for (size_t i = 0; i < length; i++) {
        in_row += pattern[i] == pattern[slot];
        before += i < slot && pattern[i] == pattern[slot];
    }
    scene->ordinal = number / length * in_row + before;
}

/* Pair k of the unordered pairs of things; two flags are never together. */
static int pair_count(void)
{
    int flags = 0;

    for (int i = 0; i < THING_COUNT; i++)
        flags += things[i].kind == KIND_FLAG;
    return THING_COUNT * (THING_COUNT - 1) / 2 - flags * (flags - 1) / 2;
}

static void pair_at(int k, int pair[2])
{
    for (pair[0] = 0; pair[0] < THING_COUNT; pair[0]++)
        for (pair[1] = pair[0] + 1; pair[1] < THING_COUNT; pair[1]++) {
            bool flags = things[pair[0]].kind == KIND_FLAG && things[pair[1]].kind == KIND_FLAG;

            if (!flags && k-- == 0)
                return;
        }
}

static bool is_countable(int thing)
{
    return things[thing].plural != NULL;
}

static bool is_no_flag(int thing)
{
    return things[thing].kind != KIND_FLAG;
}

/* Thing k of those that are fit, or -1 behind the last. */
static int fit_thing_at(bool (*fit)(int thing), int k)
{
    for (int i = 0; i < THING_COUNT; i++)
        if (fit(i) && k-- == 0)
            return i;
    return -1;
}

static int fit_count(bool (*fit)(int thing))
{
    int count = 0;

    for (int i = 0; i < THING_COUNT; i++)
        count += fit(i);
    return count;
}

static int subject_count(enum scene_type type)
{
    switch (type) {
    case SCENE_TWO:
        return pair_count();
    case SCENE_COUNT_OF:
        return fit_count(is_countable) * 3;
    case SCENE_ONE:
        return THING_COUNT * 2;
    default:
        return JOB_COUNT * GENDER_COUNT * TONE_COUNT;
    }
}

static void set_subject(struct scene *scene, int k)
{
    switch (scene->type) {
    case SCENE_TWO:
        pair_at(k, scene->thing);
        break;
    case SCENE_COUNT_OF:
        scene->thing[0] = fit_thing_at(is_countable, k / 3);
        scene->number = 2 + k % 3;
        break;
    case SCENE_ONE:
        scene->thing[0] = k / 2;
        scene->large = k % 2 == 1;
        break;
    default:
        scene->job = k / (GENDER_COUNT * TONE_COUNT);
        scene->gender = k / TONE_COUNT % GENDER_COUNT;
        scene->tone = k % TONE_COUNT;
    }
}

/* The card at this scene's place in the deck; a deck is reshuffled when it is used up. */
static int dealt_subject(const struct scene *scene, const struct origin *origin)
{
    uint64_t count = (uint64_t)subject_count(scene->type);
    uint32_t deck = (uint32_t)(scene->ordinal / count);
    uint32_t shuffle = ((uint32_t)origin->stream * SCENE_TYPE_COUNT + scene->type) << 16 | (deck & 0xffff);
    struct bt_permutation order = bt_permutation(count, origin->seed, shuffle);

    return (int)bt_permutation_at(&order, scene->ordinal % count);
}

/* What the combination does not hold: sides, and the person's companion. */
static void draw_rest(struct scene *scene, struct bt_draw *draw)
{
    bool swap = bt_draw_below(draw, 2) == 1, flip = bt_draw_below(draw, 2) == 1;

    if (scene->type == SCENE_TWO) {
        int first = scene->thing[swap], second = scene->thing[!swap];

        scene->thing[0] = first;
        scene->thing[1] = second;
        scene->above = flip;
    } else if (scene->type == SCENE_PERSON && bt_draw_below(draw, 10) < 4) {
        scene->thing[0] = fit_thing_at(is_no_flag, (int)bt_draw_below(draw, (uint64_t)fit_count(is_no_flag)));
        scene->person_left = flip;
    }
}

int scene_draw(struct scene *scene, const struct origin *origin, enum split split, struct bt_err *err)
{
    struct bt_draw draw = origin_draw(origin, USE_CONTENT);
    char key[KEY_SIZE];

    *scene = (struct scene){ .thing = { -1, -1 } };
    choose_type(scene, origin->number);
    set_subject(scene, dealt_subject(scene, origin));
    for (int attempt = 0; attempt < 10000; attempt++) {
        if (attempt >= 64) /* not every subject has a held-out background */
            set_subject(scene, (int)bt_draw_below(&draw, (uint64_t)subject_count(scene->type)));
        scene->color = (int)bt_draw_below(&draw, COLOR_COUNT);
        scene_key(scene, key);
        if (key_split(key) == split) {
            draw_rest(scene, &draw);
            return BT_OK;
        }
    }
    return bt_fail(err, BT_ERR_BUG, "scene %llu: no combination of split %s found",
                   (unsigned long long)origin->number, split_names[split]);
}

int scene_attributes(const struct scene *scene, const char *attribute[ATTRIBUTE_COUNT])
{
    int n = 0;

    if (scene->type == SCENE_PERSON) {
        attribute[n++] = jobs[scene->job];
        attribute[n++] = genders[scene->gender];
        attribute[n++] = tones[scene->tone];
    } else {
        attribute[n++] = things[scene->thing[0]].name;
    }
    if (scene->type == SCENE_TWO) {
        attribute[n++] = things[scene->thing[1]].name;
        if (strcmp(attribute[0], attribute[1]) > 0) {
            attribute[1] = attribute[0];
            attribute[0] = things[scene->thing[1]].name;
        }
    } else if (scene->type == SCENE_COUNT_OF) {
        attribute[n++] = number_words[scene->number];
    } else if (scene->type == SCENE_ONE) {
        attribute[n++] = scene->large ? "large" : "small";
    }
    attribute[n++] = colors[scene->color].name;
    return n;
}

void scene_key(const struct scene *scene, char key[KEY_SIZE])
{
    const char *attribute[ATTRIBUTE_COUNT];
    int count = scene_attributes(scene, attribute);
    size_t size = (size_t)snprintf(key, KEY_SIZE, "%s:", scene_type_names[scene->type]);

    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(key + size, KEY_SIZE - size, "%s%s", i ? "|" : "", attribute[i]);
}

enum split key_split(const char *key)
{
    uint8_t digest[32];
    uint32_t h;

    bt_sha256(key, strlen(key), digest);
    h = (uint32_t)digest[0] | (uint32_t)digest[1] << 8 | (uint32_t)digest[2] << 16 |
        (uint32_t)digest[3] << 24;
    if (h % 6 != 0)
        return SPLIT_TRAIN;
    return h / 6 % 3 == 0 ? SPLIT_VAL : SPLIT_TEST;
}

bool scene_has_thing(const struct scene *scene, int thing)
{
    return scene->thing[0] == thing || scene->thing[1] == thing;
}

bool scene_has_kind(const struct scene *scene, enum kind kind)
{
    for (int i = 0; i < 2; i++)
        if (scene->thing[i] >= 0 && things[scene->thing[i]].kind == kind)
            return true;
    return false;
}
