/* Any bytes as annotations, as questions and as results of VQA: a line of refusal or a score. */
#include <stdlib.h>

#include "libcommon/base/log.h"
#include "libcommon/metrics/vqa.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_err err = { 0 };
    bt_log_silence();
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, true };
    for (enum bt_vqa_variant variant = 0; variant < BT_VQA_VARIANTS; variant++) {
        struct bt_vqa_scores scores = { 0 };
        struct bt_vqa *set = bt_vqa_new();
        const char *path = fuzz_file(data, size);
        if (bt_vqa_load_annotations(set, path, &err) == BT_OK) {
            for (int32_t i = 0; i < bt_join_count(bt_vqa_join(set)); i++)
                bt_vqa_result(set, bt_join_id(bt_vqa_join(set), i), (struct bt_text){ "yes", 3 }, &err);
            if (bt_vqa_score(set, variant, &policy, &scores, &err) == BT_OK &&
                !(scores.overall >= 0 && scores.overall <= 100))
                __builtin_trap();
        }
        bt_err_clear(&err);
        bt_vqa_load_questions(set, path, true, &err);
        bt_err_clear(&err);
        bt_vqa_load_results(set, path, variant == BT_VQA_AOKVQA, &err);
        bt_err_clear(&err);
        bt_vqa_scores_free(&scores);
        bt_vqa_free(set);
    }
    return 0;
}
