/* The vocabularies that can be learnt. */
#include <string.h>

#include "libcommon/text/train.h"

static const struct bt_trainer trainers[] = {
    { "wordpiece", BT_TOKENIZER_BERT, bt_train_wordpiece },
    { "bpe", BT_TOKENIZER_OPT, bt_train_bpe },
    { "unigram", BT_TOKENIZER_T5, bt_train_unigram },
};

const struct bt_trainer *bt_trainer(const char *name)
{
    for (size_t i = 0; i < sizeof trainers / sizeof *trainers; i++)
        if (strcmp(trainers[i].name, name) == 0)
            return &trainers[i];
    return NULL;
}
