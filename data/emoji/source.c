/* Reading emoji-test.txt, the CLDR annotations and WordNet's data files. */
#include "data/emoji/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"

/* Calls take(source, line) for every line of a package's file; take may change the line's copy. */
static int each_line(struct source *source, const char *share, const char *name, const char *package,
                     int (*take)(struct source *, char *line, struct bt_err *), struct bt_err *err)
{
    char *path = bt_format("%s/%s", share, name);
    struct bt_lines *lines = NULL;
    struct bt_buf copy = { 0 };
    const char *line;
    size_t size;
    int rc;

    if (!path)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", name);
    rc = bt_path_exists(path) ? bt_lines_open(&lines, path, err)
                              : bt_fail(err, BT_ERR_NOINPUT, "%s: not found; install the package %s",
                                        bt_quote_str(path), package);
    while (!rc) {
        rc = bt_lines_next(lines, &line, &size, err);
        copy.size = 0;
        if (!rc)
            rc = bt_buf_add(&copy, line, size, err);
        if (!rc && size > 0)
            rc = take(source, copy.data, err);
    }
    bt_buf_free(&copy);
    bt_lines_close(lines);
    free(path);
    return rc == BT_END ? BT_OK : rc;
}

static int keep(struct source *source, const char **slot, const char *text, struct bt_err *err)
{
    char *copy = bt_arena_str(source->arena, text, strlen(text));

    if (!copy)
        return bt_fail(err, BT_ERR_MEMORY, "emoji sources: out of memory");
    *slot = copy;
    return BT_OK;
}

/* "man cook: medium-light skin tone" -> where that sequence belongs; NULL for people we do not draw. */
static const char **person_slot(struct source *source, const char *name)
{
    char want[PHRASE_SIZE * 2];

    for (int j = 0; j < JOB_COUNT; j++)
        for (int g = 0; g < GENDER_COUNT; g++)
            for (int t = 0; t < TONE_COUNT; t++) {
                snprintf(want, sizeof want, "%s %s: %s skin tone", genders[g], jobs[j], tone_emoji[t]);
                if (strcmp(want, name) == 0)
                    return &source->person_emoji[j][g][t];
            }
    return NULL;
}

/* "1F415 ; fully-qualified # <emoji> E0.7 dog": split at the first '#' only, keycap names hold another. */
static int take_emoji(struct source *source, char *line, struct bt_err *err)
{
    char *emoji, *name, *mark = strchr(line, '#');

    if (!mark || !strstr(line, "; fully-qualified"))
        return BT_OK;
    emoji = mark + 1 + strspn(mark + 1, " ");
    name = strchr(emoji, ' ');
    if (!name)
        return BT_OK;
    *name++ = '\0';
    name += strcspn(name, " ");
    name += strspn(name, " ");
    for (int i = 0; i < THING_COUNT; i++)
        if (strcmp(things[i].emoji, name) == 0)
            return keep(source, &source->thing_emoji[i], emoji, err);
    if (strstr(name, "skin tone")) {
        const char **slot = person_slot(source, name);

        return slot ? keep(source, slot, emoji, err) : BT_OK;
    }
    return BT_OK;
}

static int check_emoji(const struct source *source, struct bt_err *err)
{
    static const char missing[] = "emoji-test.txt: no emoji named '%s'; unicode-data 15.0 has it";
    const char *const *person = &source->person_emoji[0][0][0];

    for (int i = 0; i < THING_COUNT; i++)
        if (!source->thing_emoji[i])
            return bt_fail(err, BT_ERR_INPUT, missing, things[i].emoji);
    for (int i = 0; i < JOB_COUNT * GENDER_COUNT * TONE_COUNT; i++)
        if (!person[i])
            return bt_fail(err, BT_ERR_INPUT, missing, jobs[i / (GENDER_COUNT * TONE_COUNT)]);
    return BT_OK;
}

/* Annotations leave U+FE0F out. */
static bool same_sequence(const char *emoji, const char *cp, size_t size)
{
    size_t at = 0;

    while (*emoji) {
        if (strncmp(emoji, "\xef\xb8\x8f", 3) == 0) {
            emoji += 3;
            continue;
        }
        if (at == size || *emoji++ != cp[at++])
            return false;
    }
    return at == size;
}

static bool is_plain(const char *text, const char *also)
{
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') && !strchr(also, *text))
            return false;
    return true;
}

/* <annotation cp="X">pet | dog</annotation>; the lines of type tts hold a name instead. */
static int take_keywords(struct source *source, char *line, struct bt_err *err)
{
    static const char head[] = "<annotation cp=\"";
    char *cp = strstr(line, head), *cp_end, *text, *save = NULL;
    int thing = 0, rc = BT_OK;

    cp_end = cp ? strstr(cp + strlen(head), "\">") : NULL;
    text = cp_end ? cp_end + 2 : NULL;
    if (!text || strstr(line, "type=\"tts\""))
        return BT_OK;
    cp += strlen(head);
    while (thing < THING_COUNT && !same_sequence(source->thing_emoji[thing], cp, (size_t)(cp_end - cp)))
        thing++;
    if (thing == THING_COUNT)
        return BT_OK;
    text[strcspn(text, "<")] = '\0';
    for (char *word = strtok_r(text, "|", &save); word && !rc; word = strtok_r(NULL, "|", &save)) {
        int *count = &source->keyword_count[thing];

        word += strspn(word, " ");
        for (size_t size = strlen(word); size > 0 && word[size - 1] == ' '; size--)
            word[size - 1] = '\0';
        if (*count < KEYWORD_MAX && is_plain(word, " ") && !strstr(things[thing].name, word)) {
            rc = keep(source, &source->keyword[thing][*count], word, err);
            *count += rc == BT_OK;
        }
    }
    return rc;
}

