/* Any bytes as each of GQA's files: a line of refusal or a score. */
#include <stdlib.h>

#include "libcommon/base/log.h"
#include "libcommon/metrics/gqa.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_err err = { 0 };
    bt_log_silence();
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, true };
    struct bt_gqa_scores scores = { 0 };
    struct bt_gqa *set = bt_gqa_new();
    const char *path = fuzz_file(data, size);
    if (bt_gqa_load_questions(set, path, false, &err) == BT_OK) {
        /* The same bytes again, as what belongs to the questions. */
        if (bt_gqa_load_choices(set, path, &err) == BT_OK && bt_gqa_load_scenes(set, path, &err) == BT_OK)
            bt_gqa_load_attentions(set, path, &err);
        bt_err_clear(&err);
        for (int32_t i = 0; i < bt_join_count(bt_gqa_join(set)); i++)
            bt_join_result(bt_gqa_join(set), bt_join_id(bt_gqa_join(set), i), (struct bt_text){ "yes", 3 },
                           &err);
        bt_gqa_score(set, BT_GQA_OFFICIAL, &policy, &scores, &err);
    }
    bt_err_clear(&err);
    bt_gqa_load_results(set, path, true, &err);
    bt_err_clear(&err);
    bt_gqa_load_attentions(set, path, &err);
    bt_gqa_scores_free(&scores);
    bt_gqa_free(set);
    return 0;
}
