/* A scene: what one picture shows, drawn by its number, with its five captions and its combination.
 *
 * The split rule hides combinations, never their parts: every pair of attributes may be seen in training, but
 * a combination (two things and the background, say) belongs to one split for good.
 * Source: demo.md 0, 2, 3. */
#ifndef EMOJI_SCENE_H
#define EMOJI_SCENE_H

#include "data/emoji/lexicon.h"
#include "libcommon/base/err.h"
#include "libcommon/base/rng.h"

enum split { SPLIT_TRAIN, SPLIT_VAL, SPLIT_TEST, SPLIT_COUNT };
extern const char *const split_names[SPLIT_COUNT];

enum scene_type { SCENE_TWO, SCENE_COUNT_OF, SCENE_ONE, SCENE_PERSON, SCENE_TYPE_COUNT };
extern const char *const scene_type_names[SCENE_TYPE_COUNT];

/* Where a scene comes from: with `use`, the key of its draws. Documents tell scenes of their own. */
enum stream { STREAM_TRAIN, STREAM_VAL, STREAM_TEST, STREAM_DOCUMENT };
enum use { USE_CONTENT, USE_PAINT, USE_QUESTION, USE_TELL };

struct origin {
    uint64_t seed;
    enum stream stream;
    uint64_t number; /* from 0 */
};
struct bt_draw origin_draw(const struct origin *origin, enum use use);

struct scene {
    enum scene_type type;
    uint64_t ordinal; /* among the scenes of its type: what is balanced is balanced over it */
    int color;
    int thing[2];          /* two: left or upper first; person: the companion in [0], or -1 */
    bool above;            /* two: thing[0] is above thing[1], else to its left */
    int number;            /* count: 2, 3, 4 */
    bool large;            /* one */
    int job, gender, tone; /* person */
    bool person_left;      /* person with a thing */
};

enum { CAPTION_COUNT = 5, CAPTION_SIZE = 256, KEY_SIZE = 96, ATTRIBUTE_COUNT = 4 };

/* The scene of `origin` whose combination belongs to the split. Subjects (pairs, things with number or size,
 * people) are dealt from a shuffled deck, so that all are seen equally often; the rest is drawn. */
int scene_draw(struct scene *scene, const struct origin *origin, enum split split, struct bt_err *err);

/* The attributes whose combination is held out; returns how many. They live as long as the program. */
int scene_attributes(const struct scene *scene, const char *attribute[ATTRIBUTE_COUNT]);
/* "type:attribute|attribute|...", the pair of things in the order of the alphabet. */
void scene_key(const struct scene *scene, char key[KEY_SIZE]);
/* By the first four bytes of SHA-256 of the key: one sixth is held out, of that one third is validation. */
enum split key_split(const char *key);

/* Caption `which` of five. */
void scene_caption(const struct scene *scene, int which, char out[CAPTION_SIZE]);
/* Whether that caption says which thing is where. */
bool scene_caption_places(const struct scene *scene, int which);
bool scene_has_thing(const struct scene *scene, int thing);
bool scene_has_kind(const struct scene *scene, enum kind kind);

#endif