/* The plain part of a gloss, in place: up to the first ';' or '"', without parentheses, lower case, 3 to 14
 * words of letters. NULL when it is not plain. */
static char *plain_gloss(char *gloss)
{
    char *to = gloss, *from;
    int depth = 0, words = 0;

    for (from = gloss + strspn(gloss, " "); *from && *from != ';' && *from != '"'; from++) {
        depth += *from == '(';
        if (depth == 0 && !(*from == ' ' && (to == gloss || to[-1] == ' ')))
            *to++ = (char)tolower((unsigned char)*from);
        depth -= *from == ')' && depth > 0;
    }
    while (to > gloss && to[-1] == ' ')
        to--;
    *to = '\0';
    for (const char *p = gloss; *p; p++)
        words += *p != ' ' && *p != ',' && (p == gloss || p[-1] == ' ');
    return is_plain(gloss, " ,") && words >= 3 && words <= 14 ? gloss : NULL;
}

/* By WordNet's lexicographer file numbers (wndb(5WN)): the dog that is an animal, not the frump. */
static bool is_field_of_kind(int field, enum kind kind)
{
    static const struct {
        int a, b;
    } fields[KIND_COUNT] = {
        [KIND_ANIMAL] = { 5, 5 },   [KIND_FOOD] = { 13, 20 },     [KIND_VEHICLE] = { 6, 6 },
        [KIND_CLOTHING] = { 6, 6 }, [KIND_INSTRUMENT] = { 6, 6 }, [KIND_TOOL] = { 6, 6 },
        [KIND_PLANT] = { 20, 20 },  [KIND_BALL] = { 6, 6 },       [KIND_HEART] = { -1, -1 },
        [KIND_FLAG] = { -1, -1 },
    };

    return field == fields[kind].a || field == fields[kind].b;
}

/* "02084071 05 n 03 dog 0 ... | gloss": offset, field, part of speech, word count, the first word. */
static int take_gloss(struct source *source, char *line, struct bt_err *err)
{
    char word[PHRASE_SIZE], text[PHRASE_SIZE + 512], part, *gloss = strchr(line, '|');
    int field, rc;

    if (!gloss || line[0] == ' ' || sscanf(line, "%*8d %2d %c %*2x %63s", &field, &part, word) != 3)
        return BT_OK;
    for (char *p = word; *p; p++)
        if (*p == '_')
            *p = ' ';
    gloss = plain_gloss(gloss + 1);
    if (!gloss || !is_plain(word, " ") || strlen(gloss) > 200)
        return BT_OK;
    for (int i = 0; part == 'n' && i < THING_COUNT; i++)
        if (!source->thing_gloss[i] && is_field_of_kind(field, things[i].kind) &&
            strcmp(word, things[i].name) == 0) {
            rc = keep(source, &source->thing_gloss[i], gloss, err);
            if (rc)
                return rc;
        }
    snprintf(text, sizeof text, "%s , %s", word, gloss);
    rc = bt_grow(&source->gloss, &source->gloss_capacity, source->gloss_count + 1, sizeof *source->gloss,
                 err);
    if (!rc)
        rc = keep(source, &source->gloss[source->gloss_count], text, err);
    if (!rc)
        source->gloss_count++;
    return rc;
}

int source_load(struct source *source, const char *share, struct bt_err *err)
{
    static const struct {
        const char *name, *package;
        int (*take)(struct source *, char *line, struct bt_err *);
    } files[] = {
        { "unicode/cldr/common/annotations/en.xml", "unicode-cldr-core", take_keywords },
        { "unicode/cldr/common/annotationsDerived/en.xml", "unicode-cldr-core", take_keywords },
        { "wordnet/data.noun", "wordnet-base", take_gloss },
        { "wordnet/data.verb", "wordnet-base", take_gloss },
        { "wordnet/data.adj", "wordnet-base", take_gloss },
    };
    int rc;

    *source = (struct source){ .arena = bt_arena_new(1 << 20) };
    if (!source->arena)
        return bt_fail(err, BT_ERR_MEMORY, "emoji sources: out of memory");
    rc = each_line(source, share, "unicode/emoji/emoji-test.txt", "unicode-data", take_emoji, err);
    if (!rc)
        rc = check_emoji(source, err);
    for (size_t i = 0; !rc && i < sizeof files / sizeof *files; i++)
        rc = each_line(source, share, files[i].name, files[i].package, files[i].take, err);
    if (!rc && source->gloss_count == 0)
        rc = bt_fail(err, BT_ERR_INPUT, "wordnet/data.*: no glosses in them; install wordnet-base 3.0");
    return rc;
}

void source_free(struct source *source)
{
    free(source->gloss);
    bt_arena_free(source->arena);
    *source = (struct source){ 0 };
}
