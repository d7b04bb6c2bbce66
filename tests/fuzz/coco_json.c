/* Any bytes as references and as results of captions: a line of refusal or a score. */
#include <stdlib.h>

#include "libcommon/base/log.h"
#include "libcommon/metrics/captions.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bt_err err = { 0 };
    bt_log_silence();
    const struct bt_join_policy policy = { BT_DUPLICATES_LAST, true };
    struct bt_caption_scores scores = { 0 };
    struct bt_captions *set = bt_captions_new();
    const char *path = fuzz_file(data, size);
    if (bt_captions_load_references(set, path, &err) == BT_OK) {
        /* Whatever is an image gets a result. */
        for (int32_t i = 0; i < bt_join_count(bt_captions_join(set)); i++)
            bt_captions_result(set, bt_join_id(bt_captions_join(set), i), (struct bt_text){ "a dog", 5 },
                               &err);
        bt_captions_score(set, &policy, BT_TOKENS_PTB, &scores, &err);
    }
    bt_err_clear(&err);
    bt_captions_load_results(set, path, false, &err);
    free(scores.each);
    bt_captions_free(set);
    return 0;
}
