/* The accuracy of one question. */
#include <string.h>

#include "libcommon/metrics/vqa.h"
#include "libcommon/metrics/vqa_text.h"

const char *bt_vqa_variant_name(enum bt_vqa_variant variant)
{
    static const char *const names[] = { "official", "lavis", "aokvqa" };
    return names[variant];
}

static bool same_text(struct bt_text a, struct bt_text b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool all_equal(const struct bt_vqa_answer *answers, int32_t count)
{
    for (int32_t i = 1; i < count; i++)
        if (!same_text(answers[0].text, answers[i].text))
            return false;
    return true;
}

static int clean(struct bt_arena *arena, struct bt_text *text, struct bt_err *err)
{
    int rc = bt_vqa_punctuation(arena, *text, text, err);
    return rc ? rc : bt_vqa_digit_article(arena, *text, text, err);
}

/* What the evaluator does to both sides before it compares them (the table of metrics.md 3.2). */
static int prepare(enum bt_vqa_variant variant, struct bt_vqa_answer *answers, int32_t count,
                   struct bt_text *prediction, struct bt_arena *arena, struct bt_err *err)
{
    const bool official = variant == BT_VQA_OFFICIAL;
    int rc = bt_vqa_trim(arena, *prediction, prediction, err);
    for (int32_t i = 0; !rc && official && i < count; i++)
        rc = bt_vqa_trim(arena, answers[i].text, &answers[i].text, err);
    if (rc)
        return rc;

    const bool differ = !all_equal(answers, count);
    if (differ || !official)
        rc = clean(arena, prediction, err);
    for (int32_t i = 0; !rc && differ && i < count; i++)
        rc = official ? clean(arena, &answers[i].text, err)
                      : bt_vqa_punctuation(arena, answers[i].text, &answers[i].text, err);
    return rc;
}

/* min(1, matches / 3) among the annotators other than `self` (-1: among all). */
static double agreement(const struct bt_vqa_answer *answers, int32_t count, int32_t self,
                        struct bt_text prediction)
{
    int32_t matches = 0;
    for (int32_t i = 0; i < count; i++) {
        bool left_out = self >= 0 && answers[i].identity == answers[self].identity &&
                        same_text(answers[i].text, answers[self].text);
        matches += !left_out && same_text(answers[i].text, prediction);
    }
    return matches < 3 ? matches / 3.0 : 1;
}

int bt_vqa_accuracy(enum bt_vqa_variant variant, const struct bt_vqa_answer *answers, int32_t count,
                    struct bt_text prediction, struct bt_arena *arena, double *accuracy, struct bt_err *err)
{
    double sum = 0;
    if (variant == BT_VQA_AOKVQA) {
        *accuracy = agreement(answers, count, -1, prediction);
        return BT_OK;
    }
    struct bt_vqa_answer *prepared = bt_arena_take(arena, (uint64_t)count, sizeof *prepared);
    if (!prepared)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory for the answers");
    memcpy(prepared, answers, (size_t)count * sizeof *prepared);
    int rc = prepare(variant, prepared, count, &prediction, arena, err);
    if (rc)
        return rc;
    for (int32_t i = 0; i < count; i++)
        sum += agreement(prepared, count, i, prediction);
    *accuracy = sum / count;
    return BT_OK;
}
