/* The closed world of the demonstration: what can be seen in a picture, and what each of it is called.
 * Source: demo.md 2, 3. */
#ifndef EMOJI_LEXICON_H
#define EMOJI_LEXICON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THING_COUNT = 49, JOB_COUNT = 16, GENDER_COUNT = 2, TONE_COUNT = 5, COLOR_COUNT = 8 };
enum { PHRASE_SIZE = 64 };

enum kind {
    KIND_ANIMAL, KIND_FOOD, KIND_VEHICLE, KIND_CLOTHING, KIND_INSTRUMENT, KIND_TOOL, KIND_PLANT, KIND_BALL,
    KIND_HEART, KIND_FLAG, KIND_COUNT,
};

struct thing {
    enum kind kind;
    const char *name;   /* as captions say it */
    const char *emoji;  /* as emoji-test.txt names it */
    const char *plural; /* NULL: the name is a plural already, and such things are not counted */
};

struct color {
    const char *name;
    uint8_t rgb[3];
};

extern const struct thing things[THING_COUNT];
extern const char *const kind_names[KIND_COUNT];
extern const char *const jobs[JOB_COUNT]; /* the same in captions and in emoji-test.txt */
extern const char *const genders[GENDER_COUNT];
extern const char *const tones[TONE_COUNT];       /* "medium light" */
extern const char *const tone_emoji[TONE_COUNT];  /* "medium-light" */
extern const struct color colors[COLOR_COUNT];
extern const char *const number_words[5];         /* "two" at 2 */

/* "a dog", "an elephant", "grapes", into out. */
void phrase_thing(char out[PHRASE_SIZE], int thing);
/* "a", "an": what stands before `word`. */
const char *article(const char *word);

/* True for a word of captions that says what is in the picture, false for the words between. */
bool is_content_word(const char *word);
/* The label of a content word: itself, or the singular that it is the plural of. */
const char *singular_of(const char *word, char out[PHRASE_SIZE]);

#endif
