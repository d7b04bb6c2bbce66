/* The closed world of the demonstration: tables of names. */
#include "data/emoji/lexicon.h"

#include <stdio.h>
#include <string.h>

const struct thing things[THING_COUNT] = {
    { KIND_ANIMAL, "dog", "dog", "dogs" },
    { KIND_ANIMAL, "cat", "cat", "cats" },
    { KIND_ANIMAL, "lion", "lion", "lions" },
    { KIND_ANIMAL, "zebra", "zebra", "zebras" },
    { KIND_ANIMAL, "pig", "pig", "pigs" },
    { KIND_ANIMAL, "elephant", "elephant", "elephants" },
    { KIND_ANIMAL, "penguin", "penguin", "penguins" },
    { KIND_ANIMAL, "frog", "frog", "frogs" },
    { KIND_ANIMAL, "octopus", "octopus", "octopuses" },
    { KIND_ANIMAL, "butterfly", "butterfly", "butterflies" },
    { KIND_FOOD, "grapes", "grapes", NULL },
    { KIND_FOOD, "lemon", "lemon", "lemons" },
    { KIND_FOOD, "banana", "banana", "bananas" },
    { KIND_FOOD, "pineapple", "pineapple", "pineapples" },
    { KIND_FOOD, "strawberry", "strawberry", "strawberries" },
    { KIND_FOOD, "carrot", "carrot", "carrots" },
    { KIND_FOOD, "hamburger", "hamburger", "hamburgers" },
    { KIND_FOOD, "pizza", "pizza", "pizzas" },
    { KIND_FOOD, "doughnut", "doughnut", "doughnuts" },
    { KIND_FOOD, "watermelon", "watermelon", "watermelons" },
    { KIND_VEHICLE, "bus", "bus", "buses" },
    { KIND_VEHICLE, "ambulance", "ambulance", "ambulances" },
    { KIND_VEHICLE, "taxi", "taxi", "taxis" },
    { KIND_VEHICLE, "bicycle", "bicycle", "bicycles" },
    { KIND_VEHICLE, "sailboat", "sailboat", "sailboats" },
    { KIND_VEHICLE, "rocket", "rocket", "rockets" },
    { KIND_CLOTHING, "glasses", "glasses", NULL },
    { KIND_CLOTHING, "jeans", "jeans", NULL },
    { KIND_CLOTHING, "dress", "dress", "dresses" },
    { KIND_CLOTHING, "crown", "crown", "crowns" },
    { KIND_INSTRUMENT, "guitar", "guitar", "guitars" },
    { KIND_INSTRUMENT, "trumpet", "trumpet", "trumpets" },
    { KIND_INSTRUMENT, "drum", "drum", "drums" },
    { KIND_TOOL, "hammer", "hammer", "hammers" },
    { KIND_TOOL, "key", "key", "keys" },
    { KIND_TOOL, "scissors", "scissors", NULL },
    { KIND_PLANT, "rose", "rose", "roses" },
    { KIND_PLANT, "sunflower", "sunflower", "sunflowers" },
    { KIND_PLANT, "cactus", "cactus", "cactuses" },
    { KIND_BALL, "basketball", "basketball", "basketballs" },
    { KIND_BALL, "soccer ball", "soccer ball", "soccer balls" },
    { KIND_HEART, "red heart", "red heart", "red hearts" },
    { KIND_HEART, "yellow heart", "yellow heart", "yellow hearts" },
    { KIND_HEART, "green heart", "green heart", "green hearts" },
    { KIND_HEART, "blue heart", "blue heart", "blue hearts" },
    { KIND_FLAG, "flag of japan", "flag: Japan", "flags of japan" },
    { KIND_FLAG, "flag of canada", "flag: Canada", "flags of canada" },
    { KIND_FLAG, "flag of brazil", "flag: Brazil", "flags of brazil" },
    { KIND_FLAG, "flag of sweden", "flag: Sweden", "flags of sweden" },
};

const char *const kind_names[KIND_COUNT] = { "animal", "food",  "vehicle", "clothing", "instrument",
                                             "tool",   "plant", "ball",    "heart",    "flag" };

/* Sixteen that differ in hat, tool or dress at 50 pixels, and show whether it is a man or a woman. */
const char *const jobs[JOB_COUNT] = {
    "teacher", "farmer", "cook",      "firefighter", "police officer", "detective",      "mechanic",
    "judge",   "pilot",  "artist",    "student",     "scientist",      "singer",         "technologist",
    "factory worker",    "construction worker",
};

const char *const genders[GENDER_COUNT] = { "man", "woman" };
const char *const tones[TONE_COUNT] = { "light", "medium light", "medium", "medium dark", "dark" };
const char *const tone_emoji[TONE_COUNT] = { "light", "medium-light", "medium", "medium-dark", "dark" };

const struct color colors[COLOR_COUNT] = {
    { "red", { 205, 50, 45 } },   { "orange", { 245, 150, 40 } },  { "yellow", { 245, 222, 75 } },
    { "green", { 70, 160, 70 } }, { "blue", { 60, 100, 205 } },    { "purple", { 130, 70, 165 } },
    { "white", { 244, 244, 244 } }, { "black", { 28, 28, 28 } },
};

const char *const number_words[5] = { "no", "one", "two", "three", "four" };

const char *article(const char *word)
{
    return strchr("aeio", word[0]) ? "an" : "a";
}

void phrase_thing(char out[PHRASE_SIZE], int thing)
{
    const struct thing *t = &things[thing];

    if (t->plural)
        snprintf(out, PHRASE_SIZE, "%s %s", article(t->name), t->name);
    else
        snprintf(out, PHRASE_SIZE, "%s", t->name);
}

/* Words between, and words of place: both ends of "left of" and "right of" are said of every picture. */
bool is_content_word(const char *word)
{
    static const char *const between[] = {
        "a",      "an",    "and",   "above",   "are",  "at",    "background", "below",  "beside",
        "bottom", "front", "group", "in",      "left", "of",    "on",         "one",    "over",
        "picture", "right", "skin", "skinned", "some", "the",   "there",      "to",     "top", "with",
    };

    for (size_t i = 0; i < sizeof between / sizeof *between; i++)
        if (strcmp(word, between[i]) == 0)
            return false;
    return true;
}

/* Length of the first word, and what follows it. */
static size_t first_word(const char *text, const char **rest)
{
    size_t size = strcspn(text, " ");

    *rest = text + size + (text[size] == ' ');
    return size;
}

/* A plural differs from its singular in one word; the words are walked side by side. */
const char *singular_of(const char *word, char out[PHRASE_SIZE])
{
    size_t size = strlen(word);

    for (int i = 0; i < THING_COUNT; i++) {
        const char *one = things[i].name, *many = things[i].plural;

        while (many && *many && *one) {
            const char *next_one, *next_many;
            size_t one_size = first_word(one, &next_one), many_size = first_word(many, &next_many);

            if (many_size == size && strncmp(many, word, size) == 0) {
                snprintf(out, PHRASE_SIZE, "%.*s", (int)one_size, one);
                return out;
            }
            one = next_one;
            many = next_many;
        }
    }
    return word;
}
