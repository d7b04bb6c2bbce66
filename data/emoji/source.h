/* What is read from the Debian packages: emoji sequences, keywords and glosses. Source: demo.md 1. */
#ifndef EMOJI_SOURCE_H
#define EMOJI_SOURCE_H

#include "data/emoji/lexicon.h"
#include "libcommon/base/err.h"
#include "libcommon/base/mem.h"

enum { KEYWORD_MAX = 16 };

struct source {
    struct bt_arena *arena;               /* holds every string */
    const char *thing_emoji[THING_COUNT]; /* UTF-8 */
    const char *person_emoji[JOB_COUNT][GENDER_COUNT][TONE_COUNT];
    const char *keyword[THING_COUNT][KEYWORD_MAX];
    int keyword_count[THING_COUNT];
    const char *thing_gloss[THING_COUNT]; /* NULL where WordNet has no plain one */
    const char **gloss;                   /* "word , gloss" of all of WordNet that is plain */
    uint64_t gloss_count, gloss_capacity;
};

/* From <share>/unicode and <share>/wordnet, share being /usr/share as a rule. E_NOINPUT names the package
 * that is missing, E_INPUT the emoji. Ends with source_free, also after a failure. */
int source_load(struct source *source, const char *share, struct bt_err *err);
void source_free(struct source *source);

#endif
