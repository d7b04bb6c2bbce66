/* Documents. */
#include "data/emoji/document.h"

#include <stdio.h>
#include <string.h>

static void tell_scene(struct document *document, struct bt_draw *draw)
{
    const struct scene *scene = &document->scene;
    struct question all[QUESTION_MAX];
    int which[SENTENCE_MAX], count;
    bool places = false;

    document->sentence_count = 1 + (int)bt_draw_below(draw, 2);
    which[0] = (int)bt_draw_below(draw, CAPTION_COUNT);
    which[1] = (which[0] + 1 + (int)bt_draw_below(draw, CAPTION_COUNT - 1)) % CAPTION_COUNT;
    for (int i = 0; i < document->sentence_count; i++) {
        scene_caption(scene, which[i], document->sentence[i]);
        places = places || scene_caption_places(scene, which[i]);
    }
    count = scene_questions(scene, draw, all);
    while (count > 0 && document->question_count < DOCUMENT_QUESTION_MAX) {
        int chosen = (int)bt_draw_below(draw, (uint64_t)count);

        if (places || strcmp(all[chosen].kind, "relation") != 0)
            document->question[document->question_count++] = all[chosen];
        all[chosen] = all[--count];
    }
}

/* What a thing is, is called, or is said to be. */
static void tell_fact(struct document *document, const struct source *source, struct bt_draw *draw)
{
    int thing = (int)bt_draw_below(draw, THING_COUNT), keywords = source->keyword_count[thing];
    const char *kind = kind_names[things[thing].kind], *gloss = source->thing_gloss[thing];
    uint64_t form = bt_draw_below(draw, 3);
    char *out = document->sentence[0], name[PHRASE_SIZE];

    phrase_thing(name, thing);
    document->sentence_count = 1;
    if (form == 1 && keywords > 0)
        snprintf(out, SENTENCE_SIZE, "%s , %s", name,
                 source->keyword[thing][bt_draw_below(draw, (uint64_t)keywords)]);
    else if (form == 2 && gloss)
        snprintf(out, SENTENCE_SIZE, "%s , %s", name, gloss);
    else if (!things[thing].plural) /* "grapes are food", "glasses are clothing", "scissors are a tool" */
        snprintf(out, SENTENCE_SIZE, "%s are %s%s", name, things[thing].kind == KIND_TOOL ? "a " : "", kind);
    else if (things[thing].kind == KIND_FOOD || things[thing].kind == KIND_CLOTHING)
        snprintf(out, SENTENCE_SIZE, "%s is %s", name, kind);
    else
        snprintf(out, SENTENCE_SIZE, "%s is %s %s", name, article(kind), kind);
}

int document_draw(struct document *document, const struct origin *origin, const struct source *source,
                  struct bt_err *err)
{
    struct bt_draw draw = origin_draw(origin, USE_TELL);
    uint64_t percent = bt_draw_below(&draw, 100);
    int rc = BT_OK;

    *document = (struct document){ .has_scene = percent < 85 };
    if (document->has_scene) {
        rc = scene_draw(&document->scene, origin, SPLIT_TRAIN, err);
        if (!rc)
            tell_scene(document, &draw);
    } else if (percent < 92) {
        tell_fact(document, source, &draw);
    } else {
        document->sentence_count = 1;
        snprintf(document->sentence[0], SENTENCE_SIZE, "%s",
                 source->gloss[bt_draw_below(&draw, source->gloss_count)]);
    }
    return rc;
}
